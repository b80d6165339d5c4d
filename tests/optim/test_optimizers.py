"""Every optimizer against numbers from PyTorch 2.13: ten steps along made-up gradients."""

import copy
import json
import math
import pathlib
import pickle

import pytest

import kenaz as torch

GOLDENS = json.loads((pathlib.Path(__file__).parent / "goldens.json").read_text())["optimizers"]
TUPLES = ("betas", "etas", "step_sizes", "eps")


def make_params(dtype=torch.float32):
    return [
        torch.nn.Parameter(torch.tensor([[0.5, -1.0, 2.0], [1.5, -0.25, -3.0]], dtype=dtype)),
        torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=dtype)),
    ]


def set_gradients(params, step):
    for k, p in enumerate(params):
        values = [math.sin(1.7 * step + 0.9 * j + k) + 0.3 * math.cos(5.1 * step * j) for j in range(p.numel())]
        p.grad = torch.tensor(values, dtype=p.dtype).reshape(p.shape)


def train(optimizer, params, steps):
    for step in steps:
        set_gradients(params, step)
        optimizer.step()


def values(params):
    return [v for p in params for v in p.detach().flatten().tolist()]


def options_of(case):
    return {key: tuple(v) if key in TUPLES and isinstance(v, list) else v for key, v in case[1].items()}


def make(case, params):
    return getattr(torch.optim, case[0])(params, **options_of(case))


def case_params(case):
    return make_params()[:1] if case[0] == "Muon" else make_params()


def tolerance(case):
    return dict(rel=1e-3, abs=1e-4) if case[0] == "Muon" else dict(rel=5e-6, abs=1e-6)


def name_of(case):
    return case[0] + "-" + "-".join(case[1])


@pytest.mark.parametrize("case", GOLDENS, ids=name_of)
def test_ten_steps(case):
    params = case_params(case)
    optimizer = make(case, params)
    train(optimizer, params, range(10))
    assert values(params) == pytest.approx(case[3], **tolerance(case))
    state = optimizer.state_dict()["state"]
    assert list(state.get(0, {})) == case[2]


@pytest.mark.parametrize("case", GOLDENS, ids=name_of)
@pytest.mark.parametrize("how", ["load", "deepcopy", "pickle"])
def test_resumes_from_what_was_saved(case, how):
    params = case_params(case)
    optimizer = make(case, params)
    train(optimizer, params, range(5))
    if how == "load":
        saved = copy.deepcopy(optimizer.state_dict())
        params = [torch.nn.Parameter(p.detach().clone()) for p in params]
        optimizer = make(case, params)
        optimizer.load_state_dict(saved)
    else:
        optimizer = copy.deepcopy(optimizer) if how == "deepcopy" else pickle.loads(pickle.dumps(optimizer))
        params = optimizer.param_groups[0]["params"]
    train(optimizer, params, range(5, 10))
    assert values(params) == pytest.approx(case[3], **tolerance(case))


@pytest.mark.parametrize("case", [case for case in GOLDENS if case[0] != "Muon"], ids=name_of)
def test_groups_and_missing_gradients(case):
    """Parameters that start later, or sit in another group, go the same way alone as beside others."""
    a, b = make_params()
    both = make(case, [{"params": [a]}, {"params": [b]}])
    train(both, [a], range(2))
    for step in range(4):
        set_gradients([a, b], step)
        both.step()
    alone = make_params()[1]
    single = make(case, [alone])
    for step in range(4):
        set_gradients([make_params()[0], alone], step)
        single.step()
    torch.testing.assert_close(alone, b)


def test_step_counts_are_tensors_that_stay():
    params = make_params()
    optimizer = torch.optim.Adam(params)
    train(optimizer, params, range(1))
    step = optimizer.state[params[0]]["step"]
    kept = step.clone()
    train(optimizer, params, range(2))
    assert step is optimizer.state[params[0]]["step"]
    assert (step.dtype, step.shape, step.item(), kept.item()) == (torch.float32, torch.Size([]), 3.0, 1.0)
    step.fill_(10)
    train(optimizer, params, range(1))
    assert step.item() == 11.0


def test_state_has_the_dtype_and_layout_of_the_parameter():
    p = torch.nn.Parameter(torch.ones(2, 3, dtype=torch.float64).t())
    optimizer = torch.optim.Adam([p])
    train(optimizer, [p], range(1))
    state = optimizer.state[p]
    assert state["exp_avg"].dtype == torch.float64
    assert state["exp_avg"].stride() == p.stride()


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "ASGD", "Rprop"])
def test_learning_rate_may_be_a_tensor(name):
    results = []
    for lr in (0.05, torch.tensor(0.05)):
        params = make_params()
        train(getattr(torch.optim, name)(params, lr=lr), params, range(3))
        results.append(values(params))
    assert results[0] == pytest.approx(results[1], rel=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adamax", "Rprop"])
def test_complex_parameters_are_pairs_of_real_ones(name):
    real = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]]))
    pair = torch.nn.Parameter(torch.view_as_complex(real.detach().clone()))
    optimizers = [getattr(torch.optim, name)([p], lr=0.1) for p in (real, pair)]
    for step in range(3):
        set_gradients([real], step)
        pair.grad = torch.view_as_complex(real.grad)
        for optimizer in optimizers:
            optimizer.step()
    # to rounding: one of them may have been compiled
    torch.testing.assert_close(torch.view_as_real(pair.detach()), real.detach(), rtol=1e-6, atol=1e-7)


