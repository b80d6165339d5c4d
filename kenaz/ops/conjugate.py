"""Conjugates. PyTorch's are views with a flag; here `conj` is an operator of its own, which fuses with its readers."""

from __future__ import annotations

from .._tensor import Tensor
from .declare import SAME, rename_node, unary
from .record import assign, method, public, write_out

_conj = unary(
    "conj_physical", SAME, lambda xp, x: xp.conj(x), torch=False, tensor=False, inplace=False,
    grad=lambda g, y, _x: g.conj(), grad_name="ConjBackward0",
)  # fmt: skip


def conj(input: Tensor) -> Tensor:
    """The conjugate; a tensor that is not complex is returned as it is."""
    return _conj(input) if input.dtype.is_complex else input


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The conjugate; a tensor that is not complex is returned as it is."""
    result = rename_node(_conj(input), "ConjPhysicalBackward0") if input.dtype.is_complex else input
    return result if out is None else write_out(result, out, "conj_physical")


def conj_physical_(self: Tensor) -> Tensor:
    """The conjugate, in place."""
    return assign(self, _conj(self)) if self.dtype.is_complex else self


for _function in (conj, conj_physical, conj_physical_):
    public(_function)
    method(_function.__name__, _function)
