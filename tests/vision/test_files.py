"""Data sets of photographs, from files as they are published."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenaz.vision import datasets


def photograph(path: Path, color: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (5, 4), (color, 0, 0)).save(path)


def test_stl10(tmp_path: Path) -> None:
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    pixels = (np.arange(4 * 3 * 96 * 96) % 251).astype(np.uint8)
    for name, count in (("train", 4), ("test", 2), ("unlabeled", 3)):
        pixels[: count * 3 * 96 * 96].tofile(folder / f"{name}_X.bin")
    np.array([1, 10, 3, 4], np.uint8).tofile(folder / "train_y.bin")
    np.array([2, 5], np.uint8).tofile(folder / "test_y.bin")
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    (folder / "fold_indices.txt").write_text("1 3\n" * 10)
    data = datasets.STL10(str(tmp_path))
    image, target = data[1]
    assert (image.size, target, len(data), data.classes) == ((96, 96), 9, 4, ["airplane", "bird"])
    assert image.getpixel((1, 0))[0] == pixels[3 * 96 * 96 + 96]  # stored down the columns
    assert list(datasets.STL10(str(tmp_path), folds=2).labels) == [9, 3]
    assert list(datasets.STL10(str(tmp_path), "train+unlabeled").labels) == [0, 9, 2, 3, -1, -1, -1]
    with pytest.raises(ValueError, match="Unknown value 'x' for argument split. Valid values are"):
        datasets.STL10(str(tmp_path), "x")


def test_svhn(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    images = np.random.default_rng(0).integers(0, 255, (32, 32, 3, 2), dtype=np.uint8)
    io.savemat(tmp_path / "test_32x32.mat", {"X": images, "y": np.array([[10], [3]], np.uint8)})
    data = datasets.SVHN(str(tmp_path), "test")
    image, target = data[0]
    assert target == 0 and data[1][1] == 3 and np.array_equal(np.asarray(image), images[..., 0])
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        datasets.SVHN(str(tmp_path), "train")


def test_coco(tmp_path: Path) -> None:
    photograph(tmp_path / "b.png", 7)
    annotations = [{"image_id": 4, "caption": "red", "bbox": [0, 0, 2, 2]}, {"image_id": 4, "caption": "dark"}]
    published = {"images": [{"id": 4, "file_name": "b.png"}], "annotations": annotations}
    (tmp_path / "a.json").write_text(json.dumps(published))
    image, target = datasets.CocoDetection(str(tmp_path), str(tmp_path / "a.json"))[0]
    assert image.getpixel((0, 0)) == (7, 0, 0) and target == annotations
    swapped = datasets.CocoCaptions(str(tmp_path), str(tmp_path / "a.json"), transforms=lambda i, t: (t, i.size))
    assert swapped[0] == (["red", "dark"], (5, 4))


def test_imagenet_layout(tmp_path: Path) -> None:
    for i, wnid in enumerate(["n01", "n02"]):
        photograph(tmp_path / "val" / wnid / "x.JPEG", i)
    (tmp_path / "words.json").write_text(json.dumps({"n02": ["goldfish", "carp"]}))
    data = datasets.ImageNet(str(tmp_path), "val")
    assert data.classes == [("n01",), ("goldfish", "carp")] and data.class_to_idx["carp"] == 1
    assert data.wnids == ["n01", "n02"] and data[1][1] == 1 and "Split: val" in repr(data)
    with pytest.raises(RuntimeError, match="is not there: unpack"):
        datasets.ImageNet(str(tmp_path))


def test_caltech101(tmp_path: Path) -> None:
    folder = tmp_path / "caltech101" / "101_ObjectCategories"
    for kind in ("BACKGROUND_Google", "ant", "bee"):
        photograph(folder / kind / "image_0001.jpg", 50)
    data = datasets.Caltech101(str(tmp_path))
    assert data.categories == ["ant", "bee"] and data[1][1] == 1 and len(data) == 2


def test_flowers102(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io")
    folder = tmp_path / "flowers-102"
    for i in range(1, 4):
        photograph(folder / "jpg" / f"image_{i:05}.jpg", i)
    io.savemat(folder / "imagelabels.mat", {"labels": np.array([5, 1, 102])})
    io.savemat(folder / "setid.mat", {"trnid": np.array([3, 1]), "valid": np.array([2, 2]), "tstid": np.array([1, 2])})
    data = datasets.Flowers102(str(tmp_path))
    assert [target for _, target in data] == [101, 4]
