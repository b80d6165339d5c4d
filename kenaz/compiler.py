"""`torch.compile` and the questions around it. Kenaz compiles by itself what comes back often enough: there is
nothing to ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance", "substitute_in_graph", "wrap_numpy",
]  # fmt: skip

MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs")


class InvalidBackend(RuntimeError):
    """A backend that nobody has registered."""


def compile(
    model: Callable | None = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = "inductor",
    mode: str | None = None, options: dict | None = None, disable: bool = False, recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
) -> Any:  # fmt: skip
    """`model` as it is: what it records is compiled anyway, once it runs repeatedly. Also a decorator, with or
    without options.

    Unlike PyTorch's, a module keeps its class and the keys of its state_dict. What a backend given as a function
    would do is not done: it is neither called nor needed.

    >>> compile(abs)(-1)
    1
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if model is None:
        return lambda fn: compile(
            fn, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if mode is not None and mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if not callable(backend) and backend not in BACKENDS:
        raise InvalidBackend(
            f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available backends."
        )
    return model


def is_compiling() -> bool:
    """Whether a compiler traces this line: never, lines always run.

    >>> is_compiling()
    False
    """
    return False


is_dynamo_compiling = is_exporting = is_compiling


def _as_is(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    """What is decorated, with or without parentheses."""
    return (lambda f: f) if fn is None else fn


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """`fn`: no function is compiled as a whole."""
    return _as_is(fn)


allow_in_graph = assume_constant_result = wrap_numpy = _as_is


def substitute_in_graph(original_fn: Any, **kwargs: Any) -> Callable:
    """A decorator that gives back what it gets."""
    return _as_is


def reset() -> None:
    """Forget what was compiled; kernels here belong to no function and stay."""


def cudagraph_mark_step_begin() -> None:
    """Mark the start of a step: nobody needs to know."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The backends that `compile` accepts by name."""
    return sorted(b for b in BACKENDS if "eager" not in b or not exclude_tags)


def set_stance(stance: str = "default", **kwargs: Any) -> Any:
    """A context and decorator; how to compile is decided by what runs."""
    stances = (
        "default",
        "eager_then_compile",
        "aot_eager_then_compile",
        "force_eager",
        "eager_on_recompile",
        "fail_on_recompile",
    )
    if stance not in stances:
        raise RuntimeError(f"invalid torch.compile stance '{stance}'")
    return contextlib.nullcontext()
