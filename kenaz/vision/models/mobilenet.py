"""MobileNets."""

from .mobilenetv2 import *  # noqa: F403  # its names are made when it is imported
from .mobilenetv3 import *  # noqa: F403  # its names are made when it is imported
