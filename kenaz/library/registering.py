"""Defining operators by a schema's text, and registering what belongs to them by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _api as torch
from ..ops.namespaces import DEFINED, namespace
from .custom import CustomOpDef, Definition, _devices, _entered, custom_op, definition
from .schema import parse

__all__ = ["Library", "define", "impl", "opcheck", "register_autograd", "register_fake"]

_KEYS = {"CompositeExplicitAutograd": "default", "CompositeImplicitAutograd": "default", "": "default"}


class Library:
    """Operators of a namespace that a program defines ("DEF", "FRAGMENT") or gives kernels ("IMPL").

    >>> library = Library("examples", "FRAGMENT")
    >>> library.define("thrice(Tensor x) -> Tensor")
    'thrice'
    >>> library.impl("thrice", lambda x: x * 3, "CPU")
    >>> torch.ops.examples.thrice(torch.ones(1))
    tensor([3.])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns in ("prim",) and kind == "DEF":
            raise ValueError(f"{ns} is a reserved namespace. Please try creating a library with another name.")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        namespace(ns)
        self._defined: list[str] = []

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Define an operator by its schema; gives its name."""
        name, _, rest = schema.partition("(")
        define(f"{self.ns}::{name.strip()}", "(" + rest)
        self._defined.append(f"{self.ns}::{name.strip()}")
        return name.strip()

    def impl(
        self, op_name: Any, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False,
        allow_override: bool = True,
    ) -> None:  # fmt: skip
        """Give an operator its kernel for a device, or for all."""
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        name = op_name if isinstance(op_name, str) else op_name._qualified_op_name
        name = name if "::" in name else f"{self.ns}::{name}"
        key = dispatch_key or self.dispatch_key
        if key == "Meta":
            definition(name).fake = fn
        else:
            definition(name).kernels[_KEYS.get(key, key.lower())] = fn

    def fallback(self, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        """Register a function for every operator of a dispatch key: there are no dispatch keys here."""
        raise RuntimeError("Library.fallback needs PyTorch's dispatcher, which Kenaz does not have")

    def _destroy(self) -> None:
        for name in self._defined:
            DEFINED.pop(name, None)
            namespace(self.ns).__dict__.pop(name.partition("::")[2], None)
        self._defined.clear()


def define(qualname: str, schema: str, *, lib: Library | None = None, tags: Any = ()) -> Any:
    """Define an operator by a name and a schema; give it kernels with `impl`.

    >>> define("examples::half", "(Tensor x) -> Tensor")
    >>> _ = impl("examples::half", "cpu", lambda x: x / 2)
    >>> torch.ops.examples.half(torch.ones(1))
    tensor([0.5000])
    """
    if not isinstance(qualname, str):
        raise ValueError(f"define(qualname, schema): expected qualname to be instance of str, got {type(qualname)}")
    space, _, name = qualname.partition("::")
    if not name:
        raise ValueError(
            f"Expected `qualname` to be of the form 'namespace::name', got {qualname!r}: it has no namespace"
        )
    if qualname in DEFINED:
        raise RuntimeError(f"operator {qualname} is defined already")
    Definition(parse(qualname, schema))
    namespace(space).__dict__.pop(name, None)


def impl(qualname: str, types: Any, func: Callable | None = None, *, lib: Library | None = None) -> Any:
    """Give a defined operator its kernel for some devices; also a decorator."""
    return _entered(func, lambda f: definition(qualname).kernels.update(dict.fromkeys(_devices(types), f)))


def register_kernel(op: Any, device_types: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """As `impl`, of a custom operator or a name."""
    return _entered(func, lambda f: definition(op).kernels.update(dict.fromkeys(_devices(device_types), f)))


def register_fake(
    op: Any, func: Callable | None = None, /, *, lib: Any = None, _stacklevel: int = 1, allow_override: bool = False
) -> Any:  # fmt: skip
    """Say what an operator gives for tensors without data; also a decorator."""
    made = definition(op)
    return _entered(func, lambda f: setattr(made, "fake", f))


impl_abstract = register_fake


def register_autograd(
    op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None
) -> None:  # fmt: skip
    """Say what an operator's derivative is: `setup_context(ctx, inputs, output)` keeps what `backward(ctx, *grads)`
    needs.

    >>> define("examples::cube", "(Tensor x) -> Tensor")
    >>> _ = impl("examples::cube", "default", lambda x: x**3)
    >>> def keep(ctx, inputs, output):
    ...     ctx.save_for_backward(*inputs)
    >>> register_autograd("examples::cube", lambda ctx, g: g * 3 * ctx.saved_tensors[0] ** 2, setup_context=keep)
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.ops.examples.cube(x).backward()
    >>> x.grad
    tensor(12.)
    """
    made = definition(op)
    CustomOpDef.register_autograd(_shell(made), backward, setup_context=setup_context)


def _shell(made: Definition) -> CustomOpDef:
    shell = object.__new__(CustomOpDef)
    shell._definition, shell._qualname = made, made.schema.name
    return shell


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """Say what an operator gives for batches; also a decorator."""
    return _entered(func, lambda f: setattr(definition(op), "batched", f))


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Any = None) -> None:
    """Say in which dtype an operator runs inside autocast."""
    definition(op).autocast[device_type] = cast_inputs


def register_torch_dispatch(
    op: Any, torch_dispatch_class: Any, func: Callable | None = None, /, *, lib: Any = None
) -> Any:  # fmt: skip
    """A class's own rule for an operator: classes take part by `__torch_function__` here, so it is not asked."""
    definition(op)
    return _entered(func, lambda f: None)


