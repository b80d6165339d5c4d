"""Recurrent networks over a sequence, and their single steps.

The weights come flat, as PyTorch keeps them: for each layer and direction w_ih, w_hh, b_ih, b_hh and, where hidden
states are projected, w_hr. What the input contributes to all gates of all steps is one product, and so are the
gradients of the weights; only what a hidden state contributes to the next one is computed step by step. All steps of a
layer in one direction are one operator (`_run`); where the batch changes or states are projected they are a composition
(`_walk`). A packed sequence is the steps of all sequences in one matrix, the batch shrinking from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .._tensor import Tensor
from ..autograd.engine import grad as gradients
from ..autograd.modes import state as modes
from ..core.dtype import HALF, float32, float64
from ..core.spec import Spec
from .composed import composed
from .declare import opaque
from .joining import cat, stack
from .network import dropout as drop
from .network import linear
from .precision import lower
from .precision import state as precision
from .record import public

State = tuple[Tensor, ...]


# --------------------------------------------------------------------------------------------------------------- cells
class Cell(NamedTuple):
    """One step of a network, from what input (x) and hidden state (h) contribute to each gate: bodies over `xp`.

    `forward(xp, x, h, before)` gives the states after the step, and what `backward` keeps of it. `backward(xp, slopes,
    before, kept)` takes gradients of the states after the step to those of x, of h, and of the states before it (None:
    only through h).
    """

    name: str
    gates: int
    states: int
    kept: int
    forward: Callable
    backward: Callable
    is_split: bool = False  # whether the gradients of x and h differ


class _OnTensors:
    """`xp` for cells whose steps are recorded one by one."""

    sigmoid = staticmethod(lambda x: x.sigmoid())
    tanh = staticmethod(lambda x: x.tanh())
    maximum = staticmethod(lambda x, low: x.relu())


def _tanh_forward(xp: Any, x: Any, h: Any, before: Any) -> tuple:
    new = xp.tanh(x[0] + h[0])
    return (new,), (new,)


def _tanh_backward(xp: Any, slopes: Any, before: Any, kept: Any) -> tuple:
    slope = (slopes[0] * (1 - kept[0] * kept[0]),)
    return slope, slope, (None,)


def _relu_forward(xp: Any, x: Any, h: Any, before: Any) -> tuple:
    new = xp.maximum(x[0] + h[0], 0)
    return (new,), (new,)


def _relu_backward(xp: Any, slopes: Any, before: Any, kept: Any) -> tuple:
    slope = (slopes[0] * (kept[0] > 0),)
    return slope, slope, (None,)


def _gru_forward(xp: Any, x: Any, h: Any, before: Any) -> tuple:
    reset, update = xp.sigmoid(x[0] + h[0]), xp.sigmoid(x[1] + h[1])
    new = xp.tanh(x[2] + reset * h[2])
    return ((before[0] - new) * update + new,), (reset, update, new, h[2])


def _gru_backward(xp: Any, slopes: Any, before: Any, kept: Any) -> tuple:
    reset, update, new, through = kept
    (slope,) = slopes
    by_new = slope * (1 - update) * (1 - new * new)
    by_update = slope * (before[0] - new) * update * (1 - update)
    by_reset = by_new * through * reset * (1 - reset)
    return (by_reset, by_update, by_new), (by_reset, by_update, by_new * reset), (slope * update,)


def _lstm_forward(xp: Any, x: Any, h: Any, before: Any) -> tuple:
    enter, forget, new, leave = (a + b for a, b in zip(x, h, strict=True))
    enter, forget, new, leave = xp.sigmoid(enter), xp.sigmoid(forget), xp.tanh(new), xp.sigmoid(leave)
    cell = forget * before[1] + enter * new
    seen = xp.tanh(cell)
    return (leave * seen, cell), (enter, forget, new, leave, seen)


def _lstm_backward(xp: Any, slopes: Any, before: Any, kept: Any) -> tuple:
    enter, forget, new, leave, seen = kept
    by_hidden, by_cell = slopes
    through = by_hidden * leave * (1 - seen * seen)
    by_cell = through if by_cell is None else by_cell + through
    slope = (
        by_cell * new * enter * (1 - enter),
        by_cell * before[1] * forget * (1 - forget),
        by_cell * enter * (1 - new * new),
        by_hidden * seen * leave * (1 - leave),
    )
    return slope, slope, (None, by_cell * forget)


TANH = Cell("tanh", 1, 1, 1, _tanh_forward, _tanh_backward)
RELU = Cell("relu", 1, 1, 1, _relu_forward, _relu_backward)
GRU = Cell("gru", 3, 1, 4, _gru_forward, _gru_backward, is_split=True)
LSTM = Cell("lstm", 4, 2, 5, _lstm_forward, _lstm_backward)
_CELLS = {cell.name: cell for cell in (TANH, RELU, GRU, LSTM)}


def _one_step(cell: Cell, x: Tensor, before: State, turned: Any, b_hh: Any, w_hr: Any) -> tuple[State, State]:
    """The state after a step, and what its gradient needs: that of the cell, and the hidden state before projection."""
    hidden = before[0] @ turned
    hidden = hidden if b_hh is None else hidden + b_hh
    after, kept = cell.forward(_OnTensors, x.chunk(cell.gates, -1), hidden.chunk(cell.gates, -1), before)
    if w_hr is None:
        return after, kept
    return (linear(after[0], w_hr), *after[1:]), (*kept, after[0])


# -------------------------------------------------------------------------------------------- a layer in one direction
class Walk(NamedTuple):
    """How a layer goes through a sequence."""

    cell: Cell
    sizes: list[int] | None  # of a packed sequence: how many rows each step has
    backwards: bool

    def pieces(self, x: Any) -> list:
        """What each step has of x, in the order in which the steps are taken."""
        parts = list(x.unbind(0) if self.sizes is None else x.split(self.sizes))
        return parts[::-1] if self.backwards else parts

    def joined(self, parts: list) -> Tensor:
        """The reverse of `pieces`."""
        parts = parts[::-1] if self.backwards else parts
        return stack(parts) if self.sizes is None else cat(parts)


def _walk(gates: Any, w_hh: Any, b_hh: Any, w_hr: Any, *start: Any, walk: Walk) -> tuple:
    """(outputs, last states), and what their gradient needs of every step: the state before it, what the cell keeps.

    In a packed sequence a later step has fewer rows: forwards, sequences end and their states are laid aside;
    backwards, sequences begin, with their rows of `start`.
    """
    pieces = walk.pieces(gates)
    state = tuple(s[: pieces[0].shape[0]] for s in start) if walk.sizes is not None else start
    turned = w_hh.transpose(0, 1).contiguous()  # BLAS multiplies by it in two thirds of the time, in every step
    outputs, ended, kept = [], [], []
    for x in pieces:
        rows, active = x.shape[0], state[0].shape[0]
        if rows < active:
            ended.append(tuple(s[rows:] for s in state))
            state = tuple(s[:rows] for s in state)
        elif rows > active:
            state = tuple(cat((s, first[active:rows])) for s, first in zip(state, start, strict=True))
        kept += state
        state, of_step = _one_step(walk.cell, x, state, turned, b_hh, w_hr)
        kept += of_step
        outputs.append(state[0])
    if ended:
        ended.append(state)
        state = tuple(cat(parts) for parts in zip(*reversed(ended), strict=True))
    return (walk.joined(outputs), *state), tuple(kept)


def _walk_grad(
    g: tuple, y: Any, gates: Any, w_hh: Any, b_hh: Any, w_hr: Any, *rest: Any, walk: Walk, needs: tuple
) -> tuple:
    parts = 2 if walk.cell is LSTM else 1
    start, kept = rest[:parts], rest[parts:]
    nothing = (None,) * len(kept)
    if modes.enabled:  # the gradient of this gradient is wanted: what was kept has no history
        inputs = (gates, w_hh, b_hh, w_hr, *start)
        return (*_again(g, inputs, walk, needs), *nothing)
    pieces = walk.pieces(gates)
    each = len(kept) // len(pieces)
    outgoing = [None] * len(pieces) if g[0] is None else walk.pieces(g[0])
    last = tuple(g[1:])
    if walk.sizes is not None:
        last = tuple(s.new_zeros(s.shape) if end is None else end for end, s in zip(last, start, strict=True))
    slopes = last if walk.sizes is None else tuple(s[: pieces[-1].shape[0]] for s in last)
    lost: list[tuple] = []  # gradients of rows of `start` that come in late
    of_x, of_h, befores, projected = [], [], [], []
    for i in range(len(pieces) - 1, -1, -1):
        rows, step = pieces[i].shape[0], kept[i * each : (i + 1) * each]
        before, of_cell = step[:parts], step[parts:]
        slopes, late = _fitted(slopes, last, rows)
        if late is not None:
            lost.append(late)
        slope = _sum(slopes[0], outgoing[i])
        slope = before[0].new_zeros(before[0].shape) if slope is None else slope
        if w_hr is not None:
            projected.append((slope, of_cell[-1]))
            slope, of_cell = slope @ w_hr, of_cell[:-1]
        x, h, slopes = walk.cell.backward(_OnTensors, (slope, *slopes[1:]), before, of_cell)
        x, h = cat(x, -1), cat(h, -1)
        of_x.append(x)
        of_h.append(h)
        befores.append(before[0])
        if i or any(needs[4 : 4 + parts]):
            slopes = (_sum(slopes[0], h @ w_hh), *slopes[1:])
    by_h, hidden = cat(of_h), cat(befores)
    return (
        walk.joined(of_x[::-1]) if needs[0] else None,
        by_h.transpose(0, 1) @ hidden if needs[1] else None,
        by_h.sum(0) if b_hh is not None and needs[2] else None,
        None if w_hr is None else cat([s for s, _ in projected]).transpose(0, 1) @ cat([h for _, h in projected]),
        *_of_start(slopes, lost, needs[4 : 4 + parts]),
        *nothing,
    )


def _sum(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _fitted(slopes: tuple, last: Sequence, rows: int) -> tuple[tuple, tuple | None]:
    """Gradients of a state of as many rows as the step has; and those of rows that it does not have, if any.

    Going back through a packed sequence, rows appear where a sequence ended, with the gradient of its last state.
    """
    active = rows if slopes[0] is None else slopes[0].shape[0]
    if active > rows:
        return tuple(s[:rows] for s in slopes), tuple(s[rows:] for s in slopes)
    if active < rows:
        return tuple(cat((s, end[active:rows])) for s, end in zip(slopes, last, strict=True)), None
    return slopes, None


def _of_start(slopes: tuple, lost: list[tuple], needed: tuple) -> list:
    """The gradients of the first states, with the rows that came in late."""
    found = []
    for i, (slope, wanted) in enumerate(zip(slopes, needed, strict=True)):
        late = [rows[i] for rows in reversed(lost)]
        found.append(cat((slope, *late)) if wanted and late else slope if wanted else None)
    return found


def _again(g: tuple, inputs: tuple, walk: Walk, needs: tuple) -> tuple:
    """The gradients once more, through a history of all steps, so that they have gradients themselves."""
    (outputs, *last), _ = _walk(*inputs, walk=walk)
    made = [(value, slope) for value, slope in zip((outputs, *last), g, strict=True) if slope is not None]
    wanted = [x for x, need in zip(inputs, needs, strict=False) if need]
    found = iter(gradients([v for v, _ in made], wanted, [s for _, s in made], create_graph=True, allow_unused=True))
    return tuple(next(found) if need else None for _, need in zip(inputs, needs, strict=False))


_step_by_step = composed(_walk_grad, "StackBackward0", keeps=True)(_walk)
_through_packed = composed(_walk_grad, "CatBackward0", keeps=True)(_walk)


# --------------------------------------------------------------------------------------------- a whole sequence at once
def _forward_rule(x: Spec, weight: Spec, bias: Any, *start: Spec, cell: str, backwards: bool) -> list:
    steps, batch = x.size[:2]
    width, kind = weight.size[1], x.dtype
    states = [((steps + 1, batch, width), kind)] * _CELLS[cell].states
    return [((steps, batch, width), kind), *states, ((steps, batch, _CELLS[cell].kept, width), kind)]


def _native_forward(call: Any) -> Any:
    from ..codegen import recurrent

    cell = _CELLS[call.attributes["cell"]]
    return recurrent.forward_routine(recurrent.Cell(*cell), call)


def _native_backward(call: Any) -> Any:
    from ..codegen import recurrent

    cell = _CELLS[call.attributes["cell"]]
    return recurrent.backward_routine(recurrent.Cell(*cell), call)


@opaque(_forward_rule, name="recurrent", native=_native_forward)
def _run(xp: Any, x: Any, weight: Any, bias: Any, *start: Any, cell: str, backwards: bool) -> tuple:
    """(the hidden states, all states with those at the start, what each step keeps) of steps that follow one another.

    The states before step i are at i, or at i + 1 going backwards.
    """
    of, steps = _CELLS[cell], len(x)
    states = [xp.empty((steps + 1, *s.shape), x.dtype) for s in start]
    kept = xp.empty((steps, x.shape[1], of.kept, weight.shape[1]), x.dtype)
    turned = xp.ascontiguousarray(weight.T)
    for state, first in zip(states, start, strict=True):
        state[-backwards] = first
    for i in range(steps - 1, -1, -1) if backwards else range(steps):
        hidden = states[0][i + backwards] @ turned
        hidden = hidden if isinstance(bias, bool) else hidden + bias
        after, keep = of.forward(
            xp, *(xp.split(g, of.gates, -1) for g in (x[i], hidden)), [s[i + backwards] for s in states]
        )
        for state, new in zip(states, after, strict=True):
            state[i + (not backwards)] = new
        for k, value in enumerate(keep):
            kept[i, :, k] = value
    return states[0][:-1] if backwards else states[0][1:], *states, kept


def _backward_rule(slope: Any, *others: Any, cell: str, backwards: bool) -> list:
    of, kept = _CELLS[cell], others[-1]
    steps, batch, _, width = kept.size
    by_gates = ((steps, batch, of.gates * width), kept.dtype)
    return [by_gates] * (1 + of.is_split) + [((batch, width), kept.dtype)] * of.states


@opaque(_backward_rule, name="recurrent_backward", native=_native_backward)
def _run_back(xp: Any, slope: Any, *others: Any, cell: str, backwards: bool) -> tuple:
    """Gradients of what x contributed, of what h did where that differs, and of the states at the start."""
    of = _CELLS[cell]
    last, weight, states, kept = others[: of.states], others[of.states], others[of.states + 1 : -1], others[-1]
    steps, batch, _, width = kept.shape
    found = [xp.empty((steps, batch, of.gates * width), kept.dtype) for _ in range(1 + of.is_split)]
    slopes = [xp.zeros((batch, width), kept.dtype) if isinstance(s, bool) else s for s in last]
    for i in range(steps) if backwards else range(steps - 1, -1, -1):
        if not isinstance(slope, bool):
            slopes[0] = slopes[0] + slope[i]
        before = [s[i + backwards] for s in states]
        *by_gates, direct = of.backward(xp, slopes, before, [kept[i, :, k] for k in range(of.kept)])
        for made, values in zip(found, by_gates, strict=False):
            made[i] = xp.concatenate(values, -1)
        slopes = [xp.zeros_like(s) if d is None else d for s, d in zip(slopes, direct, strict=True)]
        slopes[0] = slopes[0] + found[-1][i] @ weight
    return *found, *slopes


def _sequence_grad(
    g: tuple, y: Any, x: Any, w_hh: Any, b_hh: Any, *rest: Any, cell: str, backwards: bool, needs: tuple
) -> tuple:
    of = _CELLS[cell]
    start, states, kept = rest[: of.states], rest[of.states : -1], rest[-1]
    nothing = (None,) * (of.states + 1)
    if modes.enabled:  # the gradient of this gradient is wanted: what was kept has no history
        inputs = (x, w_hh, b_hh, None, *start)
        found = _again(g, inputs, Walk(of, None, backwards), (*needs[:3], False, *needs[3 : 3 + of.states]))
        return *found[:3], *found[4:], *nothing
    given = [False if s is None else s for s in g]
    by_x, *by_start = _run_back(*given, w_hh, *states, kept, cell=cell, backwards=backwards)
    by_h = by_start.pop(0) if of.is_split else by_x
    before = states[0][1:] if backwards else states[0][:-1]
    return (
        by_x,
        by_h.flatten(0, 1).transpose(0, 1) @ before.flatten(0, 1) if needs[1] else None,
        by_h.sum((0, 1)) if b_hh is not None and needs[2] else None,
        *by_start,
        *nothing,
    )


def _all_steps(x: Tensor, w_hh: Tensor, b_hh: Any, *start: Tensor, cell: str, backwards: bool) -> tuple:
    """`_walk` as one operator, for a batch that keeps its size and states that are not projected."""
    bias = False if b_hh is None else b_hh
    output, *states, kept = _run(x, w_hh, bias, *start, cell=cell, backwards=backwards)
    last = 0 if backwards else -1
    return (output, *(s[last] for s in states)), (*states, kept)


_at_once = composed(_sequence_grad, "StackBackward0", keeps=True)(_all_steps)


_KINDS = frozenset((float32, float64, *HALF))  # halves compute the whole sequence in float32, as oneDNN does


def _through(gates: Tensor, w_hh: Tensor, b_hh: Any, w_hr: Any, *start: Tensor, walk: Walk) -> tuple:
    tensors = (gates, w_hh, *start) if b_hh is None else (gates, w_hh, b_hh, *start)
    kind = gates.dtype
    if w_hr is not None or kind not in _KINDS or any(t.dtype is not kind for t in tensors):
        return _step_by_step(gates, w_hh, b_hh, w_hr, *start, walk=walk)
    return _at_once(gates, w_hh, b_hh, *start, cell=walk.cell.name, backwards=walk.backwards)


def _layer(
    cell: Cell, input: Tensor, start: State, weights: Sequence[Any], sizes: list[int] | None, backwards: bool
) -> tuple[Tensor, State]:
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    through = _through if sizes is None else _through_packed
    gates = linear(input, w_ih, b_ih)
    output, *state = through(gates, w_hh, b_hh, w_hr, *start, walk=Walk(cell, sizes, backwards))
    return output, tuple(state)


def _network(
    cell: Cell,
    input: Tensor,
    start: State,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    sizes: list[int] | None,
) -> tuple[Tensor, State]:
    """All layers and directions; gives the output and the last states stacked over both."""
    if sizes is None and not input.shape[0]:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    if precision.on:
        input, start, params = lower(input)[0], lower(*start), lower(*params)
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    last: list[State] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            i = layer * directions + direction
            weights = _five(params[i * each : (i + 1) * each], has_biases)
            first = tuple(s[i] for s in start)
            output, state = _layer(cell, input, first, weights, sizes, backwards=direction == 1)
            outputs.append(output)
            last.append(state)
        input = cat(outputs, -1) if bidirectional else outputs[0]
        if dropout and train and layer < num_layers - 1:
            input = drop(input, dropout, True)
    return input, tuple(stack(parts) for parts in zip(*last, strict=True))


def _five(weights: Sequence[Tensor], has_biases: bool) -> list[Tensor | None]:
    """w_ih, w_hh, b_ih, b_hh, w_hr, with None for those there are not."""
    known: list[Tensor | None] = list(weights)
    if not has_biases:
        known[2:2] = [None, None]
    return known if len(known) == 5 else [*known, None]


def _entry(name: str, cell: Cell) -> Callable:
    """torch.name: over (input, hx, params, ..., batch_first), or packed over (data, batch_sizes, hx, params, ...)."""

    def function(*args: Any) -> Any:
        if isinstance(args[3], bool):
            input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first = args
            sizes = None
        else:
            input, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional = args
            sizes, batch_first = batch_sizes.tolist(), False
        start = tuple(hx) if cell is LSTM else (hx,)
        if batch_first:
            input = input.transpose(0, 1)
        output, state = _network(
            cell, input, start, params, has_biases, num_layers, dropout, train, bidirectional, sizes
        )
        return (output.transpose(0, 1) if batch_first else output, *state)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The output of a whole {name.upper()} and its last hidden state."
    return public(function)


rnn_tanh = _entry("rnn_tanh", TANH)
rnn_relu = _entry("rnn_relu", RELU)
gru = _entry("gru", GRU)
lstm = _entry("lstm", LSTM)


# ---------------------------------------------------------------------------------------------------------------- cells
def _check_cell(input: Tensor, hidden: State, w_ih: Tensor, w_hh: Tensor) -> None:
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}")
    for i, h in enumerate(hidden):
        if input.shape[0] != h.shape[0]:
            raise RuntimeError(f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {h.shape[0]}")
        if h.shape[1] != w_hh.shape[1]:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {h.shape[1]}, expected {w_hh.shape[1]}")


def _cell(name: str, cell: Cell) -> Callable:
    def function(
        input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
    ) -> Tensor:
        _check_cell(input, (hx,), w_ih, w_hh)
        return _one_step(cell, linear(input, w_ih, b_ih), (hx,), w_hh.transpose(0, 1), b_hh, None)[0][0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The hidden state after one step from `hx`."
    return public(function)


rnn_tanh_cell = _cell("rnn_tanh_cell", TANH)
rnn_relu_cell = _cell("rnn_relu_cell", RELU)
gru_cell = _cell("gru_cell", GRU)


@public
def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> State:
    """The hidden and cell state after one step from the pair `hx`."""
    if not isinstance(hx, tuple | list):
        raise TypeError(f"lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not {type(hx).__name__}")
    start = tuple(hx)
    _check_cell(input, start, w_ih, w_hh)
    return _one_step(LSTM, linear(input, w_ih, b_ih), start, w_hh.transpose(0, 1), b_hh, None)[0]
