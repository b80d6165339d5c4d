"""What networks are made of beyond products and convolutions: embeddings, distances, encodings.

Normalizations are in `normalization.py`, softmax and cross entropy in `likelihoods.py`; all are reached through this
module's names.
"""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import scalar_name
from ..core.spec import Spec
from .declare import opaque
from .gathering import check_selected
from .likelihoods import cross_entropy, log_softmax, nll_loss, softmax
from .lookups import is_known, native, with_twin
from .normalization import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from .products import linear
from .record import composite, layouts, public
from .sampling import alpha_dropout, dropout, feature_alpha_dropout, feature_dropout
from .views import contiguous


# -------------------------------------------------------------------------------------------------------------- embeddings
def _embedding_rule(weight: Spec, indices: Spec, padding_idx: int, scale: bool) -> tuple:
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{scalar_name(indices.dtype)}Tensor instead (while checking arguments for embedding)"
        )
    return (*indices.size, weight.size[1]), weight.dtype


def _check_rows(call: Any, weight: Any, indices: Any) -> None:
    """Indices are rows of the table."""
    if indices is not None:
        check_selected(indices, call.specs[0].size[0])


@opaque(
    _embedding_rule, name="embedding", halves=True, native=native("embedding"),
    grad=lambda g, y, _weight, indices, padding_idx, scale: (
        _embedding_backward(contiguous(g), indices, rows=_weight.size[0], padding_idx=padding_idx, scale=scale), None
    ),
)  # fmt: skip
def _embedding(xp: Any, weight: Any, indices: Any, padding_idx: int, scale: bool) -> Any:
    check_selected(indices, len(weight))
    return weight.take(indices, 0)


_embedded = with_twin(_embedding)


@opaque(
    lambda total, indices, g, padding_idx: (total.size, total.dtype), name="embedding_backward_onto", overwrites=True,
    native=native("embedding_onto"),
    grad=(
        lambda g, y, _total, _indices, _g, padding_idx: g,
        None,
        lambda g, y, _total, indices, _g, padding_idx: _embedding(g, indices, padding_idx=-1, scale=False),
    ),
)  # fmt: skip
def _embedding_onto(xp: Any, total: Any, indices: Any, g: Any, padding_idx: int) -> Any:
    """The same rows added to a gradient of the table."""
    _add_rows(xp, total, g, indices, padding_idx, False)
    return total


def _onto(total: Tensor, g: Tensor, indices: Tensor, rows: int, padding_idx: int, scale: bool) -> Tensor | None:
    return None if scale else _embedding_onto(total, indices, g, padding_idx=padding_idx)


@opaque(
    lambda g, indices, rows, padding_idx, scale: ((rows, g.size[-1]), g.dtype), name="embedding_backward",
    native=native("embedding_backward"), onto=_onto,
    grad=(lambda g, y, _g, indices, rows, padding_idx, scale: _embedding(g, indices, padding_idx=-1, scale=False), lambda g, y, *rest: None),
)  # fmt: skip
def _embedding_backward(xp: Any, g: Any, indices: Any, rows: int, padding_idx: int, scale: bool) -> Any:
    """The rows of `g` summed where their indices say; the padding row gets none."""
    out = xp.zeros((rows, g.shape[-1]), g.dtype)
    _add_rows(xp, out, g, indices, padding_idx, scale)
    return out


def _add_rows(xp: Any, out: Any, g: Any, indices: Any, padding_idx: int, scale: bool) -> None:
    flat, values = indices.reshape(-1), g.reshape(-1, g.shape[-1])
    keep = flat != padding_idx
    if not keep.all():
        flat, values = flat[keep], values[keep]
    if scale and len(flat):
        values = values / xp.bincount(flat, minlength=len(out))[flat][:, None].astype(g.dtype)
    xp.scatter_rows(out, flat, values)


def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """The rows of `weight` that `indices` name; the row `padding_idx` receives no gradient.

    With `sparse` the gradient has only the rows that were asked for.
    """
    padding_idx = -1 if padding_idx is None else padding_idx
    if is_known(indices) and weight._spec.ndim == 2:
        check_selected(indices._array(), weight._spec.size[0])
    kernel = _sparse_embedding if sparse else _embedded
    return kernel(weight, indices, padding_idx=padding_idx, scale=bool(scale_grad_by_freq))


