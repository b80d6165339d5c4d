"""save and load together: what comes back, where it goes, and what a failure leaves."""

import copy
import errno
import gc
import io
import os
import pickle
import stat
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

import kenaz as torch

from .pickles import PROTO, a_storage, a_tensor, tar_file, zip_file

DATA = Path(__file__).parent / "data"
FORMATS = pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])


def roundtrip(obj, new: bool = True, **options):
    stream = io.BytesIO()
    torch.save(obj, stream, _use_new_zipfile_serialization=new)
    stream.seek(0)
    return torch.load(stream, **options)


ALL = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 complex128"
).split()


# ------------------------------------------------------------------------------------------------- what comes back
@FORMATS
@pytest.mark.parametrize("name", ALL)
def test_every_dtype(name, new):
    tensor = torch.tensor([0, 1, 1, 0]).to(getattr(torch, name))
    found = roundtrip(tensor, new)
    assert found.dtype is tensor.dtype and found.tolist() == tensor.tolist()


@FORMATS
def test_views_share_their_storage(new):
    base = torch.arange(12.0)
    obj = {"base": base, "t": base.view(3, 4).t(), "part": base[2:6], "item": base[7], "step": base[::3]}
    found = roundtrip(obj, new)
    for name, tensor in obj.items():
        assert found[name].tolist() == tensor.tolist() and found[name].stride() == tensor.stride()
        assert found[name].untyped_storage() is found["base"].untyped_storage()
    found["base"][7] = 100.0
    assert found["item"].item() == 100.0


def test_a_storage_is_written_once(tmp_path):
    base = torch.zeros(1000)
    torch.save([base, base[1:], base.view(10, 100)], tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert [n for n in archive.namelist() if "/data/" in n] == ["a/data/0"]


def test_shapes():
    for tensor in (torch.tensor(3.5), torch.zeros(0, 2), torch.zeros(2, 0, 3), torch.ones(1, 1, 1)):
        found = roundtrip(tensor)
        assert found.shape == tensor.shape and found.stride() == tensor.stride() and found.tolist() == tensor.tolist()


def test_autograd_state_comes_back():
    leaf = torch.ones(2, requires_grad=True)
    found = roundtrip({"leaf": leaf, "result": leaf * 2, "plain": torch.ones(1)})
    assert found["leaf"].requires_grad and found["leaf"].is_leaf and found["leaf"].grad_fn is None
    assert found["result"].requires_grad and found["result"].is_leaf and found["result"].tolist() == [2.0, 2.0]
    assert not found["plain"].requires_grad


@FORMATS
def test_parameters(new):
    tied = torch.nn.Parameter(torch.arange(3.0))
    frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)
    frozen.note = "kept"
    found = roundtrip({"a": tied, "b": tied, "frozen": frozen}, new)
    assert type(found["a"]) is torch.nn.Parameter and found["a"] is found["b"] and found["a"].requires_grad
    assert not found["frozen"].requires_grad and found["frozen"].note == "kept"


def test_data_of_a_parameter_is_shared():
    parameter = torch.nn.Parameter(torch.ones(3))
    found = roundtrip([parameter, parameter.data])
    assert found[0].untyped_storage() is found[1].untyped_storage()


class Celsius(torch.Tensor):
    pass


def test_subclasses_and_attributes():
    warm = torch.tensor([20.0]).as_subclass(Celsius)
    warm.place = ["office"]
    found = roundtrip(warm, weights_only=False)
    assert type(found) is Celsius and found.place == ["office"] and found.tolist() == [20.0]
    with torch.serialization.safe_globals([Celsius]):
        assert type(roundtrip(warm)) is Celsius
    with pytest.raises(pickle.UnpicklingError, match="Celsius"):
        roundtrip(warm)
    noted = torch.ones(1)
    noted.note = 1
    assert roundtrip(noted).note == 1


def test_whole_modules():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.BatchNorm1d(2)).eval()
    found = roundtrip(net, weights_only=False)
    x = torch.ones(4, 3)
    assert repr(found) == repr(net) and not found.training and found(x).tolist() == net(x).tolist()
    assert list(found.state_dict()) == list(net.state_dict())


