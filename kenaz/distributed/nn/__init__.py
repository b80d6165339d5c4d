"""`torch.distributed.nn`: the functions between processes that gradients flow through; without a group they raise."""

from . import functional
from .functional import *
