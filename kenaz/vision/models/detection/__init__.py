"""What is in a picture, and where: Faster, Mask and Keypoint R-CNN, RetinaNet, FCOS, SSD.

Two stages are in `generalized_rcnn.py`, one in `one_stage.py`; `transform.py` is the way in and out of both.
"""

from .faster_rcnn import *
from .fcos import *
from .keypoint_rcnn import *
from .mask_rcnn import *
from .retinanet import *
from .ssd import *
from .ssdlite import *
