"""Tracing programs into graphs: what the graph says, its Python, and changing it. Texts are PyTorch 2.13's."""

import copy
import operator
import pickle
from collections.abc import Callable

import pytest

import kenaz as torch
from kenaz import fx, nn
from kenaz.nn import functional as F


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.param = nn.Parameter(torch.zeros(3, 4))
        self.linear = nn.Linear(4, 5)
        self.seq = nn.Sequential(nn.Linear(5, 5), nn.ReLU())
        self.register_buffer("buf", torch.ones(5))

    def forward(self, x: torch.Tensor, y: float = 1.0, *, k: None = None) -> dict:
        h = self.linear(x + self.param).clamp(min=0.0, max=1.0)
        h = self.seq(h) + self.buf * y
        z = F.relu(torch.cat([h, h], dim=1), inplace=False).sum(-1)
        z = z.view(x.shape[0], -1)
        w = 2 - z[0:1, ..., None]
        w += 1
        return {"a": ~(w > 0), "b": (z, [x.size(0)], x.dtype)}


CODE = '''


def forward(self, x, y = 1.0, k = None):
    param = self.param
    add = x + param;  param = None
    linear = self.linear(add);  add = None
    clamp = linear.clamp(min = 0.0, max = 1.0);  linear = None
    seq_0 = getattr(self.seq, "0")(clamp);  clamp = None
    seq_1 = getattr(self.seq, "1")(seq_0);  seq_0 = None
    buf = self.buf
    mul = buf.mul(y);  buf = y = None
    add_1 = seq_1 + mul;  seq_1 = mul = None
    cat = torch.cat([add_1, add_1], dim = 1);  add_1 = None
    relu = torch.nn.functional.relu(cat, inplace = False);  cat = None
    sum_1 = relu.sum(-1);  relu = None
    getattr_1 = x.shape
    getitem = getattr_1[0];  getattr_1 = None
    view = sum_1.view(getitem, -1);  sum_1 = getitem = None
    getitem_1 = view[(slice(0, 1, None), Ellipsis, None)]
    sub = 2 - getitem_1;  getitem_1 = None
    add_2 = sub + 1;  sub = None
    gt = add_2 > 0;  add_2 = None
    invert = ~gt;  gt = None
    size = x.size(0)
    getattr_2 = x.dtype;  x = None
    return {'a': invert, 'b': (view, [size], getattr_2)}
    '''


def test_code_of_a_module() -> None:
    assert fx.symbolic_trace(Network()).code == CODE


