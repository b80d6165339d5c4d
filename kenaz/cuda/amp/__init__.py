"""The older names of mixed precision for CUDA devices: `torch.amp` has the present ones."""

import functools

from ...amp import autocast_mode, grad_scaler

autocast = autocast_mode.deprecated_for("cuda", "torch.cuda.amp.autocast")
GradScaler = grad_scaler.deprecated_for("cuda", "torch.cuda.amp.GradScaler")
custom_fwd = functools.partial(autocast_mode.custom_fwd, device_type="cuda")
custom_bwd = functools.partial(autocast_mode.custom_bwd, device_type="cuda")

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]
