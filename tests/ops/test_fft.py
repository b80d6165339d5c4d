"""Fourier transforms against NumPy's, their derivatives, short-time transforms, windows; einsum against NumPy's."""

import numpy as np
import pytest

import kenaz as torch

F = torch.fft


def signal(*size, complex_=False):
    rng = np.random.default_rng(0)
    a = rng.normal(size=size)
    return a + 1j * rng.normal(size=size) if complex_ else a


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("n", [None, 4, 9])
def test_one_axis(name, n, norm):
    a = signal(3, 6, complex_=name in ("fft", "ifft", "irfft", "hfft"))
    expected = getattr(np.fft, name)(a, n, 1, norm)
    np.testing.assert_allclose(getattr(F, name)(torch.tensor(a), n, 1, norm).numpy(), expected, atol=1e-12)
    x = torch.tensor(a, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: getattr(F, name)(x, n, 0, norm), (x,))


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.parametrize("s", [None, (4, 5)])
def test_several_axes(name, s):
    a = signal(2, 4, 6, complex_=name != "rfftn")
    expected = getattr(np.fft, name)(a, s, (0, 2))
    x = torch.tensor(a, requires_grad=True)
    np.testing.assert_allclose(getattr(F, name)(x, s, (0, 2)).detach().numpy(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: getattr(F, name)(x, s, (0, 2)), (x,))


def test_inverses_and_types():
    x = torch.tensor(signal(4, 6), dtype=torch.float32)
    assert F.rfft(x).dtype is torch.complex64
    for forward, backward in ((F.fft2, F.ifft2), (F.rfft2, F.irfft2), (F.ihfftn, F.hfftn), (F.ihfft2, F.hfft2)):
        np.testing.assert_allclose(backward(forward(x)).real.numpy(), x.numpy(), atol=1e-5)
    np.testing.assert_array_equal(
        F.fftshift(F.fftfreq(5, 0.5)).numpy(), np.fft.fftshift(np.fft.fftfreq(5, 0.5)).astype("f4")
    )
    np.testing.assert_array_equal(F.ifftshift(F.fftshift(x)).numpy(), x.numpy())
    assert F.fft(torch.ones(3, dtype=torch.int64)).dtype is torch.complex64


def test_errors():
    with pytest.raises(RuntimeError, match=r"Invalid number of data points \(0\) specified"):
        F.fft(torch.ones(3), n=0)
    with pytest.raises(RuntimeError, match="rfft expects a real input tensor, but got ComplexFloat"):
        F.rfft(torch.ones(3, dtype=torch.complex64))
    with pytest.raises(RuntimeError, match="stft requires the return_complex parameter"):
        torch.stft(torch.ones(8), 4)


@pytest.mark.parametrize("normalized", [False, True])
def test_short_time_transforms_invert(normalized):
    x = torch.tensor(signal(2, 40), requires_grad=True)
    options = {"hop_length": 2, "window": torch.hann_window(8, dtype=torch.float64), "normalized": normalized}
    spectra = torch.stft(x, 8, return_complex=True, **options)
    assert spectra.shape == (2, 5, 21)
    back = torch.istft(spectra, 8, length=40, **options)
    np.testing.assert_allclose(back.detach().numpy(), x.detach().numpy(), atol=1e-12)
    short = torch.tensor(signal(10), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: torch.stft(x, 4, return_complex=True), (short,))


def test_windows():
    for name in ("hann", "hamming", "blackman", "bartlett"):
        window = getattr(torch, name + "_window")(9, periodic=False, dtype=torch.float64).numpy()
        np.testing.assert_allclose(window, getattr(np, {"hann": "hanning"}.get(name, name))(9), atol=1e-12)
    np.testing.assert_allclose(
        torch.kaiser_window(9, False, 5.0, dtype=torch.float64).numpy(), np.kaiser(9, 5.0), rtol=1e-7
    )
    windows = torch.signal.windows
    np.testing.assert_allclose(windows.hann(8, sym=False).numpy(), torch.hann_window(8).numpy(), atol=1e-7)
    with pytest.raises(ValueError, match="Tau must be positive, got: -1 instead."):
        windows.exponential(4, tau=-1)


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ii->i", (3, 3)),
    ("ij->", (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("...ij,jk", (2, 5, 3), (3, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ijk,ilm,njm,nlk,abc->", (2, 3, 4), (2, 5, 6), (7, 3, 6), (7, 5, 4), (2, 2, 2)),
    ("ba,b", (2, 3), (2,)),
    ("iij->j", (2, 2, 3)),
    ("...a,...b->ab...", (2, 3), (2, 4)),
]


@pytest.mark.parametrize(("equation", "sizes"), [(e, s) for e, *s in EQUATIONS])
def test_einsum(equation, sizes):
    arrays = [np.random.default_rng(i).normal(size=s) for i, s in enumerate(sizes)]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    np.testing.assert_allclose(
        torch.einsum(equation, *tensors).detach().numpy(), np.einsum(equation, *arrays), atol=1e-10
    )
    if sum(a.size for a in arrays) < 60:
        assert torch.autograd.gradcheck(lambda *x: torch.einsum(equation, *x), tensors)


def test_einsum_lists_and_errors():
    a, b = torch.ones(2, 3), torch.ones(3, 4)
    assert torch.einsum(a, [0, 1], b, [1, 2], [0, 2]).tolist() == [[3.0] * 4] * 2
    with pytest.raises(RuntimeError, match="subscript j has size 4 for operand 1 which does not broadcast"):
        torch.einsum("ij,jk->ik", a, torch.ones(4, 4))
    with pytest.raises(RuntimeError, match="fewer operands were provided"):
        torch.einsum("ij,jk->ik", a)
