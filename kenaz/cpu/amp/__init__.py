"""The older names of mixed precision for the CPU: `torch.amp` has the present ones."""

from ...amp import autocast_mode, grad_scaler

autocast = autocast_mode.deprecated_for("cpu", "torch.cpu.amp.autocast")
GradScaler = grad_scaler.deprecated_for("cpu", "torch.cpu.amp.GradScaler")

__all__ = ["GradScaler", "autocast"]
