"""Where each pixel of an image is in the next one."""

from .raft import *
