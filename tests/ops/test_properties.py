"""Random programs against NumPy: tensors that share memory, broadcasting, promotion, keys, and reductions.

A program is a list of steps over a pool of pairs (tensor, array). Every step does the same to both; views go into the
pool, so that later writes are seen, or not, through everything that shares memory.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import kenaz as torch

SETTINGS = settings(max_examples=80, deadline=None)
Pair = tuple[torch.Tensor, np.ndarray]


def numbered(size: tuple[int, ...], start: int = 0) -> Pair:
    a = (np.arange(np.prod(size, dtype=int), dtype=np.float64) % 7 + start).reshape(size)
    return torch.tensor(a), a.copy()


def same(pair: Pair) -> None:
    t, a = pair
    assert tuple(t.shape) == a.shape
    np.testing.assert_array_equal(t.detach().clone().numpy(), a)


# ----------------------------------------------------------------------------------------------------- shared memory
@st.composite
def keys(draw: Any, size: tuple[int, ...]) -> tuple:
    """A basic key: integers, slices forwards, None, Ellipsis."""
    key: list[Any] = []
    for n in size[: draw(st.integers(0, len(size)))]:
        kind = draw(st.sampled_from(["number", "slice", "slice", "all", "none"]))
        if kind == "number" and n:
            key.append(draw(st.integers(-n, n - 1)))
        elif kind == "none":
            key += [None, slice(None)]
        elif kind == "slice":
            bound = st.none() | st.integers(-n - 1, n + 1)
            key.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2]))))
        else:
            key.append(slice(None))
    return (*key, Ellipsis) if draw(st.booleans()) else tuple(key)


def take_view(draw: Any, pair: Pair) -> Pair:
    """Another look at the same memory."""
    t, a = pair
    kind = draw(st.sampled_from(["key", "key", "transpose", "expand", "diagonal", "unfold", "flat"]))
    if kind == "transpose" and a.ndim > 1:
        d = draw(st.integers(0, a.ndim - 2))
        return t.transpose(d, d + 1), a.swapaxes(d, d + 1)
    if kind == "expand" and a.ndim < 3:
        return t.unsqueeze(0).expand(2, *a.shape), as_strided(a, (2, *a.shape), (0, *a.strides))
    if kind == "diagonal" and a.ndim > 1:
        strides = (*a.strides[2:], a.strides[0] + a.strides[1])
        return t.diagonal(0, 0, 1), as_strided(a, (*a.shape[2:], min(a.shape[:2])), strides)
    if kind == "unfold" and a.ndim and a.shape[0] > 1:
        return t.unfold(0, 2, 1), sliding_window_view(a, 2, 0, writeable=True)
    if kind == "flat" and t.is_contiguous():
        return t.view(-1), a.reshape(-1)
    key = draw(keys(a.shape))
    return t[key], a[key] if isinstance(a[key], np.ndarray) else a[(*key, None)].reshape(())


def overlaps(a: np.ndarray) -> bool:
    """Whether two elements of an array are one place in memory."""
    reached = np.unique(np.arange(1))
    for n, q in zip(a.shape, a.strides, strict=True):
        reached = (reached[:, None] + np.arange(n) * q).reshape(-1)
    return len(np.unique(reached)) < reached.size


def write(draw: Any, target: Pair, other: Pair) -> None:
    """Change a tensor in place, by a number or by another tensor that broadcasts to it."""
    t, a = target
    assume(not overlaps(a))
    value: Any = draw(st.integers(-3, 3))
    pair = value, value
    if draw(st.booleans()):
        try:
            np.broadcast_to(other[1], a.shape)
        except ValueError:
            pass
        else:
            pair = other[0].clone(), other[1].copy()  # NumPy reads what it writes where both overlap
    kind = draw(st.sampled_from(["add", "mul", "sub", "fill", "set", "key"]))
    if kind in ("add", "mul", "sub"):
        getattr(t, f"{kind}_")(pair[0])
        a[...] = {"add": np.add, "mul": np.multiply, "sub": np.subtract}[kind](a, pair[1])
    elif kind == "fill":
        t.fill_(value)
        a[...] = value
    elif kind == "set" and isinstance(pair[0], torch.Tensor):
        t.copy_(pair[0])
        a[...] = pair[1]
    else:
        key = draw(keys(a.shape))
        t[key] = value
        a[key] = value


@SETTINGS
@given(st.data())
def test_programs_over_shared_memory(data: Any) -> None:
    """Views, writes through them and fresh results, in any order, leave every tensor as NumPy's arrays are."""
    draw = data.draw
    size = draw(st.sampled_from([(), (3,), (2, 3), (3, 3), (2, 1, 4), (0, 2)]))
    pool = [numbered(size)]
    for _ in range(draw(st.integers(1, 8))):
        pair, other = (pool[draw(st.integers(0, len(pool) - 1))] for _ in range(2))
        step = draw(st.sampled_from(["view", "view", "write", "write", "fresh", "read"]))
        if step == "view":
            pool.append(take_view(draw, pair))
        elif step == "write":
            write(draw, pair, other)
        elif step == "fresh":
            pool.append((pair[0] * 2 + 1, np.asarray(pair[1] * 2 + 1)))
        else:
            same(pair)
    for pair in pool:
        same(pair)


