"""What files call things: PyTorch's global names on one side, Kenaz's objects on the other.

A `.pt` file names classes and functions as `torch._utils _rebuild_tensor_v2` or `torch.nn.modules.linear Linear`. Kenaz
writes and reads these names, so that files go both ways; where our modules lie differently, this table knows.
"""

from __future__ import annotations

import importlib
import types
from typing import Any

from .. import _api, _utils, storage
from .._tensor import Tensor
from ..core.dtype import BY_NAME, dtype
from ..nn.parameter import Parameter

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
    "torch.storage.UntypedStorage": storage.UntypedStorage,
    "torch.storage.TypedStorage": storage.TypedStorage,
    "torch._tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
    **{f"torch.{name}": found for name, found in storage.LEGACY_STORAGES.items()},
    **{f"torch.{name}": found for name, found in BY_NAME.items()},
    # On machines with a GPU, old files say so in the class of the storage; `location` says it again.
    **{f"torch.cuda.{name}": found for name, found in storage.LEGACY_STORAGES.items()},
}
# Where PyTorch defines the classes that our nn and optim define in other modules.
# fmt: off
_CLASSES = {
    "nn.modules.activation": (
        "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish "
        "MultiheadAttention PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink "
        "Softsign Tanh Tanhshrink Threshold"
    ),
    "nn.modules.adaptive": "AdaptiveLogSoftmaxWithLoss",
    "nn.modules.batchnorm": (
        "BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d SyncBatchNorm"
    ),
    "nn.modules.channelshuffle": "ChannelShuffle",
    "nn.modules.container": "Container ModuleDict ModuleList ParameterDict ParameterList Sequential",
    "nn.modules.conv": (
        "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d "
        "LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d"
    ),
    "nn.modules.distance": "CosineSimilarity PairwiseDistance",
    "nn.modules.dropout": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
    "nn.modules.flatten": "Flatten Unflatten",
    "nn.modules.fold": "Fold Unfold",
    "nn.modules.instancenorm": (
        "InstanceNorm1d InstanceNorm2d InstanceNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d"
    ),
    "nn.modules.linear": "Bilinear Identity LazyLinear Linear",
    "nn.modules.loss": (
        "BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss HingeEmbeddingLoss "
        "HuberLoss KLDivLoss L1Loss LinearCrossEntropyLoss MSELoss MarginRankingLoss MultiLabelMarginLoss "
        "MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss NLLLoss2d PoissonNLLLoss SmoothL1Loss SoftMarginLoss "
        "TripletMarginLoss TripletMarginWithDistanceLoss"
    ),
    "nn.modules.module": "Module",
    "nn.modules.normalization": "CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "nn.modules.padding": (
        "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d "
        "ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d "
        "ZeroPad3d"
    ),
    "nn.modules.pixelshuffle": "PixelShuffle PixelUnshuffle",
    "nn.modules.pooling": (
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
        "AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d "
        "LPPool3d MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d"
    ),
    "nn.modules.rnn": "GRU GRUCell LSTM LSTMCell RNN RNNBase RNNCell RNNCellBase",
    "nn.modules.sparse": "Embedding EmbeddingBag",
    "nn.modules.transformer": (
        "Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer"
    ),
    "nn.modules.upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
    "optim.adadelta": "Adadelta", "optim.adagrad": "Adagrad", "optim.adam": "Adam", "optim.adamax": "Adamax",
    "optim.adamw": "AdamW", "optim.asgd": "ASGD", "optim.lbfgs": "LBFGS", "optim.nadam": "NAdam", "optim.optimizer":
    "Optimizer", "optim.radam": "RAdam", "optim.rmsprop": "RMSprop", "optim.rprop": "Rprop", "optim.sgd": "SGD",
    "optim.sparse_adam": "SparseAdam",
}
# fmt: on
_MODULE_OF = {name: f"torch.{module}" for module, listed in _CLASSES.items() for name in listed.split()}
_HOMES: dict[Any, str] = {}
for _name, _found in _NAMED.items():
    _HOMES.setdefault(_found, _name)


def resolve(module: str, name: str) -> Any:
    """Our object behind one of PyTorch's names; `None` where the name is nobody's we know.

    It is looked for in our module of that name, then in the packages around it.

    >>> resolve("torch", "float32"), resolve("os", "system")
    (torch.float32, None)
    """
    if module.partition(".")[0] not in (*_ROOTS, PACKAGE):
        return None
    module = _torch_module(module)
    full = f"{module}.{name}"
    found = _NAMED.get(full)
    if found is not None:
        return found
    module = _MOVED.get(module, module)
    while module not in _ROOTS:
        found = _attribute(_import(module), name)
        if found is not None:
            return found
        module = module.rpartition(".")[0]
    found = _attribute(_api if module == "torch" else _import(module), name)
    return resolve(*_SYNONYMS[full].rsplit(".", 1)) if found is None and full in _SYNONYMS else found


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
    if module.partition(".")[0] not in (*_ROOTS, PACKAGE):
        return None
    if module.startswith((f"{PACKAGE}.nn.", f"{PACKAGE}.optim.")) and obj.__name__ in _MODULE_OF:
        return _MODULE_OF[obj.__name__], obj.__name__
    for candidate in (_torch_module(module), *_PUBLIC):
        for known in (name or obj.__qualname__, getattr(obj, "__name__", "")):
            if _is_pytorchs(candidate) and known and resolve(candidate, known) is obj:
                return candidate, known
    return _torch_module(module), name or obj.__qualname__


_NAMEABLE = (type, types.FunctionType, types.ModuleType, dtype)
_PUBLIC = ("torch", "torch.nn.functional")


def _is_pytorchs(module: str) -> bool:
    """Whether PyTorch has a module of this name, as far as our own layout differs from its."""
    return module.partition(".")[2].partition(".")[0] not in ("ops", "core", "graph", "runtime", "serialization")


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
