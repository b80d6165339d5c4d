"""Autocast on the CPU, GradScaler, torch.compile and the flags around them."""

import warnings

import pytest

import kenaz as torch
from kenaz.nn import functional as F

X, W = torch.ones(3, 4), torch.ones(5, 4)
LOWERED = {
    "linear": lambda: F.linear(X, W), "matmul": lambda: X @ W.T, "vector": lambda: X @ X[0], "addmm": lambda: torch.addmm(X[:, :3], X, X.T),
    "conv1d": lambda: F.conv1d(X[None], torch.ones(2, 3, 1), torch.ones(2)), "attention": lambda: F.scaled_dot_product_attention(X, X, X),
    "lstm": lambda: torch.nn.LSTM(4, 4)(X)[0], "einsum": lambda: torch.einsum("ij,kj->ik", X, W),
}  # fmt: skip
KEPT = {
    "cross_entropy": lambda: F.cross_entropy(X.bfloat16(), torch.tensor([0, 1, 2])),
    "mse_loss": lambda: F.mse_loss(X.bfloat16(), X.bfloat16()), "sum": lambda: X.sum(), "double": lambda: (X.double() @ W.double().T).float(),
}  # fmt: skip


@pytest.mark.parametrize("name", LOWERED)
def test_products_compute_in_bfloat16(name):
    with torch.autocast("cpu"):
        assert LOWERED[name]().dtype is torch.bfloat16
    assert LOWERED[name]().dtype is torch.float32


@pytest.mark.parametrize("name", KEPT)
def test_others_compute_in_float32(name):
    with torch.autocast("cpu"):
        assert KEPT[name]().dtype is torch.float32


def test_gradients_have_the_parameters_dtype():
    layer = torch.nn.Linear(4, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(layer(X), torch.tensor([0, 1, 0]))
    loss.backward()
    assert layer.weight.grad.dtype is torch.float32 and float(layer.weight.grad.abs().sum()) > 0


def test_nesting_and_decorating():
    @torch.autocast("cpu")
    def product():
        with torch.autocast("cpu", enabled=False):
            assert not torch.is_autocast_enabled("cpu")
        return X @ W.T

    assert product().dtype is torch.bfloat16 and not torch.is_autocast_enabled("cpu")


def test_what_cannot_be_had_is_switched_off_with_a_warning():
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        assert not torch.autocast("cpu", dtype=torch.float64)._enabled
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not torch.autocast("cuda")._enabled
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not torch.amp.GradScaler().is_enabled()
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        torch.autocast(torch.device("cpu"))


def test_scaler_skips_steps_that_overflow():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer, scaler = torch.optim.SGD([p], 0.1), torch.amp.GradScaler("cpu", growth_interval=1)
    scaler.scale((p * 2).sum()).backward()
    scaler.step(optimizer)
    assert p.tolist() == pytest.approx([0.8, 0.8])
    with pytest.raises(RuntimeError, match="step\\(\\) has already been called"):
        scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 131072.0
    optimizer.zero_grad()
    scaler.scale((p * torch.inf).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == pytest.approx([0.8, 0.8]) and scaler.get_scale() == 65536.0
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()


def test_compile_has_the_module_inside():
    layer = torch.nn.Linear(2, 2)
    assert torch.compile(layer)._orig_mod is layer and torch.compile(mode="max-autotune")(layer)._orig_mod is layer
    with pytest.raises(RuntimeError, match="Unrecognized mode=x"):
        torch.compile(layer, mode="x")
    with pytest.raises(RuntimeError, match="Invalid backend: 'x'"):
        torch.compile(layer, backend="x")
    assert not torch.compiler.is_compiling() and not torch.jit.is_scripting()


def test_flags_are_kept():
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.get_deterministic_debug_mode() == 1 and torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_deterministic_debug_mode("default")
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    with pytest.warns(UserWarning, match="has no effect"):
        torch.set_float32_matmul_precision("low")
    torch.set_float32_matmul_precision("highest")


def test_older_names_warn():
    with pytest.warns(FutureWarning, match=r"torch.amp.autocast\('cpu', args...\)"), torch.cpu.amp.autocast():
        assert torch.is_autocast_enabled("cpu")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.amp.GradScaler()
    assert {w.category for w in seen} == {FutureWarning, UserWarning}


def test_profile_and_flops():
    with torch.profiler.profile() as p, torch.profiler.record_function("work"):
        (X @ W.T).sum()
    assert [e.name for e in p.key_averages()] == ["work"]
    from kenaz.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        F.linear(X, W, torch.ones(5))
    assert counter.get_total_flops() == 2 * 3 * 4 * 5


def test_flops_of_passes_that_come_back_are_counted():
    from kenaz.utils.flop_counter import FlopCounterMode

    net = torch.nn.Linear(4, 5)
    counts = []
    for _ in range(5):
        with FlopCounterMode(display=False) as counter:
            net(torch.ones(3, 4)).sum().backward()
        counts.append(counter.get_total_flops())
    assert counts == [2 * 2 * 3 * 4 * 5] * 5  # forward, and the weight's gradient