@opaque(
    _embedding_rule, name="embedding_sparse", late_errors=_check_rows, halves=True, grad_name="EmbeddingBackward0",
    grad=lambda g, y, _weight, indices, padding_idx, scale: (
        _sparse_rows(g, indices, _weight, padding_idx, scale), None
    ),
)  # fmt: skip
def _sparse_embedding(xp: Any, weight: Any, indices: Any, padding_idx: int, scale: bool) -> Any:
    return weight.take(indices, 0)


def _sparse_rows(g: Tensor, indices: Tensor, weight: Spec, padding_idx: int, scale: bool) -> Tensor:
    """The gradient of a table of which some rows were read: those rows, as often as they were."""
    if scale:
        raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
    where, values = indices.reshape(1, -1).to(dtypes.int64), g.reshape(-1, weight.size[1])
    if padding_idx >= 0:
        keep = (where[0] != padding_idx).nonzero().reshape(-1)
        where, values = where.index_select(1, keep), values.index_select(0, keep)
    return layouts.rows(where, values, weight.size)


public(embedding)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Integers as vectors with a one at their place."""
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    values = tensor._array()
    if num_classes == -1:
        if not values.size:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(values.max()) + 1
    if values.size and values.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if values.size and values.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    from .creation import arange

    return (tensor.unsqueeze(-1) == arange(num_classes)).to(dtypes.int64)


# --------------------------------------------------------------------------------------------------------------- distances
@composite("torch")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) over an axis."""
    dots = (x1 * x2).sum(dim)
    squares = [(x * x).sum(dim).clamp_min(eps * eps) for x in (x1, x2)]
    return dots / (squares[0].sqrt() * squares[1].sqrt())


@composite("torch")
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last axis."""
    return ((x1 - x2) + eps).norm(p, -1, keepdim)


@composite("torch")
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p-norm distances of all pairs of rows of two batches of matrices."""
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    many = max(x1.shape[-2], x2.shape[-2]) > 25 and compute_mode != "donot_use_mm_for_euclid_dist"
    if p == 2 and (many or compute_mode == "use_mm_for_euclid_dist"):
        return _euclidean(x1, x2)
    return (x1.unsqueeze(-2) - x2.unsqueeze(-3)).norm(p, -1)


def _euclidean(x1: Tensor, x2: Tensor) -> Tensor:
    """Distances by |a|^2 - 2 ab + |b|^2: one product of matrices, without the differences of all pairs."""
    squares = [(x * x).sum(-1, keepdim=True) for x in (x1, x2)]
    squared = squares[0] + squares[1].transpose(-1, -2) - 2 * (x1 @ x2.transpose(-1, -2))
    zero = squared <= 0  # rounding goes below; there the distance is 0, and so is its gradient
    return squared.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)


@composite("torch")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances of all pairs of rows, i < j."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    n = input.shape[0]
    rows = [(input[i : i + 1] - input[i + 1 :]).norm(p, -1) for i in range(n - 1)]
    from .joining import cat

    return cat(rows) if rows else input.new_zeros(0)


@composite("torch")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1^T W_k x2 + b_k for each k."""
    o, i, j = weight.shape
    for number, x, expected in ((1, input1, i), (2, input2, j)):
        if x.shape[-1] != expected:
            raise RuntimeError(
                f"bilinear(): input{number} size does not match weight size: got {x.shape[-1]} but expected {expected}"
            )
    y = (input1 @ weight.permute(1, 0, 2).reshape(i, o * j)).reshape(*input1.shape[:-1], o, j)
    y = (y * input2.unsqueeze(-2)).sum(-1)
    return y if bias is None else y + bias


__all__ = [
    "alpha_dropout", "batch_norm", "bilinear", "cdist", "cosine_similarity", "cross_entropy", "dropout", "embedding",
    "feature_alpha_dropout", "feature_dropout", "group_norm", "instance_norm", "layer_norm", "linear", "local_response_norm",
    "log_softmax", "nll_loss", "one_hot", "pairwise_distance", "pdist", "rms_norm", "softmax",
]  # fmt: skip
