"""Image classifiers as published: AlexNet, VGG, ResNet and its variants; torchvision's names and `state_dict` keys.

Each module describes one architecture and registers its variants; `_registry.py` makes the functions that build them.
"""

from ._registry import Weights, WeightsEnum, get_model, get_model_builder, get_model_weights, get_weight, list_models
from .alexnet import *
from .resnet import *
from .vgg import *
