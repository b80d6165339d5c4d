"""Linear algebra: what factorizations promise, derivatives of first and second order, errors."""

import numpy as np
import pytest

import kenaz as torch

L = torch.linalg


def matrix(m, n=None, complex_=False, batch=(), seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(*batch, m, n or m))
    return torch.tensor(a + 1j * rng.normal(size=a.shape) if complex_ else a, requires_grad=True)


def positive(n, complex_=False):
    a = matrix(n, complex_=complex_).detach()
    return (a @ a.mH + n * torch.eye(n, dtype=a.dtype)).requires_grad_()


def close(a, b, tolerance=1e-10):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize(("m", "n"), [(4, 4), (5, 3), (3, 5), (70, 40)])
def test_factors_multiply_to_the_matrix(m, n, complex_):
    a = matrix(m, n, complex_, batch=(2,)).detach()
    q, r = L.qr(a)
    close(q @ r, a)
    u, s, vh = L.svd(a, full_matrices=False)
    close((u * s.unsqueeze(-2).to(a.dtype)) @ vh, a)
    p, low, up = L.lu(a)
    close(p @ low @ up, a)
    p, low, up = torch.lu_unpack(*L.lu_factor(a))
    close(p @ low @ up, a)
    v, tau = torch.geqrf(a)
    if m >= n:
        close(L.householder_product(v, tau), q)
        close(torch.ormqr(v, tau, a, transpose=True)[..., :n, :], r)


@pytest.mark.parametrize("complex_", [False, True])
def test_square_factors(complex_):
    a, b = positive(5, complex_).detach(), matrix(5, 2, complex_).detach()
    low = L.cholesky(a)
    close(low @ low.mH, a)
    close(L.cholesky(a, upper=True), low.mH)
    values, v = L.eigh(a)
    close((v * values.to(a.dtype)) @ v.mH, a)
    values, v = L.eig(a)
    close(v @ torch.diag_embed(values) @ L.inv(v), a.to(torch.complex128))
    close(torch.cholesky_solve(b, low), L.solve(a, b))
    close(L.lu_solve(*L.lu_factor(a), b), L.solve(a, b))
    close(L.lu_solve(*L.lu_factor(a), b.mH, left=False) @ a, b.mH)
    indefinite = a - 12 * torch.eye(5, dtype=a.dtype)
    for hermitian in (False, True):
        matrix_ = indefinite if hermitian else (indefinite + indefinite.mT) / 2
        close(matrix_ @ L.ldl_solve(*L.ldl_factor(matrix_, hermitian=hermitian), b, hermitian=hermitian), b)


def test_large_triangular_systems_and_lu():
    a = matrix(100).detach()
    up = a.triu() + 20 * torch.eye(100, dtype=a.dtype)
    b = matrix(100, 3).detach()
    close(up @ L.solve_triangular(up, b, upper=True), b)
    close(L.solve_triangular(up.mT, b.mT, upper=False, left=False) @ up.mT, b.mT)
    p, low, u = L.lu(a)
    close(p @ low @ u, a)
    assert float(low.abs().max()) == 1.0


SMOOTH = {
    "inv": L.inv, "det": L.det, "slogdet": lambda a: L.slogdet(a)[1], "pinv": L.pinv, "matrix_exp": L.matrix_exp,
    "matrix_power": lambda a: L.matrix_power(a, 3), "qr": lambda a: L.qr(a)[1], "q": lambda a: L.qr(a)[0],
    "svdvals": L.svdvals, "nuclear": lambda a: L.norm(a, "nuc"), "spectral": lambda a: L.norm(a, 2), "cond": L.cond,
    "lu": lambda a: L.lu(a)[1:], "lu_factor": lambda a: L.lu_factor(a)[0], "solve": lambda a: L.solve(a, a.mH),
    "triangular": lambda a: L.solve_triangular(a, a.mH, upper=True), "norm": L.norm,
    "rank": lambda a: (a @ L.svd(a)[2].mH).abs(),
}  # fmt: skip


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name, complex_):
    a = matrix(3, complex_=complex_, seed=3)
    assert torch.autograd.gradcheck(SMOOTH[name], (a,))


@pytest.mark.parametrize(
    "name", ["inv", "det", "slogdet", "matrix_exp", "solve", "qr", "svdvals", "pinv", "triangular", "lu_factor"]
)
def test_second_derivatives(name):
    assert torch.autograd.gradgradcheck(SMOOTH[name], (matrix(3, seed=3),))


@pytest.mark.parametrize("complex_", [False, True])
def test_derivatives_of_hermitian_factors(complex_):
    a = positive(3, complex_)
    for function in (
        lambda x: L.cholesky((x + x.mH) / 2), lambda x: L.eigvalsh((x + x.mH) / 2),
        lambda x: L.eigh((x + x.mH) / 2)[1].abs(), lambda x: L.eig(x)[0].abs().sum(), lambda x: L.eig(x)[1].abs().sum(),
    ):  # fmt: skip
        assert torch.autograd.gradcheck(function, (a,))


