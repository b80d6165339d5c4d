"""The types of results that go by name: `torch.return_types.max` has `values` and `indices`.

>>> torch.return_types.max is type(torch.max(torch.ones(2, 2), 0))
True
"""

from __future__ import annotations

from typing import Any

from .ops.reduction import return_type

_NAMES = {
    "values indices": "cummax cummin kthvalue max median min mode nanmedian sort topk",
    "min max": "aminmax",
    "mantissa exponent": "frexp",
    "a tau": "geqrf",
    "hist bin_edges": "histogram histogramdd",
    "L info": "linalg_cholesky_ex",
    "eigenvalues eigenvectors": "linalg_eig linalg_eigh",
    "inverse info": "linalg_inv_ex",
    "LD pivots": "linalg_ldl_factor",
    "LD pivots info": "linalg_ldl_factor_ex",
    "solution residuals rank singular_values": "linalg_lstsq",
    "P L U": "linalg_lu lu_unpack",
    "LU pivots": "linalg_lu_factor",
    "LU pivots info": "linalg_lu_factor_ex",
    "Q R": "linalg_qr qr",
    "sign logabsdet": "linalg_slogdet slogdet",
    "result info": "linalg_solve_ex",
    "U S Vh": "linalg_svd",
    "U S V": "svd",
    "solution cloned_coefficient": "triangular_solve",
}
_FIELDS = {name: tuple(fields.split()) for fields, names in _NAMES.items() for name in names.split()}
__all__ = list(_FIELDS)


def __getattr__(name: str) -> Any:
    fields = _FIELDS.get(name)
    if fields is None:
        raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
    return type(return_type(name, fields, (None,) * len(fields)))
