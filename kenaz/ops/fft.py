"""Fourier transforms: three operators (complex to complex, to and from real) and torch.fft's functions over them.

The adjoint of a transform is the transform in the other direction, with "forward" and "backward" scaling exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core import shape as shapes
from ..core.dtype import FLOAT, HALF, scalar_name
from ..core.spec import Spec
from .checks import with_out
from .creation import tensor
from .declare import opaque
from .joining import cat
from .restriding import real

FFT: dict[str, Callable] = {}  # the `torch.fft` namespace


def published(function: Callable) -> Callable:
    """Make a function part of `torch.fft`, and let it take `out=`."""
    named = FFT[function.__name__] = with_out(function.__name__, function)
    return named


# ------------------------------------------------------------------------------------------------------------ operators
_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _complex(d: Any) -> Any:
    return d if d.is_complex else dtypes.complex128 if d is dtypes.float64 else dtypes.complex64


@opaque(
    lambda x, dims, inverse, norm: (x.size, x.dtype), name="fft_c2c", grad_name="FftC2CBackward0",
    grad=lambda g, y, _x, dims, inverse, norm: c2c(g, dims=dims, inverse=not inverse, norm=_OPPOSITE[norm]),
)  # fmt: skip
def c2c(xp: Any, x: Any, dims: tuple, inverse: bool, norm: str) -> Any:
    """The transform of a complex tensor over axes."""
    return (xp.fft.ifftn if inverse else xp.fft.fftn)(x, axes=dims, norm=norm) if dims else x.copy()


def _r2c_rule(x: Spec, dims: tuple, half: bool, inverse: bool, norm: str) -> tuple:
    last = dims[-1]
    size = (*x.size[:last], x.size[last] // 2 + 1, *x.size[last + 1 :]) if half else x.size
    return size, _complex(x.dtype)


def _r2c_grad(g: Tensor, n: int, dims: tuple, half: bool, inverse: bool, norm: str) -> Tensor:
    return real(c2c(_resized(g, dims[-1], n) if half else g, dims=dims, inverse=not inverse, norm=_OPPOSITE[norm]))


@opaque(
    _r2c_rule, name="fft_r2c", grad_name="FftR2CBackward0",
    grad=lambda g, y, _x, dims, half, inverse, norm: _r2c_grad(g, _x.size[dims[-1]], dims, half, inverse, norm),
)  # fmt: skip
def r2c(xp: Any, x: Any, dims: tuple, half: bool, inverse: bool, norm: str) -> Any:
    """The transform of a real tensor; its last axis as far as it is not the mirror image of the rest, where `half`."""
    if half:
        return xp.fft.rfftn(x, axes=dims, norm=norm)
    return (xp.fft.ifftn if inverse else xp.fft.fftn)(x, axes=dims, norm=norm)


def _c2r_grad(g: Tensor, dims: tuple, last: int, norm: str) -> Tensor:
    d = dims[-1]
    y = r2c(g, dims=dims, half=True, inverse=False, norm=_OPPOSITE[norm])
    twice = last - y.shape[d]  # these stand for their mirror images as well
    weights = np.ones(y.shape[d])
    weights[1 : 1 + twice] = 2
    return y * tensor(weights, dtype=g.dtype).reshape([-1 if i == d else 1 for i in range(g.ndim)])


@opaque(
    lambda x, dims, last, norm: ((*x.size[: dims[-1]], last, *x.size[dims[-1] + 1 :]), x.dtype.to_real()),
    name="fft_c2r",
    grad_name="FftC2RBackward0", grad=lambda g, y, _x, dims, last, norm: _c2r_grad(g, dims, last, norm),
)  # fmt: skip
def c2r(xp: Any, x: Any, dims: tuple, last: int, norm: str) -> Any:
    """The inverse transform of half of what is its own mirror image, so that it is real; `last` is its size over
    the last axis.
    """
    return xp.fft.irfftn(x, [*(x.shape[d] for d in dims[:-1]), last], dims, norm)


# ------------------------------------------------------------------------------------------------------------ arguments
def _typed(input: Tensor, to_complex: bool = False) -> Tensor:
    if input.dtype.kind < FLOAT:
        input = input.to(dtypes.get_default_dtype())
    if input.dtype in HALF:
        raise RuntimeError(f"Unsupported dtype {scalar_name(input.dtype)}")
    return input.to(_complex(input.dtype)) if to_complex else input


def _real_only(name: str, input: Tensor, word: str = "real") -> Tensor:
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} expects a {word} input tensor, but got {scalar_name(input.dtype)}")
    return _typed(input)


def _norm(norm: str | None) -> str:
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm or "backward"


def _swapped(norm: str | None) -> str:
    return _OPPOSITE[_norm(norm)]


def _resized(x: Tensor, d: int, n: int) -> Tensor:
    """x cut or padded with zeros to size n along an axis."""
    have = x.shape[d]
    if n == have:
        return x
    if n < have:
        return x.narrow(d, 0, n)
    size = list(x.shape)
    size[d] = n - have
    return cat([x, x.new_zeros(size)], d)


def _points(n: int | None, default: int) -> int:
    n = default if n is None else n
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _axes(input: Tensor, s: Any, dim: Any) -> tuple[tuple, list]:
    """Axes and sizes out of `s` and `dim`, either of which may be left out."""
    s = [s] if isinstance(s, int) else s
    if dim is None:
        if s is not None and len(s) > input.ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {input.ndim} dimensions.")
        dim = range(input.ndim) if s is None else range(input.ndim - len(s), input.ndim)
    dims = tuple(_axis(d, input) for d in ([dim] if isinstance(dim, int) else dim))
    if len(set(dims)) != len(dims):
        raise RuntimeError("FFT dims must be unique")
    if s is not None and len(s) != len(dims):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    sizes = [input.shape[d] if s is None or s[i] == -1 else s[i] for i, d in enumerate(dims)]
    for n in sizes:
        _points(n, n)
    return dims, sizes


def _fitted(input: Tensor, dims: tuple, sizes: list) -> Tensor:
    for d, n in zip(dims, sizes, strict=True):
        input = _resized(input, d, n)
    return input


# ------------------------------------------------------------------------------------------------------------- one axis
def _one(input: Tensor, n: int | None, dim: int, norm: str | None, inverse: bool) -> Tensor:
    input = _typed(input)
    d = _axis(dim, input)
    input = _resized(input, d, _points(n, input.shape[d]))
    if input.dtype.is_complex:
        return c2c(input, dims=(d,), inverse=inverse, norm=_norm(norm))
    return r2c(input, dims=(d,), half=False, inverse=inverse, norm=_norm(norm))


def _axis(dim: int, input: Tensor) -> int:
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return shapes.axis(dim, input.ndim)


@published
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform along an axis.

    >>> fft(tensor([1.0, 0.0])).tolist()
    [(1+0j), (1+0j)]
    """
    return _one(input, n, dim, norm, inverse=False)


