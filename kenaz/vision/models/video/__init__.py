"""What happens in a video: [N, C, T, H, W] in, scores of Kinetics' 400 classes out."""

from .mvit import *
from .resnet import *
from .s3d import *
from .swin_transformer import *
