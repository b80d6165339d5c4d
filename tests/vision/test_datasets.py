"""Data sets: files as torchvision lays them out, the packaged images, downloads from a server on this machine."""

import gzip
import hashlib
import os
import pickle
import struct
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kenaz as torch
from kenaz.utils.data import DataLoader, Subset
from kenaz.vision import datasets, transforms
from kenaz.vision.datasets.download import download

IMAGES = (np.arange(6 * 28 * 28) % 251).astype(np.uint8).reshape(6, 28, 28)
LABELS = np.array([3, 1, 4, 1, 5, 9], np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{array.ndim + 1}i", 0x800 + array.ndim, *array.shape) + array.tobytes()


def write_mnist(root: Path, name: str = "MNIST", compressed: bool = True) -> Path:
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
            file = raw / f"{split}-{kind}-ubyte"
            if compressed:
                file.with_name(file.name + ".gz").write_bytes(gzip.compress(idx(array)))
            else:
                file.write_bytes(idx(array))
    return raw


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("cls", [datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST])
def test_reads_idx_files(tmp_path: Path, cls: type, compressed: bool) -> None:
    write_mnist(tmp_path, cls.__name__, compressed)
    data = cls(str(tmp_path), train=False)
    assert np.array_equal(data.data.numpy(), IMAGES)
    assert data.targets.tolist() == LABELS.tolist() and data.targets.dtype == torch.int64
    image, target = data[2]
    assert (image.mode, image.size, target) == ("L", (28, 28), 4)
    assert np.array_equal(np.asarray(image), IMAGES[2])
    assert len(data.classes) == 10 and data.class_to_idx[data.classes[7]] == 7


def test_packaged_images() -> None:
    train = datasets.FashionMNIST(datasets.packaged_root(), train=True)
    test = datasets.FashionMNIST(datasets.packaged_root(), train=False)
    assert train.data.shape == (7500, 28, 28) and torch.bincount(train.targets).tolist() == [750] * 10
    assert test.data.shape == (1500, 28, 28) and torch.bincount(test.targets).tolist() == [150] * 10
    # the first pictures of the published set
    assert train.targets[:5].tolist() == [9, 0, 0, 3, 0] and test.targets[:5].tolist() == [9, 2, 1, 1, 6]
    assert os.path.exists(os.path.join(datasets.packaged_root(), "FashionMNIST", "LICENSE"))


def test_repr_is_torchvisions() -> None:
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    data = datasets.FashionMNIST(datasets.packaged_root(), train=False, transform=steps)
    assert repr(data).replace(datasets.packaged_root(), "ROOT").splitlines() == [
        "Dataset FashionMNIST",
        "    Number of datapoints: 1500",
        "    Root location: ROOT",
        "    Split: Test",
        "    StandardTransform",
        "Transform: Compose(",
        "               ToTensor()",
        "               Normalize(mean=(0.5,), std=(0.5,))",
        "           )",
    ]


NORMALIZED = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.3,))])


@pytest.mark.parametrize("transform", [transforms.ToTensor(), transforms.PILToTensor(), NORMALIZED])
def test_a_batch_is_what_its_items_are(transform) -> None:
    data = datasets.FashionMNIST(datasets.packaged_root(), train=False, transform=transform)
    chosen = [5, 0, 1499, 5]
    batch = data.__getitems__(chosen)
    assert len(batch) == 4
    for (image, target), i in zip(batch, chosen):
        assert torch.equal(image, data[i][0]) and image.dtype == data[i][0].dtype and target == data[i][1]
    images, targets = next(iter(DataLoader(Subset(data, chosen), batch_size=4)))
    assert torch.equal(images, torch.stack([data[i][0] for i in chosen]))
    assert targets.tolist() == [data[i][1] for i in chosen] and targets.dtype == torch.int64


def test_batches_take_the_long_way_when_items_are_special(tmp_path: Path) -> None:
    write_mnist(tmp_path)

    class Twice(datasets.MNIST):
        raw_folder = str(tmp_path / "MNIST" / "raw")

        def __getitem__(self, index: int):
            image, target = super().__getitem__(index)
            return image, 2 * target

    assert [t for _, t in Twice(str(tmp_path), transform=transforms.ToTensor()).__getitems__([0, 5])] == [6, 18]
    doubled = datasets.MNIST(str(tmp_path), transform=transforms.ToTensor(), target_transform=lambda t: 2 * t)
    assert [t for _, t in doubled.__getitems__([0, 5])] == [6, 18]
    flipped = datasets.MNIST(str(tmp_path), transform=transforms.RandomHorizontalFlip(1))
    assert np.array_equal(np.asarray(flipped.__getitems__([1])[0][0]), IMAGES[1, :, ::-1])


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Dataset not found. You can use download=True to download it"):
        datasets.MNIST(str(tmp_path))
    raw = write_mnist(tmp_path, compressed=False)
    labels = raw / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-2])
    with pytest.raises(RuntimeError, match="train-labels-idx1-ubyte is truncated: 4 bytes instead of 6"):
        datasets.MNIST(str(tmp_path))
    labels.write_bytes(b"<html>")
    with pytest.raises(RuntimeError, match="is not an idx file"):
        datasets.MNIST(str(tmp_path))


