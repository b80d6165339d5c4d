"""Operators on halves in compiled graphs: computed in float32, rounded once, as the interpreter does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz import execute, nn
from kenaz.codegen import check, jit
from kenaz.codegen.halves import COPY
from kenaz.codegen.steps import Step
from kenaz.core import config

F = nn.functional
Tensor = torch.Tensor
HALVES = [torch.bfloat16, torch.float16]
pytestmark = pytest.mark.skipif(not jit.converts_halves(), reason="this host does not convert halves")


@pytest.fixture(autouse=True)
def hot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is compiled at once; small graphs too."""
    monkeypatch.setattr(execute, "HOT_AFTER", 1)
    monkeypatch.setattr(execute, "FEW", 2)
    monkeypatch.setattr(config, "HOT", "always")
    execute._plans.clear()
    execute._times.clear()


def plans() -> list[Any]:
    return [plan for plan in execute._plans.values() if plan]


def interpreted() -> list[str]:
    """The operators that plans leave to the interpreter."""
    return [plan.calls[unit].op.name for plan in plans() for unit in plan.units if type(unit) is not Step]


def arrays(tensors: Any) -> list[np.ndarray]:
    return [(t.float() if t.dtype in HALVES else t).detach().numpy().copy() for t in tensors]


def agree(program: Callable[[], list[Tensor]]) -> None:
    """Compiled and interpreted, a program gives the same to the precision of a half."""
    torch.manual_seed(0)
    with torch.eager():
        expected = program()
    torch.manual_seed(0)
    found = program()
    for k, (a, b) in enumerate(zip(arrays(found), arrays(expected), strict=True)):
        if expected[k].dtype in HALVES:
            a, b = a.astype(np.float16), b.astype(np.float16)
        wrong = check.difference(a, b)
        assert not wrong, f"value {k}: {wrong}"


# -------------------------------------------------------------------------------------------------------- one operator
def rows(x: Tensor) -> list[Tensor]:
    return [x.softmax(-1), F.layer_norm(x, x.shape[-1:]), x.logsumexp(-1), x.amax(0), x.argmax(-1), x.cumsum(-1)]


