"""Tensors as text, to the character as PyTorch prints them.

    tensor -> values (an ndarray) -> edges, if too long -> one format for all elements -> nested rows -> suffixes

All elements share one format: floats are printed as integers ("2."), with fixed digits or in scientific notation,
and padded to the widest finite one. Everything after the edges are cut out is Python floats and strings: a tensor
prints at most a thousand elements, for which NumPy would only be slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .autograd.modes import state
from .core import dtype as dtypes

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}


# ------------------------------------------------------------------------------------------------------------ options
def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print; `sci_mode=None` lets each tensor choose, and is what leaving it out means.

    >>> set_printoptions(precision=2); get_printoptions()["precision"]
    2
    >>> set_printoptions(profile="default")
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update(_PROFILES.get(profile or "", {}))
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The print options in force.

    >>> get_printoptions()["edgeitems"]
    3
    """
    return dict(_options)


@contextmanager
def printoptions(**changes: Any) -> Iterator[None]:
    """Print with other options for the length of a `with` block; takes what `set_printoptions` takes.

    >>> with printoptions(linewidth=40):
    ...     get_printoptions()["linewidth"]
    40
    """
    saved = get_printoptions()
    set_printoptions(**changes)
    try:
        yield
    finally:
        _options.update(saved)


# ----------------------------------------------------------------------------------------------------------- a tensor
def values(tensor: Any) -> np.ndarray:
    """The tensor's elements as an ndarray on the host; the only place that asks a tensor for them."""
    array = tensor._array()
    return array.astype(np.float32) if tensor.dtype in dtypes.FLOAT8 else array


def tensor_str(tensor: Any, *, tensor_contents: str | None = None) -> str:
    """What `repr(tensor)` says; a Parameter's own `__repr__` puts "Parameter containing:" before it.

    >>> from kenaz import _api as torch
    >>> tensor_str(torch.tensor([1.0, 2.5]))
    'tensor([1.0000, 2.5000])'
    """
    name = type(tensor).__name__
    is_plain = name in ("Tensor", "Parameter")
    prefix = "tensor(" if is_plain else f"{name}("
    parts = _sparse_facts if getattr(tensor, "is_sparse", False) else _contents_and_facts
    contents, facts = parts(tensor, len(prefix))
    text = _join_facts(prefix + (contents if tensor_contents is None else tensor_contents), facts, len(prefix))
    return f"Parameter({text})" if not is_plain and _is_parameter(tensor) else text


def _is_parameter(tensor: Any) -> bool:
    """Whether a tensor is of a subclass of Parameter, or marked as one by it (Parameter itself is not known here)."""
    return getattr(tensor, "_is_param", False) or any(base.__name__ == "Parameter" for base in type(tensor).__mro__)


def format_tensor(tensor: Any, spec: str) -> str:
    """What `format(tensor, spec)` says: a 0-d Tensor formats its number, all others only their `str`.

    >>> from kenaz import _api as torch
    >>> format_tensor(torch.tensor(1.5), ".3f")
    '1.500'
    """
    if tensor.ndim == 0 and type(tensor).__name__ == "Tensor" and tensor.device.type != "meta":
        return format(tensor.item(), spec)
    return object.__format__(tensor, spec)


def _contents_and_facts(tensor: Any, indent: int) -> tuple[str, list[str]]:
    """The bracketed numbers, and what stands behind them: device, size, dtype, gradient."""
    size, dtype = tuple(tensor.shape), tensor.dtype
    numel = math.prod(size)
    is_meta = tensor.device.type == "meta"
    facts = [] if tensor.device.type == "cpu" else [f"device='{tensor.device}'"]
    if is_meta or (numel == 0 and len(size) != 1) or (numel and _options["edgeitems"] == 0):
        facts.append(f"size={size}")
    default = dtypes.get_default_dtype()
    if dtype is not default and (is_meta or not numel or dtype not in _implied_dtypes(default)):
        facts.append(f"dtype={dtype}")
    facts += _gradient_facts(tensor)
    if is_meta:
        return "...", facts
    return array_str(values(tensor), indent) if numel else "[]", facts


def _gradient_facts(tensor: Any) -> list[str]:
    facts = ["requires_grad=True"] if tensor.requires_grad else []
    if tensor.grad_fn is not None:
        facts = [f"grad_fn=<{tensor.grad_fn.name()}>"]
    if state.duals:
        from .autograd.forward_ad import unpack_dual

        tangent = unpack_dual(tensor).tangent
        facts += [] if tangent is None else [f"tangent={tangent}"]
    return facts


