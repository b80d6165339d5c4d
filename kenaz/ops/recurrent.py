"""Recurrent networks over a sequence, and their single steps: compositions, so that every step fuses.

The weights come flat, as PyTorch keeps them: for each layer and direction w_ih, w_hh, b_ih, b_hh and, where hidden
states are projected, w_hr. What the input contributes to all gates of all steps is one product; only what the hidden
state contributes is computed step by step. A packed sequence is the steps of all sequences in one matrix, the batch
shrinking from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._tensor import Tensor
from .joining import cat, stack
from .network import dropout as drop
from .network import linear
from .record import public

State = tuple[Tensor, ...]


# --------------------------------------------------------------------------------------------------------------- steps
def _tanh_step(gates: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    return ((gates + linear(state[0], w_hh, b_hh)).tanh(),)


def _relu_step(gates: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    return ((gates + linear(state[0], w_hh, b_hh)).relu(),)


def _gru_step(gates: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    (hidden,) = state
    reset_x, update_x, new_x = gates.chunk(3, -1)
    reset_h, update_h, new_h = linear(hidden, w_hh, b_hh).chunk(3, -1)
    reset, update = (reset_x + reset_h).sigmoid(), (update_x + update_h).sigmoid()
    new = (new_x + reset * new_h).tanh()
    return ((hidden - new) * update + new,)


def _lstm_step(gates: Tensor, state: State, w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> State:
    hidden, cell = state
    enter, forget, new, leave = (gates + linear(hidden, w_hh, b_hh)).chunk(4, -1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
    hidden = leave.sigmoid() * cell.tanh()
    return hidden if w_hr is None else linear(hidden, w_hr), cell


Step = Callable[[Tensor, State, Tensor, Tensor | None, Tensor | None], State]


# --------------------------------------------------------------------------------------------------------------- layers
def _run(step: Step, pieces: Sequence[Tensor], state: State, start: State, weights: tuple, backwards: bool) -> Any:
    """The outputs of all steps and the last state of every sequence.

    `pieces` holds the gates of each step. In a packed sequence a later step has fewer rows: forwards, sequences end and
    their states are laid aside; backwards, sequences begin, with their rows of `start`.
    """
    outputs, ended = [], []
    for gates in reversed(pieces) if backwards else pieces:
        rows, active = gates.shape[0], state[0].shape[0]
        if rows < active:
            ended.append(tuple(s[rows:] for s in state))
            state = tuple(s[:rows] for s in state)
        elif rows > active:
            state = tuple(cat((s, first[active:rows])) for s, first in zip(state, start, strict=True))
        state = step(gates, state, *weights)
        outputs.append(state[0])
    if ended:
        ended.append(state)
        state = tuple(cat(parts) for parts in zip(*reversed(ended), strict=True))
    return outputs[::-1] if backwards else outputs, state


def _layer(
    step: Step, input: Tensor, start: State, weights: Sequence[Tensor | None], sizes: list[int] | None, backwards: bool
) -> tuple[Tensor, State]:
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    gates = linear(input, w_ih, b_ih)
    pieces = gates.unbind(0) if sizes is None else gates.split(sizes)
    first = start if sizes is None else tuple(s[: sizes[-1 if backwards else 0]] for s in start)
    outputs, state = _run(step, pieces, first, start, (w_hh, b_hh, w_hr), backwards)
    return (stack(outputs) if sizes is None else cat(outputs)), state


def _network(
    step: Step,
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
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    last: list[State] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            i = layer * directions + direction
            weights = _five(params[i * each : (i + 1) * each], has_biases)
            first = tuple(s[i] for s in start)
            output, state = _layer(step, input, first, weights, sizes, backwards=direction == 1)
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


def _entry(name: str, step: Step, several: bool) -> Callable:
    """torch.name: over (input, hx, params, ..., batch_first), or packed over (data, batch_sizes, hx, params, ...)."""

    def function(*args: Any) -> Any:
        if isinstance(args[3], bool):
            input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first = args
            sizes = None
        else:
            input, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional = args
            sizes, batch_first = batch_sizes.tolist(), False
        start = tuple(hx) if several else (hx,)
        if batch_first:
            input = input.transpose(0, 1)
        output, state = _network(
            step, input, start, params, has_biases, num_layers, dropout, train, bidirectional, sizes
        )
        return (output.transpose(0, 1) if batch_first else output, *state)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The output of a whole {name.upper()} and its last hidden state."
    return public(function)


rnn_tanh = _entry("rnn_tanh", _tanh_step, several=False)
rnn_relu = _entry("rnn_relu", _relu_step, several=False)
gru = _entry("gru", _gru_step, several=False)
lstm = _entry("lstm", _lstm_step, several=True)


# ---------------------------------------------------------------------------------------------------------------- cells
def _check_cell(input: Tensor, hidden: State, w_ih: Tensor, w_hh: Tensor) -> None:
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}")
    for i, h in enumerate(hidden):
        if input.shape[0] != h.shape[0]:
            raise RuntimeError(f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {h.shape[0]}")
        if h.shape[1] != w_hh.shape[1]:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {h.shape[1]}, expected {w_hh.shape[1]}")


def _cell(name: str, step: Step) -> Callable:
    def function(
        input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
    ) -> Tensor:
        _check_cell(input, (hx,), w_ih, w_hh)
        return step(linear(input, w_ih, b_ih), (hx,), w_hh, b_hh, None)[0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The hidden state after one step from `hx`."
    return public(function)


rnn_tanh_cell = _cell("rnn_tanh_cell", _tanh_step)
rnn_relu_cell = _cell("rnn_relu_cell", _relu_step)
gru_cell = _cell("gru_cell", _gru_step)


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
    return _lstm_step(linear(input, w_ih, b_ih), start, w_hh, b_hh, None)
