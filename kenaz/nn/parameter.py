"""Parameter and Buffer: tensors that a Module registers by itself, and their uninitialized forms for lazy modules."""

from __future__ import annotations

from typing import Any

from .. import _api as torch

__all__ = [
    "Parameter",
    "UninitializedParameter",
    "is_lazy",
    "Buffer",
    "UninitializedBuffer",
    "UninitializedTensorMixin",
]


class _ParameterMeta(type(torch.Tensor)):  # type: ignore[misc]  # a base that is computed
    """A tensor subclass that was wrapped keeps its class; its `_is_param` makes it a Parameter too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, torch.Tensor) and getattr(instance, "_is_param", False)


class Parameter(torch.Tensor, metaclass=_ParameterMeta):
    """A tensor that a Module counts among its parameters when it is assigned as an attribute.

    >>> Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = torch.empty(0)
        if type(data) is torch.Tensor or type(data) is Parameter:
            if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            return torch.Tensor._make_subclass(cls, data, requires_grad)
        param = data.detach().requires_grad_(requires_grad)
        if type(param) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns "
                f"an instance of the same type, but return type {type(param).__name__} was found instead. To use the "
                "type as a Parameter, please correct the detach() semantics defined by its __torch_dispatch__() "
                "implementation."
            )
        param._is_param = True
        return param

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return "Parameter containing:\n" + super().__repr__()


class _BufferMeta(type(torch.Tensor)):  # type: ignore[misc]  # a base that is computed
    """A Buffer is a plain tensor that carries a mark, so `isinstance` looks for the mark."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Buffer and isinstance(instance, torch.Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(torch.Tensor, metaclass=_BufferMeta):
    """A tensor that a Module counts among its buffers when it is assigned as an attribute.

    >>> buffer = Buffer(torch.zeros(2), persistent=False)
    >>> buffer, buffer.persistent, isinstance(buffer, Buffer)
    (tensor([0., 0.]), False, True)
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = torch.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


# What may be asked of a tensor that has no shape yet; every other method refuses.
_ALLOWED = {
    *("to", "cpu", "cuda", "float", "double", "half", "bfloat16", "char", "short", "int", "long", "bool", "byte"),
    *("cfloat", "cdouble", "chalf", "copy_", "size", "is_complex", "is_floating_point"),
}  # fmt: skip


class UninitializedTensorMixin:
    """The behaviour of a tensor whose shape is known only when data has been seen."""

    __slots__ = ()

    cls_to_become: Any

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of the given shape, with values not set."""
        this: Any = self
        data = torch.empty(
            shape,
            device=this.data.device if device is None else device,
            dtype=this.data.dtype if dtype is None else dtype,
        )
        this.data = data
        self.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` "
            "to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto: Any) -> tuple:
        this: Any = self
        args = this.requires_grad, this.device, this.dtype
        # As with modules: only torch.save, whose protocol is 2, can write a class under PyTorch's address.
        return (type(self), args) if proto <= 2 else (_new_uninitialized, (type(self).__name__, *args))


def _refusal(name: str) -> Any:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise ValueError(
            f"Attempted to use an uninitialized parameter in <method '{name}' of 'torch._C.TensorBase' objects>. This "
            "error happens when you are using a `LazyModule` or explicitly manipulating "
            "`torch.nn.parameter.UninitializedParameter` objects. When using LazyModules Call `forward` with a dummy "
            "batch to initialize the parameters before calling torch functions"
        )

    return refuse


def _refuse_operators() -> None:
    """Let every operator that Tensor has refuse a tensor without a shape."""
    for name, member in vars(torch.Tensor).items():
        is_operator = name.startswith("__") and name.strip("_") in _OPERATORS or not name.startswith("_")
        if is_operator and callable(member) and name not in _ALLOWED and name not in vars(UninitializedTensorMixin):
            setattr(UninitializedTensorMixin, name, _refusal(name))


_OPERATORS = {
    *("add", "radd", "iadd", "sub", "rsub", "isub", "mul", "rmul", "imul", "truediv", "rtruediv", "itruediv", "pow"),
    *("floordiv", "mod", "matmul", "rmatmul", "rpow", "neg", "abs", "invert", "and", "or", "xor", "lt", "le", "gt"),
    *("ge", "eq", "ne", "getitem", "setitem", "len", "iter", "bool", "float", "int", "index", "complex", "contains"),
}  # fmt: skip

_refuse_operators()


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]  # their `cls_to_become` differ
    """A parameter whose shape is not known yet.

    >>> p = UninitializedParameter(); p
    <UninitializedParameter>
    >>> p.materialize((2, 3)); p.shape
    torch.Size([2, 3])
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        param: Any = torch.Tensor._make_subclass(cls, torch.empty(0, device=device, dtype=dtype), False)
        param.requires_grad = requires_grad
        return param

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        memo[id(self)] = result
        return result


class UninitializedBuffer(UninitializedTensorMixin, torch.Tensor):
    """A buffer whose shape is not known yet."""

    cls_to_become = torch.Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        buffer = torch.Tensor._make_subclass(cls, torch.empty(0, device=device, dtype=dtype), requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


def _new_uninitialized(name: str, requires_grad: bool, device: Any, dtype: Any) -> Any:
    """An uninitialized parameter or buffer as it was pickled."""
    return globals()[name](requires_grad, device, dtype)


def is_lazy(param: Any) -> bool:
    """Whether a tensor still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


for _class in (
    Parameter,
    Buffer,
    UninitializedTensorMixin,
    UninitializedParameter,
    UninitializedBuffer,
    _ParameterMeta,
):
    _class.__module__ = "torch.nn.parameter"
_BufferMeta.__module__ = "torch.nn.parameter"
__test__ = {name: globals()[name] for name in __all__}  # doctest looks for classes by their __module__


def factory_kwargs(kwargs: dict | None) -> dict:
    """Of a module's options those that tensors are made with: device, dtype and memory_format.

    >>> factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": None}})
    {'dtype': None, 'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    known = ("device", "dtype", "memory_format")
    if unknown := set(kwargs) - {*known, "factory_kwargs"}:
        raise TypeError(f"unexpected kwargs {unknown}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in (k for k in known if k in kwargs):
        if name in found:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        found[name] = kwargs[name]
    return found
