"""`python tests/smoke.py`: seconds, before every commit. Each check is one idea that everything else stands on."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import kenaz as torch
from kenaz import nn


def records_and_reads() -> None:
    a = torch.arange(6.0).view(2, 3)
    assert (a + 1).sum().item() == 21


def views_share_memory() -> None:
    a = torch.zeros(2, 3)
    a.t()[1, 0] = 5
    assert a.tolist() == [[0, 5, 0], [0, 0, 0]]


def numpy_shares_memory() -> None:
    a = torch.zeros(3)
    a.numpy()[1] = 2
    assert a.tolist() == [0, 2, 0]


def differentiates() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def gives_the_same_random_numbers() -> None:
    torch.manual_seed(0)
    assert torch.rand(2).tolist() == [0.49625658988952637, 0.7682217955589294]


def prints_as_pytorch() -> None:
    assert repr(torch.ones(2, requires_grad=True) * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"


def trains() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 2)
    y = (x[:, 0] * x[:, 1] > 0).long()
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2, loss.item()


def saves_and_loads() -> None:
    model = nn.Linear(2, 3)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(model.state_dict(), f"{folder}/model.pt")
        assert torch.equal(torch.load(f"{folder}/model.pt")["weight"], model.weight)


CHECKS: list[Callable[[], None]] = [
    records_and_reads,
    views_share_memory,
    numpy_shares_memory,
    differentiates,
    gives_the_same_random_numbers,
    prints_as_pytorch,
    trains,
    saves_and_loads,
]


def main() -> int:
    failed = 0
    for check in CHECKS:
        start = time.perf_counter()
        try:
            check()
            verdict = "ok"
        except Exception as error:
            failed += 1
            verdict = f"FAILED: {type(error).__name__}: {error}"
        print(f"{check.__name__:32s} {1e3 * (time.perf_counter() - start):6.0f} ms  {verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
