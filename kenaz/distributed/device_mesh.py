"""`torch.distributed.device_mesh`: processes in a grid. There are none here; libraries annotate with the class."""

from __future__ import annotations

from typing import Any

from . import init_process_group


class DeviceMesh:
    """A grid of processes: it cannot be made in this build."""

    def __init__(self, device_type: str, mesh: Any, **options: Any) -> None:
        init_process_group()


def init_device_mesh(device_type: str, mesh_shape: tuple[int, ...], **options: Any) -> DeviceMesh:
    """Would arrange the processes in a grid; raises RuntimeError."""
    return DeviceMesh(device_type, mesh_shape, **options)
