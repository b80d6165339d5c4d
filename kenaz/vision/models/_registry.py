"""Models by name, and how a model gets its published weights."""

import fnmatch
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any

from ... import nn
from ._weights import WEIGHTS, WeightsEnum, published
from ._weights import get_weight as get_weight

BUILDERS: dict[str, Callable[..., nn.Module]] = {}
NO_QUANTIZED = "Quantized backend not supported: Kenaz has no quantized tensors, only the floating model"


def register(
    name: str,
    title: str,
    make: Callable[..., nn.Module],
    legacy: Callable[[dict[str, Any], Any], dict[str, Any]] | None = None,
    quantizable: bool = False,
) -> tuple[Callable, type[WeightsEnum]]:
    """The function that builds a model, and the enumeration of its weights, both known by name from now on.

    `make(trained=..., progress=...)` returns the bare model; it may leave out an initialisation that the trained
    weights will overwrite. `legacy(state, model)` gives the published tensors the names that the model has for them.
    A quantizable model takes the weights of the floating one; its own enumeration names files of quantized weights.
    """
    enum = published(f"{title}_{'Quantized' if quantizable else ''}Weights")
    accepted = WEIGHTS[f"{title}_Weights"] if quantizable else enum

    def build(*args: Any, weights: Any = None, progress: bool = True, **kwargs: Any) -> nn.Module:
        if quantizable and kwargs.pop("quantize", False):
            raise RuntimeError(NO_QUANTIZED)
        chosen = accepted.verify(legacy_weights(accepted, args, weights, kwargs))
        if chosen is not None and chosen.meta.get("categories"):
            expect(kwargs, "num_classes", len(chosen.meta["categories"]))
        model = make(trained=chosen, progress=progress, **kwargs)
        if chosen is not None:
            state = chosen.get_state_dict(progress=progress, check_hash=True)
            model.load_state_dict(state if legacy is None else legacy(state, model))
        return model

    build.__name__ = build.__qualname__ = name
    build.__module__ = make.__module__
    build.__doc__ = f"{title}, with random weights or with `weights` of {accepted.__name__}."
    BUILDERS[f"quantized_{name}" if quantizable else name] = build
    WEIGHTS[enum.__name__] = enum
    return build, enum


def family(
    module: dict[str, Any],
    make: Callable[..., nn.Module],
    variants: dict[str, tuple[str, Any]],
    quantizable: bool = False,
) -> None:
    """Registers the variants of an architecture and puts them, and their weights, among a module's public names.

    `variants` has for each function's name the title that its weights carry, and the keywords for `make`. A quantizable
    model is known as "quantized_" and that name.
    """
    for name, (title, options) in variants.items():
        build = partial(make, **options)
        build.__module__ = module["__name__"]
        module[name], enum = register(name, title, build, module.get("legacy"), quantizable)
        module[enum.__name__] = enum
        enum.__module__ = module["__name__"]
        module["__all__"] += [name, enum.__name__]


def expect(kwargs: dict[str, Any], name: str, value: Any) -> None:
    """Sets a keyword to what the weights need; a user who asked for something else is told."""
    if kwargs.get(name, value) != value:
        raise ValueError(f"The parameter '{name}' expected value {value} but got {kwargs[name]} instead.")
    kwargs[name] = value


def legacy_weights(enum: type[WeightsEnum], args: tuple[Any, ...], weights: Any, kwargs: dict[str, Any]) -> Any:
    """The weights that a call of today or of before 0.13 (`pretrained=True`) asks for."""
    if args:
        warnings.warn(
            "Using 'weights' as positional parameter(s) is deprecated since 0.13 and may be removed in the future. "
            "Please use keyword parameter(s) instead.",
            stacklevel=3,
        )
        weights = args[0]
    if "pretrained" in kwargs:
        warnings.warn(
            "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, "
            "please use 'weights' instead.",
            stacklevel=3,
        )
        weights = kwargs.pop("pretrained")
    if not isinstance(weights, bool):
        return weights
    meaning = f"`weights={list(enum)[0]!r}`" if weights else "`weights=None`"
    advice = f" You can also use `weights={enum.__name__}.DEFAULT` to get the most up-to-date weights."
    warnings.warn(
        "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be removed in "
        f"the future. The current behavior is equivalent to passing {meaning}.{advice if weights else ''}",
        stacklevel=3,
    )
    return list(enum)[0] if weights else None


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of the models, sorted; of those that fit a pattern of `include` and none of `exclude`.

    >>> list_models(include="resnet*", exclude=["*50", "*101", "*152"])
    ['resnet18', 'resnet34']
    """

    def fits(name: str, patterns: Iterable[str] | str) -> bool:
        return any(fnmatch.fnmatch(name, p) for p in ([patterns] if isinstance(patterns, str) else patterns))

    return sorted(
        name
        for name, build in BUILDERS.items()
        if (module is None or build.__module__.rpartition(".")[0] == module.__name__)
        and (not include or fits(name, include))
        and not (exclude and fits(name, exclude))
    )


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds a model of this name."""
    if name.lower() not in BUILDERS:
        raise ValueError(f"Unknown model {name.lower()}")
    return BUILDERS[name.lower()]


def get_model(name: str, **config: Any) -> nn.Module:
    """A model by its name; `config` goes to the function that builds it."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable | str) -> type[WeightsEnum]:
    """The enumeration of a model's published weights, the model given by name or by the function that builds it."""
    build = get_model_builder(name) if isinstance(name, str) else name
    for known, enum in zip(BUILDERS.values(), WEIGHTS.values()):
        if known is build:
            return enum
    raise ValueError("The WeightsEnum class for the specific method couldn't be retrieved.")
