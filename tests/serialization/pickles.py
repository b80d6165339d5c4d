"""Files made by hand, as an attacker or an accident would make them."""

import io
import pickle
import struct
import tarfile
import zipfile

PROTO = b"\x80\x02"
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)


def zip_file(pickled: bytes, records: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED) -> io.BytesIO:
    """A file of today's format with this pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as out:
        for name, data in {"data.pkl": pickled, "version": b"3\n", "byteorder": b"little", **(records or {})}.items():
            out.writestr(f"archive/{name}", data)
    stream.seek(0)
    return stream


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def a_global(name: str) -> bytes:
    module, _, attribute = name.rpartition(".")
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def number(n: int) -> bytes:
    return pickle.dumps(n, 2)[2:-1]


def a_storage(count: int, kind: str = "torch.FloatStorage", key: str = "0", location: str = "cpu", more: bytes = b""):
    """A reference to a storage."""
    parts = text("storage") + a_global(kind) + text(key) + text(location) + number(count) + more
    return b"(" + parts + b"tQ"


def a_tensor(storage: bytes, offset: int, size: tuple, stride: tuple, function: str = "_rebuild_tensor_v2") -> bytes:
    """A call that rebuilds a tensor over a storage."""
    row = lambda values: b"(" + b"".join(map(number, values)) + b"t"
    hooks = a_global("collections.OrderedDict") + b")R"
    view = storage + number(offset) + row(size) + row(stride)
    return a_global(f"torch._utils.{function}") + b"(" + view + b"\x89" + hooks + b"tR"


class _Tensor:
    def __init__(self, key: str):
        self.key = key


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.key if isinstance(obj, _Tensor) else None


def tar_file() -> io.BytesIO:
    """A file of the first format: {"a": floats 0..5 of size (2, 3), "b": [7, 8], "v": a view of a's third to fifth}."""
    record = lambda *values: PROTO + b"(" + b"".join(values) + b"t."
    storages = pickle.dumps(2, 2)
    storages += record(number(1001), text("cpu"), a_global("torch.FloatStorage")) + struct.pack("<q6f", 6, *range(6))
    storages += record(number(1002), text("cpu"), a_global("torch.LongStorage")) + struct.pack("<q2q", 2, 7, 8)
    storages += pickle.dumps([(1003, 1001, 2, 3)], 2)
    tensors = pickle.dumps(3, 2)
    for key, storage, kind, size, stride in (
        (2001, 1001, "Float", (2, 3), (3, 1)),
        (2002, 1002, "Long", (2,), (1,)),
        (2003, 1003, "Float", (3,), (1,)),
    ):
        tensors += record(number(key), number(storage), a_global(f"torch.{kind}Tensor"))
        tensors += struct.pack(f"<i4x{2 * len(size) + 1}q", len(size), *size, *stride, 0)
    pickled = io.BytesIO()
    _Pickler(pickled, 2).dump({"a": _Tensor("2001"), "b": _Tensor("2002"), "v": _Tensor("2003")})
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {"storages": storages, "tensors": tensors, "pickle": pickled.getvalue()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    stream.seek(0)
    return stream
