"""Compiled modules: values, gradients and buffers as without compiling; names, copies and pickles as PyTorch's."""

import copy
import gc
import io
import pickle

import pytest

import kenaz as torch
from kenaz import execute, nn

F = nn.functional
CALLS = 7


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, t, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(y.transpose(1, 2).reshape(b, t, d))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.gru, self.out = nn.Embedding(11, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(8, 11)

    def forward(self, x):
        states, last = self.gru(self.embed(x))
        return self.out(states), last


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.head = nn.Linear(36, 3)

    def forward(self, x):
        return F.log_softmax(self.head(F.dropout(self.body(x), 0.25, self.training)), dim=-1)


CASES = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Tanh()), lambda: torch.randn(5, 4)),
    "attention": (Attention, lambda: torch.randn(2, 6, 16)),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), lambda: torch.randn(2, 3, 8)),
    "recurrent": (Recurrent, lambda: torch.randint(11, (3, 5))),
    "lstm": (lambda: nn.LSTM(3, 4, 2, dropout=0.1), lambda: torch.randn(5, 2, 3)),
    "image": (Image, lambda: torch.randn(4, 1, 8, 8)),
    "group": (lambda: nn.Sequential(nn.Conv1d(4, 4, 3), nn.GroupNorm(2, 4), nn.GELU()), lambda: torch.randn(2, 4, 7)),
}


def captures(module):
    return module.__dict__["_compiled"].count


def leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in value for t in leaves(v)]


def total(value):
    return sum((t * t).sum() for t in leaves(value))


def gradients(module):
    return {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()}


@pytest.mark.parametrize("name", CASES)
def test_training_is_as_without(name):
    make, draw = CASES[name]
    torch.manual_seed(0)
    plain = make()
    other = copy.deepcopy(plain)
    compiled = torch.compile(other)
    for i in range(CALLS):
        torch.manual_seed(i)
        x = draw()
        results = []
        for module, inner in ((plain, plain), (compiled, other)):
            torch.manual_seed(100 + i)
            inner.zero_grad()
            leaf = x.clone().requires_grad_() if x.is_floating_point() else x
            out = module(leaf)
            total(out).backward()
            results.append((out, gradients(inner), leaf.grad, dict(inner.named_buffers()), torch.rand(2)))
        torch.testing.assert_close(results[1][0], results[0][0])
        torch.testing.assert_close(results[1][1:], results[0][1:])
    assert captures(compiled) == 1 and "Compiled" in leaves(results[1][0])[0].grad_fn.name()


@pytest.mark.parametrize("name", CASES)
def test_prediction_is_as_without(name):
    make, draw = CASES[name]
    plain = make().eval()
    compiled = torch.compile(plain)
    with torch.no_grad():
        for _ in range(CALLS):
            x = draw()
            torch.testing.assert_close(compiled(x), plain(x))
    assert captures(compiled) == 1


def test_gradients_add_up_and_flow_on():
    first, second = nn.Linear(3, 3), nn.Linear(3, 2)
    compiled = torch.compile(first)
    for _ in range(CALLS):
        x = torch.randn(2, 3)
        first.zero_grad()
        second.zero_grad()
        y = torch.tanh(second(x.new_ones(2, 3)).sum() * x)
        (second(compiled(y)) + compiled(x).sum()).sum().backward()
        found = gradients(first), gradients(second)
        first.zero_grad()
        second.zero_grad()
        y = torch.tanh(second(x.new_ones(2, 3)).sum() * x)
        (second(first(y)) + first(x).sum()).sum().backward()
        torch.testing.assert_close(found, (gradients(first), gradients(second)))
    assert captures(compiled) == 2  # for a leaf and for a result


def test_only_some_outputs_get_gradients():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            y = self.a(x)
            return y, self.b(y), y.detach()

    module = Two()
    compiled = torch.compile(module)
    for i in range(9):
        module.zero_grad()
        y, z, free = compiled(torch.ones(2))
        assert not free.requires_grad and y.requires_grad and z.requires_grad
        (y.sum() if i % 3 == 0 else z.sum() if i % 3 == 1 else (y * z).sum()).backward()
        found = gradients(module)
        module.zero_grad()
        y, z, _ = module(torch.ones(2))
        (y.sum() if i % 3 == 0 else z.sum() if i % 3 == 1 else (y * z).sum()).backward()
        assert (found["b.weight"] is None) == (i % 3 == 0)
        torch.testing.assert_close(found, gradients(module))
    assert captures(compiled) == 1


def test_second_derivatives():
    module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    compiled = torch.compile(module)

    def penalty(f, x):
        x = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
        module.zero_grad()
        g.square().sum().backward()
        return gradients(module), x.grad

    for _ in range(CALLS):
        x = torch.randn(4, 2)
        torch.testing.assert_close(penalty(compiled, x), penalty(module, x))
    assert captures(compiled) == 1


