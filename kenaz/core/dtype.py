"""Data types: their names, their NumPy counterparts, how they promote, and their limits.

PyTorch promotes within three priorities: tensors with dimensions, then 0-d tensors, then Python numbers. A lower
priority only wins when it is of a higher kind (bool < integer < floating < complex); `result_dtype` says so in code.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

BOOL, INT, FLOAT, COMPLEX = range(4)  # the kinds, in the order in which they win


class dtype:
    """A tensor's element type; there is one object per type, so `is` compares.

    >>> float32.itemsize, float32.is_floating_point
    (4, True)
    """

    __slots__ = ("is_complex", "is_floating_point", "is_signed", "itemsize", "kind", "name", "np")
    name: str
    np: np.dtype
    kind: int
    itemsize: int
    is_floating_point: bool
    is_complex: bool
    is_signed: bool

    def __init__(self, name: str, numpy_type: Any, kind: int):
        self.name, self.np, self.kind = name, np.dtype(numpy_type), kind
        self.itemsize = self.np.itemsize
        self.is_floating_point, self.is_complex = kind == FLOAT, kind == COMPLEX
        self.is_signed = kind >= FLOAT or name.startswith("int")

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple:
        return _by_name, (self.name,)

    def to_real(self) -> dtype:
        return _REAL_OF.get(self, self)

    def to_complex(self) -> dtype:
        return _COMPLEX_OF.get(self, complex64)


dtype.__module__ = "torch"


def _by_name(name: str) -> dtype:
    return BY_NAME[name]


# fmt: off
bool_ = dtype("bool", np.bool_, BOOL)
uint8, int8 = dtype("uint8", np.uint8, INT), dtype("int8", np.int8, INT)
int16, int32, int64 = dtype("int16", np.int16, INT), dtype("int32", np.int32, INT), dtype("int64", np.int64, INT)
uint16, uint32, uint64 = dtype("uint16", np.uint16, INT), dtype("uint32", np.uint32, INT), dtype("uint64",
np.uint64, INT)
float16, bfloat16 = dtype("float16", np.float16, FLOAT), dtype("bfloat16", ml_dtypes.bfloat16, FLOAT)
float32, float64 = dtype("float32", np.float32, FLOAT), dtype("float64", np.float64, FLOAT)
complex64, complex128 = dtype("complex64", np.complex64, COMPLEX), dtype("complex128", np.complex128, COMPLEX)
complex32 = dtype("complex32", "V4", COMPLEX)  # only named: nothing is computed in it, as NumPy has no such type
# fmt: on
# Kept and converted, not computed with.
FLOAT8 = tuple(
    dtype(name, getattr(ml_dtypes, name), FLOAT)
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
)

ALL = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
BY_NAME: dict[str, dtype] = {d.name: d for d in (*ALL, complex32, *FLOAT8)}
ALIASES: dict[str, dtype] = {
    "half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
    "chalf": complex32, "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip
OF_NUMPY: dict[np.dtype, dtype] = {d.np: d for d in (*ALL, *FLOAT8)}
PYTHON_TYPES: dict[type, dtype] = {bool: bool_, int: int64, float: float64, complex: complex128}
HALF = frozenset((float16, bfloat16))
_REAL_OF = {complex32: float16, complex64: float32, complex128: float64}
_COMPLEX_OF = {
    float16: complex32,
    float64: complex128,
    float32: complex64,
    complex64: complex64,
    complex128: complex128,
}
_UNSIGNED = frozenset((uint16, uint32, uint64))
_defaults = [float32]


def get_default_dtype() -> dtype:
    """The dtype of floating-point tensors made from Python numbers.

    >>> get_default_dtype()
    torch.float32
    """
    return _defaults[0]


def set_default_dtype(d: dtype, /) -> None:
    """Make `d` the dtype of floating-point tensors made from Python numbers."""
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _defaults[0] = d


def of_numpy(np_dtype: np.dtype) -> dtype:
    """The dtype of a NumPy array, or PyTorch's error for a type that tensors cannot hold."""
    found = OF_NUMPY.get(np_dtype if np_dtype.isnative else np_dtype.newbyteorder("="))
    if found is None:
        kind = "numpy.object_" if np_dtype.kind == "O" else f"numpy.{np_dtype.type.__name__}"
        raise TypeError(
            f"can't convert np.ndarray of type {kind}. The only supported types are: float64, float32, float16, "
            "complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
        )
    return found


def of_python(kind: type) -> dtype:
    """The dtype a Python number's type takes: the defaults for float and complex, int64, bool."""
    if kind is float:
        return _defaults[0]
    return _defaults[0].to_complex() if kind is complex else PYTHON_TYPES[kind]


