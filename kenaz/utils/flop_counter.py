"""Counting the multiplications and additions of products and convolutions."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from .. import execute
from ..core.spec import Spec
from ..graph.node import Call

__all__ = ["FlopCounterMode"]


def _of_product(specs: tuple, out: Spec) -> int:
    return 2 * out.numel * specs[0].size[-1]


def _of_sum(specs: tuple, out: Spec) -> int:
    return 2 * out.numel * specs[1].size[-1]


def _of_convolution(specs: tuple, out: Spec) -> int:
    return 2 * out.numel // out.size[1] * specs[1].numel


def _of_transposed(specs: tuple, out: Spec) -> int:
    y, w = specs[:2]
    return 2 * y.numel // y.size[1] * w.numel


def _of_weight(specs: tuple, out: Spec) -> int:
    y = specs[1]
    return 2 * y.numel // y.size[1] * out.numel


FORMULAS = {
    **dict.fromkeys(("matmul", "mv", "dot", "bmm", "matmul_nd", "linear"), _of_product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm", "addbmm"), _of_sum),
    "convolution": _of_convolution,
    "convolution_transposed": _of_transposed,
    "convolution_weight": _of_weight,
}


class FlopCounterMode:
    """A context that counts; the counts are Kenaz's operators' names and stand under "Global".

    >>> import kenaz as torch
    >>> with FlopCounterMode(display=False) as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 4)
    >>> counter.get_total_flops()
    48
    """

    def __init__(self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: Any = None) -> None:
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[str, int]] = {"Global": defaultdict(int)}

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts = {"Global": defaultdict(int)}
        execute.observers.append(self._count)
        execute.update_mode()
        return self

    def _count(self, call: Call) -> None:
        formula = FORMULAS.get(call.op.name)
        if formula is not None:
            self.flop_counts["Global"][call.op.name] += formula(call.specs, call.out)

    def __exit__(self, *_: object) -> None:
        execute.observers.remove(self._count)
        execute.update_mode()
        if self.display:
            print(self.get_table(self.depth))

    def get_total_flops(self) -> int:
        """All that was counted."""
        return sum(self.get_flop_counts()["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """Counts by operator."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The counts in lines, largest first, with shares of the total."""
        total = self.get_total_flops()
        rows = sorted(self.flop_counts["Global"].items(), key=lambda row: -row[1])
        lines = [f"{'Operator':24} {'FLOP':>16} {'% Total':>8}", f"{'Global':24} {total:16,} {'100.00%':>8}"]
        return "\n".join(lines + [f" - {name:21} {n:16,} {n / max(total, 1):8.2%}" for name, n in rows])
