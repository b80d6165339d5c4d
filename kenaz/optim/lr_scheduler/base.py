"""LRScheduler: counts epochs, asks a schedule for the rates of each, and writes them into the optimizer's groups."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from weakref import ref

from ... import _api as torch
from ..optimizer import Optimizer, _to_scalar

Rates = list  # one number (or tensor) a group

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being "
    "deprecated where possible. Please use `scheduler.step()` to step the "
    "scheduler. During the deprecation, if epoch is different from None, the "
    "closed form is used instead of the new chainable form, where available. "
    "Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
HOW_TO = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


class LRScheduler:
    """The base of the schedules: counts epochs and writes the rates into the optimizer's groups.

    >>> import kenaz as torch
    >>> class Halving(torch.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * 0.5**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> for _ in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        _set_initial_lr(optimizer, resuming=last_epoch != -1)
        self.base_lrs: Rates = _values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _count_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """None; the schedule goes on where the saved one was."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> Rates:
        """The rates that the last step set."""
        return self._last_lr

    def get_lr(self) -> Rates:
        """The rates of this step, one a group."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """None; the rates become those of the next epoch."""
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _check_order(self) -> None:
        """None; warns when the optimizer has not stepped since the schedule was made."""
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. "
                f"Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`. {HOW_TO}",
                UserWarning,
                stacklevel=3,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
                "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
                "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this "
                f"will result in PyTorch skipping the first value of the learning rate schedule. {HOW_TO}",
                UserWarning,
                stacklevel=3,
            )

    def _update_lr(self, epoch: int | None = None) -> None:
        with _inside_step(self):
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                rates = self._get_closed_form_lr() if hasattr(self, "_get_closed_form_lr") else self.get_lr()
        self._set_rates(rates)

    def _set_rates(self, rates: Iterable) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            _set_value(group, "lr", lr)
        self._last_lr: Rates = _values(self.optimizer, "lr")

    def _rates(self) -> Rates:
        """The rates as they are."""
        return _values(self.optimizer, "lr")

    def _scaled(self, factor: float) -> Rates:
        """The rates as they are, times factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class _LRScheduler(LRScheduler):
    """The name of LRScheduler in early versions."""


@contextmanager
def _inside_step(scheduler: LRScheduler) -> Iterator[None]:
    scheduler._get_lr_called_within_step = True
    try:
        yield
    finally:
        scheduler._get_lr_called_within_step = False


def _warn_outside_step(scheduler: LRScheduler) -> None:
    if not scheduler._get_lr_called_within_step:
        warnings.warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            UserWarning,
            stacklevel=2,
        )


def _set_initial_lr(optimizer: Optimizer, resuming: bool) -> None:
    for i, group in enumerate(optimizer.param_groups):
        if not resuming:
            lr = group["lr"]
            group.setdefault("initial_lr", lr.clone() if isinstance(lr, torch.Tensor) else lr)
        elif "initial_lr" not in group:
            raise KeyError(
                f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                "last_epoch >= 0.\nThis typically happens when:\n"
                "1. You're trying to resume training from a checkpoint but haven't properly loaded the optimizer "
                "state\n"
                "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
            )


def _count_steps(optimizer: Optimizer) -> None:
    """None; from now on the optimizer notes that step was called."""
    step = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched"):
        return
    function, optimizer_ref = step.__func__, ref(optimizer)  # type: ignore[attr-defined]  # a method

    @wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        self = optimizer_ref()
        self._opt_called = True  # type: ignore[union-attr]  # alive: it is stepping
        return function.__get__(self, type(self))(*args, **kwargs)

    noted._wrapped_by_lr_sched = True  # type: ignore[attr-defined]  # a mark
    optimizer.step = noted  # type: ignore[method-assign]  # until PyTorch has a hook


def _values(optimizer: Optimizer, key: str) -> Rates:
    """An option of every group; tensors are copied, because schedules write into them."""
    values = [group[key] for group in optimizer.param_groups]
    return [v.clone() if isinstance(v, torch.Tensor) else v for v in values]


def _set_value(group: dict[str, Any], key: str, value: Any) -> None:
    if isinstance(group[key], torch.Tensor):
        group[key].fill_(_to_scalar(value))
    else:
        group[key] = value


def _format_param(name: str, optimizer: Optimizer, param: Any) -> list:
    """param as one value a group: given as such, or the same for all."""
    count = len(optimizer.param_groups)
    if not isinstance(param, (list, tuple)):
        return [param.clone() if isinstance(param, torch.Tensor) else param for _ in range(count)]
    if len(param) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(param)} values, param_groups has {count}."
        )
    return list(param)


def _attributes(function: Any) -> dict[str, Any] | None:
    """What is saved of a function: nothing of a plain one, the attributes of a callable object."""
    return None if isinstance(function, types.FunctionType) else function.__dict__.copy()
