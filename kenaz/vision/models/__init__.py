"""Networks as published, with torchvision's names and `state_dict` keys.

Classifiers are here; `detection`, `optical_flow`, `segmentation` and `video` have other tasks, `quantization` the
classifiers in the form in which they could be quantized.

Each module describes one architecture and registers its variants; `_registry.py` makes the functions that build them,
`_weights.py` knows the files of published weights.
"""

from . import detection, mobilenet, optical_flow, quantization, segmentation, video
from ._registry import get_model, get_model_builder, get_model_weights, get_weight, list_models
from ._weights import Weights, WeightsEnum
from .alexnet import *
from .convnext import *
from .densenet import *
from .efficientnet import *
from .googlenet import *
from .inception import *
from .maxvit import *
from .mnasnet import *
from .mobilenetv2 import *
from .mobilenetv3 import *
from .regnet import *
from .resnet import *
from .shufflenetv2 import *
from .squeezenet import *
from .swin_transformer import *
from .vgg import *
from .vision_transformer import *
