"""Definition: an operator that a program defined, with its kernels and what is registered on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import _api as torch
from ..autograd.function import Function
from ..ops.namespaces import DEFINED, OpOverload, namespace
from .schema import Argument, FunctionSchema, infer_schema, parse

__all__ = ["CustomOpDef", "Definition", "custom_op", "definition"]

_ALIASED = (
    "{} (with implementation in {}): The output of this custom operator (1) must not also be an input to this custom "
    "operator and (2) may not alias any inputs to this custom operator or other returns. The most common way to "
    "trigger this error is if we have y = custom_op(x) and y and x are the same Tensor. Please instead return a clone "
    "of the offending output tensor(s) (e.g. return x.clone()) or refactor the custom operator to not return y."
)
_PYTHON: dict[str, Any] = {
    "SymInt": int, "int": int, "float": (int, float), "bool": bool, "str": str, "Scalar": (int, float, complex),
}  # fmt: skip


class Definition:
    """An operator by its schema: `kernels` by device type ("default" for all), and what is registered."""

    def __init__(self, schema: FunctionSchema) -> None:
        self.schema = schema
        self.namespace, self.name = schema.name.split("::")
        self.kernels: dict[str, Callable] = {}
        self.fake: Callable | None = None
        self.backward: Callable | None = None
        self.setup_context: Callable | None = None
        self.batched: Callable | None = None
        self.autocast: dict[str, Any] = {}
        self.strict = False  # results may be no inputs
        self.words_without_fake = f"There was no fake impl registered for {schema.name}."
        self._function: Any = None
        DEFINED[schema.name] = self

    # ----------------------------------------------------------------------------------------------------- arguments
    def bind(self, args: tuple, kwargs: dict) -> list:
        """The arguments in the schema's order, with defaults, checked."""
        name, given = self.schema.name, dict(kwargs)
        positional = [a for a in self.schema.arguments if not a.keyword_only]
        if len(args) > len(positional):
            raise RuntimeError(
                f"{name}() expected at most {len(positional)} argument(s) but received {len(args)} argument(s). "
                f"Declaration: {self.schema}"
            )
        values = []
        for i, a in enumerate(self.schema.arguments):
            if i < len(args):
                value = args[i]
            elif a.name in given:
                value = given.pop(a.name)
            elif a.default is ...:
                raise RuntimeError(f"{name}() is missing value for argument '{a.name}'. Declaration: {self.schema}")
            else:
                value = a.default
            self._check(a, i, value)
            values.append(value)
        for unknown in given:
            raise RuntimeError(f"Unknown keyword argument '{unknown}' for operator '{name}'. Schema: {self.schema}")
        return values

    def _check(self, a: Argument, position: int, value: Any) -> None:
        base = a.type.rstrip("?")
        if value is None and a.type.endswith("?"):
            return
        if base == "Tensor":
            fits, details = isinstance(value, torch.Tensor), f"Unable to cast {value!r} to Tensor"
        elif base in _PYTHON:
            fits = isinstance(value, _PYTHON[base]) or isinstance(value, torch.Tensor) and value.numel() == 1
            details = (
                f"Unable to cast Python instance of type {type(value)} to C++ type '?' (#define "
                "PYBIND11_DETAILED_ERROR_MESSAGES or compile in debug mode for details)"
            )
        else:
            return
        if not fits:
            kind = "int" if base == "SymInt" else base
            raise RuntimeError(
                f"{self.schema.name}() Expected a value of type '{kind}' for argument '{a.name}' but instead found "
                f"type '{type(value).__name__}'.\nPosition: {position}\nValue: {value!r}\n"
                f"Declaration: {self.schema}\nCast error details: {details}"
            )

    # ------------------------------------------------------------------------------------------------------- calling
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        values = self.bind(args, kwargs)
        flat = [v for value in values for v in (value if _is_tensors(value) else (value,))]
        tensors = [v for v in flat if isinstance(v, torch.Tensor)]
        if torch.is_grad_enabled() and any(t.requires_grad for t in tensors) and not self.schema.is_mutable:
            return self._differentiable(values, flat)
        return self._run(values)

    def _run(self, values: list) -> Any:
        """The kernel's results; under autocast, of arguments in the dtype that is registered."""
        dtype = self.autocast.get("cpu") if torch.is_autocast_enabled("cpu") else None
        if dtype is not None:
            torch.set_autocast_enabled("cpu", False)
            try:
                return self._run([_cast(v, dtype) for v in values])
            finally:
                torch.set_autocast_enabled("cpu", True)
        tensors = [v for value in values for v in (value if _is_tensors(value) else (value,))]
        tensors = [v for v in tensors if isinstance(v, torch.Tensor)]
        kind = tensors[0].device.type if tensors else "cpu"
        kernel = self.fake if kind == "meta" else self.kernels.get(kind, self.kernels.get("default"))
        if kernel is None:
            raise self._no_kernel(kind)
        positional = [v for a, v in zip(self.schema.arguments, values) if not a.keyword_only]
        named = {a.name: v for a, v in zip(self.schema.arguments, values) if a.keyword_only}
        before = [t._version for t in tensors]
        result = kernel(*positional, **named)
        if self.strict:
            self._check_results(kernel, result, tensors)
        for a, value in zip(self.schema.arguments, values):
            if a.alias and isinstance(value, torch.Tensor):
                place = next(i for i, t in enumerate(tensors) if t is value)
                value._storage.version = max(value._version, before[place] + 1)  # whatever it wrote through
        return result

    def _no_kernel(self, kind: str) -> Exception:
        if kind == "meta":
            return RuntimeError(self.words_without_fake)
        return NotImplementedError(
            f"Could not run '{self.schema.name}' with arguments from the '{kind.upper()}' backend. This could be "
            "because the operator doesn't exist for this backend, or was omitted during the selective/custom build "
            "process (if using custom build)."
        )

    def _check_results(self, kernel: Callable, result: Any, tensors: list) -> None:
        import inspect

        storages = {id(t._storage) for t in tensors}
        for r in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(r, torch.Tensor) and id(r._storage) in storages:
                raise RuntimeError(_ALIASED.format(self.name, inspect.getmodule(kernel)))
            if isinstance(r, torch.Tensor):
                storages.add(id(r._storage))

    # --------------------------------------------------------------------------------------------------- derivatives
    def _differentiable(self, values: list, flat: list) -> Any:
        lengths = [len(v) if _is_tensors(v) else None for v in values]
        if self._function is None:
            self._function = _function_of(self)
        results = self._function.apply(lengths, *flat)
        return list(results) if self.schema.returns == ("Tensor[]",) else results


