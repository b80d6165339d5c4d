"""Measuring how long statements take: `Timer` runs them, a `Measurement` holds what came out."""

from .measurement import Measurement
from .timer import Timer, timer

__all__ = ["Measurement", "Timer", "timer"]