def test_going_back_twice():
    compiled = torch.compile(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    for _ in range(CALLS):
        y = compiled(torch.ones(2)).sum()
        y.backward(retain_graph=True)
        y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()


def test_writing_to_what_gradients_need():
    module = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    compiled = torch.compile(module)
    for _ in range(CALLS):
        y = compiled(torch.ones(2))
        with torch.no_grad():
            y.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
    y = compiled(torch.ones(2, requires_grad=True))
    with torch.no_grad():
        module[0].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_hooks_on_tensors_and_parameters():
    module = nn.Linear(2, 2)
    compiled = torch.compile(module)
    for _ in range(CALLS):
        seen = []
        x = torch.ones(2, requires_grad=True)
        handle = module.weight.register_hook(seen.append)
        y = compiled(x)
        y.retain_grad()
        y.register_hook(lambda g: g * 2)
        y.sum().backward()
        assert y.grad.tolist() == [2.0, 2.0] and seen[0].tolist() == [[2.0, 2.0]] * 2
        handle.remove()


def test_functions_of_parameters_and_autograd_grad():
    w = torch.randn(3, requires_grad=True)
    compiled = torch.compile(lambda x: (x * w).exp().view(3, 1).squeeze(-1))
    for _ in range(CALLS):
        x = torch.randn(3, requires_grad=True)
        a = torch.autograd.grad(compiled(x).sum(), (x, w))
        b = torch.autograd.grad((x * w).exp().sum(), (x, w))
        torch.testing.assert_close(a, b)
    assert compiled(x).grad_fn.name() == "CompiledFunctionBackward"


def test_views_as_outputs_with_gradients():
    module = nn.Linear(3, 4)
    compiled = torch.compile(lambda x: module(x).view(2, 2).t())
    for _ in range(CALLS):
        x = torch.randn(3)
        module.zero_grad()
        y = compiled(x)
        y[0].mul_(2)  # in place, through a view of the view
        y.square().sum().backward()
        found = gradients(module)
        module.zero_grad()
        y = module(x).view(2, 2).t()
        y[0].mul_(2)
        y.square().sum().backward()
        torch.testing.assert_close(found, gradients(module))


def test_running_statistics_advance():
    module = nn.BatchNorm1d(3)
    other = copy.deepcopy(module)
    compiled = torch.compile(other)
    for i in range(CALLS):
        x = torch.randn(8, 3) + i
        torch.testing.assert_close(compiled(x), module(x))
        torch.testing.assert_close(dict(other.named_buffers()), dict(module.named_buffers()))
    assert other.num_batches_tracked.item() == CALLS and captures(compiled) == 1


# ----------------------------------------------------------------------------------------------------- the module itself
def test_names():
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    compiled = torch.compile(module)
    assert type(compiled).__name__ == "OptimizedModule" and isinstance(compiled, torch._dynamo.OptimizedModule)
    assert isinstance(compiled, nn.Module) and not isinstance(compiled, nn.Sequential)
    assert compiled._orig_mod is module and len(compiled) == 2
    assert [name for name, _ in compiled.named_parameters()][0] == "_orig_mod.0.weight"
    assert list(compiled.state_dict()) == [f"_orig_mod.{key}" for key in module.state_dict()]
    assert [name for name, _ in compiled.named_modules()] == ["", "_orig_mod", "_orig_mod.0", "_orig_mod.1"]
    assert repr(compiled).startswith("OptimizedModule(\n  (_orig_mod): Sequential(")
    compiled.load_state_dict(compiled.state_dict())
    again = torch.compile(compiled)
    assert again._orig_mod is module


def test_attributes_are_the_modules():
    module = nn.Linear(2, 3)
    compiled = torch.compile(module)
    assert compiled.in_features == 2 and compiled.weight is module.weight
    compiled.note = 3
    assert module.note == 3 and "note" not in compiled.__dict__
    del compiled.note
    assert not hasattr(module, "note")
    compiled.bias = nn.Parameter(torch.ones(3))
    assert module.bias.tolist() == [1.0] * 3
    compiled.eval()
    assert not module.training and not compiled.training
    assert compiled.to(torch.float64) is compiled and module.weight.dtype is torch.float64
    with pytest.raises(AttributeError):
        compiled.nothing


def test_copies_and_pickles():
    compiled = torch.compile(nn.Linear(2, 3))
    for _ in range(5):
        expected = compiled(torch.ones(2))
    for other in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert type(other) is type(compiled) and other._orig_mod is not compiled._orig_mod
        for _ in range(5):
            torch.testing.assert_close(other(torch.ones(2)), expected)
        with torch.no_grad():
            other._orig_mod.bias.add_(1)
        torch.testing.assert_close(other(torch.ones(2)), expected + 1)
    torch.testing.assert_close(compiled(torch.ones(2)), expected)
    file = io.BytesIO()
    torch.save(compiled.state_dict(), file)
    file.seek(0)
    compiled.load_state_dict(torch.load(file))


def test_compile_as_a_method():
    module = nn.Linear(2, 3)
    keys = list(module.state_dict())
    module.compile(mode="default")
    for _ in range(CALLS):
        torch.testing.assert_close(module(torch.ones(2)), F.linear(torch.ones(2), module.weight, module.bias))
    assert list(module.state_dict()) == keys and module(torch.ones(2)).grad_fn.name() == "CompiledFunctionBackward"
    assert pickle.loads(pickle.dumps(module))(torch.ones(2)).shape == (3,)


def test_hooks_on_the_compiled_module():
    compiled, seen = torch.compile(nn.Linear(2, 2)), []
    compiled.register_forward_hook(lambda module, args, output: seen.append(output))
    for _ in range(CALLS):
        compiled(torch.ones(2))
    assert len(seen) == CALLS


def test_memory_does_not_grow():
    module = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    compiled = torch.compile(module)
    x = torch.ones(4, 8)

    def steps(n):
        for _ in range(n):
            compiled(x).sum().backward()
            module.zero_grad()
        execute.flush()
        gc.collect()
        return len(gc.get_objects())

    steps(600)  # until the compiler is loaded
    before = steps(20)
    assert steps(1000) <= before + 50
