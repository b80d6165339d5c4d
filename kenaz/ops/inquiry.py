"""Questions about tensors and types, and the constants of the `torch` namespace."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import dtype, result_dtype
from .record import composite, method, public


class _Word:
    """A named constant such as `torch.strided`; there is one object per name."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple:
        return _word, (type(self).__name__, self.name)


class layout(_Word):
    """How a tensor's elements are stored; always `torch.strided` here."""


class memory_format(_Word):
    """The order of axes in memory that an operator is asked for."""


for _class in (layout, memory_format):
    _class.__module__ = "torch"
strided = layout("strided")
sparse_coo, *_compressed = map(layout, ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"))
contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")
CONSTANTS = {
    w.name: w
    for w in (strided, sparse_coo, *_compressed, contiguous_format, preserve_format, channels_last, channels_last_3d)
} | {"legacy_contiguous_format": contiguous_format}


def _word(kind: str, name: str) -> _Word:
    return CONSTANTS[name]


def is_tensor(obj: Any) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether an object is a storage."""
    return type(obj).__name__.endswith("Storage")


@composite()
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return input.dtype.is_floating_point


@composite()
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return input.dtype.is_complex


@composite()
def is_conj(input: Tensor) -> bool:
    """Always false: conjugation is computed here, not marked."""
    return False


@composite()
def is_neg(input: Tensor) -> bool:
    """Always false: negation is computed here, not marked."""
    return False


@composite()
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative values."""
    return input.dtype.is_signed


@composite()
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    return bool(input.__dict__.get("_inference", False))


@composite()
def is_nonzero(input: Tensor) -> bool:
    """Whether the single element is not zero."""
    if input.numel() != 1:
        raise RuntimeError(
            "Boolean value of Tensor with " + ("no values" if not input.numel() else "more than one value") + " is ambiguous"
        )
    return bool(input.item())


@composite("torch")
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


@composite()
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same size."""
    return input.shape == other.shape


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype of arithmetic between two tensors or numbers."""
    full, zero, numbers = [], [], []
    for x in (tensor1, tensor2):
        if isinstance(x, Tensor):
            (full if x.ndim else zero).append(x.dtype)
        else:
            numbers.append(type(x))
    return result_dtype(full, zero, numbers)


def typename(obj: Any) -> str:
    """The type of an object as "torch.FloatTensor" for tensors, else its qualified name."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(obj, "__module__", "") or kind.__module__
    name = getattr(obj, "__qualname__", "") or kind.__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


def _assert(condition: Any, message: str) -> None:
    """An assertion as a function, for traced code."""
    if not isinstance(condition, (bool, Tensor)):
        raise TypeError(f"condition must be bool or Tensor, got {type(condition).__name__}")
    if not condition:
        raise AssertionError(message)


def _check(cond: Any, message: Any = None) -> None:
    """Raise a RuntimeError with what `message` returns unless a condition holds."""
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if not cond:
        raise RuntimeError("Expected cond to be True, but got False." if message is None else str(message()))


public(_assert)
public(_check)
for _function in (is_tensor, is_storage, result_type, typename):
    public(_function)


@composite()
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugates are computed here, not marked."""
    return input[...] if not isinstance(input, Tensor) else input


@composite()
def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negatives are computed here, not marked."""
    return input[...] if not isinstance(input, Tensor) else input


def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor's type as "torch.FloatTensor", or the tensor converted to another."""
    if dtype is None:
        return f"torch.{dtypes.scalar_name(self.dtype)}Tensor"
    return self.to(_named_dtype(dtype))


def _named_dtype(kind: Any) -> dtype:
    """The dtype that `type` is asked for: as itself, as "torch.FloatTensor", or as that class."""
    if isinstance(kind, dtype):
        return kind
    if kind is Tensor:
        return dtypes.get_default_dtype()
    if not isinstance(kind, str | type):
        raise TypeError("dtype must be a type, str, or dtype object")
    if getattr(kind, "is_cuda", False) or str(kind).startswith("torch.cuda."):
        raise RuntimeError("Cannot initialize CUDA without ATen_cuda library.")
    if own := getattr(kind, "_dtype", None):
        return own
    full = kind if isinstance(kind, str) else _type_name(kind)
    found = [d for d in dtypes.ALL if dtypes.scalar_name(d) == full.rpartition(".")[2].removesuffix("Tensor")]
    if not found:
        raise ValueError(f"invalid type: '{full}'")
    return found[0]


def _type_name(kind: type) -> str:
    """The name of a class as C sees it: with its module if it is neither Python's own nor written in Python."""
    bare = kind.__module__ == "builtins" or kind.__flags__ & _WRITTEN_IN_PYTHON
    return kind.__name__ if bare else f"{kind.__module__}.{kind.__name__}"


_WRITTEN_IN_PYTHON = 1 << 9  # CPython's flag of a class that a class statement made


Tensor.type = _type  # no `method`: that would let a call with `bool` in place of `torch.bool` pass
for _name, _value in {
    "layout": lambda self: strided, "is_cuda": lambda self: False, "is_quantized": lambda self: False,
    "is_meta": lambda self: self.device.type == "meta", "is_cpu": lambda self: self.device.type == "cpu", "is_mps": lambda self: False,
    "is_mkldnn": lambda self: False, "is_nested": lambda self: False, "is_xpu": lambda self: False, "is_sparse_csr": lambda self: False,
    "names": lambda self: (None,) * self.ndim, "is_xla": lambda self: False, "is_vulkan": lambda self: False, "is_ipu": lambda self: False,
}.items():  # fmt: skip
    setattr(Tensor, _name, property(_value))
Tensor.is_sparse = False  # no property: backward asks for it, and this costs half as much
for _name in ("is_pinned", "is_shared"):
    method(_name, lambda self, *args: False)
method("has_names", lambda self: False)
method("pin_memory", lambda self, device=None: self)
method("get_device", lambda self: -1)
method("dense_dim", lambda self: self.ndim)
method("sparse_dim", lambda self: 0)
method("to_dense", lambda self, dtype=None: self if dtype is None else self.to(dtype))
method("dim_order", lambda self: tuple(sorted(range(self.ndim), key=lambda d: -self.stride(d))))


def _cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """The tensor on a CUDA device; raises AssertionError where there is none."""
    from ..core.device import resolve

    return self.to(resolve("cuda"))


method("cuda", _cuda)
