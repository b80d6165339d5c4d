"""Distributions: PyTorch's samples, densities that integrate to one, gradients of samples, errors."""

import math

import pytest

import kenaz as torch
from kenaz import distributions as D

A, B = torch.tensor([0.5, 1.5, 3.0]), torch.tensor([2.0, 0.7, 1.0])


def drawn(distribution, *shape):
    torch.manual_seed(3)
    return distribution.sample(shape)


# (distribution, samples of PyTorch 2.13 after manual_seed(3))
SAMPLES = {
    "Normal(A, B)": (lambda: D.Normal(A, B), [2.10655, 1.62238, 3.08898, -0.727436, 1.53233, 1.63174]),
    "Uniform(-A, B)": (lambda: D.Uniform(-A, B), [-0.489341, -1.26775, -1.85663, -0.432613, -0.462448, -2.75953]),
    "Laplace(A, B)": (lambda: D.Laplace(A, B), [-9.029, 0.411332, 2.44083, -5.34089, 1.45909, 0.881674]),
    "Gamma(A, B)": (lambda: D.Gamma(A, B), [0.368875, 5.82173, 1.90767, 0.13644, 2.60896, 5.24201]),
    "Beta(A, B)": (lambda: D.Beta(A, B), [0.130806, 0.608834, 0.613711, 0.000747494, 0.487447, 0.722216]),
    "Exponential(A)": (lambda: D.Exponential(A), [0.0694069, 0.225273, 0.494144, 0.384567, 0.938672, 0.312378]),
    "Cauchy(A, B)": (lambda: D.Cauchy(A, B), [-18.0932, 0.94545, 4.15544, -2.76538, 2.22403, 3.35383]),
    "Poisson(A)": (lambda: D.Poisson(A), [0.0, 1.0, 3.0, 0.0, 2.0, 4.0]),
    "Bernoulli(logits=A)": (lambda: D.Bernoulli(logits=A), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    "Categorical(A)": (lambda: D.Categorical(A), [0, 1]),
    "Geometric(A / 4)": (lambda: D.Geometric(A / 4), [40.0, 4.0, 0.0, 27.0, 1.0, 2.0]),
    "Binomial(5, A / 4)": (lambda: D.Binomial(5, A / 4), [0.0, 2.0, 3.0, 0.0, 2.0, 3.0]),
    "Multinomial(4, A)": (lambda: D.Multinomial(4, A), [1.0, 1.0, 2.0, 0.0, 2.0, 2.0]),
    "StudentT(A, A, B)": (lambda: D.StudentT(A, A, B), [2.85163, 1.58668, 3.16071, -0.162909, 1.53217, 1.32258]),
    "Gumbel(A, B)": (lambda: D.Gumbel(A, B), [-2.89404, 0.932851, 2.77501, -2.06941, 1.69989, 1.96629]),
    "VonMises(A, B)": (lambda: D.VonMises(A, B), [0.462372, 0.965607, -1.45014, 0.30282, -0.401068, -2.07888]),
    "NegativeBinomial(5, A / 4)": (lambda: D.NegativeBinomial(5, A / 4), [1.0, 2.0, 9.0, 0.0, 0.0, 18.0]),
    "Dirichlet(A)": (lambda: D.Dirichlet(A), [0.109774, 0.606373, 0.283853, 0.0371712, 0.248771, 0.714058]),
    "Weibull(A, B)": (lambda: D.Weibull(A, B), [0.0931443, 0.318382, 4.44729, 0.219251, 2.44559, 2.8114]),
    "MixtureSameFamily(D.Categorical(A), D.Normal(A, B))": (lambda: D.MixtureSameFamily(D.Categorical(A), D.Normal(A, B)), [0.677956, 1.73625]),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_pytorchs(name):
    made, expected = SAMPLES[name]
    torch.testing.assert_close(drawn(made(), 2).flatten().tolist(), expected, rtol=1e-4, atol=1e-5)


CONTINUOUS = [
    D.Normal(0.3, 2.0), D.Laplace(0.3, 2.0), D.Exponential(1.5), D.Gamma(2.0, 1.5), D.Beta(2.0, 3.0), D.Uniform(-1.0, 2.0),
    D.Gumbel(0.3, 1.0), D.LogNormal(0.3, 0.5), D.HalfNormal(2.0), D.StudentT(5.0), D.Weibull(2.0, 1.5), D.Kumaraswamy(2.0, 3.0),
    D.VonMises(0.5, 2.0), D.InverseGamma(4.0, 2.0), D.ContinuousBernoulli(torch.tensor(0.3)), D.Chi2(torch.tensor(3.0)),
]  # fmt: skip


@pytest.mark.parametrize("d", CONTINUOUS, ids=lambda d: type(d).__name__)
def test_density_integrates_to_one(d):
    angle = isinstance(d, D.VonMises)
    x = torch.linspace(-3.1415926 if angle else -60, 3.1415926 if angle else 60, 1_200_001, dtype=torch.float64)
    x = x[d.support.check(x)]
    x = x[(x > x.min()) & (x < x.max())]
    assert float(d.log_prob(x).exp().sum() * (x[1] - x[0])) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("d", CONTINUOUS, ids=lambda d: type(d).__name__)
def test_moments_are_those_of_samples(d):
    x = drawn(d, 20_000)
    if not isinstance(d, D.VonMises):
        assert float(x.var()) == pytest.approx(float(d.variance), rel=0.3)
    assert float(x.mean()) == pytest.approx(float(d.mean), abs=0.1)


@pytest.mark.parametrize("made", [lambda a: D.Gamma(a, 1.0), lambda a: D.Beta(a, 2.0), lambda a: D.Dirichlet(a.repeat(3))])
def test_samples_move_with_parameters(made):
    """The mean of the derivative of samples is the derivative of their mean."""
    a = torch.tensor([1.7], requires_grad=True)
    torch.manual_seed(0)
    made(a).rsample((20_000,))[..., 0].mean().backward()
    found = float(a.grad)
    mean = lambda v: float(made(torch.tensor([v], dtype=torch.float64)).mean.flatten()[0])
    assert found == pytest.approx((mean(1.7001) - mean(1.6999)) / 2e-4, abs=0.02)


@pytest.mark.parametrize("p, q", [
    (D.Normal(0.0, 1.0), D.Normal(1.0, 2.0)), (D.Normal(0.0, 1.0), D.Laplace(1.0, 2.0)), (D.Gamma(2.0, 1.0), D.Normal(1.0, 2.0)),
    (D.Beta(2.0, 3.0), D.Gamma(2.0, 1.0)), (D.Uniform(0.0, 1.0), D.Exponential(1.0)), (D.Gumbel(0.0, 1.0), D.Gumbel(1.0, 2.0)),
    (D.MultivariateNormal(torch.zeros(2), torch.eye(2)), D.MultivariateNormal(torch.ones(2), 2 * torch.eye(2))),
])  # fmt: skip
def test_divergence_is_a_mean(p, q):
    x = drawn(p, 20_000)
    assert float(D.kl_divergence(p, q)) == pytest.approx(float((p.log_prob(x) - q.log_prob(x)).mean()), abs=0.05)


@pytest.mark.parametrize("t", [
    D.ExpTransform(), D.SigmoidTransform(), D.TanhTransform(), D.AffineTransform(1.0, -2.0), D.SoftplusTransform(),
    D.PowerTransform(2.0), D.ComposeTransform([D.AffineTransform(0.0, 2.0), D.ExpTransform()]),
])  # fmt: skip
def test_transforms(t):
    x = torch.tensor([0.3, 0.9, 1.4], dtype=torch.float64, requires_grad=True)
    y = t(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(t.inv(y), x)
    torch.testing.assert_close(t.log_abs_det_jacobian(x, y), slope.abs().log())


def test_errors():
    with pytest.raises(ValueError, match=r"Expected parameter scale .* to satisfy the constraint GreaterThan\(lower_bound=0.0\)"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="to be within the support"):
        D.Exponential(1.0).log_prob(torch.tensor(-1.0))
    with pytest.raises(NotImplementedError, match="No KL"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Categorical(torch.ones(2)))


def test_expand_and_print():
    d = D.Normal(A, B).expand((2, 3))
    assert d.batch_shape == (2, 3) and repr(d) == "Normal(loc: torch.Size([2, 3]), scale: torch.Size([2, 3]))"
    assert repr(D.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"


# ------------------------------------------------------------------------------- random matrices; values are PyTorch's
def test_correlations() -> None:
    torch.manual_seed(0)
    lkj = D.LKJCholesky(3, 0.5)
    sample = lkj.sample()
    expected = [[1.0, 0.0, 0.0], [0.2073, 0.9783, 0.0], [-0.3881, -0.7827, 0.4865]]
    torch.testing.assert_close(sample, torch.tensor(expected), atol=1e-4, rtol=0)
    assert lkj.log_prob(sample).item() == pytest.approx(-1.8106, abs=1e-4)
    assert D.LKJCholesky(3, torch.tensor([0.5, 2.0])).expand((4, 2)).sample((5,)).shape == (5, 4, 2, 3, 3)
    with pytest.raises(ValueError, match="Expected dim to be an integer greater than or equal to 2. Found dim=1."):
        D.LKJCholesky(1)


def test_covariances() -> None:
    scale = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    wishart = D.Wishart(torch.tensor(5.0), scale)
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="Singular sample detected"):  # PyTorch says so where there is none
        sample = wishart.rsample()
    torch.testing.assert_close(sample, torch.tensor([[2.7647, 2.3432], [2.3432, 3.4671]]), atol=1e-4, rtol=0)
    assert wishart.log_prob(sample).item() == pytest.approx(-6.4137, abs=1e-4)
    assert wishart.entropy().item() == pytest.approx(7.65, abs=1e-4)
    assert wishart.mean.tolist() == [[10, 2.5], [2.5, 5]] and wishart.mode.tolist() == [[4, 1], [1, 2]]
    torch.testing.assert_close(wishart.variance, torch.tensor([[40.0, 11.25], [11.25, 10.0]]))
    other = D.Wishart(torch.tensor(4.0), scale * 2)
    assert D.kl_divergence(wishart, other).item() == pytest.approx(0.4301, abs=1e-4)
    for kind in ("precision_matrix", "scale_tril"):
        given = scale.inverse() if kind == "precision_matrix" else torch.linalg.cholesky(scale)
        torch.testing.assert_close(D.Wishart(torch.tensor(5.0), **{kind: given}).covariance_matrix, scale)
    for args, error, words in (
        ((torch.tensor(5.0),), AssertionError, "Exactly one of"),
        ((torch.tensor(0.5), scale), ValueError, "Value of df=0.5 expected to be greater than ndim - 1 = 1."),
        ((torch.tensor(5.0), scale[0]), ValueError, "must be at least two-dimensional"),
    ):
        with pytest.raises(error, match=words):
            D.Wishart(*args)


_T = torch.tensor
_LOW, _HIGH = D.Uniform(_T([0.1, -0.2]), _T([0.8, 0.5])), D.Uniform(_T([0.5, 0.0]), _T([2.0, 1.0]))
DIVERGENCES = [
    (D.Beta(2.0, 3.0), D.ContinuousBernoulli(0.3), 0.1799),
    (D.Exponential(2.0), D.Gumbel(1.0, 3.0), 1.8213),
    (D.Gamma(2.0, 3.0), D.Gumbel(1.0, 2.0), 1.2592),
    (D.Pareto(_T([1.0, 2.0]), _T([0.5, 3.0])), D.Gamma(2.0, 3.0), [math.inf, 4.8484]),
    (_LOW, D.Beta(2.0, 3.0), [0.1491, math.inf]),
    (_HIGH, D.Beta(2.0, 3.0), [math.inf, 0.5151]),
    (_LOW, D.ContinuousBernoulli(0.3), [0.3440, math.inf]),
    (_HIGH, D.Gamma(2.0, 3.0), [0.9921, 0.3028]),
    (_LOW, D.Gumbel(1.0, 2.0), [2.0981, 2.1622]),
    (_HIGH, D.Pareto(0.3, 2.0), [1.7751, math.inf]),
]


@pytest.mark.parametrize(("p", "q", "expected"), DIVERGENCES, ids=lambda x: type(x).__name__)
def test_divergences_over_parts_of_the_line(p: D.Distribution, q: D.Distribution, expected: float | list) -> None:
    torch.testing.assert_close(D.kl_divergence(p, q), _T(expected), atol=1e-4, rtol=0)


def test_divergence_of_exponential_families() -> None:
    from kenaz.distributions import kl

    rule = kl._rules[D.ExponentialFamily, D.ExponentialFamily]
    pairs = [
        (D.Normal(0.0, 1.0), D.Normal(1.0, 2.0)), (D.Gamma(2.0, 3.0), D.Gamma(1.0, 0.5)),
        (D.Dirichlet(_T([1.0, 2.0])), D.Dirichlet(_T([2.0, 2.0]))), (D.Beta(1.0, 2.0), D.Beta(0.5, 3.0)),
        (D.Exponential(2.0), D.Exponential(0.5)), (D.Poisson(2.0), D.Poisson(0.5)),
        (D.Bernoulli(_T(0.3)), D.Bernoulli(_T(0.6))), (D.ContinuousBernoulli(0.3), D.ContinuousBernoulli(0.6)),
    ]  # fmt: skip
    for p, q in pairs:
        torch.testing.assert_close(rule(p, q).detach(), D.kl_divergence(p, q), atol=1e-5, rtol=1e-4)


def test_rules_for_classes_of_other_libraries() -> None:
    from kenaz.distributions.kl import register_kl

    class Foreign:
        pass

    rule = register_kl(Foreign, Foreign)(lambda p, q: torch.tensor(7.0))
    assert torch.distributions.kl_divergence(Foreign(), Foreign()) == rule(None, None) == 7
    with pytest.raises(TypeError, match="arg 1 must be a class"):
        register_kl(3, Foreign)
