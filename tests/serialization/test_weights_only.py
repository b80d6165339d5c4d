"""Nothing in a file runs code, and nothing in a file takes more memory than the file."""

import collections
import fractions
import io
import os
import pickle
import resource
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import kenaz as torch

from .pickles import MAGIC, PROTO, a_global, a_storage, a_tensor, text, zip_file

UnpicklingError = pickle.UnpicklingError


def saved(obj, **options) -> io.BytesIO:
    stream = io.BytesIO()
    torch.save(obj, stream, **options)
    stream.seek(0)
    return stream


class Mine:
    def __init__(self):
        self.x = 1


class WithSlots:
    __slots__ = ("a",)


class Touches:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("new", [True, False])
def test_no_code_runs(tmp_path, new):
    stream = saved({"weight": torch.ones(2), "evil": Touches(tmp_path / "made")}, _use_new_zipfile_serialization=new)
    with pytest.raises(UnpicklingError, match="unsupported GLOBAL posix.mkdir whose module posix is blocked"):
        torch.load(stream)
    assert not (tmp_path / "made").exists()
    stream.seek(0)
    torch.load(stream, weights_only=False)  # says what it does
    assert (tmp_path / "made").exists()


EXECUTORS = (
    "os.system posix.system nt.system sys.exit subprocess.Popen subprocess.call builtins.eval builtins.exec "
    "builtins.open builtins.getattr builtins.__import__ builtins.compile builtins.globals builtins.type "
    "builtins.map builtins.print __builtin__.eval __builtin__.apply importlib.import_module runpy.run_path "
    "pickle.loads marshal.loads types.CodeType types.FunctionType functools.partial operator.attrgetter "
    "operator.methodcaller shutil.rmtree socket.socket code.interact ctypes.CDLL numpy.load numpy.f2py.compile "
    "torch.load torch.hub.load torch.serialization.load torch.storage._load_from_bytes torch._utils.os "
    "torch.serialization.os.system kenaz.serialization.load kenaz._utils.copyreg torch.nn.Module torch.from_file "
    "torch.UntypedStorage.from_file collections.defaultdict collections.namedtuple copyreg._reconstructor "
    "copy_reg._reconstructor multiprocessing.util.Finalize webbrowser.open tempfile.mktemp platform.popen pty.spawn"
).split()


