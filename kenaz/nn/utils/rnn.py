"""Sequences of different lengths: padded to one length, or packed one time step after the other.

A PackedSequence holds the steps of a batch of sequences, sorted by length, without padding: first the first element of
every sequence, then the second of every sequence that has one, and so on; `batch_sizes` counts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ... import _api as torch

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpad_sequence",
    "pack_sequence",
    "unpack_sequence",
]


class PackedSequence_(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(PackedSequence_):
    """The steps of a batch of sequences without padding; `pack_sequence` and `pack_padded_sequence` make it."""

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> Any:
        return super().__new__(cls, *_packed_sequence_init_args(data, batch_sizes, sorted_indices, unsorted_indices))

    def __reduce__(self) -> tuple:
        return _packed_sequence_init, tuple(self)  # a function that plain pickle finds, under PyTorch's name for it

    def pin_memory(self) -> Any:
        """A copy in page-locked memory."""
        made: Any = type(self)
        return made(*(None if t is None else t.pin_memory() for t in self[:1]), *self[1:])

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """A copy with data of another dtype or on another device; batch_sizes stay on the CPU."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        place = {"device": data.device, "non_blocking": kwargs.get("non_blocking", False)}
        indices = (None if t is None else t.to(**place) for t in (self.sorted_indices, self.unsorted_indices))
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, *args: Any, **kwargs: Any) -> Any:
        """A copy on a GPU."""
        example = torch.tensor((), dtype=self.data.dtype, device=self.data.device).to(*args, **kwargs)
        if example.device.type != "cuda":
            kwargs["device"] = "cuda"
        return self.to(*args, **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> Any:
        """A copy on the CPU."""
        example = torch.tensor((), dtype=self.data.dtype, device=self.data.device).to(*args, **kwargs)
        if example.device.type != "cpu":
            kwargs["device"] = "cpu"
        return self.to(*args, **kwargs)

    def double(self) -> Any:
        """A copy as float64."""
        return self.to(dtype=torch.double)

    def float(self) -> Any:
        """A copy as float32."""
        return self.to(dtype=torch.float)

    def half(self) -> Any:
        """A copy as float16."""
        return self.to(dtype=torch.half)

    def long(self) -> Any:
        """A copy as int64."""
        return self.to(dtype=torch.long)

    def int(self) -> Any:
        """A copy as int32."""
        return self.to(dtype=torch.int)

    def short(self) -> Any:
        """A copy as int16."""
        return self.to(dtype=torch.short)

    def char(self) -> Any:
        """A copy as int8."""
        return self.to(dtype=torch.int8)

    def byte(self) -> Any:
        """A copy as uint8."""
        return self.to(dtype=torch.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in page-locked memory."""
        return self.data.is_pinned()


def _packed_sequence_init(
    data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
) -> PackedSequence:
    return PackedSequence(data, batch_sizes, sorted_indices, unsorted_indices)


def _packed_sequence_init_args(
    data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
) -> tuple:
    if unsorted_indices is None:
        unsorted_indices = invert_permutation(sorted_indices)
    if batch_sizes is not None:
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. "
                "They should be instantiated by functions like pack_sequence and pack_padded_sequences in "
                "nn.utils.rnn. https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return data, batch_sizes, sorted_indices, unsorted_indices
    if not isinstance(data, list | tuple) or len(data) != 2:
        raise AssertionError("Expected data to be a list or tuple of length 2")
    return data[0], data[1], sorted_indices, unsorted_indices


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes another."""
    if permutation is None:
        return None
    order = torch.arange(permutation.numel(), device=permutation.device)
    return torch.empty_like(permutation).scatter_(0, permutation, order)


def _counts(limits: np.ndarray, length: int) -> np.ndarray:
    """For each of `length` steps, how many of the limits lie beyond it."""
    return (limits > np.arange(length)[:, None]).sum(1)


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """A padded batch of sequences without its padding.

    >>> padded = torch.tensor([[1, 2], [3, 4], [5, 0]])
    >>> pack_padded_sequence(padded, [3, 2]).data
    tensor([1, 2, 3, 4, 5])
    """
    lengths = torch.as_tensor(lengths, dtype=torch.int64)
    if lengths.device.type != "cpu" or lengths.dim() != 1:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device.type} Long "
            "tensor"
        )
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = torch.sort(lengths, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    steps, batch_size = input.size(0), input.size(1)
    limits = np.array(lengths.tolist(), dtype=np.int64)
    _check_lengths(limits, input, batch_size)
    sizes = _counts(limits, int(limits[0]))
    rows = np.concatenate([t * batch_size + np.arange(n) for t, n in enumerate(sizes[:steps])])
    flat = input.reshape(steps * batch_size, *input.shape[2:])
    data = flat.index_select(0, torch.from_numpy(rows).to(input.device))
    return PackedSequence(data, torch.from_numpy(sizes), sorted_indices, None)


def _check_lengths(lengths: np.ndarray, input: Any, batch_size: int) -> None:
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(lengths) != batch_size:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={batch_size})"
        )
    if lengths[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (np.diff(lengths) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """The padded batch of a packed one, and the lengths of its sequences."""
    sizes = np.array(sequence.batch_sizes.tolist(), dtype=np.int64)
    steps, batch_size = len(sizes), int(sizes[0])
    if total_length is not None and total_length < steps:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {steps}"
        )
    data = sequence.data
    total = total_length or steps
    rows = np.concatenate([t * batch_size + np.arange(n) for t, n in enumerate(sizes)])
    padded = _spread(data, rows, (total, batch_size), padding_value)
    lengths = torch.from_numpy(_counts(sizes, batch_size))
    if batch_first:
        padded = padded.transpose(0, 1)
    order = sequence.unsorted_indices
    if order is not None:
        return padded.index_select(0 if batch_first else 1, order), lengths[order.cpu()]
    return padded, lengths


def _spread(data: Any, rows: np.ndarray, size: tuple[int, int], padding_value: float) -> Any:
    """A tensor of `size` (and data's trailing sizes) with data in the given rows, counted flat, else padding."""
    trailing = data.shape[1:]
    blank = torch.full((size[0] * size[1], *trailing), padding_value, dtype=data.dtype, device=data.device)
    return blank.index_copy(0, torch.from_numpy(rows).to(data.device), data).view(*size, *trailing)


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Sequences of different lengths in one tensor.

    >>> pad_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = list(sequences)
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    for i, sequence in enumerate(sequences):
        if not isinstance(sequence, torch.Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(sequence).__name__}")
    first = sequences[0]
    for sequence in sequences:
        if sequence.shape[1:] != first.shape[1:]:
            raise RuntimeError(
                f"output with shape {[sequence.size(0), *first.shape[1:]]} doesn't match the broadcast shape "
                f"{list(sequence.shape)}"
            )
    lengths = np.array([sequence.size(0) for sequence in sequences])
    batch_size, longest = len(sequences), int(lengths.max())
    steps = np.arange(longest)
    if padding_side == "right":
        mask = steps < lengths[:, None]
    else:
        mask = steps >= longest - lengths[:, None]
    data = torch.cat([sequence.to(first.dtype) for sequence in sequences])
    padded = _spread(data, np.flatnonzero(mask), (batch_size, longest), padding_value)
    return padded if batch_first else padded.transpose(0, 1).contiguous()


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list:
    """The sequences of a padded batch, each with its own length."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [sequence[: int(length)] for sequence, length in zip(padded_sequences, lengths)]


def pack_sequence(sequences: list, enforce_sorted: bool = True) -> PackedSequence:
    """Sequences of different lengths, packed.

    >>> pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])]).data
    tensor([1, 4, 2, 3])
    """
    lengths = torch.as_tensor([sequence.size(0) for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list:
    """The sequences of a packed batch."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


PackedSequence.__module__ = PackedSequence_.__module__ = "torch.nn.utils.rnn"
