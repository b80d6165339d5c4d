"""An optimizer that works on other parameters and other state for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Any], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Inside the block optimizer works on swapin_parameters, with swapin_optim_state (as state_dict() gives it).

    >>> import kenaz as torch
    >>> p, q = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> optimizer = torch.optim.SGD([p], lr=0.5, momentum=0.9)
    >>> p.grad = q.grad = torch.ones(1)
    >>> optimizer.step()
    >>> with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"weight": q}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> p.item(), q.item()
    (0.5, 0.050000011920928955)
    """
    own = optimizer.param_groups, optimizer.state
    params = list(swapin_parameters.values())
    of_id = {i: params[i] for group in swapin_optim_state["param_groups"] for i in group["params"]}
    groups = [{**group, "params": [of_id[i] for i in group["params"]]} for group in swapin_optim_state["param_groups"]]
    state = type(own[1])(dict)
    state.update({of_id.get(key, key): value for key, value in swapin_optim_state["state"].items()})
    optimizer.param_groups, optimizer.state = groups, state
    try:
        yield
    finally:
        optimizer.param_groups, optimizer.state = own
