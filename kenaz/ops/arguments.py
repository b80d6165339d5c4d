"""What was wrong with a call: worked out after it failed, so that a right call pays nothing for being checked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..core.dtype import PYTHON_TYPES
from .outdated import outdated

_KINDS: dict[str, tuple[tuple, str]] = {  # what an annotation accepts, and PyTorch's word for it
    "Tensor": ((Tensor,), "Tensor"),
    "int": ((int, np.integer, Tensor), "int"),
    "float": ((int, float, np.number, Tensor), "float"),
    "bool": ((bool, np.bool_, Tensor), "bool"),
    "Sequence[int]": ((tuple, list, int), "tuple of ints"),
}


def explained(function: Callable, name: str, is_method: bool = False) -> Callable:
    """A function whose AttributeErrors and TypeErrors become PyTorch's where the arguments are to blame."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (AttributeError, TypeError, LookupError, ValueError, RuntimeError) as error:
            if len(args) > 2 and isinstance(error, TypeError) and (call := outdated(name, args, kwargs)):
                return function(*call[0], **call[1])
            typed = with_dtypes(args, kwargs)
            # our own functions call one another in ways that PyTorch's list of forms does not have
            found = None if is_method or typed else complaint(name, args, kwargs, isinstance(error, TypeError | AttributeError))
            if found is None and not typed and isinstance(error, AttributeError | TypeError):
                found = mistake(function, name, args, kwargs, is_method)
            if found is not None:
                raise TypeError(found) from error
            if typed is None:
                raise
        return checked(*typed[0], **typed[1])

    return checked


def with_dtypes(args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
    """The arguments with dtypes in place of Python's types, or None if there are none: `dtype=bool` is `torch.bool`.

    >>> with_dtypes((3, float), {"dtype": bool}), with_dtypes((3,), {})
    (((3, torch.float64), {'dtype': torch.bool}), None)
    """
    if not any(isinstance(a, type) and a in PYTHON_TYPES for a in (*args, *kwargs.values())):
        return None
    typed = [PYTHON_TYPES.get(a, a) if isinstance(a, type) else a for a in args]
    return tuple(typed), {k: PYTHON_TYPES.get(a, a) if isinstance(a, type) else a for k, a in kwargs.items()}


def complaint(name: str, args: tuple, kwargs: dict, lists: bool = True) -> str | None:
    """What PyTorch says of the arguments of one of its functions, or None; `lists`: also where it has several forms."""
    from .signatures import complaint as look_up  # a table of all functions, for calls that failed
    from .signatures import forms_of

    return look_up(name, args, kwargs) if lists or len(forms_of(name)) == 1 else None


def combination(name: str, args: tuple, kwargs: dict, forms: Sequence[str]) -> str:
    """That no form of a function takes these arguments.

    >>> print(combination("f", (1,), {"dim": 2.0}, ("Tensor input",)))
    f() received an invalid combination of arguments - got (int, dim=float), but expected (Tensor input)
    <BLANKLINE>
    """
    got = [type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
    start = f"{name}() received an invalid combination of arguments - got ({', '.join(got)}), but expected"
    return f"{start} ({forms[0]})\n" if len(forms) == 1 else f"{start} one of:\n" + "".join(f" * ({f})\n" for f in forms)


def mistake(function: Callable, name: str, args: tuple, kwargs: dict, is_method: bool = False) -> str | None:
    """What is wrong with the arguments of a call, in PyTorch's words, or None.

    >>> def softmax(input: Tensor, dim: int): ...
    >>> mistake(softmax, "softmax", (3,), {})
    'softmax() missing 1 required positional arguments: "dim"'
    >>> mistake(softmax, "softmax", (3, 1), {})
    "softmax(): argument 'input' (position 1) must be Tensor, not int"
    """
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code: Any = getattr(function, "__code__", None)
    if code is None:
        return None
    names = code.co_varnames[: code.co_argcount]
    only_by_name = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    has_args, has_kwargs = bool(code.co_flags & 4), bool(code.co_flags & 8)
    for k in kwargs:
        if not has_kwargs and k not in names and k not in only_by_name:
            return f"{name}() got an unexpected keyword argument '{k}'"
        if k in names[: len(args)]:
            return f"{name}() got multiple values for argument '{k}'"
    if len(args) > len(names) and not has_args:
        most, given = len(names) - is_method, len(args) - is_method
        plural, verb = "s" * (most != 1), "were" if given != 1 else "was"
        return f"{name}() takes {most} positional argument{plural} but {given} {verb} given"
    required = names[: len(names) - len(function.__defaults__ or ())]
    missing = [n for n in required[len(args) :] if n not in kwargs]
    if missing:
        return f"{name}() missing {len(missing)} required positional arguments: " + ", ".join(f'"{n}"' for n in missing)
    if has_args and not names:
        return _not_each(name, code.co_varnames[code.co_argcount + code.co_kwonlyargcount], args)
    annotations = getattr(function, "__annotations__", {})
    for position, (n, value) in enumerate((*zip(names, args, strict=False), *kwargs.items()), 1):
        where = f" (position {position - is_method})" if position <= len(args) else ""
        wrong = _mismatch("Tensor" if n == "input" and isinstance(value, str) else annotations.get(n, ""), value)
        if wrong:
            return f"{name}(): argument '{n}'{where} must be {wrong}, not {type(value).__name__}"
    return None


def _not_each(name: str, argument: str, args: tuple) -> str | None:
    """What is wrong with the tensors, or the sizes, of a function that takes any number of them."""
    if argument == "sizes":
        args = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
        wrong = [i for i, v in enumerate(args) if isinstance(v, (str, float, dict))]
        if wrong == [0]:
            return f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(args[0]).__name__}"
        return wrong and _UNPACK.format(name, wrong[0] + 1, type(args[wrong[0]]).__name__) or None
    values = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    for i, value in enumerate(values):
        if not isinstance(value, Tensor):
            return f"{name}(): argument '{argument}' (position {i + 1}) must be Tensor, not {type(value).__name__}"
    return None


_UNPACK = "{}(): argument 'size' failed to unpack the object at pos {} with error \"type must be tuple of ints,but got {}\""


def _mismatch(annotation: Any, value: Any) -> str | None:
    """The word for what an annotation asks for, where a value is not that."""
    alternatives = [a.strip() for a in str(annotation).split("|")]
    if value is None and "None" in alternatives or any(a not in _KINDS and a != "None" for a in alternatives):
        return None
    known = [_KINDS[a] for a in alternatives if a != "None"]
    if any(isinstance(value, accepted) for accepted, _ in known):
        return None
    return known[0][1] if known else None
