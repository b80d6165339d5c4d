"""Data sets of photographs that come as archives: each class says where its files are and what they mean."""

import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from ..transforms import _pil
from .download import check_integrity, download
from .folder import ImageFolder, default_loader
from .vision import VisionDataset

NOT_FOUND = "Dataset not found or corrupted. You can use download=True to download it"


def one_of(value: str, name: str, valid: tuple[str, ...]) -> str:
    """The value, if it is among the valid ones."""
    if value not in valid:
        shown = ", ".join(repr(v) for v in valid)
        raise ValueError(f"Unknown value '{value}' for argument {name}. Valid values are {{{shown}}}.")
    return value


def fetch_archive(url: str, root: str, checksum: str | None, filename: str | None = None) -> None:
    """Puts a published archive into a folder and unpacks it there."""
    folder, _, name = url.rpartition("/")
    download(filename or name, root, [folder + "/"], checksum)
    path = os.path.join(root, filename or name)
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(root)
    else:
        with tarfile.open(path) as archive:
            archive.extractall(root, filter="data")  # nothing outside the folder


def read_mat(path: str) -> dict[str, Any]:
    """The variables of a MATLAB file; SciPy reads it."""
    from scipy.io import loadmat

    return loadmat(path, squeeze_me=True)


class STL10(VisionDataset):
    """96 x 96 photographs in 10 classes, 5,000 to train and 8,000 to test, and 100,000 without a class (-1).

    `root/stl10_binary` holds the published files. `split` is "train", "test", "unlabeled" or "train+unlabeled"; `folds`
    picks one of the ten published folds of 1,000 training pictures.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    files: dict[str, tuple[str, str | None]] = {
        "train": ("train_X.bin", "train_y.bin"),
        "test": ("test_X.bin", "test_y.bin"),
        "unlabeled": ("unlabeled_X.bin", None),
    }
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: Any,
        split: str = "train",
        folds: int | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = one_of(split, "split", self.splits)
        if folds is not None and folds not in range(10):
            raise ValueError(f"Value for argument folds should be in the range [0, 10), but got {folds}.")
        self.folds = folds
        if download and not os.path.exists(self.path("train_X.bin")):
            fetch_archive(self.url, self.root, self.tgz_md5)
        parts = [self.read(*self.files[part]) for part in split.split("+")]
        self.data = np.concatenate([images for images, _ in parts])
        self.labels = np.concatenate([labels for _, labels in parts])
        if folds is not None and "train" in split:
            with open(self.path(self.folds_list_file)) as file:
                chosen = np.array([int(number) for number in file.read().splitlines()[folds].split()])
            self.data, self.labels = self.data[chosen], self.labels[chosen]
        with open(self.path(self.class_names_file)) as file:
            self.classes = file.read().splitlines()

    def path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def read(self, images: str, labels: str | None) -> tuple[np.ndarray, np.ndarray]:
        """([N, 3, 96, 96], [N]) of published files, which count classes from 1 and pixels down the columns."""
        if not os.path.exists(self.path(images)):
            raise RuntimeError(NOT_FOUND)
        pixels = np.fromfile(self.path(images), np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        if labels is None:
            return pixels, np.full(len(pixels), -1)
        return pixels, np.fromfile(self.path(labels), np.uint8).astype(np.int64) - 1

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transformed(_pil.from_array(self.data[index].transpose(1, 2, 0), "RGB"), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


class SVHN(VisionDataset):
    """32 x 32 house numbers: 73,257 to train, 26,032 to test, and 531,131 easier ones ("extra"). SciPy reads them."""

    url = "http://ufldl.stanford.edu/housenumbers/"
    split_list = {
        "train": ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        "test": ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        "extra": ("extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"),
    }

    def __init__(
        self,
        root: Any,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = one_of(split, "split", tuple(self.split_list))
        filename, checksum = self.split_list[split]
        if download:
            self.fetch(filename, checksum)
        path = os.path.join(self.root, filename)
        if not check_integrity(path):
            raise RuntimeError(NOT_FOUND)
        contents = read_mat(path)
        self.data = contents["X"].transpose(3, 2, 0, 1)
        self.labels = contents["y"].astype(np.int64).reshape(-1) % 10  # the files call the digit 0 "10"

    def fetch(self, filename: str, checksum: str) -> None:
        download(filename, self.root, [self.url], checksum)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transformed(_pil.from_array(self.data[index].transpose(1, 2, 0), "RGB"), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {self.split.capitalize()}"


class CocoDetection(VisionDataset):
    """Photographs with the list of what is annotated on them, of a file in COCO's format (read without pycocotools)."""

    def __init__(
        self,
        root: Any,
        annFile: str,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        with open(annFile, encoding="utf-8") as file:
            published = json.load(file)
        self.images = {image["id"]: image for image in published["images"]}
        self.ids = sorted(self.images)
        self.annotations: dict[int, list[dict[str, Any]]] = {number: [] for number in self.ids}
        for annotation in published["annotations"]:
            self.annotations[annotation["image_id"]].append(annotation)

    def _load_image(self, id: int) -> Image.Image:
        return default_loader(os.path.join(self.root, self.images[id]["file_name"]))

    def _load_target(self, id: int) -> Any:
        return self.annotations[id]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        image, target = self._load_image(self.ids[index]), self._load_target(self.ids[index])
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """Photographs with the captions that people gave them."""

    def _load_target(self, id: int) -> list[str]:
        return [annotation["caption"] for annotation in super()._load_target(id)]


class ImageNet(ImageFolder):
    """ImageNet as it is unpacked: `root/train/n01440764/*.JPEG`, `root/val/...`, and the names of the classes.

    The archives must be fetched from image-net.org by hand and unpacked, a folder for each class. The names come from
    `root/words.json`, {"n01440764": ["tench", "Tinca tinca"], ...}, if it is there; else a class's folder names it.
    """

    def __init__(self, root: Any, split: str = "train", **kwargs: Any) -> None:
        root = os.path.expanduser(root)
        self.split = one_of(split, "split", ("train", "val"))
        self.split_folder = os.path.join(root, split)
        if not os.path.isdir(self.split_folder):
            raise RuntimeError(f"{self.split_folder} is not there: unpack ImageNet's archives in {root} first.")
        super().__init__(self.split_folder, **kwargs)
        self.root = root
        words = os.path.join(root, "words.json")
        known: dict[str, list[str]] = {}
        if os.path.exists(words):
            with open(words, encoding="utf-8") as file:
                known = json.load(file)
        self.wnids = self.classes
        self.wnid_to_idx = self.class_to_idx
        names = [tuple(known.get(wnid, [wnid])) for wnid in self.wnids]
        self.classes = names  # type: ignore[assignment]  # several names for a class
        self.class_to_idx = {name: i for i, same in enumerate(names) for name in same}

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


class Caltech101(VisionDataset):
    """Photographs of 101 kinds of things: `root/caltech101/101_ObjectCategories/KIND/image_0001.jpg`."""

    def __init__(
        self,
        root: Any,
        target_type: list[str] | str = "category",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(os.path.join(root, "caltech101"), transform=transform, target_transform=target_transform)
        if target_type not in ("category", ["category"]):
            raise ValueError("only the target type 'category' is read")
        self.target_type = [target_type] if isinstance(target_type, str) else target_type
        folder = os.path.join(self.root, "101_ObjectCategories")
        if download and not os.path.isdir(folder):
            fetch_archive(
                "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                self.root,
                "3138e1922a9193bfa496528edbbc45d0",
            )
            with tarfile.open(os.path.join(self.root, "caltech-101", "101_ObjectCategories.tar.gz")) as archive:
                archive.extractall(self.root, filter="data")
        if not os.path.isdir(folder):
            raise RuntimeError(NOT_FOUND)
        self.categories = sorted(name for name in os.listdir(folder) if name != "BACKGROUND_Google")
        self.files = [
            (os.path.join(folder, name, file), i)
            for i, name in enumerate(self.categories)
            for file in sorted(os.listdir(os.path.join(folder, name)))
        ]
        self.y = [i for _, i in self.files]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.files[index]
        return self.transformed(default_loader(path), target)

    def __len__(self) -> int:
        return len(self.files)

    def extra_repr(self) -> str:
        return f"Target type: {self.target_type}"


class Flowers102(VisionDataset):
    """8,189 photographs of 102 kinds of flowers, in `root/flowers-102`. SciPy reads the labels."""

    url = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    published = {
        "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
        "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
        "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
    }
    keys = {"train": "trnid", "val": "valid", "test": "tstid"}

    def __init__(
        self,
        root: Any,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = one_of(split, "split", tuple(self.keys))
        self.loader = loader
        folder = os.path.join(self.root, "flowers-102")
        if download:
            self.fetch(folder)
        if not os.path.isdir(os.path.join(folder, "jpg")):
            raise RuntimeError(NOT_FOUND)
        numbers = read_mat(os.path.join(folder, "setid.mat"))[self.keys[split]].tolist()
        labels = read_mat(os.path.join(folder, "imagelabels.mat"))["labels"].tolist()
        self._labels = [labels[number - 1] - 1 for number in numbers]  # the files count from 1
        self._image_files = [os.path.join(folder, "jpg", f"image_{number:05}.jpg") for number in numbers]

    def fetch(self, folder: str) -> None:
        for name, checksum in self.published.items():
            if name.endswith(".tgz"):
                fetch_archive(self.url + name, folder, checksum)
            else:
                download(name, folder, [self.url], checksum)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transformed(self.loader(self._image_files[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._image_files)

    def extra_repr(self) -> str:
        return f"split={self._split}"
