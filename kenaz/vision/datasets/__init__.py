"""Data sets as torchvision lays them out on disk. `packaged_root()` is a root that needs no download."""

from .cifar import CIFAR10, CIFAR100
from .fakedata import FakeData
from .files import STL10, SVHN, Caltech101, CocoCaptions, CocoDetection, Flowers102, ImageNet
from .folder import DatasetFolder, ImageFolder
from .mnist import KMNIST, MNIST, FashionMNIST, packaged_root
from .vision import VisionDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "Caltech101",
    "CocoCaptions",
    "CocoDetection",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "Flowers102",
    "ImageFolder",
    "ImageNet",
    "KMNIST",
    "MNIST",
    "STL10",
    "SVHN",
    "VisionDataset",
    "packaged_root",
]