def fallthrough_kernel() -> None:
    """A kernel that leaves the work to another: a mark, never called."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


def get_ctx() -> Any:
    """The context of a running fake kernel: sizes are numbers here, so there is none."""
    return None


def triton_op(name: str, fn: Callable | None = None, /, *, mutates_args: Any, schema: str | None = None) -> Any:
    """As `custom_op`: a function that calls Triton kernels."""
    return custom_op(name, fn, mutates_args=mutates_args, schema=schema)


def wrap_triton(triton_kernel: Callable, /) -> Any:
    """The kernel; raises ModuleNotFoundError where Triton is not installed."""
    import importlib

    importlib.import_module("triton")
    return triton_kernel


def opcheck(
    op: Any, args: tuple, kwargs: dict | None = None, *,
    test_utils: Any = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"),
    raise_exception: bool = True, atol: float | None = None, rtol: float | None = None,
) -> dict[str, str]:  # fmt: skip
    """Check an operator's registrations on example arguments; gives "SUCCESS" or the error for each check.

    test_schema: inputs change only where the schema says so. test_faketensor and test_aot_dispatch_dynamic: the fake
    kernel gives results of the sizes and dtypes of the real ones. test_autograd_registration: inputs that require
    gradients give results that do.
    """
    made, kwargs = definition(op), dict(kwargs or {})
    names = (test_utils,) if isinstance(test_utils, str) else test_utils
    found: dict[str, str] = {}
    for name in names:
        try:
            _CHECKS[name](made, args, kwargs)
            found[name] = "SUCCESS"
        except Exception as error:
            if raise_exception:
                raise OpCheckError(f"opcheck(op, ...): {name} failed with {error}") from error
            found[name] = str(error)
    return found


class OpCheckError(Exception):
    """A registration that does not fit."""


def _check_schema(made: Definition, args: tuple, kwargs: dict) -> None:
    values = made.bind(args, kwargs)
    before = [v.clone() if isinstance(v, torch.Tensor) else v for v in values]
    made(*args, **kwargs)
    for a, old, new in zip(made.schema.arguments, before, values):
        if isinstance(new, torch.Tensor) and not a.alias and not torch.equal(old, new):
            raise RuntimeError(f"Argument {a.name} is not defined as mutable but was mutated")


def _check_fake(made: Definition, args: tuple, kwargs: dict) -> None:
    to_meta = lambda v: v.detach().to("meta") if isinstance(v, torch.Tensor) else v
    real = made(*args, **kwargs)
    fake = made(*map(to_meta, args), **{k: to_meta(v) for k, v in kwargs.items()})
    pairs = zip(*(r if isinstance(r, (tuple, list)) else (r,) for r in (real, fake)))
    for r, f in pairs:
        if isinstance(r, torch.Tensor) and (r.shape, r.dtype) != (f.shape, f.dtype):
            raise RuntimeError(
                f"the fake kernel gives {f.dtype} of {list(f.shape)}, the real one {r.dtype} of {list(r.shape)}"
            )


def _check_autograd(made: Definition, args: tuple, kwargs: dict) -> None:
    wanted = any(isinstance(a, torch.Tensor) and a.requires_grad for a in args)
    result = made(*args, **kwargs)
    results = result if isinstance(result, (tuple, list)) else (result,)
    floating = [r for r in results if isinstance(r, torch.Tensor) and r.is_floating_point()]
    if wanted and made.backward is not None and floating and not any(r.requires_grad for r in floating):
        raise RuntimeError("some inputs require gradients and no result does")


_CHECKS: dict[str, Callable] = {
    "test_schema": _check_schema, "test_autograd_registration": _check_autograd, "test_faketensor": _check_fake,
    "test_aot_dispatch_dynamic": _check_fake, "test_aot_dispatch_static": _check_fake,
}  # fmt: skip
