"""Spreading the tensors of nested arguments over GPUs, and bringing results together."""

from __future__ import annotations

from typing import Any

from ... import _api as torch

__all__ = ["gather", "scatter", "scatter_kwargs"]


def _gpu(target: Any) -> Any:
    device = torch.device("cuda", target) if isinstance(target, int) else torch.device(target)
    if device.type == "cpu":
        raise ValueError(f"Expected a non cpu device, but got: {device}")
    return device


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> Any:
    """For each GPU the arguments with its part of every tensor; what is no tensor goes to all."""
    devices = [_gpu(t) for t in target_gpus]

    def spread(value: Any) -> list:
        if isinstance(value, torch.Tensor):
            return [part.to(device) for part, device in zip(value.chunk(len(devices), dim), devices)]
        if isinstance(value, tuple) and value:
            rows = list(zip(*map(spread, value)))
            return [type(value)(*row) for row in rows] if hasattr(value, "_fields") else rows
        if isinstance(value, list) and value:
            return [list(row) for row in zip(*map(spread, value))]
        if isinstance(value, dict) and value:
            return [type(value)(row) for row in zip(*map(spread, value.items()))]
        return [value for _ in devices]

    return spread(inputs)


def scatter_kwargs(inputs: Any, kwargs: Any, target_gpus: Any, dim: int = 0) -> tuple[tuple, tuple]:
    """`scatter` of positional and named arguments, the shorter filled up with nothing."""
    spread = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    count = max(len(spread), len(named))
    spread += [() for _ in range(count - len(spread))]
    named += [{} for _ in range(count - len(named))]
    return tuple(spread), tuple(named)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The results of several devices, joined along an axis on one.

    >>> gather([torch.ones(1, 2), torch.zeros(1, 2)], "cpu")
    tensor([[1., 1.],
            [0., 0.]])
    """
    first = outputs[0]
    if isinstance(first, torch.Tensor):
        parts = [o.to(target_device) for o in outputs]
        return torch.stack(parts) if not first.dim() else torch.cat(parts, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)((k, gather([o[k] for o in outputs], target_device, dim)) for k in first)
    columns = [gather(list(column), target_device, dim) for column in zip(*outputs)]
    return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
