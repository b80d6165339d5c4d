"""Storages as PyTorch shows them."""

import copy

import numpy as np
import pytest

import kenaz as torch
from kenaz.storage import classes

pytestmark = pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")


def test_a_tensor_has_one_storage():
    x = torch.arange(4.0)
    assert x.untyped_storage() is x.untyped_storage() is x[1:].untyped_storage()
    assert x.storage().untyped() is x.untyped_storage()
    assert x.untyped_storage() != torch.ones(1).untyped_storage()
    assert hash(x.untyped_storage()) == hash(x.view(2, 2).untyped_storage())
    assert x.untyped_storage().data_ptr() == x.data_ptr()


def test_repr():
    assert repr(torch.tensor([1.0, 2.5]).storage()) == (
        " 1.0\n 2.5\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 2]"
    )
    assert repr(torch.tensor([1], dtype=torch.int16).untyped_storage()) == (
        " 1\n 0\n[torch.storage.UntypedStorage(device=cpu) of size 2]"
    )
    assert repr(torch.zeros(0).untyped_storage()) == " \n[torch.storage.UntypedStorage(device=cpu) of size 0]"
    assert repr(torch.UntypedStorage(4, device="meta")) == "...\n[torch.storage.UntypedStorage(device=meta) of size 4]"
    assert " (1+2j)\n" in repr(torch.tensor([1 + 2j]).storage()) and " True\n" in repr(torch.tensor([True]).storage())
    assert " 1.0\n" in repr(torch.ones(1, dtype=torch.bfloat16).storage())


def test_facts():
    s = torch.arange(3.0).storage()
    assert (s.size(), len(s), s.nbytes(), s.element_size(), s.dtype) == (3, 3, 12, 4, torch.float32)
    assert (s.device, s.is_cuda, s.type(), s.pickle_storage_type()) == (
        torch.device("cpu"), False, "torch.FloatStorage", "FloatStorage",
    )  # fmt: skip
    u = s.untyped()
    assert (u.size(), len(u), u.nbytes(), u.element_size(), u.type()) == (12, 12, 12, 1, "torch.storage.UntypedStorage")
    assert not u.is_shared() and not u.is_pinned() and u.filename is None
    assert torch.is_storage(s) and torch.is_storage(u) and not torch.is_storage(torch.ones(1))
    assert torch.ones(1, dtype=torch.uint16).storage().type() == "torch.storage.TypedStorage"
    assert torch.ones(1).storage_type() is torch.FloatStorage


def test_reading():
    s = torch.arange(3.0).storage()
    assert s[1] == 1.0 and s[-1] == 2.0 and s.tolist() == list(s) == [0.0, 1.0, 2.0]
    assert s.untyped()[7] == 63 and s.untyped()[4:8].tolist() == [0, 0, 128, 63]
    with pytest.raises(IndexError, match="index 9 out of range for storage of size 3"):
        s[9]
    with pytest.raises(RuntimeError, match="slices are only supported in UntypedStorage.__getitem__"):
        s[1:]
    with pytest.raises(RuntimeError, match="Trying to slice with a step of 2, but only a step of 1 is supported"):
        s.untyped()[::2]
    with pytest.raises(TypeError, match="can't index a torch.UntypedStorage with float"):
        s.untyped()[1.0]
    with pytest.raises(NotImplementedError, match="Not available for 'meta' device type"):
        torch.UntypedStorage(4, device="meta")[0]


def test_writing_is_seen_by_tensors():
    x = torch.arange(4.0)
    before = x * 1
    s, version = x.storage(), x._version
    s[0] = 7
    s[1:3] = 9
    assert x.tolist() == [7, 9, 9, 3] and before.tolist() == [0, 1, 2, 3] and x._version > version
    s.untyped()[12:16] = 0
    assert x[3].item() == 0
    s.fill_(2)
    assert x.tolist() == [2] * 4
    s.copy_(torch.arange(4.0).storage())
    assert x.tolist() == [0, 1, 2, 3]
    array = x.numpy()
    s[0] = 5
    assert array[0] == 5
    with pytest.raises(RuntimeError, match="size does not match, self was 16 bytes but src was 4 bytes"):
        s.copy_(torch.ones(1).storage())
    with pytest.raises(RuntimeError, match="can only set storage content with a int types, but got str instead"):
        s.untyped()[0] = "a"
    with pytest.raises(RuntimeError, match="can't index a <class 'torch.storage.TypedStorage'> with <class 'str'>"):
        s["a"] = 1


def test_a_part_shares_memory():
    x = torch.zeros(2, dtype=torch.uint8)
    part = x.untyped_storage()[1:]
    part[0] = 5
    assert x.tolist() == [0, 5]
    x.fill_(3)
    assert part.tolist() == [3]


def test_making():
    assert torch.UntypedStorage().nbytes() == 0 and len(torch.UntypedStorage(3)) == 3
    assert torch.UntypedStorage([1, 2, 300]).tolist() == [1, 2, 44] and torch.UntypedStorage(b"ab").tolist() == [97, 98]
    with pytest.raises(RuntimeError, match=r"sequence \(list\), but one of the items was of type float instead of int"):
        torch.UntypedStorage([1.5])
    with pytest.raises(TypeError, match="received an invalid combination"):
        torch.UntypedStorage(1, 2)
    assert torch.FloatStorage([1, 2]).tolist() == [1.0, 2.0] and torch.LongStorage(3).size() == 3
    assert torch.TypedStorage([1, 2], dtype=torch.int16).dtype is torch.int16
    u = torch.UntypedStorage([0, 0, 128, 63])
    assert torch.FloatStorage(wrap_storage=u).tolist() == [1.0]
    assert torch.TypedStorage(wrap_storage=u, dtype=torch.float32).tolist() == [1.0]
    for make in (
        lambda: torch.FloatStorage(1, 2),
        lambda: torch.FloatStorage(2, dtype=torch.int32),
        lambda: torch.FloatStorage(torch.ones(2)),
        lambda: torch.TypedStorage(wrap_storage=u),
        lambda: torch.TypedStorage(wrap_storage=3, dtype=torch.int8),
    ):
        with pytest.raises((RuntimeError, TypeError), match="received an invalid combination of arguments"):
            make()


