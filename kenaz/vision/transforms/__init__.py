"""Image transforms: classes that hold parameters and draw random ones, over the functions of `functional`."""

from . import functional
from .functional import InterpolationMode
from .transforms import *
