"""Files that nobody would write: programs of pickle opcodes and damaged archives, made at random.

Whatever comes out, `torch.load` ends soon, in an object or in a clear error; it runs no code and takes no memory that the
file does not pay for.
"""

from __future__ import annotations

import io
import pickle
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kenaz as torch

from .pickles import MAGIC, PROTO, a_global, a_storage, a_tensor, number, tar_file, text, zip_file

SETTINGS = settings(max_examples=120, deadline=None)
CLEAR = (pickle.UnpicklingError, RuntimeError, EOFError)
FILES = [path.read_bytes() for path in sorted((Path(__file__).parent / "data").glob("*.pt"))]
RUNS_CODE = ("os.", "subprocess.", "socket.", "ctypes.", "shutil.", "urllib.", "exec", "compile", "pty.")


# ----------------------------------------------------------------------------------------------------- what may not be
class Watch:
    """Notes what the interpreter reports of code that runs; hooks cannot be removed, so it is switched."""

    on = False
    events: list[str] = []


def _note(event: str, args: tuple) -> None:
    if not Watch.on or not event.startswith(RUNS_CODE) or event in ("os.scandir", "os.listdir"):
        return
    if event == "exec" and getattr(args[0], "co_filename", "").endswith(".py"):  # an import of what is installed
        return
    Watch.events.append(event)


sys.addaudithook(_note)


@contextmanager
def harmless(seconds: float = 5.0, kilobytes: int = 60_000) -> Iterator[None]:
    """Fails where code runs, memory grows, or time passes."""
    Watch.on, Watch.events = True, []
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        Watch.on = False
    assert not Watch.events, Watch.events
    assert time.process_time() - start < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < kilobytes


def load(stream: io.BytesIO) -> Any:
    """What a file gives, or None where it is refused; tensors are looked at as a program would."""
    with harmless():
        try:
            found = torch.load(stream)
        except CLEAR as error:
            assert str(error)
            return None
        except ValueError as error:  # as PyTorch
            assert "Unknown endianness" in str(error)
            return None
        for value in found.values() if type(found) is dict else [found]:
            if isinstance(value, torch.Tensor) and value.numel() < 1 << 20 and not value.is_sparse:
                value.sum()
                repr(value)
    return found


@pytest.fixture(autouse=True, scope="module")
def everything_is_loaded() -> None:
    """Modules that are imported when they are first needed are no code of the file's."""
    stream = io.BytesIO()
    torch.save({"a": torch.ones(2), "s": torch.eye(2).to_sparse(), "p": torch.nn.Parameter(torch.ones(1))}, stream)
    stream.seek(0)
    repr(torch.load(stream))
    for content in FILES:
        load(io.BytesIO(content))


# ------------------------------------------------------------------------------------------------- programs of opcodes
INTEGERS = st.sampled_from(
    [0, 1, 2, 3, 4, -1, 255, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63, 2**64, 10**30]
) | st.integers(0, 9)
NAMES = st.sampled_from([
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_meta_tensor_no_storage", "torch._tensor._rebuild_from_type_v2", "torch.Tensor", "torch.Size",
    "torch.nn.parameter.Parameter", "torch.device", "torch.float32", "torch.FloatStorage", "torch.storage.UntypedStorage",
    "torch.serialization._get_layout", "collections.OrderedDict", "collections.Counter", "_codecs.encode", "set", "complex",
    "builtins.bytearray", "builtins.bytes", "builtins.eval", "builtins.getattr", "os.system", "posix.system", "nt.system",
    "subprocess.Popen", "builtins.__import__", "torch.load", "torch.hub.load", "torch._utils.os.system", "kenaz.cli.main",
    "numpy.core.multiarray._reconstruct", "numpy.load", "torch.nn.Linear", "operator.attrgetter", "types.FunctionType",
])  # fmt: skip
STORAGES = st.builds(
    a_storage, st.sampled_from([0, 1, 2, 4, 2**40, 2**63]),
    st.sampled_from(["torch.FloatStorage", "torch.DoubleStorage", "torch.BoolStorage", "torch.storage.UntypedStorage", "os.system"]),
    st.sampled_from(["0", "1", "../0", ""]), st.sampled_from(["cpu", "cuda:0", "meta", "disk", ""]),
)  # fmt: skip
SIZES = st.lists(st.sampled_from([0, 1, 2, 4, -1, 2**20, 2**40, 2**62]), max_size=4).map(tuple)
TENSORS = st.builds(
    a_tensor, STORAGES, st.sampled_from([0, 1, 3, 4, -1, 2**40]), SIZES, SIZES,
    st.sampled_from(["_rebuild_tensor_v2", "_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_tensor"]),
)  # fmt: skip
LEAVES = st.one_of(
    INTEGERS.map(number), st.sampled_from(["cpu", "a", "torch.sparse_coo", "latin1", "__class__", "_grad_fn"]).map(text),
    st.sampled_from([b"N", b"\x88", b"\x89", b")", b"]", b"}", b"\x8f", b"(", b"G" + struct.pack(">d", 1e308)]),
    NAMES.map(a_global), STORAGES, TENSORS,
)  # fmt: skip
OPCODES = st.sampled_from(
    [b"R", b"b", b"t", b"l", b"d", b"e", b"a", b"s", b"u", b"\x85", b"\x86", b"\x87", b"\x81", b"\x92", b"\x90", b"\x91", b"0",
     b"1", b"2", b"Q", b"\x93", b"\x94", b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"r\xff\xff\xff\x7f", b"j\x00\x00\x00\x00",
     b"\x95" + b"\xff" * 8, b"\x8d" + b"\xff" * 8, b"X\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\x7f", b"\x8e" + b"\xff" * 8, b"i", b"o"]
)  # fmt: skip
CALLS = st.builds(lambda f, args: a_global(f) + b"(" + b"".join(args) + b"tR", NAMES, st.lists(LEAVES, max_size=5))
PROGRAMS = st.lists(st.one_of(LEAVES, OPCODES, CALLS), max_size=14).map(b"".join)


