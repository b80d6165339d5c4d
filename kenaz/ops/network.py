"""What networks are made of beyond products and convolutions: softmax, cross entropy, embeddings, distances.

Normalizations are in `normalization.py`; both are reached through this module's names.
"""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ..core import dtype as dtypes
from ..core.dtype import scalar_name
from ..core.shape import axis
from ..core.spec import Spec
from ..runtime.blocks import by_rows
from .declare import opaque
from .normalization import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from .products import linear
from .record import composite, layouts, method, public, write_out
from .sampling import alpha_dropout, dropout, feature_alpha_dropout, feature_dropout


# --------------------------------------------------------------------------------------------------------------- softmax
def _soft_rule(x: Spec, dim: int) -> tuple:
    if x.dtype.kind < 2:
        raise NotImplementedError(f'"softmax_lastdim_kernel_impl" not implemented for \'{scalar_name(x.dtype)}\'')
    return x.size, x.dtype


@opaque(_soft_rule, grad=lambda g, y, _x, dim: (g - (g * y).sum(dim, True)) * y, name="softmax")
def _softmax(xp: Any, x: Any, dim: int) -> Any:
    if not x.size:
        return x.copy()
    if not x.ndim:
        return xp.ones_like(x)

    def part(x: Any) -> Any:
        e = x - x.max(dim, keepdims=True)
        xp.exp(e, out=e)
        e /= e.sum(dim, keepdims=True)
        return e

    return by_rows(part, x) if dim % x.ndim else part(x)


@opaque(_soft_rule, grad=lambda g, y, _x, dim: g - y.exp() * g.sum(dim, True), name="log_softmax")
def _log_softmax(xp: Any, x: Any, dim: int) -> Any:
    if not x.size:
        return x.copy()
    if not x.ndim:
        return xp.zeros_like(x)

    def part(x: Any) -> Any:
        y = x - x.max(dim, keepdims=True)
        y -= xp.log(xp.exp(y).sum(dim, keepdims=True))
        return y

    return by_rows(part, x) if dim % x.ndim else part(x)


def _with_dtype(kernel: Any, name: str) -> Any:
    def function(input: Tensor, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3, out: Any = None) -> Tensor:
        if dtype is not None:
            input = input.to(dtype)
        if dim is None:
            dim = 0 if input.ndim in (0, 1, 3) else 1
        result = kernel(input, dim=axis(dim, input.ndim))
        return result if out is None else write_out(result, out, name)

    function.__name__ = name
    function.__doc__ = f"The {name.replace('_', ' ')} over one axis, whose exponentials sum to one."
    public(function)
    method(name, function)
    return function


softmax, log_softmax = _with_dtype(_softmax, "softmax"), _with_dtype(_log_softmax, "log_softmax")


# ------------------------------------------------------------------------------------------------------------ likelihoods
def _nll_rule(x: Spec, target: Spec, weight: Any, reduction: str, ignore_index: int) -> list:
    if x.ndim < 1 or x.ndim > 2 and target.ndim != x.ndim - 1:
        raise RuntimeError("input tensor should be 1D or 2D")
    batch = x.size[:1] + x.size[2:] if x.ndim > 1 else ()
    if x.ndim == 2 and target.ndim != 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if tuple(target.size) != tuple(batch):
        if x.ndim <= 2:
            raise RuntimeError(
                f"size mismatch (got input: {list(x.size)}, target: {list(target.size)})"
                if x.ndim == 2
                else f"size mismatch (got input: {list(x.size)}, target: {list(target.size)})"
            )
        raise RuntimeError(f"size mismatch (got input: {list(x.size)}, target: {list(target.size)})")
    if target.dtype not in (dtypes.int64, dtypes.uint8, dtypes.int32):
        raise RuntimeError(f"expected scalar type Long but found {scalar_name(target.dtype)}")
    return [(batch if reduction == "none" else (), x.dtype), ((), x.dtype)]


def _check_targets(call: Any, x: Any, target: Any, weight: Any) -> None:
    """Targets are classes of the input."""
    if target is None:
        return
    n = call.specs[0].size[min(call.specs[0].ndim - 1, 1)]
    bad = (target != call.attributes["ignore_index"]) & ((target < 0) | (target >= n))
    if bad.any():
        raise IndexError(f"Target {int(target[bad].reshape(-1)[0])} is out of bounds.")


