"""einsum: sums of products, planned once per equation and sizes, and carried out as batched matrix products.

Two operands meet in one `bmm`: the subscripts of both fall into four groups (in both and kept: batch; left; right;
summed), and permute + reshape bring the operands to (batch, left, summed) and (batch, summed, right).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod
from typing import Any

from .._tensor import Tensor
from ..core.dtype import scalar_name
from .products import bmm
from .record import public

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DOTS = "."  # in a list of subscripts, the axes of an ellipsis are ".0", ".1", ...


def _error(message: str) -> RuntimeError:
    return RuntimeError("einsum(): " + message)


def _subscripts(text: str, start: int, operand: int | None) -> list[str]:
    """The subscripts of one operand (or of the output), an ellipsis as "..."."""
    found: list[str] = []
    i, whose = 0, "the output" if operand is None else f"operand {operand}"
    while i < len(text):
        c = text[i]
        if c == ".":
            if "..." in found:
                raise _error(f"found '.' for {whose} for which an ellipsis was already found")
            if text[i : i + 3] != "...":
                raise _error(f"found '.' for {whose} that is not part of any ellipsis")
            found.append("...")
            i += 2
        elif c in _LETTERS:
            found.append(c)
        elif c != " ":
            raise _error(
                f"invalid subscript given at index {start + i} in the equation string, subscripts must be in [a-zA-Z]"
            )
        i += 1
    return found


def _spread(names: list[str], ndim: int, most: int) -> tuple[str, ...]:
    """Subscripts with the ellipsis written out; fewer axes than `most` are the last of them."""
    axes = [f"{_DOTS}{i}" for i in range(most - ndim, most)]
    return tuple(n for name in names for n in (axes if name == "..." else [name]))


@functools.lru_cache(512)
def _parse(equation: str, sizes: tuple) -> tuple[list, tuple]:
    """Subscripts of every operand and of the output; everything a user can get wrong is found here."""
    arrow = equation.find("->")
    left = equation if arrow < 0 else equation[:arrow]
    inputs, at = [], 0
    for i, text in enumerate(left.split(",")):
        inputs.append(_subscripts(text, at, i))
        at += len(text) + 1
    if len(inputs) > len(sizes):
        raise _error("fewer operands were provided than specified in the equation")
    if len(inputs) < len(sizes):
        raise _error("more operands were provided than specified in the equation")
    widths = [_ellipsis_width(i, names, len(size)) for i, (names, size) in enumerate(zip(inputs, sizes, strict=True))]
    most = max(widths)
    operands = [_spread(names, w, most) for names, w in zip(inputs, widths, strict=True)]
    if arrow < 0:
        counts: dict[str, int] = {}
        for names in inputs:
            for n in names:
                if n != "...":
                    counts[n] = counts.get(n, 0) + 1
        output = ["..."] + sorted(n for n, c in counts.items() if c == 1)
    else:
        output = _subscripts(equation[arrow + 2 :], arrow + 2, None)
        for n in output:
            if output.count(n) > 1:
                raise _error(f"output subscript {n} appears more than once in the output")
            if n != "..." and not any(n in names for names in inputs):
                raise _error(f"output subscript {n} does not appear in the equation for any input operand")
    _check_sizes(operands, sizes)
    return operands, _spread(output, most, most)


def _ellipsis_width(i: int, names: list[str], ndim: int) -> int:
    """How many axes an operand's ellipsis stands for."""
    letters = sum(n != "..." for n in names)
    if "..." not in names and letters != ndim:
        raise _error(
            f"the number of subscripts in the equation ({letters}) does not match the number of dimensions "
            f"({ndim}) for operand "
            f"{i} and no ellipsis was given"
        )
    if letters > ndim:
        raise _error(
            f"the number of subscripts in the equation ({letters}) is more than the number of dimensions ({ndim}) "
            f"for operand {i}"
        )
    return ndim - letters


def _check_sizes(operands: list, sizes: tuple) -> None:
    seen: dict[str, int] = {}
    for i, (names, size) in enumerate(zip(operands, sizes, strict=True)):
        own: dict[str, int] = {}
        for n, s in zip(names, size, strict=True):
            if own.setdefault(n, s) != s:
                raise _error(f"subscript {n} is repeated for operand {i} but the sizes don't match, {s} != {own[n]}")
        for n, s in own.items():
            if s != 1 and seen.get(n, 1) not in (1, s):
                raise _error(
                    f"subscript {n} has size {s} for operand {i} which does not broadcast with previously seen "
                    f"size {seen[n]}"
                )
            seen[n] = s if seen.get(n, 1) == 1 else seen[n]


@functools.lru_cache(512)
def _order(operands: tuple, output: tuple, sizes: tuple) -> list:
    """Which operands to multiply first, where there are more than two: the pair whose product is smallest, then
    the next.
    """
    extent: dict[str, int] = {}
    for names, size in zip(operands, sizes, strict=True):
        for n, s in zip(names, size, strict=True):
            extent[n] = max(extent.get(n, 1), s)
    left, pairs = list(operands), []
    while len(left) > 1:
        best = None
        for j in range(1, len(left)):
            for i in range(j):
                rest = set(output).union(*(left[k] for k in range(len(left)) if k not in (i, j)))
                kept = tuple(n for n in dict.fromkeys((*left[i], *left[j])) if n in rest)
                cost = (prod(extent[n] for n in {*left[i], *left[j]}), prod(extent[n] for n in kept))
                if best is None or cost < best[0]:
                    best = cost, i, j, kept
        assert best is not None
        _, i, j, kept = best
        pairs.append((i, j))
        del left[j], left[i]
        left.append(kept)
    return pairs


