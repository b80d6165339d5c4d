"""What a compiled function depends on may change: then it does what it would do without having been compiled."""

import contextlib
import dataclasses
import io
import logging
import math
import threading
import types

import pytest

import kenaz as torch
from kenaz import nn

ONE = torch.ones(2)


def compiled_of(function):
    found = function.__dict__.get("_compiled")
    if found is None:
        found = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["compiled"].cell_contents
    return found


def captures(function):
    return compiled_of(function).count


def warm(function, *args, calls=5):
    for _ in range(calls):
        result = function(*args)
    return result


factor = 2.0
settings = {"scale": 2.0, "names": ["a"]}


def by_global(x):
    return x * factor


def by_dictionary(x):
    return x * settings["scale"] + len(settings["names"])


def test_a_global_changes():
    global factor
    factor = 2.0
    compiled = torch.compile(by_global)
    assert warm(compiled, ONE).tolist() == [2.0, 2.0] and captures(compiled) == 1
    factor = 5.0
    assert warm(compiled, ONE).tolist() == [5.0, 5.0] and captures(compiled) == 2
    factor = 2.0
    assert compiled(ONE).tolist() == [2.0, 2.0] and captures(compiled) == 2


def test_a_container_changes():
    compiled = torch.compile(by_dictionary)
    assert warm(compiled, ONE).tolist() == [3.0, 3.0] and captures(compiled) == 1
    settings["names"].append("b")
    assert compiled(ONE).tolist() == [4.0, 4.0]
    settings["names"].pop()
    settings["scale"] = 3.0
    assert compiled(ONE).tolist() == [4.0, 4.0]
    settings["scale"] = 2.0
    assert compiled(ONE).tolist() == [3.0, 3.0]


def test_what_is_closed_over_changes():
    k = 2.0

    def function(x):
        return x * k

    compiled = torch.compile(function)
    warm(compiled, ONE)
    assert captures(compiled) == 1
    k = 4.0
    assert compiled(ONE).tolist() == [4.0, 4.0]


def test_a_function_that_is_called_is_replaced(monkeypatch):
    module = types.ModuleType("helpers")
    module.helper = lambda x: x + 1
    compiled = torch.compile(lambda x: module.helper(x))
    warm(compiled, ONE)
    assert captures(compiled) == 1
    module.helper = lambda x: x - 1
    assert compiled(ONE).tolist() == [0.0, 0.0]


def test_shapes_dtypes_and_strides():
    compiled = torch.compile(lambda x: x.sum(0) * x.shape[0])
    for x in (torch.ones(2, 3), torch.ones(3, 3), torch.ones(2, 3, dtype=torch.float64), torch.ones(3, 2).t()):
        expected = x.sum(0) * x.shape[0]
        for _ in range(5):
            result = compiled(x)
            assert result.tolist() == expected.tolist() and result.dtype is expected.dtype
    assert captures(compiled) == 4


def test_grad_mode_and_requires_grad():
    compiled = torch.compile(lambda x: x * 2)
    leaf = torch.ones(2, requires_grad=True)
    for _ in range(5):
        assert compiled(leaf).requires_grad and not compiled(ONE).requires_grad
        with torch.no_grad():
            assert not compiled(leaf).requires_grad
    assert captures(compiled) == 3


def test_the_default_dtype_changes():
    compiled = torch.compile(lambda x: x + torch.ones(2))
    whole = torch.ones(2, dtype=torch.int64)
    assert warm(compiled, whole).dtype is torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert compiled(whole).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_autocast():
    compiled = torch.compile(lambda x: x @ x)
    x = torch.ones(4, 4)
    for _ in range(5):
        assert compiled(x).dtype is torch.float32
        with torch.autocast("cpu", torch.bfloat16):
            assert compiled(x).dtype is torch.bfloat16


def test_training_flag_and_attributes():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop, self.scale, self.layers = nn.Dropout(0.5), 2.0, [1.0, 2.0]

        def forward(self, x):
            return self.drop(x) * self.scale + sum(self.layers)

    net = Net().eval()
    compiled = torch.compile(net)
    assert warm(compiled, ONE).tolist() == [5.0, 5.0] and captures(compiled) == 1
    net.scale = 3.0
    assert compiled(ONE).tolist() == [6.0, 6.0]
    net.scale = 2.0
    net.layers[0] = 2.0
    assert compiled(ONE).tolist() == [6.0, 6.0]
    net.layers[0] = 1.0
    assert compiled(ONE).tolist() == [5.0, 5.0]
    compiled.train()
    assert net.training and net.drop.training
    torch.manual_seed(0)
    expected = net(torch.ones(100))
    torch.manual_seed(0)
    torch.testing.assert_close(compiled(torch.ones(100)), expected)


