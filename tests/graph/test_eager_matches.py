"""Random programs of views, writes in place, aliases and reads give what NumPy gives, recorded or run at once.

A program is a list of steps over a few pairs (array, tensor) that alias each other in the same way on both sides.
Values are small integers, so that every order of evaluation gives the same numbers.
"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import numpy as np
import pytest

import kenaz as torch


class Program:
    """One random program, run with NumPy and with Kenaz side by side."""

    def __init__(self, seed: int, shared: bool):
        self.pick = random.Random(seed)
        self.shared = shared  # whether some memory is NumPy's own
        self.pairs: list[tuple[np.ndarray, torch.Tensor]] = []
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []  # arrays that look at a tensor, and what they should show
        self.log: list[str] = []

    def run(self, steps: int) -> list:
        for _ in range(2):
            self.create()
        for _ in range(steps):
            step = self.pick.choices(STEPS, WEIGHTS)[0]
            getattr(self, step)()
            self.check(everything=False)
        self.check(everything=True)
        return [a.tolist() for a, _ in self.pairs]

    def any(self) -> tuple[np.ndarray, torch.Tensor]:
        return self.pick.choice(self.pairs)

    def add(self, a: np.ndarray, t: torch.Tensor, note: str) -> None:
        self.log.append(note)
        assert a.shape == tuple(t.shape), " | ".join(self.log)
        self.pairs.append((np.asarray(a), t))  # what NumPy calculates from 0-d arrays is no array
        if len(self.pairs) > 9:
            self.pairs.pop(self.pick.randrange(len(self.pairs)))

    # ------------------------------------------------------------------------------------------------------- steps
    def create(self) -> None:
        size = tuple(self.pick.choice([1, 2, 3, 4]) for _ in range(self.pick.choice([1, 2, 2, 3])))
        start = self.pick.randrange(5)
        a = (np.arange(np.prod(size)).reshape(size) + start).astype(np.float64) % 7
        if self.shared and self.pick.random() < 0.5:
            self.add(a, torch.from_numpy(a), f"shared {size}")
        else:
            self.add(a.copy(), torch.tensor(a), f"tensor {size}")

    def view(self) -> None:
        a, t = self.any()
        kind = self.pick.choice(
            ["select", "slice", "transpose", "flat", "unsqueeze", "expand", "alias", "detach", "step", "diagonal"]
        )
        if kind == "alias":
            self.add(a, t, "alias")
        elif kind == "detach":
            self.add(a, t.detach(), "detach")
        elif kind == "flat" and a.flags.c_contiguous and t.is_contiguous():
            self.add(a.reshape(-1), t.view(-1), "view(-1)")
        elif kind == "unsqueeze" and a.ndim < 4:
            self.add(a[None], t.unsqueeze(0), "unsqueeze")
        elif kind == "transpose" and a.ndim >= 2:
            self.add(a.swapaxes(0, -1), t.transpose(0, -1), "transpose")
        elif kind == "diagonal" and a.ndim == 2:
            with np.errstate(all="ignore"):
                d = np.lib.stride_tricks.as_strided(a, (min(a.shape),), (sum(a.strides),))
            self.add(d, t.diagonal(), "diagonal")
        elif a.ndim and a.shape[0]:
            i = self.pick.randrange(a.shape[0])
            if kind == "select" and a.ndim > 1:
                self.add(a[i], t[i], f"select {i}")
            elif kind == "slice":
                self.add(a[i:], t[i:], f"slice {i}")
            elif kind == "step":
                self.add(a[::2], t[::2], "step")

    def compute(self) -> None:
        (a, t), (b, u) = self.any(), self.any()
        kind = self.pick.choice(["add", "mul2", "where", "sum", "neg", "maximum", "copy", "cat"])
        if kind == "mul2":
            self.add(a * 2 % 11, t * 2 % 11, "x * 2 % 11")
        elif kind == "neg":
            self.add(-a, -t, "-x")
        elif kind == "copy":
            self.add(a.copy(), t.clone(), "clone")
        elif kind == "sum":
            self.add(a.sum(0) % 13, t.sum(0) % 13, "sum(0)")
        elif a.shape == b.shape:
            if kind == "add":
                self.add((a + b) % 11, (t + u) % 11, "(x + y) % 11")
            elif kind == "maximum":
                self.add(np.maximum(a, b), torch.maximum(t, u), "maximum")
            elif kind == "where":
                self.add(np.where(a > b, a, b + 1), torch.where(t > u, t, u + 1), "where")
            elif a.ndim and a.shape[0] < 9:
                self.add(np.concatenate([a, b])[: a.shape[0]].copy(), torch.cat([t, u])[: a.shape[0]].clone(), "cat")

    def write(self) -> None:
        (a, t), (b, u) = self.any(), self.any()
        kind = self.pick.choice(
            [
                "add_",
                "mul_",
                "fill",
                "set",
                "copy_",
                "iadd",
                "zero_",
                "self",
                "neg_",
                "out",
                "index",
                "mask",
                "list",
                "data",
            ]
        )
        self.log.append(kind)
        number = self.pick.randrange(5)
        if kind == "add_":
            a += number
            t.add_(number)
        elif kind == "mul_":
            np.copyto(a, a * 3 % 11)
            t.mul_(3).remainder_(11)
        elif kind == "neg_":
            np.negative(a, out=a)
            t.neg_()
        elif kind == "fill":
            a.fill(number)
            t.fill_(number)
        elif kind == "zero_":
            a.fill(0)
            t.zero_()
        elif kind == "index" and a.ndim and a.shape[0]:
            i = self.pick.randrange(a.shape[0])
            a[i] = number
            t[i] = number
        elif kind == "mask":
            a[a > number] = number
            t[t > number] = number
        elif kind == "list" and a.ndim and a.shape[0]:
            places = [self.pick.randrange(a.shape[0]) for _ in range(2)]
            a[places] = number
            t[places] = number
        elif kind == "data":
            a += 2
            t.data.add_(2)
        elif kind == "set" and a.ndim and a.shape[0]:
            i, j = self.pick.randrange(a.shape[0]), self.pick.randrange(a.shape[0])
            a[i] = a[j].copy()
            t[i] = t[j]
        elif kind == "self" and a.ndim and a.shape[0] > 1:  # source and target overlap
            np.copyto(a, (a + np.flip(a, 0)) % 11)
            t.add_(t.flip(0)).remainder_(11)
        elif a.shape == b.shape:
            if kind == "copy_":
                np.copyto(a, b.copy())
                t.copy_(u.clone() if np.shares_memory(a, b) else u)
            elif kind == "iadd":
                np.copyto(a, (a + b) % 11)
                t += u
                t %= 11
                if np.shares_memory(a, b):  # the remainder was taken of what both had become
                    np.copyto(a, t.detach().tolist())
            elif kind == "out":
                result = (a * 2 + b) % 11
                torch.remainder(t * 2 + u, 11, out=t)
                np.copyto(a, result)

    def look(self) -> None:
        """Let NumPy see a tensor's memory for a while."""
        a, t = self.any()
        self.log.append("numpy()")
        self.seen.append((a, t.numpy()))
        if len(self.seen) > 3:
            self.seen.pop(self.pick.randrange(len(self.seen)))

    def write_from_outside(self) -> None:
        if self.seen:
            a, n = self.pick.choice(self.seen)
            if np.shares_memory(a, n):
                a += 1
            else:
                a += 1
                n += 1
            self.log.append("numpy += 1")

    def read(self) -> None:
        a, t = self.any()
        self.log.append("read")
        assert a.tolist() == t.tolist(), " | ".join(self.log)

    def forget(self) -> None:
        if len(self.pairs) > 2:
            self.pairs.pop(self.pick.randrange(len(self.pairs)))
            self.log.append("del")

    # ------------------------------------------------------------------------------------------------------ checks
    def check(self, everything: bool) -> None:
        for a, n in self.seen:
            assert a.tolist() == n.tolist(), " | ".join(self.log)
        if everything:
            for a, t in self.pairs:
                assert a.tolist() == t.tolist(), " | ".join(self.log)


STEPS = ["create", "view", "compute", "write", "read", "forget", "look", "write_from_outside"]
WEIGHTS = [1, 5, 5, 6, 1, 1, 0.7, 0.7]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("eager", [False, True])
def test_random_programs(eager: bool, shared: bool) -> None:
    for seed in range(150):
        context: Any = torch.eager() if eager else contextlib.nullcontext()
        with context:
            Program(seed, shared).run(30)
