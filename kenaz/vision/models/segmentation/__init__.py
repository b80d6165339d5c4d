"""A class for every pixel: FCN, DeepLab v3, LR-ASPP over ResNets and MobileNet v3."""

from .deeplabv3 import *
from .fcn import *
from .lraspp import *
