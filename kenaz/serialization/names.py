"""What files call things: PyTorch's global names on one side, Kenaz's objects on the other.

A `.pt` file names classes and functions as `torch._utils _rebuild_tensor_v2` or `torch.nn.modules.linear Linear`. Kenaz
writes and reads these names, so that files go both ways; where our modules lie differently, this table knows.
"""

from __future__ import annotations

import importlib
import itertools
import types
from typing import Any

from .. import _api, _utils, storage
from .._tensor import Tensor
from ..core.dtype import BY_NAME, dtype
from ..nn.calling import _WrappedHook
from ..nn.parameter import Parameter
from ..ops.inquiry import CONSTANTS, layout, memory_format


def get_layout(name: str) -> layout:
    """The layout of a name, as files have it.

    >>> get_layout("torch.strided")
    torch.strided
    """
    found = CONSTANTS.get(name.removeprefix("torch.")) if isinstance(name, str) else None
    if not isinstance(found, layout):
        raise KeyError(name)
    return found


PACKAGE = __name__.partition(".")[0]
_ROOTS = {"torch": PACKAGE, "torchvision": f"{PACKAGE}.vision"}
# PyTorch's modules that have no counterpart of the same name here.
_MOVED = {
    "torch._C": "torch", "torch._C._nn": "torch.nn.functional", "torch._tensor": "torch", "torch.tensor": "torch",
    "torch.autograd.grad_mode": "torch", "torch.random": "torch", "torch.functional": "torch",
}  # fmt: skip
# Names of classes that do here what their originals do there.
_SYNONYMS = {
    "torch.nn.modules.linear.NonDynamicallyQuantizableLinear": "torch.nn.modules.linear.Linear",
    "torch.nn.modules.linear._LinearWithBias": "torch.nn.modules.linear.Linear",
    **{f"torch.{name.replace('Storage', 'Tensor')}": "torch.Tensor" for name in storage.LEGACY_STORAGES},
}
# Objects whose name in a file is not the one that they carry.
_NAMED: dict[str, Any] = {
    "torch.Tensor": Tensor,
    "torch._C.TensorBase": Tensor,
    "torch._C._VariableFunctionsClass": _api,
    "torch._C._VariableFunctions": _api,
    "torch._C.Generator": _api.Generator,
    "torch.Size": _api.Size,
    "torch.device": _api.device,
    "torch.dtype": dtype,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.nn.modules.module._WrappedHook": _WrappedHook,
    "torch.storage.UntypedStorage": storage.UntypedStorage,
    "torch.storage.TypedStorage": storage.TypedStorage,
    "torch._tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
    **{f"torch.{name}": found for name, found in storage.LEGACY_STORAGES.items()},
    **{f"torch.{name}": found for name, found in BY_NAME.items()},
    **{f"torch.{name}": found for name, found in CONSTANTS.items() if isinstance(found, memory_format)},
    "torch.serialization._get_layout": get_layout,
    # On machines with a GPU, old files say so in the class of the storage; `location` says it again.
    **{f"torch.cuda.{name}": found for name, found in storage.LEGACY_STORAGES.items()},
}
_HOMES: dict[Any, str] = {}
for _name, _found in _NAMED.items():
    _HOMES.setdefault(_found, _name)


def resolve(module: str, name: str) -> Any:
    """Our object behind one of PyTorch's names; `None` where the name is nobody's we know.

    >>> resolve("torch", "float32"), resolve("os", "system")
    (torch.float32, None)
    """
    if not is_pytorchs(module):
        return None
    module = _torch_module(module)
    full = f"{module}.{name}"
    found = _NAMED.get(full)
    if found is not None:
        return found
    module = _MOVED.get(module, module)
    found = _attribute(_api if module == "torch" else _import(module), name)
    if found is None and full in _SYNONYMS:
        return resolve(*_SYNONYMS[full].rsplit(".", 1))
    return _class_around(module, name) if found is None else found


def _class_around(module: str, name: str) -> Any:
    """A class of this name in a package around a module that we do not have."""
    while module.count(".") > 1:
        module = module.rpartition(".")[0]
        found = _attribute(_import(module), name)
        if isinstance(found, type):
            return found
    return None


def torch_name(obj: Any, name: str | None = None) -> tuple[str, str] | None:
    """Module and name under which files know one of our classes or functions; None for what is not ours.

    >>> torch_name(Tensor), torch_name(_utils._rebuild_tensor_v2), torch_name(dict)
    (('torch', 'Tensor'), ('torch._utils', '_rebuild_tensor_v2'), None)
    """
    home = _HOMES.get(obj) if isinstance(obj, _NAMEABLE) else None
    if home is not None:
        module, _, name = home.rpartition(".")
        return module, name
    module = getattr(obj, "__module__", None) or ""
    if not is_pytorchs(module):
        return None
    own = _torch_module(module)
    around = list(itertools.accumulate(own.split("."), "{}.{}".format))  # from the outermost package to the module
    for candidate in (own, *_PUBLIC) if isinstance(obj, type) else (*around, *_PUBLIC):
        for known in (name or obj.__qualname__, getattr(obj, "__name__", "")):
            if _may_exist(candidate) and known and resolve(candidate, known) is obj:
                return candidate, known
    return own, name or obj.__qualname__


_NAMEABLE = (type, types.FunctionType, types.ModuleType, dtype, memory_format)
_PUBLIC = ("torch", "torch.nn.functional")
_ONLY_OURS = tuple(
    f"torch.{package}." for package in ("ops", "core", "graph", "runtime", "storage", "serialization", "nn.functional")
)


def is_pytorchs(module: str) -> bool:
    """Whether a module is part of PyTorch, torchvision or Kenaz."""
    return module.partition(".")[0] in (*_ROOTS, PACKAGE)


def _may_exist(module: str) -> bool:
    """Whether PyTorch may have a module of this name, as far as our layout differs from its."""
    return not module.startswith(_ONLY_OURS)


def _torch_module(module: str) -> str:
    """PyTorch's name of one of our modules; its own names stay as they are.

    >>> _torch_module(f"{PACKAGE}.nn.init"), _torch_module(f"{PACKAGE}.vision.transforms")
    ('torch.nn.init', 'torchvision.transforms')
    """
    for theirs, ours in reversed(_ROOTS.items()):
        if module == ours or module.startswith(f"{ours}."):
            return theirs + module[len(ours) :]
    return module


def _import(module: str) -> Any:
    """Our module for one of PyTorch's, or None."""
    root, _, rest = module.partition(".")
    try:
        return importlib.import_module(f"{_ROOTS[root]}.{rest}" if rest else _ROOTS[root])
    except ModuleNotFoundError:
        return None


def _attribute(owner: Any, name: str) -> Any:
    for part in name.split("."):
        owner = getattr(owner, part, None)
    return owner
