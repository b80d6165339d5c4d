"""What a summary can hold: each function returns the bytes of one or more summary Values."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import _api as torch
from .records import message


def as_array(x: Any) -> np.ndarray:
    """Tensors, numbers and arrays as an array."""
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu()
        return (x.float() if x.dtype is torch.bfloat16 else x).numpy()
    if isinstance(x, (list, tuple)):
        return np.array([as_array(v).item() if isinstance(v, torch.Tensor) else v for v in x])
    raise NotImplementedError(f"Got {type(x)}, but numpy array, or torch tensor are expected.")


def _plugin(name: str, content: bytes = b"", display_name: str | None = None, data_class: int | None = None) -> bytes:
    """The SummaryMetadata of a plugin's data."""
    data = message((1, "bytes", name), (2, "bytes", content))
    return message((1, "bytes", data), (2, "bytes", display_name), (4, "int", data_class))


def _tensor(dtype: int, shape: Sequence[int], *content: tuple[int, str, Any]) -> bytes:
    dims = message(*((2, "bytes", message((1, "int", n))) for n in shape))
    return message((1, "int", dtype), (2, "bytes", dims), *content)


DT_FLOAT, DT_DOUBLE, DT_STRING = 1, 2, 7


# ------------------------------------------------------------------------------------------- numbers
def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> bytes:
    value = as_array(value).squeeze()
    if value.ndim != 0:
        raise AssertionError(f"Tensor should contain one element (0 dimensions). Was given size: {value.size} and "
                             f"{value.ndim} dimensions.")  # fmt: skip
    value = float(value)
    if new_style:
        content = (6, "doubles", [value]) if double_precision else (5, "floats", [value])
        tensor = _tensor(DT_DOUBLE if double_precision else DT_FLOAT, (), content)
        return message((1, "bytes", tag), (9, "bytes", _plugin("scalars", data_class=1)), (8, "bytes", tensor))
    return message((1, "bytes", tag), (2, "float", value))