def _is_tensors(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in value)


def _cast(value: Any, dtype: Any) -> Any:
    if _is_tensors(value):
        return [_cast(v, dtype) for v in value]
    return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _gathered(flat: Any, lengths: list) -> list:
    """Values with the lists among them as lists again."""
    rest = iter(flat)
    return [next(rest) if n is None else [next(rest) for _ in range(n)] for n in lengths]


def _function_of(op: Definition) -> Any:
    """The autograd Function of an operator."""

    def forward(ctx: Any, lengths: list, *flat: Any) -> Any:
        values = _gathered(flat, lengths)
        result = op._run(values)
        ctx._lengths = lengths
        if op.setup_context is not None:
            names = {a.name: v for a, v in zip(op.schema.arguments, values) if a.keyword_only}
            inputs = tuple(v for a, v in zip(op.schema.arguments, values) if not a.keyword_only)
            extra = {"keyword_only_inputs": names} if names else {}
            op.setup_context(ctx=ctx, inputs=inputs, output=result, **extra)
        return tuple(result) if isinstance(result, list) else result

    def backward(ctx: Any, *grads: Any) -> tuple:
        if op.backward is None:
            raise RuntimeError(
                f"Trying to backward through {op.namespace}.{op.name}.default but no autograd formula was registered. "
                "Please use register_autograd to add one."
            )
        given = (list(grads),) if op.schema.returns == ("Tensor[]",) else grads
        found = op.backward(ctx, *given)
        found = list(found) if isinstance(found, tuple) else [found]
        flat: list = [None]
        for n, g in zip(ctx._lengths, found + [None] * (len(ctx._lengths) - len(found))):
            flat += [g] if n is None else list(g) if g is not None else [None] * n
        return tuple(flat)

    name = f"GeneratedBackwardFor_{op.namespace}_{op.name}_default"
    kind: Any = type(Function)
    made = kind(name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
    made._backward_cls.__name__ = name + "Backward"
    return made


def definition(op: Any) -> Definition:
    """The definition behind a name, a custom operator or one of `torch.ops`."""
    if isinstance(op, CustomOpDef):
        return op._definition
    name = op._qualified_op_name if isinstance(op, OpOverload) else str(op).removesuffix(".default")
    if name not in DEFINED:
        raise RuntimeError(f"operator {name} does not exist")
    found = DEFINED[name]
    assert isinstance(found, Definition)
    return found


# ---------------------------------------------------------------------------------------------------------- custom_op
class CustomOpDef:
    """A function that is an operator. Calling it calls the kernel for the device of its tensors."""

    def __init__(self, made: Definition, function: Callable) -> None:
        self._definition, self._init_fn = made, function
        self._namespace, self._name = made.namespace, made.name
        self._qualname, self.__name__ = made.schema.name, made.name
        self._schema = made.schema.signature()
        made.words_without_fake = (
            f"There was no fake impl registered for {self!r}. This is necessary for torch.compile/export/fx tracing to "
            f"work. Please use `{function.__name__}.register_fake` to add an fake impl."
        )

    @property
    def _opoverload(self) -> OpOverload:
        return getattr(namespace(self._namespace), self._name).default

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._definition(*args, **kwargs)

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Callable:
        """Say what the operator does on some devices; also a decorator."""
        return _entered(fn, lambda f: self._definition.kernels.update(dict.fromkeys(_devices(device_types), f)))

    def register_fake(self, fn: Callable, /) -> Callable:
        """Say what the operator gives for tensors without data; also a decorator."""
        self._definition.fake = fn
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Say what the operator's derivative is, as in `torch.autograd.Function`."""
        if self._definition.schema.is_mutable:
            raise RuntimeError(
                f"Cannot register autograd formula for non-functional operator {self!r} with schema "
                f"{self._definition.schema}. Please create a functional operator and register an autograd formula for "
                "that."
            )
        self._definition.backward, self._definition.setup_context = backward, setup_context

    def register_vmap(self, func: Callable | None = None) -> Callable:
        """Say what the operator gives for batches: `func(info, in_dims, *args)` returns results and their axes."""
        return _entered(func, lambda f: setattr(self._definition, "batched", f))

    def register_autocast(self, device_type: str, cast_inputs: Any, /) -> None:
        """Say in which dtype the operator runs inside autocast."""
        self._definition.autocast[device_type] = cast_inputs

    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> Any:
        """A context without the kernel of a device."""
        import contextlib

        kernels = self._definition.kernels

        @contextlib.contextmanager
        def changed() -> Any:
            taken = None if enabled else kernels.pop(device_type, None)
            try:
                yield
            finally:
                if taken is not None:
                    kernels[device_type] = taken

        return changed()


def _entered(fn: Callable | None, enter: Callable[[Callable], Any]) -> Callable:
    """`enter(fn)` and the function, or a decorator that does it."""

    def decorate(f: Callable) -> Callable:
        enter(f)
        return f

    return decorate if fn is None else decorate(fn)


def _devices(device_types: Any) -> Iterable[str]:
    if device_types is None or device_types == "default":
        return ("default",)
    return (device_types,) if isinstance(device_types, str) else tuple(device_types)


def custom_op(
    name: str, fn: Callable | None = None, /, *, mutates_args: Any, device_types: Any = None,
    schema: str | None = None, tags: Any = None,
) -> Any:  # fmt: skip
    """Make an operator of a function with annotated arguments; also a decorator.

    >>> @custom_op("examples::twice", mutates_args=())
    ... def twice(x: torch.Tensor) -> torch.Tensor:
    ...     return x * 2
    >>> twice.register_autograd(lambda ctx, g: g * 2)
    >>> x = torch.ones(2, requires_grad=True)
    >>> twice(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    def enter(function: Callable) -> CustomOpDef:
        text = infer_schema(function, mutates_args=mutates_args) if schema is None else schema
        if name.count("::") != 1:
            raise ValueError(
                f"Expected operator name to be of the form `namespace::name`, got {name}. "
                "For example, `mylib::my_op`."
            )
        made = Definition(parse(name, text))
        namespace(made.namespace).__dict__.pop(made.name, None)  # an operator of this name that was before
        made.strict = True
        made.kernels.update(dict.fromkeys(_devices(device_types), function))
        return CustomOpDef(made, function)

    return enter if fn is None else enter(fn)
