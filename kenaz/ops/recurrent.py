"""Recurrent networks over a sequence, and their single steps: compositions, so that every step fuses.

The weights come flat, as PyTorch keeps them: for each layer and direction w_ih, w_hh, b_ih, b_hh and, where hidden
states are projected, w_hr. What the input contributes to all gates of all steps is one product, and so are the
gradients of the weights; only what a hidden state contributes to the next one is computed step by step. A packed
sequence is the steps of all sequences in one matrix, the batch shrinking from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .._tensor import Tensor
from ..autograd.engine import grad as gradients
from ..autograd.modes import state as modes
from .composed import composed
from .joining import cat, stack
from .network import dropout as drop
from .network import linear
from .precision import lower
from .precision import state as precision
from .record import public

State = tuple[Tensor, ...]


# --------------------------------------------------------------------------------------------------------------- cells
class Cell(NamedTuple):
    """One step of a network, from what input (x) and hidden state (h) contribute to its gates.

    `forward(x, h, before)` gives the state after the step, and what `backward` needs of it. `backward(slopes, before,
    kept)` takes gradients of the state after the step to those of x, h, and the state before (None: only through h).
    """

    forward: Callable[[Any, Any, State], tuple[State, State]]
    backward: Callable[[tuple, State, State], tuple[Any, Any, tuple]]


def _tanh_forward(x: Any, h: Any, before: State) -> tuple[State, State]:
    new = (x + h).tanh()
    return (new,), (new,)


def _tanh_backward(slopes: tuple, before: State, kept: Any) -> tuple[Any, Any, tuple]:
    slope = slopes[0] * (1 - kept[0] * kept[0])
    return slope, slope, (None,)


def _relu_forward(x: Any, h: Any, before: State) -> tuple[State, State]:
    new = (x + h).relu()
    return (new,), (new,)


def _relu_backward(slopes: tuple, before: State, kept: Any) -> tuple[Any, Any, tuple]:
    slope = slopes[0] * (kept[0] > 0)
    return slope, slope, (None,)


def _gru_forward(x: Any, h: Any, before: Any) -> tuple[State, State]:
    width = before[0].shape[-1]
    reset, update = (x[..., : 2 * width] + h[..., : 2 * width]).sigmoid().chunk(2, -1)
    through = h[..., 2 * width :]
    new = (x[..., 2 * width :] + reset * through).tanh()
    return ((before[0] - new) * update + new,), (reset, update, new, through)


def _gru_backward(slopes: tuple, before: Any, kept: Any) -> tuple[Any, Any, tuple]:
    reset, update, new, through = kept
    (slope,) = slopes
    by_new = slope * (1 - update) * (1 - new * new)
    by_update = slope * (before[0] - new) * update * (1 - update)
    by_reset = by_new * through * reset * (1 - reset)
    return cat((by_reset, by_update, by_new), -1), cat((by_reset, by_update, by_new * reset), -1), (slope * update,)


def _lstm_forward(x: Any, h: Any, before: Any) -> tuple[State, State]:
    enter, forget, new, leave = (x + h).chunk(4, -1)
    enter, forget, new, leave = enter.sigmoid(), forget.sigmoid(), new.tanh(), leave.sigmoid()
    cell = forget * before[1] + enter * new
    seen = cell.tanh()
    return (leave * seen, cell), (enter, forget, new, leave, seen)


def _lstm_backward(slopes: tuple, before: Any, kept: Any) -> tuple[Any, Any, tuple]:
    enter, forget, new, leave, seen = kept
    by_hidden, by_cell = slopes
    through = by_hidden * leave * (1 - seen * seen)
    by_cell = through if by_cell is None else by_cell + through
    gates = (
        by_cell * new * enter * (1 - enter),
        by_cell * before[1] * forget * (1 - forget),
        by_cell * enter * (1 - new * new),
        by_hidden * seen * leave * (1 - leave),
    )
    slope = cat(gates, -1)
    return slope, slope, (None, by_cell * forget)


TANH = Cell(_tanh_forward, _tanh_backward)
RELU = Cell(_relu_forward, _relu_backward)
GRU = Cell(_gru_forward, _gru_backward)
LSTM = Cell(_lstm_forward, _lstm_backward)


def _one_step(cell: Cell, x: Tensor, before: State, turned: Any, b_hh: Any, w_hr: Any) -> tuple[State, State]:
    """The state after a step, and what its gradient needs: that of the cell, and the hidden state before projection."""
    hidden = before[0] @ turned
    after, kept = cell.forward(x, hidden if b_hh is None else hidden + b_hh, before)
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
        x, h, slopes = walk.cell.backward((slope, *slopes[1:]), before, of_cell)
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


_through = composed(_walk_grad, "StackBackward0", keeps=True)(_walk)
_through_packed = composed(_walk_grad, "CatBackward0", keeps=True)(_walk)


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
