"""The zip container: its layout to the byte, large files, and damage."""

import io
import mmap
import os
import struct
import tempfile
import zipfile
import zlib

import pytest

from kenaz.serialization.archive import ArchiveReader, ArchiveWriter


def written(records: dict[str, bytes], **options) -> bytes:
    stream = io.BytesIO()
    writer = ArchiveWriter(stream, "model", **options)
    for name, data in records.items():
        writer.add(name, data)
    writer.close()
    return stream.getvalue()


def test_records_are_stored_and_aligned():
    content = written({"data.pkl": b"x" * 5, "data/0": b"y" * 100, "data/1": b""})
    with zipfile.ZipFile(io.BytesIO(content)) as archive_:
        assert archive_.testzip() is None
        assert archive_.namelist() == [
            f"model/{n}" for n in ("data.pkl", "data/0", "data/1", "version", ".data/serialization_id")
        ]
        for info in archive_.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            name, extra = struct.unpack_from("<2H", content, info.header_offset + 26)
            assert (info.header_offset + 30 + name + extra) % 64 == 0
        assert archive_.read("model/version") == b"3\n"
        assert len(archive_.read("model/.data/serialization_id")) == 40


def test_the_same_content_has_the_same_identity():
    assert written({"a": b"1"}) == written({"a": b"1"})
    assert written({"a": b"1"}) != written({"a": b"2"})


def test_records_come_back():
    records = {"data.pkl": b"pickle", "data/0": bytes(range(256)), "data/1": b""}
    reader = ArchiveReader(io.BytesIO(written(records)))
    for name, data in records.items():
        assert name in reader and bytes(reader.read(name)) == data
    with pytest.raises(RuntimeError, match="failed locating file data/7: file not found"):
        reader.read("data/7")


def test_more_records_than_16_bits_count():
    content = written({f"data/{i}": b"" for i in range(70_000)})
    with zipfile.ZipFile(io.BytesIO(content)) as read:
        assert len(read.namelist()) == 70_002 and read.read("model/version") == b"3\n"


class Sparse:
    """Writes to a file and leaves holes for zeros, so that gigabytes take no room."""

    def __init__(self, file):
        self.file, self.position = file, 0

    def write(self, data):
        if len(data) < 4096:
            os.pwrite(self.file.fileno(), data, self.position)
        self.position += len(data)


def test_a_record_of_four_gigabytes_has_64_bit_sizes():
    size = 2**32 + 5
    with tempfile.TemporaryFile() as file, mmap.mmap(-1, size) as zeros:
        writer = ArchiveWriter(Sparse(file), "m", checksums=False)
        writer.add("data/0", zeros)
        writer.add("data/1", b"abc")
        writer.close()
        with zipfile.ZipFile(file) as read:  # a second opinion
            assert read.getinfo("m/data/0").file_size == size
            assert read.getinfo("m/data/1").header_offset > size
        reader = ArchiveReader(file)
        assert reader.nbytes("data/0") == size and bytes(reader.read("data/1")) == b"abc"
        assert reader.start("data/0") % 64 == 0


def test_damage_in_a_record_is_noticed():
    content = bytearray(written({"data/0": b"A" * 100}))
    content[content.index(b"AAA") + 50] ^= 1
    with pytest.raises(RuntimeError, match="checksum does not match"):
        ArchiveReader(io.BytesIO(content)).read("data/0")


def test_without_checksums():
    content = written({"data/0": b"A" * 100}, checksums=False)
    assert zipfile.ZipFile(io.BytesIO(content)).getinfo("model/data/0").CRC == 0
    assert bytes(ArchiveReader(io.BytesIO(content)).read("data/0")) == b"A" * 100


@pytest.mark.parametrize("keep", [3, 30, 60, 200, 400])
def test_truncated(keep):
    content = written({"data/0": b"A" * 300})
    with pytest.raises(RuntimeError, match="failed finding central directory"):
        ArchiveReader(io.BytesIO(content[:keep]))


def test_a_missing_beginning():
    content = written({"data/0": b"A" * 300})
    with pytest.raises(RuntimeError, match="corrupted"):
        ArchiveReader(io.BytesIO(content[70:])).read("data/0")


def zipped(records: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as out:
        for name, data in records.items():
            out.writestr(name, data)
    return stream


def test_someone_elses_zip():
    reader = ArchiveReader(zipped({"x/version": b"3\n", "x/data/0": b"abc" * 100}, zipfile.ZIP_DEFLATED))
    assert bytes(reader.read("data/0")) == b"abc" * 100
    assert reader.start("data/0") is None


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({}, "not in a subdirectory"),
        ({"a": b"b"}, "not in a subdirectory: a"),
        ({"a/data.pkl": b"b"}, "failed locating file version"),
        ({"a/version": b"99"}, "file with version 99, but the maximum supported version for reading is 10"),
        ({"a/version": b"9" * 60}, "maximum supported version"),
        ({"a/version": b"three"}, "Couldn't parse the version three as Long Long."),
    ],
)
def test_not_an_archive_of_ours(records, message):
    with pytest.raises(RuntimeError, match=message):
        ArchiveReader(zipped(records))


def test_a_zip_bomb_is_not_unpacked():
    bomb = zipped({"a/version": b"3\n", "a/data/0": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert bomb.seek(0, 2) < 100_000
    with pytest.raises(RuntimeError, match="it claims to unpack"):
        ArchiveReader(bomb).read("data/0")


def test_a_claimed_size_is_compared_with_the_file():
    content = bytearray(zipped({"a/version": b"3\n", "a/data/0": b"abc"}).getvalue())
    where = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    struct.pack_into("<2L", content, where + 20, 2**31, 2**31)
    with pytest.raises(RuntimeError, match="corrupted"):
        ArchiveReader(io.BytesIO(content)).read("data/0")


def test_overlapping_records_are_refused():
    """Many names for one place: each is within the file, and together they are not."""
    entries = [(b"a/version", b"3\n")] + [(b"a/data/%d" % i, b"z" * 1000) for i in range(50)]
    content, offsets = b"", {}
    for name, data in entries:
        if data not in offsets:
            offsets[data] = len(content)
            sizes = (zlib.crc32(data), len(data), len(data), len(name))
            header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, *sizes, 0)
            content += header + name + data
    directory = b"".join(
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name),
            0, 0, 0, 0, 0, offsets[data],
        ) + name
        for name, data in entries
    )  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(content), 0)
    with pytest.raises(RuntimeError, match="records overlap"):
        ArchiveReader(io.BytesIO(content + directory + end))
