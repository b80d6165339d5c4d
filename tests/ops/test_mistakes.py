"""Wrong calls: PyTorch's words for wrong arguments, and values that are found wrong at the line that uses them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import kenaz as torch

F = torch.nn.functional
x = torch.ones(2, 3)
ARGUMENTS: list[tuple[Callable, str]] = [
    (lambda: torch.exp(), 'exp() missing 1 required positional arguments: "input"'),
    (lambda: torch.exp("a"), "exp(): argument 'input' (position 1) must be Tensor, not str"),
    (lambda: torch.maximum(x, 2), "maximum(): argument 'other' (position 2) must be Tensor, not int"),
    (lambda: torch.add(x, "a"), "add(): argument 'other' (position 2) must be Tensor, not str"),
    (lambda: torch.eq(1, x), "eq() received an invalid combination of arguments - got (int, Tensor)"),
    (lambda: x.cumsum("a"), "cumsum(): argument 'dim' (position 1) must be int, not str"),
    (lambda: torch.softmax(1, 1), "softmax(): argument 'input' (position 1) must be Tensor, not int"),
    (lambda: torch.cumsum(x, 1, axes=1), "cumsum() got an unexpected keyword argument 'axes'"),
    (lambda: torch.zeros("a"), "zeros(): argument 'size' (position 1) must be tuple of ints, not str"),
    (lambda: torch.block_diag(x, 1), "block_diag(): argument 'tensors' (position 2) must be Tensor, not int"),
    (lambda: torch.max(2, x), "max() received an invalid combination of arguments - got (int, Tensor), but expected one of:"),
    (lambda: torch.sum(), "sum() received an invalid combination of arguments - got (), but expected one of:"),
    (lambda: torch.sum(3), "sum(): argument 'input' (position 1) must be Tensor, not int"),
    (lambda: torch.rsub(2, 3), "rsub() received an invalid combination of arguments - got (int, int)"),
    (lambda: torch.linspace(0, 3, 1.0), "linspace() received an invalid combination of arguments - got (int, int, float)"),
    (lambda: torch.tensor([1, "a"]), "new(): invalid data type 'str'"),
    (lambda: ~x, "~ (operator.invert) is only implemented on integer and Boolean-type tensors"),
]
VALUES: list[tuple[Callable, type[Exception], str]] = [
    (lambda: torch.tensor([5]) // 0, RuntimeError, "ZeroDivisionError"),
    (lambda: torch.tensor([5]) % torch.tensor([0]), RuntimeError, "ZeroDivisionError"),
    (lambda: torch.fmod(torch.tensor([5]), 0), RuntimeError, "ZeroDivisionError"),
    (lambda: F.embedding(torch.tensor([3]), torch.ones(3, 2)), IndexError, "index out of range in self"),
    (lambda: torch.linspace(x[0], x[0], 2), RuntimeError, "linspace only supports 0-dimensional start and end tensors, but"),
    (lambda: torch.logspace(0, 3, -1), RuntimeError, "number of steps must be non-negative"),
    (lambda: torch.tensor([2**70]), ValueError, "Overflow when unpacking long long"),
    (lambda: setattr(x, "T", 3), AttributeError, "attribute 'T' of 'torch._C.TensorBase' objects is not writable"),
    (lambda: torch.masked_select(x, x > 0, out=x), RuntimeError, "refer to a single memory location"),
    (
        lambda: torch.multinomial(torch.tensor([1.0, float("inf")]), 2, replacement=True), RuntimeError,
        "encountering probability entry = infinity or NaN",
    ),
    (lambda: x.index_select(1, torch.tensor([9])), RuntimeError, "INDICES element is out of DATA bounds, id=9 axis_dim=3"),
    (lambda: x.masked_scatter(torch.tensor([True, True, True]), torch.ones(1)), RuntimeError, "Number of elements of source < number of ones in mask"),
    *[
        (call, (IndexError, RuntimeError), "out of (bounds|range)")
        for call in (
            lambda: x.gather(1, torch.tensor([[9]])),
            lambda: x.scatter(1, torch.tensor([[9]]), 1.0),
            lambda: x.scatter_add(1, torch.tensor([[9]]), x),
            lambda: x.take(torch.tensor([9])),
            lambda: x.put(torch.tensor([9]), torch.ones(1)),
            lambda: x.index_put((torch.tensor([9]),), torch.ones(1)),
            lambda: x[torch.tensor([9])],
            lambda: x.index_add(0, torch.tensor([9]), torch.ones(1, 3)),
            lambda: x.index_fill(0, torch.tensor([9]), 0),
        )
    ],
    (lambda: F.nll_loss(x, torch.tensor([0, 3])), IndexError, "Target 3 is out of bounds."),
]


@pytest.mark.parametrize("call,message", ARGUMENTS, ids=[m for _, m in ARGUMENTS])
def test_arguments(call: Callable, message: str) -> None:
    with pytest.raises(TypeError) as error:
        call()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("call,kind,message", VALUES, ids=range(len(VALUES)))
def test_values_at_the_line(call: Callable, kind: type[Exception], message: str) -> None:
    """The mistake is raised by the call, though nothing asked for the result."""
    with pytest.raises(kind, match=message):
        call()


def test_pending_values_are_found_later() -> None:
    divisor = torch.tensor([1]) - 1
    result = torch.tensor([5]) // divisor
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        result.tolist()


def test_names_of_backward_nodes() -> None:
    a = torch.ones(2, 3, requires_grad=True)
    found = [
        y.grad_fn.name() for y in (a.sum(), a.sum(0), a.mean(1), a.prod(), a**2, a**a, 2**a, a.clamp(0), a.clamp(a), a % 2, 2 / a)
    ]
    assert found == [
        "SumBackward0", "SumBackward1", "MeanBackward1", "ProdBackward0", "PowBackward0", "PowBackward1", "PowBackward2",
        "ClampBackward1", "ClampBackward0", "RemainderBackward0", "MulBackward0",
    ]  # fmt: skip


FORMS: list[tuple[Callable, str]] = [
    (lambda: torch.topk(x, "a"), "topk(): argument 'k' (position 2) must be int, not str"),
    (lambda: torch.kron(), 'kron() missing 2 required positional argument: "input", "other"'),
    (lambda: torch.argsort(), "argsort() received an invalid combination of arguments - got (), but expected one of:"),
    (lambda: torch.addmm(x), "addmm() received an invalid combination of arguments - got (Tensor), but expected one of:"),
    (lambda: torch.split_with_sizes(x, [1.5]), "split_with_sizes(): argument 'split_sizes' (position 2) must be tuple of ints"),
    (lambda: torch.conv_transpose2d(*[x] * 10), "conv_transpose2d() takes from 2 to 8 positional arguments but 10 were given"),
    (lambda: torch.index_add(x, bad=1), 'index_add() missing 3 required positional argument: "dim", "index", "source"'),
    (lambda: torch.max(1), "max(): argument 'input' (position 1) must be Tensor, not int"),
]


@pytest.mark.parametrize("call,message", FORMS, ids=[m for _, m in FORMS])
def test_forms_of_functions(call: Callable, message: str) -> None:
    """What is wrong follows from the forms that PyTorch has, whatever our own function stumbled over."""
    with pytest.raises(TypeError) as error:
        call()
    assert str(error.value).startswith(message)


def test_a_right_call_keeps_its_own_error() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        torch.mm(x, x)
    with pytest.raises(IndexError, match="Dimension out of range"):
        torch.cumsum(x, 5)


@pytest.mark.parametrize("join", [torch.stack, torch.cat])
def test_what_is_no_tensor_among_those_to_join_is_named_by_its_place(join) -> None:
    with pytest.raises(TypeError, match="^expected Tensor as element 1 in argument 0, but got int$"):
        join([torch.ones(2), 3])
