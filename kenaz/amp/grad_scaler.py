"""Scaling losses, so that small gradients survive in float16."""

from __future__ import annotations

import enum
import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from .. import _api as torch

__all__ = ["GradScaler", "OptState"]


class OptState(enum.Enum):
    """Where an optimizer is between two updates of the scale."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf": None}


class GradScaler:
    """Multiplies the loss before backward, divides gradients before the step, and skips steps that would not be finite.

    The scale halves when a gradient overflows and doubles after `growth_interval` steps in which none did.

    >>> GradScaler("cpu", init_scale=4.0).scale(torch.tensor(2.0))
    tensor(8.)
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda":
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if not self._enabled:
            return
        assert growth_factor > 1.0, "The growth factor must be > 1.0."
        assert backoff_factor < 1.0, "The backoff factor must be < 1.0."
        self._init_scale = init_scale
        self._scale: torch.Tensor | None = None  # made at the first use
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._growth_tracker: int | None = None
        self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_fresh)

    def _known_scale(self, name: str) -> torch.Tensor:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use scaler.scale(loss "
                f"or outputs) "
                "earlier in the iteration."
            )
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """A tensor, or each in an iterable, times the scale."""
        if not self._enabled:
            return outputs
        if self._scale is None:
            self._scale = torch.tensor(self._init_scale, dtype=torch.float32)
            self._growth_tracker = self._init_growth_tracker
        if isinstance(outputs, torch.Tensor):
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise ValueError("outputs must be a Tensor or an iterable of Tensors")
        return (list if isinstance(outputs, list) else tuple)(self.scale(value) for value in outputs)

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the scale: for clipping between backward and step."""
        if not self._enabled:
            return
        scale = self._known_scale("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(g.dtype is torch.float16 for g in gradients):
            raise ValueError("Attempting to unscale FP16 gradients.")
        inverse = scale.double().reciprocal().float()
        finite = []
        with torch.no_grad():
            for g in gradients:
                finite.append(g.isfinite().all())
                g.mul_(inverse)
        state["found_inf"] = not bool(torch.stack(finite).all()) if finite else None
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(*args, **kwargs) over unscaled gradients, unless one of them is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._known_scale("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if state["found_inf"] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if state["found_inf"] else optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale: Any = None) -> None:
        """Bring the scale up to date after the steps of all optimizers."""
        if not self._enabled:
            return
        scale = self._known_scale("update")
        if new_scale is not None:
            self._replace(new_scale)
        else:
            found = [s["found_inf"] for s in self._per_optimizer_states.values() if s["found_inf"] is not None]
            assert found, "No inf checks were recorded prior to update."
            self._adjust(scale, any(found))
        self._per_optimizer_states = defaultdict(_fresh)

    def _replace(self, new_scale: Any) -> None:
        if isinstance(new_scale, torch.Tensor) and (new_scale.numel() != 1 or new_scale.requires_grad):
            raise AssertionError(
                "new_scale should be a float or a 1-element torch.cuda.FloatTensor or torch.FloatTensor with "
                "requires_grad=False."
            )
        self._scale = torch.tensor(float(new_scale), dtype=torch.float32)

    def _adjust(self, scale: torch.Tensor, overflowed: bool) -> None:
        tracker = 0 if overflowed else (self._growth_tracker or 0) + 1
        if overflowed:
            scale = scale * self._backoff_factor
        elif tracker == self._growth_interval:
            grown, tracker = scale * self._growth_factor, 0
            scale = grown if bool(grown.isfinite()) else scale
        self._scale, self._growth_tracker = scale, tracker

    def get_scale(self) -> float:
        """The scale as a number; 1.0 where scaling is off."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else self._growth_tracker

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps; empty where scaling is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale = torch.tensor(state_dict["scale"], dtype=torch.float32)
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._growth_tracker is not None:
            self._growth_tracker = state_dict["_growth_tracker"]


def deprecated_for(device_type: str, name: str) -> type:
    """`torch.cuda.amp.GradScaler` and the CPU's: the older names, with a warning."""

    class OfDevice(GradScaler):
        def __init__(
            self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
            growth_interval: int = 2000, enabled: bool = True,
        ) -> None:  # fmt: skip
            warnings.warn(
                f"`{name}(args...)` is deprecated. Please use `torch.amp.GradScaler('{device_type}', args...)` "
                f"instead.",
                FutureWarning,
                stacklevel=2,
            )
            super().__init__(device_type, init_scale, growth_factor, backoff_factor, growth_interval, enabled)

    OfDevice.__name__ = OfDevice.__qualname__ = "GradScaler"
    OfDevice.__module__ = f"torch.{device_type}.amp.grad_scaler"
    return OfDevice
