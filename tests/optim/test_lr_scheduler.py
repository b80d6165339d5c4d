"""Every schedule against rates from PyTorch 2.13, and what schedules save, warn about and refuse."""

import copy
import json
import pathlib
import warnings

import pytest

import kenaz as torch
from kenaz.optim import lr_scheduler
from kenaz.optim.swa_utils import SWALR

GOLDENS = json.loads((pathlib.Path(__file__).parent / "goldens.json").read_text())["schedules"]
NAMES = {**vars(lr_scheduler), "SWALR": SWALR}


def make_optimizer(kind="SGD", **options):
    a, b = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    options = options or ({"momentum": 0.9} if kind == "SGD" else {})
    return getattr(torch.optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.1, **options)


def make(text, optimizer):
    return eval(text, {**NAMES, "o": optimizer})


def run(optimizer, scheduler, epochs):
    rates = []
    for _ in range(epochs):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
        assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    return rates


def assert_close(rates, expected):
    for group in range(2):
        assert [r[group] for r in rates] == pytest.approx(expected[group], rel=1e-9)


@pytest.mark.parametrize("text", GOLDENS)
def test_rates(text):
    optimizer = make_optimizer()
    assert_close(run(optimizer, make(text, optimizer), 12), GOLDENS[text])


@pytest.mark.parametrize("text", GOLDENS)
def test_resumes_from_what_was_saved(text):
    optimizer = make_optimizer()
    scheduler = make(text, optimizer)
    rates = run(optimizer, scheduler, 5)
    saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    optimizer = make_optimizer()
    scheduler = make(text, optimizer)
    optimizer.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    assert_close(rates + run(optimizer, scheduler, 7), GOLDENS[text])


CLOSED = ("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR")


@pytest.mark.parametrize("text", [t for t in GOLDENS if t.startswith(CLOSED)])
def test_closed_form_agrees(text):
    optimizer = make_optimizer()
    scheduler = make(text, optimizer)
    optimizer.step()
    for epoch in (3, 7):
        with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
            scheduler.step(epoch)
        assert scheduler.last_epoch == epoch
        assert scheduler.get_last_lr() == pytest.approx([GOLDENS[text][g][epoch] for g in range(2)])


def test_momentum_cycles_against_the_rate():
    for kind, read in (("SGD", lambda g: g["momentum"]), ("Adam", lambda g: g["betas"][0])):
        optimizer = make_optimizer(kind)
        scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
        momenta = []
        for _ in range(4):
            momenta.append(read(optimizer.param_groups[0]))
            optimizer.step()
            scheduler.step()
        assert momenta == pytest.approx([0.95, 0.9, 0.85, 0.854951556604879])


METRICS = [3.0, 2.0, 1.9999, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.6, 0.6]
PLATEAU = [
    (dict(patience=1), [0.1] * 3 + [0.01] * 3 + [0.001] * 2 + [0.0001] * 3 + [0.00001]),
    (dict(mode="max", patience=2, factor=0.5), [0.1] * 3 + [0.05] * 3 + [0.025] * 3 + [0.0125] * 3),
    (dict(patience=0, cooldown=2, threshold=0.5, threshold_mode="abs", min_lr=0.02, factor=0.5),
     [0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.02, 0.02, 0.02, 0.02]),
]  # fmt: skip


def plateau(options, metrics=METRICS):
    optimizer = make_optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize(("options", "expected"), PLATEAU)
def test_plateau(options, expected):
    assert plateau(options) == pytest.approx(expected)
    assert plateau(options, [torch.tensor(m) for m in METRICS]) == pytest.approx(expected)


def test_plateau_keeps_up_with_new_groups():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    scheduler.step(1.0)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    scheduler.step(2.0)
    assert scheduler.get_last_lr() == pytest.approx([0.01, 0.002, 0.01])


def test_order_is_checked():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
    optimizer = make_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match=r"Seems like `optimizer.step\(\)` has been overridden"):
        scheduler.step()


def test_get_lr_is_not_for_users():
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        lr_scheduler.StepLR(make_optimizer(), 3).get_lr()


def test_resuming_needs_initial_lr():
    with pytest.raises(KeyError, match=r"param 'initial_lr' is not specified in param_groups\[0\]"):
        lr_scheduler.StepLR(make_optimizer(), 3, last_epoch=4)
    optimizer = make_optimizer()
    for group in optimizer.param_groups:
        group["initial_lr"] = 2 * group["lr"]
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda e: 0.5**e, last_epoch=1)
    assert scheduler.last_epoch == 2
    assert scheduler.get_last_lr() == pytest.approx([0.05, 0.01])


