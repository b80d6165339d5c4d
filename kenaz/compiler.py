"""`torch.compile` and the questions around it; what a compiled function does is in `compiling/`.

Kenaz compiles by itself the graphs that come back. What there is to gain beyond that is recording them: a compiled
function is replayed without running its Python, where that can be proved to be the same.
"""

from __future__ import annotations

import functools
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
    """A function or module that does what `model` does, without running its Python once it is known. Also a
    decorator, with or without options.

    The first calls with arguments of a kind (sizes, dtypes, constants) run as ever and are watched. When two of them
    did the same, and everything that their code can reach is something to be checked quickly, the next ones are
    replayed. A function that reads values, prints, or changes Python objects just runs. With `fullgraph`, one that
    reads values or prints raises a RuntimeError, after the call.

    A module becomes an `OptimizedModule`, whose `state_dict` has the prefix `_orig_mod.`, as in PyTorch. What a backend
    given as a function would do is not done: it is neither called nor needed.

    Ansel et al., "PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph
    Compilation" (2024), do the same by reading the bytecode.

    >>> import kenaz as torch
    >>> @torch.compile
    ... def double(x):
    ...     return x * 2
    >>> [double(torch.tensor(i)).item() for i in range(5)]
    [0, 2, 4, 6, 8]
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if model is None:
        return lambda fn: compile(
            fn, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable,
            recompile_limit=recompile_limit,
        )  # fmt: skip
    if mode is not None and mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if not callable(backend) and backend not in BACKENDS:
        raise InvalidBackend(
            f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available backends."
        )
    if disable or getattr(model, "_torchdynamo_disable", False):
        return model
    return _compiled(getattr(model, "_torchdynamo_orig_callable", model), fullgraph, recompile_limit)


def _compiled(model: Any, fullgraph: bool, limit: int | None) -> Any:
    from .compiling.entry import Compiled
    from .compiling.module import OptimizedModule
    from .nn.module import Module

    if isinstance(model, OptimizedModule):
        model = model._orig_mod
    if isinstance(model, Module):
        return OptimizedModule(model, Compiled(model, fullgraph, limit))
    if isinstance(model, type):
        return model
    compiled = Compiled(model, fullgraph, limit)

    @functools.wraps(model)
    def run(*args: Any, **kwargs: Any) -> Any:
        return compiled(*args, **kwargs)

    run._torchdynamo_orig_callable = run._torchdynamo_inline = model  # type: ignore[attr-defined]  # as PyTorch marks it
    return run


def is_compiling() -> bool:
    """Whether a compiler traces this line: never, lines that run are run by Python.

    >>> is_compiling()
    False
    """
    return False


is_dynamo_compiling = is_exporting = is_compiling


def _as_is(fn: Any = None, *args: Any, **kwargs: Any) -> Any:
    """What is decorated, with or without parentheses."""
    return (lambda f: f) if fn is None else fn


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """`fn`, which runs at every call: a compiled function that calls it is not replayed. Also a decorator.

    >>> disable(abs)(-1)
    1
    """
    if fn is None:
        return lambda f: disable(f, recursive, reason=reason)
    from .nn.module import Module

    if isinstance(fn, (Module, type)):
        return fn
    fn = getattr(fn, "_torchdynamo_orig_callable", fn)

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        break_graph(f"it calls {getattr(fn, '__qualname__', fn)}, which is disabled")
        return fn(*args, **kwargs)

    run._torchdynamo_disable = True  # type: ignore[attr-defined]  # as PyTorch marks it
    return run


def break_graph(why: str) -> None:
    """Keep the function that is being watched, if any, from being captured."""
    import sys

    watching = sys.modules.get(f"{__package__}.compiling.watching")
    if watching is not None and watching.active is not None:
        watching.active.accuse(why, True)


allow_in_graph = assume_constant_result = wrap_numpy = _as_is


def substitute_in_graph(original_fn: Any, **kwargs: Any) -> Callable:
    """A decorator that gives back what it gets."""
    return _as_is


def reset() -> None:
    """Forget what was captured; kernels belong to no function and stay."""
    import sys

    entry = sys.modules.get(f"{__package__}.compiling.entry")
    if entry is not None:
        entry.reset()


def cudagraph_mark_step_begin() -> None:
    """Mark the start of a step: nobody needs to know."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The backends that `compile` accepts by name."""
    return sorted(b for b in BACKENDS if "eager" not in b or not exclude_tags)


STANCES = (
    "default", "eager_then_compile", "aot_eager_then_compile", "force_eager", "eager_on_recompile", "fail_on_recompile",
)  # fmt: skip


class set_stance:
    """What compiled functions do when nothing captured fits, from now on, or inside a `with` or a decorated function.

    "force_eager" runs everything as if it were not compiled, "eager_on_recompile" captures nothing new, and
    "fail_on_recompile" raises a RuntimeError where something would be.
    """

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None):
        if stance not in STANCES:
            raise RuntimeError(f"invalid torch.compile stance '{stance}'")
        from .compiling.entry import stance as current

        self._current, self.stance, self._before = current, stance, current.name
        current.name = stance

    def __enter__(self) -> None:
        self._current.name = self.stance

    def __exit__(self, *_: object) -> None:
        self._current.name = self._before

    def __call__(self, function: Callable) -> Callable:
        self._current.name = self._before

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self.stance):
                return function(*args, **kwargs)

        return inside