@SETTINGS
@given(st.data())
def test_memory_shared_with_numpy(data: Any) -> None:
    """Writes on either side of `from_numpy` are seen on the other, through views too."""
    draw = data.draw
    a = np.arange(12.0).reshape(3, 4)
    t = torch.from_numpy(a)
    for _ in range(draw(st.integers(1, 5))):
        key, value = draw(keys(a.shape)), draw(st.integers(-3, 3))
        side = a if draw(st.booleans()) else t
        side[key] = value
        if draw(st.booleans()):
            t[key].add_(1)
    np.testing.assert_array_equal(t.numpy(), a)
    assert np.shares_memory(t.numpy(), a)


# ------------------------------------------------------------------------------------------------- broadcasting
SIZES = st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=4).map(tuple)


@SETTINGS
@given(SIZES, SIZES)
def test_broadcasting(left: tuple, right: tuple) -> None:
    """The same pairs of sizes fit as with NumPy, to the same result; others raise at the line."""
    (x, a), (y, b) = numbered(left), numbered(right, 1)
    try:
        expected = a * 3 - b
    except ValueError:
        with pytest.raises(RuntimeError, match="must match the size of tensor"):
            x * 3 - y
        return
    same((x * 3 - y, np.asarray(expected)))
    assert torch.broadcast_shapes(left, right) == np.broadcast_shapes(left, right)
    if expected.shape == left:
        x.sub_(y)
        same((x, np.asarray(a - b)))
    else:
        with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
            x.sub_(y)


@SETTINGS
@given(SIZES, SIZES)
def test_gradients_of_broadcasting(left: tuple, right: tuple) -> None:
    """A gradient has the size of its input: axes that were broadcast are summed."""
    try:
        size = np.broadcast_shapes(left, right)
    except ValueError:
        return
    x, y = (numbered(s, 1)[0].requires_grad_() for s in (left, right))
    (x * y).sum().backward()
    for t, other in ((x, y), (y, x)):
        spread = np.broadcast_to(other.detach().numpy(), size)
        lead = spread.ndim - t.ndim
        axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(t.shape) if n == 1 and size[i + lead] != 1)
        np.testing.assert_allclose(t.grad.numpy(), spread.sum(axes, keepdims=True).reshape(t.shape))


# ----------------------------------------------------------------------------------------------------- promotion
DTYPES = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
)
CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
OPERATORS = {"add": operator.add, "mul": operator.mul, "truediv": operator.truediv, "lt": operator.lt}


def category(dtype: torch.dtype) -> int:
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 0 if dtype is torch.bool else 1


@SETTINGS
@given(
    st.sampled_from(DTYPES),
    st.sampled_from(DTYPES),
    st.sampled_from(["full", "zero", "number"]),
    st.sampled_from(sorted(OPERATORS)),
)
def test_promotion(left: str, right: str, second: str, name: str) -> None:
    """The dtype of a result follows from categories; its values are NumPy's in that dtype."""
    a = np.array([1, 0, 3]).astype(left)
    b = np.array([2, 1, 1] if second == "full" else 2).astype(right)
    x = torch.tensor(a)
    y = b.item() if second == "number" else torch.tensor(b)
    assume(not (name == "lt" and (x.is_complex() or category(torch.result_type(x, y)) == 3)))
    expected = torch.result_type(x, y)
    assume(expected != torch.complex32)  # NumPy has no such numbers
    assert expected == torch.result_type(y, x)
    if second != "full" and CATEGORY[b.dtype.kind] <= CATEGORY[a.dtype.kind]:
        assert expected == x.dtype  # what has no axes does not widen its own category
    elif second == "full":
        assert expected == torch.promote_types(x.dtype, y.dtype)
        assert torch.can_cast(x.dtype, expected) and torch.can_cast(y.dtype, expected)
    assert category(expected) == max(category(x.dtype), CATEGORY[b.dtype.kind])
    result = OPERATORS[name](x, y)
    computed = expected if name != "truediv" or category(expected) > 1 else torch.get_default_dtype()
    assert result.dtype == (torch.bool if name == "lt" else computed)
    kind = torch.zeros((), dtype=computed).numpy().dtype
    wide = kind if kind != np.float16 else np.float32
    with np.errstate(all="ignore"):
        wanted = OPERATORS[name](a.astype(wide), b.astype(wide))
    np.testing.assert_array_equal(result.numpy(), wanted.astype(result.numpy().dtype))


