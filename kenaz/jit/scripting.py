"""`script`, `trace` and their relatives. A scripted function or module here runs its Python: what it records is
compiled like everything else. There is no script language, and so no text, graph or file of one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _api as torch
from ..nn.module import Module

__all__ = ["RecursiveScriptModule", "ScriptFunction", "ScriptModule", "TopLevelTracedModule", "TracerWarning"]


class TracerWarning(Warning):
    """What a traced program does that its trace would not: given by nobody, since Python runs."""


def _no_text(what: str) -> Any:
    def look(self: Any) -> Any:
        raise RuntimeError(f"there is no {what} of {self!r}: Kenaz has no TorchScript, a script runs its Python")

    return property(look)


def _no_file(self: Any, f: Any, **kwargs: Any) -> None:
    """Raises RuntimeError: there are no files of TorchScript."""
    raise RuntimeError(
        "torch.jit.save is not available: Kenaz has no TorchScript. Save the module's state_dict(), or the module with "
        "torch.save."
    )


class ScriptFunction:
    """A scripted function: calling it calls the function."""

    def __init__(self, fn: Callable) -> None:
        functools.update_wrapper(self, fn)
        self._fn = fn
        self.name = fn.__name__
        self.qualified_name = f"__torch__.{fn.__module__}.{fn.__qualname__}".replace(".<locals>", "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<torch.jit.ScriptFunction {self.name}>"

    code, graph = _no_text("code"), _no_text("graph")
    save = _no_file


class ScriptModule(Module):
    """The base of scripted modules; a subclass's `forward` is Python."""

    code, graph, inlined_graph = _no_text("code"), _no_text("graph"), _no_text("graph")
    save = _no_file

    def define(self, src: str) -> None:
        """Raises RuntimeError: methods in the script language cannot be read."""
        raise RuntimeError("ScriptModule.define is not available: Kenaz has no TorchScript; write it in Python.")


class RecursiveScriptModule(ScriptModule):
    """A module that was scripted: it has its parameters, buffers, submodules and methods, and runs its forward."""

    def __init__(self, original: Module) -> None:
        super().__init__()
        shared = {k: v for k, v in vars(original).items() if k in ("_parameters", "_buffers", "_modules")}
        self.__dict__.update(shared, training=original.training, _original=original)

    @property
    def original_name(self) -> str:
        """The name of the class that was scripted."""
        return type(self._original).__name__

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._original(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["_original"], name)

    def train(self, mode: bool = True) -> RecursiveScriptModule:
        self._original.train(mode)
        return super().train(mode)

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"


class TopLevelTracedModule(RecursiveScriptModule):
    """A module that was traced."""


def script(obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """A function or module that computes as `obj` does; a class comes back as it is. Also a decorator.

    >>> scripted = script(lambda x: x + 1)
    >>> isinstance(scripted, ScriptFunction), scripted(torch.ones(1))
    (True, tensor([2.]))
    """
    if isinstance(obj, ScriptModule | ScriptFunction | type):
        return obj
    if isinstance(obj, Module):
        return RecursiveScriptModule(obj)
    if callable(obj):
        return ScriptFunction(obj)
    return obj


def trace(
    func: Any, example_inputs: Any = None, optimize: Any = None, check_trace: bool = True, check_inputs: Any = None,
    check_tolerance: float = 1e-5, strict: bool = True, example_kwarg_inputs: dict | None = None, **_: Any,
) -> Any:  # fmt: skip
    """A function or module that computes as `func` does, called once with the example.

    Unlike PyTorch's trace it follows every branch of the program, not only the one that the example took.

    >>> from kenaz.nn import Linear
    >>> traced = trace(Linear(2, 1), torch.ones(1, 2))
    >>> traced(torch.ones(3, 2)).shape
    torch.Size([3, 1])
    """
    if example_kwarg_inputs is None and example_inputs is None:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    inputs = example_inputs if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    with torch.no_grad():
        func(**example_kwarg_inputs) if example_kwarg_inputs is not None else func(*inputs)
    if isinstance(func, ScriptModule | ScriptFunction):
        return func
    return TopLevelTracedModule(func) if isinstance(func, Module) else ScriptFunction(func)


def trace_module(mod: Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """As `trace`, with an example for each method."""
    for name, example in inputs.items():
        with torch.no_grad():
            getattr(mod, name)(*(example if isinstance(example, tuple) else (example,)))
    return TopLevelTracedModule(mod)


def _check(mod: Any, function: str, words: str) -> None:
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(f"{function} expects a ScriptModule as input. {words}")


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """The scripted module, which must be in eval mode: its parameters stay parameters."""
    _check(
        mod, "Freezing", "Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'."
    )  # fmt: skip
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module "
            "before freezing."
        )
    return mod


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """The scripted module in eval mode."""
    _check(
        mod, "optimize_for_inference", "Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'."
    )  # fmt: skip
    return freeze(mod.eval())


def fork(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """A future of a call, made at once.

    >>> wait(fork(lambda x: x + 1, 1))
    2
    """
    from ..futures import Future

    future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Any) -> Any:
    """The value of a future."""
    return future.wait()


def _unavailable(name: str) -> Callable:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"torch.jit.{name} is not available: Kenaz compiles what runs repeatedly by itself and has no TorchScript. "
            "Call the module or function as it is, and save its state_dict()."
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises RuntimeError: there are no files of TorchScript."
    return function


save, load = map(_unavailable, ("save", "load"))
