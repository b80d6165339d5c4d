"""Anomaly detection: backward stops where a nan appears, and says which lines recorded the operator."""

from __future__ import annotations

import warnings
from typing import Any

from .modes import state

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Switch anomaly detection on or off, at once and, as a context, until it ends."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = state.anomaly, state.check_nan
        _set(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        _set(*self._before)


class detect_anomaly:
    """Inside, operators remember the lines that recorded them, and backward raises where a gradient becomes nan."""

    def __init__(self, check_nan: bool = True):
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = state.anomaly, state.check_nan
        _set(True, self.check_nan)

    def __exit__(self, *_: Any) -> None:
        _set(*self._before)


def _set(mode: bool, check_nan: bool) -> None:
    state.anomaly, state.check_nan = bool(mode), bool(check_nan)
    state.watch()


def is_anomaly_enabled() -> bool:
    """Whether backward looks for the operator that went wrong."""
    return state.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether a nan counts as going wrong."""
    return state.check_nan


for _class in (set_detect_anomaly, detect_anomaly):
    _class.__module__ = "torch.autograd.anomaly_mode"