OPERATORS: dict[str, Callable[[Tensor, Tensor], list[Tensor]]] = {
    "products": lambda x, w: [x @ w, x.T @ x, x @ w[:, 3], (x.unsqueeze(0) @ w), torch.addmm(x[:, :1], x, w)],
    "linear": lambda x, w: [F.linear(x, w.T, w[3]), F.linear(x[::2], w.T.contiguous(), None)],
    "rows": lambda x, w: rows(x) + rows(w.T),
    "sums": lambda x, w: [x.sum(), x.sum(0), x.mean(1), x.sum(dtype=torch.float32), w.T.sum(0), (x * 2).sum(1, True)],
    "moves": lambda x, w: [torch.cat([x, x * 2]), torch.stack([w, w], 1), x.flip(1), x.roll(3, 0), F.pad(x, (1, 2))],
    "lookups": lambda x, w: [x[torch.tensor([2, 0, 2])], x.gather(1, torch.tensor([[1, 0]])), w.index_select(1, torch.arange(3))],
    "sizes of one": lambda x, w: [x[:1] @ w, x[:, :1] @ w[:1], x[0] @ w],
    "spread": lambda x, w: [x[0].expand(20, -1) @ w, w[:, :1].expand(-1, 9).softmax(0)],
    "pictures": lambda x, w: [
        F.conv2d(x.reshape(1, 4, 12, 10), w[:24, :24].reshape(4, 4, 6, 6)[..., :3, :3], w[0, :4], padding=1),
        *F.max_pool2d(x.reshape(4, 1, 12, 10).round(), 2, return_indices=True),
        F.avg_pool2d(x.reshape(4, 1, 12, 10), 3, 2),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_agree(name: str, kind: torch.dtype) -> None:
    def program() -> list[Tensor]:
        x, w = torch.randn(16, 30).to(kind).requires_grad_(), torch.randn(30, 50).to(kind).requires_grad_()
        found = OPERATORS[name](x, w)
        total = sum((t.float() * torch.randn(t.shape)).sum() for t in found if t.requires_grad)
        assert isinstance(total, Tensor)
        slopes = torch.autograd.grad(total, [x, w], allow_unused=True)
        return [*found, *(g for g in slopes if g is not None)]

    agree(program)


@pytest.mark.parametrize("kind", HALVES)
def test_rounding_is_that_of_one_operator(kind: torch.dtype) -> None:
    """What a following operator reads was rounded, though both run in float32."""
    x = (1 + torch.arange(64.0).reshape(8, 8) / 1024).to(kind)
    one = torch.tensor(np.eye(8)).to(kind)
    found = (x @ one * 1.01) @ one
    expected = (x.float() * 1.01).to(kind)
    assert found.tolist() == expected.tolist()
    assert not interpreted()


def test_a_sum_of_many_halves_is_rounded_once() -> None:
    x = torch.ones(4096, dtype=torch.bfloat16) * 1.0078125
    assert (x * 1).sum().item() == torch.tensor(4096 * 1.0078125).to(torch.bfloat16).item()


# -------------------------------------------------------------------------------------------------------------- graphs
def layer(rng: random.Random, x: Tensor, kind: torch.dtype) -> Tensor:
    """Something that a network does with a batch of vectors."""
    n = x.shape[-1]
    choices: list[Callable[[], Tensor]] = [
        lambda: F.linear(x, torch.randn(rng.choice((8, 17, 40)), n).to(kind) / 4, None),
        lambda: x @ (torch.randn(20, n).to(kind) / 4).T,
        lambda: F.layer_norm(x, (n,), torch.ones(n).to(kind), torch.zeros(n).to(kind)),
        lambda: x.relu(), lambda: F.gelu(x), lambda: x.softmax(-1), lambda: torch.cat([x, x[..., :3] * 2], -1),
        lambda: x + x.mean(0, True), lambda: x * x.sum(-1, True).tanh(), lambda: x.transpose(0, 1).contiguous().T,
        lambda: (x.unsqueeze(1) * x.unsqueeze(2)).sum(2), lambda: x.flip(0), lambda: x.float().to(kind),
        lambda: x[:, torch.arange(n - 1, -1, -1)], lambda: x[:, 1:] if n > 2 else x, lambda: x.sort(-1)[0],
    ]  # fmt: skip
    return rng.choice(choices)()


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("seed", range(12))
def test_random_networks_agree(seed: int, kind: torch.dtype) -> None:
    def program() -> list[Tensor]:
        rng = random.Random(seed)
        start = torch.randn(9, 12).to(kind).requires_grad_()
        x, kept = start * 1, []
        for _ in range(rng.randint(3, 8)):
            x = layer(rng, x, kind)
            if rng.random() < 0.2:
                kept.append(x)
        slope = torch.autograd.grad(F.layer_norm(x.float(), x.shape[-1:]).pow(2).mul(torch.arange(1.0, x.shape[-1] + 1)).mean(), start)
        return [*kept, x, *slope]

    agree(program)


def test_offsets_may_change_from_run_to_run() -> None:
    x, w = torch.randn(6, 4, 30).bfloat16(), torch.randn(30, 8).bfloat16()
    total = x.sum().item()
    expected = (x.float() @ w.float()).numpy()
    for i in range(6):
        found = torch.cat([x[i] @ w, x[5 - i][1:] @ w]).float().numpy()
        np.testing.assert_allclose(found, np.concatenate([expected[i], expected[5 - i, 1:]]), rtol=2e-2, atol=2e-2)
    assert x.sum().item() == total


def test_a_weight_is_widened_once_and_stays_a_half() -> None:
    layer = nn.Linear(40, 70).half()
    x = torch.randn(5, 40).half().requires_grad_()
    layer(x).sum().backward()
    x.grad.tolist()
    plan = max(plans(), key=lambda p: len(p.calls))
    widened = [c for c in plan.calls if c.op is COPY and c.specs[0].size == (70, 40) and c.out.dtype is torch.float32]
    assert len(widened) == 1
    assert layer.weight.dtype is x.grad.dtype is torch.float16 and not interpreted()


# sizes of a product (m, k, n), and whether its factors are transposed
PRODUCTS = [
    ((7, 16, 70), False, True), ((70, 32, 130), True, False), ((33, 64, 40), True, True), ((1, 100, 90), False, True),
    ((90, 100, 1), False, False), ((5, 31, 8), False, True), ((300, 6, 2), False, False), ((100, 2, 100), False, False),
    ((64, 2050, 64), False, True),
]  # fmt: skip


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize(("size", "left", "right"), PRODUCTS)
def test_products_of_halves(size: tuple[int, int, int], left: bool, right: bool, kind: torch.dtype) -> None:
    """Pairs of bfloat16s where this host multiplies them, else float32s: as exact as a sum in float32."""
    m, k, n = size
    data = np.random.default_rng(0)
    given = [data.integers(-40, 40, s) / 32 for s in ((m, k), (k, n), (n,))]
    a, b, c = (torch.tensor(x).to(kind) for x in given)
    for x in (a, b, c):
        x.sum().item()
    first, second = (a.t().contiguous().t() if left else a), (b.t().contiguous().t() if right else b)
    exact = given[0] @ given[1]
    for found, expected in (
        (first @ second, exact), (F.linear(first, second.t(), c), exact + given[2]),
        (torch.stack([a, a]) @ second, np.stack([exact, exact])), (first[0] @ second, exact[0]),
        (torch.addmm(c, first, second, beta=0.5, alpha=2), exact * 2 + given[2] / 2),
    ):  # fmt: skip
        rounded = torch.tensor(expected.astype(np.float32)).to(kind).float().numpy()
        np.testing.assert_allclose(found.float().numpy(), rounded, rtol=1e-2 if kind is torch.bfloat16 else 2e-3, atol=1e-3)
    assert not interpreted()


@pytest.mark.parametrize("kind", HALVES)
def test_halves_are_put_where_indices_say_without_arithmetic(kind: torch.dtype) -> None:
    def program() -> list[Tensor]:
        x, rows = torch.randn(70, 6).to(kind), torch.randn(3, 6).to(kind)
        index = torch.tensor([4, 0, 60])
        found = [x.clone(), x.clone(), x.clone(), x.clone()]
        found[0][index] = rows
        found[1][index, torch.tensor([4, 0, 1])] = rows[0, 0]
        found[2][index] += rows
        found[3].index_copy_(0, index, rows)
        return [*found, x.index_put((index,), rows, accumulate=True)]

    agree(program)
    assert not set(interpreted()) - {"index_put"}  # what accumulates


def test_interpreted_operators_in_between_read_and_make_halves() -> None:
    def program() -> list[Tensor]:
        x, w = torch.randn(9, 9).bfloat16(), torch.randn(9, 9).bfloat16()
        values, places = (x @ w).sort(-1)
        unique = (values @ w).round().unique()
        return [values, places, torch.linalg.norm(values @ w), unique]

    agree(program)


# ------------------------------------------------------------------------------------------------------------ training
class Sequence(nn.Module):
    def __init__(self, cell: type) -> None:
        super().__init__()
        self.cell, self.out = cell(12, 20, 2, batch_first=True), nn.Linear(20, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x)[0][:, -1])


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.LayerNorm(33), nn.Linear(33, 4)), (16, 20)),
    "pictures": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.GELU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
        ),
        (6, 3, 10, 10),
    ),
    "attention": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True), nn.Flatten(), nn.Linear(16 * 7, 4)
        ),
        (5, 7, 16),
    ),
    "lstm": (lambda: Sequence(nn.LSTM), (5, 7, 12)),
    "gru": (lambda: Sequence(nn.GRU), (5, 7, 12)),
}  # fmt: skip


