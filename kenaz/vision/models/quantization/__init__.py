"""Classifiers in the form in which they could be quantized: marks at the borders, additions that can be watched.

Nothing is quantized here: with `quantize=False` they are the floating networks, `fuse_model()` puts their batch
normalizations into the convolutions, and `quantize=True` raises.
"""

from .googlenet import *
from .inception import *
from .mobilenet import *
from .resnet import *
from .shufflenetv2 import *
