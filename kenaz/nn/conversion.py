"""Convertible: a module's tensors moved and converted: to, cuda, half and their like."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .. import _api as torch
from ..core.dtype import PYTHON_TYPES
from .parameter import Parameter, UninitializedBuffer, is_lazy


class Convertible:
    """The part of Module that replaces the data of parameters and buffers."""

    _parameters: dict
    _buffers: dict
    children: Callable[[], Iterator]

    def _apply(self, fn: Callable, recurse: bool = True) -> Any:
        """Replace the data of every parameter, its gradient and every buffer by fn(tensor)."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for key, param in self._parameters.items():
            if param is not None:
                self._parameters[key] = _applied(fn, param)
        for key, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[key] = _applied_to_buffer(fn, buffer)
        return self

    def apply(self, fn: Callable[[Any], None]) -> Any:
        """Call fn with every submodule, children first, and then with this module: the way to initialize a model."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def cuda(self, device: Any = None) -> Any:
        """Move all parameters and buffers to a GPU."""
        return self._apply(lambda t: t.cuda(device))

    def ipu(self, device: Any = None) -> Any:
        """Move all parameters and buffers to an IPU."""
        return self._apply(lambda t: t.ipu(device))

    def xpu(self, device: Any = None) -> Any:
        """Move all parameters and buffers to an XPU."""
        return self._apply(lambda t: t.xpu(device))

    def mtia(self, device: Any = None) -> Any:
        """Move all parameters and buffers to an MTIA device."""
        return self._apply(lambda t: t.mtia(device))

    def cpu(self) -> Any:
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Any:
        """Convert all parameters and buffers to a type."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Any:
        """Convert floating parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Any:
        """Convert floating parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Any:
        """Convert floating parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Any:
        """Convert floating parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Move parameters and buffers to a device without their values."""
        return self._apply(lambda t: torch.empty_like(t, device=device), recurse=recurse)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move and convert parameters and buffers in place: to(device), to(dtype), to(tensor), or both by keyword."""
        device, dtype, non_blocking, memory_format = _parse_to(args, kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
                )
            if dtype.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, and some "
                    "modules might not work as expected when using complex tensors as parameters or buffers. Please "
                    "file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a "
                    "complex module does not work as expected.",
                    stacklevel=2,
                )

        def convert(t: Any) -> Any:
            wanted = dtype if t.is_floating_point() or t.is_complex() else None
            options = {} if device is None else {"device": device}
            if wanted is not None:
                options["dtype"] = wanted
            if memory_format is not None and t.dim() in (4, 5):
                options["memory_format"] = memory_format
            if not options:
                return t
            try:
                return t.to(**options, non_blocking=non_blocking)
            except NotImplementedError as error:
                if str(error) != "Cannot copy out of meta tensor; no data!":
                    raise
                raise NotImplementedError(
                    f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving "
                    "module from meta to a different device."
                ) from None

        return self._apply(convert)

    def share_memory(self) -> Any:
        """Move the data of all parameters and buffers to memory that other processes can see."""
        return self._apply(lambda t: t.share_memory_())


def _applied_to_buffer(fn: Callable, buffer: Any) -> Any:
    """fn(buffer), which stays uninitialized if the buffer was."""
    new = fn(buffer)
    return UninitializedBuffer(new.requires_grad, new.device, new.dtype) if is_lazy(buffer) else new


def _applied(fn: Callable, param: Parameter) -> Parameter:
    """A parameter with fn applied to its data and its gradient: itself, unless it comes from or goes to `meta`."""
    with torch.no_grad():
        data = fn(param)
    grad = param.grad
    if param.is_meta == data.is_meta:
        result = param
        param.data = data
    else:
        result = Parameter(data, param.requires_grad)
    if grad is not None:
        with torch.no_grad():
            new = fn(grad)
        if grad.is_meta == new.is_meta:
            grad.data = new
        else:
            grad = new.requires_grad_(grad.requires_grad)
        if result is not param:
            result.grad = grad
    return result


def _parse_to(args: tuple, kwargs: dict) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) of the arguments of `to`."""
    if len(args) > 4:
        raise TypeError(f"to() takes from 0 to 4 positional arguments but {len(args)} were given")
    args = tuple(PYTHON_TYPES.get(a, a) if isinstance(a, type) else a for a in args)
    first = args[0] if args else None
    if isinstance(first, torch.Tensor):
        names = ["tensor", "non_blocking", "copy"]
    elif isinstance(first, torch.dtype):
        names = ["dtype", "non_blocking", "copy"]
    else:
        names = ["device", "dtype", "non_blocking", "copy"]
    given = dict(zip(names, args))
    allowed = {"device", "dtype", "non_blocking", "copy", "memory_format", "tensor"}
    is_device = given.get("device") is None or isinstance(given["device"], str | int | torch.device)
    if not is_device or set(kwargs) - allowed or set(kwargs) & set(given) or len(args) > len(names):
        raise TypeError(_TO_ARGUMENTS.format(_describe(args, kwargs)))
    given.update(kwargs)
    if "tensor" in given:
        device, dtype = given["tensor"].device, given["tensor"].dtype
    else:
        asked: Any = given.get("dtype")
        device, dtype = given.get("device"), PYTHON_TYPES.get(asked, asked)
    if device is not None and not isinstance(device, torch.device):
        device = torch.device(device)
    return device, dtype, bool(given.get("non_blocking", False)), given.get("memory_format")


def _describe(args: tuple, kwargs: dict) -> str:
    """The types of arguments as PyTorch's argument parser prints them."""
    positional = ", ".join(type(a).__name__ for a in args)
    named = "".join(f"{k}={type(v).__name__}, " for k, v in kwargs.items())
    return f"({', '.join(filter(None, [positional, named]))})"


_TO_ARGUMENTS = (
    "to() received an invalid combination of arguments - got {}, but expected one of:\n"
    " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, "
    "torch.memory_format memory_format = None)\n"
    " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = "
    "None)\n"
    " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
)


Convertible.__module__ = "torch.nn.modules.module"
