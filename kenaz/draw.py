"""`kenaz graph`: run a program and draw the largest graph that was compiled, as it was fused, into an SVG file."""

from __future__ import annotations

import html
from typing import Any

WIDTH, HEIGHT, GAP_X, GAP_Y = 230, 46, 24, 34  # of a box, and between boxes, in pixels


def levels(boxes: list[Any]) -> list[int]:
    """The level of each box: one below the lowest box that it reads.

    >>> levels([("a", [], [], True), ("b", [], [0], True), ("c", [], [0, 1], True)])
    [0, 1, 2]
    """
    found: list[int] = []
    for _, _, read, _ in boxes:
        found.append(1 + max((found[r] for r in read), default=-1))
    return found


def svg(boxes: list[Any]) -> str:
    """A drawing of boxes (name, details, numbers of boxes read, compiled), from top to bottom."""
    rows: dict[int, list[int]] = {}
    for number, level in enumerate(levels(boxes)):
        rows.setdefault(level, []).append(number)
    place = {
        n: (GAP_X + k * (WIDTH + GAP_X), GAP_Y + level * (HEIGHT + GAP_Y))
        for level, row in rows.items()
        for k, n in enumerate(row)
    }
    width = max((x for x, _ in place.values()), default=0) + WIDTH + GAP_X
    height = max((y for _, y in place.values()), default=0) + HEIGHT + GAP_Y
    lines = [_line(place[r], place[n]) for n, box in enumerate(boxes) for r in box[2]]
    drawn = [_box(place[n], box) for n, box in enumerate(boxes)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n{"".join(lines)}{"".join(drawn)}</svg>\n'
    )


def _line(above: tuple[int, int], below: tuple[int, int]) -> str:
    x1, y1, x2, y2 = above[0] + WIDTH // 2, above[1] + HEIGHT, below[0] + WIDTH // 2, below[1]
    return f'<path d="M{x1} {y1} C{x1} {y1 + GAP_Y} {x2} {y2 - GAP_Y} {x2} {y2}" fill="none" stroke="#99a"/>\n'


def _box(at: tuple[int, int], box: Any) -> str:
    name, details, _, compiled = box
    colour = "#dff0e0" if compiled else "#f6e3d0"
    x, y = at
    kind = "compiled" if compiled else "interpreted"
    return (
        f'<g><title>{html.escape(f"{kind}: {name}")}</title>'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{colour}" stroke="#667"/>'
        f'<text x="{x + 10}" y="{y + 19}">{html.escape(_clipped(name))}</text>'
        f'<text x="{x + 10}" y="{y + 36}" fill="#556">{html.escape(_clipped(", ".join(details)))}</text></g>\n'
    )


def _clipped(text: str, length: int = 34) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def largest() -> list[Any]:
    """The boxes of the largest plan that was kept; empty where there is none."""
    from .codegen import report

    return max((d.boxes for d in report.drawn), key=len, default=[])