def _sparse_facts(tensor: Any, indent: int) -> tuple[str, list[str]]:
    """The indices and values of a tensor in the coordinate layout, and what stands behind them."""
    facts = [f"nnz={tensor._nnz()}"]
    if tensor.dtype not in _implied_dtypes(dtypes.get_default_dtype()):
        facts.append(f"dtype={tensor.dtype}")
    facts += [f"layout={tensor.layout}", *_gradient_facts(tensor)]
    lines = []
    for name, part in (("indices", tensor._indices()), ("values", tensor._values())):
        opening = f"{name}=tensor("
        size = "" if part.numel() else f", size={tuple(part.shape)}"
        lines.append(opening + (array_str(values(part), indent + len(opening)) if part.numel() else "[]") + size + ")")
    lines.append(f"size={tuple(tensor.shape)}")
    return (",\n" + " " * indent).join(lines), facts


def _implied_dtypes(default: dtypes.dtype) -> tuple[dtypes.dtype, ...]:
    """The dtypes that numbers show by their look, so that they need no suffix."""
    return (default, dtypes.int64, dtypes.bool_, default.to_complex())


def _join_facts(text: str, facts: list[str], indent: int) -> str:
    """Facts follow on the last line of numbers while they fit, then on lines of their own."""
    column = len(text) - text.rfind("\n") + 1
    for fact in facts:
        if column + len(fact) + 2 > _options["linewidth"]:
            text += ",\n" + " " * indent + fact
            column = indent + len(fact)
        else:
            text += ", " + fact
            column += len(fact) + 2
    return text + ")"


# -------------------------------------------------------------------------------------------------------- its numbers
def array_str(a: np.ndarray, indent: int = 0) -> str:
    """The numbers of a non-empty array in brackets; `indent` is the column at which the text will start.

    >>> print(array_str(np.eye(2)))
    [[1., 0.],
     [0., 1.]]
    """
    if a.dtype.itemsize == 2 and a.dtype.kind not in "iub":  # float16 and bfloat16: Python floats hold them exactly
        a = a.astype(np.float32)
    edge = None
    if a.size > _options["threshold"]:
        edge = _options["edgeitems"]
        if edge == 0 and a.ndim:
            return "[...]"
    shown = a if edge is None else _edges(a, edge)
    text, width = _FORMATS.get(a.dtype.kind, _plain_format)(shown.ravel().tolist())
    return _rows(a, indent, edge, text, width + 2)


def _edges(a: np.ndarray, edge: int) -> np.ndarray:
    """Only the elements that a summary shows."""
    for axis, length in enumerate(a.shape):
        if length > 2 * edge:
            a = a.take([*range(edge), *range(length - edge, length)], axis)
    return a


def _rows(a: np.ndarray, indent: int, edge: int | None, text: Callable[[Any], str], width: int) -> str:
    if a.ndim == 0:
        return text(a.item())
    cut = edge if edge is not None and len(a) > 2 * edge else None
    if a.ndim == 1:
        parts = [text(item) for item in (a if cut is None else a[[*range(cut), *range(-cut, 0)]]).tolist()]
        if cut is not None:
            parts.insert(cut, " ...")
        per_line = max(1, (_options["linewidth"] - indent) // width)
        lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = a if cut is None else [*a[:cut], *a[-cut:]]
    parts = [_rows(row, indent + 1, edge, text, width) for row in rows]
    if cut is not None:
        parts.insert(cut, "...")
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


# Each makes, from all numbers shown, a function from a number to its padded text, and the width of that text.
def _plain_format(numbers: list) -> tuple[Callable[[Any], str], int]:
    width = max(map(len, map(str, numbers)), default=1)
    return lambda v: str(v).rjust(width), width


def _float_format(numbers: list[float]) -> tuple[Callable[[float], str], int]:
    finite = [v for v in numbers if v and math.isfinite(v)]
    is_whole = all(map(float.is_integer, finite))
    is_scientific = _is_scientific([abs(v) for v in finite], is_whole)
    spec = f".{_options['precision']}e" if is_scientific else ".0f" if is_whole else f".{_options['precision']}f"
    point = "." if is_whole and not is_scientific else ""
    width = max([len(format(v, spec) + point) for v in finite], default=1)
    if point:
        return lambda v: (format(v, spec) + point if math.isfinite(v) else format(v, spec)).rjust(width), width
    return lambda v: format(v, spec).rjust(width), width


def _is_scientific(sizes: list[float], is_whole: bool) -> bool:
    """Whether numbers of these sizes (none zero) need an exponent, or the options want it."""
    if not sizes or _options["sci_mode"] is not None:
        return bool(sizes and _options["sci_mode"])
    least, most = min(sizes), max(sizes)
    return most / least > 1000.0 or most > 1e8 or (not is_whole and least < 1e-4)


def _complex_format(numbers: list[complex]) -> tuple[Callable[[complex], str], int]:
    real, real_width = _float_format([v.real for v in numbers])
    imag, imag_width = _float_format([v.imag for v in numbers])

    def text(v: complex) -> str:
        part = imag(v.imag).lstrip() + "j"
        return real(v.real) + (part if part[0] in "+-" else "+" + part)

    return text, real_width + imag_width + 1


_FORMATS: dict[str, Callable] = {"f": _float_format, "c": _complex_format}