def test_parameters_and_modules_are_replaced():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    compiled = torch.compile(net)
    warm(compiled, ONE)
    assert captures(compiled) == 1
    net[0] = nn.Linear(2, 2)
    torch.testing.assert_close(compiled(ONE), net(ONE))
    net[0].weight = nn.Parameter(torch.zeros(2, 2))
    torch.testing.assert_close(compiled(ONE), net(ONE))
    net[0].weight.data = torch.ones(2, 2)
    torch.testing.assert_close(compiled(ONE), net(ONE))
    net[1] = nn.Tanh()
    torch.testing.assert_close(compiled(ONE), net(ONE))
    net[0].register_forward_hook(lambda module, args, output: output * 0)
    assert compiled(ONE).tolist() == [0.0, 0.0]


def test_memory_that_is_exchanged_is_used():
    net = nn.Linear(2, 2)
    compiled = torch.compile(net)
    warm(compiled, ONE)
    for i in range(20):
        net.weight.data = torch.full((2, 2), float(i))
        net.bias.data = torch.zeros(2)
        assert compiled(ONE).tolist() == [2.0 * i] * 2
    assert captures(compiled) == 1
    net.bias.data = net.weight.data[0]
    assert compiled(ONE).tolist() == [57.0] * 2


def test_requires_grad_is_switched_off():
    net = nn.Linear(2, 2)
    compiled = torch.compile(net)
    warm(compiled, ONE)
    net.requires_grad_(False)
    assert not compiled(ONE).requires_grad
    net.requires_grad_(True)
    assert compiled(ONE).requires_grad


def test_a_method_of_a_class_is_replaced():
    class Net(nn.Module):
        def forward(self, x):
            return self.body(x)

        def body(self, x):
            return x + 1

    net = Net()
    compiled = torch.compile(net)
    warm(compiled, ONE)
    assert captures(compiled) == 1
    Net.body = lambda self, x: x - 1
    assert compiled(ONE).tolist() == [0.0, 0.0]
    net.body = lambda x: x * 5
    assert compiled(ONE).tolist() == [5.0, 5.0]


def test_an_object_among_the_arguments_changes():
    @dataclasses.dataclass
    class Options:
        scale: float = 2.0

    options = Options()
    compiled = torch.compile(lambda x, o: x * o.scale)
    for _ in range(5):
        assert compiled(ONE, options).tolist() == [2.0, 2.0]
    assert captures(compiled) == 1
    options.scale = 3.0
    assert compiled(ONE, options).tolist() == [3.0, 3.0]
    assert compiled(ONE, Options(7.0)).tolist() == [7.0, 7.0]


def test_arguments_that_share_memory():
    def function(x, y):
        x.add_(1)
        return x * y

    compiled = torch.compile(function)
    for _ in range(5):
        compiled(torch.ones(2), torch.ones(2))
    both = torch.ones(2)
    assert compiled(both, both).tolist() == [4.0, 4.0]


# --------------------------------------------------------------------------------------- what is not captured still runs
def test_control_flow_by_values():
    def function(x):
        return x + 1 if x.sum() > 0 else x - 1

    compiled = torch.compile(function)
    for i in range(8):
        x = torch.ones(2) * (-1) ** i
        assert compiled(x).tolist() == function(x).tolist()
    assert captures(compiled) == 0


@pytest.mark.parametrize("read", [lambda x: x.sum().item(), lambda x: float(x[0]), lambda x: x.tolist()[0],
                                  lambda x: x.detach().numpy()[0], lambda x: int(x.max()), lambda x: len(x.nonzero())])  # fmt: skip
def test_values_that_are_read(read):
    compiled = torch.compile(lambda x: x * float(read(x)))
    for i in range(6):
        x = torch.ones(2) * (i + 1)
        assert compiled(x).tolist() == (x * float(read(x))).tolist()
    assert captures(compiled) == 0


def test_printing_goes_on():
    def function(x):
        print("called")
        return x + 1

    compiled, out = torch.compile(function), io.StringIO()
    with contextlib.redirect_stdout(out):
        warm(compiled, ONE, calls=8)
    assert out.getvalue() == "called\n" * 8


def test_counters_and_lists_go_on():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls, self.seen = 0, []

        def forward(self, x):
            self.calls += 1
            self.seen.append(self.calls)
            return x * self.calls

    net = Net()
    compiled = torch.compile(net)
    for i in range(1, 12):
        assert compiled(ONE).tolist() == [float(i)] * 2
    assert net.calls == 11 and net.seen == list(range(1, 12))


def test_what_is_remembered_goes_on():
    class Net(nn.Module):
        def forward(self, x):
            self.last = x * 2
            return self.last + 1

    compiled = torch.compile(Net())
    for i in range(10):
        compiled(ONE * i)
        assert compiled.last.tolist() == [2.0 * i] * 2