def tensor(tag: str, values: Any) -> bytes:
    values = as_array(values)
    proto = _tensor(DT_FLOAT, values.shape, (5, "floats", values.ravel()))
    return message((1, "bytes", tag), (9, "bytes", _plugin("tensor", data_class=2)), (8, "bytes", proto))


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> bytes:
    values = as_array(values).astype(float).ravel()
    if values.size == 0:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(values, bins=default_bins() if bins == "tensorflow" else bins)
    if max_bins is not None and len(counts) > max_bins:
        step = -(-len(counts) // max_bins)
        counts = np.add.reduceat(counts, np.arange(0, len(counts), step))
        limits = np.append(limits[:-1:step], limits[-1])
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        raise ValueError("The histogram is empty, please file a bug report.")
    # the first bucket begins where the one before it ends: that one is written, empty
    first, last = filled[0], filled[-1]
    limits = limits[first : last + 2]
    counts = np.concatenate([[0], counts[first : last + 1]])
    return histogram_raw(tag, values.min(), values.max(), len(values), values.sum(), values.dot(values), limits, counts)


def histogram_raw(
    tag: str, min: float, max: float, num: float, sum: float, sum_squares: float, limits: Any, counts: Any
) -> bytes:
    histo = message(
        (1, "double", min), (2, "double", max), (3, "double", num), (4, "double", sum), (5, "double", sum_squares),
        (6, "doubles", as_array(limits)), (7, "doubles", as_array(counts)),
    )  # fmt: skip
    return message((1, "bytes", tag), (5, "bytes", histo))


def default_bins() -> np.ndarray:
    """TensorFlow's buckets: symmetric, growing by a tenth from 1e-12 to 1e20."""
    positive = 1e-12 * 1.1 ** np.arange(np.ceil(np.log(1e32) / np.log(1.1)))
    positive = positive[positive < 1e20]
    return np.concatenate([-positive[::-1], [0.0], positive])


# -------------------------------------------------------------------------------------- pictures, sound
def to_hwc(x: np.ndarray, formats: str) -> np.ndarray:
    """A picture as height, width, three channels; a batch of pictures becomes a grid of up to eight columns.

    >>> to_hwc(np.zeros((3, 4, 5)), "CHW").shape
    (4, 5, 3)
    """
    formats = formats.upper()
    assert len(set(formats)) == len(formats), (
        f"You can not use the same dimension shordhand twice, input_format: {formats}"
    )
    assert x.ndim == len(formats), (
        f"size of input tensor and input format are different.         tensor shape: {x.shape}, input_format: {formats}"
    )
    if len(formats) == 4:
        x = _grid(x.transpose([formats.find(c) for c in "NCHW"]))
    elif len(formats) == 3:
        x = x.transpose([formats.find(c) for c in "HWC"])
    else:
        x = x.transpose([formats.find(c) for c in "HW"])[:, :, None]
    return np.concatenate([x] * 3, 2) if x.shape[2] == 1 else x


def _grid(x: np.ndarray, columns: int = 8) -> np.ndarray:
    n, c, h, w = x.shape
    columns = min(n, columns)
    rows = -(-n // columns)
    canvas = np.zeros((rows * columns, 3, h, w), x.dtype)
    canvas[:n] = x  # one channel is repeated
    return canvas.reshape(rows, columns, 3, h, w).transpose(0, 3, 1, 4, 2).reshape(rows * h, columns * w, 3)


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Bytes as they are; floats between 0 and 1 as 0 to 255."""
    return x if x.dtype == np.uint8 else np.clip(x.astype(np.float32) * 255.0, 0, 255).astype(np.uint8)


def image(
    tag: str, pixels: Any, formats: str = "CHW", rescale: float = 1, boxes: Any = None, labels: Any = None
) -> bytes:
    return message(
        (1, "bytes", tag), (4, "bytes", _image(to_uint8(to_hwc(as_array(pixels), formats)), rescale, boxes, labels))
    )


def _image(pixels: np.ndarray, rescale: float = 1, boxes: Any = None, labels: Any = None) -> bytes:
    from PIL import Image

    height, width, channels = pixels.shape
    picture = Image.fromarray(pixels)
    if boxes is not None:
        _draw_boxes(picture, as_array(boxes).reshape(-1, 4), labels)
    if rescale != 1:
        height, width = int(height * rescale), int(width * rescale)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return message((1, "int", height), (2, "int", width), (3, "int", channels), (4, "bytes", file.getvalue()))


def _draw_boxes(picture: Any, boxes: np.ndarray, labels: Any) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    for i, (left, top, right, bottom) in enumerate(boxes.tolist()):
        draw.rectangle((left, top, right, bottom), outline="Red")
        if labels is not None:
            draw.text((left, max(0, top - 12)), str(labels[i]), fill="Red")


def video(tag: str, clips: Any, fps: float = 4) -> bytes:
    """An animated GIF of clips (N, T, C, H, W), side by side."""
    from PIL import Image

    clips = to_uint8(as_array(clips))
    frames = [Image.fromarray(np.ascontiguousarray(to_hwc(clips[:, t], "NCHW"))) for t in range(clips.shape[1])]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=int(1000 / fps), loop=0)
    width, height = frames[0].size
    picture = message((1, "int", height), (2, "int", width), (3, "int", 3), (4, "bytes", file.getvalue()))
    return message((1, "bytes", tag), (4, "bytes", picture))


def audio(tag: str, sound: Any, sample_rate: int = 44100) -> bytes:
    samples = as_array(sound).squeeze()
    assert samples.ndim == 1, "input tensor should be 1 dimensional."
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, sample_rate,
                       2 * sample_rate, 2, 16, b"data", len(pcm))  # fmt: skip
    content = message(
        (1, "float", sample_rate), (2, "int", 1), (3, "int", len(samples)), (4, "bytes", head + pcm),
        (5, "bytes", "audio/wav"),
    )  # fmt: skip
    return message((1, "bytes", tag), (6, "bytes", content))


def figures_to_image(figures: Any, close: bool = True) -> np.ndarray:
    """Matplotlib figures as pictures (C, H, W), or (N, C, H, W) for a list of figures."""
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def render(figure: Any) -> np.ndarray:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[:, :, :3].transpose(2, 0, 1).copy()
        if close:
            pyplot.close(figure)
        return pixels

    return np.stack([render(f) for f in figures]) if isinstance(figures, list) else render(figures)


# ---------------------------------------------------------------------------------------------- plugins
def text(tag: str, content: str) -> bytes:
    proto = _tensor(DT_STRING, (1,), (8, "bytes", content))
    return message(
        (1, "bytes", tag + "/text_summary"), (9, "bytes", _plugin("text", data_class=2)), (8, "bytes", proto)
    )


def pr_curve(tag: str, labels: Any, predictions: Any, thresholds: int = 127, weights: Any = None) -> bytes:
    thresholds = min(thresholds, 127)  # TensorBoard shows no more
    labels, predictions = as_array(labels).ravel(), as_array(predictions).ravel()
    weights = np.ones(labels.shape) if weights is None else as_array(weights).ravel()
    bucket = np.int32(np.floor(predictions * (thresholds - 1)))
    true, _ = np.histogram(bucket, thresholds, (0, thresholds - 1), weights=labels.astype(float) * weights)
    false, _ = np.histogram(bucket, thresholds, (0, thresholds - 1), weights=(1.0 - labels.astype(float)) * weights)
    tp, fp = np.cumsum(true[::-1])[::-1], np.cumsum(false[::-1])[::-1]
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(1e-7, tp + fp)
    recall = tp / np.maximum(1e-7, tp + fn)
    return pr_curve_raw(tag, tp, fp, tn, fn, precision, recall, thresholds)


def pr_curve_raw(
    tag: str, tp: Any, fp: Any, tn: Any, fn: Any, precision: Any, recall: Any, thresholds: int = 127
) -> bytes:
    data = np.stack([as_array(v) for v in (tp, fp, tn, fn, precision, recall)])
    proto = _tensor(DT_FLOAT, data.shape, (5, "floats", data.ravel()))
    metadata = _plugin("pr_curves", message((2, "int", min(thresholds, 127))))
    return message((1, "bytes", tag), (9, "bytes", metadata), (8, "bytes", proto))


def custom_scalars(layout: dict) -> bytes:
    categories = []
    for name, charts in layout.items():
        entries = []
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                assert len(tags) == 3
                series = message((1, "bytes", tags[0]), (2, "bytes", tags[1]), (3, "bytes", tags[2]))
                entries.append(message((1, "bytes", title), (3, "bytes", message((1, "bytes", series)))))
            else:
                lines = message(*((1, "bytes", t) for t in tags))
                entries.append(message((1, "bytes", title), (2, "bytes", lines)))
        categories.append(message((1, "bytes", name), *((2, "bytes", e) for e in entries)))
    proto = _tensor(DT_STRING, (), (8, "bytes", message(*((2, "bytes", c) for c in categories))))
    return message(
        (1, "bytes", "custom_scalars__config__"), (9, "bytes", _plugin("custom_scalars")), (8, "bytes", proto)
    )


def hparams(settings: dict, metrics: dict, domains: dict | None = None) -> list[bytes]:
    """The three values by which the hyper-parameter page knows a run: the experiment, its start, and its end."""
    if not isinstance(settings, dict):
        raise TypeError("parameter: hparam_dict should be a dictionary, nothing logged.")
    if not isinstance(metrics, dict):
        raise TypeError("parameter: metric_dict should be a dictionary, nothing logged.")
    infos, values = [], []
    for name, value in settings.items():
        if value is None:
            continue
        if isinstance(value, torch.Tensor):
            value = as_array(value).item()
        if not isinstance(value, (bool, int, float, str, np.generic)):
            raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")
        options = None if domains is None or name not in domains else _list_value(domains[name])
        kind = 1 if isinstance(value, str) else 2 if isinstance(value, bool) else 3
        infos.append(message((1, "bytes", name), (4, "int", kind), (5, "bytes", options)))
        values.append(message((1, "bytes", message((1, "bytes", name), (2, "bytes", _value(value))))))
    metric_infos = [message((1, "bytes", message((2, "bytes", name)))) for name in metrics]
    experiment = message(*((4, "bytes", i) for i in infos), *((5, "bytes", m) for m in metric_infos))
    # a map is a list of entries, each an (already framed) message of key and value
    start = b"".join(values)
    return [
        _session("_hparams_/experiment", (2, "bytes", experiment)),
        _session("_hparams_/session_start_info", (3, "bytes", start)),
        _session("_hparams_/session_end_info", (4, "bytes", message((1, "int", 1)))),  # STATUS_SUCCESS
    ]


def _session(tag: str, field: tuple[int, str, Any]) -> bytes:
    metadata = _plugin("hparams", message((1, "int", 0), field))
    return message((1, "bytes", tag), (9, "bytes", metadata))


def _value(value: Any) -> bytes:
    """A google.protobuf.Value."""
    if isinstance(value, (bool, np.bool_)):
        return message((4, "int", value))
    if isinstance(value, str):
        return message((3, "bytes", value))
    return message((2, "double", float(value)))


def _list_value(values: Sequence) -> bytes:
    return message(*((1, "bytes", _value(v)) for v in values))


def sprite(pictures: Any) -> tuple[bytes, tuple[int, int]]:
    """Small pictures (N, C, H, W) in one square PNG, and the size of each."""
    from PIL import Image

    pictures = to_uint8(as_array(pictures))
    n, _, height, width = pictures.shape
    side = int(np.ceil(np.sqrt(n)))
    padded = np.zeros((side * side, *pictures.shape[1:]), np.uint8)
    padded[:n] = pictures
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(_grid(padded, side))).save(file, "PNG")
    return file.getvalue(), (height, width)
