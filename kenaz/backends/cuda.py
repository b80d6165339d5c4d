"""cuda: not part of this build; its switches can be set and are kept, so that programs that set them run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import _api as torch

__all__ = [
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp",
    "flash_sdp_enabled", "is_available", "is_built", "is_flash_attention_available", "math_sdp_enabled", "matmul",
    "mem_efficient_sdp_enabled", "sdp_kernel",
]  # fmt: skip


def is_available() -> bool:
    return False


def is_built() -> bool:
    return False


def is_flash_attention_available() -> bool:
    return False


class _Matmul:
    """Switches of cuBLAS; one that PyTorch does not have is refused."""

    __slots__ = (
        "allow_bf16_reduced_precision_reduction",
        "allow_fp16_accumulation",
        "allow_fp16_reduced_precision_reduction",
    )

    def __init__(self) -> None:
        self.allow_bf16_reduced_precision_reduction = True
        self.allow_fp16_accumulation = False
        self.allow_fp16_reduced_precision_reduction = True

    @property
    def allow_tf32(self) -> bool:
        """Whether `torch.set_float32_matmul_precision` is below "highest"."""
        return torch.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allow: bool) -> None:
        torch.set_float32_matmul_precision("high" if allow else "highest")

    @property
    def fp32_precision(self) -> str:
        return "tf32" if self.allow_tf32 else "none"

    @fp32_precision.setter
    def fp32_precision(self, precision: str) -> None:
        self.allow_tf32 = precision == "tf32"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"Unknown attribute {name}")


matmul = _Matmul()

# PyTorch's implementations of attention. Kenaz has one of its own, which takes no notice.
_SDP = {"flash": True, "math": True, "mem_efficient": True, "cudnn": True}


def _asker(name: str) -> Callable[[], bool]:
    return lambda: _SDP[name]


def _switch(name: str) -> Callable[[bool], None]:
    return lambda enabled: _SDP.update({name: bool(enabled)})


flash_sdp_enabled, enable_flash_sdp = _asker("flash"), _switch("flash")
math_sdp_enabled, enable_math_sdp = _asker("math"), _switch("math")
mem_efficient_sdp_enabled, enable_mem_efficient_sdp = _asker("mem_efficient"), _switch("mem_efficient")
cudnn_sdp_enabled, enable_cudnn_sdp = _asker("cudnn"), _switch("cudnn")


@contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[None]:
    """Sets the switches of attention inside `with`.

    >>> with sdp_kernel(enable_flash=False):
    ...     flash_sdp_enabled()
    False
    """
    before = dict(_SDP)
    _SDP.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield
    finally:
        _SDP.update(before)