def train(name: str, kind: torch.dtype, way: str, optimizer: Callable) -> list[Tensor]:
    """The losses of a few steps, and a parameter after them."""
    torch.manual_seed(0)
    make, size = MODELS[name]
    model, x, y = make(), torch.randn(size), torch.randint(4, size[:1])
    if way == "model":
        model, x = model.to(kind), x.to(kind)
    opt = optimizer(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, enabled=way == "autocast" and kind is torch.float16)
    losses = []
    for _ in range(4):
        opt.zero_grad()
        with torch.autocast("cpu", dtype=kind, enabled=way == "autocast"):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        losses.append(loss.detach())
    return losses


def sgd(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def adam(parameters: Any) -> Any:
    return torch.optim.AdamW(parameters, lr=1e-3)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("kind", "way", "optimizer"),
    [(torch.bfloat16, "autocast", sgd), (torch.bfloat16, "model", adam), (torch.float16, "autocast", adam), (torch.float16, "model", sgd)],
)  # fmt: skip
def test_training_agrees_and_is_compiled(name: str, kind: torch.dtype, way: str, optimizer: Callable) -> None:
    with torch.eager():
        expected = [loss.item() for loss in train(name, kind, way, optimizer)]
    found = [loss.item() for loss in train(name, kind, way, optimizer)]
    assert found == pytest.approx(expected, rel=3e-2, abs=3e-2)
    assert set(interpreted()) <= {"all", "stack"}, interpreted()  # the scaler's look at gradients


def test_parameters_that_are_halves_are_updated_where_they_are() -> None:
    model = nn.Linear(300, 200).bfloat16()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(4, 300).bfloat16()
    places = set()
    for _ in range(4):
        opt.zero_grad()
        model(x).float().pow(2).mean().backward()
        opt.step()
        places.add(model.weight._storage.node.value.__array_interface__["data"][0])
    assert len(places) == 1 and not interpreted()