# ---------------------------------------------------------------------------------------------------------- promotion
def _promote(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    if a in FLOAT8 or b in FLOAT8:
        raise RuntimeError(_FLOAT8_ERROR.format(scalar_name(a), scalar_name(b)))
    wide = a in _UNSIGNED or b in _UNSIGNED
    if wide and FLOAT not in (a.kind, b.kind):
        raise RuntimeError(_UNSIGNED_ERROR.format(scalar_name(a), scalar_name(b)))
    if a.kind != b.kind:
        low, high = (a, b) if a.kind < b.kind else (b, a)
        return complex128 if low is float64 else complex64 if high is complex32 and low in (float32, bfloat16) else high
    if a.kind == INT and uint8 in (a, b):
        other = b if a is uint8 else a
        return int16 if other is int8 else other
    if a in HALF and b in HALF:
        return float32
    return max(a, b, key=lambda d: d.itemsize)


_SCALAR_NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64", "float16": "Half", "bfloat16": "BFloat16",
    "float32": "Float", "float64": "Double", "complex32": "ComplexHalf", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble", **{d.name: d.name.capitalize() for d in FLOAT8},
}  # fmt: skip
_FLOAT8_ERROR = "Promotion for Float8 Types is not supported, attempted to promote {} and {}"
_UNSIGNED_ERROR = "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {} and {}"


def scalar_name(d: dtype) -> str:
    """PyTorch's C++ word for a dtype, as its messages use it: "Float", "Long", ...

    >>> scalar_name(int64)
    'Long'
    """
    return _SCALAR_NAMES[d.name]


_promoted: dict[tuple[dtype, dtype], dtype] = {}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both may be converted to.

    >>> promote_types(uint8, int8), promote_types(int64, float16)
    (torch.int16, torch.float16)
    """
    key = (type1, type2)
    found = _promoted.get(key)
    if found is None:
        found = _promoted[key] = _promote(*(PYTHON_TYPES.get(t, t) for t in key))  # type: ignore[call-overload]
    return found


def result_dtype(with_dims: list[dtype], zero_dim: list[dtype], numbers: list[type]) -> dtype:
    """The type of an operation over tensors with dimensions, 0-d tensors and Python numbers.

    >>> result_dtype([float32], [float64], [int])
    torch.float32
    >>> result_dtype([int64], [], [float])
    torch.float32
    """
    number = _promote_all([of_python(n) for n in numbers])
    return _combine(_promote_all(with_dims), _combine(_promote_all(zero_dim), number))


def _combine(higher: dtype | None, lower: dtype | None) -> dtype:
    """A lower priority changes the kind, and then keeps the precision of the higher where that is floating."""
    if higher is None or lower is None or higher.is_complex:
        return higher or lower  # type: ignore[return-value]  # one of them is given
    if higher.is_floating_point:
        return higher.to_complex() if lower.is_complex else higher
    if higher is bool_ or lower.kind >= FLOAT:
        return promote_types(higher, lower)
    return higher


def _promote_all(types: list[dtype]) -> dtype | None:
    result = None
    for d in types:
        result = d if result is None else promote_types(result, d)
    return result


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of type `from_` may be written to `to` without losing its kind.

    >>> can_cast(float64, float32), can_cast(float32, int64)
    (True, False)
    """
    if from_.is_complex and not to.is_complex:
        return False
    if from_.is_floating_point and to.kind < FLOAT:
        return False
    return not (from_ is not bool_ and to is bool_)


# ------------------------------------------------------------------------------------------------------------- limits
class finfo:
    """Limits of a floating-point type.

    >>> finfo(float16).max
    65504.0
    """

    def __init__(self, type: dtype | None = None):
        type = get_default_dtype() if type is None else PYTHON_TYPES.get(type, type)  # type: ignore[call-overload]
        if not isinstance(type, dtype):
            raise TypeError(f"finfo(): argument 'type' (position 1) must be torch.dtype, not {_class_name(type)}")
        if type.kind < FLOAT:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        real = type.to_real()
        info: Any = ml_dtypes.finfo(real.np) if real is bfloat16 or real in FLOAT8 else np.finfo(real.np)
        self.bits, self.dtype = real.itemsize * 8, real.name
        self.max, self.min, self.eps = float(info.max), float(info.min), float(info.eps)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = 1.0 if real in FLOAT8 else float(info.resolution)
        if real.name == "float8_e5m2fnuz":
            self.eps = 0.125  # what PyTorch says; its own format has 0.25

    def __repr__(self) -> str:
        g = lambda v: f"{v:g}"
        return (
            f"finfo(resolution={g(self.resolution)}, min={g(self.min)}, max={g(self.max)}, eps={g(self.eps)}, "
            f"smallest_normal={g(self.smallest_normal)}, tiny={g(self.tiny)}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type.

    >>> iinfo(int8).max
    127
    """

    def __init__(self, type: dtype):
        type = PYTHON_TYPES.get(type, type)  # type: ignore[call-overload]
        if not isinstance(type, dtype):
            raise TypeError(f"iinfo(): argument 'type' (position 1) must be torch.dtype, not {_class_name(type)}")
        if type.kind != INT:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'"
                if type.kind > INT
                else "torch.bool is not supported by torch.iinfo"
            )
        info = np.iinfo(type.np)
        self.bits, self.dtype, self.max, self.min = info.bits, type.name, int(info.max), int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def _class_name(value: Any) -> str:
    return type(value).__name__


finfo.__module__ = iinfo.__module__ = "torch"
