"""Every function and type of the `torch` namespace that is not in a submodule. Clients import this and read like user
code.

The functions come from the registry of `ops`: whatever an operator file declares public appears here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import autograd, execute, fft, linalg, ops, printing, special
from ._tensor import Tensor
from .autograd import engine, methods, modes
from .autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.device import device, get_default_device, set_default_device
from .core.dtype import (
    ALIASES,
    BY_NAME,
    can_cast,
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    promote_types,
    set_default_dtype,
)
from .core.shape import Size
from .execute import eager
from .ops import (
    activation,
    alignment,
    arranging,
    attention,
    conjugate,
    conversion,
    convolution,
    copies,
    creation,
    differences,
    einsum,
    extremes,
    foreach,
    gathering,
    grids,
    indexing,
    inquiry,
    interop,
    joining,
    layouts,
    legacy,
    lines,
    losses,
    lowrank,
    masking,
    network,
    normalization,
    olden,
    pointwise,
    pooling,
    precision,
    products,
    recurrent,
    reduction,
    removed,
    reparameterized,
    reproducibility,
    resampling,
    restriding,
    sampling,
    scattering,
    segments,
    sorting,
    spectra,
    statistics,
    subclasses,
    symbolic,
    updates,
    views,
)  # fmt: skip
from .ops.inquiry import layout, memory_format
from .ops.legacy import set_default_tensor_type
from .ops.record import PUBLIC
from .ops.sampling import Generator, default_generator
from .printing import set_printoptions, tensor_str
from .runtime.threads import get_num_interop_threads, get_num_threads, set_num_interop_threads, set_num_threads

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the names below, which no type checker sees


globals().update(BY_NAME)
globals().update(ALIASES)
globals().update(PUBLIC)
globals().update(inquiry.CONSTANTS)
globals().update(legacy.TYPES)
subclasses.seal()
Tensor.__repr__ = tensor_str  # type: ignore[method-assign]  # attached
Tensor.__format__ = printing.format_tensor  # type: ignore[method-assign]  # attached


import math as _math

pi, e, inf, nan = _math.pi, _math.e, _math.inf, _math.nan
newaxis = None
has_lapack = has_spectral = True  # what PyTorch was built with; Kenaz has NumPy's LAPACK and FFT
has_mkl = has_openmp = False
