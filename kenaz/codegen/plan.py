"""A plan: how a graph that came back runs. Native steps are one list of jobs for the pool; between such lists, nodes
that have no compiled code are interpreted.

Every native step has a block of words (`routine.py`); all blocks of a plan are one array. Words that never change are
written once: constants and places in the arena. Before a list of jobs runs, the words that change are written in one
assignment: the addresses of memory from outside and of new memory for values that somebody outside can see.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.spec import Spec
from ..graph.node import PICK, Node
from ..runtime import trace
from . import pool
from .memory import Layout, arena
from .report import label, lines
from .routine import Routine, address
from .steps import Step, make_steps

LARGE = 1 << 15  # bytes from which looking for memory to take over pays


class Unplanned(Exception):
    """The graph cannot run as planned this time: it has to be interpreted."""


class Value:
    """A value that a native step makes: result `k` of the node at `place`, and where it lives."""

    __slots__ = ("first", "home", "k", "last", "memory", "nbytes", "place", "shape", "takers")

    def __init__(self, place: int, k: int, spec: Spec, first: int):
        self.place, self.k, self.first, self.last = place, k, first, first
        self.nbytes = spec.numel * spec.dtype.itemsize
        self.shape = spec.size if spec.contiguous else tuple(spec.size[d] for d in spec.order() or ())
        self.memory = spec.dtype.np
        self.takers: list[int] = []  # places of nodes that get it as an array: it lives in memory of its own
        self.home = -1  # its place in the arena, where nobody outside sees it


class Batch:
    """Native steps that run without a pause, and what has to be written before.

    entries: addresses to find at run time, each a tuple that begins with what it is:
        ("outside", p, j)             source j of node p
        ("new", value)                fresh memory, perhaps taken over
        ("shift", entry or None, home, p, j, itemsize)   offset j of node p added to another entry, or to a home
    """

    def __init__(self, first: int):
        self.first, self.count = first, 0
        self.entries: list[tuple] = []
        self.index: dict[Any, int] = {}
        self.where: list[int] = []
        self.which: list[int] = []
        self.floats: list[tuple[int, int, int]] = []  # (cell, p, j)
        self.ints: list[tuple[int, int, int]] = []
        self.values: list[tuple[int, Value]] = []  # (entry, value) of new memory
        self.donors: dict[int, tuple[int, int, int]] = {}  # entry -> (p, j, expected references)
