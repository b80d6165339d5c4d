"""`torch.ops`: operators by namespace and name. `aten` holds Kenaz's own; others hold what programs define
(`kenaz/library`).

>>> from kenaz import ops, ones
>>> ops.aten.add.Tensor, ops.aten.add.Tensor(ones(1), 2)
(<OpOverload(op='aten.add', overload='Tensor')>, tensor([3.]))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._tensor import Tensor
from .record import PUBLIC

DEFINED: dict[str, Callable] = {}  # "namespace::name" of the operators that programs define


# --------------------------------------------------------------------------------- names that only aten has
def _slice(x: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


def _softmax(x: Any, dim: int, half_to_float: bool = False) -> Tensor:
    return x.softmax(dim)


def _to_copy(x: Any, *, dtype: Any = None, device: Any = None, memory_format: Any = None, **_: Any) -> Tensor:
    return x.to(device=device or x.device, dtype=dtype or x.dtype, copy=True)


def _assert_tensor_metadata(a: Any, size: Any = None, stride: Any = None, dtype: Any = None, **_: Any) -> None:
    for name, wanted, found in (("sizes", size, a.shape), ("strides", stride, a.stride()), ("dtype", dtype, a.dtype)):
        if wanted is not None and wanted != found:
            raise RuntimeError(f"Tensor {name} mismatch!")


ATEN: dict[str, Callable] = {
    "slice": _slice,
    "slice_copy": lambda *args, **kwargs: _slice(*args, **kwargs).clone(),
    "_softmax": _softmax,
    "_log_softmax": lambda x, dim, half_to_float=False: x.log_softmax(dim),
    "_to_copy": _to_copy,
    "alias": lambda x: x.view_as(x),
    "lift_fresh": lambda x: x,
    "lift_fresh_copy": lambda x: x.clone(),
    "_unsafe_view": lambda x, size: x.reshape(size),
    "_local_scalar_dense": lambda x: x.item(),
    "_is_all_true": lambda x: x.all(),
    "_is_any_true": lambda x: x.any(),
    "sym_size": lambda x, dim=None: x.size() if dim is None else x.size(dim),
    "sym_stride": lambda x, dim=None: x.stride() if dim is None else x.stride(dim),
    "sym_numel": lambda x: x.numel(),
    "sym_storage_offset": lambda x: x.storage_offset(),
    "_assert_tensor_metadata": _assert_tensor_metadata,
    "_assert_scalar": lambda value, message: PUBLIC["_assert"](bool(value), message),
    "scalar_tensor": lambda value, **options: PUBLIC["tensor"](value, **options),
    "sym_constrain_range_for_size": lambda size, *, min=None, max=None: None,
    "sym_constrain_range": lambda size, *, min=None, max=None: None,
    "_pin_memory": lambda self, device=None: self.pin_memory(device),
    "_sparse_addmm": lambda self, mat1, mat2, *, beta=1, alpha=1: self * beta + (mat1 @ mat2) * alpha,
}


def _aten(name: str) -> Callable | None:
    """Kenaz's function for a name of aten's."""
    found = ATEN.get(name) or PUBLIC.get(name)
    if found is None and callable(method := vars(Tensor).get(name)) and not name.startswith("__"):
        return method
    return found


# ----------------------------------------------------------------------------------------------------- what one sees
class OpOverload:
    """One signature of an operator; calling it calls the operator."""

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.overloadpacket, self._overloadname = packet, overload
        self._qualified_op_name, self.namespace = packet._qualified_op_name, packet._namespace
        self.__name__ = f"{packet.__name__}.{overload}"
        self._schema = getattr(packet.op, "schema", None)
        self._op = packet.op

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    def name(self) -> str:
        """The name with its namespace."""
        tail = "" if self._overloadname == "default" else f".{self._overloadname}"
        return self._qualified_op_name + tail

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.overloadpacket}', overload='{self._overloadname}')>"

    def __str__(self) -> str:
        return f"{self.overloadpacket}.{self._overloadname}"


# the names of aten's signatures
_OVERLOADS = frozenset(
    "default Tensor Scalar out Scalar_out Tensor_out int dim dim_IntList dim_max dim_min max min other self values "
    "Tensor_Scalar Scalar_Tensor Tensor_Tensor Scalar_mode Tensor_mode ScalarSelf ScalarOther self_int self_Tensor "
    "IntList_out dim_Dimname correction dim_DimnameList start start_step start_out low generator Scalar_Tensor_out "
    "IntList Int src value reduce value_reduce int_out self_out sizes indices sections names dtype dtype_layout "
    "prim_Device prim_dtype prim_other device out_int unpacked input vec float float_ names_out stable padding array "
    "Tensor_Scalar_out Scalar_self unsafe msg float_Tensor Tensor_float List from_bool ScalarList List_scalar "
    "_RecordFunction".split()
)


class OpOverloadPacket:
    """An operator with all its signatures, which are attributes; calling it calls the one that fits."""

    def __init__(self, namespace: str, name: str, op: Callable) -> None:
        self._namespace, self.__name__, self.op = namespace, name, op
        self._qualified_op_name = f"{namespace}::{name}"
        self.__module__ = f"torch.ops.{namespace}"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.op(*args, **kwargs)

    def __getattr__(self, name: str) -> OpOverload:
        known = name in _OVERLOADS if self._namespace == "aten" else name == "default"
        if name.startswith("__") or not known:
            raise AttributeError(f"The underlying op of '{self}' has no overload name '{name}'")
        found = self.__dict__[name] = OpOverload(self, name)
        return found

    def overloads(self) -> list[str]:
        """The names of the signatures."""
        return ["default"]

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"

    def __str__(self) -> str:
        return f"{self._namespace}.{self.__name__}"


class OpNamespace:
    """The operators of one namespace, as attributes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__name__ = f"torch.ops.{name}"

    def __getattr__(self, name: str) -> OpOverloadPacket:
        op = DEFINED.get(f"{self.name}::{name}") or (_aten(name) if self.name == "aten" else None)
        if name.startswith("__") or op is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{name}'")
        found = self.__dict__[name] = OpOverloadPacket(self.name, name, op)
        return found

    def __repr__(self) -> str:
        return f"<module 'torch.ops.{self.name}' from 'torch.ops'>"


NAMESPACES = {name: OpNamespace(name) for name in ("aten", "prims", "profiler", "torchvision")}


def namespace(name: str) -> OpNamespace:
    """The operators of a namespace; the same object each time."""
    return NAMESPACES.setdefault(name, OpNamespace(name))


DEFINED["profiler::_record_function_enter"] = lambda name, args=None: Tensor._from_array(np.zeros(1))
DEFINED["profiler::_record_function_exit"] = lambda handle: None


def load_library(path: str) -> None:
    """Load a shared library; an operator that it would register for PyTorch's dispatcher is not found afterwards."""
    import ctypes

    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        raise OSError(f"Could not load this library: {path}") from error
