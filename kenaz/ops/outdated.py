"""Calls in an order of arguments that PyTorch gave up in 2020 and still takes: `p.add_(-lr, grad)`, as old optimizers say.

They are worked out after a call failed, so that a call of today pays nothing for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Number
from typing import Any

from .._tensor import Tensor

_Call = tuple[tuple, dict[str, Any]]
_warned: list[str] = []  # PyTorch warns once in a process


def outdated(name: str, args: tuple, kwargs: dict) -> _Call | None:
    """The same call in today's order, or None if it is not of those forms; warns of the first one."""
    form = _FORMS.get(name.removesuffix("_"))
    call = form[0](args, kwargs) if form and not kwargs.keys() - {"out"} else None
    if form and call is not None and not _warned:
        _warned.append(name)
        method = name.endswith("_") or isinstance(args[0], Tensor) and len(args) == 5
        warnings.warn(_advice(name, method, *form[1:]), stacklevel=4)
    return call


def _advice(name: str, method: bool, number: str, tensors: str, options: str) -> str:
    first, out = ("", "") if method else ("Tensor input, ", ", *, Tensor out = None")
    return (
        f"This overload of {name} is deprecated:\n\t{name}({first}{number}, {tensors}{out})\n"
        f"Consider using one of the following signatures instead:\n\t"
        f"{name}({first}{tensors}, *, {options}{out.removeprefix(', *')})"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) or (isinstance(value, Tensor) and not value.ndim)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _second_is(option: str, count: int) -> Callable[[tuple, dict], _Call | None]:
    """The form where the number stands behind the input: (input, number, tensors)."""

    def turned(args: tuple, kwargs: dict) -> _Call | None:
        if len(args) != count or not isinstance(args[0], Tensor) or not _is_number(args[1]):
            return None
        return (args[0], *args[2:]), {**kwargs, option: _plain(args[1])}

    return turned


def _product(args: tuple, kwargs: dict) -> _Call | None:
    """(beta, input, alpha, a, b) or (beta, input, a, b); a method has its input first."""
    if len(args) not in (4, 5):
        return None
    first, second, *rest = args
    beta, input = (second, first) if isinstance(first, Tensor) else (first, second)
    scales = dict(zip(("beta", "alpha"), (beta, *rest[:-2]), strict=False))
    if not isinstance(input, Tensor) or not all(map(_is_number, scales.values())):
        return None
    return (input, *rest[-2:]), {**kwargs, **{k: _plain(v) for k, v in scales.items()}}


_SUM = (_second_is("alpha", 3), "Number alpha", "Tensor other", "Number alpha = 1")
_THREE = (_second_is("value", 4), "Number value", "Tensor tensor1, Tensor tensor2", "Number value = 1")
_FORMS: dict[str, tuple[Callable[[tuple, dict], _Call | None], str, str, str]] = {
    "add": _SUM, "sub": _SUM, "addcmul": _THREE, "addcdiv": _THREE,
} | {
    name: (_product, "Number beta, Number alpha", tensors, "Number beta = 1, Number alpha = 1")
    for name, tensors in {
        "addmm": "Tensor mat1, Tensor mat2", "addmv": "Tensor mat, Tensor vec", "addr": "Tensor vec1, Tensor vec2",
        "baddbmm": "Tensor batch1, Tensor batch2", "addbmm": "Tensor batch1, Tensor batch2",
    }.items()
}  # fmt: skip