@SETTINGS
@given(st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_in_place_keeps_the_dtype(left: str, right: str) -> None:
    """`x += y` computes in the promoted dtype and casts back; a lower category cannot hold a higher one."""
    x, y = torch.tensor(np.array([1, 0, 3]).astype(left)), torch.tensor(np.array([2, 1, 1]).astype(right))
    promoted = torch.promote_types(x.dtype, y.dtype)
    wanted = (x + y).to(x.dtype) if torch.can_cast(promoted, x.dtype) else None
    if wanted is None:
        with pytest.raises(RuntimeError, match="can't be cast to the desired output type"):
            x.add_(y)
    else:
        address, result = x.data_ptr(), x.add_(y)
        assert result is x and x.data_ptr() == address and x.dtype == wanted.dtype
        assert torch.equal(x, wanted)


# ------------------------------------------------------------------------------------------- keys with tensors in them
@st.composite
def advanced_keys(draw: Any, size: tuple[int, ...]) -> tuple:
    """Arrays of indices of one size or a mask, among slices and numbers."""
    shape = draw(st.sampled_from([(2,), (1,), (2, 3), ()]))
    key: list[Any] = []
    for n in size:
        kind = draw(st.sampled_from(["slice", "array", "number", "mask"]))
        if kind == "array":
            count = int(np.prod(shape, dtype=int))
            numbers = draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            key.append(np.array(numbers, int).reshape(shape))
        elif kind == "mask" and not any(isinstance(k, np.ndarray) for k in key):
            flags = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
            key.append(flags)
            shape = (int(flags.sum()),)
        elif kind == "number":
            key.append(draw(st.integers(-n, n - 1)))
        else:
            key.append(slice(draw(st.integers(0, n)), None))
    return tuple(key)


def as_tensors(key: tuple) -> tuple:
    return tuple(torch.tensor(k) if isinstance(k, np.ndarray) else k for k in key)


def read(a: np.ndarray, key: tuple) -> np.ndarray:
    """a[key], with numbers applied first as PyTorch does, for which they are views."""
    for axis, k in reversed(list(enumerate(key))):
        if isinstance(k, int):
            a = a.take(k, axis)
    return np.asarray(a[tuple(k for k in key if not isinstance(k, int))])


@SETTINGS
@given(st.data())
def test_advanced_keys(data: Any) -> None:
    t, a = numbered((3, 4, 2))
    key = data.draw(advanced_keys(a.shape))
    arrays = [k for k in key if isinstance(k, np.ndarray) and k.ndim]
    assume(len({k.shape if k.dtype != bool else (int(k.sum()),) for k in arrays}) <= 1)
    assume(all(k.ndim for k in key if isinstance(k, np.ndarray)))
    wanted = read(a, key)
    found = t[as_tensors(key)]
    same((found, wanted))
    x = t.clone().requires_grad_()
    (x[as_tensors(key)] * 2).sum().backward()
    counts = np.zeros(a.size)
    np.add.at(counts, read(np.arange(a.size).reshape(a.shape), key).reshape(-1), 2)
    np.testing.assert_array_equal(x.grad.numpy().reshape(-1), counts)
    t[as_tensors(key)] = -1.0
    a.reshape(-1)[read(np.arange(a.size).reshape(a.shape), key).reshape(-1)] = -1
    same((t, a))


# ------------------------------------------------------------------------------------------------------- reductions
REDUCTIONS = {"sum": np.sum, "mean": np.mean, "amax": np.max, "prod": np.prod, "any": np.any, "std": None}


@SETTINGS
@given(st.data())
def test_reductions(data: Any) -> None:
    """Any axes, kept or not, of any strided view."""
    draw = data.draw
    t, a = numbered((2, 3, 4))
    t, a = take_view(draw, (t, a))
    assume(a.size)
    axes = tuple(d for d in range(a.ndim) if draw(st.booleans()))
    assume(axes)
    keep, name = draw(st.booleans()), draw(st.sampled_from(sorted(REDUCTIONS)))
    if name == "std":
        assume(np.prod([a.shape[d] for d in axes]) > 1)
        wanted = np.std(a, axes, ddof=1, keepdims=keep)
        found = t.std(axes, keepdim=keep)
    elif name == "prod":
        wanted, found = np.prod(a, axes[0], keepdims=keep), t.prod(axes[0], keepdim=keep)
    else:
        wanted, found = REDUCTIONS[name](a, axes, keepdims=keep), getattr(t, name)(axes, keepdim=keep)
    assert tuple(found.shape) == np.shape(wanted)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)