@pytest.fixture
def server(tmp_path: Path):
    """(URL, folder) of a web server on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/", folder
        http.shutdown()
        thread.join()


def test_download_takes_the_first_mirror_that_has_the_file(server, tmp_path: Path, capsys) -> None:
    url, folder = server
    raw = write_mnist(tmp_path / "source")
    for file in raw.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())

    class Local(datasets.MNIST):
        mirrors = [url + "gone/", url]
        resources = [(f.name, hashlib.md5(f.read_bytes()).hexdigest()) for f in sorted(raw.iterdir())]

    data = Local(str(tmp_path / "target"), download=True)
    assert np.array_equal(data.data.numpy(), IMAGES)
    assert "train-images-idx3-ubyte.gz" in capsys.readouterr().err  # the progress bar
    names = sorted(os.listdir(tmp_path / "target" / "Local" / "raw"))
    assert names == sorted(file.name for file in raw.iterdir())
    for file in folder.iterdir():
        file.unlink()
    Local(str(tmp_path / "target"), download=True)  # nothing is fetched again


def test_download_leaves_no_wrong_file(server, tmp_path: Path) -> None:
    url, folder = server
    (folder / "a.gz").write_bytes(b"not what was published")
    with pytest.raises(RuntimeError, match="Error downloading a.gz:\nTried http.*got:\nFile not found or corrupted."):
        download("a.gz", str(tmp_path / "target"), [url], "0" * 32)
    with pytest.raises(RuntimeError, match="Error downloading b.gz:\nTried http.*got:\n.*404"):
        download("b.gz", str(tmp_path / "target"), [url])
    assert os.listdir(tmp_path / "target") == []


@pytest.fixture
def picture_folder(tmp_path: Path) -> Path:
    for i, name in enumerate(["cat/a.png", "cat/deep/b.PNG", "dog/c.png", "dog/notes.txt"]):
        file = tmp_path / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() == ".png":
            Image.new("L", (4, 3), i).save(file, format="png")
        else:
            file.write_text("")
    return tmp_path / "pictures"


def test_image_folder(picture_folder: Path) -> None:
    data = datasets.ImageFolder(str(picture_folder), transform=transforms.ToTensor())
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert [os.path.relpath(path, picture_folder) for path, _ in data.samples] == [
        "cat/a.png",
        "cat/deep/b.PNG",
        "dog/c.png",
    ]
    assert data.targets == [0, 0, 1] and data.imgs is data.samples and len(data) == 3
    image, target = data[2]
    assert image.shape == (3, 3, 4) and target == 1 and image[0, 0, 0].item() == pytest.approx(2 / 255)


def test_dataset_folder_with_its_own_files(picture_folder: Path) -> None:
    data = datasets.DatasetFolder(
        str(picture_folder), loader=os.path.basename, is_valid_file=lambda p: p.endswith("txt"), allow_empty=True
    )
    assert data[0] == ("notes.txt", 1) and len(data) == 1


def test_folder_errors(picture_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in"):
        datasets.ImageFolder(str(tmp_path / "empty"))
    (picture_folder / "emu").mkdir()
    with pytest.raises(
        FileNotFoundError, match="Found no valid file for the classes emu. Supported extensions are: .jpg"
    ):
        datasets.ImageFolder(str(picture_folder))
    assert len(datasets.ImageFolder(str(picture_folder), allow_empty=True)) == 3
    with pytest.raises(
        ValueError, match="Both extensions and is_valid_file cannot be None or not None at the same time"
    ):
        datasets.DatasetFolder(str(picture_folder), loader=str)


def test_fake_data_is_the_same_every_time_and_leaves_the_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1).item()
    torch.manual_seed(5)
    data = datasets.FakeData(size=3, image_size=(3, 4, 4), num_classes=7)
    first, second = data[1], data[1]
    assert torch.rand(1).item() == expected
    assert first[0].tobytes() == second[0].tobytes() and first[1] == second[1] and 0 <= first[1] < 7
    with pytest.raises(IndexError):
        data[3]


def test_transforms_are_either_joint_or_separate() -> None:
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform can be passed as argument"):
        datasets.VisionDataset("root", transforms=print, transform=print)


def cifar(server, tmp_path: Path, payload: object = None) -> type:
    """CIFAR10 as a server on this machine has it: two training batches of three photographs."""
    url, folder = server
    batches = tmp_path / "source" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    rows = (np.arange(3 * 3072) % 249).astype(np.uint8).reshape(3, 3072)
    for name, labels in {"data_batch_1": [6, 9, 9], "data_batch_2": [4, 1, 1], "test_batch": [3, 8, 8]}.items():
        (batches / name).write_bytes(pickle.dumps(payload or {"data": rows, "labels": labels}, protocol=4))
    (batches / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    with tarfile.open(folder / "cifar.tar.gz", "w:gz") as archive:
        archive.add(batches, arcname=batches.name)
    md5 = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in batches.iterdir()}

    class Local(datasets.CIFAR10):
        url = f"{server[0]}cifar.tar.gz"
        filename = "cifar.tar.gz"
        tgz_md5 = hashlib.md5((folder / "cifar.tar.gz").read_bytes()).hexdigest()
        train_list = [[name, md5[name]] for name in ("data_batch_1", "data_batch_2")]
        test_list = [["test_batch", md5["test_batch"]]]
        meta = {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]}

    return Local


def test_cifar(server, tmp_path: Path) -> None:
    cls = cifar(server, tmp_path)
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        cls(str(tmp_path / "target"))
    data = cls(str(tmp_path / "target"), transform=transforms.PILToTensor(), download=True)
    assert len(data) == 6 and data.targets == [6, 9, 9, 4, 1, 1] and data.class_to_idx["c"] == 2
    image, target = data[3]
    assert image.flatten()[:4].tolist() == [0, 1, 2, 3] and image.shape == (3, 32, 32) and target == 4
    assert repr(cls(str(tmp_path / "target"), train=False)).endswith("Split: Test")


def test_cifar_runs_no_code_from_its_files(server, tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError, match="builtins.print is not allowed|print is not allowed"):
        cifar(server, tmp_path, payload=print)(str(tmp_path / "target"), download=True)
