"""Tensors out of nothing or out of Python and NumPy values."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from .. import execute
from .._tensor import Tensor, make_tensor
from ..autograd.modes import notice
from ..core import device as devices
from ..core import dtype as dtypes
from ..core.dtype import dtype
from ..core.spec import Spec, fresh
from ..graph.storage import Storage
from .arguments import combination
from .declare import source
from .literals import array_of, is_sequence, number
from .record import COPY, apply, layouts, method, public
from .views import flat, in_format


def _size(args: tuple) -> tuple[int, ...]:
    size = flat(args)
    for s in size:
        if s < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {s}: {list(size)}")
    return tuple(int(s) for s in size)


def finish(t: Tensor, requires_grad: bool) -> Tensor:
    """A tensor made of nothing, as a leaf if so asked for."""
    notice()
    if not requires_grad:
        return t
    if t.dtype.kind < dtypes.FLOAT:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return t.requires_grad_()


def _native_full(call: Any) -> Any:
    from ..codegen import moves

    return moves.fill(call)


@source(lambda value, out: out, native=_native_full)
def _full(xp: Any, value: Any, out: Spec) -> Any:
    return xp.full(out.size, xp.array(value).astype(out.dtype.np), out.dtype.np)


def full(size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor filled with a number.

    >>> full((2,), 7).tolist()
    [7, 7]
    """
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if isinstance(fill_value, np.generic):
        fill_value = fill_value.item()
    kind = dtypes.of_python(type(fill_value)) if dtype is None else dtype
    result = _full(fill_value, out=fresh(_size((size,)), kind, devices.resolve(device)))
    if out is not None:
        from .record import write_out

        return write_out(result, out, "full")
    return finish(result, requires_grad)


