"""Compositions with a derivative of their own: their parts fuse like everything, their history is one backward node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.modes import no_grad, state
from ..autograd.nodes import attach, call_of
from ..graph.node import Op
from .record import requires_grad


def composed(grad: Callable, grad_name: str | None = None, keeps: bool = False) -> Callable:
    """Decorate `body(*tensors, **attributes)`; a tensor may be None, attributes are given by name.

    `grad(g, y, *tensors, **attributes)` gives the gradients of the tensors. The body runs without recording a history.
    With `keeps` the body returns its value and a tuple of tensors that `grad` gets after the others.
    """

    def enter(body: Callable) -> Callable:
        op = Op(body.__name__, "composite", _never, grad=grad, grad_name=grad_name)

        def function(*tensors: Any, **attributes: Any) -> Any:
            if not (state.enabled and requires_grad(tensors)):
                value = body(*tensors, **attributes)
                return value[0] if keeps else value
            with no_grad():
                value = body(*tensors, **attributes)
            kept = ()
            if keeps:
                value, kept = value
            inputs = (*tensors, *kept)
            attach(call_of(op, value, inputs, attributes), value, inputs)
            return value

        function.__name__ = function.__qualname__ = body.__name__
        function.__doc__ = body.__doc__
        return function

    return enter


def _never(call: Any) -> Callable:
    raise AssertionError("a composition is never run")