@pytest.mark.parametrize(("m", "n"), [(4, 2), (2, 4)])
def test_derivatives_of_oblong_factors(m, n):
    a = matrix(m, n, seed=5)
    for function in (
        lambda x: L.qr(x)[0],
        lambda x: L.qr(x)[1],
        L.pinv,
        lambda x: L.lu(x)[1:],
        lambda x: L.lu_factor(x)[0],
        lambda x: (lambda u, s, v: u @ torch.diag(s**2) @ v)(*L.svd(x, full_matrices=False)),
    ):
        assert torch.autograd.gradcheck(function, (a,))


def test_det_of_a_singular_matrix_has_a_gradient():
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
    L.det(a).backward()
    close(a.grad, torch.tensor([[4.0, -2.0], [-2.0, 1.0]], dtype=torch.float64))


def test_householder_and_cholesky_inverse_derivatives():
    v, tau = matrix(4, 2, seed=1), torch.tensor([0.5, 1.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(L.householder_product, (v, tau))
    low = L.cholesky(positive(3)).detach().requires_grad_()
    b = matrix(3, 2)
    assert torch.autograd.gradcheck(lambda x: torch.cholesky_inverse(x.tril()), (low,))
    assert torch.autograd.gradcheck(lambda b, x: torch.cholesky_solve(b, x.tril()), (b, low))


def test_norms():
    a = matrix(3, 4).detach()
    n = a.numpy()
    for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        np.testing.assert_allclose(float(L.matrix_norm(a, order)), np.linalg.norm(n, order))
        assert L.matrix_norm(a, order, keepdim=True).shape == (1, 1)
    for order in (0, 1, 2, 3, 0.5, np.inf, -np.inf, -1):
        np.testing.assert_allclose(L.vector_norm(a, order, dim=1).numpy(), np.linalg.norm(n, order, axis=1))
    assert int(L.matrix_rank(a)) == 3 and int(L.matrix_rank(torch.ones(3, 3))) == 1


def test_least_squares():
    a, b = matrix(5, 3).detach(), matrix(5, 2).detach()
    for driver in ("gels", "gelsy", "gelsd", "gelss"):
        found = L.lstsq(a, b, driver=driver)
        expected, residuals, _rank, s = np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)
        np.testing.assert_allclose(found.solution.numpy(), expected)
        if driver != "gelsy":
            np.testing.assert_allclose(found.residuals.numpy(), residuals)
        if driver in ("gelsd", "gelss"):
            np.testing.assert_allclose(found.singular_values.numpy(), s)


def test_products():
    chain = [matrix(m, n).detach() for m, n in ((2, 30), (30, 3), (3, 20), (20, 4))]
    close(L.multi_dot(chain), chain[0] @ chain[1] @ chain[2] @ chain[3])
    x, y = matrix(4, 3).detach(), matrix(4, 3, seed=1).detach()
    np.testing.assert_allclose(torch.cross(x, y).numpy(), np.cross(x.numpy(), y.numpy()))
    np.testing.assert_allclose(L.vander(x, N=4).numpy(), np.stack([x.numpy() ** k for k in range(4)], -1))
    close(L.tensorinv(matrix(6).reshape(2, 3, 6)).reshape(6, 6), L.inv(matrix(6)))


def test_errors():
    zero = torch.zeros(3, 3)
    with pytest.raises(L.LinAlgError, match="linalg.inv: The diagonal element 1 is zero"):
        L.inv(zero)
    with pytest.raises(
        L.LinAlgError, match="torch.linalg.solve: The solver failed because the input matrix is singular."
    ):
        L.solve(zero, torch.ones(3))
    with pytest.raises(L.LinAlgError, match=r"Batch element 1\).*leading minor of order 1 is not positive-definite"):
        L.cholesky(torch.stack([torch.eye(3), zero]))
    with pytest.raises(
        RuntimeError, match="linalg.det: A must be batches of square matrices, but they are 2 by 3 matrices"
    ):
        L.det(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="linalg.inv: Low precision dtypes not supported. Got Half"):
        L.inv(zero.half())
    assert L.LinAlgError.__name__ == "_LinAlgError" and issubclass(L.LinAlgError, RuntimeError)
    assert L.cholesky_ex(zero).info.item() == 1 and L.inv_ex(torch.eye(2)).info.item() == 0


def test_low_rank():
    torch.manual_seed(0)
    a = torch.randn(20, 3) @ torch.randn(3, 15)
    u, s, v = torch.svd_lowrank(a, q=5)
    close(u @ torch.diag(s) @ v.mT, a, 1e-4)
    assert torch.pca_lowrank(a)[0].shape == (20, 6)