def test_traced_module_computes_what_the_module_does() -> None:
    module, x = Network(), torch.randn(3, 4)
    traced = fx.symbolic_trace(module)
    for twin in (traced, copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
        expected, found = module(x), twin(x)
        assert torch.equal(found["b"][0], expected["b"][0]) and found["b"][1:] == expected["b"][1:]
        assert list(twin.state_dict()) == list(traced.state_dict())
    assert torch.equal(fx.Interpreter(traced).run(x)["b"][0], expected["b"][0])
    assert torch.equal(fx.Transformer(traced).transform()(x)["b"][0], expected["b"][0])


def test_printed_graph() -> None:
    def f(x, n=3):  # type: ignore[no-untyped-def]
        return torch.add(x, x, alpha=2).sum() + abs(x)

    assert str(fx.symbolic_trace(f).graph) == (
        "graph():\n"
        "    %x : [num_users=2] = placeholder[target=x]\n"
        "    %n : [num_users=0] = placeholder[target=n](default=3)\n"
        "    %add : [num_users=1] = call_function[target=torch.add](args = (%x, %x), kwargs = {alpha: 2})\n"
        "    %sum_1 : [num_users=1] = call_method[target=sum](args = (%add,), kwargs = {})\n"
        "    %abs_1 : [num_users=1] = call_function[target=operator.abs](args = (%x,), kwargs = {})\n"
        "    %add_1 : [num_users=1] = call_function[target=operator.add](args = (%sum_1, %abs_1), kwargs = {})\n"
        "    return add_1"
    )


def test_stars_constants_and_concrete_arguments() -> None:
    traced = fx.symbolic_trace(lambda *args, **kw: args[0] + kw["a"])
    assert int(traced(torch.tensor(1), a=2)) == 3
    constant = torch.ones(2)
    assert fx.symbolic_trace(lambda x: x + constant)._tensor_constant0 is constant
    chosen = fx.symbolic_trace(lambda x, b: x if b else -x, concrete_args={"b": False})
    assert "x = b" not in chosen.code and int(chosen(torch.tensor(1), False)) == -1
    with pytest.raises(AssertionError, match="specialized to have value False"):
        chosen(torch.tensor(1), True)


@pytest.mark.parametrize(
    ("program", "error", "words"),
    [
        (lambda x: x if x.sum() > 0 else -x, fx.proxy.TraceError, "cannot be used as inputs to control flow"),
        (lambda x: [i for i in x], fx.proxy.TraceError, "cannot be iterated"),  # noqa: C416  iterating is the mistake
        (lambda x: len(x), RuntimeError, "'len' is not supported in symbolic tracing"),
        (lambda x: range(x), TypeError, "cannot be interpreted as an integer"),
    ],
)
def test_what_cannot_be_traced(program: Callable, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fx.symbolic_trace(program)
    assert float(torch.relu(torch.tensor(-1.0))) == 0  # nothing stays replaced


def test_unpacking() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        a, b = x.chunk(2)
        return a - b

    assert fx.symbolic_trace(f)(torch.tensor([3.0, 1.0])).item() == 2


def test_leaves_are_the_tracers_choice() -> None:
    class Inside(fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return False

    module = nn.Sequential(nn.Linear(2, 3))
    traced = fx.GraphModule(module, Inside().trace(module))
    assert [n.op for n in traced.graph.nodes].count("call_function") == 1
    assert torch.equal(traced(torch.ones(1, 2)), module(torch.ones(1, 2)))


def test_changing_a_graph() -> None:
    traced = fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    relu = next(n for n in traced.graph.nodes if n.target is torch.relu)
    with traced.graph.inserting_after(relu):
        doubled = traced.graph.call_function(operator.mul, (relu, 2))
    relu.replace_all_uses_with(doubled, lambda user: user is not doubled)
    traced.graph.lint()
    traced.recompile()
    assert int(traced(torch.tensor(3))) == 7
    with pytest.raises(RuntimeError, match="still had 1 users in the graph"):
        traced.graph.erase_node(relu)
    with pytest.raises(NotImplementedError, match="does not support mutation"):
        traced.graph.call_function(torch.cat, ([relu],)).args[0].append(relu)
    assert traced.graph.eliminate_dead_code() and "cat" not in str(traced.graph)


def test_lint_sees_wrong_order() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    a = graph.call_function(torch.relu, (x,))
    b = graph.call_function(torch.sin, (a,))
    graph.output(b)
    a.prepend(b)
    with pytest.raises(RuntimeError, match="was used before it has been defined"):
        graph.lint()


def test_replace_pattern() -> None:
    traced = fx.symbolic_trace(lambda x: torch.relu(x) + torch.relu(x * 2))
    found = fx.replace_pattern(traced, lambda x: torch.relu(x), lambda x: torch.neg(x))
    assert len(found) == 2 and found[0].anchor.name == "relu"
    assert int(traced(torch.tensor(1))) == -3


def test_user_functions_as_leaves() -> None:
    namespace: dict = {}
    exec(
        "import kenaz as torch\n@torch.fx.wrap\ndef twice(x):\n    return 2 * x if x.sum() > 0 else x\n"
        "def f(x):\n    return twice(x)\n",
        namespace,
    )
    traced = fx.symbolic_trace(namespace["f"])
    assert float(traced(torch.tensor(2.0))) == 4


def test_modules_of_a_graph_module() -> None:
    traced = fx.symbolic_trace(Network())
    assert traced.add_submodule("extra.norm", nn.LayerNorm(2)) and hasattr(traced.extra, "norm")
    traced.delete_all_unused_submodules()
    assert not hasattr(traced, "extra") and traced.linear.out_features == 5
