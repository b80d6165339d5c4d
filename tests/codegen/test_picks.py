"""Negative log likelihoods in compiled code, forwards and backwards, as NumPy does them."""

from __future__ import annotations

import numpy as np
import pytest

import kenaz as torch
from kenaz.core.spec import fresh
from kenaz.graph.node import Call
from kenaz.ops.record import REGISTRY

SIZES: list[tuple] = [(40, 7), (5,), (3, 6, 11), (2, 5, 9, 4)]


def call_of(name: str, specs: tuple, attributes: dict) -> Call:
    op = REGISTRY[name]
    return Call(op, specs, attributes, op.rule(specs, attributes)[0])


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("size", SIZES)
def test_likelihoods(size: tuple, reduction: str, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    for kind, index in ((torch.float32, torch.int64), (torch.float64, torch.int32)):
        x = rng.standard_normal(size).astype(kind.np)
        classes = size[min(len(size) - 1, 1)]
        target = rng.integers(0, classes, (size[0], *size[2:]) if len(size) > 1 else ()).astype(index.np)
        if target.size > 3:
            target.flat[1] = 2
        weight = rng.random(classes).astype(kind.np)
        weight[0] = 0
        of = {"reduction": reduction, "ignore_index": 2 if target.size > 3 else -100}
        given = weight if weighted else False
        kinds = fresh(x.shape, kind), fresh(target.shape, index), fresh(weight.shape, kind) if weighted else bool
        call = call_of("nll_loss", kinds, of)
        found = [np.full(s.size, 7, s.dtype.np) for s in call.out]
        routine = call.op.native(call)
        assert routine is not None
        routine.run([x, target, 0 if given is False else given], found)
        loss, total = call.run(x, target, given)
        np.testing.assert_allclose(found[0], loss, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[1], total, rtol=1e-5)

        g = rng.standard_normal(loss.shape).astype(kind.np)
        specs = fresh(g.shape, kind), *kinds[1:], fresh((), kind)
        call = call_of("nll_loss_backward", specs, {"size": size, **of})
        back, routine = np.full(size, 7, kind.np), call.op.native(call)
        assert routine is not None
        routine.run([g, target, 0 if given is False else given, np.asarray(total)], [back])
        np.testing.assert_allclose(back, call.run(g, target, given, np.asarray(total)), rtol=1e-5, atol=1e-7)
