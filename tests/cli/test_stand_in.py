"""Packages named torch and torchvision that are Kenaz: installed, imported, found, removed."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kenaz import cli, stand_in

ROOT = Path(__file__).parent.parent.parent
NAMES = ["torch", "torchvision"]


def python(program: str, *folders: Path) -> str:
    path = os.pathsep.join(map(str, [*folders, ROOT]))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_torch_is_kenaz_without_alias(tmp_path: Path) -> None:
    stand_in.install(tmp_path)
    said = python(
        "import torch.nn as nn, torch, torchvision, kenaz\n"
        "from torch.utils.data import DataLoader\n"
        "print(torch is kenaz, nn is kenaz.nn, torchvision is kenaz.vision, nn.Linear(2, 3)(torch.ones(1, 2)).shape)",
        tmp_path,
    )
    assert said == "True True True torch.Size([1, 3])\n"


def test_torchvision_first(tmp_path: Path) -> None:
    stand_in.install(tmp_path)
    assert python("from torchvision import models; import torch; print(torch.__version__)", tmp_path) == "2.13.0\n"


def test_installers_see_a_version_that_meets_requirements(tmp_path: Path) -> None:
    assert stand_in.install(tmp_path) == ["torch 2.13.0+kenaz", "torchvision 0.29.2+kenaz"]
    program = "import importlib.metadata as m; print(m.version('torch'), sorted(map(str, m.files('torch')))[-1])"
    assert python(program, tmp_path) == "2.13.0+kenaz torch.py\n"


@pytest.mark.parametrize("name", NAMES)
def test_record_has_every_file_and_its_hash(name: str, tmp_path: Path) -> None:
    stand_in.install(tmp_path)
    (record,) = tmp_path.glob(f"{name}-*/RECORD")
    rows = [line.split(",") for line in record.read_text().splitlines()]
    assert {path for path, _, _ in rows} == {f"{name}.py", *(f"{record.parent.name}/{p.name}" for p in record.parent.iterdir())}
    for path, digest, size in rows[:-1]:
        data = (tmp_path / path).read_bytes()
        assert len(data) == int(size)
        assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def test_again_is_once_and_removing_leaves_nothing(tmp_path: Path) -> None:
    stand_in.install(tmp_path)
    first = sorted(tmp_path.rglob("*"))
    stand_in.install(tmp_path)
    assert sorted(tmp_path.rglob("*")) == first
    assert stand_in.remove(tmp_path) == NAMES and not list(tmp_path.iterdir())
    assert stand_in.remove(tmp_path) == []


def test_a_real_package_is_left_alone(tmp_path: Path) -> None:
    info = tmp_path / "torch-2.9.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0\n")
    with pytest.raises(FileExistsError, match="has the real torch 2.9.0. Uninstall it first, or use `kenaz run`"):
        stand_in.install(tmp_path)
    assert stand_in.remove(tmp_path) == [] and list(tmp_path.iterdir()) == [info]


def test_wheels_hold_the_same_files(tmp_path: Path) -> None:
    for name, path in zip(NAMES, stand_in.write_wheels(tmp_path / "wheels")):
        with zipfile.ZipFile(path) as wheel:
            assert {entry: wheel.read(entry).decode() for entry in wheel.namelist()} == stand_in.files(name)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(stand_in, "site_packages", lambda: tmp_path)
    assert cli.main(["stand-in"]) == 0
    assert capsys.readouterr().out == f"in {tmp_path}: torch 2.13.0+kenaz, torchvision 0.29.2+kenaz\n"
    assert cli.main(["stand-in", "--remove"]) == 0
    assert capsys.readouterr().out == f"removed from {tmp_path}: torch, torchvision\n"
    assert cli.main(["stand-in", "--remove"]) == 0
    assert capsys.readouterr().out == f"removed from {tmp_path}: nothing, there was none\n"
    assert cli.main(["stand-in", "--wheels", str(tmp_path / "w")]) == 0
    assert capsys.readouterr().out.count(".whl\n") == 2