def test_lists_and_globals_of_others_go_on():
    log, table = [], {}

    def function(x):
        log.append(1)
        table[len(log)] = x
        return x + 1

    compiled = torch.compile(function)
    warm(compiled, ONE, calls=9)
    assert len(log) == 9 and list(table) == list(range(1, 10))


def test_iterators_and_generators_go_on():
    numbers = iter(range(100))
    compiled = torch.compile(lambda x: x * next(numbers))
    assert [compiled(ONE)[0].item() for _ in range(8)] == [float(i) for i in range(8)]
    stream = (i for i in range(100))
    compiled = torch.compile(lambda x, s: x * next(s))
    assert [compiled(ONE, stream)[0].item() for _ in range(8)] == [float(i) for i in range(8)]


def test_other_random_numbers_and_clocks_go_on():
    import random
    import time

    compiled = torch.compile(lambda x: x * random.random())
    assert len({compiled(ONE)[0].item() for _ in range(8)}) == 8
    clock = torch.compile(lambda x: x.double() * time.perf_counter())
    assert len({clock(ONE)[0].item() for _ in range(8)}) == 8
    assert captures(compiled) == captures(clock) == 0


def test_disabled_functions_run():
    calls = []

    @torch.compiler.disable
    def note(x):
        calls.append(x)
        return x + 1

    compiled = torch.compile(lambda x: note(x) * 2)
    assert warm(compiled, ONE, calls=8).tolist() == [4.0, 4.0] and len(calls) == 8
    assert torch.compile(note) is note


def test_a_graph_break_that_is_asked_for():
    def function(x):
        torch._dynamo.graph_break()
        return x + 1

    compiled = torch.compile(function)
    assert warm(compiled, ONE).tolist() == [2.0, 2.0] and captures(compiled) == 0


def test_math_and_pure_functions_are_fine():
    compiled = torch.compile(lambda x: x * math.sqrt(x.shape[0]) + max(1, len([x])) + sum(range(3)))
    assert warm(compiled, ONE).tolist() == pytest.approx([math.sqrt(2) + 4] * 2) and captures(compiled) == 1


def test_fullgraph_raises_where_values_are_read():
    compiled = torch.compile(lambda x: x + 1 if x.sum() > 0 else x, fullgraph=True)
    with pytest.raises(RuntimeError, match="reads a value"):
        warm(compiled, ONE)
    fine = torch.compile(lambda x: x + 1, fullgraph=True)
    assert warm(fine, ONE).tolist() == [2.0, 2.0]


def test_the_limit_of_captures(caplog):
    compiled = torch.compile(lambda x, k: x * k)
    with caplog.at_level(logging.WARNING, logger="torch._dynamo"):
        for k in range(20):
            for _ in range(4):
                assert compiled(ONE, k).tolist() == [float(k)] * 2
    assert captures(compiled) == 8 and len([r for r in caplog.records if "recompile_limit" in r.message]) == 1
    few = torch.compile(lambda x, k: x * k, recompile_limit=2)
    for k in range(4):
        warm(few, ONE, k)
    assert captures(few) == 2


def test_reset_forgets():
    compiled = torch.compile(lambda x: x + 1)
    warm(compiled, ONE)
    assert captures(compiled) == 1
    torch._dynamo.reset()
    assert captures(compiled) == 0 and compiled(ONE).tolist() == [2.0, 2.0]


def test_stances():
    compiled = torch.compile(lambda x: x + 1)
    with torch.compiler.set_stance("force_eager"):
        warm(compiled, ONE)
    with torch.compiler.set_stance("eager_on_recompile"):
        warm(compiled, ONE)
    assert captures(compiled) == 0
    warm(compiled, ONE)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert compiled(ONE).tolist() == [2.0, 2.0]
        with pytest.raises(RuntimeError, match="fail_on_recompile"):
            compiled(torch.ones(3))
    assert compiled(torch.ones(3)).tolist() == [2.0] * 3


def test_disable_gives_back_what_it_gets():
    net = nn.Linear(2, 2)
    assert torch.compile(net, disable=True) is net


def test_nested_compiled_functions():
    inner = torch.compile(lambda x: x * 2)
    outer = torch.compile(lambda x: inner(x) + 1)
    for i in range(8):
        assert outer(ONE * i).tolist() == [2.0 * i + 1] * 2
    assert captures(outer) == 1


