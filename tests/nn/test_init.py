"""nn.init: PyTorch's values after manual_seed(0), and its messages."""

import pytest

import kenaz as torch
from kenaz.nn import init

# Made with PyTorch 2.13: a (2, 4) matrix, or a (2, 2, 3) weight where the name ends in "# conv".
# fmt: off
GOLDENS = {
    "uniform_(w)": [0.4963, 0.7682, 0.0885, 0.132, 0.3074, 0.6341, 0.4901, 0.8964],
    "uniform_(w, -1.0, 2.0)": [0.4888, 1.3047, -0.7346, -0.6039, -0.0777, 0.9022, 0.4703, 1.6893],
    "normal_(w)": [1.541, -0.2934, -2.1788, 0.5684, -1.0845, -1.3986, 0.4033, 0.838],
    "normal_(w, 2.0, 3.0)": [6.623, 1.1197, -4.5364, 3.7053, -1.2536, -2.1958, 3.21, 4.5141],
    "trunc_normal_(w)": [1.541, -0.2934, -0.5966, 0.5684, -1.0845, -1.3986, 0.4033, 0.838],
    "trunc_normal_(w, 1.0, 0.5, 0.0, 1.5)": [0.6404, 0.8533, 0.7017, 1.2842, 0.4577, 0.3007, 1.2017, 1.419],
    "trunc_normal_(w, 0.0, 1.0, 1.0, 3.0)": [1.3518, 1.5397, 1.177, 1.2641, 1.6148, 2.0451, 1.7942, 1.6335],
    "constant_(w, 3.0)": [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0],
    "ones_(w)": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    "zeros_(w)": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    "eye_(w)": [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    "xavier_uniform_(w)": [-0.0075, 0.5364, -0.823, -0.7359, -0.3852, 0.2682, -0.0198, 0.7929],
    "xavier_uniform_(w, 2.0)": [-0.015, 1.0729, -1.6461, -1.4719, -0.7703, 0.5363, -0.0396, 1.5858],
    "xavier_normal_(w)": [0.8897, -0.1694, -1.2579, 0.3282, -0.6261, -0.8075, 0.2329, 0.4838],
    "kaiming_uniform_(w)": [-0.0092, 0.657, -1.008, -0.9013, -0.4717, 0.3284, -0.0243, 0.9711],
    "kaiming_uniform_(w, a=0.1, mode='fan_out', nonlinearity='relu')": [
        -0.013, 0.9291, -1.4256, -1.2747,
        -0.6671, 0.4645, -0.0343, 1.3733,
    ],
    "kaiming_normal_(w)": [1.0896, -0.2075, -1.5406, 0.4019, -0.7669, -0.989, 0.2852, 0.5926],
    "kaiming_normal_(w, mode='FAN_OUT', nonlinearity='tanh')": [
        1.8161, -0.3458, -2.5677, 0.6699,
        -1.2781, -1.6483, 0.4753, 0.9876,
    ],
    "orthogonal_(w)": [0.5615, -0.1069, -0.7939, 0.2071, -0.3906, -0.7681, -0.0409, 0.5058],
    "orthogonal_(w, 3.0)": [1.6846, -0.3208, -2.3818, 0.6214, -1.1718, -2.3043, -0.1226, 1.5173],
    "sparse_(w, 0.5)": [0.0, 0.0, 0.0, 0.0057, -0.0108, -0.014, 0.004, 0.0],
    "sparse_(w, 0.3, 2.0)": [0.0, 0.0, 0.0, 1.1369, -2.169, -2.7972, 0.8067, 0.0],
    "dirac_(w)  # conv": [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "kaiming_uniform_(w)  # conv": [
        -0.0075, 0.5364, -0.823, -0.7359, -0.3852, 0.2682,
        -0.0198, 0.7929, -0.0887, 0.2646, -0.3022, -0.1966,
    ],
    "xavier_normal_(w)  # conv": [
        0.6291, -0.1198, -0.8895, 0.2321, -0.4428, -0.571,
        0.1647, 0.3421, -0.2936, -0.1647, -0.2436, 0.0743,
    ],
    "orthogonal_(w)  # conv": [
        0.4719, -0.0899, -0.6672, 0.1741, -0.3321, -0.4283,
        0.0804, 0.7272, -0.2345, -0.4185, -0.3104, 0.3719,
    ],
}
# fmt: on


@pytest.mark.parametrize("call", GOLDENS)
def test_values(call):
    torch.manual_seed(0)
    w = torch.nn.Parameter(torch.empty(2, 2, 3) if call.endswith("conv") else torch.empty(2, 4))
    result = eval("init." + call)
    assert result is w and w.requires_grad and w.grad_fn is None
    assert w.detach().flatten().tolist() == pytest.approx(GOLDENS[call], abs=6e-5)


def test_generator():
    for fill in (
        init.uniform_,
        init.normal_,
        init.trunc_normal_,
        init.xavier_uniform_,
        init.kaiming_normal_,
        init.orthogonal_,
    ):
        a, b = (fill(torch.empty(3, 2), generator=torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(a, b)


def test_dirac_groups():
    w = init.dirac_(torch.empty(4, 2, 3, 3), groups=2)
    assert w[:, :, 1, 1].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]] and w.sum().item() == 4


def test_orthogonal_is_orthogonal():
    torch.manual_seed(0)
    for size in [(5, 3), (3, 5), (2, 3, 2)]:
        w = init.orthogonal_(torch.empty(size)).reshape(size[0], -1)
        gram = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
        assert torch.allclose(gram, torch.eye(len(gram)), atol=1e-5)


def test_trunc_normal_stays_inside():
    torch.manual_seed(0)
    for a, b in [(-2.0, 2.0), (-0.3, 0.3), (1.0, 5.0)]:
        w = init.trunc_normal_(torch.empty(500), a=a, b=b)
        assert a <= w.min().item() and w.max().item() <= b
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        init.trunc_normal_(torch.empty(2), mean=10)


GAINS = [("linear", 1), ("conv2d", 1), ("sigmoid", 1), ("tanh", 5 / 3), ("relu", 2**0.5), ("selu", 0.75)]


@pytest.mark.parametrize("name, gain", GAINS)
def test_gain(name, gain):
    assert init.calculate_gain(name) == pytest.approx(gain)
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(1.3867504905630728)


ERRORS = [
    (lambda: init.calculate_gain("foo"), ValueError, "Unsupported nonlinearity foo"),
    (lambda: init.calculate_gain("leaky_relu", True), ValueError, "negative_slope True not a valid number"),
    (lambda: init.eye_(torch.empty(2, 2, 2)), ValueError, "Only tensors with 2 dimensions are supported"),
    (lambda: init.dirac_(torch.empty(2, 2)), ValueError, "Only tensors with 3, 4, or 5 dimensions are supported"),
    (lambda: init.dirac_(torch.empty(3, 2, 3), 2), ValueError, "dim 0 must be divisible by groups"),
    (lambda: init.sparse_(torch.empty(2), 0.1), ValueError, "Only tensors with 2 dimensions are supported"),
    (lambda: init.orthogonal_(torch.empty(2)), ValueError, "Only tensors with 2 or more dimensions are supported"),
    (
        lambda: init.xavier_uniform_(torch.empty(2)),
        ValueError,
        "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
    ),
    (
        lambda: init.kaiming_uniform_(torch.empty(2, 2), mode="foo"),
        ValueError,
        "Mode foo not supported, please use one of ['fan_in', 'fan_out']",
    ),
    (
        lambda: init.uniform_(torch.empty(2), 2, 1),
        RuntimeError,
        "uniform_ expects to return a [from, to) range, but found from=2 > to=1",
    ),
    (lambda: init.normal_(torch.empty(2), 0, -1), RuntimeError, "normal expects std >= 0.0, but found std -1"),
]


@pytest.mark.parametrize("call, kind, text", ERRORS)
def test_errors(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


def test_empty_tensors():
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        assert init.kaiming_uniform_(torch.empty(0, 3)).shape == (0, 3)
    assert init.orthogonal_(torch.empty(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("name", ["uniform", "normal", "eye", "xavier_uniform", "kaiming_normal", "orthogonal"])
def test_old_names(name):
    with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`."):
        assert getattr(init, name)(torch.empty(2, 3)).shape == (2, 3)
    assert getattr(init, name).__name__ == name