@published
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `fft`."""
    return _one(input, n, dim, norm, inverse=True)


@published
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The first half of the transform of real values; the rest is its mirror image."""
    input = _real_only("rfft", input)
    d = _axis(dim, input)
    return r2c(_resized(input, d, _points(n, input.shape[d])), dims=(d,), half=True, inverse=False, norm=_norm(norm))


@published
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `rfft`; n is the size of the result."""
    input = _typed(input, to_complex=True)
    d = _axis(dim, input)
    n = _points(n, 2 * (input.shape[d] - 1))
    return c2r(_resized(input, d, n // 2 + 1), dims=(d,), last=n, norm=_norm(norm))


@published
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The transform of half of a signal that is its own mirror image, conjugated: it is real."""
    return irfft(input.conj(), n, dim, _swapped(norm))


@published
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `hfft`."""
    _real_only("ihfft", input)
    return rfft(input, n, dim, _swapped(norm)).conj()


# --------------------------------------------------------------------------------------------------------- several axes
@published
def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform over several axes."""
    dims, sizes = _axes(input, s, dim)
    return c2c(_fitted(_typed(input, True), dims, sizes), dims=dims, inverse=False, norm=_norm(norm))


@published
def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `fftn`."""
    dims, sizes = _axes(input, s, dim)
    return c2c(_fitted(_typed(input, True), dims, sizes), dims=dims, inverse=True, norm=_norm(norm))


@published
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The transform of real values over several axes, the last as far as it is not the mirror image of the rest."""
    input = _real_only("rfftn", input, "real-valued")
    dims, sizes = _axes(input, s, dim)
    if not dims:
        raise RuntimeError("rfftn must transform at least one axis")
    return r2c(_fitted(input, dims, sizes), dims=dims, half=True, inverse=False, norm=_norm(norm))


@published
def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `rfftn`."""
    input = _typed(input, True)
    dims, sizes = _axes(input, s, dim)
    if not dims:
        raise RuntimeError("irfftn must transform at least one axis")
    given = s is not None and ([s] if isinstance(s, int) else s)[-1] != -1
    last = _points(sizes[-1] if given else 2 * (input.shape[dims[-1]] - 1), 1)
    return c2r(_fitted(input, dims, [*sizes[:-1], last // 2 + 1]), dims=dims, last=last, norm=_norm(norm))


@published
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`hfft` over several axes."""
    return irfftn(input.conj(), s, dim, _swapped(norm))


@published
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `hfftn`."""
    _real_only("ihfftn", input)
    return rfftn(input, s, dim, _swapped(norm)).conj()


def _two(name: str, several: Callable) -> None:
    def function(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
        return several(input, s, dim, norm)

    function.__name__ = name
    function.__doc__ = f"`{name[:-1]}n` over two axes, by default the last ones."
    published(function)


for _several in (fftn, ifftn, rfftn, irfftn, hfftn, ihfftn):
    _two(_several.__name__[:-1] + "2", _several)


# ---------------------------------------------------------------------------------------------------------- frequencies
def _frequencies(name: str, values: Callable) -> None:
    def function(
        n: int,
        d: float = 1.0,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        dtype = dtype or dtypes.get_default_dtype()
        if dtype.kind < FLOAT:
            raise RuntimeError(f"{name} requires a floating point or complex dtype")
        return tensor(
            values(n) / (n * d) if n else np.empty(0), dtype=dtype, device=device, requires_grad=requires_grad
        )

    function.__name__ = name
    function.__doc__ = f"The frequencies that the elements of {name.removesuffix('freq')}'s result belong to."
    published(function)


_frequencies("fftfreq", lambda n: (np.arange(n) + n // 2) % n - n // 2)
_frequencies("rfftfreq", lambda n: np.arange(n // 2 + 1))


def _shift(input: Tensor, dim: Any, amount: Callable) -> Tensor:
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    return input.roll([amount(input.shape[d]) for d in dims], dims) if dims else input.clone()


@published
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The elements rolled so that the frequency zero is in the middle."""
    return _shift(input, dim, lambda n: n // 2)


@published
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shift(input, dim, lambda n: (n + 1) // 2)
