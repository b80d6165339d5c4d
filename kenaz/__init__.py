"""Kenaz: PyTorch's API and semantics; recorded, interpreted while cold, compiled once hot. Use: `import kenaz as
torch`."""

from __future__ import annotations

import sys
from typing import Any

from . import _api
from ._api import *
from .version import __version__

globals().update({name: value for name, value in vars(_api).items() if not name.startswith("__")})

from . import backends, cuda, nn, optim, random, serialization, storage, utils
from ._alias import alias
from .serialization import load, save
from .storage import *

# loaded when first named: modules, and names that are in one of them
_LAZY = (
    "_C",
    "__config__",
    "_dynamo",
    "_higher_order_ops",
    "_inductor",
    "_prims_common",
    "_tensor_str",
    "_utils",
    "accelerator",
    "amp",
    "ao",
    "classes",
    "compiler",
    "cpu",
    "distributed",
    "distributions",
    "func",
    "futures",
    "fx",
    "hub",
    "jit",
    "library",
    "masked",
    "multiprocessing",
    "numa",
    "onnx",
    "overrides",
    "profiler",
    "return_types",
    "signal",
    "sparse",
    "testing",
    "types",
    "vision",
)
_FROM = {
    "hspmm": "sparse",
    "smm": "sparse",
    "sparse_compressed_tensor": "sparse.compressed",
    "sparse_coo_tensor": "sparse",
    "sparse_csc_tensor": "sparse.compressed",
    "sparse_csr_tensor": "sparse.compressed",
    "spmm": "sparse.compressed",
    "dsmm": "sparse.compressed",
    "PyTorchFileReader": "_C",
    "ScriptModule": "jit",
    "autocast": "amp",
    "GradScaler": "amp",
    "compile": "compiler",
    "OutOfMemoryError": "cuda",
    "DisableTorchFunctionSubclass": "overrides",
    "DispatchKey": "_C",
    "DispatchKeySet": "_C",
    "FunctionSchema": "library.schema",
    "Future": "futures",
    "ScriptFunction": "jit",
    "fork": "jit",
    "thread_safe_generator": "random",
    "wait": "jit",
    "Event": "_streams",
    "Stream": "_streams",
    "get_device_module": "_streams",
}
_FROM |= dict.fromkeys(  # signatures of old
    (
        "batch_norm_update_stats", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "embedding_bag",
        "embedding_renorm_", "hinge_embedding_loss", "kl_div", "margin_ranking_loss", "native_batch_norm",
        "native_dropout", "native_group_norm", "native_layer_norm", "poisson_nll_loss", "triplet_margin_loss",
    ),
    "nn.functional.native",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    if name in _FROM:
        import importlib

        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
        return value
    if name in ("xpu", "mps", "mtia"):
        from . import _absent

        return getattr(_absent, name)
    if name == "vmap":
        from .func import vmap

        return vmap
    if name == "torch":  # as PyTorch's module has itself
        return sys.modules[__name__]
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
