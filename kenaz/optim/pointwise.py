"""Optimizers whose rule is pointwise math, which is nearly all of them: a group is updated by one recorded node.

A rule is a function of the values of one parameter, `body(xp, p, *buffers, grad, **scalars) -> (p, *buffers)`, written
once: `xp` is whatever runs it (NumPy, the compiler, or `torch` itself where the update has to be differentiable). What
is known before a step (maximize; weight_decay or none) picks the body, what changes from step to step is a scalar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _api as torch
from ..ops.updates import update
from . import counters
from .optimizer import (
    Optimizer,
    _get_capturable_supported_devices,
    _use_grad_for_differentiable,
    evaluate,
)

Group = dict[str, Any]
Rule = tuple[Callable, dict[str, Any]]

FUSED_DEVICES = ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]


class PointwiseOptimizer(Optimizer):
    """An optimizer given by its state (`_counters`, `_tensors`) and its rule (`_rule`)."""

    # Options that files of early versions lack, with the values that give the old behaviour.
    _added_options: dict[str, Any] = {"maximize": False, "foreach": None, "differentiable": False}
    # The numbers in the state, with what they start from, and the tensors, which start from zeros.
    _counters: dict[str, float] = {"step": 0}
    _tensors: tuple[str, ...] = ()
    # What PyTorch's message about capturable=True calls the numbers (one by one, and foreach).
    _capturable_words = ("params and state_steps", "params and state_steps")
    _capturable_xla = (True, False)

    def _buffers(self, group: Group) -> tuple[str, ...]:
        """The names of the state tensors that the body takes between the parameter and its gradient."""
        return self._tensors

    def _new_state(self, p: Any, group: Group) -> dict[str, Any]:
        """The state of a parameter before its first step."""
        counts = {name: counters.counter(start, p, group) for name, start in self._counters.items()}
        return counts | {name: like(p) for name in self._buffers(group)}

    def _rule(self, group: Group, *counts: Any) -> Rule:
        """The body and the scalars of this step, for parameters whose counters say `counts`."""
        raise NotImplementedError

    def _begin(self, p: Any, group: Group) -> tuple[dict[str, Any], tuple]:
        """The state of a parameter, made if it is missing, and what its counters say at this step."""
        state = self.state[p]
        if not state:
            state.update(self._new_state(p, group))
        return state, self._advance(group, state)

    def _advance(self, group: Group, state: dict[str, Any]) -> tuple:
        """What `_rule` gets as `counts`; the counters in state move on."""
        return (counters.increment(state["step"]),)

    def _check_fused(self) -> None:
        """None; refuses fused=True beside options that exclude it. (Here every update is fused anyway.)"""
        if self.defaults["fused"]:
            if self.defaults["differentiable"]:
                raise RuntimeError("`fused` does not support `differentiable`")
            if self.defaults["foreach"]:
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def _dense(self, grad: Any, group: Group) -> Any:
        """A sparse gradient as the rule takes it."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for option, default in self._added_options.items():
                group.setdefault(option, default)
            for p in group["params"]:
                saved = self.state.get(p) or {}
                for name in self._counters:
                    if name in saved and not isinstance(saved[name], torch.Tensor):
                        saved[name] = counters.counter(float(saved[name]), p, group)

    @_use_grad_for_differentiable
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """The loss of closure (None without one), after one update of all parameters."""
        loss = evaluate(closure)
        for group in self.param_groups:
            self._update(group)
        return loss

    def _update(self, group: Group) -> None:
        self._check_flags(group)
        differentiable = group["differentiable"]
        options = group if differentiable else numbers(group)
        names = self._buffers(group)
        # Parameters whose counters differ (one had no gradient at first) have different scalars and go separately.
        batches: dict[tuple, list[tuple]] = {}
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            if grad.is_sparse:
                grad = self._dense(grad, group)
            plainly = differentiable or p.dtype.is_complex
            if names:
                state, counts = self._begin(p, options)
                row = (p, *[state[name] for name in names], grad)
            else:
                counts, row = (), (p, grad)
            batches.setdefault((plainly, counts), []).append(row)
        for (plainly, counts), rows in batches.items():
            body, scalars = self._rule(options, *counts)
            if options is not group:
                scalars = {name: float(value) for name, value in scalars.items()}
            (update_plainly if plainly else update)(body, rows, **scalars)

    def _check_flags(self, group: Group) -> None:
        """None; refuses options that the parameters of the group do not allow."""
        foreach = bool(group.get("foreach"))
        if foreach and group["differentiable"]:
            raise AssertionError("_foreach ops don't support autograd")
        if group.get("capturable"):
            supported = _get_capturable_supported_devices(supports_xla=self._capturable_xla[foreach])
            if any(p.device.type not in supported for p in group["params"] if p.grad is not None):
                raise AssertionError(
                    f"If capturable=True, {self._capturable_words[foreach]} must be on supported devices: {supported}."
                )
        if group.get("fused"):
            for p in group["params"]:
                if p.grad is not None and not (p.is_floating_point() and p.device.type in FUSED_DEVICES):
                    raise RuntimeError(
                        "`fused=True` requires all the params to be floating point Tensors of supported devices: "
                        f"{FUSED_DEVICES} but {p.dtype} and {p.device.type}"
                    )


def update_plainly(body: Callable, rows: list[tuple], **scalars: Any) -> None:
    """None; like `update`, but with ordinary operators: differentiable, and complex numbers as pairs of real ones."""
    for row in rows:
        if row[0].is_complex():
            row = tuple(torch.view_as_real(t) if t.is_complex() else t for t in row)
        # While gradients are recorded the body gets copies, so that what it saves for backward is not overwritten.
        inputs = [t.clone() for t in row] if torch.is_grad_enabled() else row
        for tensor, value in zip(row, body(torch, *inputs, **scalars)):
            tensor.copy_(value)


def numbers(group: Group) -> Group:
    """The options of group, with tensors among them (a learning rate, betas) read as numbers."""
    betas = group.get("betas", ())
    if not any(isinstance(v, torch.Tensor) for v in (group["lr"], group.get("weight_decay"), *betas)):
        return group
    read = {key: _number(group[key]) for key in group if key not in ("params", "betas")}
    if betas:
        read["betas"] = tuple(map(_number, betas))
    return read


def _number(value: Any) -> Any:
    """The number in a tensor, in its precision: what is computed from a float32 learning rate is rounded to float32."""
    if not isinstance(value, torch.Tensor):
        return value
    return np.float32(value.item()) if value.dtype == torch.float32 else value.item()


def like(p: Any) -> Any:
    """Zeros beside p."""
    return torch.zeros_like(p, memory_format=torch.preserve_format)


# ------------------------------------------------------------------------------------------- what bodies have in common
def descent(p: Any, g: Any, decay: Any, maximize: bool, decays: bool, decoupled: bool = False) -> tuple[Any, Any]:
    """The parameter and the gradient to go down along: weight decay is in the one (`decoupled`) or in the other."""
    if maximize:
        g = -g
    if not decays:
        return p, g
    return (p * decay, g) if decoupled else (p, g + decay * p)


def lerp(a: Any, b: Any, weight: Any, far: bool) -> Any:
    """a + (b - a) * weight as torch.lerp has it: counted from b where the weight `is_far`, so both ends are exact."""
    return b - (b - a) * (1 - weight) if far else a + (b - a) * weight


def is_far(weight: Any) -> bool:
    """Whether a weight of `lerp` is nearer to 1."""
    return not weight < 0.5
