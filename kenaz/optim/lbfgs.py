"""L-BFGS, with a line search that satisfies the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import _api as torch
from .optimizer import Optimizer, ParamsT, _get_value, check, check_lr

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Quasi-Newton steps: the inverse Hessian is estimated from the last steps and what they did to the gradient.

    `step` needs a closure that clears the gradients, computes the loss, calls backward and returns the loss; it is
    evaluated several times. All parameters form one group.

    >>> import kenaz as torch
    >>> p = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([p], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (p - 3).square().sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(5., grad_fn=<SumBackward0>)
    >>> p
    tensor([3.0000, 3.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = dict(
            lr=lr,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )
        super().__init__(params, defaults)
        check(len(self.param_groups) == 1, "LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # The parameters as one vector of real numbers --------------------------------------------------------------------

    def _gather_flat_grad(self) -> Any:
        return torch.cat([_flat(torch.zeros_like(p) if p.grad is None else p.grad) for p in self._params])

    def _add_grad(self, step_size: Any, direction: Any) -> None:
        """None; every parameter moves by step_size along its part of direction."""
        offset = 0
        for p in self._params:
            p = torch.view_as_real(p) if p.is_complex() else p
            p.add_(direction[offset : offset + p.numel()].reshape(p.shape), alpha=step_size)
            offset += p.numel()

    def _directional_evaluate(self, closure: Callable, start: list, t: Any, direction: Any) -> tuple[float, Any]:
        """(loss, gradient) at start + t * direction; the parameters are back at start afterwards."""
        self._add_grad(t, direction)
        loss = float(closure())
        grad = self._gather_flat_grad()
        for p, value in zip(self._params, start):
            p.copy_(value)
        return loss, grad

    # Stepping --------------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]  # it cannot do without a closure
        """The loss that closure gives first, after up to max_iter iterations."""
        with torch.no_grad():
            return self._step(torch.enable_grad()(closure))

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        state = self.state[self._params[0]]  # global, but kept with the first parameter so that it is saved
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        state["func_evals"] += 1
        grad = self._gather_flat_grad()
        if grad.abs().max() <= group["tolerance_grad"]:
            return first_loss
        search = Search(self, closure, group, state, float(first_loss), grad)
        while not search.is_done():
            search.iterate()
        search.save()
        return first_loss


class Search:
    """One call of `LBFGS.step`: the iterations, and the history they share with earlier calls."""

    def __init__(self, optimizer: LBFGS, closure: Callable, group: dict, state: dict, loss: float, grad: Any) -> None:
        self.optimizer, self.closure, self.group, self.state = optimizer, closure, group, state
        self.loss, self.grad = loss, grad
        self.lr = _get_value(group["lr"])
        names = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")
        known: list[Any] = [state.get(name) for name in names]
        self.direction, self.t, self.changes, self.steps, self.ro = known[:5]
        self.scale, self.previous_grad, self.previous_loss = known[5:]
        self.iterations, self.evaluations, self.ended = 0, 1, False

    def save(self) -> None:
        self.state.update(
            d=self.direction,
            t=self.t,
            old_dirs=self.changes,
            old_stps=self.steps,
            ro=self.ro,
            H_diag=self.scale,
            prev_flat_grad=self.previous_grad,
            prev_loss=self.previous_loss,
        )

    def is_done(self) -> bool:
        return self.ended or self.iterations >= self.group["max_iter"]

    def iterate(self) -> None:
        """None; one step along a new direction, and `ended` when there is no more to gain."""
        self.iterations += 1
        self.state["n_iter"] += 1
        first = self.state["n_iter"] == 1
        if first:
            self.direction, self.changes, self.steps, self.ro, self.scale = -self.grad, [], [], [], 1
        else:
            self.remember()
            self.direction = self.newton_direction()
        self.previous_grad = self.grad.clone()
        self.previous_loss = self.loss
        self.t = min(1.0, 1.0 / float(self.grad.abs().sum())) * self.lr if first else self.lr
        slope = float(self.grad.dot(self.direction))
        if slope > -self.group["tolerance_change"]:
            self.ended = True
            return
        evaluations, flat = self.move(slope)
        self.evaluations += evaluations
        self.state["func_evals"] += evaluations
        self.ended = self.has_converged(flat)

    def remember(self) -> None:
        """None; the last step and what it did to the gradient join the history."""
        change = self.grad - self.previous_grad
        step = self.direction * self.t
        curvature = change.dot(step)
        if curvature > 1e-10:
            if len(self.changes) == self.group["history_size"]:
                for history in (self.changes, self.steps, self.ro):
                    history.pop(0)
            self.changes.append(change)
            self.steps.append(step)
            self.ro.append(1.0 / curvature)
            self.scale = curvature / change.dot(change)

    def newton_direction(self) -> Any:
        """Minus the inverse Hessian times the gradient: the two loops over the history."""
        count = len(self.changes)
        if "al" not in self.state:
            self.state["al"] = [None] * self.group["history_size"]
        weights = self.state["al"]
        q = -self.grad
        for i in reversed(range(count)):
            weights[i] = self.steps[i].dot(q) * self.ro[i]
            q = q - weights[i] * self.changes[i]
        q = q * self.scale
        for i in range(count):
            q = q + (weights[i] - self.changes[i].dot(q) * self.ro[i]) * self.steps[i]
        return q

    def move(self, slope: float) -> tuple[int, bool]:
        """The number of evaluations it took to move, and whether the gradient there is flat."""
        optimizer, group = self.optimizer, self.group
        if group["line_search_fn"] is None:
            optimizer._add_grad(self.t, self.direction)
            if self.iterations == group["max_iter"]:
                return 0, False  # nobody will look at the new gradient
            self.loss = float(self.closure())
            self.grad = optimizer._gather_flat_grad()
            return 1, bool(self.grad.abs().max() <= group["tolerance_grad"])
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        start = [p.clone(memory_format=torch.contiguous_format) for p in optimizer._params]

        def evaluate(t: float) -> Point:
            loss, grad = optimizer._directional_evaluate(self.closure, start, t, self.direction)
            return Point(t, loss, grad, float(grad.dot(self.direction)))

        at_start = Point(0.0, self.loss, self.grad, slope)
        most = min(25, group["max_eval"] - self.evaluations)
        point, evaluations = strong_wolfe(evaluate, at_start, self.t, float(self.direction.abs().max()), most=most)
        self.t, self.loss, self.grad = point.t, point.loss, point.grad
        optimizer._add_grad(self.t, self.direction)
        return evaluations, bool(self.grad.abs().max() <= group["tolerance_grad"])

    def has_converged(self, flat: bool) -> bool:
        return (
            self.iterations == self.group["max_iter"]
            or self.evaluations >= self.group["max_eval"]
            or flat
            or bool((self.direction * self.t).abs().max() <= self.group["tolerance_change"])
            or abs(self.loss - self.previous_loss) < self.group["tolerance_change"]
        )


def _flat(x: Any) -> Any:
    """x as a dense vector of real numbers."""
    x = x.to_dense() if x.is_sparse else x
    return torch.view_as_real(x).reshape(-1) if x.is_complex() else x.reshape(-1)


# The line search: Nocedal & Wright, Numerical Optimization, algorithms 3.5 (bracket) and 3.6 (zoom), with
# minFunc's safeguards against steps that are too short.


class Point(NamedTuple):
    """What is known at t on the line: the loss, the gradient, and the slope along the line."""

    t: float
    loss: float
    grad: Any
    slope: float


ENOUGH_DECREASE, ENOUGH_FLATTENING = 1e-4, 0.9


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, length: float, tolerance: float = 1e-9, most: int = 25
) -> tuple[Point, int]:
    """(a point that satisfies the strong Wolfe conditions, or the best one found; the number of evaluations).

    >>> parabola = lambda t: Point(t, (t - 3.0) ** 2, None, 2 * (t - 3.0))
    >>> strong_wolfe(parabola, parabola(0.0), 0.1, 1.0)
    (Point(t=1.0, loss=4.0, grad=None, slope=-4.0), 2)
    """
    previous, point, rounds = start, evaluate(t), 0
    while rounds < most:
        if _is_too_high(point, start) or (rounds > 1 and point.loss >= previous.loss):
            break
        if _is_flat(point, start):
            return point, rounds + 1
        if point.slope >= 0:
            break
        span = (point.t + 0.01 * (point.t - previous.t), point.t * 10)
        previous, point = point, evaluate(cubic_minimum(previous, point, span))
        rounds += 1
    else:
        previous = start
    return _zoom(evaluate, start, [previous, point], rounds, length, tolerance, most)


def _zoom(
    evaluate: Callable[[float], Point],
    start: Point,
    ends: list[Point],
    rounds: int,
    length: float,
    tolerance: float,
    most: int,
) -> tuple[Point, int]:
    """What strong_wolfe gives, from an interval that contains such a point."""
    low = int(ends[1].loss < ends[0].loss)
    is_stuck = False
    while rounds < most:
        left, right = sorted((ends[0].t, ends[1].t))
        if (right - left) * length < tolerance:
            break
        t = cubic_minimum(ends[0], ends[1], (left, right))
        margin = 0.1 * (right - left)
        is_near = min(right - t, t - left) < margin
        if is_near and (is_stuck or t >= right or t <= left):  # twice at an end: no progress from there
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            is_near = False
        is_stuck = is_near
        point = evaluate(t)
        rounds += 1
        if _is_too_high(point, start) or point.loss >= ends[low].loss:
            ends[1 - low] = point
            low = int(ends[1].loss < ends[0].loss)
            continue
        if _is_flat(point, start):
            return point, rounds + 1
        if point.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = point
    return ends[low], rounds + 1


def _is_too_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + ENOUGH_DECREASE * point.t * start.slope


def _is_flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -ENOUGH_FLATTENING * start.slope


def cubic_minimum(a: Point, b: Point, span: tuple[float, float]) -> float:
    """Where the cubic through a and b with their slopes is lowest within span; the middle where it has no minimum."""
    if a.t > b.t:
        a, b = b, a
    bend = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = bend * bend - a.slope * b.slope
    if square >= 0:
        root = math.sqrt(square)
        below = b.slope - a.slope + 2 * root
        if below != 0:
            return min(max(b.t - (b.t - a.t) * ((b.slope + root - bend) / below), span[0]), span[1])
    return (span[0] + span[1]) / 2
