"""Learning-rate schedules: what `lr` (and here and there `momentum`) of each group is, epoch by epoch.

A schedule says by `get_lr` what the rates become in this step, from what they are; where `_get_closed_form_lr` exists,
it gives them from the number of the epoch alone. There are two forms because schedules can be chained: the recursive
form multiplies into whatever the rate is. Start reading at base.py, then curves.py.
"""

from .base import EPOCH_DEPRECATION_WARNING, LRScheduler, _LRScheduler
from .combined import ChainedScheduler, SequentialLR
from .curves import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .cycles import CyclicLR, OneCycleLR
from .plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

# The classes are pickled and printed under the name by which users know this module.
for _name in (*__all__, "_LRScheduler"):
    globals()[_name].__module__ = __name__
