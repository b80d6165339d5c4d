"""The few names that libraries reach for in PyTorch's native module."""

from __future__ import annotations

from enum import Enum
from os import PathLike
from types import SimpleNamespace
from typing import Any

from . import _api as torch
from ._api import Generator, device, dtype
from .nn import conversion
from .ops.subclasses import DisableTorchFunctionSubclass

__all__ = ["DispatchKey", "DispatchKeySet", "Generator", "device", "dtype"]

_TensorMeta = type(torch.Tensor)
TensorBase = _TensorBase = torch.Tensor


def _log_api_usage_once(event: str) -> None:
    """Count a use of a library: nobody listens."""


def _get_privateuse1_backend_name() -> str:
    return "privateuseone"


def _parse_to(*args: Any, **kwargs: Any) -> tuple:
    """What `module.to` was asked for: device, dtype, non_blocking, memory_format.

    >>> _parse_to("cpu", torch.float16)
    (device(type='cpu'), torch.float16, False, None)
    """
    return conversion._parse_to(args, kwargs)


_nn = SimpleNamespace(_parse_to=_parse_to)


class PyTorchFileReader:
    """A file that `torch.save` wrote, record by record."""

    def __init__(self, name_or_buffer: Any) -> None:
        from .serialization.archive import ArchiveReader

        path = isinstance(name_or_buffer, str | PathLike)
        self._archive = ArchiveReader(open(name_or_buffer, "rb") if path else name_or_buffer)  # the archive closes it

    def has_record(self, name: str) -> bool:
        return name in self._archive

    def get_record(self, name: str) -> bytes:
        return self._archive.read(name).tobytes()


# ----------------------------------------------------------------------------------------- the dispatcher's words
_BACKENDS = "CPU CUDA HIP XLA MPS IPU XPU HPU VE Lazy MTIA PrivateUse1 PrivateUse2 PrivateUse3 Meta".split()
_FEATURES = "Quantized Sparse SparseCsr NestedTensor Autograd Autocast".split()
_OTHERS = (
    "Undefined Dense Autograd AutogradOther AutogradFunctionality AutogradNestedTensor ADInplaceOrView BackendSelect "
    "CatchAll Conjugate CompositeExplicitAutograd CompositeImplicitAutograd Fake FuncTorchBatched "
    "FuncTorchDynamicLayerBackMode FuncTorchDynamicLayerFrontMode Functionalize Negative PreDispatch Python "
    "PythonDispatcher PythonTLSSnapshot Tracer ZeroTensor"
).split()
# What PyTorch chooses among its kernels by; Kenaz has no such choice.
_KEYS = [*_OTHERS, *_BACKENDS, *(f + b for f in _FEATURES for b in _BACKENDS)]
DispatchKey = Enum("DispatchKey", _KEYS)  # type: ignore[misc]  # the names are computed


class DispatchKeySet:
    """A set of dispatch keys.

    >>> DispatchKeySet(DispatchKey.CPU) | DispatchKeySet(DispatchKey.CUDA)
    DispatchKeySet(CPU, CUDA)
    """

    def __init__(self, *keys: Any) -> None:
        self._keys = frozenset(keys)

    def has(self, key: Any) -> bool:
        return key in self._keys

    def add(self, key: Any) -> DispatchKeySet:
        return DispatchKeySet(*self._keys, key)

    def remove(self, key: Any) -> DispatchKeySet:
        return DispatchKeySet(*(self._keys - {key}))

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self._keys | other._keys))

    def __and__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self._keys & other._keys))

    def __sub__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self._keys - other._keys))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DispatchKeySet) and self._keys == other._keys

    def __hash__(self) -> int:
        return hash(self._keys)

    def __repr__(self) -> str:
        return f"DispatchKeySet({', '.join(k.name for k in sorted(self._keys, key=lambda k: k.value))})"


class _DispatchKeyGuard:
    """A context with some dispatch keys excluded or included; autocast leaves with its keys, the others mean nothing
    here."""

    _excludes = True

    def __init__(self, keyset: DispatchKeySet) -> None:
        self._keyset = keyset

    def __enter__(self) -> None:
        self._was_on = torch.is_autocast_enabled("cpu")
        if self._excludes and self._keyset.has(DispatchKey["AutocastCPU"]):
            torch.set_autocast_enabled("cpu", False)

    def __exit__(self, *_: Any) -> None:
        torch.set_autocast_enabled("cpu", self._was_on)


class _ExcludeDispatchKeyGuard(_DispatchKeyGuard):
    """A context without some dispatch keys."""


class _IncludeDispatchKeyGuard(_DispatchKeyGuard):
    """A context with some dispatch keys."""

    _excludes = False


# ------------------------------------------------------------------------------------------ the script compiler's
class Node:
    """A node of a graph of TorchScript, for `isinstance`: there are none."""


class Graph:
    """A graph of TorchScript, for `isinstance`: there are none."""


class Value:
    """A value of a graph of TorchScript, for `isinstance`: there are none."""


_GLIBCXX_USE_CXX11_ABI = True
_switches: dict[str, bool] = {}


def _switch(name: str, default: bool) -> tuple[Any, Any]:
    """A function that sets a switch and gives its value before, and one that gives its value: nothing asks for it."""

    def set_(value: bool) -> bool:
        before, _switches[name] = _switches.get(name, default), bool(value)
        return before

    return set_, lambda: _switches.get(name, default)


_jit_set_profiling_executor, _jit_get_profiling_executor = _switch("profiling_executor", True)
_jit_set_profiling_mode, _jit_get_profiling_mode = _switch("profiling_mode", True)
_jit_set_texpr_fuser_enabled, _jit_texpr_fuser_enabled = _switch("texpr_fuser", True)
_jit_set_nvfuser_enabled, _jit_nvfuser_enabled = _switch("nvfuser", False)
_jit_set_nvfuser_guard_mode, _jit_nvfuser_guard_mode = _switch("nvfuser_guard", True)
_jit_override_can_fuse_on_cpu, _jit_can_fuse_on_cpu = _switch("fuse_on_cpu", True)
_jit_override_can_fuse_on_gpu, _jit_can_fuse_on_gpu = _switch("fuse_on_gpu", True)


def _get_tracing_state() -> None:
    """What a trace that is under way knows: none is."""
    return None


def _get_default_device() -> str:
    """The device of new tensors."""
    return str(torch.get_default_device())


def _get_accelerator(check: bool | None = None) -> Any:
    """The machine's accelerator, or the CPU where there is none."""
    return torch.device("cpu")


def _disabled_torch_function_impl(func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """The `__torch_function__` of classes that take no part: plain tensors come out.

    >>> class Plain(torch.Tensor):
    ...     __torch_function__ = _disabled_torch_function_impl
    >>> type(torch.ones(2).as_subclass(Plain) + 1).__name__
    'Tensor'
    """
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))