def test_globals_are_written_under_pytorchs_names():
    stream = io.BytesIO()
    torch.save([torch.nn.Linear(1, 1), torch.float32, torch.nn.functional.relu, torch.optim.SGD], stream)
    content = zipfile.ZipFile(stream).read("archive/data.pkl")
    for name in (
        b"ctorch.nn.modules.linear\nLinear\n", b"ctorch._utils\n_rebuild_parameter\n", b"ctorch\nFloatStorage\n",
        b"ctorch\nfloat32\n", b"ctorch.optim.sgd\nSGD\n",
    ):  # fmt: skip
        assert name in content
    assert b"kenaz" not in content


def test_an_optimizer_resumes():
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    found = roundtrip({"epoch": 3, "net": net.state_dict(), "optimizer": optimizer.state_dict()})
    other = torch.nn.Linear(2, 1)
    other.load_state_dict(found["net"])
    again = torch.optim.Adam(other.parameters(), lr=0.5)
    again.load_state_dict(found["optimizer"])
    for model, opt in ((net, optimizer), (other, again)):
        opt.zero_grad()
        model(torch.ones(3, 2)).sum().backward()
        opt.step()
    assert other.weight.tolist() == net.weight.tolist() and found["epoch"] == 3


def test_arrays_and_random_state():
    found = roundtrip({"a": np.arange(3), "s": np.float32(2)}, weights_only=False)
    assert found["a"].tolist() == [0, 1, 2] and found["s"] == 2
    state = torch.get_rng_state()
    assert roundtrip(state).tolist() == state.tolist()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages():
    tensor = torch.arange(3.0)
    found = roundtrip([tensor.untyped_storage(), [tensor.untyped_storage()]])
    assert found[0] is found[1][0] and found[0].tolist() == tensor.untyped_storage().tolist()
    typed = torch.FloatStorage(wrap_storage=tensor.untyped_storage())
    found = roundtrip([typed, tensor])
    assert found[0].untyped() is found[1].untyped_storage() and found[0].tolist() == [0, 1, 2]


def test_one_storage_has_one_dtype():
    tensor = torch.ones(2)
    with pytest.raises(RuntimeError, match="storages that view the same data as different types"):
        roundtrip([tensor, tensor.view(torch.int32)])


def test_pending_work_is_done_first():
    tensor = torch.ones(3)
    later = tensor * 2 + 1
    tensor.add_(5)
    assert [t.tolist() for t in roundtrip([later, tensor])] == [[3.0] * 3, [6.0] * 3]


def test_what_was_loaded_can_be_changed():
    found = roundtrip(torch.zeros(3))
    found.add_(1)
    found[0] = 5
    assert found.tolist() == [5.0, 1.0, 1.0]


# ----------------------------------------------------------------------------------- files that PyTorch has written
@pytest.mark.parametrize("name", ["views", "views_legacy"])
@pytest.mark.parametrize("weights_only", [True, False])
def test_pytorchs_views(name, weights_only):
    found = torch.load(DATA / f"{name}.pt", weights_only=weights_only)
    assert found["all"].tolist() == list(range(12)) and found["transposed"].stride() == (1, 4)
    assert found["part"].tolist() == [2, 3, 4, 5] and found["one"].shape == ()
    found["all"].zero_()
    assert found["one"].item() == 0


def test_pytorchs_dtypes():
    found = torch.load(DATA / "dtypes.pt")
    assert list(found) == [f"torch.{name}" for name in ALL]
    for name, tensor in found.items():
        assert str(tensor.dtype) == name and tensor.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("name", ["plain", "plain_protocol4"])
def test_pytorchs_plain_data(name):
    found = torch.load(DATA / f"{name}.pt")
    assert found["numbers"] == [1, -300, 70000, 2**70, 1.5, 1j] and found["strings"] == ["a", "é", b"\xff"]
    assert found["size"] == torch.Size([2, 3]) and type(found["size"]) is torch.Size
    assert found["dtype"] is torch.float16 and found["device"] == torch.device("cuda:1")


def test_pytorchs_modules():
    x = torch.tensor([[1.0, 2, 3], [4, 5, 7]])
    expected = [[0.0, 0.9928500056266785], [0.0, -0.9928500056266785]]
    net = torch.load(DATA / "model.pt", weights_only=False)
    assert np.allclose(net(x).tolist(), expected, rtol=1e-6)
    again = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.BatchNorm1d(2))
    again.load_state_dict(torch.load(DATA / "state_dict.pt"))
    assert np.allclose(again(x).tolist(), expected, rtol=1e-6)


