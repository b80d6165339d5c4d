"""Special functions against numbers computed with mpmath to 40 digits, and their derivatives."""

import numpy as np
import pytest

import kenaz as torch
from kenaz.runtime import special

ONE = {
    "erf": ([0.3, -2.5, 1e-08], [0.3286267594591274, -0.999593047982555, 1.1283791670955126e-08]),
    "erfc": (
        [0.1, 3.0, -1.5, 26.0],
        [0.887537083981715, 2.209049699858544e-05, 1.9661051464753108, 5.663192408856143e-296],
    ),
    "erfinv": ([0.3, -0.999, 0.999999999999], [0.2724627147267543, -2.3267537655135246, 5.042031898572696]),
    "lgamma": (
        [0.01, 1.0001, 2.5, 30.0, 100000000.0, -2.3],
        [
            4.599479878042022,
            -5.771334222047127e-05,
            0.2846828704729192,
            71.25703896716801,
            1742068066.1038346,
            0.36956666345500805,
        ],
    ),
    "digamma": (
        [0.1, 1.5, 50.0, -0.7],
        [-10.423754940411076, 0.03648997397857652, 3.901989673427892, -2.073952793628704],
    ),
    "i0": ([0.5, 9.0, -3.0], [1.0634833707413236, 1093.5883545113747, 4.8807925858650245]),
    "i1": ([0.5, 9.0, -3.0], [0.2578943053908963, 1030.9147225169565, -3.9533702174026093]),
    "bessel_j0": ([0.5, 7.9, 40.0], [0.9384698072408129, 0.19436184484127825, 0.00736689058423729]),
    "bessel_j1": ([0.5, 7.9, -40.0], [0.2422684576748739, 0.2191793999217512, -0.126038318037585]),
    "bessel_y0": ([0.5, 7.9, 40.0], [-0.44451873350670656, 0.20652094814437577, 0.12593641705826092]),
    "bessel_y1": ([0.5, 7.9, 40.0], [-1.471472392670243, -0.18172107728057313, -0.005793505821549633]),
    "modified_bessel_k0": ([0.5, 3.0], [0.9244190712276659, 0.03473950438627925]),
    "modified_bessel_k1": ([0.5, 3.0], [1.656441120003301, 0.040156431128194184]),
    "airy_ai": (
        [-9.0, -1.0, 0.5, 6.0],
        [-0.022133721547341403, 0.5355608832923521, 0.23169360648083348, 9.947694360252889e-06],
    ),
    "ndtr": ([-20.0, 0.3, 4.0], [2.7536241186062337e-89, 0.6179114221889527, 0.9999683287581669]),
    "log_ndtr": ([-30.0, 0.3, 4.0], [-454.3212439563432, -0.4814101615884812, -3.167174337748927e-05]),
    "erfcx": ([0.2, 50.0, -3.0], [0.8090195199015807, 0.011281536265323773, 16205.988853999586]),
}
TWO = {
    "zeta": ([[2.0, 19.5, 1.5], [0.5, 10.0, 100.0]], [4.934802200544679, 3.7707232554858036e-20, 0.2005012499817719]),
    "gammainc": (
        [[0.5, 3.0, 250.0, 10000.0], [0.1, 10.0, 240.0, 10100.0]],
        [0.345279153981423, 0.9972306042844884, 0.2676500698540158, 0.8413487504471796],
    ),
    "gammaincc": (
        [[0.01, 3.0, 250.0], [0.5, 10.0, 300.0]],
        [0.0056267561939671844, 0.002769395715511576, 0.001377471877528202],
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_values(name):
    points, expected = ONE[name]
    np.testing.assert_allclose(getattr(special, name)(np.array(points)), expected, rtol=2e-14)


@pytest.mark.parametrize("name", TWO)
def test_values_of_two_arguments(name):
    points, expected = TWO[name]
    np.testing.assert_allclose(getattr(special, name)(*map(np.array, points)), expected, rtol=5e-14)


@pytest.mark.parametrize("name", ["erf", "lgamma", "i0", "bessel_j0", "ndtri"])
def test_floats_keep_their_dtype_and_shape(name):
    x = np.linspace(0.1, 0.9, 20000, dtype=np.float32).reshape(2, 10000)
    y = getattr(special, name)(x)
    assert y.dtype == np.float32 and y.shape == x.shape
    np.testing.assert_allclose(y, getattr(special, name)(x.astype(np.float64)), rtol=1e-7)


def test_inverses():
    p = np.array([1e-300, 1e-20, 0.01, 0.3, 0.5, 0.9])
    np.testing.assert_allclose(special.ndtr(special.ndtri(p)), p, rtol=2e-12)
    x = np.linspace(-0.999, 0.999, 101)
    np.testing.assert_allclose(special.erf(special.erfinv(x)), x, rtol=1e-14)


def test_edges():
    edges = np.array([0.0, 1.0, -1.0, 2.0, np.nan])
    np.testing.assert_array_equal(special.erfinv(edges), [0, np.inf, -np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(special.lgamma(np.array([0.0, -3.0, np.inf, -np.inf])), np.inf)
    np.testing.assert_array_equal(special.digamma(np.array([0.0, -0.0, -2.0])), [-np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(
        special.gammainc(np.array([1.0, 0.0, 2.0, -1.0]), np.array([0.0, 1.0, np.inf, 1.0])), [0, 1, 1, np.nan]
    )


DIFFERENTIABLE = "erf erfc erfcx erfinv i0 i0e i1 i1e log_ndtr ndtr ndtri entr digamma gammaln logit sinc expit".split()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name):
    x = torch.tensor([0.15, 0.4, 0.77], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(getattr(torch.special, name), (x,))
    assert torch.autograd.gradgradcheck(getattr(torch.special, name), (x,))


def test_derivatives_of_two_arguments():
    a = torch.tensor([0.5, 2.0], dtype=torch.float64)
    x = torch.tensor([0.4, 3.0], dtype=torch.float64, requires_grad=True)
    for function in (torch.special.gammainc, torch.special.gammaincc, torch.special.xlog1py, torch.special.xlogy):
        assert torch.autograd.gradcheck(lambda t, function=function: function(a, t), (x,))
    with pytest.raises(NotImplementedError, match="the derivative for 'igamma: input' is not implemented"):
        torch.igamma(x, a).sum().backward()


def test_polynomials():
    x = torch.tensor([-0.3, 0.2, 1.5], dtype=torch.float64)
    np.testing.assert_allclose(torch.special.legendre_polynomial_p(x, 3).numpy(), (5 * x**3 - 3 * x).numpy() / 2)
    np.testing.assert_allclose(torch.special.hermite_polynomial_h(x, 3).numpy(), (8 * x**3 - 12 * x).numpy())
    np.testing.assert_allclose(torch.special.laguerre_polynomial_l(x, 2).numpy(), (x**2 / 2 - 2 * x + 1).numpy())
    np.testing.assert_allclose(
        torch.special.chebyshev_polynomial_t(x, 9).numpy()[:2], np.cos(9 * np.arccos(x.numpy()[:2]))
    )
