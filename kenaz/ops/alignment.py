"""Connectionist temporal classification (Graves et al., 2006): the likelihood of a label sequence under all alignments.

A target of S labels is read as L = 2 S + 1 symbols with a blank around each label. `alpha[t, n, s]` is the logarithm of
the probability of all ways through the first t + 1 frames that end in symbol s; `beta` is the same from the other end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..autograd.modes import state
from ..core import dtype as dtypes
from ..core.dtype import scalar_name
from .creation import tensor
from .declare import opaque
from .record import public


# -------------------------------------------------------------------------------------------------------------- kernels
def _symbols(xp: Any, targets: Any, lengths: Any, blank: int) -> Any:
    """The symbols (N, L) of targets (N, S) or, one after another, (sum of lengths)."""
    longest = int(lengths.max()) if len(lengths) else 0
    labels = xp.full((len(lengths), longest), blank, dtype=np.int64)
    inside = xp.arange(longest) < lengths[:, None]
    labels[inside] = targets if targets.ndim == 1 else targets[:, :longest][inside]
    symbols = xp.full((len(lengths), 2 * longest + 1), blank, dtype=np.int64)
    symbols[:, 1::2] = labels
    return symbols


def _shifted(xp: Any, x: Any, by: int) -> Any:
    """The columns moved to the right (or left) by one or two, with -inf coming in."""
    moved = xp.full_like(x, -np.inf)
    if by > 0:
        moved[:, by:] = x[:, :-by]
    else:
        moved[:, :by] = x[:, -by:]
    return moved


def _step(xp: Any, x: Any, by: int, skips: Any) -> Any:
    """The log-probability of coming to each symbol from itself, its neighbour, or past a blank."""
    far = xp.where(skips, _shifted(xp, x, 2 * by), -np.inf) if x.shape[1] > 2 else xp.full_like(x, -np.inf)
    near = _shifted(xp, x, by) if x.shape[1] > 1 else xp.full_like(x, -np.inf)
    return xp.logaddexp(xp.logaddexp(x, near), far)


def _ends(xp: Any, rows: Any, target_lengths: Any) -> tuple[Any, Any]:
    """The last label and the blank after it, where every way must end."""
    last = 2 * target_lengths
    return last, xp.where(last > 0, last - 1, last)


def _forward(xp: Any, emit: Any, skips: Any, valid: Any, target_lengths: Any) -> Any:
    alpha = xp.full_like(emit, -np.inf)
    if len(emit):
        alpha[0, :, 0] = emit[0, :, 0]
        if emit.shape[2] > 1:
            alpha[0, :, 1] = xp.where(target_lengths > 0, emit[0, :, 1], -np.inf)
    for t in range(1, len(emit)):
        alpha[t] = xp.where(valid, _step(xp, alpha[t - 1], 1, skips) + emit[t], -np.inf)
    return alpha


def _backward(xp: Any, emit: Any, skips: Any, valid: Any, input_lengths: Any, target_lengths: Any) -> Any:
    beta = xp.full_like(emit, -np.inf)
    rows = xp.arange(emit.shape[1])
    last, label = _ends(xp, rows, target_lengths)
    start = xp.full_like(emit[0], -np.inf)
    start[rows, last] = start[rows, label] = 0.0
    onwards = xp.zeros_like(skips)
    onwards[:, :-2] = skips[:, 2:]
    here = start
    for t in range(len(emit) - 1, -1, -1):
        ahead = _step(xp, here, -1, onwards) if t < len(emit) - 1 else here
        ahead = xp.where((input_lengths == t + 1)[:, None], start, ahead)
        here = beta[t] = xp.where(valid & (input_lengths > t)[:, None], ahead + emit[t], -np.inf)
    return beta


def _rule(log_probs: Any, targets: Any, inputs: Any, lengths: Any, blank: int, zero_infinity: bool, slope: bool) -> Any:
    frames, batch, classes = log_probs.size
    return [((batch,), log_probs.dtype), ((frames, batch, classes) if slope else (0,), log_probs.dtype)]


def _grad(g: tuple, y: tuple, _log_probs: Any, _targets: Any, _inputs: Any, _lengths: Any) -> tuple:
    return g[0].unsqueeze(-1) * y[1], None, None, None


@opaque(_rule, _grad, name="ctc_loss", grad_name="CtcLossBackward0")
def _ctc(
    xp: Any, log_probs: Any, targets: Any, inputs: Any, lengths: Any, blank: int, zero_infinity: bool, slope: bool
) -> tuple:
    """-log likelihood of each sample and, with `slope`, what its gradient is per frame, sample and class.

    The gradient is PyTorch's: that of scores before log_softmax, which passes through log_softmax unchanged.
    """
    kind, log_probs = log_probs.dtype, log_probs.astype(np.float64)  # differences of logarithms lose digits
    symbols = _symbols(xp, targets.astype(np.int64), lengths, blank)
    rows, width = xp.arange(len(lengths)), symbols.shape[1]
    valid = xp.arange(width) < 2 * lengths[:, None] + 1
    skips = xp.zeros(symbols.shape, bool)
    skips[:, 2:] = symbols[:, 2:] != symbols[:, :-2]
    emit = xp.take_along_axis(log_probs, symbols[None].clip(0, log_probs.shape[2] - 1), 2)
    alpha = _forward(xp, emit, skips, valid, lengths)
    last, label = _ends(xp, rows, lengths)
    frame = xp.maximum(inputs - 1, 0)
    total = alpha[frame, rows, last]
    total = xp.where(lengths > 0, xp.logaddexp(total, alpha[frame, rows, label]), total)
    loss = -xp.where(inputs > 0, total, xp.where(lengths > 0, -np.inf, 0.0))
    impossible = xp.isinf(loss)
    if zero_infinity:
        loss = xp.where(impossible, 0, loss)
    if not slope:
        return loss.astype(kind), xp.zeros(0, kind)
    ways = alpha + _backward(xp, emit, skips, valid, inputs, lengths)
    shares = xp.where(xp.isneginf(ways), 0, xp.exp(ways + xp.where(impossible, 0, loss)[:, None] - emit))
    slopes = xp.exp(log_probs)
    for s in range(width):
        slopes[:, rows, symbols[:, s]] -= shares[:, :, s]
    slopes[:, impossible] = 0 if zero_infinity else np.nan
    slopes[xp.arange(len(slopes))[:, None] >= inputs] = 0
    return loss.astype(kind), slopes.astype(kind)


# ------------------------------------------------------------------------------------------------------------ functions
_WHERE = "(while checking arguments for ctc_loss_allocate_outputs)"


def _numbers(lengths: Any, name: str) -> list[int]:
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point():
            raise RuntimeError(f"{name} must be integral")
        return lengths.reshape(-1).tolist()
    return [int(n) for n in lengths]


def _check(log_probs: Tensor, targets: Tensor, inputs: list[int], lengths: list[int], blank: int) -> None:
    if log_probs.dim() != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {log_probs.dim()}-dimensional tensor for argument #1 'log_probs' "
            + _WHERE
        )
    frames, batch, classes = log_probs.shape
    if log_probs.dtype not in (dtypes.float32, dtypes.float64):
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{scalar_name(log_probs.dtype)}'")
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, given in (("input_lengths", inputs), ("target_lengths", lengths)):
        if len(given) != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
        if given and min(given) < 0:
            raise RuntimeError(f"Expected {name} to have value at least 0, but got value {min(given)} {_WHERE}")
    if targets.dim() not in (1, 2):
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {targets.dim()}-dimensional tensor for argument #2 'targets' {_WHERE}"
        )
    size, wanted = targets.shape, "at least " if targets.dim() == 2 else ""
    needed = max(lengths, default=0) if wanted else sum(lengths)
    dim = targets.dim() - 1
    if size[dim] < needed or not wanted and size[dim] != needed:
        raise RuntimeError(
            f"Expected tensor to have size {wanted}{needed} at dimension {dim}, but got size {size[dim]} "
            f"for argument #2 'targets' {_WHERE}"
        )
    if max(inputs, default=0) > frames:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {frames}, but got value {max(inputs)} {_WHERE}"
        )


@public
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that `log_probs` (T, N, C) spells each target; `reduction` 0 is none, 1 mean, 2 sum.

    >>> ctc_loss(torch.tensor([[[0.5, 0.5]]]).log(), torch.tensor([[1]]), (1,), (1,))
    tensor(0.6931)
    """
    batched = log_probs.dim() == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
    inputs, lengths = _numbers(input_lengths, "input_lengths"), _numbers(target_lengths, "target_lengths")
    _check(log_probs, targets, inputs, lengths, blank)
    loss = _ctc(
        log_probs,
        targets,
        tensor(inputs, dtype=dtypes.int64),
        tensor(lengths, dtype=dtypes.int64),
        blank=blank,
        zero_infinity=bool(zero_infinity),
        slope=state.enabled and log_probs._grad_fn is not None,
    )[0]
    if reduction == 1:
        return (loss / tensor(lengths, dtype=loss.dtype).clamp(min=1)).mean()
    if reduction == 2:
        return loss.sum()
    return loss if batched else loss.squeeze(0)
