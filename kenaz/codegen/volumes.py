"""Convolutions over three axes, as convolutions of planes: each tap along the depth is more channels.

    (n, C, D, H, W)  ->  (n, places along the depth, C * taps, H, W)  ->  convolved as images  ->  (n, O, places, h, w)

A weight (O, C, taps, h, w) lies in memory as one of (O, C * taps, h, w) does, with groups too. The gradient of the
input is added back tap by tap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..core.shape import contiguous_stride
from ..core.spec import Spec, fresh
from ..graph.node import Call
from . import conv, moves
from .composed import Place, Room, Stage, composed
from .moves import Box
from .routine import Routine


class _Volume:
    """The sizes of a convolution over three axes."""

    def __init__(self, call: Call, x: Spec, y: Spec):
        window = call.attributes["window"]
        self.call, self.images, self.channels, self.features = call, x.size[0], x.size[1], y.size[1]
        self.depth, self.taps, self.stride, self.padding, self.apart, self.out = (field[0] for field in window)
        self.window = type(window)(*(field[1:] for field in window))
        self.kind, self.item = x.dtype, x.dtype.itemsize
        n = self.images * self.out
        self.unfolded = fresh((n, self.channels * self.taps, *self.window.size), x.dtype)
        self.planes = fresh((n, self.features, *self.window.out), x.dtype)

    def fits(self, *specs: Any) -> bool:
        """Whether there is code for it: dense floats, none of them empty."""
        given = [s for s in specs if type(s) is Spec]
        return self.kind.name in ("float32", "float64") and all(
            s.contiguous and s.dtype is self.kind and s.numel for s in given
        )

    def weight(self, w: Spec) -> Spec:
        """A weight with the taps along the depth as channels."""
        return fresh((w.size[0], w.size[1] * w.size[2], *w.size[3:]), w.dtype)

    def planar(self, name: str, specs: tuple, out: Spec) -> Routine | None:
        """A routine of `conv.py` for images."""
        attributes = {"window": self.window, "groups": self.call.attributes["groups"]}
        return getattr(conv, name)(Call(self.call.op, specs, attributes, out))

    def nbytes(self, s: Spec) -> int:
        return s.numel * self.item

    def tap_boxes(self, tap: int, there: int, here: int, back: bool) -> tuple[list[Box], list[Box]]:
        """The slices that a tap sees, moved from the volume (word `there`) to the unfolded one (`here`), or `back`; and
        boxes of what it sees of the padding, which have no source yet."""
        start = tap * self.apart - self.padding
        first = min(max(-(-max(-start, 0) // self.stride), 0), self.out)
        last = max(min((self.depth - 1 - start) // self.stride + 1, self.out), first)
        plane = math.prod(self.window.size)
        step = self.channels * self.taps * plane  # from place to place
        volume = self.channels * self.depth * plane
        dims = (
            (self.images, volume, self.out * step), (last - first, self.stride * plane, step),
            (self.channels, self.depth * plane, self.taps * plane), (plane, 1, 1),
        )  # fmt: skip
        a, b = (start + first * self.stride) * plane, first * step + tap * plane
        if back:
            return [Box(here, b, there, a, tuple((n, q, p) for n, p, q in dims))], []
        seen = [Box(there, a, here, b, dims)] if last > first else []
        lead, channels = (self.images, 0, self.out * step), (self.channels, 0, self.taps * plane)
        around = [
            Box(-1, 0, here, left * step + tap * plane, (lead, (right - left, 0, step), channels, (plane, 0, 1)))
            for left, right in ((0, first), (last, self.out)) if right > left
        ]  # fmt: skip
        return seen, around

    def unfold(self, x: Place, to: Place) -> Stage | None:
        """The volume so that taps along the depth are channels."""
        boxes: list[Box] = []
        for tap in range(self.taps):
            seen, around = self.tap_boxes(tap, 0, 1, False)
            boxes += seen + [box._replace(source=4) for box in around]  # the word of a zero
        return _stage(moves.routine(2, self.item, boxes), x, to)

    def fold(self, start: Box, given: Sequence[Place], unfolded: Place, out: Place) -> Stage | None:
        """What came for each tap added up, beginning with what a box puts everywhere."""
        words = len(given) + 2
        phases = [self.tap_boxes(tap, words - 1, words - 2, True)[0] for tap in range(self.taps)]
        phases = [phase for phase in phases if all(n > 0 for box in phase for n, _, _ in box.dims)]
        source = words + 2 + len(phases) if start.source < 0 else start.source
        first = start._replace(source=source, target=words - 1)
        found = moves.routine(words, self.item, [first], *phases, last=len(phases), adds=self.kind.name)
        return _stage(found, *given, unfolded, out)

    def turned(self, y: Place, to: Place, back: bool) -> Stage | None:
        """Volumes of features as images, place by place; or back."""
        area = math.prod(self.window.out)
        places, features = contiguous_stride((self.out, self.features)), contiguous_stride((self.features, self.out))
        whole = self.out * self.features * area
        dims: tuple = (
            (self.images, whole, whole), (self.out, features[1] * area, places[0] * area),
            (self.features, features[0] * area, places[1] * area), (area, 1, 1),
        )  # fmt: skip
        if back:
            dims = tuple((n, q, p) for n, p, q in dims)
        return _stage(moves.routine(2, self.item, [Box(0, 0, 1, 0, dims)]), y, to)


def _stage(routine: Routine | None, *memory: Place) -> Stage | None:
    return None if routine is None else Stage(routine, memory)


def _together(room: Room, *stages: Stage | None) -> Routine | None:
    known = [stage for stage in stages if stage is not None]
    return composed(room, known) if len(known) == len(stages) else None


def forward(call: Call) -> Routine | None:
    """A convolution (input, weight, bias)."""
    x, w, bias = call.specs
    v = _Volume(call, x, call.out)
    if not v.fits(x, w, bias, call.out):
        return None
    room = Room(4)
    unfolded, planes = room.take(v.nbytes(v.unfolded)), room.take(v.nbytes(v.planes))
    product = v.planar("forward", (v.unfolded, v.weight(w), bias), v.planes)
    return _together(
        room, v.unfold(Place(0), unfolded), _stage(product, unfolded, Place(1), Place(2), planes),
        v.turned(planes, Place(3), back=True),
    )  # fmt: skip


def input_gradient(call: Call) -> Routine | None:
    """The gradient of the input from (gradient, weight, bias): a transposed convolution."""
    y, w, bias = call.specs
    v = _Volume(call, call.out, y)
    if not v.fits(y, w, bias, call.out):
        return None
    room = Room(4)
    unfolded, planes = room.take(v.nbytes(v.unfolded)), room.take(v.nbytes(v.planes))
    product = v.planar("input_gradient", (v.planes, v.weight(w), type(None)), v.unfolded)
    if type(bias) is Spec:
        each = call.out.numel // (v.images * v.channels)
        start = Box(0, 0, 0, 0, ((v.images, 0, v.channels * each), (v.channels, 1, each), (each, 0, 1)))
    else:
        start = Box(-1, 0, 0, 0, ((call.out.numel, 0, 1),))
    return _together(
        room, v.turned(Place(0), planes, back=False), _stage(product, planes, Place(1), Place(2), unfolded),
        v.fold(start, (Place(2),), unfolded, Place(3)),
    )  # fmt: skip


def weight_gradient(call: Call) -> Routine | None:
    """The gradient of the weight from (input, gradient)."""
    x, y = call.specs
    v = _Volume(call, x, y)
    if not v.fits(x, y, call.out):
        return None
    room = Room(3)
    unfolded, planes = room.take(v.nbytes(v.unfolded)), room.take(v.nbytes(v.planes))
    product = v.planar("weight_gradient", (v.unfolded, v.planes), v.weight(call.out))
    return _together(
        room, v.unfold(Place(0), unfolded), v.turned(Place(1), planes, back=False),
        _stage(product, unfolded, planes, Place(2)),
    )  # fmt: skip