@pytest.mark.parametrize("name", EXECUTORS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_other_global_is_refused(name, protocol):
    module, _, attribute = name.rpartition(".")
    found = a_global(name) if protocol == 2 else text(module) + text(attribute) + b"\x93"
    with pytest.raises(UnpicklingError, match="nsupported") as caught:
        torch.load(zip_file(b"\x80" + bytes([protocol]) + found + text("x") + b"\x85R."))
    assert "Weights only load failed" in str(caught.value)
    with pytest.raises(UnpicklingError, match="nsupported"):
        torch.load(io.BytesIO(MAGIC + b"\x80" + bytes([protocol]) + found + text("x") + b"\x85R."))


def test_the_message_names_the_class_and_the_ways_out():
    with pytest.raises(UnpicklingError) as caught:
        torch.load(saved(fractions.Fraction(1, 2)))
    message = str(caught.value)
    assert message.startswith(
        "Weights only load failed. This file can still be loaded, to do so you have two options, \033[1mdo those steps "
        "only if you trust the source of the checkpoint\033[0m. \n\t(1) In PyTorch 2.6, we changed the default value"
    )
    assert "Unsupported global: GLOBAL fractions.Fraction was not an allowed global by default." in message
    assert "`torch.serialization.add_safe_globals([fractions.Fraction])`" in message
    with pytest.raises(UnpicklingError, match=r"GLOBAL eval was not an allowed"):
        torch.load(saved(eval))
    with pytest.raises(UnpicklingError, match=r"GLOBAL torch.nn.modules.linear.Linear was not an allowed"):
        torch.load(saved(torch.nn.Linear(1, 1)))


def test_safe_globals_let_a_class_in():
    assert torch.serialization.get_safe_globals() == []
    with torch.serialization.safe_globals([Mine]):
        assert torch.load(saved(Mine())).x == 1
        assert torch.serialization.get_safe_globals() == [Mine]
    with pytest.raises(UnpicklingError):
        torch.load(saved(Mine()))
    torch.serialization.add_safe_globals([fractions.Fraction])
    try:
        assert torch.load(saved(fractions.Fraction(1, 2))) == fractions.Fraction(1, 2)
    finally:
        torch.serialization.clear_safe_globals()
    slotted = WithSlots()
    slotted.a = 5
    with torch.serialization.safe_globals([WithSlots]):
        assert torch.load(saved(slotted)).a == 5
    with torch.serialization.safe_globals([(Mine, "elsewhere.Old")]):
        assert isinstance(torch.load(zip_file(PROTO + a_global("elsewhere.Old") + b")\x81.")), Mine)


def test_safe_globals_with_a_module():
    linear = torch.nn.Linear(2, 1)
    with torch.serialization.safe_globals([torch.nn.Linear]):
        found = torch.load(saved(linear))
    assert type(found) is torch.nn.Linear and found.weight.tolist() == linear.weight.tolist()


def test_numpy_can_be_let_in():
    with pytest.raises(UnpicklingError, match="GLOBAL numpy._core.multiarray.scalar was not"):
        torch.load(saved(np.float64(1)))
    allowed = [(np._core.multiarray.scalar, "numpy._core.multiarray.scalar"), np.dtype, np.dtypes.Float64DType]
    with torch.serialization.safe_globals(allowed):
        assert torch.load(saved(np.float64(1.5))) == 1.5


def test_unsafe_globals_can_be_listed():
    obj = {"a": torch.ones(1), "b": Mine(), "c": fractions.Fraction(1, 2), "d": fractions.Fraction(1, 3)}
    for protocol in (2, 4):
        found = torch.serialization.get_unsafe_globals_in_checkpoint(saved(obj, pickle_protocol=protocol))
        assert found == [f"{Mine.__module__}.Mine", "fractions.Fraction"]


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"K\x05)R.", "Trying to call reduce for unrecognized function 5"),
        (a_global("torch.FloatStorage") + b")R.", "unrecognized function"),
        (a_global("torch.float32") + b")R.", "unrecognized function"),
        (b"K\x05)\x81.", "Can only create new object for nn.Parameter or classes allowlisted"),
        (b"]}b.", "Can only build Tensor, Parameter, OrderedDict or types allowlisted"),
        (b"K\x01K\x01a.", "Can only append to lists, but got <class 'int'>"),
        (b"]K\x01K\x01s.", "Can only SETITEM for dict, collections.OrderedDict, collections.Counter"),
        (b"](K\x01K\x01u.", "Can only SETITEMS for dict"),
        (b"K\x01\x85Q.", "Only persistent_load of storage is allowed, but got <class 'int'>"),
        (b"K\x01Q.", "Only persistent_load of storage is allowed"),
        (b"h\x07.", "Memo value not found at index 7"),
        (b"K\x012.", "Unsupported operand 50"),  # DUP
        (b"(ios\nsystem\n.", "Unsupported operand 105"),  # INST
        (b"(" + a_global("builtins.set") + b"o.", "Unsupported operand 111"),  # OBJ
        (b"\x82\x01.", "Unsupported operand 130"),  # EXT1
        (b"Ix\n.", "Unsupported operand 73"),
        (b"a.", "pickle is damaged: IndexError"),
        (b"\x86.", "pickle is damaged: IndexError"),
        (b"t.", "pickle is damaged: IndexError"),
        (b"}]K\x01s.", "unhashable"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "Ran out of input"),
        (b"X\xff\xff\xff\x7fabc.", "Ran out of input"),
        (b"\x8b\xff\xff\xff\xff.", "Ran out of input"),
        (b"K\x01", "Ran out of input"),
        (b"", "Ran out of input"),
    ],
)
def test_the_machine_refuses(pickled, message):
    with pytest.raises((UnpicklingError, EOFError)) as caught:
        torch.load(zip_file(PROTO + pickled))
    assert message in str(caught.value)


LATIN = a_global("_codecs.encode")


@pytest.mark.parametrize(
    "pickled",
    [
        a_global("builtins.bytearray") + b"\x8a\x06\x00\x00\x00\x00\x00\x10\x85R.",
        a_global("builtins.bytearray") + a_tensor(a_storage(1, "torch.LongStorage"), 0, (), ()) + b"\x85R.",
        LATIN + text("a") + text("hex") + b"\x86R.",
        LATIN + text("a") + text("zip") + b"\x86R.",
        a_global("builtins.set") + b"K\x01\x85R.",
        a_global("torch.Tensor") + b"\x8a\x06\x00\x00\x00\x00\x00\x10\x85R.",
        a_global("torch.Size") + text("ab") + b"\x85R.",
        a_global("torch.device") + b"]\x85R.",
        a_global("torch.serialization._get_layout") + text("torch.load") + b"\x85R.",
        a_global("collections.Counter") + text("aaaa") + b"\x85R.",
        a_global("torch._utils._rebuild_parameter") + b"K\x01\x88}\x87R.",
        a_global("torch._utils._rebuild_tensor_v2") + b")R.",
    ],
)
def test_allowed_callables_check_their_arguments(pickled):
    with pytest.raises((UnpicklingError, RuntimeError)):
        torch.load(zip_file(PROTO + pickled, {"data/0": bytes([0, 0, 0, 0, 0, 1, 0, 0])}))


