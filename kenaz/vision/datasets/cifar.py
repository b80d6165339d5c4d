"""CIFAR: 60,000 color photographs of 32 x 32 pixels in 10 or 100 classes, in the pickled batches as published."""

import os
import pickle
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

from ..transforms import _pil
from .download import check_integrity, download
from .vision import VisionDataset


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of dictionaries, lists, strings and arrays; any other object in a file is refused."""

    reconstruct = np.zeros(0).__reduce__()[0]
    allowed = {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of CIFAR")
        return self.allowed[module, name]


class CIFAR10(VisionDataset):
    """50,000 training and 10,000 test photographs in 10 classes; `root/cifar-10-batches-py` holds them."""

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": "5ff9c542aee3614f3951f8cda6e48888"}

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
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        batches = [self._read(name) for name, _ in (self.train_list if train else self.test_list)]
        rows = np.concatenate([batch["data"] for batch in batches])
        self.data = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.targets = [label for batch in batches for label in batch.get("labels") or batch["fine_labels"]]
        if not check_integrity(self._path(self.meta["filename"]), self.meta["md5"]):
            raise RuntimeError("Dataset metadata file not found or corrupted. You can use download=True to download it")
        self.classes = self._read(self.meta["filename"])[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _read(self, name: str) -> dict[str, Any]:
        with open(self._path(name), "rb") as file:
            return ArrayUnpickler(file, encoding="latin1").load()  # written by Python 2

    def _check_integrity(self) -> bool:
        return all(check_integrity(self._path(name), md5) for name, md5 in self.train_list + self.test_list)

    def download(self) -> None:
        """Fetches and unpacks the published archive, unless its files are there."""
        if self._check_integrity():
            return
        folder, _, name = self.url.rpartition("/")
        download(name, self.root, [folder + "/"], self.tgz_md5)
        with tarfile.open(os.path.join(self.root, self.filename)) as archive:
            archive.extractall(self.root, filter="data")  # nothing outside the folder

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transformed(_pil.from_array(self.data[index], "RGB"), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """The same number of photographs in 100 classes; `root/cifar-100-python` holds them."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {"filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48"}
