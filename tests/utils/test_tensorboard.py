"""Event files, read back by a small reader of records and protocol buffers."""

import struct

import numpy as np
import pytest

import kenaz as torch
from kenaz import nn
from kenaz.utils.tensorboard import SummaryWriter, summary
from kenaz.utils.tensorboard.records import crc32c, masked_crc


def records(path):
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == masked_crc(data[:8])
        assert data[12 + length : 16 + length] == masked_crc(data[12 : 12 + length])
        yield data[12 : 12 + length]
        data = data[16 + length :]


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """The (number, value) pairs of a message."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        size = {1: 8, 5: 4}.get(key & 7)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            if size is None:
                size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        found.append((key >> 3, value))
    return found


def events(folder):
    """(step, tag, fields of the value) of everything in a folder's event files."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        first, *rest = [dict(fields(r)) for r in records(path)]
        assert first[3] == b"brain.Event:2"
        for event in rest:
            if 5 in event:
                ((_, value),) = fields(event[5])
                value = dict(fields(value))
                found.append((event.get(2, 0), value[1].decode(), value))
            else:
                found.append((0, None, event))
    return found


def test_checksum():
    assert crc32c(b"123456789") == 0xE3069283 and crc32c(b"") == 0
    data = bytes(range(256)) * 40
    rest = crc32c(data)
    table_only = 0xFFFFFFFF
    for byte in data:
        table_only ^= byte
        for _ in range(8):
            table_only = table_only >> 1 ^ 0x82F63B78 * (table_only & 1)
    assert rest == table_only ^ 0xFFFFFFFF


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for i in range(25):
            writer.add_scalar("loss/train", torch.tensor(0.5) * i, i)
        writer.add_scalars("both", {"a": 1, "b": 2}, 7)
        assert writer.get_logdir() == str(tmp_path)
    got = events(tmp_path)
    assert [(step, tag) for step, tag, _ in got] == [(i, "loss/train") for i in range(25)]
    assert [struct.unpack("<f", v[2])[0] for _, _, v in got] == [i / 2 for i in range(25)]
    assert [events(tmp_path / f"both_{t}")[0][:2] for t in "ab"] == [(7, "both")] * 2
    with pytest.raises(AssertionError, match="Tensor should contain one element"):
        SummaryWriter(tmp_path / "x").add_scalar("a", torch.ones(2))


def test_histogram(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", torch.tensor([1.0, 2.0, 2.5, 4.0]), 3, bins=[0, 1, 2, 3, 4, 5])
    ((step, tag, value),) = events(tmp_path)
    histo = dict(fields(value[5]))
    numbers = [struct.unpack("<d", histo[i])[0] for i in (1, 2, 3, 4, 5)]
    assert (step, tag, numbers) == (3, "h", [1, 4, 4, 9.5, 27.25])
    assert np.frombuffer(histo[6]).tolist() == [1, 2, 3, 4, 5] and np.frombuffer(histo[7]).tolist() == [0, 1, 2, 0, 1]


def test_pictures(tmp_path):
    import io

    from PIL import Image

    with SummaryWriter(tmp_path) as writer:
        writer.add_image("one", torch.zeros(3, 4, 5))
        writer.add_image("grey", np.full((4, 5), 255, np.uint8), dataformats="HW")
        writer.add_images("many", torch.ones(10, 1, 2, 3))
    shapes, colours = [], []
    for _, _, value in events(tmp_path):
        picture = dict(fields(value[4]))
        image = Image.open(io.BytesIO(picture[4]))
        shapes.append((picture[1], picture[2], image.size))
        colours.append(image.getpixel((0, 0)))
    assert shapes == [(4, 5, (5, 4)), (4, 5, (5, 4)), (4, 24, (24, 4))]
    assert colours == [(0, 0, 0), (255, 255, 255), (255, 255, 255)]


def test_text_curves_and_settings(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("notes", "# hello")
        writer.add_pr_curve("pr", np.array([0, 1, 1]), np.array([0.1, 0.8, 0.4]))
        writer.add_hparams({"lr": 0.1, "opt": "sgd"}, {"accuracy": 0.5}, run_name="run")
        writer.add_embedding(torch.eye(3), metadata=["a", "b", "c"])
    assert [tag for _, tag, _ in events(tmp_path)] == ["notes/text_summary", "pr"]
    names = [tag for _, tag, _ in events(tmp_path / "run")]
    start = "_hparams_/session_start_info"
    assert names == ["_hparams_/experiment", start, "_hparams_/session_end_info", "accuracy"]
    assert (tmp_path / "00000/default/tensors.tsv").read_text().splitlines()[1] == "0.0\t1.0\t0.0"
    assert "metadata.tsv" in (tmp_path / "projector_config.pbtxt").read_text()


def test_graph(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, torch.ones(1, 2))
    ((_, _, event),) = events(tmp_path)
    nodes = [fields(node) for number, node in fields(event[4]) if number == 1]
    names = [dict(n)[1].decode() for n in nodes]
    assert names == ["input/input_0", "Sequential/0/weight", "Sequential/0/bias", "Sequential/0", "Sequential/1",
                     "output/output_0"]  # fmt: skip
    assert [v.decode() for n, v in nodes[3] if n == 3] == ["input/input_0", *names[1:3]]
    assert model.training and not model[0]._forward_hooks


def test_written_again_after_closing(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.close()
    writer.add_scalar("late", 1)
    writer.close()
    assert [tag for _, tag, _ in events(tmp_path)] == ["late"]


def test_summaries_that_a_logger_writes_itself(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        file = writer._get_file_writer()
        for part in summary.hparams({"lr": 0.1}, {"loss": 0.5}):
            file.add_summary(part, 3)
        file.add_summary(summary.scalar("loss", torch.tensor(0.25)), 4)
        assert file.get_logdir() == str(tmp_path)
    steps, tags, values = zip(*events(tmp_path))
    start = "_hparams_/session_start_info"
    assert tags == ("_hparams_/experiment", start, "_hparams_/session_end_info", "loss")
    assert steps == (3, 3, 3, 4) and struct.unpack("<f", values[-1][2]) == (0.25,)
