"""L-BFGS on Rosenbrock's valley, with numbers from PyTorch 2.13."""

import copy

import pytest

import kenaz as torch
from kenaz.optim.lbfgs import Point, cubic_minimum, strong_wolfe

GOLDENS = [
    (dict(lr=0.5), [6.875, 5.800269838, 5.655352689, 4.92833557, 2.939659627],
     [0.10399083112285312, -0.17878894133249218], 20, 20),
    (dict(lr=0.5, history_size=2), [6.875, 5.800419179, 5.652443069, 3.382183278, 1.29730394],
     [0.5091869043102457, 0.18144222482436217], 20, 20),
    (dict(line_search_fn="strong_wolfe"), [6.875, 5.698536314, 4.082375158, 1.17389143, 0.371075193],
     [0.9276507689787902, 0.8399009080847535], 27, 18),
    (dict(line_search_fn="strong_wolfe", history_size=2), [6.875, 5.698536314, 1.952518124, 0.816164783, 0.254949928],
     [0.8261895239946181, 0.658609401175224], 25, 16),
]  # fmt: skip


def make_closure(optimizer, p):
    def closure():
        optimizer.zero_grad()
        loss = (1 - p[0]) ** 2 + 10 * (p[1] - p[0] * p[0]) ** 2
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize(("options", "losses", "end", "evaluations", "iterations"), GOLDENS)
@pytest.mark.parametrize("reload", [False, True])
def test_valley(options, losses, end, evaluations, iterations, reload):
    p = torch.nn.Parameter(torch.tensor([-1.5, 2.0], dtype=torch.float64))
    optimizer = torch.optim.LBFGS([p], max_iter=4, **options)
    found = [optimizer.step(make_closure(optimizer, p)).item() for _ in range(2)]
    if reload:
        saved = copy.deepcopy(optimizer.state_dict())
        optimizer = torch.optim.LBFGS([p], max_iter=4, **options)
        optimizer.load_state_dict(saved)
    found += [optimizer.step(make_closure(optimizer, p)).item() for _ in range(3)]
    assert found == pytest.approx(losses, rel=1e-6)
    assert p.tolist() == pytest.approx(end, rel=1e-6)
    state = optimizer.state_dict()["state"][0]
    assert (state["func_evals"], state["n_iter"]) == (evaluations, iterations)
    assert list(state) == [
        "func_evals", "n_iter", "al", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss"
    ]  # fmt: skip


def test_nothing_to_do_at_the_bottom():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.LBFGS([p])
    assert optimizer.step(make_closure(optimizer, p)).item() == 0.0
    assert optimizer.state_dict()["state"][0] == {"func_evals": 1, "n_iter": 0}


def test_several_parameters_and_missing_gradients():
    a, b = (torch.nn.Parameter(torch.full((2, 2), 3.0)) for _ in range(2))
    optimizer = torch.optim.LBFGS([a, b], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (a - 1).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert a.tolist() == [[pytest.approx(1.0)] * 2] * 2 and b.tolist() == [[3.0, 3.0]] * 2


def test_refused():
    p, q = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    with pytest.raises(ValueError, match=r"LBFGS doesn't support per-parameter options \(parameter groups\)"):
        torch.optim.LBFGS([{"params": [p]}, {"params": [q]}])
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        torch.optim.LBFGS([p], lr=-1)
    optimizer = torch.optim.LBFGS([torch.nn.Parameter(torch.zeros(2))], line_search_fn="armijo")
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(make_closure(optimizer, optimizer.param_groups[0]["params"][0]))


def test_cubic_minimum():
    points = [Point(t, t**3 - 3 * t, None, 3 * t**2 - 3) for t in (0.0, 3.0)]
    assert cubic_minimum(*points, (0.0, 3.0)) == pytest.approx(1.0)
    assert cubic_minimum(*reversed(points), (1.5, 3.0)) == 1.5
    line = [Point(t, -t, None, -1.0) for t in (0.0, 1.0)]
    assert cubic_minimum(*line, (0.0, 4.0)) == 2.0


def test_line_search_shrinks_and_grows():
    def parabola(t):
        return Point(t, (t - 3.0) ** 2, None, 2 * (t - 3.0))

    for first in (0.01, 3.0, 100.0):
        point, evaluations = strong_wolfe(parabola, parabola(0.0), first, 1.0)
        assert abs(point.slope) <= 0.9 * 6 and point.loss < 9 and evaluations <= 4
