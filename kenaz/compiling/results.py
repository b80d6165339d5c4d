"""What a call gave back, as a description from which the same can be made over other memory.

A description is a tree: ("table", type, keys, parts), ("parts", type, parts), ("constant", value), ("known", i) for a
tensor that was there before, and ("made", n) for one that the call made. `Made` says how the n-th of these looks at
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor, make_tensor
from ..autograd.nodes import refreshed
from ..core.shape import Size
from ..core.spec import Spec
from ..graph.storage import Storage, make_storage
from ..utils import _pytree
from .signature import CONSTANTS, TABLES
from .walking import Unguardable

_KEPT = frozenset(("_creation", "_grad_version", "_view_version"))  # what a result may have in its __dict__


class Made:
    """A tensor that a call made: its memory, how it looks at it, what it is a view of, and which root of the graph."""

    __slots__ = ("attributes", "base", "memory", "root", "shift", "spec")
    memory: tuple[str, int]  # ("known", i), or ("new", number of a new storage)
    spec: Spec
    shift: tuple[int | None, int]  # the known tensor whose offset it counts from, and the distance
    base: tuple[str, int] | None
    root: int | None  # its number among the tensors that have a history
    attributes: tuple

    def told(self) -> tuple:
        """As plain data, to be compared."""
        return self.memory, self.spec, self.shift, self.base, self.root, self.attributes


class Description:
    """Describes values; collects the tensors and storages that they are made of."""

    def __init__(self, known: list[Tensor], shift_of: Callable, old: set[int]):
        self.old = old
        self.known = {id(t): i for i, t in enumerate(known)}
        self.known_memory: dict[int, int] = {}
        for i, t in enumerate(known):
            self.known_memory.setdefault(id(t._storage), i)
        self.shift_of = shift_of
        self.made: list[Made] = []
        self.storages: list[Storage] = []
        self.roots: list[tuple[Any, int]] = []  # (backward node, output number)
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []

    def of(self, value: Any) -> tuple:
        """The description of a value; raises Unguardable where it could not be made again."""
        kind = type(value)
        if isinstance(value, Tensor):
            return self.tensor(value)
        if kind in CONSTANTS or kind in (float, complex):
            return "constant", kind, repr(value) if kind in (float, complex) else value, value
        if kind is Size or isinstance(value, tuple) and all(type(v) in (int, str) for v in value):
            return "constant", kind, tuple(value), value
        if id(value) in self.old and not isinstance(value, tuple):
            raise Unguardable(f"it gives back a {kind.__name__} that was there before")
        if kind in (list, tuple) or isinstance(value, tuple) and hasattr(value, "_fields"):
            return "parts", kind, tuple([self.of(v) for v in value])
        if kind in TABLES:
            return "table", kind, tuple(value), tuple([self.of(v) for v in value.values()])
        node = _pytree.SUPPORTED_NODES.get(kind)
        if node is None:
            raise Unguardable(f"it gives back a {kind.__name__}")
        parts, context = node.flatten_fn(value)
        return "tree", kind, repr(context), tuple([self.of(v) for v in parts]), context

    def tensor(self, x: Tensor) -> tuple[str, int]:
        at = self.known.get(id(x))
        if at is not None:
            return "known", at
        if id(x) not in self._numbers:
            if type(x) is not Tensor or x._silent or x._inference or type(x._spec) is not Spec or x._storage.exposed:
                raise Unguardable("it gives back a tensor of a special kind")
            self._add(x)
        return "made", self._numbers[id(x)]

    def _add(self, x: Tensor) -> None:
        made = Made()
        made.base = None if x._base is None else self.tensor(x._base)
        made.memory, made.spec, made.shift = self._memory(x._storage), x._spec, self.shift_of(x)
        made.root = self._root(x)
        made.attributes = tuple(sorted(x.__dict__.items()))
        if any(key not in _KEPT for key, _ in made.attributes):
            raise Unguardable("it gives back a tensor that has attributes")
        self._numbers[id(x)] = len(self.made)
        self._alive.append(x)
        self.made.append(made)

    def _memory(self, storage: Storage) -> tuple[str, int]:
        at = self.known_memory.get(id(storage))
        if at is not None:
            return "known", at
        if storage not in self.storages:
            self.storages.append(storage)
        return "new", self.storages.index(storage)

    def _root(self, x: Tensor) -> int | None:
        fn = x._grad_fn if x._base is None else refreshed(x)
        if fn is None:
            return None
        self.roots.append((fn, x._output_nr))
        return len(self.roots) - 1


def make(made: list[Made], nodes: list, versions: list[int], known: list[Tensor], grad_fn: Any) -> list[Tensor]:
    """The tensors again, over nodes for the new storages."""
    storages = []
    for node, version in zip(nodes, versions, strict=True):
        storage = make_storage(node)
        storage.version = version
        storages.append(storage)
    found: list[Tensor] = []
    for one in made:
        kind, at = one.memory
        near, distance = one.shift
        storage = storages[at] if kind == "new" else known[at]._storage
        x = make_tensor(storage, one.spec, distance if near is None else known[near]._offset + distance)
        if one.attributes:
            x.__dict__.update(one.attributes)
        if one.base is not None:
            kind, at = one.base
            x._base = base = known[at] if kind == "known" else found[at]
            if one.root is not None:
                x._view_version = base._grad_version
        if one.root is not None:
            x._grad_fn, x._output_nr = grad_fn, one.root
        found.append(x)
    return found


def build(tree: tuple, made: list[Tensor], known: list[Tensor]) -> Any:
    """The value that a description is of."""
    kind = tree[0]
    if kind == "made":
        return made[tree[1]]
    if kind == "known":
        return known[tree[1]]
    if kind == "constant":
        return tree[3]
    if kind == "table":
        parts = [build(part, made, known) for part in tree[3]]
        return tree[1](zip(tree[2], parts, strict=True))
    if kind == "tree":
        return _pytree.SUPPORTED_NODES[tree[1]].unflatten_fn([build(p, made, known) for p in tree[3]], tree[4])
    parts = [build(part, made, known) for part in tree[2]]
    return tree[1](*parts) if hasattr(tree[1], "_make") else tree[1](parts)


def told(tree: tuple) -> tuple:
    """A description without the objects in it, to be compared."""
    if tree[0] in ("constant", "tree"):
        rest = (tuple([told(p) for p in tree[3]]),) if tree[0] == "tree" else ()
        return (*tree[:3], *rest)
    return tuple([tuple([told(p) for p in part]) if type(part) is tuple and part and type(part[0]) is tuple else part
                  for part in tree])  # fmt: skip
