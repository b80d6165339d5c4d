"""Images: data sets, transforms, grids of pictures. torchvision's interface over Kenaz tensors and Pillow images.

Start with `datasets/mnist.py` (how a data set reads and batches), then `transforms/functional.py` (one function for
Pillow images and tensors alike, over `_pil.py` and `_tensor.py`).
"""

from ..version import torchvision as __version__  # the one whose behaviour this package follows
from . import datasets, io, models, ops, transforms, tv_tensors, utils


def get_image_backend() -> str:
    """The name of the package that loads images: always Pillow's."""
    return "PIL"