def test_several_threads():
    compiled, wrong = torch.compile(lambda x, k: (x * 2).sum() + k), []

    def work(number):
        for i in range(60):
            x = torch.ones(number + 2) * i
            if compiled(x, 1.0).item() != 2.0 * i * (number + 2) + 1:
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_that_numpy_sees():
    compiled = torch.compile(lambda x: x * 2)
    warm(compiled, ONE)
    x = torch.ones(2)
    array = x.numpy()
    array[0] = 5.0
    assert compiled(x).tolist() == [10.0, 2.0]


def test_explaining(capsys, monkeypatch):
    from kenaz.core import config

    monkeypatch.setattr(config, "EXPLAIN", True)

    def function(x):
        print(end="")
        return x

    warm(torch.compile(function), ONE)
    assert "is not captured: it calls print" in capsys.readouterr().err


def test_containers_among_the_arguments_are_written_to():
    def function(x, cache):
        cache["last"] = x * 2
        return x + 1

    compiled, cache = torch.compile(function), {}
    for i in range(10):
        compiled(ONE * i, cache)
        assert cache["last"].tolist() == [2.0 * i] * 2


def test_containers_that_are_given_back_are_the_same():
    kept = [1.0]
    compiled = torch.compile(lambda x, parts: (parts, kept, x + 1))
    for _ in range(8):
        parts = [ONE]
        a, b, _ = compiled(ONE, parts)
        assert a is parts and b is kept


def test_errors_that_are_handled_inside():
    def function(table, i):
        try:
            return table[i] * 1
        except IndexError:
            return table[:1] * 0 - 1

    compiled = torch.compile(function)
    for i in range(10):
        index = torch.tensor([i % 3])
        assert compiled(torch.ones(2), index).tolist() == function(torch.ones(2), index).tolist()


def test_what_only_the_first_call_does():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = None

        def forward(self, x):
            if self.table is None:
                self.table = torch.arange(float(int(x.sum().item())))
            return x + self.table.sum()

    compiled = torch.compile(Net())
    assert warm(compiled, ONE, calls=10).tolist() == [2.0, 2.0] and captures(compiled) == 1
    compiled.table = torch.ones(5)
    assert compiled(ONE).tolist() == [6.0, 6.0]


def test_closures_of_one_code():
    def make(k):
        return lambda x: x * k

    inner = [make(float(k)) for k in range(4)]
    compiled = [torch.compile(f) for f in inner]
    for _ in range(6):
        assert [c(ONE)[0].item() for c in compiled] == [0.0, 1.0, 2.0, 3.0]
    assert [captures(c) for c in compiled] == [1] * 4


def test_a_tensor_that_only_a_tensor_knows():
    owner = torch.ones(1)
    for make in (torch.ones, torch.rand, lambda n: torch.tensor([1.0] * n)):
        owner.other = make(2)
        compiled = torch.compile(lambda x: x + owner.other)
        warm(compiled, ONE)
        owner.other = torch.zeros(2)
        assert compiled(ONE).tolist() == [1.0, 1.0]
        owner.other.add_(1)
        assert compiled(ONE).tolist() == [2.0, 2.0]


def test_partial_and_iterated_modules():
    import functools

    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    scale = functools.partial(torch.mul, other=2.0)

    def function(x):
        for i, layer in enumerate(layers):
            x = layer(x) + i
        return scale(x)

    compiled = torch.compile(function)
    for _ in range(6):
        torch.testing.assert_close(compiled(ONE), function(ONE))
    assert captures(compiled) == 1
    layers.append(nn.Linear(2, 2))
    torch.testing.assert_close(compiled(ONE), function(ONE))


def test_sparse_and_strange_arguments_run():
    compiled = torch.compile(lambda x, y: x @ y)
    matrix = torch.eye(2).to_sparse()
    for _ in range(6):
        assert compiled(matrix, torch.ones(2, 2)).tolist() == [[1.0, 1.0]] * 2

    class Marked(torch.Tensor):
        pass

    plain = torch.compile(lambda x: x + 1)
    for _ in range(6):
        assert type(plain(torch.ones(2).as_subclass(Marked))) is Marked
        assert type(plain(ONE)) is torch.Tensor


def test_inference_mode():
    compiled = torch.compile(lambda x: x.exp())
    for _ in range(6):
        with torch.inference_mode():
            assert compiled(ONE).is_inference()
        assert not compiled(ONE).is_inference()


def test_transforms_of_functions():
    compiled = torch.compile(lambda x: (x * x).sum())
    for _ in range(6):
        x = torch.arange(6.0).reshape(3, 2)
        assert compiled(x).item() == 55.0
        torch.testing.assert_close(torch.func.grad(compiled)(x), 2 * x)
        torch.testing.assert_close(torch.vmap(compiled)(x), (x * x).sum(1))
        torch.testing.assert_close(torch.func.jvp(compiled, (x,), (x,))[1], (2 * x * x).sum())
