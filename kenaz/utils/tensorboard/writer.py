"""SummaryWriter: what a training run reports, in files that TensorBoard reads."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ... import _api as torch
from . import contents
from .graph import graph
from .records import EventFile, event, summary


class SummaryWriter:
    """Writes values under tags to an event file in `log_dir` (by default runs/<date>_<host><comment>).

    Unlike PyTorch's, it does not need TensorBoard to be installed: that is for looking at the files.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            log_dir = os.path.join("runs", f"{datetime.now():%b%d_%H-%M-%S}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step = purge_step
        self.max_queue, self.flush_secs, self.filename_suffix = max_queue, flush_secs, filename_suffix
        self.all_writers: dict[str, EventFile] | None = {}
        self.file_writer = self._file_in(self.log_dir)
        self.default_bins = contents.default_bins().tolist()

    def _file_in(self, log_dir: str) -> EventFile:
        if self.all_writers is None:
            self.all_writers = {}
        file = self.all_writers.get(log_dir)
        if file is None:
            file = self.all_writers[log_dir] = EventFile(log_dir, self.max_queue, self.flush_secs, self.filename_suffix)
            if self.purge_step is not None:  # what an earlier run wrote from this step on is void
                file.add(event(self.purge_step, None, (3, "bytes", "brain.Event:2")))
                file.add(event(self.purge_step, None, (7, "bytes", b"\x08\x01")))  # SessionLog.START
        return file

    def _get_file_writer(self) -> EventFile:
        self.file_writer = self._file_in(self.log_dir)
        return self.file_writer

    def get_logdir(self) -> str:
        """The folder of the files."""
        return self.log_dir

    def _add(self, value: bytes, step: Any, walltime: float | None) -> None:
        step = int(contents.as_array(step).item()) if isinstance(step, torch.Tensor) else step
        self._get_file_writer().add(event(step, walltime, (5, "bytes", summary([value]))))

    # ----------------------------------------------------------------------------------------- numbers
    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: int | None = None, walltime: float | None = None,
        new_style: bool = False, double_precision: bool = False,
    ) -> None:  # fmt: skip
        """A number."""
        self._add(contents.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Several numbers in one chart: each has a file of its own, in a folder of its own."""
        walltime = time.time() if walltime is None else walltime
        for tag, number in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, main_tag.replace("/", "_") + "_" + tag)
            value = contents.scalar(main_tag, number)
            self._file_in(folder).add(event(global_step, walltime, (5, "bytes", summary([value]))))

    def add_tensor(
        self, tag: str, tensor: torch.Tensor, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A tensor's values."""
        self._add(contents.tensor(tag, tensor), global_step, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: Any = "tensorflow",
        walltime: float | None = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        """How values are distributed."""
        self._add(contents.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self, tag: str, min: float, max: float, num: float, sum: float, sum_squares: float, bucket_limits: Sequence,
        bucket_counts: Sequence, global_step: int | None = None, walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A histogram that was counted elsewhere."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        value = contents.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
        self._add(value, global_step, walltime)

    # --------------------------------------------------------------------------------- pictures, sound
    def add_image(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:  # fmt: skip
        """A picture: bytes, or floats between 0 and 1."""
        self._add(contents.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:  # fmt: skip
        """A batch of pictures, as a grid."""
        self._add(contents.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_image_with_boxes(
        self, tag: str, img_tensor: Any, box_tensor: Any, global_step: int | None = None,
        walltime: float | None = None, rescale: float = 1, dataformats: str = "CHW", labels: Any = None,
    ) -> None:  # fmt: skip
        """A picture with rectangles (left, top, right, bottom) drawn on it."""
        labels = [labels] if isinstance(labels, str) else labels
        if labels is not None and len(labels) != len(box_tensor):
            labels = None
        self._add(contents.image(tag, img_tensor, dataformats, rescale, box_tensor, labels), global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True, walltime: float | None = None
    ) -> None:
        """A Matplotlib figure, or a list of them."""
        formats = "NCHW" if isinstance(figure, list) else "CHW"
        self._add(contents.image(tag, contents.figures_to_image(figure, close), formats), global_step, walltime)

    def add_video(
        self, tag: str, vid_tensor: Any, global_step: int | None = None, fps: float = 4, walltime: float | None = None
    ) -> None:
        """Clips (N, T, C, H, W), side by side."""
        self._add(contents.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: int | None = None, sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Sound, between -1 and 1."""
        self._add(contents.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    # ----------------------------------------------------------------------------------------- plugins
    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Text, in which Markdown is shown as such."""
        self._add(contents.text(tag, text_string), global_step, walltime)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """A module's structure, from one call on the given input."""
        self._get_file_writer().add(event(None, None, (4, "bytes", graph(model, input_to_model))))

    def add_pr_curve(
        self, tag: str, labels: Any, predictions: Any, global_step: int | None = None, num_thresholds: int = 127,
        weights: Any = None, walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Precision against recall of a binary classifier."""
        self._add(contents.pr_curve(tag, labels, predictions, num_thresholds, weights), global_step, walltime)

    def add_pr_curve_raw(
        self, tag: str, true_positive_counts: Any, false_positive_counts: Any, true_negative_counts: Any,
        false_negative_counts: Any, precision: Any, recall: Any, global_step: int | None = None,
        num_thresholds: int = 127, weights: Any = None, walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Precision against recall, from counts made elsewhere."""
        counts = (true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts)
        self._add(contents.pr_curve_raw(tag, *counts, precision, recall, num_thresholds), global_step, walltime)

    def add_custom_scalars(self, layout: dict[str, dict[str, list]]) -> None:
        """Which scalars share a chart: {category: {chart: ["Multiline" or "Margin", tags]}}."""
        self._add(contents.custom_scalars(layout), None, None)

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        assert len(tags) == 3
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_hparams(
        self, hparam_dict: dict, metric_dict: dict, hparam_domain_discrete: dict | None = None,
        run_name: str | None = None, global_step: int | None = None,
    ) -> None:  # fmt: skip
        """The settings of a run and what came of them."""
        sessions = contents.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        with SummaryWriter(log_dir=folder) as writer:
            for value in sessions:
                writer._add(value, None, None)
            for tag, number in metric_dict.items():
                writer.add_scalar(tag, number, global_step)

    def add_embedding(
        self, mat: Any, metadata: Any = None, label_img: Any = None, global_step: Any = None, tag: str = "default",
        metadata_header: list[str] | None = None,
    ) -> None:  # fmt: skip
        """Vectors for the projector: files beside the event file, and an entry in projector_config.pbtxt."""
        vectors = contents.as_array(mat)
        step = 0 if global_step is None else int(global_step)
        name = f"{step:05d}/{tag}"
        folder = os.path.join(self._get_file_writer().path.rpartition(os.sep)[0], *name.split("/"))
        os.makedirs(folder, exist_ok=True)
        config = [f'tensor_name: "{tag}:{step:05d}"', f'tensor_path: "{name}/tensors.tsv"']
        if metadata is not None:
            assert len(vectors) == len(metadata), "#labels should equal with #data points"
            _write_rows(os.path.join(folder, "metadata.tsv"), _metadata_rows(metadata, metadata_header))
            config.append(f'metadata_path: "{name}/metadata.tsv"')
        if label_img is not None:
            assert len(vectors) == len(label_img), "#images should equal with #data points"
            png, (height, width) = contents.sprite(label_img)
            with open(os.path.join(folder, "sprite.png"), "wb") as file:
                file.write(png)
            size = f"single_image_dim: {width}\nsingle_image_dim: {height}"
            config.append(f'sprite {{\nimage_path: "{name}/sprite.png"\n{size}\n}}')
        assert vectors.ndim == 2, "mat should be 2D, where mat.size(0) is the number of data points"
        _write_rows(os.path.join(folder, "tensors.tsv"), vectors.tolist())
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "a", encoding="utf-8") as file:
            file.write("embeddings {\n" + "\n".join(config) + "\n}\n")

    # ---------------------------------------------------------------------------------------- life cycle
    def flush(self) -> None:
        """Write what is waiting."""
        for file in (self.all_writers or {}).values():
            file.flush()

    def close(self) -> None:
        for file in (self.all_writers or {}).values():
            file.close()
        self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _metadata_rows(metadata: Sequence, header: list[str] | None) -> list[list]:
    if header is None:
        return [[m] for m in metadata]
    assert len(header) == len(metadata[0]), "len of header must be equal to the number of columns in metadata"
    return [header, *(list(row) for row in metadata)]


def _write_rows(path: str, rows: Sequence[Sequence]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)