def test_state_dict_keys():
    state = lr_scheduler.StepLR(make_optimizer(), 3).state_dict()
    assert state == {
        "step_size": 3,
        "gamma": 0.1,
        "base_lrs": [0.1, 0.02],
        "last_epoch": 0,
        "_step_count": 1,
        "_is_initial": False,
        "_get_lr_called_within_step": False,
        "_last_lr": [0.1, 0.02],
    }


class Decay:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


def test_callable_objects_are_saved():
    scheduler = lr_scheduler.LambdaLR(make_optimizer(), [Decay(0.5), lambda e: 1.0])
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5}, None]
    other = lr_scheduler.LambdaLR(make_optimizer(), [Decay(0.9), lambda e: 1.0])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].rate == 0.5


def test_rates_that_are_tensors_are_written_into():
    lr = torch.tensor(0.1)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == pytest.approx(0.01)
    assert optimizer.param_groups[0]["initial_lr"].item() == pytest.approx(0.1)


def test_chain_over_is_an_error():
    optimizer = make_optimizer()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=2)
    with pytest.raises(ValueError, match="Tried to step 3 times. The specified number of total steps is 2"):
        run(optimizer, scheduler, 4)


REFUSED = [
    ("StepLR(3, 4)", TypeError, "int is not an Optimizer"),
    ("LambdaLR(o, [lambda e: 1])", ValueError, "Expected 2 lr_lambdas, but got 1"),
    ("ConstantLR(o, factor=2.0)", ValueError, "Constant multiplicative factor expected to be between 0 and 1."),
    ("LinearLR(o, 0)", ValueError,
     "Starting multiplicative factor expected to be greater than 0 and less or equal to 1."),
    ("LinearLR(o, end_factor=3)", ValueError, "Ending multiplicative factor expected to be between 0 and 1."),
    ("CosineAnnealingWarmRestarts(o, T_0=0)", ValueError, "Expected positive integer T_0, but got 0"),
    ("CosineAnnealingWarmRestarts(o, 4, 0)", ValueError, "Expected integer T_mult >= 1, but got 0"),
    ("CosineAnnealingWarmRestarts(o, 4).step(-1)", ValueError, "Expected non-negative epoch, but got -1"),
    ("OneCycleLR(o, 0.1)", ValueError, "You must define either total_steps OR (epochs AND steps_per_epoch)"),
    ("OneCycleLR(o, 0.1, total_steps=1.5)", ValueError, "Expected positive integer total_steps, but got 1.5"),
    ("OneCycleLR(o, 0.1, epochs=1, steps_per_epoch=-3)", ValueError,
     "Expected positive integer steps_per_epoch, but got -3"),
    ("OneCycleLR(o, 0.1, total_steps=3, pct_start=1)", ValueError,
     "Expected float between 0 and 1 pct_start, but got 1"),
    ("OneCycleLR(o, 0.1, total_steps=3, anneal_strategy='x')", ValueError,
     "anneal_strategy must be one of 'cos' or 'linear', instead got x"),
    ("OneCycleLR(o, [0.1], total_steps=3)", ValueError,
     "max_lr must have the same length as optimizer.param_groups. max_lr has 1 values, param_groups has 2."),
    ("CyclicLR(o, 0.1, 0.2, mode='x')", ValueError, "mode is invalid and scale_fn is None"),
    ("ReduceLROnPlateau(o, factor=1.5)", ValueError, "Factor should be < 1.0."),
    ("ReduceLROnPlateau(o, mode='x')", ValueError, "mode x is unknown!"),
    ("ReduceLROnPlateau(o, min_lr=[1])", ValueError, "expected 2 min_lrs, got 1"),
    ("SequentialLR(o, [], [])", ValueError, "SequentialLR expects at least one scheduler, but got no scheduler."),
    ("SequentialLR(o, [StepLR(o, 1), ReduceLROnPlateau(o)], [2])", ValueError,
     ("SequentialLR does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to be specified "
      "when calling `step`, but got one at index 1 in the given schedulers sequence.")),
    ("ChainedScheduler([])", ValueError,
     "ChainedScheduler expects at least one scheduler to be chained, but got no scheduler."),
    ("SWALR(o, 0.05, anneal_epochs=-1)", ValueError, "anneal_epochs must be equal or greater than 0, got -1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "message"), REFUSED)
def test_refused(text, kind, message):
    with pytest.raises(kind) as error:
        make(text, make_optimizer())
    assert str(error.value) == message


def test_cycles_need_momentum():
    optimizer = torch.optim.Adadelta([torch.nn.Parameter(torch.zeros(1))])
    for make_scheduler in (
        lambda: lr_scheduler.CyclicLR(optimizer, 0.1, 0.2),
        lambda: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3),
    ):
        with pytest.raises(ValueError, match="optimizer must support momentum or beta1 with `cycle_momentum` option"):
            make_scheduler()
