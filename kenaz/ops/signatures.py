"""What PyTorch says of arguments that no form of a function takes; looked up once a call has failed.

`signatures.txt` has a line `name|parameters` for each form of a function, in the words of PyTorch's own messages:

    max|Tensor input, int dim, bool keepdim = False, *, tuple of Tensors out = None

A form that begins with "!" has siblings that PyTorch does not show. Where one form alone takes as many arguments as were given, the message says what is wrong with them; otherwise it
lists all forms.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._tensor import Tensor
from ..core.device import device
from ..core.dtype import dtype
from .arguments import combination
from .inquiry import layout, memory_format


class Parameter(NamedTuple):
    """One parameter of a form: what it accepts, and whether it may be left out or be None."""

    word: str
    name: str
    optional: bool
    nullable: bool
    by_name: bool


class Form(NamedTuple):
    """One way to call a function."""

    text: str
    parameters: list[Parameter]
    has_siblings: bool

    def positional(self) -> int:
        return sum(not p.by_name for p in self.parameters)

    def least(self) -> int:
        return sum(not p.optional for p in self.parameters)


def _is_int(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and value.dtype.kind == 1
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex | np.number) or isinstance(value, Tensor) and not value.ndim


def _all(accepts: Callable[[Any], bool], single: bool = False) -> Callable[[Any], bool]:
    """Lists and tuples of what is accepted; also one alone, where PyTorch takes that for all axes."""
    return lambda v: all(map(accepts, v)) if isinstance(v, tuple | list) else single and accepts(v)


_ACCEPTS: dict[str, Callable[[Any], bool]] = {
    "Tensor": lambda v: isinstance(v, Tensor),
    "Number": _is_number,
    "int": _is_int,
    "float": lambda v: isinstance(v, float | int | np.floating | np.integer) or isinstance(v, Tensor) and v.numel() == 1,
    "bool": lambda v: isinstance(v, bool | np.bool_) or isinstance(v, Tensor) and v.numel() == 1,
    "str": lambda v: isinstance(v, str),
    "tuple of Tensors": _all(lambda v: v is None or isinstance(v, Tensor)),
    "tuple of ints": _all(_is_int, True),
    "tuple of floats": _all(lambda v: isinstance(v, float | int)),
    "tuple of bools": _all(lambda v: isinstance(v, bool)),
    "torch.dtype": lambda v: isinstance(v, dtype) or v in (float, int, bool, complex),
    "torch.layout": lambda v: isinstance(v, layout),
    "torch.memory_format": lambda v: isinstance(v, memory_format),
    "torch.device": lambda v: isinstance(v, device | str | int),
}
_OTHER_NAMES = {"dim": "axis", "keepdim": "keepdims", "input": "x", "other": "x2"}


def parse(text: str) -> Form:
    """A form from its line.

    >>> parse("Tensor input, int dim = None").parameters[1]
    Parameter(word='int', name='dim', optional=True, nullable=True, by_name=False)
    """
    found, by_name = [], False
    text, has_siblings = text.removeprefix("!"), text.startswith("!")
    for part in _parts(text):
        if part == "*":
            by_name = True
            continue
        declared, _, default = part.partition(" = ")
        word, _, name = declared.rpartition(" ")
        found.append(Parameter(word.rstrip("?"), name, bool(default), default == "None" or word.endswith("?"), by_name))
    return Form(text.replace("? ", " "), found, has_siblings)


def _parts(text: str) -> list[str]:
    """What stands between commas outside of brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


_forms: dict[str, list[Form]] = {}


def forms_of(name: str) -> list[Form]:
    """The forms of a function that PyTorch lists, or none."""
    if not _forms:
        for line in (Path(__file__).parent / "signatures.txt").read_text("utf-8").splitlines():
            function, _, text = line.partition("|")
            _forms.setdefault(function, []).append(parse(text))
    return _forms.get(name, [])


def complaint(name: str, args: tuple, kwargs: dict[str, Any]) -> str | None:
    """What is wrong with the arguments of a call, or None where a form takes them or no form is known.

    >>> complaint("softmax_of_nobody", (1,), {})
    >>> complaint("topk", (Tensor._from_array(np.ones(2)), "a"), {})
    "topk(): argument 'k' (position 2) must be int, not str"
    """
    forms = forms_of(name)
    if not forms or any(not _wrong(name, form, args, kwargs) for form in forms):
        return None
    count = len(args) + len(kwargs)
    plausible = [f for f in forms if f.least() <= count <= len(f.parameters)]
    if len(plausible) == 1 or len(forms) == 1 and not forms[0].has_siblings:
        return _wrong(name, (plausible or forms)[0], args, kwargs)
    return combination(name, args, kwargs, [f.text for f in forms])


def _wrong(name: str, form: Form, args: tuple, kwargs: dict[str, Any]) -> str:
    """Why a form does not take the arguments, or nothing."""
    most, least = form.positional(), form.least()
    if len(args) > most and not _is_spread(form, args):
        if least != most:
            return f"{name}() takes from {least} to {most} positional arguments but {len(args)} were given"
        plural, verb = "s" * (most != 1), "was" if len(args) == 1 else "were"
        return f"{name}() takes {most} positional argument{plural} but {len(args)} {verb} given"
    left = dict(kwargs)
    for position, p in enumerate(form.parameters):
        by_place = position < len(args) and not p.by_name
        alias = _OTHER_NAMES.get(p.name)
        key = p.name if p.name in left else alias if alias in left else None
        if not by_place and key is None:
            if p.optional:
                continue
            return _missing(name, form.parameters[position:], left)
        value = args[position] if by_place else left.pop(key)
        if value is None and p.nullable or _ACCEPTS.get(p.word, lambda v: True)(value):
            continue
        if by_place and position == 0 and _is_spread(form, args):
            break
        if p.word == "tuple of Tensors" and isinstance(value, (tuple, list)):
            at = next(i for i, v in enumerate(value) if not _ACCEPTS[p.word]((v,)))
            return f"expected Tensor as element {at} in argument {position}, but got {type(value[at]).__name__}"
        problem = _mismatch(p.word, value)
        where = f" (position {position + 1})" if by_place and problem.startswith("must") else ""
        return f"{name}(): argument '{p.name}'{where} {problem}"
    given = {p.name for p in form.parameters[: len(args)]}
    for k in left:
        problem = f"multiple values for argument '{k}'" if k in given else f"an unexpected keyword argument '{k}'"
        return f"{name}() got {problem}"
    return ""


def _is_spread(form: Form, args: tuple) -> bool:
    """Whether the arguments are the integers of a size, one by one."""
    first = form.parameters[0].word if form.parameters else ""
    return first == "tuple of ints" and all(map(_is_int, args))


def _missing(name: str, parameters: list[Parameter], kwargs: dict) -> str:
    names = [f'"{p.name}"' for p in parameters if not p.optional and p.name not in kwargs]
    # the plural is PyTorch's
    return f"{name}() missing {len(names)} required positional argument{'s' * (len(names) == 1)}: {', '.join(names)}"


def _mismatch(word: str, value: Any) -> str:
    if word == "tuple of ints" and isinstance(value, tuple | list) and value:
        at = next(i for i, v in enumerate(value) if not _is_int(v))
        kind = type(value[at]).__name__
        if not at:
            return f"must be {word}, but found element of type {kind} at pos 0"
        return f'failed to unpack the object at pos {at + 1} with error "type must be {word},but got {kind}"'
    return f"must be {word}, not {type(value).__name__}"