@SETTINGS
@given(PROGRAMS)
@example(a_global("os.system") + b"(" + text("true") + b"tR")
@example(a_tensor(a_storage(4), 0, (2**40,), (0,)))
def test_programs_in_an_archive(program: bytes) -> None:
    load(zip_file(PROTO + program + b".", {"data/0": bytes(16), "data/1": bytes(8)}))


@SETTINGS
@given(PROGRAMS)
def test_programs_in_a_legacy_stream(program: bytes) -> None:
    keys = pickle.dumps(["0"], 2)
    load(io.BytesIO(MAGIC + PROTO + program + b"." + keys + struct.pack("<q", 4) + bytes(16)))


@SETTINGS
@given(st.lists(CALLS, min_size=1, max_size=3))
def test_calls_as_states_and_parts(calls: list[bytes]) -> None:
    """Results of calls as members of a dict and as the state of a tensor."""
    members = b"}(" + b"".join(text(str(i)) + call for i, call in enumerate(calls)) + b"u"
    tensor = a_tensor(a_storage(4), 0, (2,), (1,))
    for program in (members, tensor + members + b"b", tensor + calls[0] + b"b"):
        load(zip_file(PROTO + program + b".", {"data/0": bytes(16)}))


# ------------------------------------------------------------------------------------------------------------- damage
@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
    """A file with bytes changed, taken out, put in, repeated or cut off; lengths and counts are hit most."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["byte", "bit", "word", "cut", "insert", "repeat", "end"]))
        if kind == "byte":
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "bit" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "word":
            data[at : at + 4] = draw(
                st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4), b"\x00\x00\x00\x40"])
            )
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        else:
            del data[at:]
    return bytes(data)


@SETTINGS
@given(st.sampled_from([*FILES, tar_file().getvalue()]).flatmap(damaged))
def test_damaged_files(content: bytes) -> None:
    load(io.BytesIO(content))


def archive_parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as z:
        return {name: z.read(name) for name in z.namelist()}


ARCHIVES = [archive_parts(content) for content in FILES if content[:2] == b"PK"]


@SETTINGS
@given(st.data())
def test_damaged_records_in_a_sound_archive(data: Any) -> None:
    """Checksums are right, so that what is inside is reached: the pickle, storages too short or missing, byte orders."""
    parts = dict(data.draw(st.sampled_from(ARCHIVES)))
    name = data.draw(st.sampled_from(sorted(parts)))
    if data.draw(st.booleans()):
        name = next(n for n in parts if n.endswith("data.pkl"))
    changed = data.draw(damaged(parts[name]) | st.none() | st.just(b""))
    if changed is None:
        del parts[name]
    else:
        parts[name] = changed
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as out:
        for n, content in parts.items():
            out.writestr(n, content)
    stream.seek(0)
    load(stream)


def test_what_is_whole_is_read() -> None:
    """The watch does not refuse everything."""
    assert sum(load(io.BytesIO(content)) is not None for content in FILES) >= 5
    assert load(zip_file(PROTO + a_tensor(a_storage(4), 0, (2,), (1,)) + b".", {"data/0": bytes(16)})).tolist() == [
        0.0,
        0.0,
    ]


def test_a_sparse_tensor_is_made_of_tensors() -> None:
    layout = a_global("torch.serialization._get_layout") + b"(" + text("torch.sparse_coo") + b"tR"
    row = a_tensor(a_storage(2, "torch.LongStorage"), 0, (1, 2), (2, 1))
    values = a_tensor(a_storage(2, key="1"), 0, (2,), (1,))
    size = lambda n: b"(" + number(n) + b"t"
    sparse = a_global("torch._utils._rebuild_sparse_tensor")
    call = lambda i, v, n: PROTO + sparse + b"(" + layout + b"(" + i + v + size(n) + b"\x89t" + b"tR."
    storages = {"data/0": struct.pack("<2q", 0, 3), "data/1": struct.pack("<2f", 1, 2)}
    assert load(zip_file(call(row, values, 4), storages)).to_dense().tolist() == [1.0, 0.0, 0.0, 2.0]
    for wrong in (call(row, values, 2), call(b"N", values, 4), call(row, number(2**40), 4), call(values, row, 4)):
        assert load(zip_file(wrong, storages)) is None
