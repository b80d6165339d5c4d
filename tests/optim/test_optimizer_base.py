"""Parameter groups, state dictionaries, hooks and messages of the base class."""

import copy

import pytest

import kenaz as torch
from kenaz.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    required,
)


def parameter(*size):
    return torch.nn.Parameter(torch.ones(*size or (2,)))


def stepped(optimizer):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.ones_like(p)
    optimizer.step()
    return optimizer


def test_groups_keep_their_options_and_take_the_defaults():
    a, b = parameter(), parameter(3)
    optimizer = torch.optim.SGD([{"params": a}, {"params": [b], "lr": 0.5, "mine": 1}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    assert [group["momentum"] for group in optimizer.param_groups] == [0, 0]
    assert optimizer.param_groups[1]["mine"] == 1
    stepped(optimizer)
    assert a.tolist() == pytest.approx([0.9, 0.9]) and b.tolist() == [0.5, 0.5, 0.5]


def test_printing():
    optimizer = torch.optim.SGD([{"params": parameter()}, {"params": parameter(), "lr": 3}], lr=0.1)
    options = "    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n    lr: {}\n"
    options += "    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n"
    expected = "SGD (\nParameter Group 0\n" + options.format(0.1) + "\nParameter Group 1\n" + options.format(3) + ")"
    assert repr(optimizer) == expected


def test_named_parameters():
    optimizer = torch.optim.SGD([("weight", parameter()), ("bias", parameter())], lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert list(optimizer.state_dict()["param_groups"][0])[0] == "param_names"
    plain = torch.optim.SGD([parameter(), parameter()], lr=0.1)
    plain.load_state_dict(optimizer.state_dict())
    assert plain.param_groups[0]["param_names"] == ["weight", "bias"]


shared = parameter()
REFUSED = [
    (lambda: torch.optim.SGD(parameter()), TypeError,
     "params argument given to the optimizer should be an iterable of Tensors or dicts, but got torch.FloatTensor"),
    (lambda: torch.optim.SGD(3), TypeError, "'int' object is not iterable"),
    (lambda: torch.optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (lambda: torch.optim.SGD([3]), TypeError, "optimizer can only optimize Tensors, but one of the params is int"),
    (lambda: torch.optim.SGD([parameter() * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda: torch.optim.SGD([{"params": shared}, {"params": shared}]), ValueError,
     "some parameters appear in more than one parameter group"),
    (lambda: torch.optim.SGD([("a", parameter()), parameter()]), ValueError,
     "all optimizer params should be with/without names. Some param names are missing"),
    (lambda: torch.optim.SGD([parameter()]).add_param_group({"params": [("a", parameter())]}), ValueError,
     "all optimizer param groups should be with/without names. cannot add param group with names to the optimizer"),
    (lambda: torch.optim.SGD([parameter()]).add_param_group({"params": {parameter()}}), TypeError,
     ("optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will "
      "change between runs. Please use a list instead.")),
    (lambda: torch.optim.SGD([parameter()]).add_param_group(3), TypeError,
     "param_group must be a dict, but got <class 'int'>"),
    (lambda: Optimizer([parameter()], {"lr": required}), ValueError,
     "parameter group didn't specify a value of required optimization parameter lr"),
    (lambda: torch.optim.SGD([parameter()]).load_state_dict(torch.optim.SGD([parameter(), parameter()]).state_dict()),
     ValueError, "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"),
    (lambda: torch.optim.SGD([{"params": parameter()}, {"params": parameter()}]).load_state_dict(
        torch.optim.SGD([parameter()]).state_dict()),
     ValueError, "loaded state dict has a different number of parameter groups"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED)
def test_refused(make, kind, message):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == message


def test_duplicates_are_warned_about():
    p = parameter()
    with pytest.warns(UserWarning, match="optimizer contains a parameter group with duplicate parameters"):
        torch.optim.SGD([p, p])


def test_state_dict_is_packed_by_number():
    a, b = parameter(), parameter(3)
    optimizer = stepped(torch.optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}]))
    saved = optimizer.state_dict()
    assert list(saved) == ["state", "param_groups"]
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1]]
    assert list(saved["param_groups"][0])[-1] == "params"
    assert saved["state"][1]["exp_avg"] is optimizer.state[b]["exp_avg"]


def test_loading_converts_to_the_parameter():
    saved = stepped(torch.optim.Adam([parameter()])).state_dict()
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = torch.optim.Adam([p])
    optimizer.load_state_dict(saved)
    assert optimizer.state[p]["exp_avg"].dtype == torch.float64
    assert optimizer.state[p]["step"].dtype == torch.float32
    same = torch.optim.Adam([parameter()])
    same.load_state_dict(saved)
    assert next(iter(same.state.values()))["exp_avg"] is saved["state"][0]["exp_avg"]


def test_zero_grad():
    p = parameter()
    optimizer = torch.optim.SGD([p])
    p.grad = torch.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_step_hooks_run_in_order_and_may_replace_the_arguments():
    p = parameter()
    optimizer = torch.optim.SGD([p], lr=0.5)
    seen = []
    handles = [
        register_optimizer_step_pre_hook(lambda o, args, kwargs: seen.append("global pre")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append("global post")),
        optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 7.0), {})),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", len(args)))),
    ]
    assert optimizer.step() == 7.0
    assert seen == ["global pre", ("post", 2), "global post"]
    for handle in handles:
        handle.remove()
    assert optimizer.step() is None and len(seen) == 3
    optimizer.register_step_pre_hook(lambda *a: 3)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\), but got 3."):
        optimizer.step()


def test_state_dict_hooks():
    optimizer = torch.optim.SGD([parameter()])
    seen = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append(sorted(state)))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["pre", ["extra", "param_groups", "state"], "loaded"]


def test_copies_go_their_own_way():
    p = parameter()
    optimizer = stepped(torch.optim.Adam([p]))
    other = copy.deepcopy(optimizer)
    (q,) = other.param_groups[0]["params"]
    assert q is not p and set(other.state) == {q}
    before = p.tolist()
    stepped(other)
    assert p.tolist() == before and q.tolist() != before


class Descent(Optimizer):
    """What tutorials write."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.add_(p.grad, alpha=-group["lr"])
                self.state[p]["seen"] = self.state[p].get("seen", 0) + 1


def test_own_optimizer():
    p = parameter()
    optimizer = stepped(Descent([p], lr=0.5))
    assert p.tolist() == [0.5, 0.5]
    assert optimizer.state_dict()["state"] == {0: {"seen": 1}}
    assert Descent.step.hooked
    assert repr(optimizer) == "Descent (\nParameter Group 0\n    lr: 0.5\n)"


def test_base_class_has_no_rule():
    with pytest.raises(NotImplementedError):
        Optimizer([parameter()], {}).step()
