"""Image transforms: classes that hold parameters and draw random ones, over the functions of `functional`.

`transforms.v2` has the same for images together with what belongs to them: boxes, masks, labels.
"""

from . import functional
from .autoaugment import *
from .color import *
from .elastic import *
from .functional import InterpolationMode
from .geometry import *
from .transforms import *
