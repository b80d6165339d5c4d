"""The demo on a few hundred images: what it leaves behind, and that an interrupted run goes on where it was."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

import kenaz as torch
from kenaz import cli, demo
from kenaz.vision import datasets


@pytest.fixture(scope="module")
def few_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root with the first images of the packaged set."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in {"train": 256, "t10k": 64}.items():
        data = datasets.FashionMNIST(datasets.packaged_root(), train=split == "train")
        images, labels = data.data[:count].numpy(), data.targets[:count].numpy().astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(f">{array.ndim + 1}i", 0x800 + array.ndim, *array.shape)
            (raw / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return str(root)


def test_leaves_pictures_checkpoint_and_a_last_line(few_images: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "runs" / "demo"
    assert cli.main(["demo", "--epochs", "2", "--data", few_images, "--out", str(out), "--batch-size", "32"]) == 0
    printed = capsys.readouterr().out.splitlines()
    accuracy, seconds = printed[-1].removeprefix("test accuracy ").removesuffix(" s").split(" % in ")
    assert 0 <= float(accuracy) <= 100 and float(seconds) >= 0
    assert printed[0] == "256 training and 64 test images, 2 epochs"
    for picture in ("curves.png", "predictions.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    state = torch.load(out / "checkpoint.pt")
    assert len(state["history"]) == 2 and "features.0.weight" in state["model"]


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    few_images: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    def settings(out: str) -> demo.Settings:
        return demo.Settings(epochs=3, data=few_images, out=str(tmp_path / out), batch_size=64)

    demo.train(settings("whole"))
    real = demo.train_epoch

    def interrupted(*args):
        if args[-1] == "epoch 2/3":
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(demo, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo.train(settings("parts"))
    monkeypatch.setattr(demo, "train_epoch", real)
    capsys.readouterr()
    demo.train(settings("parts"))
    assert capsys.readouterr().out.startswith("going on after epoch 1 of ")
    whole, parts = (torch.load(tmp_path / out / "checkpoint.pt") for out in ("whole", "parts"))
    # to rounding: a graph is compiled once it has come back, and a resumed run comes to that at another step
    for epoch, again in zip(whole["history"], parts["history"], strict=True):
        assert epoch == pytest.approx(again, rel=1e-3)
    assert all(torch.allclose(whole["model"][name], tensor, atol=1e-4) for name, tensor in parts["model"].items())


def test_other_settings_and_finished_runs_start_anew(few_images: str, tmp_path: Path, capsys) -> None:
    out = str(tmp_path)
    demo.train(demo.Settings(epochs=1, data=few_images, out=out))
    demo.train(demo.Settings(epochs=1, data=few_images, out=out))
    demo.train(demo.Settings(epochs=2, data=few_images, out=out))
    assert "going on" not in capsys.readouterr().out
    assert len(torch.load(tmp_path / "checkpoint.pt")["history"]) == 2
