"""Memory shared with others, NumPy's protocols, and subclasses of Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import kenaz as torch


def test_dlpack_shares_both_ways() -> None:
    t = torch.arange(6.0).reshape(2, 3)
    a = np.from_dlpack(t.t())
    assert a.strides == (4, 12)
    t.add_(1)
    assert a.tolist() == [[1, 4], [2, 5], [3, 6]]
    back = torch.from_dlpack(np.arange(3))
    assert back.dtype is torch.int64 and back.tolist() == [0, 1, 2]
    source = np.zeros(3)
    shared = torch.from_dlpack(source)
    shared += 2
    source[0] = 7
    assert shared.tolist() == [7, 2, 2] == source.tolist()
    assert torch.from_dlpack(t).data_ptr() == t.data_ptr()


def test_dlpack_capsules() -> None:
    t = torch.ones(2)
    capsule = torch.utils.dlpack.to_dlpack(t)
    again = torch.utils.dlpack.from_dlpack(capsule)
    again.mul_(3)
    assert t.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="from_dlpack received an invalid capsule"):
        torch.from_dlpack(3)
    with pytest.raises(BufferError, match="bfloat16"):
        torch.ones(2).bfloat16().__dlpack__()
    with pytest.raises(BufferError, match="require gradient, use tensor.detach"):
        torch.ones(2, requires_grad=True).__dlpack__()


def test_frombuffer() -> None:
    memory = bytearray(b"\x01\x00\x02\x00")
    t = torch.frombuffer(memory, dtype=torch.int16)
    t.add_(1)
    assert bytes(memory) == b"\x02\x00\x03\x00"
    assert torch.frombuffer(memory, dtype=torch.int16, count=1, offset=2).tolist() == [3]
    assert torch.frombuffer(bytearray(4), dtype=torch.float32, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        (3, {}, "buffer length (3 bytes) after offset (0 bytes) must be a multiple of element size (2)"),
        (8, {"count": 5},
        ("requested buffer length (5 * 2 bytes) after offset (0 bytes) must not be greater than actual buffer length "
        "(8 bytes)")),
        (0, {}, "both buffer length (0) and count (-1) must not be 0"),
        (8, {"offset": 8}, "offset (8 bytes) must be non-negative and no greater than buffer length (8 bytes) minus 1"),
    ],
)  # fmt: skip
def test_frombuffer_refuses(size: int, options: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        torch.frombuffer(bytearray(size), dtype=torch.int16, **options)
    assert str(caught.value) == message


def test_numpy_functions_give_tensors() -> None:
    t = torch.arange(3.0)
    assert isinstance(np.sin(t), torch.Tensor) and isinstance(np.add(t, 1), torch.Tensor)
    product = np.float64(2) * t
    assert isinstance(product, torch.Tensor) and product.dtype is torch.float32
    assert (t + np.ones(3, np.float32)).tolist() == [1, 2, 3]
    assert np.asarray(t, dtype=np.float64).dtype == np.float64 and np.shares_memory(np.asarray(t), t.numpy())
    assert np.stack([t, t]).shape == (2, 3)
    with pytest.raises(TypeError):
        np.ones(3) * t


def test_calls_back_to_python() -> None:
    t = torch.arange(3.0)
    assert t.clone().apply_(lambda v: v * 2).tolist() == [0, 2, 4]
    assert t.clone().map_(torch.ones(3), lambda a, b: a + b).tolist() == [1, 2, 3]
    with pytest.raises(RuntimeError, match=r"Can't call apply_\(\) on Variable that requires grad"):
        t.clone().requires_grad_().apply_(abs)


def test_odds_and_ends() -> None:
    t = torch.arange(6.0).reshape(2, 3)
    assert t.is_set_to(t.view(2, 3)) and not t.is_set_to(t.view(6))
    assert t.new(2, 3).shape == (2, 3) and t.new([1, 2]).tolist() == [1, 2]
    assert [r.tolist() for r in reversed(t)] == [[3, 4, 5], [0, 1, 2]]
    assert 3 in t and 9 not in t
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar, but you passed in a <class 'str'>"):
        "a" in t  # noqa: B015  for its error
    with pytest.raises(ValueError, match="only one element tensors can be converted to Python scalars"):
        int(t)
    a, b = torch.ones(2, requires_grad=True), torch.zeros(3)
    torch.utils.swap_tensors(a, b)
    assert a.tolist() == [0, 0, 0] and b.requires_grad and not a.requires_grad
    (b * 2).sum().backward()
    assert b.grad.tolist() == [2, 2]


class Marked(torch.Tensor):
    pass


@pytest.mark.parametrize(
    "f",
    [
        lambda s: s + 1, lambda s: 1 + s, lambda s: torch.ones(2, 3) + s, torch.sin, lambda s: s.sum(), lambda s: s[0],
        lambda s: s.view(6), lambda s: torch.cat([s, torch.ones(2, 3)]), lambda s: s.split(1)[0], lambda s: s.max(0)[0],
        lambda s: s.add_(1), lambda s: s.clone(), lambda s: s.detach(), lambda s: s.data, lambda s: s.T,
        lambda s: s == s,
        lambda s: torch.ones(2, 3).mul(s), lambda s: s.to(torch.float64), lambda s: torch.nn.functional.relu(s),
        lambda s: s.new_zeros(2),
    ],
)  # fmt: skip
def test_subclasses_are_given_back(f: Any) -> None:
    assert type(f(torch.ones(2, 3).as_subclass(Marked))) is Marked


def test_subclasses_in_the_graph() -> None:
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).as_subclass(Marked)
    (y * y).sum().backward()
    assert x.grad.tolist() == [8, 8] and type(x.grad) is torch.Tensor
    assert type(torch.nn.Parameter(torch.ones(2)) + 1) is torch.Tensor


def test_torch_function_of_a_subclass() -> None:
    seen = []

    class Logged(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs)

    x = torch.ones(2).as_subclass(Logged)
    y = (x + 1).sum()
    assert seen == ["add", "sum"] and type(y) is Logged


def test_functions_that_ask_their_arguments() -> None:
    from kenaz.overrides import handle_torch_function, has_torch_function, is_tensor_like

    class Duck:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, types, len(args), kwargs

    def user_function(a: Any, *, b: Any = None) -> Any:
        return handle_torch_function(user_function, (a, b), a, b=b)

    duck = Duck()
    assert has_torch_function((1, duck)) and not has_torch_function((torch.ones(2), torch.nn.Parameter(torch.ones(2))))
    assert has_torch_function((torch.ones(2).as_subclass(Marked),)) and is_tensor_like(duck)
    assert user_function(duck, b=5) == ("user_function", (Duck,), 1, {"b": 5})
