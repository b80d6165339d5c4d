"""Whatever operators compute in compiled code is what their NumPy kernels give, on everything that samples record."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import kenaz as torch
from kenaz.codegen.routine import Routine
from kenaz.core.spec import Spec
from kenaz.graph.node import Call
from tests.ops.test_registry import CALLABLES, SAMPLES, find, leaf, tensor, tensors_in

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}


def memory_for(spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Memory with something in it for a dense result, and the view of it that the result is."""
    memory = np.full(max(spec.numel, 1), 7, spec.dtype.np)
    return memory, np.lib.stride_tricks.as_strided(memory, spec.size, spec.numpy_stride)


def compiled(routine: Routine, call: Call, arrays: list[Any]) -> list[np.ndarray]:
    rooms = [memory_for(s) for s in (call.out if type(call.out) is tuple else (call.out,))]
    routine.run(arrays, [memory for memory, _ in rooms])
    return [seen for _, seen in rooms]


class Compared:
    """Stands in for `Call.run` and looks at both results; counts the operators."""

    def __init__(self) -> None:
        self.run = Call.run
        self.seen: dict[str, int] = {}
        self.wrong: dict[str, str] = {}

    def __call__(self, call: Call, *arrays: Any) -> Any:
        specs = [s for s in (*call.specs, *(call.out if type(call.out) is tuple else (call.out,))) if type(s) is Spec]
        possible = call.op.native is not None and all(s.numel for s in specs)
        routine = call.op.native(call) if possible else None
        given = [a.copy("K") if call.op.overwrites and type(a) is np.ndarray else a for a in arrays]
        expected = self.run(call, *arrays)
        if routine is not None:
            self.seen[call.op.name] = self.seen.get(call.op.name, 0) + 1
            results = expected if type(expected) is tuple else (expected,)
            for found, wanted in zip(compiled(routine, call, given), results, strict=True):
                limit = TOLERANCE.get(found.dtype.name, 0)
                if not np.allclose(found, wanted, rtol=limit, atol=limit, equal_nan=True):
                    self.wrong.setdefault(call.op.name, f"{call}: {found} instead of {wanted}")
        return expected


@pytest.mark.filterwarnings("ignore")
def test_compiled_code_gives_what_kernels_give(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Compared()
    monkeypatch.setattr(Call, "run", lambda call, *arrays: compared(call, *arrays))
    for name in CALLABLES:
        before = sum(compared.seen.values())
        for kind in (np.float32, np.float64):
            for call in SAMPLES[name]:
                use(find(name), *call.tensors(lambda a, kind=kind: made(a, kind)))
            if sum(compared.seen.values()) == before:
                break  # there is no compiled code for it
    assert not compared.wrong, "\n".join(compared.wrong.values())
    assert len(compared.seen) > 20, sorted(compared.seen)


def made(array: np.ndarray, kind: type) -> torch.Tensor:
    """A sample as a leaf that requires gradients, real ones in a precision."""
    if array.dtype.kind == "c":
        return tensor(array).requires_grad_()
    return leaf(array.astype(kind) if array.dtype == np.float64 else array)


def use(function: Any, args: Any, kwargs: Any) -> None:
    """Call a function on samples, and its derivative, as far as it has one in this precision."""
    with contextlib.suppress(RuntimeError, TypeError, ValueError, NotImplementedError), torch.eager():
        found = tensors_in(function(*args, **kwargs))
        leaves = [t for t in tensors_in(args) + tensors_in(tuple(kwargs.values())) if t.requires_grad]
        sums = [((o.abs() if o.is_complex() else o) ** 2).sum() for o in found if o.requires_grad]
        if sums:
            torch.autograd.grad(sums, leaves, allow_unused=True)
