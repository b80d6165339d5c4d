"""Operators that fold rows and go over them again: one body over `xp`, for NumPy here and for `codegen/rows.py`.

A body gets its inputs as arrays that broadcast against each other and folds with `xp.sum(x)`, `xp.max(x)`,
`xp.mean(x)`, which keep the folded axes; it returns a tuple of results. What an input or a result is, its role says:

    "element"    as large as what is folded
    "row"        one number a row, such as a mean; "flat" is a result without the folded axes' ones
    "position"   the same numbers in every row, such as a weight of a layer norm
    "across"     (a result) sums over rows

An input may be absent: False in its place, None for the body. Attributes that are floats come as numbers, which are
not part of compiled code; `dim` or `dims` says what a row is; the others are keywords of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.spec import Spec
from .declare import opaque

Roles = str  # roles of all inputs or results, separated by spaces
_AXES = frozenset(("dim", "dims", "keepdim", "dtype"))  # attributes that say what is folded, not how


class Axes:
    """`xp` for the bodies of rows on arrays: folds are over some axes, which stay with one element."""

    def __init__(self, xp: Any, size: Sequence[int], dims: tuple[int, ...]):
        self.xp, self.dims, self.size = xp, dims, size
        self.count = 1
        for d in dims:
            self.count *= size[d]

    def sum(self, x: Any) -> Any:
        return x.sum(self.dims, keepdims=True)

    def max(self, x: Any) -> Any:
        return x.max(self.dims, keepdims=True)

    peak = max

    def min(self, x: Any) -> Any:
        return x.min(self.dims, keepdims=True)

    def mean(self, x: Any) -> Any:
        return x.mean(self.dims, keepdims=True)

    def keep(self, x: Any) -> Any:
        return x

    def position(self) -> Any:
        """The number of each element in its row."""
        return self.xp.arange(self.count).reshape([n if d in self.dims else 1 for d, n in enumerate(self.size)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.xp, name)


def _dims(attributes: dict, ndim: int) -> tuple[int, ...]:
    """The folded axes."""
    dims = attributes["dims"] if "dims" in attributes else attributes["dim"]
    return () if not ndim else dims if type(dims) is tuple else (dims % ndim,)


def _options(attributes: dict) -> dict[str, Any]:
    """What is fixed in a body: all attributes but axes and floats."""
    return {k: v for k, v in attributes.items() if k not in _AXES and type(v) is not float}


def _numbers(attributes: dict) -> list[float]:
    return [v for v in attributes.values() if type(v) is float]


def array_kernel(body: Callable, inputs: Roles, outputs: Roles) -> Callable:
    """The body as a kernel over whole arrays."""
    roles, made = inputs.split(), outputs.split()

    def kernel(xp: Any, *arrays: Any, **attributes: Any) -> Any:
        first = arrays[roles.index("element")]
        dims = _dims(attributes, first.ndim)
        kept = tuple(d for d in range(first.ndim) if d not in dims)
        given = [_seen(a, role, first.shape, dims) for a, role in zip(arrays, roles, strict=True)]
        numbers = [first.dtype.type(v) for v in _numbers(attributes)]
        results = body(Axes(xp, first.shape, dims), *given, *numbers, **_options(attributes))
        found = [_left(r, role, kept) for r, role in zip(results, made, strict=False)]
        return tuple(found) if len(made) > 1 else found[0]

    return kernel


def _seen(array: Any, role: str, size: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    """An input so that it broadcasts against elements; None for an absent one."""
    if isinstance(array, bool):
        return None
    if role == "element" or not getattr(array, "ndim", 0):
        return array
    return array.reshape([n if (d in dims) == (role == "position") else 1 for d, n in enumerate(size)])


def _left(result: Any, role: str, kept: tuple[int, ...]) -> Any:
    """A result in its own shape."""
    return result.sum(kept) if role == "across" else result.reshape(-1) if role == "flat" else result


def native_kernel(name: str, body: Callable, inputs: Roles, outputs: Roles, cost: int) -> Callable:
    """The body as compiled code, for `native=`."""
    roles, made = inputs.split(), outputs.replace("flat", "row").split()

    def native(call: Any) -> Any:
        from ..codegen.rows import Argument, rows_routine

        absent = [s is bool for s in call.specs]
        options = _options(call.attributes)

        def called(xp: Any, *terms: Any) -> tuple:
            given = [None if gone else t for gone, t in zip(absent, terms, strict=False)]
            return body(xp, *given, *terms[len(absent) :], **options)

        outs = call.out if type(call.out) is tuple else (call.out,)
        first = call.specs[roles.index("element")]
        return rows_routine(
            (name, tuple(absent), tuple(options.items())), called,
            [Argument(s, role if type(s) is Spec else "number") for s, role in zip(call.specs, roles, strict=True)],
            [Argument(s, role) for s, role in zip(outs, made, strict=False)],
            _dims(call.attributes, first.ndim), _numbers(call.attributes), cost,
        )  # fmt: skip

    return native


def rowwise(
    name: str, rule: Callable, inputs: Roles, outputs: Roles, *, grad: Any = None, grad_name: str | None = None,
    cost: int = 4, kernel: Callable | None = None,
) -> Callable:  # fmt: skip
    """Decorate a body; gives the operator of (inputs, attributes) as `opaque` does. `kernel` replaces it on arrays.

    `cost` is about how many times as long as a copy the work takes.
    """

    def enter(body: Callable) -> Callable:
        run = kernel or array_kernel(body, inputs, outputs)
        run.__doc__ = body.__doc__
        native = native_kernel(name, body, inputs, outputs, cost)
        return opaque(rule, grad, name=name, grad_name=grad_name, native=native)(run)

    return enter
