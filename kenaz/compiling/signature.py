"""What decides whether two calls are alike, as far as it stands in the arguments."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .._tensor import Tensor
from ..autograd.modes import state
from ..autograd.nodes import AccumulateGrad, refreshed
from ..core.device import device
from ..core.dtype import dtype, get_default_dtype
from ..core.shape import Size
from ..core.spec import Spec
from ..nn.parameter import Buffer, Parameter
from ..ops.reproducibility import are_deterministic_algorithms_enabled

TENSORS = frozenset((Tensor, Parameter, Buffer))
CONSTANTS = frozenset((bool, int, str, bytes, type(None), dtype, device, type(Ellipsis), type))
PARTS = frozenset((list, tuple, Size))
TABLES = frozenset((dict, OrderedDict))


class Signature:
    """The key of a call; its tensors, in order; the objects that the key names by their identity; and the lists and
    dictionaries that it looks into."""

    __slots__ = ("containers", "key", "objects", "tensors")

    def __init__(self, args: tuple, kwargs: dict):
        self.tensors: list[Tensor] = []
        self.objects: list[Any] = []
        self.containers: list[Any] = []
        key: list[Any] = [state.enabled, get_default_dtype(), are_deterministic_algorithms_enabled()]
        if state.precision.on:
            key += state.precision.dtypes.values()
        self._add_all(args, key)
        for name, value in kwargs.items():
            key.append(name)
            self._add(value, key)
        if len(self.tensors) > 1:
            self._add_aliases(key)
        self.key = tuple(key)

    def is_same(self, other: Signature) -> bool:
        """Whether it is of the same values."""
        return self.key == other.key and list(map(id, self.tensors)) == list(map(id, other.tensors))

    def _add_all(self, values: Any, key: list) -> None:
        for value in values:
            self._add(value, key)

    def _add(self, value: Any, key: list) -> None:
        kind = type(value)
        if kind in TENSORS and type(value._spec) is Spec:
            key += value._spec, wants_gradient(value)
            if state.inferred:
                key.append(value._inference)
            self.tensors.append(value)
        elif kind in CONSTANTS:
            key += kind, value
        elif kind is float:
            key.append(value.hex())  # which tells 0.0 from -0.0, and is equal for nan
        elif kind in PARTS or isinstance(value, tuple) and hasattr(kind, "_fields"):
            key += kind, len(value)
            self.containers.append(value)
            self._add_all(value, key)
        elif kind in TABLES:
            key += kind, *value, len(value)
            self.containers.append(value)
            self._add_all(value.values(), key)
        else:
            key += object, id(value)
            self.objects.append(value)

    def _add_aliases(self, key: list) -> None:
        """Tensors that share memory: which, and where in it they begin."""
        places = {id(t._storage): i for i, t in reversed([*enumerate(self.tensors)])}
        if len(places) < len(self.tensors):
            key += [(places[id(t._storage)], t._offset) for t in self.tensors]


def wants_gradient(x: Tensor) -> int:
    """0 for a tensor outside the graph, 1 for a leaf, 2 for a result."""
    fn = x._grad_fn if x._base is None else refreshed(x)
    return 0 if fn is None else 1 if type(fn) is AccumulateGrad else 2
