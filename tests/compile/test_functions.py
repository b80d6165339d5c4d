"""Compiled functions give what the functions give: before they are captured, when they are, and afterwards."""

import collections

import pytest

import kenaz as torch
from kenaz import nn

CALLS = 7  # enough to be captured and replayed several times


def captures(function):
    """How often a compiled function or module was captured."""
    compiled = (
        function.__dict__.get("_compiled")
        or dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))["compiled"].cell_contents
    )
    return compiled.count


def same(a, b):
    """Whether two values are equal in all parts, with tensors close to each other."""
    if isinstance(a, torch.Tensor):
        assert type(a) is type(b) and a.shape == b.shape and a.stride() == b.stride() and a.dtype is b.dtype
        assert a.requires_grad == b.requires_grad and a._is_view() == b._is_view()
        torch.testing.assert_close(a, b)
    elif isinstance(a, dict):
        assert type(a) is type(b) and list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b and type(a) is type(b)


def check(function, make, captured=1, calls=CALLS):
    """Compare a function with its compiled form on arguments that `make(i)` gives; returns the compiled form."""
    compiled = torch.compile(function)
    for i in range(calls):
        same(compiled(*make(i)), function(*make(i)))
    assert captures(compiled) == captured
    return compiled


Pair = collections.namedtuple("Pair", "first second")
SCALE = 3.0
TABLE = {"scale": 2.0}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 + 1,
        lambda x: (x + 1, x - 1),
        lambda x: [x.exp(), {"a": x.sin(), "b": None, "c": 3}],
        lambda x: Pair(x.sum(), x.mean(0)),
        lambda x: x.max(0),
        lambda x: None,
        lambda x: 5,
        lambda x: (x * 2).t(),
        lambda x: (x * 2)[1:, ::2],
        lambda x: torch.cat([x, x * 2]).softmax(-1),
        lambda x: x @ x.t() + torch.arange(3) + torch.ones(3),
        lambda x: (x > 0).sum(),
        lambda x: x.shape,
        lambda x: torch.where(x > 0, x, torch.zeros_like(x)).cumsum(0),
        lambda x: sum(x * i for i in range(4)),
        lambda x: x.reshape(-1).sort(descending=True),
    ],
)
def test_values(function):
    check(function, lambda i: (torch.arange(12.0).reshape(3, 4).sin() * (i + 1),))


def test_without_gradients():
    with torch.no_grad():
        check(
            lambda x: torch.relu(x) @ x.t(),
            lambda i: (torch.randn(20, 20, generator=torch.Generator().manual_seed(i)),),
        )


def test_outputs_that_are_inputs_are_the_same_objects():
    compiled = torch.compile(lambda x, y: (x, y + 1, x, [y]))
    for i in range(CALLS):
        x, y = torch.ones(2) * i, torch.ones(3)
        a, b, c, (d,) = compiled(x, y)
        assert a is x and c is x and d is y and b.tolist() == [2.0] * 3
    assert captures(compiled) == 1


def test_views_of_inputs_share_their_memory():
    compiled = torch.compile(lambda x: (x[1:], x.view(-1)))
    for i in range(CALLS):
        x = torch.arange(6.0).reshape(3, 2) + i
        rows, flat = compiled(x)
        assert rows._base is x and flat._base is x
        flat[2] = -1.0
        assert x[1, 0].item() == -1.0 and rows[0, 0].item() == -1.0
    assert captures(compiled) == 1


def test_outputs_share_memory_with_each_other():
    def function(x):
        y = x * 2
        return y, y[0], y

    compiled = torch.compile(function)
    for i in range(CALLS):
        y, first, again = compiled(torch.ones(2, 3) * i)
        assert y is again and first._base is y
        y.add_(1)
        assert first.tolist() == [2.0 * i + 1] * 3
    assert captures(compiled) == 1


def test_views_with_offsets_come_anew():
    data = torch.arange(100.0)
    compiled = check(lambda x: (x[1:] * 2).sum() + x[0], lambda i: (data[i * 5 + 1 : i * 5 + 6],))
    for i in range(5):
        x = data[i * 7 + 3 : i * 7 + 8]
        assert compiled(x).item() == (x[1:] * 2).sum().item() + x[0].item()
    assert captures(compiled) == 1


def test_writing_to_arguments():
    def function(x, y):
        x.add_(y)
        y[0] = 7.0
        x[1:].mul_(2)
        return x.sum()

    compiled = torch.compile(function)
    a, b = torch.ones(3), torch.arange(3.0)
    c, d = a.clone(), b.clone()
    for _ in range(CALLS):
        before = a._version
        same(compiled(a, b), function(c, d))
        same((a, b), (c, d))
        assert a._version - before == 2
    assert captures(compiled) == 1


def test_writing_through_a_view():
    data, other = torch.zeros(10), torch.zeros(10)

    def function(x):
        x += 1
        return x * 2

    compiled = torch.compile(function)
    for i in range(CALLS):
        same(compiled(data[i : i + 3]), function(other[i : i + 3]))
        same(data, other)
    assert captures(compiled) == 1


def test_writing_to_a_global_tensor():
    global total
    total = torch.zeros(2)

    def count(x):
        total.add_(x)
        return total * 2

    compiled = torch.compile(count)
    for i in range(CALLS):
        assert compiled(torch.ones(2)).tolist() == [2.0 * (i + 1)] * 2
    assert captures(compiled) == 1 and total.tolist() == [CALLS] * 2