def nested(depth: int, leaf: bytes = b"N") -> bytes:
    return leaf + b"\x85" * depth


def test_keys_cannot_take_the_stack_or_endless_time():
    doubling = b"NN\x86" + b"q\x00" + b"".join(b"h%c" % i + b"\x86q%c" % (i + 1) for i in range(60))
    for key in (nested(200_000), doubling):
        for wrap in (b"}" + key + b"Ns.", b"\x8f(" + key + b"\x90.", b"(" + key + b"\x91."):
            start = time.monotonic()
            with pytest.raises(UnpicklingError, match="nested too deeply"):
                torch.load(zip_file(b"\x80\x04" + wrap))
            assert time.monotonic() - start < 5


def test_messages_do_not_spell_out_what_is_endless():
    doubling = b"]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60))
    storage = b"(" + text("storage") + doubling + text("0") + text("cpu") + b"K\x02tQ."
    count = b"(" + text("storage") + a_global("torch.FloatStorage") + text("0") + text("cpu") + doubling + b"tQ."
    for pickled in (storage, count, doubling + b")R.", doubling + b"}b.", doubling + b"\x85Q."):
        with pytest.raises((UnpicklingError, RuntimeError)):
            torch.load(zip_file(PROTO + pickled))
    legacy = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + PROTO + doubling + b"."
    with pytest.raises(RuntimeError, match="Invalid protocol version: an object of <class 'list'>"):
        torch.load(io.BytesIO(legacy))


def test_deep_nesting_is_just_data():
    found = torch.load(zip_file(PROTO + nested(100_000) + b"."))
    for _ in range(100_000):
        (found,) = found
    assert found is None


@pytest.mark.parametrize(
    ("offset", "size", "stride", "message"),
    [
        (0, (3,), (1,), "out of bounds for storage of size 8"),
        (2, (1,), (1,), "out of bounds"),
        (0, (2, 2), (1, 1 << 40), "out of bounds"),
        (0, (2,), (-1,), "Negative strides"),
        (-1, (1,), (1,), "invalid storage offset -1"),
        (0, (-2,), (1,), "negative dimension"),
        (0, (2,), (1, 1), "unequal size length (1) and stride length (2)"),
        (0, (1 << 40, 1 << 40), (0, 0), "integer multiplication overflow"),
        (0, (1,) * 65, (1,) * 65, "unequal"),
    ],
)
def test_a_view_outside_its_storage(offset, size, stride, message):
    pickled = PROTO + a_tensor(a_storage(2), offset, size, stride) + b"."
    for weights_only in (True, False):
        with pytest.raises(RuntimeError) as caught:
            torch.load(zip_file(pickled, {"data/0": bytes(8)}), weights_only=weights_only)
        assert message in str(caught.value)


def test_an_expanded_view_takes_no_memory():
    found = torch.load(zip_file(PROTO + a_tensor(a_storage(2), 1, (1 << 40,), (0,)) + b".", {"data/0": bytes(8)}))
    assert found.shape == (1 << 40,) and found.stride() == (0,)


@pytest.mark.parametrize("count", [1 << 42, 3, -1, 1 << 70])
def test_a_storage_that_is_not_there(count):
    for weights_only in (True, False):
        with pytest.raises(RuntimeError, match=r"does not match expected size|elements"):
            torch.load(zip_file(PROTO + a_storage(count) + b".", {"data/0": bytes(8)}), weights_only=weights_only)
        with pytest.raises(RuntimeError, match="unexpected EOF|elements|wrong byte size"):
            legacy = MAGIC + PROTO + a_storage(count) + b"." + pickle.dumps(["0"], 2) + struct.pack("<q", 2) + bytes(8)
            torch.load(io.BytesIO(legacy), weights_only=weights_only)


@pytest.mark.parametrize(
    "reference",
    [
        a_storage(2, key="7"),
        a_storage(2, key="../../etc/passwd"),
        a_storage(2, "builtins.set"),
        a_storage(2, location="nowhere"),
        b"(" + text("storage") + b"tQ",
        b"(" + text("storage") + a_global("torch.FloatStorage") + b"K\x00" + text("cpu") + b"K\x02tQ",
    ],
)
def test_a_reference_that_leads_nowhere(reference):
    with pytest.raises(RuntimeError):
        torch.load(zip_file(PROTO + reference + b".", {"data/0": bytes(8)}))


@pytest.mark.parametrize("name", ["_storage", "_offset", "data", "__class__", "grad", "shape", "_spec"])
def test_a_state_cannot_reach_into_a_tensor(name):
    state = b"}" + text(name) + b"K\x01s"
    tensor = a_tensor(a_storage(2), 0, (2,), (1,))
    with_state = a_global("torch._utils._rebuild_parameter_with_state") + b"(" + tensor + b"\x88}" + state + b"tR."
    for pickled in (tensor + state + b"b.", with_state):
        with pytest.raises(UnpicklingError, match=f"cannot set the attribute '{name}' of a tensor"):
            torch.load(zip_file(PROTO + pickled, {"data/0": bytes(8)}))


