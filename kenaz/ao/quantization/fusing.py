"""Putting neighbouring modules together: a batch normalization goes into the convolution before it."""

from __future__ import annotations

import copy
from typing import Any

from ...nn import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    Identity,
    Linear,
    ReLU,
    Sequential,
)
from ...nn.module import Module
from ...nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = ["fuse_modules", "fuse_modules_qat"]

_CONVOLUTIONS = {Conv1d: BatchNorm1d, Conv2d: BatchNorm2d, Conv3d: BatchNorm3d}
_SHORT = {Conv1d: "Conv", Conv2d: "Conv", Conv3d: "Conv", Linear: "Linear", ReLU: "ReLU", BatchNorm1d: "Bn",
          BatchNorm2d: "Bn", BatchNorm3d: "Bn"}  # fmt: skip


def _kinds() -> dict[tuple[type, ...], str]:
    """The rows of modules that belong together, and the class that holds them."""
    found: dict[tuple[type, ...], str] = {(Linear, ReLU): "LinearReLU", (Linear, BatchNorm1d): "LinearBn1d"}
    for n, (conv, norm) in enumerate(_CONVOLUTIONS.items(), 1):
        found[conv, norm] = f"ConvBn{n}d"
        found[conv, norm, ReLU] = f"ConvBnReLU{n}d"
        found[conv, ReLU] = f"ConvReLU{n}d"
        if n > 1:
            found[norm, ReLU] = f"BNReLU{n}d"
    return found


_KINDS = _kinds()
_CLASSES = {
    name: type(name, (Sequential,), {"__module__": __name__, "__doc__": f"{' and '.join(k.__name__ for k in kinds)}."})
    for kinds, name in _KINDS.items()
}
globals().update(_CLASSES)


def _together(kinds: tuple[type, ...], modules: list[Module]) -> Module:
    return _CLASSES[_KINDS[kinds]](*modules)


def _fused(modules: list[Module], is_qat: bool) -> Module:
    """One module for a row of them."""
    kinds = tuple(map(type, modules))
    if kinds not in _KINDS:
        raise AssertionError(f"did not find fuser method for: {kinds} ")
    if any(m.training != modules[0].training for m in modules):
        raise AssertionError("Conv and BN both must be in the same mode (train or eval).")
    normalized = len(kinds) > 1 and _SHORT[kinds[1]] == "Bn"
    if not normalized or is_qat:
        return _together(kinds, modules)
    fuse: Any = fuse_linear_bn_eval if kinds[0] is Linear else fuse_conv_bn_eval
    first = fuse(modules[0], modules[1])
    return _together((kinds[0], *kinds[2:]), [first, *modules[2:]]) if len(modules) > 2 else first


def _fuse(model: Module, modules_to_fuse: Any, inplace: bool, is_qat: bool) -> Module:
    if not inplace:
        model = copy.deepcopy(model)
    rows = modules_to_fuse if all(isinstance(r, (list, tuple)) for r in modules_to_fuse) else [modules_to_fuse]
    for names in rows:
        made = _fused([model.get_submodule(name) for name in names], is_qat)
        for name, module in zip(names, [made] + [Identity() for _ in names[1:]]):
            place, _, last = name.rpartition(".")
            module.train(model.get_submodule(name).training)
            setattr(model.get_submodule(place), last, module)
    return model


def fuse_modules(
    model: Module, modules_to_fuse: Any, inplace: bool = False, fuser_func: Any = None,
    fuse_custom_config_dict: Any = None,
) -> Module:  # fmt: skip
    """A model in eval mode with rows of its modules put together; the others of a row become Identity.

    >>> import kenaz as torch
    >>> model = Sequential(Conv2d(1, 2, 3), BatchNorm2d(2), ReLU()).eval()
    >>> fused, x = fuse_modules(model, ["0", "1", "2"]), torch.ones(1, 1, 4, 4)
    >>> torch.allclose(fused(x), model(x))
    True
    """
    if model.training:
        raise AssertionError("Fusion only for eval!")
    return _fuse(model, modules_to_fuse, inplace, is_qat=False)


def fuse_modules_qat(
    model: Module, modules_to_fuse: Any, inplace: bool = False, fuser_func: Any = None,
    fuse_custom_config_dict: Any = None,
) -> Module:  # fmt: skip
    """A model in training with rows of its modules side by side in one module."""
    return _fuse(model, modules_to_fuse, inplace, is_qat=True)