def test_random_numbers_are_the_same_stream():
    def function(x):
        noise = torch.rand(5) + torch.randn(5)
        return torch.nn.functional.dropout(x, 0.3) + noise * torch.randint(3, (5,))

    compiled = torch.compile(function)
    for i in range(CALLS):
        torch.manual_seed(i)
        expected = function(torch.ones(5)), torch.rand(2)
        torch.manual_seed(i)
        same((compiled(torch.ones(5)), torch.rand(2)), expected)
    assert captures(compiled) == 1


def test_a_generator_of_ones_own():
    generator, other = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    compiled = torch.compile(lambda x, g: x + torch.rand(3, generator=g))
    for _ in range(CALLS):
        same(compiled(torch.ones(3), generator), torch.ones(3) + torch.rand(3, generator=other))
    assert captures(compiled) == 1


def test_keywords_defaults_and_nested_arguments():
    def function(x, *, scale=2.0, parts=()):
        return x * scale + sum(p["a"] for p in parts)

    compiled = torch.compile(function)
    for i in range(CALLS):
        x = torch.ones(2) * i
        parts = [{"a": x}, {"a": x + 1}]
        same(compiled(x, scale=3.0, parts=parts), function(x, scale=3.0, parts=parts))
    assert captures(compiled) == 1


def test_numbers_of_different_types_are_different():
    compiled = torch.compile(lambda x, k: x + k)
    x = torch.ones(2, dtype=torch.int64)
    for _ in range(4):
        assert compiled(x, 1).dtype is torch.int64
        assert compiled(x, 1.0).dtype is torch.float32
        assert compiled(x, True).dtype is torch.int64
    zero = torch.compile(lambda x, k: torch.copysign(x, k))
    for _ in range(4):
        assert zero(torch.ones(1), 0.0).item() == 1.0
        assert zero(torch.ones(1), -0.0).item() == -1.0


def test_functions_that_call_functions():
    def inner(x, factor):
        return x * factor

    class Helper:
        def __init__(self):
            self.factor = 2.0

        def apply(self, x):
            return inner(x, self.factor)

    helper = Helper()
    compiled = check(lambda x: helper.apply(x) + inner(x, 1.0), lambda i: (torch.ones(2) * i,))
    helper.factor = 5.0
    assert compiled(torch.ones(2)).tolist() == [6.0, 6.0]


def test_decorator_forms():
    @torch.compile
    def one(x):
        """A docstring."""
        return x + 1

    @torch.compile(mode="reduce-overhead", dynamic=True)
    def two(x):
        return x + 2

    assert one.__name__ == "one" and one.__doc__ == "A docstring." and one._torchdynamo_orig_callable is one.__wrapped__
    for _ in range(CALLS):
        assert one(torch.ones(1)).item() == 2.0 and two(torch.ones(1)).item() == 3.0
    again = torch.compile(one)
    assert again is not one and again.__wrapped__ is one.__wrapped__


def test_methods_and_callable_objects():
    class Scaled:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return x * self.k

        def method(self, x):
            return x + self.k

    scaled = Scaled(3.0)
    by_call, by_method = torch.compile(scaled), torch.compile(scaled.method)
    for _ in range(CALLS):
        assert by_call(torch.ones(1)).item() == 3.0 and by_method(torch.ones(1)).item() == 4.0
    assert captures(by_call) == captures(by_method) == 1
    scaled.k = 5.0
    assert by_call(torch.ones(1)).item() == 5.0 and by_method(torch.ones(1)).item() == 6.0


def test_wrong_arguments_raise_what_the_function_raises():
    compiled = torch.compile(lambda x, y: x @ y)
    for _ in range(CALLS):
        compiled(torch.ones(2, 3), torch.ones(3, 2))
    for _ in range(3):
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            compiled(torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(TypeError):
        compiled(torch.ones(2))
    assert compiled(torch.ones(2, 3), torch.ones(3, 2)).tolist() == [[3.0, 3.0]] * 2


def test_errors_that_depend_on_values_are_found():
    table = torch.arange(8.0).reshape(4, 2)
    compiled = torch.compile(lambda i: table[i] * 2)
    lookup = torch.compile(lambda i: nn.functional.embedding(i, table))
    for _ in range(CALLS):
        compiled(torch.tensor([0, 3]))
        lookup(torch.tensor([0, 3]))
    assert captures(compiled) == captures(lookup) == 1
    for function in (compiled, lookup):
        with pytest.raises(IndexError):
            function(torch.tensor([0, 4])).tolist()
    loss = torch.compile(nn.functional.cross_entropy)
    for _ in range(CALLS):
        loss(torch.ones(2, 3), torch.tensor([0, 2]))
    with pytest.raises(IndexError, match="out of bounds"):
        loss(torch.ones(2, 3), torch.tensor([0, 3])).item()


def test_an_error_inside_does_not_change_what_comes_after():
    def function(x, fail):
        y = x * 2
        if fail:
            raise ValueError("as it says")
        return y

    compiled = torch.compile(function)
    for _ in range(CALLS):
        assert compiled(torch.ones(1), False).item() == 2.0
        with pytest.raises(ValueError, match="as it says"):
            compiled(torch.ones(1), True)
