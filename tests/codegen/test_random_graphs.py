"""Random programs, with views, broadcasts, mixed dtypes, in-place writes and aliases: compiled plans give the
interpreter's numbers. KENAZ_RANDOM_GRAPHS says how many; each is compiled as soon as it comes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute
from kenaz.codegen import check
from kenaz.core import config

GRAPHS = int(os.environ.get("KENAZ_RANDOM_GRAPHS", "160"))
KINDS = (torch.float32, torch.float64, torch.int64, torch.int32, torch.bool, torch.uint8)
HALVES = (torch.float16, torch.bfloat16, torch.float32, torch.int64)
SIZES = ((), (1,), (5,), (17,), (4, 5), (1, 5), (4, 1), (3, 4, 5), (3, 1, 5), (2, 3, 4, 5), (70, 33), (33,), (70, 1))

Tensor = torch.Tensor


def new(rng: random.Random, size: tuple[int, ...], kind: torch.dtype) -> Tensor:
    values = np.random.default_rng(rng.randrange(1 << 30)).standard_normal(size) * 3
    return torch.tensor(np.asarray(values)).to(kind)


def viewed(rng: random.Random, x: Tensor) -> Tensor:
    """A view of a tensor: transposed, sliced, reshaped, expanded, flipped in memory order."""
    choices: list[Callable[[], Tensor]] = [lambda: x.unsqueeze(0), lambda: x.flatten() if x.is_contiguous() else x]
    if x.ndim >= 2:
        choices += [lambda: x.transpose(0, -1), lambda: x[:, 1:], lambda: x.movedim(0, -1), lambda: x[..., 0]]
    if x.ndim >= 1 and x.shape[0] > 2:
        choices += [lambda: x[::2], lambda: x[1:-1], lambda: x[1], lambda: x.narrow(0, 1, 2)]
    if x.ndim <= 2:
        choices.append(lambda: x.expand(3, *x.shape))
    return rng.choice(choices)()


def steady(x: Tensor) -> Tensor:
    """Floats as whole numbers, from a little beside the middle between two."""
    return (x * 0.37 + 0.123).round() if x.dtype.is_floating_point else x


def mixed(rng: random.Random, a: Tensor, b: Tensor) -> Tensor:
    """An operator of two tensors, of whatever dtypes."""
    names = ["add", "sub", "mul", "maximum", "minimum", "lt", "ge", "eq", "where", "div", "logical_and"]
    name = rng.choice(names)
    if name in ("lt", "ge", "eq", "logical_and"):  # the last bits of a float must not decide
        a, b = steady(a), steady(b)
    if name == "where":
        return torch.where(steady(a) > 0, a, b)
    if name == "sub" and torch.bool in (a.dtype, b.dtype):
        name = "add"
    if name == "div":
        return a / (b.abs() + 1) if b.dtype is not torch.bool else a / 2
    return getattr(torch, name)(a, b)


def single(rng: random.Random, x: Tensor) -> Tensor:
    names = ["neg", "abs", "relu", "square", "scaled", "cast", "clone", "contiguous"]
    if x.dtype.is_floating_point:
        names += ["sigmoid", "tanh", "exp", "sqrt", "log", "softmax", "erf", "gelu", "clamp", "cumsum"]
    name = rng.choice(names)
    if x.dtype is torch.bool and name in ("neg", "abs", "relu", "square"):
        return ~x
    table: dict[str, Callable[[], Tensor]] = {
        "scaled": lambda: x * rng.choice((2, 0.5, -1)) + rng.choice((1, 0.25)),
        "cast": lambda: x.to(rng.choice(KINDS[:4])) if not x.dtype.is_floating_point else x.to(rng.choice(KINDS[:2])),
        "clone": x.clone, "contiguous": x.contiguous, "square": lambda: x * x * 0.1 if x.dtype.is_floating_point else x * x,
        "exp": lambda: x.clamp(-5, 5).exp(), "sqrt": lambda: x.abs().sqrt(), "log": lambda: (x.abs() + 1).log(),
        "softmax": lambda: torch.softmax(x, -1) if x.ndim else x, "gelu": lambda: torch.nn.functional.gelu(x),
        "clamp": lambda: x.clamp(-1, 1), "cumsum": lambda: x.cumsum(0) if x.ndim else x,
    }  # fmt: skip
    return table[name]() if name in table else getattr(torch, name)(x)


def folded(rng: random.Random, x: Tensor) -> Tensor:
    if x.dtype is torch.bool:
        return x.any()
    dims = sorted(rng.sample(range(x.ndim), rng.randint(1, x.ndim))) if x.ndim and x.numel() else []
    if not dims:
        return x.sum()
    name = rng.choice(("sum", "mean", "amax") if x.dtype.is_floating_point else ("sum", "amax"))
    return getattr(x, name)(dims, keepdim=rng.random() < 0.3)


def written(rng: random.Random, x: Tensor) -> Tensor:
    """In-place writes to a tensor, through a view or to what a view of it sees."""
    out = x.clone()
    alias = viewed(rng, out) if out.numel() > 1 and rng.random() < 0.6 else out
    if 0 in alias.stride() and alias.numel() > 1:
        alias = out
    if x.dtype is torch.bool:
        alias.logical_not_()
    else:
        rng.choice(
            (lambda: alias.mul_(2), lambda: alias.add_(1), lambda: alias.zero_(), lambda: alias.copy_(alias * 3))
        )()
    return rng.choice((out, out + 0 if x.dtype is not torch.bool else out, alias))


def program(seed: int, kinds: tuple = KINDS) -> list[np.ndarray]:
    """Everything that a random program keeps."""
    rng = random.Random(seed)
    values = [new(rng, rng.choice(SIZES), rng.choice(kinds)) for _ in range(4)]
    kept: list[Tensor] = []
    for _ in range(rng.randint(4, 16)):
        a = rng.choice(values)
        what = rng.random()
        if what < 0.35:
            b = rng.choice(values)
            try:
                torch.broadcast_shapes(a.shape, b.shape)
            except RuntimeError:
                b = new(rng, a.shape[-1:], rng.choice(kinds))
            out = mixed(rng, a, b)
        elif what < 0.6:
            out = single(rng, a)
        elif what < 0.75:
            out = viewed(rng, a)
        elif what < 0.88:
            out = folded(rng, a)
        else:
            out = written(rng, a)
        if out.numel() < 50_000:
            values.append(out)
        if rng.random() < 0.3:
            kept.append(out)
    kept += values[-2:]
    return [(t.float() if t.dtype in HALVES[:2] else t).numpy().copy() for t in kept]


@pytest.fixture
def hot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is compiled at once; small graphs too."""
    monkeypatch.setattr(execute, "HOT_AFTER", 1)
    monkeypatch.setattr(execute, "FEW", 2)
    monkeypatch.setattr(config, "HOT", "always")


@pytest.mark.parametrize("part", range(0, GRAPHS, 20))
def test_random_programs_agree(part: int, hot: None) -> None:
    for seed in range(part, part + 20):
        # a double may have been a float on its way, and is known as well as that
        compare(seed, KINDS, {np.dtype(np.float64): np.dtype(np.float32)})


@pytest.mark.parametrize("part", range(0, GRAPHS // 4, 20))
def test_random_programs_with_halves_agree(part: int, hot: None) -> None:
    for seed in range(part, part + 20):
        compare(seed, HALVES, dict.fromkeys((np.dtype(np.float64), np.dtype(np.float32)), np.dtype(np.float16)))


def compare(seed: int, kinds: tuple, known_as: dict[np.dtype, np.dtype]) -> None:
    with torch.eager():
        expected = program(seed, kinds)
    for k, pair in enumerate(zip(program(seed, kinds), expected, strict=True)):
        with np.errstate(over="ignore"):
            wrong = check.difference(*(x.astype(known_as.get(x.dtype, x.dtype)) for x in pair))
        assert not wrong, f"program {seed}, value {k}: {wrong}"
    if seed % 20 == 19:
        execute._plans.clear()
        execute._times.clear()