def test_a_zip_bomb_in_the_pickle():
    with pytest.raises(RuntimeError, match="claims to unpack"):
        torch.load(zip_file(PROTO + b"](" + b"N" * 20_000_000 + b"e.", method=zipfile.ZIP_DEFLATED))


def test_memory_stays_near_the_size_of_the_file():
    """The worst pickles of 200 KB stay below 50 MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for filler in (b"(", b"]", b"}", b"N\x85", b"K\x01r\xff\xff\xff\xff"):
        with pytest.raises((UnpicklingError, EOFError)):
            torch.load(zip_file(PROTO + filler * (200_000 // len(filler))))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_what_is_allowed_comes_back():
    obj = {
        "numbers": [0, 255, 256, 65536, -1, 2**31, -(2**70), 2**3000, 1.5, float("inf"), 1j],
        "text": ["", "é", "a" * 300, b"", b"\xff\x00", bytearray(b"ab")],
        "containers": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {1, 2}, {}, collections.OrderedDict(a=1)],
        "counter": collections.Counter("abb"),
        "torch": [torch.float32, torch.bfloat16, torch.Size([1, 2]), torch.device("cuda:1"), torch.strided],
        "singletons": (None, True, False),
        (1, ("a", 2)): "tuple as key",
    }
    for protocol in (2, 3, 4, 5):
        assert torch.load(saved(obj, pickle_protocol=protocol)) == obj
        assert torch.load(saved(obj, pickle_protocol=protocol, _use_new_zipfile_serialization=False)) == obj
    for protocol in (4, 5):
        assert torch.load(saved(frozenset([1, (2, 3)]), pickle_protocol=protocol)) == frozenset([1, (2, 3)])


def test_shared_and_recursive_objects():
    inner = [1]
    recursive = {"a": inner, "b": inner}
    recursive["self"] = recursive
    found = torch.load(saved(recursive))
    assert found["a"] is found["b"] and found["self"] is found


def test_an_ordered_dict_with_attributes():
    state = torch.nn.Linear(1, 1).state_dict()
    found = torch.load(saved(state))
    assert found._metadata == state._metadata


def test_arguments_that_contradict():
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit pickle_module is specified"):
        torch.load(saved(1), pickle_module=pickle, weights_only=True)
    with pytest.warns(UserWarning, match="pickle_load_args only works if `weights_only=False`"):
        torch.load(saved(1), encoding="ascii")
    assert torch.load(saved(Mine()), pickle_module=pickle).x == 1


def test_the_environment_decides_where_the_program_does_not(monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert torch.load(saved(Mine())).x == 1
    with pytest.raises(UnpicklingError):
        torch.load(saved(Mine()), weights_only=True)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="Only one of"):
        torch.load(saved(1))
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(UnpicklingError):
        torch.load(saved(Mine()), weights_only=False)


def test_damaged_files_raise_and_nothing_else(tmp_path):
    """A few thousand accidents to real files, seeded."""
    import random

    rng = random.Random(0)
    here = Path(__file__).parent / "data"
    originals = [path.read_bytes() for path in sorted(here.glob("*.pt"))]
    opcodes = bytes(v[0] for k, v in vars(pickle).items() if k.isupper() and isinstance(v, bytes) and len(v) == 1)
    outcomes: collections.Counter = collections.Counter()
    for _ in range(1500):
        content = bytearray(rng.choice(originals))
        if content[:2] == b"PK" and rng.random() < 0.6:  # damage the pickle and keep the archive whole
            content = bytearray(_with_pickle(content, lambda pickled: _hurt(pickled, rng, opcodes)))
        elif rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        else:
            content = _hurt(content, rng, opcodes)
        try:
            torch.load(io.BytesIO(content))
            outcomes["loaded"] += 1
        except (UnpicklingError, RuntimeError, EOFError) as error:
            outcomes[type(error).__name__] += 1
    assert sum(outcomes.values()) == 1500 and outcomes["UnpicklingError"] > 300


def _hurt(content: bytearray, rng, opcodes: bytes) -> bytearray:
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        i = rng.randrange(len(content) or 1)
        kind = rng.randrange(4)
        if kind == 0:
            content[i : i + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del content[i : i + rng.randrange(1, 9)]
        elif kind == 2:
            content[i:i] = bytes(rng.choice(opcodes) for _ in range(rng.randrange(1, 5)))
        else:
            content[i : i + 4] = rng.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4)])
    return content


def _with_pickle(content: bytes, change) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, bytes(change(data)) if name.endswith("data.pkl") else data)
    return stream.getvalue()
