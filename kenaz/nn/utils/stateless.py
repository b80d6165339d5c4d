"""Calls of a module with other parameters than its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ... import _api as torch

__all__ = ["functional_call"]

_MISSING = object()


def _named_tensors(module: Any) -> dict[str, Any]:
    """All parameters and buffers by path, a shared one under each of its paths."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _untie_named_tensors_map(module: Any, parameters_and_buffers: dict[str, Any]) -> dict[str, Any]:
    """The given tensors, and each also under the other paths of the tensor that it stands for."""
    paths: dict[Any, list[str]] = {}
    for path, tensor in _named_tensors(module).items():
        paths.setdefault(tensor, []).append(path)
    untied = dict(parameters_and_buffers)
    for tied in paths.values():
        given = [path for path in tied if path in parameters_and_buffers]
        if len({id(parameters_and_buffers[path]) for path in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(given)}, which are tied. "
                "Consider using tie_weights=False"
            )
        if given:
            untied.update(dict.fromkeys(tied, parameters_and_buffers[given[0]]))
    return untied


def _place(module: Any, path: str) -> tuple[Any, str]:
    """(module that holds it, name in it) of a tensor."""
    prefix, _, name = path.rpartition(".")
    if name == "":
        raise KeyError('tensor name can\'t be empty string ""')
    return module.get_submodule(prefix), name


def _swap(owner: Any, name: str, tensor: Any) -> Any:
    """Put a tensor (or nothing) in a place, and return what was there."""
    for members in (owner._parameters, owner._buffers):
        if name in members:
            before, members[name] = members[name], tensor
            return before
    before = owner.__dict__.get(name, _MISSING)
    if tensor is _MISSING:
        del owner.__dict__[name]
    else:
        owner.__dict__[name] = tensor
    return before


@contextmanager
def _reparametrize_module(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    tie_weights: bool = False,
    strict: bool = False,
    stack_weights: bool = False,
) -> Iterator[None]:
    """Inside, the module has the given tensors in place of its own."""
    tensors = parameters_and_buffers
    if tie_weights:
        tensors = _untie_named_tensors_map(module, tensors)
    if strict:
        _check_keys(module, tensors)
    for tensor in tensors.values():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    places = [(path, *_place(module, path)) for path in tensors]
    before: list[tuple] = []
    try:
        for path, owner, name in places:
            before.append((path, owner, name, _swap(owner, name, tensors[path])))
        yield
    finally:
        for path, owner, name, own in reversed(before):
            now = _swap(owner, name, own)
            if path in parameters_and_buffers:  # the forward may have replaced a buffer
                parameters_and_buffers[path] = now


def _check_keys(module: Any, tensors: dict[str, Any]) -> None:
    known = _named_tensors(module)
    lines = [
        f"\n\t{text} key(s): {', '.join(map(repr, sorted(keys)))}."
        for text, keys in (("Unexpected", tensors.keys() - known.keys()), ("Missing", known.keys() - tensors.keys()))
        if keys
    ]
    if lines:
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:{''.join(lines)}")


def functional_call(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Deprecated: the same as `torch.func.functional_call`."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future "
        "version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)


def _functional_call(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The result of a module with the given tensors in place of its own."""
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))
