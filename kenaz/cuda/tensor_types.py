"""`torch.cuda.FloatTensor` and its like: old programs ask `isinstance` of them, and take them where there is a GPU."""

from __future__ import annotations

from typing import Any

from ..core.dtype import dtype
from ..ops.legacy import TYPES


class CudaType(type):
    """The type of a tensor on a GPU: no tensor is of it, and none can be made."""

    _dtype: dtype
    is_cuda = True
    is_sparse = False

    def __instancecheck__(cls, instance: Any) -> bool:
        return False

    @property
    def dtype(cls) -> dtype:
        """The dtype of its tensors."""
        return cls._dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.")


CUDA_TYPES = {
    name: CudaType(name, (), {"__module__": "torch.cuda", "_dtype": kind._dtype})
    for name, kind in TYPES.items()
}