def _picked(xp: Any, x: Any, target: Any, weight: Any, ignore_index: int) -> tuple:
    """The elements that the targets name, their weights, and the targets with ignored ones made 0."""
    classes = 1 if x.ndim > 1 else 0
    n = x.shape[classes]
    ignored = target == ignore_index
    bad = (~ignored) & ((target < 0) | (target >= n))
    if bad.any():
        raise IndexError(f"Target {int(target[bad].reshape(-1)[0])} is out of bounds.")
    t = xp.where(ignored, 0, target).astype("int64")
    chosen = xp.take_along_axis(x, xp.expand_dims(t, classes), classes).squeeze(classes)
    w = xp.ones(t.shape, x.dtype) if weight is None or isinstance(weight, bool) else weight[t]
    return chosen, xp.where(ignored, xp.zeros((), x.dtype), w), t


@opaque(
    _nll_rule, name="nll_loss", late_errors=_check_targets,
    grad=lambda g, y, _x, target, weight, reduction, ignore_index: (
        _nll_backward(g[0], target, weight, y[1], size=_x.size, reduction=reduction, ignore_index=ignore_index), None, None
    ),
)  # fmt: skip
def _nll(xp: Any, x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> tuple:
    chosen, w, _ = _picked(xp, x, target, weight, ignore_index)
    losses = xp.where(w == 0, xp.zeros((), x.dtype), -chosen * w)
    total = w.sum(dtype=x.dtype)
    if reduction == "none":
        return losses, total
    return losses.sum() / total if reduction == "mean" else losses.sum(), total


def _nll_backward_rule(g: Spec, target: Spec, weight: Any, total: Spec, size: tuple, reduction: str, ignore_index: int) -> tuple:
    return size, g.dtype


@opaque(
    _nll_backward_rule, name="nll_loss_backward",
    grad=(
        lambda g, y, _g, target, weight, total, size, reduction, ignore_index: _nll(
            g, target, weight, reduction=reduction, ignore_index=ignore_index)[0],
        lambda g, y, *rest: None, lambda g, y, *rest: None, lambda g, y, *rest: None,
    ),
)  # fmt: skip
def _nll_backward(xp: Any, g: Any, target: Any, weight: Any, total: Any, size: tuple, reduction: str, ignore_index: int) -> Any:
    classes = 1 if len(size) > 1 else 0
    ignored = target == ignore_index
    t = xp.where(ignored, 0, target).astype("int64")
    w = xp.ones(t.shape, g.dtype) if weight is None or isinstance(weight, bool) else weight[t]
    w = xp.where(ignored, xp.zeros((), g.dtype), w)
    values = -(w * g if reduction != "mean" else w * (g / total))
    out = xp.zeros(size, g.dtype)
    xp.put_along_axis(out, xp.expand_dims(t, classes), xp.expand_dims(values, classes), classes)
    return out


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean", ignore_index: int = -100) -> Tensor:
    """The negative of the elements that `target` names along axis 1, averaged with `weight` per class."""
    weighted = False if weight is None else weight
    return _nll(input, target, weighted, reduction=reduction, ignore_index=ignore_index)[0]


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean", ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """-log softmax(input) at the targets; `target` holds classes, or a probability for each class."""
    classes = 1 if input.ndim > 1 else 0
    logs = log_softmax(input, classes)
    if target.shape == input.shape and target.dtype.kind >= 2:
        return _soft_cross_entropy(logs, target, weight, reduction, label_smoothing, classes)
    loss = nll_loss(logs, target, weight, reduction, ignore_index)
    if label_smoothing == 0.0:
        return loss
    return _smoothed(loss, logs, target, weight, reduction, ignore_index, label_smoothing, classes)


def _per_class(weight: Tensor, logs: Tensor, classes: int) -> Tensor:
    return weight.view([-1 if i == classes else 1 for i in range(logs.ndim)])


def _soft_cross_entropy(logs: Tensor, target: Tensor, weight: Any, reduction: str, smoothing: float, classes: int) -> Tensor:
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / logs.shape[classes]
    products = logs * target
    if weight is not None:
        products = products * _per_class(weight, logs, classes)
    if reduction == "none":
        return -products.sum(classes)
    n = logs.numel() // logs.shape[classes]
    return -products.sum() / n if reduction == "mean" else -products.sum()


def _smoothed(
    loss: Tensor, logs: Tensor, target: Tensor, weight: Any, reduction: str, ignore_index: int, smoothing: float, classes: int
) -> Tensor:  # fmt: skip
    """A share `smoothing` of the loss comes from all classes alike: Szegedy et al. (2016)."""
    weighted = logs if weight is None else logs * _per_class(weight, logs, classes)
    smooth = -weighted.sum(classes)
    ignored = target == ignore_index
    smooth = smooth.masked_fill(ignored, 0.0)
    if reduction == "sum":
        smooth = smooth.sum()
    elif reduction == "mean":
        if weight is None:
            smooth = smooth.sum() / (~ignored).sum()
        else:
            smooth = smooth.sum() / weight[target.masked_fill(ignored, 0)].masked_fill(ignored, 0).sum()
    return loss * (1 - smoothing) + smooth * (smoothing / logs.shape[classes])


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
    if indices is not None and indices.size and (indices.min() < 0 or indices.max() >= call.specs[0].size[0]):
        raise IndexError("index out of range in self")


@opaque(
    _embedding_rule, name="embedding", late_errors=_check_rows, halves=True,
    grad=lambda g, y, _weight, indices, padding_idx, scale: (
        _embedding_backward(g, indices, rows=_weight.size[0], padding_idx=padding_idx, scale=scale), None
    ),
)  # fmt: skip
def _embedding(xp: Any, weight: Any, indices: Any, padding_idx: int, scale: bool) -> Any:
    if indices.size and (indices.min() < 0 or indices.max() >= len(weight)):
        raise IndexError("index out of range in self")
    return weight.take(indices, 0)


@opaque(
    lambda g, indices, rows, padding_idx, scale: ((rows, g.size[-1]), g.dtype), name="embedding_backward",
    grad=(lambda g, y, _g, indices, rows, padding_idx, scale: _embedding(g, indices, padding_idx=-1, scale=False), lambda g, y, *rest: None),
)  # fmt: skip
def _embedding_backward(xp: Any, g: Any, indices: Any, rows: int, padding_idx: int, scale: bool) -> Any:
    """The rows of `g` summed where their indices say; the padding row gets none."""
    flat, values = indices.reshape(-1), g.reshape(-1, g.shape[-1])
    keep = flat != padding_idx
    if not keep.all():
        flat, values = flat[keep], values[keep]
    out = xp.zeros((rows, g.shape[-1]), g.dtype)
    if scale and len(flat):
        values = values / xp.bincount(flat, minlength=rows)[flat][:, None].astype(g.dtype)
    xp.scatter_rows(out, flat, values)
    return out


def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """The rows of `weight` that `indices` name; the row `padding_idx` receives no gradient.

    With `sparse` the gradient has only the rows that were asked for.
    """
    padding_idx = -1 if padding_idx is None else padding_idx
    if sparse:
        if scale_grad_by_freq:
            raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
        return _sparse_embedding(weight, indices, padding_idx=padding_idx)
    return _embedding(weight, indices, padding_idx=padding_idx, scale=bool(scale_grad_by_freq))


@opaque(
    lambda weight, indices, padding_idx: _embedding_rule(weight, indices, padding_idx, False), name="embedding_sparse",
    late_errors=_check_rows, halves=True, grad_name="EmbeddingBackward0",
    grad=lambda g, y, _weight, indices, padding_idx: (_sparse_rows(g, indices, _weight, padding_idx), None),
)  # fmt: skip
def _sparse_embedding(xp: Any, weight: Any, indices: Any, padding_idx: int) -> Any:
    return weight.take(indices, 0)


def _sparse_rows(g: Tensor, indices: Tensor, weight: Spec, padding_idx: int) -> Tensor:
    """The gradient of a table of which some rows were read: those rows, as often as they were."""
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
    return (x1.unsqueeze(-2) - x2.unsqueeze(-3)).norm(p, -1)


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