def test_pytorchs_flags():
    found = torch.load(DATA / "lazy.pt")
    assert found["conj"].tolist() == [1 - 2j]
    assert found["parameter"].note == "kept" and not found["parameter"].requires_grad
    assert found["meta"].device.type == "meta" and found["meta"].shape == (2, 3)


def test_the_first_format():
    found = torch.load(tar_file(), weights_only=False)
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["b"].tolist() == [7, 8]
    found["v"][0] = 100
    assert found["a"][0, 2].item() == 100
    with pytest.raises(RuntimeError, match="with files saved in the legacy .tar format"):
        torch.load(tar_file())


def test_torchscript_is_named():
    stream = zip_file(PROTO + b"N.", {"constants.pkl": b"x"})
    with pytest.raises(RuntimeError, match="Cannot use ``weights_only=True`` with TorchScript archives"):
        torch.load(stream)
    stream.seek(0)
    with pytest.raises(RuntimeError, match="TorchScript archive"):
        torch.load(stream, weights_only=False)


def test_a_file_from_a_big_endian_machine():
    pickled = PROTO + a_tensor(a_storage(2, "torch.ComplexFloatStorage"), 0, (2,), (1,)) + b"."
    data = np.array([1 + 2j, 3j], ">c8").tobytes()
    assert torch.load(zip_file(pickled, {"data/0": data, "byteorder": b"big"})).tolist() == [1 + 2j, 3j]
    with pytest.raises(ValueError, match="Unknown endianness type: middle"):
        torch.load(zip_file(pickled, {"data/0": data, "byteorder": b"middle"}))


def test_the_byte_order_of_a_file_that_does_not_say():
    stream = io.BytesIO()
    torch.save(torch.tensor([1], dtype=torch.int16), stream, _disable_byteorder_record=True)
    stream.seek(0)
    assert torch.serialization.get_default_load_endianness() is None
    assert torch.load(stream).tolist() == [1]
    stream.seek(0)
    torch.serialization.set_default_load_endianness(torch.serialization.LoadEndianness.BIG)
    try:
        assert torch.load(stream).tolist() == [256]
    finally:
        torch.serialization.set_default_load_endianness(None)
    with pytest.raises(TypeError, match="Invalid argument type in function set_default_load_endianness"):
        torch.serialization.set_default_load_endianness("big")


# ------------------------------------------------------------------------------------------------- where things go
@FORMATS
def test_map_location(new):
    tensor = torch.arange(3.0)
    for where in ("cpu", torch.device("cpu"), {"cpu": "cpu"}, {"cuda:0": "cpu"}, lambda storage, place: storage):
        assert roundtrip(tensor, new, map_location=where).tolist() == [0, 1, 2]
    seen = []
    assert roundtrip(tensor, new, map_location=lambda s, place: seen.append((type(s), place))).tolist() == [0, 1, 2]
    assert seen == [(torch.UntypedStorage, "cpu")]
    for where in ("meta", torch.device("meta"), {"cpu": "meta"}):
        found = roundtrip(tensor, new, map_location=where)
        assert found.device.type == "meta" and found.shape == (3,)
    other = roundtrip(tensor, new, map_location=lambda s, place: s.clone())
    assert other.tolist() == [0, 1, 2]


def test_locations_that_are_not_here():
    on_gpu = PROTO + a_tensor(a_storage(2, location="cuda:0"), 0, (2,), (1,)) + b"."
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        torch.load(zip_file(on_gpu, {"data/0": bytes(8)}))
    assert torch.load(zip_file(on_gpu, {"data/0": bytes(8)}), map_location="cpu").tolist() == [0, 0]
    message = r"don't know how to restore data location of torch.storage.UntypedStorage \(tagged with foo\)"
    with pytest.raises(RuntimeError, match=message):
        roundtrip(torch.ones(1), map_location="foo")
    with pytest.raises(TypeError, match="'int' object is not callable"):
        roundtrip(torch.ones(1), map_location=3)