def test_differentiable_steps():
    lr = torch.tensor(0.1, requires_grad=True)
    start = torch.tensor([1.0, -2.0], requires_grad=True)
    p = start.clone()
    optimizer = torch.optim.SGD([p], lr=lr, differentiable=True)
    p.grad = 2 * start
    optimizer.step()
    p.sum().backward()
    assert lr.grad.item() == 2.0
    assert start.grad.tolist() == pytest.approx([0.8, 0.8])


def test_adam_with_betas_as_tensors():
    results = []
    for betas in ((0.8, 0.9), (torch.tensor(0.8), torch.tensor(0.9))):
        params = make_params()
        train(torch.optim.Adam(params, betas=betas), params, range(3))
        results.append(values(params))
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_training_goes_downhill():
    p = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    optimizer = torch.optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    assert losses == pytest.approx([25.0, 16.0, 10.24])


REFUSED = [
    ("SGD", dict(lr=-1), "Invalid learning rate: -1"),
    ("SGD", dict(momentum=-0.5), "Invalid momentum value: -0.5"),
    ("SGD", dict(nesterov=True), "Nesterov momentum requires a momentum and zero dampening"),
    ("Adam", dict(lr=torch.tensor([0.1, 0.2])), "Tensor lr must be 1-element"),
    ("Adam", dict(betas=(1.0, 0.9)), "Invalid beta parameter at index 0: 1.0"),
    ("Adam", dict(eps=-1), "Invalid epsilon value: -1"),
    ("Adam", dict(lr=torch.tensor(0.1), foreach=True),
     "lr as a Tensor is not supported for capturable=False and foreach=True"),
    ("Adam", dict(betas=(0.9, torch.tensor(0.9))), "betas must be either both floats or both Tensors"),
    ("AdamW", dict(weight_decay=-1), "Invalid weight_decay value: -1"),
    ("RMSprop", dict(alpha=-1), "Invalid alpha value: -1"),
    ("Adagrad", dict(lr_decay=-0.5), "Invalid lr_decay value: -0.5"),
    ("Adagrad", dict(initial_accumulator_value=-1), "Invalid initial_accumulator_value value: -1"),
    ("Adadelta", dict(rho=2), "Invalid rho value: 2"),
    ("NAdam", dict(momentum_decay=-1), "Invalid momentum_decay value: -1"),
    ("Rprop", dict(etas=(1.0, 0.5)), "Invalid eta values: 1.0, 0.5"),
    ("Adafactor", dict(d=0.0), "Clipping threshold d should be >= 1 but is: 0.0"),
    ("Adafactor", dict(beta2_decay=0.8), "beta2_decay should be <= 0 but is: 0.8"),
    ("Muon", dict(adjust_lr_fn="arbitrary"), "Adjust learning rate function arbitrary is not supported"),
    ("Muon", {}, "Muon only supports 2D parameters whereas we found a parameter with size: torch.Size([2])"),
    ("SparseAdam", dict(lr=0), "Invalid learning rate: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_refused_options(name, options, message):
    with pytest.raises(ValueError) as error:
        getattr(torch.optim, name)(make_params(), **options)
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_fused_excludes(name):
    optimizer = getattr(torch.optim, name)
    with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together."):
        optimizer(make_params(), fused=True, foreach=True)
    with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
        optimizer(make_params(), fused=True, differentiable=True)


def test_capturable_needs_a_device():
    params = make_params()
    optimizer = torch.optim.RMSprop(params, capturable=True)
    set_gradients(params, 0)
    with pytest.raises(AssertionError, match="If capturable=True, params and state_steps must be on supported devices"):
        optimizer.step()


def test_state_of_early_versions_is_completed():
    params = make_params()
    optimizer = torch.optim.Adam(params)
    train(optimizer, params, range(2))
    saved = copy.deepcopy(optimizer.state_dict())
    for state in saved["state"].values():
        state["step"] = 2
    for key in ("maximize", "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"):
        del saved["param_groups"][0][key]
    fresh = torch.optim.Adam(params)
    fresh.load_state_dict(saved)
    step = fresh.state[params[0]]["step"]
    assert isinstance(step, torch.Tensor) and step.item() == 2.0
    assert fresh.param_groups[0]["maximize"] is False and fresh.param_groups[0]["fused"] is None


def test_parameters_and_state_can_be_swapped_in():
    p, q = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = torch.optim.SGD([p], lr=0.5, momentum=0.9)
    p.grad = q.grad = torch.ones(1)
    optimizer.step()
    with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"weight": q}, optimizer.state_dict()):
        assert optimizer.param_groups[0]["params"][0] is q
        optimizer.step()
    assert optimizer.param_groups[0]["params"][0] is p
    assert (p.item(), q.item()) == pytest.approx((0.5, 0.05))
