"""Windows, and short-time Fourier transforms over them: torch.stft, torch.istft, torch.hann_window and its kin."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import FLOAT, scalar_name
from . import fft
from .arranging import constant_pad_nd
from .creation import tensor
from .declare import opaque
from .products import _cpp
from .record import composite, public


# -------------------------------------------------------------------------------------------------------------- windows
def cosines(weights: Any, n: int, periodic: bool) -> np.ndarray:
    """sum (-1)^k weights[k] cos(2 pi k i / (n - 1)), or / n for a period of n."""
    phase = 2 * np.pi * np.arange(n) / max(n if periodic else n - 1, 1)
    return sum((-1) ** k * w * np.cos(k * phase) for k, w in enumerate(weights))


def triangle(n: int, periodic: bool) -> np.ndarray:
    return 1 - np.abs(2 * np.arange(n) / max(n if periodic else n - 1, 1) - 1)


def kaiser(n: int, periodic: bool, beta: float) -> np.ndarray:
    from ..runtime import special

    place = 2 * np.arange(n) / max(n if periodic else n - 1, 1) - 1
    return special.i0(beta * np.sqrt(np.maximum(1 - place * place, 0))) / special.i0(np.float64(beta))


def _window(name: str, values: Callable, **defaults: float) -> None:
    parameters = ("window_length", "periodic", *defaults)

    def function(*args: Any, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
                 requires_grad: bool = False, **kwargs: Any) -> Tensor:  # fmt: skip
        given = {"periodic": True} | defaults | dict(zip(parameters, args, strict=False)) | kwargs
        n, periodic = given.pop("window_length"), given.pop("periodic")
        if type(n) is not int:
            raise TypeError(f"{name}(): argument 'window_length' (position 1) must be int, not {type(n).__name__}")
        if n < 0:
            raise RuntimeError(f"{name} requires non-negative window_length, got window_length={n}")
        dtype = dtype or dtypes.get_default_dtype()
        if dtype.kind != FLOAT:
            kind = _cpp(dtype) + (" int" if dtype.name in ("int64", "int32", "int16") else "")
            raise RuntimeError(
                f"{name} expects floating point dtypes, got: "
                f"TensorOptions(dtype={kind.replace('int int', 'int')}, device=cpu, "
                "layout=Strided (default), requires_grad=false (default), pinned_memory=false, memory_format=(nullopt))"
            )
        value = np.ones(n) if n <= 1 else values(n, bool(periodic), **given)
        return tensor(value, dtype=dtype, device=device, requires_grad=requires_grad)

    function.__doc__ = (
        f"A window of the shape that {name.removesuffix('_window')} gives it; periodic unless said otherwise."
    )
    function.__name__ = name
    public(function)


_window("hann_window", lambda n, p: cosines((0.5, 0.5), n, p))
_window("hamming_window", lambda n, p, alpha, beta: cosines((alpha, beta), n, p), alpha=0.54, beta=0.46)
_window("blackman_window", lambda n, p: cosines((0.42, 0.5, 0.08), n, p))
_window("bartlett_window", lambda n, p: triangle(n, p))
_window("kaiser_window", lambda n, p, beta: kaiser(n, p, beta), beta=12.0)


# --------------------------------------------------------------------------------------------------- overlapping pieces
@opaque(
    lambda x, hop: ((x.size[0], (x.size[1] - 1) * hop + x.size[2]), x.dtype), name="overlap_add",
    grad=lambda g, y, _x, hop: g.unfold(-1, _x.size[-1], hop), grad_name="UnfoldBackwardBackward0",
)  # fmt: skip
def overlap_add(xp: Any, x: Any, hop: int) -> Any:
    """The sum of frames, (batch, frames, length), each of which begins `hop` later than the one before."""
    batch, frames, length = x.shape
    parts = -(-length // hop)
    blocks = xp.zeros((batch, frames, parts * hop), x.dtype)
    blocks[..., :length] = x
    blocks = blocks.reshape(batch, frames, parts, hop)
    out = xp.zeros((batch, frames + parts - 1, hop), x.dtype)
    for i in range(parts):
        out[:, i : i + frames] += blocks[:, :, i]
    return out.reshape(batch, -1)[:, : (frames - 1) * hop + length]


def _shown(x: Tensor | None) -> str:
    if x is None:
        return "None"
    return f"torch.{scalar_name(x.dtype)}Tensor{{{list(x.shape)}}}"


def _flag(value: Any) -> str:
    return "None" if value is None else str(int(value))


def _fitted_window(window: Tensor | None, length: int, n_fft: int, like: Tensor) -> Tensor | None:
    """The window in the middle of n_fft samples."""
    if length == n_fft:
        return window
    if window is None:
        window = like.new_ones((length,), dtype=like.dtype.to_real())
    left = (n_fft - length) // 2
    return constant_pad_nd(window, (left, n_fft - length - left))


@composite()
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The Fourier transforms of overlapping pieces of a signal: (..., frequencies, frames).

    >>> from .creation import ones
    >>> stft(ones(8), 4, window=ones(4), return_complex=True).shape
    torch.Size([3, 9])
    """
    if align_to_window is not None and center:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if return_complex is None:
        if not (input.dtype.is_complex or window is not None and window.dtype.is_complex):
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if center and 1 <= input.ndim <= 2:
        half = n_fft // 2
        input = _padded(input, half, pad_mode)
    about = (
        f"stft(torch.{scalar_name(input.dtype)}Tensor{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, "
        f"win_length={length}, "
        f"window={_shown(window)}, normalized={int(normalized)}, onesided={_flag(onesided)}, "
        f"return_complex={_flag(return_complex)}, "
        f"align_to_window={_flag(align_to_window)}) : "
    )
    _check_stft(about, input, n_fft, hop, length, window)
    window = _fitted_window(window, length, n_fft, input)
    vector = input.ndim == 1
    frames = (input.unsqueeze(0) if vector else input).unfold(-1, n_fft, hop)
    if window is not None:
        frames = frames * window
    if onesided is None:
        onesided = not frames.dtype.is_complex
    if onesided and frames.dtype.is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    transform = fft.rfft if onesided else fft.fft
    result = transform(frames, norm="ortho" if normalized else None).transpose(1, 2)
    result = result.squeeze(0) if vector else result
    if return_complex:
        return result
    from .restriding import view_as_real

    return view_as_real(result.contiguous())