def test_mmap(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"x": torch.arange(1000.0), "y": torch.ones(3, dtype=torch.int64)}, path)
    before = path.read_bytes()
    found = torch.load(path, mmap=True)
    assert found["x"].sum().item() == 499500 and found["y"].tolist() == [1, 1, 1]
    found["x"].zero_()
    assert found["x"].sum().item() == 0 and path.read_bytes() == before
    torch.save({"x": torch.zeros(1)}, path)  # a mapped file can be replaced
    assert found["y"].tolist() == [1, 1, 1]
    del found
    gc.collect()
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        torch.load(io.BytesIO(before), mmap=True)
    torch.save(1, path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        torch.load(path, mmap=True)


def test_mmap_of_a_compressed_file(tmp_path):
    path = tmp_path / "a.pt"
    tensor = PROTO + a_tensor(a_storage(2), 0, (2,), (1,)) + b"."
    path.write_bytes(zip_file(tensor, {"data/0": bytes(8)}, zipfile.ZIP_DEFLATED).getvalue())
    assert torch.load(path, mmap=True).tolist() == [0, 0]


def test_skip_data(tmp_path):
    path = tmp_path / "a.pt"
    with torch.serialization.skip_data():
        torch.save(torch.ones(3), path)
    assert torch.load(path).tolist() == [0, 0, 0]
    torch.save(torch.ones(3), path)
    with torch.serialization.skip_data():
        assert torch.load(path).shape == (3,)
    assert torch.load(path).tolist() == [1, 1, 1]


# ------------------------------------------------------------------------------------------------- paths and streams
@FORMATS
@pytest.mark.parametrize("name", ["model.pt", "a.b.tar.gz", "noextension", "späth dir.pth", ".hidden"])
def test_names_of_files(tmp_path, name, new):
    path = tmp_path / name
    torch.save({"a": 1}, path, _use_new_zipfile_serialization=new)
    assert torch.load(path) == torch.load(str(path)) == {"a": 1}
    with open(path, "rb") as stream:
        assert torch.load(stream) == {"a": 1}
    assert os.listdir(tmp_path) == [name]


class WriteOnly:
    def __init__(self):
        self.content = b""

    def write(self, data):
        self.content += bytes(data)


class ReadOnly(io.RawIOBase):
    """As little as torch.load asks for."""

    def __init__(self, content):
        self._inner = io.BytesIO(content)

    def __getattribute__(self, name):
        if name in ("seek", "tell", "read", "readline"):
            return getattr(object.__getattribute__(self, "_inner"), name)
        if name in ("readinto", "peek"):
            raise AttributeError(name)
        return object.__getattribute__(self, name)


@FORMATS
def test_streams_with_little_to_offer(new):
    stream = WriteOnly()
    torch.save({"a": torch.arange(3)}, stream, _use_new_zipfile_serialization=new)
    assert torch.load(io.BytesIO(stream.content))["a"].tolist() == [0, 1, 2]
    assert torch.load(ReadOnly(stream.content))["a"].tolist() == [0, 1, 2]


def test_several_objects_in_one_legacy_stream():
    stream = io.BytesIO()
    for i in range(3):
        torch.save(torch.tensor([i]), stream, _use_new_zipfile_serialization=False)
    stream.seek(0)
    assert [torch.load(stream).item() for _ in range(3)] == [0, 1, 2]


def test_what_is_not_a_file():
    for thing in (3, None, []):
        with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object"):
            torch.save(1, thing)
        with pytest.raises(AttributeError, match="You can only torch.load from a file that is seekable"):
            torch.load(thing)
    with pytest.raises(FileNotFoundError):
        torch.load("/nonexistent/file.pt")
    with pytest.raises(IsADirectoryError):
        torch.load("/")
    with pytest.raises(EOFError):
        torch.load(io.BytesIO(b""))
    with pytest.raises(pickle.UnpicklingError, match="Unsupported operand 103"):
        torch.load(io.BytesIO(b"garbage"))
    with pytest.raises(RuntimeError, match="Invalid magic number; corrupt file"):
        torch.load(io.BytesIO(pickle.dumps(3, 2)))
    with pytest.raises(TypeError):
        torch.load(io.StringIO("text"))


# ----------------------------------------------------------------------------------------- failures leave no trace
class Unpicklable:
    def __reduce__(self):
        raise ValueError("cannot be pickled")


@FORMATS
def test_a_failed_save_leaves_the_old_file(tmp_path, new):
    path = tmp_path / "a.pt"
    torch.save(1, path)
    for bad in ([torch.ones(1000), Unpicklable()], lambda: 0):
        with pytest.raises((ValueError, AttributeError, pickle.PicklingError)):
            torch.save(bad, path, _use_new_zipfile_serialization=new)
    assert torch.load(path) == 1 and os.listdir(tmp_path) == ["a.pt"]
    with pytest.raises(ValueError):
        torch.save(Unpicklable(), tmp_path / "new.pt")
    assert os.listdir(tmp_path) == ["a.pt"]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    torch.save(1, path)

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        torch.save(torch.ones(1000), path)
    assert torch.load(path) == 1 and os.listdir(tmp_path) == ["a.pt"]


def test_permissions_and_links_are_kept(tmp_path):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    torch.save(1, real)
    assert stat.S_IMODE(real.stat().st_mode) == 0o666 & ~_umask()
    real.chmod(0o640)
    link.symlink_to(real)
    torch.save(2, link)
    assert link.is_symlink() and torch.load(real) == 2 and stat.S_IMODE(real.stat().st_mode) == 0o640


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_pipe_gets_the_content(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    torch.save({"a": 1}, pipe)
    reader.join(10)
    assert torch.load(io.BytesIO(received[0])) == {"a": 1}


def test_a_missing_folder(tmp_path):
    with pytest.raises(RuntimeError, match=f"Parent directory {tmp_path}/none does not exist."):
        torch.save(1, tmp_path / "none" / "a.pt")
    with pytest.raises(RuntimeError, match="open file failed with strerror: Is a directory"):
        torch.save(1, tmp_path)


def test_many_threads_save_to_one_path(tmp_path):
    path = tmp_path / "a.pt"
    threads = [threading.Thread(target=torch.save, args=({"i": i, "t": torch.full((500,), i)}, path)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = torch.load(path)
    assert found["t"].tolist() == [found["i"]] * 500 and os.listdir(tmp_path) == ["a.pt"]


# ------------------------------------------------------------------------------------------------- pickle and copy
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles(protocol):
    base = torch.arange(6, dtype=torch.bfloat16)
    others = [torch.nn.Parameter(torch.ones(2)), torch.zeros(2, dtype=torch.uint16), base.untyped_storage()]
    obj = [base, base[2:4], *others]
    found = pickle.loads(pickle.dumps(obj, protocol))
    assert [t.tolist() for t in found[:4]] == [t.tolist() for t in obj[:4]]
    assert found[1].untyped_storage() is found[0].untyped_storage() is found[4]
    assert type(found[2]) is torch.nn.Parameter
    found[0].zero_()
    assert found[1].tolist() == [0, 0]


def test_large_tensors_leave_a_pickle_out_of_band():
    buffers: list = []
    pickled = pickle.dumps(torch.zeros(1000), 5, buffer_callback=buffers.append)
    assert len(pickled) < 600 and len(buffers) == 1
    assert pickle.loads(pickled, buffers=buffers).tolist() == [0.0] * 1000


def test_deepcopy():
    base = torch.arange(4.0)
    found = copy.deepcopy([base, base[1:3]])
    assert found[1].untyped_storage() is found[0].untyped_storage() is not base.untyped_storage()
    found[0].zero_()
    assert found[1].tolist() == [0, 0] and base.tolist() == [0, 1, 2, 3]
    leaf = torch.ones(2, requires_grad=True)
    (leaf * 3).sum().backward()
    leaf.note = ["a"]
    other = copy.deepcopy(leaf)
    assert other.requires_grad and other.grad.tolist() == [3, 3] and other.note == ["a"] and other.note is not leaf.note
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(leaf * 2)
    parameter = torch.nn.Parameter(torch.ones(1))
    assert type(copy.deepcopy(parameter)) is torch.nn.Parameter
    twice = copy.deepcopy([parameter, parameter])
    assert twice[0] is twice[1]
    assert type(copy.deepcopy(torch.ones(1).as_subclass(Celsius))) is Celsius


def test_copy_shares_memory():
    tensor = torch.zeros(2)
    copy.copy(tensor).add_(1)
    assert tensor.tolist() == [1, 1]


def test_hooks_are_not_saved():
    leaf = torch.ones(1, requires_grad=True)
    leaf.register_hook(lambda g: g)
    with pytest.warns(UserWarning, match="on tensor will not be serialized"):
        roundtrip(leaf)
