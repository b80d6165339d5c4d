"""Averages of a model over training: stochastic weight averaging (SWA) and exponential moving averages (EMA)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from .. import _api as torch
from ..nn import Module
from ..ops.updates import update
from .lr_scheduler import LRScheduler
from .lr_scheduler.base import Rates, _format_param, _warn_outside_step
from .optimizer import Optimizer, _get_value

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


# How an average takes in one more model -------------------------------------------------------------------------------


def lerp_body(xp: Any, average: Any, value: Any, *, weight: Any) -> tuple:
    """The average, moved by weight towards value."""
    return (average + (value - average) * weight,)


def far_lerp_body(xp: Any, average: Any, value: Any, *, weight: Any) -> tuple:
    """The same from the side of value, for weights of one half and more, as torch.lerp does it."""
    return (value - (value - average) * (1 - weight),)


def _mix(averages: list, values: list, weight: float) -> None:
    rows = list(zip(averages, values))
    update(lerp_body if weight < 0.5 else far_lerp_body, rows, weight=weight)


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _is_inexact(x: Any) -> bool:
    return x.is_floating_point() or x.is_complex()


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[list, list, Any], None]:
    """A function that moves all averages at once: average = decay * average + (1 - decay) * value."""
    _check_decay(decay)

    def ema_update(ema_param_list: list, current_param_list: list, _: Any) -> None:
        if _is_inexact(ema_param_list[0]):
            _mix(ema_param_list, current_param_list, 1 - decay)
        else:
            for average, value in zip(ema_param_list, current_param_list):
                average.copy_(average * decay + value * (1 - decay))

    return torch.no_grad()(ema_update)


def get_swa_multi_avg_fn() -> Callable[[list, list, Any], None]:
    """A function that moves all averages at once: average = average + (value - average) / (number of models + 1)."""

    def swa_update(averaged_param_list: list, current_param_list: list, num_averaged: Any) -> None:
        if _is_inexact(averaged_param_list[0]):
            _mix(averaged_param_list, current_param_list, 1 / (_get_value(num_averaged) + 1))
        else:
            for average, value in zip(averaged_param_list, current_param_list):
                average.add_(torch.div(value - average, num_averaged + 1, rounding_mode="trunc"))

    return torch.no_grad()(swa_update)


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """A function that gives decay * average + (1 - decay) * value."""
    _check_decay(decay)

    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return torch.no_grad()(ema_update)


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """A function that gives average + (value - average) / (number of models + 1)."""

    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return torch.no_grad()(swa_update)


class AveragedModel(Module):
    """A copy of model whose parameters are the averages of those it is shown by update_parameters.

    >>> import kenaz as torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0, 3.0):
    ...     with torch.no_grad():
    ...         _ = model.weight.fill_(value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    2.0
    """

    n_averaged: Any

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Any, Any, Any], Any] | None = None,
        multi_avg_fn: Callable[[list, list, Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """None; the averages take in the parameters of model."""
        with torch.no_grad():
            self._take_in(model)

    def _take_in(self, model: Module) -> None:
        averages, values = self._averaged(self.module), self._averaged(model)
        pairs = [(a.detach(), v.detach().to(a.device)) for a, v in zip(averages, values)]
        if self.n_averaged == 0:
            for average, value in pairs:
                average.copy_(value)
        elif self.multi_avg_fn is not None or self.avg_fn is None:
            combine = self.multi_avg_fn or get_swa_multi_avg_fn()
            for alike in _by_device_and_dtype(pairs):
                combine([a for a, _ in alike], [v for _, v in alike], self.n_averaged.to(alike[0][0].device))
        else:
            for average, value in pairs:
                average.copy_(self.avg_fn(average, value, self.n_averaged.to(average.device)))
        if not self.use_buffers:
            for average, value in zip(self.module.buffers(), model.buffers()):
                average.detach().copy_(value.detach().to(average.device))
        self.n_averaged += 1

    def _averaged(self, module: Module) -> Iterable:
        buffers = module.buffers() if self.use_buffers else ()
        return itertools.chain(module.parameters(), buffers)


def _by_device_and_dtype(pairs: list[tuple]) -> Iterable[list[tuple]]:
    groups: dict[Any, list[tuple]] = {}
    for pair in pairs:
        groups.setdefault((str(pair[0].device), pair[0].dtype), []).append(pair)
    return groups.values()


def update_bn(loader: Iterable, model: Module, device: Any = None) -> None:
    """None; the running statistics of the batch normalizations in model become those over all batches of loader."""
    with torch.no_grad():
        layers = {
            m: m.momentum for m in model.modules() if hasattr(m, "running_mean") and hasattr(m, "num_batches_tracked")
        }
        if not layers:
            return
        was_training = model.training
        model.train()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean over batches
        for batch in loader:
            if isinstance(batch, (list, tuple)):
                batch = batch[0]
            model(batch if device is None else batch.to(device))
        for layer, momentum in layers.items():
            layer.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """From the rate it finds to swa_lr within anneal_epochs, and constant from then on."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(_format_param("swa_lr", optimizer, swa_lr), optimizer.param_groups):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._set_anneal_func(anneal_strategy)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    @staticmethod
    def _linear_anneal(t: float) -> float:
        return t

    @staticmethod
    def _cosine_anneal(t: float) -> float:
        return (1 - math.cos(math.pi * t)) / 2

    def _set_anneal_func(self, anneal_strategy: str) -> None:
        self._anneal_strategy = anneal_strategy
        self.anneal_func = self._cosine_anneal if anneal_strategy == "cos" else self._linear_anneal

    @staticmethod
    def _get_initial_lr(lr: Any, swa_lr: Any, alpha: float) -> Any:
        """The rate that was alpha of the way from swa_lr when the rate is lr."""
        return swa_lr if alpha == 1 else (lr - alpha * swa_lr) / (1 - alpha)

    def get_lr(self) -> Rates:
        _warn_outside_step(self)
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = (self.anneal_func(max(0, min(1, s / max(1, self.anneal_epochs)))) for s in (step - 1, step))
        groups = self.optimizer.param_groups
        first = [self._get_initial_lr(group["lr"], group["swa_lr"], before) for group in groups]
        return [group["swa_lr"] * now + lr * (1 - now) for group, lr in zip(groups, first)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and the function."""
        return {key: value for key, value in self.__dict__.items() if key not in ("optimizer", "anneal_func")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """None; the schedule goes on where the saved one was."""
        self.__dict__.update(state_dict)
        self._set_anneal_func(self._anneal_strategy)
