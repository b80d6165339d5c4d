"""Tensors that are no views of memory: sparse ones. What knows them is loaded when a program makes the first.

Operators look here where their tables know no call for the specs they were given; so dense tensors pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from .._tensor import Tensor
from .record import Layouts, layouts, method

_HOME = __name__.rpartition(".ops")[0] + ".sparse"  # a package above this one: it is found by name, when it is needed


def _load(self: Layouts, name: str) -> Any:
    if name not in Layouts.__slots__:
        raise AttributeError(name)
    import_module(_HOME)
    return object.__getattribute__(self, name)


Layouts.__getattr__ = _load


def _forwarded(name: str) -> Callable:
    def forwarded(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return getattr(layouts, name)(self, *args, **kwargs)

    forwarded.__name__ = forwarded.__qualname__ = name
    return forwarded


def _refused(name: str, kind: str) -> Callable:
    def refused(self: Tensor) -> Any:
        raise RuntimeError(f"{name} expected sparse {kind}layout but got Strided")

    refused.__name__ = refused.__qualname__ = name
    return refused


for _name in ("to_sparse", "sparse_mask"):
    method(_name, _forwarded(_name))
method("to_sparse_coo", lambda self: self.to_sparse())
for _name in ("indices", "coalesce", "is_coalesced", "_indices", "_values", "_nnz"):
    method(_name, _refused(_name, "coordinate tensor "))
method("values", _refused("values", "tensor "))
