"""What an operator takes and gives, as text: "mylib::f(Tensor x, float y=1.) -> Tensor"."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Union

from .. import _api as torch

__all__ = ["FunctionSchema", "infer_schema", "parse"]

_SCALAR = Union[int, float, bool]
_ONE = {torch.Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", _SCALAR: "Scalar",
        torch.dtype: "ScalarType", torch.device: "Device"}  # fmt: skip
_LISTED = (torch.Tensor, int, float, bool, _SCALAR)


def _written() -> dict[Any, str]:
    """What annotations become."""
    found: dict[Any, str] = {}
    for kind, name in _ONE.items():
        found |= {kind: name, Union[kind, None]: name + "?"}
    for kind in _LISTED:
        name = _ONE[kind]
        for many in (Sequence[kind], list[kind]):  # type: ignore[valid-type]  # made at run time
            found |= {many: name + "[]", Union[many, None]: name + "[]?"}
    maybe = Union[torch.Tensor, None]
    return found | {Sequence[maybe]: "Tensor?[]", list[maybe]: "Tensor?[]"}


_WRITTEN = _written()
_RETURNS = {torch.Tensor: "Tensor", list[torch.Tensor]: "Tensor[]", int: "SymInt", float: "float", bool: "bool",
            _SCALAR: "Scalar"}  # fmt: skip


def _plain(annotation: Any) -> Any:
    """`typing.List[int]` as `list[int]`, and the like, all the way down."""
    import collections.abc
    import types
    import typing

    origin, args = typing.get_origin(annotation), tuple(map(_plain, typing.get_args(annotation)))
    if origin in (Union, types.UnionType):
        return Union[args]
    if origin is collections.abc.Sequence:
        return Sequence[args]  # type: ignore[valid-type]  # made at run time
    return origin[args] if origin in (list, tuple) and args else annotation


@dataclass(frozen=True)
class Argument:
    """One argument: `alias` says whether the operator writes to it."""

    name: str
    type: str
    default: Any = ...
    keyword_only: bool = False
    alias: str = ""

    def __str__(self) -> str:
        kind = re.sub("^Tensor", f"Tensor({self.alias}!)", self.type) if self.alias else self.type
        return f"{kind} {self.name}" + ("" if self.default is ... else f"={_default(self.default)}")


def _default(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).removeprefix("torch.") if isinstance(value, torch.dtype) else str(value)


@dataclass(frozen=True)
class FunctionSchema:
    """A name, arguments and results."""

    name: str
    arguments: tuple[Argument, ...]
    returns: tuple[str, ...]
    overload_name: str = ""

    @property
    def is_mutable(self) -> bool:
        return any(a.alias for a in self.arguments)

    def signature(self) -> str:
        """The schema without its name."""
        parts = []
        for i, a in enumerate(self.arguments):
            if a.keyword_only and not (i and self.arguments[i - 1].keyword_only):
                parts.append("*")
            parts.append(str(a))
        returns = self.returns[0] if len(self.returns) == 1 else f"({', '.join(self.returns)})"
        return f"({', '.join(parts)}) -> {returns}"

    def __str__(self) -> str:
        return self.name + self.signature()


def infer_schema(
    prototype_function: Callable, /, *, mutates_args: Any, op_name: str | None = None, tags: Any = ()
) -> str:  # fmt: skip
    """The schema of a function, from its annotations.

    >>> def f(x: torch.Tensor, n: int = 2) -> torch.Tensor: ...
    >>> infer_schema(f, mutates_args=())
    '(Tensor x, SymInt n=2) -> Tensor'
    """
    import inspect
    import typing

    signature = inspect.signature(prototype_function)

    def refuse(what: str) -> None:
        raise ValueError(f"infer_schema(func): {what} Got func with signature {signature})")

    hints = {
        name: value
        for name, value in typing.get_type_hints(prototype_function).items()
        if name in signature.parameters or name == "return"
    }
    arguments: list[Argument] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            refuse("We do not support positional-only args, varargs, or varkwargs.")
        if name not in hints:
            refuse(f"Parameter {name} must have a type annotation.")
        kind = _WRITTEN.get(_plain(hints[name]))
        if kind is None:
            refuse(f"Parameter {name} has unsupported type {hints[name]}. The valid types are: {_WRITTEN.keys()}.")
        default = ... if parameter.default is parameter.empty else parameter.default
        arguments.append(Argument(name, str(kind), default, parameter.kind is parameter.KEYWORD_ONLY))
    unknown = mutates_args == "unknown"
    if isinstance(mutates_args, str) and not unknown:
        raise ValueError(
            "mutates_args must either be a sequence of the names of the arguments that are mutated or the string "
            "'unknown'. "
        )
    mutated = [a.name for a in arguments if a.type.startswith("Tensor")] if unknown else list(mutates_args)
    for name in mutated:
        if name not in signature.parameters:
            unknown_names = set(mutated) - set(signature.parameters)
            refuse(f"{unknown_names} in mutates_args were not found in the custom op's signature.")
    numbers = iter(range(len(mutated)))
    arguments = [_marked(a, f"a{next(numbers)}") if a.name in mutated else a for a in arguments]
    returns = _returned(hints.get("return", signature.empty), refuse)
    return FunctionSchema(op_name or "", tuple(arguments), returns).signature()


def _marked(a: Argument, alias: str) -> Argument:
    return Argument(a.name, a.type, a.default, a.keyword_only, alias)


def _returned(annotation: Any, refuse: Callable) -> tuple[str, ...]:
    import typing

    plain = _plain(annotation)
    if plain in (None, type(None)):
        return ()
    if typing.get_origin(plain) is tuple:
        parts = typing.get_args(plain)
        if all(p in _RETURNS for p in parts):
            return tuple(_RETURNS[p] for p in parts)
    if plain not in _RETURNS:
        if plain.__name__ == "_empty":
            refuse("No return type annotation was provided. Please add one.")
        refuse(f"Return has unsupported type {annotation}. The valid types are: {_RETURNS}.")
    return (_RETURNS[plain],)


# ------------------------------------------------------------------------------------------------------------- parsing
def parse(name: str, text: str) -> FunctionSchema:
    """A schema from its text.

    >>> print(parse("mylib::f", "(Tensor(a!) x, *, float s=2.0) -> (Tensor, Tensor)"))
    mylib::f(Tensor(a!) x, *, float s=2.0) -> (Tensor, Tensor)
    """
    match = re.fullmatch(r"\s*\((.*)\)\s*->\s*(.+?)\s*", text, re.S)
    if match is None:
        raise RuntimeError(f"schema {name}{text} cannot be read: it has the form (Tensor x, int n=1) -> Tensor")
    arguments, keyword_only = [], False
    for part in _split(match[1]):
        if part == "*":
            keyword_only = True
        else:
            arguments.append(_parsed(part, keyword_only))
    given = match[2]
    returns = _split(given[1:-1]) if given.startswith("(") else [given]
    return FunctionSchema(name, tuple(arguments), tuple(r.split()[0] for r in returns))


def _split(text: str) -> list[str]:
    """Parts between commas that no bracket encloses."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


def _parsed(text: str, keyword_only: bool) -> Argument:
    match = re.fullmatch(r"([\w?\[\]]+)(?:\((\w+)(!?)\))?([\[\]?\d]*)\s+(\w+)(?:\s*=\s*(.+))?", text)
    if match is None:
        raise RuntimeError(f"argument {text!r} cannot be read: it has the form `float x=1.0`")
    kind, alias, writes, tail, name, default = match.groups()
    value = ... if default is None else _value(default)
    return Argument(name, kind + tail, value, keyword_only, alias if writes else "")


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text.replace("true", "True").replace("false", "False"))
    except (ValueError, SyntaxError):
        return getattr(torch, text, text)
