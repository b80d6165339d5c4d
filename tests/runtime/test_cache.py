"""The kernel cache survives what happens to files: damage, other people's files, full disks, other processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kenaz.runtime import cache

KEY, CODE = cache.key("a kernel"), b"machine code" * 50


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, of a process that has not stored anything."""
    monkeypatch.setenv("KENAZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache._State, "failed", False)
    monkeypatch.setattr(cache._State, "stored", True)  # the folder is gone when the process ends
    yield tmp_path / "cache"


def test_what_was_stored_is_loaded(home: Path):
    assert cache.load(KEY) is None
    cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE
    assert [f.name for f in home.iterdir()] == [KEY]
    assert cache.load(cache.key("another")) is None


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 400])
def test_truncated_files_are_not_there(home: Path, length: int):
    cache.store(KEY, CODE)
    os.truncate(home / KEY, length)
    assert cache.load(KEY) is None
    cache.store(KEY, CODE)
    assert cache.load(KEY) == CODE


def test_changed_files_are_not_there(home: Path):
    cache.store(KEY, CODE)
    good = (home / KEY).read_bytes()
    for at in (0, 31, 32, len(good) - 1):
        (home / KEY).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert cache.load(KEY) is None
    for bad in (os.urandom(500), good + b"\0", good[32:], b"\0" * len(good)):
        (home / KEY).write_bytes(bad)
        assert cache.load(KEY) is None


def test_a_kernel_under_another_name_is_not_there(home: Path):
    cache.store(KEY, CODE)
    other = cache.key("another")
    (home / other).write_bytes((home / KEY).read_bytes())
    assert cache.load(other) is None


def test_a_folder_in_the_place_of_a_kernel(home: Path, capsys: pytest.CaptureFixture):
    (home / KEY).mkdir(parents=True)
    assert cache.load(KEY) is None
    cache.store(KEY, CODE)
    assert "in memory only" in capsys.readouterr().err
    assert [f.name for f in home.iterdir()] == [KEY]  # nothing is left beside it


# ------------------------------------------------------------------------------------------------ what cannot be written
class FullDisk:
    """Stands in for `open`: files can be made, but nothing fits into them."""

    def __init__(self) -> None:
        self.tried = 0

    def __call__(self, path: str, mode: str) -> FullDisk:
        self.tried += "x" in mode
        self.file = open(path, mode)
        return self

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def read(self) -> bytes:
        return self.file.read()

    def write(self, data: bytes) -> None:
        self.file.write(data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    disk = FullDisk()
    monkeypatch.setattr(cache, "open", disk, raising=False)
    for i in range(3):
        cache.store(cache.key(i), CODE)
    assert capsys.readouterr().err == "kenaz: kernels are kept in memory only: [Errno 28] No space left on device\n"
    assert disk.tried == 1
    assert list(home.iterdir()) == []


def test_interrupt_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.store(KEY, CODE)
    assert list(home.iterdir()) == []


def refused(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_read_only_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr(os, "makedirs", refused)
    cache.store(KEY, CODE)
    cache.store(KEY, CODE)
    assert capsys.readouterr().err.count("Permission denied") == 1
    assert cache.load(KEY) is None


def test_read_only_cache_is_still_read(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    cache.store(KEY, CODE)
    monkeypatch.setattr(os, "replace", refused)
    cache.store(cache.key("another"), CODE)
    assert cache.load(KEY) == CODE and cache.load(cache.key("another")) is None
    assert "in memory only" in capsys.readouterr().err


def test_no_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KENAZ_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does where nobody has a home
    cache.store(KEY, CODE)
    cache.trim()
    assert cache.load(KEY) is None and list(tmp_path.iterdir()) == []
    assert "in memory only" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------- its size
def make(home: Path, name: str, size: int, age: float) -> None:
    home.mkdir(exist_ok=True)
    (home / name).write_bytes(bytes(size))
    os.utime(home / name, (time.time() - age,) * 2)


def test_trim_removes_what_was_used_longest_ago(home: Path):
    keys = [cache.key(i) for i in range(10)]
    for i, k in enumerate(keys):
        make(home, k, 100, age=1000 - i)
    cache.trim(1000)
    assert len(list(home.iterdir())) == 10
    cache.trim(999)  # down to three quarters
    assert {f.name for f in home.iterdir()} == set(keys[3:])


def test_trim_leaves_other_files_alone(home: Path):
    mine, theirs = cache.key("mine"), "notes.txt"
    make(home, mine, 100, age=10)
    make(home, theirs, 1000, age=1e6)
    make(home, f"{mine}.12-ab.tmp", 10, age=5000)  # a writer that was killed
    make(home, f"{mine}.13-cd.tmp", 10, age=1)  # one at work
    (home / cache.key("folder")).mkdir()
    cache.trim(0)
    assert {f.name for f in home.iterdir()} == {theirs, f"{mine}.13-cd.tmp", cache.key("folder")}


def test_trim_of_nothing(home: Path):
    cache.trim(0)
    assert not home.exists()


# ------------------------------------------------------------------------------------------------------ whole processes
PROGRAM = """
import kenaz as torch
x = torch.arange(4000.0).reshape(40, 100)
print((x * 2 + 1).relu().sum().item(), (x > 99).float().mul(2).mean().item(), torch.softmax(x, 1).argmax().item())
"""
RESULT = ["16000000.0", "1.9500000476837158", "99"]


def start(cache_folder: str) -> subprocess.Popen:
    env = os.environ | {"KENAZ_CACHE": cache_folder, "KENAZ_HOT": "always"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def finish(process: subprocess.Popen) -> str:
    """What a process said besides the right result."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.split() == RESULT
    return err


def test_processes_compile_at_once(home: Path):
    assert [finish(p) for p in [start(str(home)) for _ in range(4)]] == [""] * 4
    files = sorted(f.name for f in home.iterdir())
    assert files and not any(name.endswith(".tmp") for name in files)
    assert all(cache.load(name) is not None for name in files)


def test_damaged_caches_heal(home: Path):
    finish(start(str(home)))
    files = list(home.iterdir())
    assert files
    for i, file in enumerate(files):
        file.write_bytes((b"", b"garbage" * 99, file.read_bytes()[:-5], files[i - 1].read_bytes())[i % 4])
    assert finish(start(str(home))) == ""
    assert all(cache.load(f.name) is not None for f in files)


def test_a_process_without_a_cache():
    assert finish(start(os.path.join(os.devnull, "cache"))).count("kernels are kept in memory only") == 1
