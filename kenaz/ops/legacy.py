"""The constructors of old: `torch.Tensor(2, 3)`, `torch.FloatTensor([1, 2])`. New programs use `tensor` and `empty`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import dtype
from .arguments import combination
from .creation import empty, from_numpy, tensor
from .literals import is_sequence


def build(kind: dtype, name: str, args: tuple, kwargs: dict) -> Tensor:
    """Sizes give cleared memory, data gives a tensor of the type, a tensor of the type is shared."""
    if kwargs.keys() - {"device"}:
        raise TypeError(_no_such_form(args, kwargs))
    if not args:
        return empty(0, dtype=kind)
    first = args[0]
    if len(args) == 1:
        if isinstance(first, Tensor):
            if first.dtype is not kind:
                raise TypeError(
                    f"expected {name} (got torch.{dtypes.scalar_name(first.dtype)}Tensor)"
                )
            return first.detach()
        if isinstance(first, tuple) and type(first).__name__ == "Size":
            return empty(first, dtype=kind)
        if isinstance(first, np.ndarray):
            return from_numpy(first) if dtypes.of_numpy(first.dtype) is kind else tensor(first, dtype=kind)
        if isinstance(first, str | bytes):
            raise TypeError(f"new(): invalid data type '{type(first).__name__}'")
        if is_sequence(first):
            return tensor(first, dtype=kind)
    if all(isinstance(a, (int, np.integer)) for a in args):
        return empty(*map(int, args), dtype=kind)
    raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")


_FORMS = (
    "*, torch.device device = None", "torch.Storage storage", "Tensor other", "tuple of ints size, *, torch.device device = None",
    "object data, *, torch.device device = None",
)  # fmt: skip


def _no_such_form(args: tuple, kwargs: dict) -> str:
    wrong = [k for k in kwargs if k != "device"]
    lines = combination("new", args, kwargs, _FORMS).split("\n")
    lines.insert(2, f"      didn't match because some of the keywords were incorrect: {', '.join(wrong)}")
    return "\n".join(lines)


def _new(cls: type, *args: Any, **kwargs: Any) -> Any:
    if cls is not Tensor and not args and not kwargs:
        return object.__new__(cls)
    if len(args) == 1 and isinstance(args[0], Tensor) and not kwargs:
        made = args[0].detach()
    else:
        made = build(dtypes.get_default_dtype(), "torch.FloatTensor", args, kwargs)
    return made if cls is Tensor else Tensor._make_subclass(cls, made)


Tensor.__new__ = _new
Tensor.__init__ = lambda self, *args, **kwargs: None


class _TypeMeta(type):
    """`isinstance(x, torch.FloatTensor)` asks for the dtype."""

    _dtype: dtype
    is_cuda = False
    is_sparse = False

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls._dtype

    @property
    def dtype(cls) -> dtype:
        return cls._dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        return build(cls._dtype, f"torch.{cls.__name__}", args, kwargs)


TYPES = {
    f"{dtypes.scalar_name(d)}Tensor": _TypeMeta(f"{dtypes.scalar_name(d)}Tensor", (), {"_dtype": d, "__module__": "torch"})
    for d in dtypes.ALL
    if d.name not in ("uint16", "uint32", "uint64", "complex64", "complex128")
}
_default_type = ["torch.FloatTensor"]


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by a tensor type such as "torch.DoubleTensor"."""
    kind = TYPES[t.rpartition(".")[2]] if isinstance(t, str) else t
    dtypes.set_default_dtype(kind._dtype)
