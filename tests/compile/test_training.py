"""Whole steps: forward, backward and the optimizer in one captured function."""

import copy
import gc

import pytest

import kenaz as torch
from kenaz import nn

F = nn.functional
CALLS = 9


def captures(function):
    return dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["compiled"].cell_contents.count


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


def make_step(net, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def batches(n=CALLS):
    torch.manual_seed(5)
    return [(torch.randn(6, 4), torch.randint(3, (6,))) for _ in range(n)]


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "adadelta": lambda p: torch.optim.Adadelta(p),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.01),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.01),
    "rprop": lambda p: torch.optim.Rprop(p, lr=0.01),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "asgd": lambda p: torch.optim.ASGD(p, lr=0.01),
    "adafactor": lambda p: torch.optim.Adafactor(p, lr=0.01),
}
CAPTURED = ("sgd", "momentum", "adam", "amsgrad", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "rprop")


def run_both(make_optimizer, steps, between=None, make=make_step):
    """Losses and final states, without compiling and with; and the compiled step."""
    found = []
    compiled = None
    for compiling in (False, True):
        net = model()
        optimizer = make_optimizer(net.parameters())
        step = make(net, optimizer)
        if compiling:
            step = compiled = torch.compile(step)
        torch.manual_seed(9)
        losses = []
        extra = between(optimizer) if between else None
        for x, y in steps:
            losses.append(step(x, y).detach())
            if extra is not None:
                extra()
        state = [dict(optimizer.state[p]) for p in net.parameters()]
        found.append((losses, dict(net.state_dict()), state, [p.grad for p in net.parameters()], torch.rand(2)))
    return found, compiled


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_as_without(name):
    (plain, other), compiled = run_both(OPTIMIZERS[name], batches())
    torch.testing.assert_close(other, plain)
    assert captures(compiled) == (1 if name in CAPTURED else 0) or name in ("radam", "adafactor")


def test_a_scheduler_moves_the_learning_rate():
    def between(optimizer):
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8).step

    (plain, other), compiled = run_both(OPTIMIZERS["adam"], batches(12), between)
    torch.testing.assert_close(other, plain)
    assert captures(compiled) == 1


def test_a_scheduler_inside_the_step():
    def make(net, optimizer):
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        inner = make_step(net, optimizer)

        def step(x, y):
            loss = inner(x, y)
            scheduler.step()
            return loss

        return step

    (plain, other), _ = run_both(OPTIMIZERS["sgd"], batches(12), make=make)
    torch.testing.assert_close(other, plain)


def test_options_that_change():
    def between(optimizer):
        count = iter(range(100))

        def change():
            i = next(count)
            if i == 6:
                optimizer.param_groups[0]["weight_decay"] = 0.1
            if i == 9:
                optimizer.param_groups[0]["maximize"] = True

        return change

    (plain, other), _ = run_both(OPTIMIZERS["adam"], batches(16), between)
    torch.testing.assert_close(other, plain)


def test_state_that_is_loaded():
    saved = {}

    def between(optimizer):
        count = iter(range(100))

        def change():
            i = next(count)
            if i == 5:
                saved["state"] = copy.deepcopy(optimizer.state_dict())
            if i == 8:
                optimizer.load_state_dict(saved["state"])

        return change

    (plain, other), _ = run_both(OPTIMIZERS["adam"], batches(16), between)
    torch.testing.assert_close(other, plain)


def test_two_groups_clipping_and_accumulation():
    def make(net, optimizer):
        def step(x, y):
            optimizer.zero_grad()
            for part in (0, 1):
                loss = F.cross_entropy(net(x[part::2]), y[part::2])
                loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimizer.step()
            return loss

        return step

    def optimizer(parameters):
        parameters = list(parameters)
        return torch.optim.AdamW([{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.1}], lr=0.01)

    (plain, other), compiled = run_both(optimizer, batches(), make=make)
    torch.testing.assert_close(other, plain)
    assert captures(compiled) == 1


def test_gradients_that_stay():
    def make(net, optimizer):
        def step(x, y):
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            return loss

        return step

    def between(optimizer):
        count = iter(range(100))

        def change():
            if next(count) % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()

        return change

    (plain, other), _ = run_both(OPTIMIZERS["sgd"], batches(20), between, make)
    torch.testing.assert_close(other, plain)


def test_zeros_instead_of_none():
    def make(net, optimizer):
        def step(x, y):
            optimizer.zero_grad(set_to_none=False)
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    (plain, other), _ = run_both(OPTIMIZERS["momentum"], batches(), make=make)
    torch.testing.assert_close(other, plain)


def test_only_the_optimizers_step():
    def make(net, optimizer):
        small = torch.compile(optimizer.step)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            small()
            return loss

        return step

    (plain, other), _ = run_both(OPTIMIZERS["adam"], batches(), make=make)
    torch.testing.assert_close(other, plain)


def test_a_hook_that_comes_later():
    net = model().eval()
    optimizer = OPTIMIZERS["sgd"](net.parameters())
    step = torch.compile(make_step(net, optimizer))
    for x, y in batches(6):
        step(x, y)
    assert captures(step) == 1
    seen = []
    handle = net[0].weight.register_hook(lambda g: seen.append(g))
    step(x, y)
    assert len(seen) == 1
    handle.remove()
    handle = optimizer.register_step_post_hook(lambda *_: seen.append(None))
    step(x, y)
    assert len(seen) == 2
    handle.remove()


def test_the_loss_remembers_that_it_went_back():
    net = model().eval()
    step = torch.compile(make_step(net, OPTIMIZERS["sgd"](net.parameters())))
    for x, y in batches(6):
        loss = step(x, y)
        assert loss.requires_grad and loss.grad_fn is not None
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()


def test_a_step_that_reads_its_loss():
    def make(net, optimizer):
        inner = make_step(net, optimizer)
        return lambda x, y: torch.tensor(inner(x, y).item())

    (plain, other), compiled = run_both(OPTIMIZERS["adam"], batches(), make=make)
    torch.testing.assert_close(other, plain)
    assert captures(compiled) == 0


def test_memory_does_not_grow():
    net = model()
    step = torch.compile(make_step(net, OPTIMIZERS["adam"](net.parameters())))
    (x, y), *_ = batches(1)

    def run(n):
        for _ in range(n):
            step(x, y)
        gc.collect()
        return len(gc.get_objects())

    run(10)
    before = run(20)
    assert run(1000) <= before + 50 and captures(step) == 1
