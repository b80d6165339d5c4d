"""MNIST and its look-alikes: pictures of 28 x 28 bytes with a class each, in idx files under root/NAME/raw."""

import gzip
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import _api as torch
from ..transforms import _pil
from ..transforms.transforms import Compose, ConvertImageDtype, Normalize, PILToTensor, ToTensor
from .download import check_integrity, download
from .vision import VisionDataset

Tensor = torch.Tensor


def packaged_root() -> str:
    """A root with a subset of Fashion-MNIST that comes with the package: 7,500 training and 1,500 test images.

    >>> len(FashionMNIST(packaged_root(), train=False))
    1500
    """
    return os.path.join(os.path.dirname(os.path.dirname(__file__)), "data")


def read_idx(path: str) -> np.ndarray:
    """The array of bytes in an idx file, which may be compressed.

    An idx file opens with 0, 0, the code of the element type (8 is an unsigned byte) and the number of dimensions, then
    holds each dimension as four bytes, high byte first.
    """
    opener: Callable = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise RuntimeError(f"{path} is not an idx file of unsigned bytes")
    dims = data[3]
    shape = np.frombuffer(data, ">i4", count=dims, offset=4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dims)
    if values.size != np.prod(shape):
        raise RuntimeError(f"{path} is truncated: {values.size} bytes instead of {np.prod(shape)}")
    return values.reshape(shape).copy()


# what a transform may begin with, and go on with, to work on a whole batch
MAKE_TENSORS = (ToTensor, PILToTensor)
WORK_ON_BATCHES = (Normalize, ConvertImageDtype)


def batched_steps(transform: Any) -> list[Callable] | None:
    """The transform as functions of bytes [N, H, W], or None when a step must see each image alone.

    >>> batched_steps(Normalize(0.5, 0.5)) is None
    True
    """
    steps: list[Any] = list(transform.transforms) if type(transform) is Compose else [transform]
    first, *rest = steps
    if type(first) in MAKE_TENSORS and all(type(step) in WORK_ON_BATCHES for step in rest):
        return [first.batched, *rest]
    return None


class MNIST(VisionDataset):
    """Handwritten digits: 60,000 to train, 10,000 to test.

    `root/MNIST/raw` holds the four idx files, compressed or not; with `download=True` they are fetched when missing.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    # file name and MD5 of each published file
    resources = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        self.data, self.targets = self._load_data()

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def _path(self, name: str) -> str | None:
        """Where a file lies, unpacked or compressed; the unpacked one wins, as in torchvision."""
        path = os.path.join(self.raw_folder, name)
        return next((p for p in (path, path + ".gz") if check_integrity(p)), None)

    def _check_exists(self) -> bool:
        return all(self._path(name.removesuffix(".gz")) for name, _ in self.resources)

    def _read(self, name: str, dims: int) -> np.ndarray:
        path = self._path(name)
        assert path is not None  # _check_exists came first
        array = read_idx(path)
        if array.ndim != dims:
            raise ValueError(f"x should have {dims} dimension instead of {array.ndim}")
        return array

    def _load_data(self) -> tuple[Tensor, Tensor]:
        split = "train" if self.train else "t10k"
        images = self._read(f"{split}-images-idx3-ubyte", 3)
        labels = self._read(f"{split}-labels-idx1-ubyte", 1)
        return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))

    def download(self) -> None:
        """Fetches what is missing, from the first mirror that has it."""
        if self._check_exists():
            return
        for filename, checksum in self.resources:
            download(filename, self.raw_folder, self.mirrors, checksum)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = _pil.from_array(self.data[index].numpy(), "L")
        return self.transformed(image, int(self.targets[index]))

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Many samples at once, the same as one by one.

        When every transform works on a whole batch, and item access is not overridden, one slice of the array replaces
        a Pillow image and a handful of operations a sample.
        """
        steps = batched_steps(self.transform) if self.transform and self.target_transform is None else None
        is_plain = type(self).__getitem__ is MNIST.__getitem__ and isinstance(self.targets, Tensor)
        if steps is None or not is_plain:
            return [self[i] for i in indices]
        images = self.data[indices]
        for step in steps:
            images = step(images)
        return list(zip(images.unbind(0), self.targets[indices].long().tolist()))

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"

    @property
    def train_labels(self) -> Tensor:
        return self._renamed("train_labels", "targets")

    @property
    def test_labels(self) -> Tensor:
        return self._renamed("test_labels", "targets")

    @property
    def train_data(self) -> Tensor:
        return self._renamed("train_data", "data")

    @property
    def test_data(self) -> Tensor:
        return self._renamed("test_data", "data")

    def _renamed(self, old: str, new: str) -> Tensor:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
        return getattr(self, new)


class FashionMNIST(MNIST):
    """Zalando's pictures of clothes, in MNIST's format: 60,000 to train, 10,000 to test.

    `packaged_root()` is a root with a part of them.
    """

    mirrors = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


class KMNIST(MNIST):
    """Cursive Japanese characters, in MNIST's format."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