def _filled(name: str, value: int) -> Any:
    def function(*sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False, names: Any = None, memory_format: Any = None) -> Tensor:  # fmt: skip
        kind = dtypes.get_default_dtype() if dtype is None else dtype
        shape = _size(sizes if size is None else (size,))
        if out is not None:
            from .record import write_out

            return write_out(_full(value, out=fresh(shape, out.dtype)), out, name)
        return finish(_full(value, out=fresh(shape, kind, devices.resolve(device))), requires_grad)

    def like(input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
        spec = input._spec.like(dtype or input._spec.dtype)
        if input.is_sparse and not value:
            nothing = function(input.sparse_dim(), 0, dtype=dtypes.int64)
            return finish(layouts.rows(nothing, function(0, *spec.size[input.sparse_dim() :], dtype=spec.dtype), spec.size), requires_grad)
        return finish(_full(value, out=spec if device is None else fresh(spec.size, spec.dtype, devices.resolve(device))), requires_grad)

    def new(self: Tensor, *sizes: Any, size: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
        place = self._spec.device if device is None else devices.resolve(device)
        return finish(_full(value, out=fresh(_size(sizes if size is None else (size,)), dtype or self._spec.dtype, place)), requires_grad)

    function.__name__, like.__name__, new.__name__ = name, name + "_like", "new_" + name
    public(function)
    public(like)
    method(new.__name__, new)
    return function


zeros, ones = _filled("zeros", 0), _filled("ones", 1)
empty = _filled("empty", 0)  # cleared memory: what PyTorch leaves undefined is at least the same every time
public(full)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of an array.

    >>> a = np.zeros(2, np.float32); t = from_numpy(a); a[0] = 3; t.tolist()
    [3.0, 0.0]
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    kind = dtypes.of_numpy(array.dtype)
    if any(q < 0 for q in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently "
            "supported. (You can probably work around this by making a copy of your array  with array.copy().) "
        )
    if not array.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.")
    stride = tuple(q // array.itemsize for q in array.strides)
    reach = 1 + sum((s - 1) * q for s, q in zip(array.shape, stride, strict=True)) if array.size else 0
    memory = array.reshape(-1) if array.flags.c_contiguous else np.lib.stride_tricks.as_strided(array, (reach,), (array.itemsize,))
    storage = Storage.of(memory, "always")
    execute.update_mode()
    return Tensor._from_storage(storage, array.shape, stride, 0, kind)


public(from_numpy)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A new tensor with a copy of Python or NumPy data.

    >>> tensor([[1, 2], [3, 4]]).shape
    torch.Size([2, 2])
    """
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"tensor(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    return finish(_copied(data, dtype), requires_grad)


def _copied(data: Any, dtype: Any) -> Tensor:
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            stacklevel=3,
        )
        data = data._array()
    if isinstance(data, np.ndarray):
        return Tensor._from_array(np.array(data, (dtype or dtypes.of_numpy(data.dtype)).np, order="C"))
    return Tensor._from_array(array_of(data, dtype) if is_sequence(data) else number(data, dtype))


public(tensor)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy of a tensor that gradients flow through."""
    if memory_format is not None:
        return in_format(input, memory_format)
    return apply(COPY, (input,), {"out": input._spec.like(input._spec.dtype)})


public(clone)
method("clone", clone)


def detach(input: Tensor) -> Tensor:
    """The same memory, apart from the graph of gradients."""
    return make_tensor(input._storage, input._spec, input._offset)


public(detach)
method("detach", detach)


def arange(start: Any, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Numbers from start up to and without end, step apart.

    >>> arange(0, 1, 0.25).tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    import math

    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if isinstance(v, (Tensor, np.generic)) else v for v in (start, end, step))
    if out is not None:
        dtype = out.dtype
    if dtype is None:
        kinds = {type(v) for v in (start, end, step)}
        dtype = dtypes.get_default_dtype() if float in kinds else dtypes.int64
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if dtype.kind < 2:  # the bounds of whole numbers are whole
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise (RuntimeError if out is None else ValueError)("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    n = max(0, math.ceil((end - start) / step))
    devices.resolve(device)
    result = _arange(start, step, out=fresh((n,), dtype))
    if out is not None:
        from .record import write_out

        return write_out(result, out, "arange")
    return finish(result, requires_grad)


def _native_arange(call: Any) -> Any:
    from ..codegen import ranges

    return ranges.steps(call)


@source(lambda start, step, out: out, native=_native_arange)
def _arange(xp: Any, start: Any, step: Any, out: Spec) -> Any:
    wide = xp.float64 if out.dtype.kind >= 2 else xp.int64
    return (xp.arange(out.numel, dtype=wide) * xp.asarray(step).astype(wide) + xp.asarray(start).astype(wide)).astype(out.dtype.np)


public(arange)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """A tensor of the same size filled with a number."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return finish(_full(value, out=input._spec.like(dtype or input.dtype)), requires_grad)


public(full_like)


def _new_full(self: Tensor, size: Any, fill_value: Any, **options: Any) -> Tensor:
    options["dtype"] = options.get("dtype") or self.dtype
    return full(size, fill_value, **options)


def _new_tensor(self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)


method("new_full", _new_full)
method("new_tensor", _new_tensor)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Data as a tensor, sharing memory with tensors and arrays where the dtype stays."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or dtypes.of_numpy(data.dtype) is dtype):
        return from_numpy(data)
    return _copied(data, dtype)


asarray = as_tensor
public(as_tensor)
public(as_tensor, "asarray")


def eye(n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere."""
    for v, name in ((n, "n"), (m, "m")):
        if v is not None and v < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {v}")
    kind = (out.dtype if out is not None else dtypes.get_default_dtype()) if dtype is None else dtype
    result = _eye(out=fresh((n, n if m is None else m), kind))
    if out is not None:
        from .record import write_out

        return write_out(result, out, "eye")
    return finish(result, requires_grad)


@source(lambda out: out)
def _eye(xp: Any, out: Spec) -> Any:
    return xp.eye(*out.size, dtype=out.dtype.np)


public(eye)


def linspace(start: Any, end: Any, steps: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`steps` numbers from start to end, both included, at equal distances."""
    start, end = _ends("linspace", start, end, steps)
    kind = dtype or (dtypes.complex64 if complex in (type(start), type(end)) else dtypes.get_default_dtype())
    result = Tensor._from_array(_spaced(start, end, int(steps), kind))
    if out is not None:
        from .record import write_out

        return write_out(result, out, "linspace")
    return finish(result, requires_grad)


_PLACE = (
    ", *, Tensor out = None, torch.dtype dtype = None, torch.layout layout = None, torch.device device = None, "
    "bool pin_memory = False, bool requires_grad = False"
)


def _ends(name: str, start: Any, end: Any, steps: Any) -> tuple[Any, Any]:
    """Both ends as numbers; or what is wrong with the arguments of linspace or logspace."""
    ends = {"start": start, "end": end}
    is_count = isinstance(steps, int | np.integer) or (isinstance(steps, Tensor) and not steps.ndim and steps.dtype.kind <= dtypes.INT)
    if not is_count or not all(isinstance(v, Tensor | numbers.Number) for v in ends.values()):
        rest = ", int steps" + ", float base = 10.0" * (name == "logspace") + _PLACE
        kinds = [(a, b) for b in ("Tensor", "Number") for a in ("Tensor", "Number")]
        forms = tuple(f"{a} start, {b} end{rest}" for a, b in kinds)
        raise TypeError(combination(name, (start, end, steps), {}, forms))
    wrong = [f"{which} with {v.ndim} dimension(s)" for which, v in ends.items() if isinstance(v, Tensor) and v.ndim]
    if wrong:
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got {' and '.join(wrong)}."
        )
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return tuple(v.item() if isinstance(v, Tensor) else v for v in ends.values())


def _spaced(start: Any, end: Any, steps: int, kind: dtype) -> np.ndarray:
    """The first half counts up from start, the second down from end, in the result's own precision, as PyTorch does."""
    if steps == 1:
        return np.array([start]).astype(kind.np)
    work = kind.np.type if kind.kind >= 2 and kind not in dtypes.HALF else (np.float32 if kind in dtypes.HALF else np.float64)
    a, b = work(start), work(end)
    step = work((b - a) / work(steps - 1)) if steps else work(0)
    i = np.arange(steps)
    up, down = a + step * i.astype(np.dtype(work)), b - step * (steps - 1 - i).astype(np.dtype(work))
    values = np.where(i < steps // 2, up, down)
    return (np.trunc(values) if kind.kind < 2 else values).astype(kind.np)


def logspace(start: Any, end: Any, steps: Any, base: float = 10.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """base to the powers of `steps` numbers from start to end."""
    start, end = _ends("logspace", start, end, steps)
    kind = dtype or dtypes.get_default_dtype()
    powers = _spaced(start, end, int(steps), dtypes.float64)
    result = Tensor._from_array(np.power(float(base), powers).astype(kind.np))
    if out is not None:
        from .record import write_out

        return write_out(result, out, "logspace")
    return finish(result, requires_grad)


public(linspace)
public(logspace)


def empty_strided(size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """Cleared memory with the given strides."""
    from ..core.shape import extent

    kind = dtype or dtypes.get_default_dtype()
    storage = Storage.of(np.zeros(extent(size, stride), kind.np))
    return finish(Tensor._from_storage(storage, size, stride, 0, kind), requires_grad)


public(empty_strided)


def scalar_tensor(s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A number as a 0-d tensor of the default dtype."""
    return full((), s, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


public(scalar_tensor)


def range_(start: Any, end: Any, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Numbers from start up to and with end, step apart: the deprecated relative of `arange`."""
    import warnings

    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's "
        "range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    if step == 0:
        raise (RuntimeError if out is None else ValueError)("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    kind = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    result = _arange(start, step, out=fresh((int((end - start) / step) + 1,), kind))
    if out is not None:
        from .record import write_out

        return write_out(result, out, "range")
    return finish(result, requires_grad)


public(range_, "range")


def _new_empty_strided(self: Tensor, size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    return empty_strided(size, stride, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


method("new_empty_strided", _new_empty_strided)