_PADDINGS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # ours: NumPy's


def _padded(x: Tensor, n: int, mode: str) -> Tensor:
    """A signal with n samples more on either side."""
    if mode == "constant" or not n:
        return constant_pad_nd(x, (n, n))
    if mode not in _PADDINGS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    size = x.shape[-1]
    if mode == "reflect" and n >= size:
        lifted = [1] * (3 - x.ndim) + list(x.shape)
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({n}, {n}) at dimension 2 of input {lifted}"
        )
    return x.index_select(-1, tensor(np.pad(np.arange(size), n, mode=_PADDINGS[mode])))


def _check_stft(about: str, input: Tensor, n_fft: int, hop: int, length: int, window: Tensor | None) -> None:
    if input.dtype.kind < FLOAT:
        raise RuntimeError(about + "expected a tensor of floating point or complex values")
    if not 1 <= input.ndim <= 2:
        raise RuntimeError(about + "expected a 1D or 2D tensor")
    if not 0 < n_fft <= input.shape[-1]:
        raise RuntimeError(about + f"expected 0 < n_fft < {input.shape[-1]}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(about + f"expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise RuntimeError(about + f"expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is not None and (window.ndim != 1 or window.shape[0] != length):
        raise RuntimeError(
            about + f"expected a 1D window tensor of size equal to win_length={length}, but got window with "
            f"size {list(window.shape)}"
        )


@composite()
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal whose `stft` is nearest to the input: the pieces back in place, divided by the overlapping windows."""
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    about = (
        f"istft(CPU{scalar_name(input.dtype)}Type{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, "
        f"win_length={width}, "
        f"window={_shown(window)}, center={int(center)}, normalized={int(normalized)}, onesided={_flag(onesided)}, "
        f"length={'None' if length is None else length}, return_complex={int(return_complex)}) "
    )
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    if onesided is None:
        onesided = n_fft != input.shape[-2]
    _check_istft(about, input, n_fft, hop, width, window, onesided, return_complex)
    vector = input.ndim == 2
    spectra = (input.unsqueeze(0) if vector else input).transpose(1, 2)
    norm = "ortho" if normalized else None
    if onesided:
        frames = fft.irfft(spectra, n_fft, norm=norm)
    else:
        real_half = spectra[..., : n_fft // 2 + 1]
        frames = fft.ifft(spectra, norm=norm) if return_complex else fft.irfft(real_half, n_fft, norm=norm)
    window = _fitted_window(window, width, n_fft, frames)
    if window is None:
        window = frames.new_ones((n_fft,), dtype=frames.dtype.to_real())
    total = overlap_add(frames * window, hop=hop)
    squares = overlap_add((window * window).expand(1, frames.shape[1], n_fft), hop=hop)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total.shape[-1] - start
    stop = min(end, total.shape[-1])
    total, squares = total[..., start:stop], squares[..., start:stop]
    least = float(squares.abs().min()) if squares.numel() else 1.0
    if not least > 1e-11:
        raise RuntimeError(about + "window overlap add min: 1")
    result = total / squares
    if end > stop:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in the "
            "tail. Please check "
            "your center, hop_length and window settings.",
            stacklevel=2,
        )
        result = constant_pad_nd(result, (0, end - stop))
    return result.squeeze(0) if vector else result


def _check_istft(
    about: str, input: Tensor, n_fft: int, hop: int, width: int, window: Any, onesided: bool, complex_: bool
) -> None:
    if not input.numel():
        raise RuntimeError(about + ": input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise RuntimeError(about + f": expected a tensor with 2 or 3 dimensions, but got {input.ndim}")
    rows = n_fft // 2 + 1 if onesided else n_fft
    if input.shape[-2] != rows:
        wanted = "n_fft / 2 + 1 when onesided=True" if onesided else "n_fft when onesided=False"
        raise RuntimeError(
            about + f": expected the frequency dimension (3rd to the last) of the input tensor to match {wanted}, but "
            f"got {input.shape[-2]}"
        )
    if not 0 < hop <= width:
        raise RuntimeError(about + ": expected 0 < hop_length <= win_length")
    if not 0 < width <= n_fft:
        raise RuntimeError(about + ": expected 0 < win_length <= n_fft")
    if window is not None and (window.ndim != 1 or window.shape[0] != width):
        raise RuntimeError(about + ": Invalid window shape. window has to be 1D and length of `win_length`")
    if complex_ and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not complex_ and window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
