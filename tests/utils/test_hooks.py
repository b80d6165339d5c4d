"""Handles of hooks, and the markers behind a module's backward hooks."""

import pickle
import warnings
from collections import OrderedDict

import pytest

import kenaz as torch
from kenaz.utils.hooks import BackwardHook, RemovableHandle


def test_handle():
    hooks, extra = OrderedDict(), OrderedDict()
    handle = RemovableHandle(hooks, extra_dict=extra)
    hooks[handle.id] = extra[handle.id] = 1
    other = RemovableHandle(hooks)
    assert other.id == handle.id + 1
    handle.remove()
    handle.remove()
    assert not hooks and not extra
    with RemovableHandle(hooks) as inside:
        hooks[inside.id] = 2
    assert not hooks


def test_handle_outlives_its_dictionary():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    del hooks
    handle.remove()


def test_handle_is_pickled_with_its_dictionary():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    hooks[handle.id] = "f"
    again, copied = pickle.loads(pickle.dumps((hooks, handle)))
    copied.remove()
    assert again == {} and hooks and RemovableHandle.next_id > handle.id


def run(module, x, hooks=(), pre_hooks=()):
    """module(x) with backward hooks around it, and one backward pass."""
    hook = BackwardHook("module", hooks, pre_hooks)
    (x,) = hook.setup_input_hook((x,))
    y = hook.setup_output_hook(module(x))
    y.sum().backward()


def test_backward_hook():
    seen = []
    x = torch.ones(2, requires_grad=True)
    run(lambda t: t * 3, x, [lambda m, gi, go: seen.append((m, gi[0].tolist(), go[0].tolist()))])
    assert seen == [("module", [3, 3], [1, 1])] and x.grad.tolist() == [3, 3]


def test_backward_hooks_change_gradients():
    x = torch.ones(2, requires_grad=True)
    run(lambda t: t * 3, x, [lambda m, gi, go: (gi[0] + go[0],)], [lambda m, go: (go[0] * 10,)])
    assert x.grad.tolist() == [40, 40]
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        run(lambda t: t * 3, x, [lambda m, gi, go: (gi[0], gi[0])])


def test_backward_hook_without_input_gradients():
    seen = []
    w = torch.ones(2, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(lambda t: t * w, torch.ones(2), [lambda m, gi, go: seen.append((gi, go[0].tolist()))])
    assert seen == [((None,), [1, 1])]


def test_handle_of_a_tensor_hook():
    x = torch.ones(2, requires_grad=True)
    with x.register_hook(lambda g: g * 2):
        (x * 3).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [9, 9]
