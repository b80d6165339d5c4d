"""Indices that are computed when the line runs are checked there; others when the graph runs, with the same error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import kenaz as torch

OPERATORS: dict[str, tuple[Callable, type, str]] = {
    "embedding": (lambda i: torch.nn.functional.embedding(i, torch.ones(4, 3)), IndexError, "index out of range in self"),
    "index_select": (lambda i: torch.ones(4, 3).index_select(0, i), IndexError, "index out of range in self"),
    "gather": (
        lambda i: torch.ones(4).gather(0, i), RuntimeError, "index 4 is out of bounds for dimension 0 with size 4"
    ),
    "index": (
        lambda i: torch.ones(4)[i], IndexError, "index 4 is out of bounds for dimension 0 with size 4"
    ),
    "take_along_dim": (
        lambda i: torch.take_along_dim(torch.ones(2, 2), i), RuntimeError,
        "index 4 is out of bounds for dimension 0 with size 4",
    ),
    "index_add": (
        lambda i: torch.zeros(4).index_add(0, i, torch.ones(3)), IndexError, "index out of range in self",
    ),
    "scatter": (
        lambda i: torch.zeros(4).scatter(0, i, torch.ones(3)), RuntimeError,
        "index 4 is out of bounds for dimension 0 with size 4",
    ),
    "scatter_add": (
        lambda i: torch.zeros(4).scatter_add(0, i, torch.ones(3)), RuntimeError,
        "index 4 is out of bounds for dimension 0 with size 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_a_known_index_is_checked_at_the_line(name: str) -> None:
    function, kind, message = OPERATORS[name]
    with pytest.raises(kind) as error:
        function(torch.tensor([0, 4, 1]))
    assert str(error.value) == message


@pytest.mark.parametrize("name", OPERATORS)
def test_another_when_the_graph_runs(name: str) -> None:
    function, kind, message = OPERATORS[name]
    index = torch.tensor([0, 2, 1]) + torch.tensor([0, 2, 0])
    result = function(index)
    with pytest.raises(kind) as error:
        result.tolist()
    assert str(error.value) == message
    assert "test_late_indices.py" in "".join(error.value.__notes__)


@pytest.mark.parametrize("name", OPERATORS)
def test_both_give_the_same(name: str) -> None:
    function, *_ = OPERATORS[name]
    assert function(torch.tensor([0, 3, 1])).tolist() == function(torch.tensor([0, 2, 1]) + torch.tensor([0, 1, 0])).tolist()
