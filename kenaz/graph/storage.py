"""Storage: a flat piece of memory on a device, or the pending node that will fill it.

Tensors that are views of each other share a Storage. An in-place write makes a new node and points the Storage at it,
and whoever recorded the old value keeps the old node. While NumPy (or a pointer) can see the memory, the Storage is
`exposed`: its memory must stay where it is, and operators that read or write it run at once.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np

from ..core.dtype import dtype, of_numpy
from ..core.spec import Spec, fresh
from .node import Node, held, make_node


class Storage:
    __slots__ = ("__weakref__", "exposed", "node", "version")
    node: Node
    version: int
    exposed: Any  # False, "view" while arrays may look at the memory, or "always" for foreign memory and raw pointers

    @staticmethod
    def of(array: np.ndarray, exposed: Any = False) -> Storage:
        """A storage over the memory of a contiguous array.

        >>> Storage.of(np.zeros(3, np.float32)).nbytes
        12
        """
        spec = fresh(array.shape, of_numpy(array.dtype))
        storage = make_storage(make_node(held(spec), (), None, array))
        if exposed:
            storage.exposed = exposed
            _exposed.add(storage)
        return storage

    @property
    def spec(self) -> Spec:
        """How the memory was made: its dtype and number of elements."""
        return self.node.call.out

    @property
    def dtype(self) -> dtype:
        return self.node.call.out.dtype

    @property
    def nbytes(self) -> int:
        return self.node.call.out.numel * self.node.call.out.dtype.itemsize

    def expose(self, how: str) -> None:
        """Note that something outside sees the memory; the caller has run what is pending."""
        if self.exposed != "always":
            self.exposed = how
        _exposed.add(self)

    def is_exposed(self) -> bool:
        """Whether anything outside still sees the memory."""
        if self.exposed == "view":
            value = self.node.value
            owner = value if value is not None and value.base is None else None
            # references here: `value`, `owner`, the node's slot, and getrefcount's own argument
            if owner is not None and sys.getrefcount(owner) <= 4:
                self.exposed = False
                _exposed.discard(self)
        return bool(self.exposed)


def make_storage(node: Node) -> Storage:
    storage = Storage()
    storage.node, storage.version, storage.exposed = node, 0, False
    return storage


_exposed: weakref.WeakSet[Storage] = weakref.WeakSet()


def any_exposed() -> bool:
    """Whether any living storage has been exposed; while so, recording looks at each source."""
    return len(_exposed) > 0