def test_legacy_classes():
    s = torch.ones(1).storage()
    assert isinstance(s, torch.FloatStorage) and not isinstance(s, torch.DoubleStorage)
    assert isinstance(s, torch.TypedStorage) and not isinstance(s, torch.UntypedStorage)
    assert torch.FloatStorage.dtype is torch.float32 and type(torch.FloatStorage(1)) is torch.TypedStorage


def test_conversions():
    s = torch.tensor([1.5, 0.0]).storage()
    assert s.int().tolist() == [1, 0] and s.bool().tolist() == [True, False] and s.double().dtype is torch.float64
    assert s.type("torch.IntStorage").tolist() == [1, 0]
    assert torch.UntypedStorage([1, 2]).float().tolist() == [1.0, 2.0]


def test_buffers_and_files(tmp_path):
    one = b"\0\0\x80?"
    assert torch.FloatStorage.from_buffer(one, "native").tolist() == [1.0]
    assert torch.FloatStorage.from_buffer(one[::-1], "big").tolist() == [1.0]
    assert torch.FloatStorage.from_buffer(one + b"aaaa", "native", 1).tolist() == [1.0]
    assert torch.UntypedStorage.from_buffer(one, dtype=torch.uint8).tolist() == list(one)
    with pytest.raises(ValueError, match=r"buffer size \(3\) must be a multiple of element size \(4\)"):
        torch.FloatStorage.from_buffer(one[:3], "native")
    with pytest.raises(ValueError, match="buffer has only 4 elements after offset 0, but specified a size of 3"):
        torch.FloatStorage.from_buffer(one, "native", 3)
    path = tmp_path / "raw"
    path.write_bytes(np.arange(4, dtype="f4").tobytes())
    private = torch.FloatStorage.from_file(str(path), False, 4)
    private[0] = 9
    assert private.tolist() == [9, 1, 2, 3] and path.read_bytes()[:4] == bytes(4)
    shared = torch.FloatStorage.from_file(str(path), True, 4)
    shared[0] = 9
    assert np.frombuffer(path.read_bytes(), "f4").tolist() == [9, 1, 2, 3] and shared.filename == str(path)
    with pytest.raises(RuntimeError, match=r"size <16> is smaller than the required mapping size <160>"):
        torch.FloatStorage.from_file(str(path), False, 40)
    with pytest.raises(RuntimeError, match="unable to open file"):
        torch.FloatStorage.from_file(str(tmp_path / "none"), False, 4)


def test_resizing():
    x = torch.arange(4.0)
    storage = x.untyped_storage()
    storage.resize_(8)
    assert storage.nbytes() == 8 and storage.tolist()[7] == 63
    storage.resize_(0)
    assert x.shape == (4,) and storage.nbytes() == 0
    grown = torch.UntypedStorage([1, 2])
    grown.resize_(4)
    assert grown.tolist()[:2] == [1, 2] and len(grown) == 4
    with pytest.raises(RuntimeError, match="Trying to resize storage that is not resizable"):
        torch.from_numpy(np.ones(3)).untyped_storage().resize_(0)


def test_copies():
    s = torch.arange(3.0).storage()
    for other in (s.clone(), copy.copy(s), copy.deepcopy(s)):
        other[0] = 9
        assert s[0] == 0
    memo: dict = {}
    assert copy.deepcopy(s.untyped(), memo) is copy.deepcopy(s.untyped(), memo)


def test_sharing_between_processes():
    import os

    x = torch.zeros(3)
    assert not x.is_shared()
    assert x.share_memory_() is x and x.is_shared() and x.untyped_storage().is_shared()
    child = os.fork()
    if not child:
        x.add_(5)
        x.tolist()
        os._exit(0)
    os.waitpid(child, 0)
    assert x.tolist() == [5, 5, 5]


def test_set_():
    x = torch.arange(4.0)
    assert torch.empty(0).set_(x.storage()).tolist() == [0, 1, 2, 3]
    assert torch.empty(0).set_(x.untyped_storage(), 1, (2, 1)).tolist() == [[1], [2]]
    assert torch.empty(0).set_(x, 0, (2,), (2,)).tolist() == [0, 2]
    view = torch.empty(0).set_(x[1:])
    view[0] = 9
    assert x[1].item() == 9 and torch.empty(3).set_().shape == (0,)
    with pytest.raises(RuntimeError, match="Expected a Storage of type int or an UntypedStorage, but got type Float"):
        torch.empty(0, dtype=torch.int32).set_(x.storage())
    with pytest.raises(RuntimeError, match="out of bounds for storage of size 16"):
        torch.empty(0).set_(x.untyped_storage(), 0, (5,), (1,))
    with pytest.raises(TypeError, match="received an invalid combination of arguments"):
        torch.empty(0).set_(3)


def test_typed_storages_warn_once(monkeypatch):
    monkeypatch.setattr(classes, "_warned", [False])
    with pytest.warns(UserWarning, match="TypedStorage is deprecated") as caught:
        torch.ones(1).storage()
        torch.ones(1).storage()
    assert len(caught) == 1 and caught[0].filename == __file__