def _merge_repeated(x: Tensor, names: tuple) -> tuple[Tensor, tuple]:
    """The diagonal over subscripts that come twice."""
    i = 0
    while i < len(names):
        j = names.index(names[i], i + 1) if names[i] in names[i + 1 :] else -1
        if j < 0:
            i += 1
            continue
        x = x.diagonal(0, i, j).movedim(-1, i)
        names = names[:j] + names[j + 1 :]
    return x, names


def _sum_lonely(x: Tensor, names: tuple, kept: set) -> tuple[Tensor, tuple]:
    """x summed over the subscripts that nobody else reads."""
    dims = [i for i, n in enumerate(names) if n not in kept]
    return (x.sum(dims), tuple(n for n in names if n in kept)) if dims else (x, names)


def _arranged(x: Tensor, names: tuple, groups: Sequence[Sequence[str]]) -> Tensor:
    """x as (batch, rows, columns), each the product of a group of its subscripts."""
    extent = dict(zip(names, x.shape, strict=True))
    turned = _permuted(x, names, [n for g in groups for n in g])
    return turned.reshape([prod(extent[n] for n in g) for g in groups])


def _permuted(x: Tensor, names: tuple, wanted: Sequence[str]) -> Tensor:
    order = [names.index(n) for n in wanted]
    return x if order == list(range(len(order))) else x.permute(order)


def _multiply(a: Tensor, an: tuple, b: Tensor, bn: tuple, kept: set) -> tuple[Tensor, tuple]:
    """Two operands become one: a batched matrix product over what both have and nobody keeps."""
    size_a, size_b = dict(zip(an, a.shape, strict=True)), dict(zip(bn, b.shape, strict=True))
    stretched = [n for n in an if n in size_b and size_a[n] != size_b[n]]
    for n in stretched:  # an axis of one broadcasts: it is as good as absent
        if size_a[n] == 1:
            a, an = a.squeeze(an.index(n)), tuple(m for m in an if m != n)
        else:
            b, bn = b.squeeze(bn.index(n)), tuple(m for m in bn if m != n)
    a, an = _sum_lonely(a, an, kept | set(bn))
    b, bn = _sum_lonely(b, bn, kept | set(an))
    batch = [n for n in an if n in bn and n in kept]
    summed = [n for n in an if n in bn and n not in kept]
    rows, columns = [n for n in an if n not in bn], [n for n in bn if n not in an]
    names = (*batch, *rows, *columns)
    if not summed:
        left = _permuted(a, an, (*batch, *rows)).reshape(
            [*(a.shape[an.index(n)] for n in (*batch, *rows)), *[1] * len(columns)]
        )
        right = _permuted(b, bn, (*batch, *columns))
        right = right.reshape([*right.shape[: len(batch)], *[1] * len(rows), *right.shape[len(batch) :]])
        return left * right, names
    product = bmm(_arranged(a, an, (batch, rows, summed)), _arranged(b, bn, (batch, summed, columns)))
    extent = dict(zip(bn, b.shape, strict=True)) | dict(zip(an, a.shape, strict=True))
    return product.reshape([extent[n] for n in names]), names


def _from_lists(args: tuple) -> tuple[str, list]:
    """An equation out of einsum(x, [0, 1], y, [1, 2], [0, 2])."""

    def word(subscripts: Any) -> str:
        return "".join("..." if s is Ellipsis else _letter(s) for s in subscripts)

    pairs, output = (args[:-1], "->" + word(args[-1])) if len(args) % 2 else (args, "")
    return ",".join(word(s) for s in pairs[1::2]) + output, list(pairs[::2])


def _letter(s: int) -> str:
    if not 0 <= s < 52:
        raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return _LETTERS[s]


@public
def einsum(*args: Any) -> Tensor:
    """Sums of products of the operands' elements, as an equation over subscripts says.

    >>> from .creation import ones
    >>> einsum("ij,jk->ik", ones(2, 3), ones(3, 4)).shape
    torch.Size([2, 4])
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    equation, operands = (args[0], list(args[1:])) if isinstance(args[0], str) else _from_lists(args)
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    sizes = tuple(tuple(x.shape) for x in operands)
    names, output = _parse(equation, sizes)
    for x in operands[1:]:
        if x.dtype is not operands[0].dtype:
            raise RuntimeError(
                f"expected scalar type {scalar_name(operands[0].dtype)} but found {scalar_name(x.dtype)}"
            )
    parts = [_merge_repeated(x, n) for x, n in zip(operands, names, strict=True)]
    pairs = (
        [(0, 1)]
        if len(parts) == 2
        else _order(tuple(n for _, n in parts), output, tuple(tuple(x.shape) for x, _ in parts))
    )
    for i, j in pairs:
        (b, bn), (a, an) = parts.pop(j), parts.pop(i)
        parts.append(_multiply(a, an, b, bn, set(output).union(*(n for _, n in parts))))
    x, have = parts[0]
    x, have = _sum_lonely(x, have, set(output))
    missing = [n for n in output if n not in have]  # broadcast away: an axis of one
    for n in missing:
        x, have = x.unsqueeze(0), (n, *have)
    return _permuted(x, have, output)


__all__ = ["einsum"]
