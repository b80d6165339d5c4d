"""DataParallel: one process, one batch, several devices. Here it runs its module on the one device there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import _api as torch
from ..module import Module

Device = int | torch.device


class DataParallel(Module):
    """`module` under the name `module`, as files saved from several GPUs have it; calling it calls the module.

    >>> from kenaz.nn import Linear
    >>> list(DataParallel(Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Device] | None = None,
        output_device: Device | None = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Device] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Device] | None = None,
    output_device: Device | None = None,
    dim: int = 0,
    module_kwargs: Any | None = None,
) -> Any:
    """The result of calling `module` with a tuple of inputs, or a single one."""
    if not isinstance(inputs, tuple):
        inputs = (inputs,) if inputs is not None else ()
    return module(*inputs, **(module_kwargs or {}))
