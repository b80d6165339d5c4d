"""Softmax, and the likelihoods that follow it: the classes' probabilities, and what is lost on the right ones."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor, make_tensor
from ..autograd.modes import state as modes
from ..core import dtype as dtypes
from ..core.dtype import scalar_name
from ..core.shape import axis
from ..core.spec import Spec
from ..graph.storage import make_storage
from ..runtime.blocks import by_rows
from .declare import compiled, opaque
from .record import method, public, write_out
from .rowwise import rowwise
from .views import contiguous


def _soft_rule(x: Spec, dim: int) -> tuple:
    if x.dtype.kind < 2:
        raise NotImplementedError(f"\"softmax_lastdim_kernel_impl\" not implemented for '{scalar_name(x.dtype)}'")
    return x.size, x.dtype


def _in_blocks(part: Any) -> Any:
    """A kernel over whole arrays, a few rows at a time where rows are not the last axis but one."""

    def kernel(xp: Any, x: Any, dim: int) -> Any:
        if not x.size or not x.ndim:
            return x.copy() if x.ndim else part(xp, x.reshape(1), 0).reshape(())
        return by_rows(lambda x: part(xp, x, dim), x) if dim % x.ndim else part(xp, x, dim)

    return kernel


def _softmax_part(xp: Any, x: Any, dim: int) -> Any:
    e = x - x.max(dim, keepdims=True)
    xp.exp(e, out=e)
    e /= e.sum(dim, keepdims=True)
    return e


def _log_softmax_part(xp: Any, x: Any, dim: int) -> Any:
    y = x - x.max(dim, keepdims=True)
    y -= xp.log(xp.exp(y).sum(dim, keepdims=True))
    return y


@rowwise(
    "softmax", _soft_rule, "element", "element", kernel=_in_blocks(_softmax_part), cost=8,
    grad=lambda g, y, _x, dim: _softmax_backward(g, y, dim=dim),
)  # fmt: skip
def _softmax(xp: Any, x: Any) -> tuple:
    """e^x over the sum of all e^x; nothing overflows, as the largest x is taken off before. A nan gets into the sum."""
    e = xp.keep(xp.exp(x - xp.peak(x)))
    return (e * (1 / xp.sum(e)),)


@rowwise(
    "log_softmax", _soft_rule, "element", "element", kernel=_in_blocks(_log_softmax_part), cost=8,
    grad=lambda g, y, _x, dim: _log_softmax_grad(g, y, dim),
)  # fmt: skip
def _log_softmax(xp: Any, x: Any) -> tuple:
    """x less the logarithm of the sum of all e^x."""
    shifted = x - xp.peak(x)
    return (shifted - xp.log(xp.sum(xp.exp(shifted))),)


def _like_gradient(g: Spec, y: Spec, dim: int) -> tuple:
    return y.size, y.dtype


def _slope_of_softmax(gg: Tensor, g: Tensor, y: Tensor, dim: int) -> Tensor:
    """d (g - sum(g y)) y / dy, times gg."""
    return gg * (g - (g * y).sum(dim, True)) - g * (gg * y).sum(dim, True)


@rowwise(
    "softmax_backward", _like_gradient, "element element", "element", grad_name="SoftmaxBackwardDataBackward0",
    grad=(
        lambda gg, z, g, y, dim: _softmax_backward(gg, y, dim=dim),
        lambda gg, z, g, y, dim: _slope_of_softmax(gg, g, y, dim),
    ),
)  # fmt: skip
def _softmax_backward(xp: Any, g: Any, y: Any) -> tuple:
    return ((g - xp.sum(g * y)) * y,)


@rowwise(
    "log_softmax_backward", _like_gradient, "element element", "element", cost=8,
    grad_name="LogSoftmaxBackwardDataBackward0",
    grad=(
        lambda gg, z, _g, y, dim: gg - (gg * y.exp()).sum(dim, True),
        lambda gg, z, g, y, dim: -gg * y.exp() * g.sum(dim, True),
    ),
)  # fmt: skip
def _log_softmax_backward(xp: Any, g: Any, y: Any) -> tuple:
    return (g - xp.exp(y) * xp.sum(g),)


def _log_softmax_grad(g: Tensor, y: Tensor, dim: int) -> Tensor:
    found = _through_likelihood(g, y, dim)
    return _log_softmax_backward(g, y, dim=dim) if found is None else found


def _through_likelihood(g: Tensor, y: Tensor, dim: int) -> Tensor | None:
    """The gradient in one step where g is what `nll_loss` has just recorded: zero but for one element in a row.

    Nobody reads g then, and it is never computed.
    """
    node = g._storage.node
    call = node.call
    if modes.enabled or node.value is not None or call.op is not _nll_backward.op or g._spec is not call.out:
        return None
    if call.specs[2] is not bool or dim != min(y.ndim - 1, 1):
        return None
    offsets = node.offsets or (0,) * 4
    slope, target, _, total = (
        make_tensor(make_storage(source), spec, offset) if type(spec) is Spec else None
        for source, spec, offset in zip(node.sources, call.specs, offsets, strict=True)
    )
    attributes = {k: v for k, v in call.attributes.items() if k != "size"}
    return _cross_entropy_backward(y, target, slope, total, dim=dim, **attributes)


@rowwise(
    "cross_entropy_backward",
    lambda y, target, g, total, dim, **_: (y.size, y.dtype),
    "element row row row",
    "element",
    cost=8,
)
def _cross_entropy_backward(
    xp: Any, y: Any, target: Any, g: Any, total: Any, reduction: str, ignore_index: int
) -> tuple:
    """The gradient of `nll_loss` of log probabilities y, with respect to what they are the log_softmax of."""
    slope = g / total if reduction == "mean" else g
    slope = xp.where(target == ignore_index, 0.0, slope)
    p = xp.exp(y)
    return (xp.where(xp.position() == target, p - 1.0, p) * slope,)


def _with_dtype(kernel: Any, name: str) -> Any:
    def function(
        input: Tensor, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3, out: Any = None
    ) -> Tensor:
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


FEW = 1024  # up to so many targets are looked at as a list: amid a training step, NumPy's code for it is never in cache


def _check_targets(call: Any, x: Any, target: Any, weight: Any) -> None:
    """Targets are classes of the input."""
    if target is None:
        return
    n = call.specs[0].size[min(call.specs[0].ndim - 1, 1)]
    if 0 < target.size <= FEW:
        values = target.ravel().tolist()
        if min(values) >= 0 and max(values) < n:
            return
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
    _nll_rule, name="nll_loss", late_errors=_check_targets, native=compiled("picks", "nll_routine"),
    grad=lambda g, y, _x, target, weight, reduction, ignore_index: (
        _nll_backward(
            contiguous(g[0]), target, weight, y[1], size=_x.size, reduction=reduction, ignore_index=ignore_index
        ), None, None
    ),
)  # fmt: skip
def _nll(xp: Any, x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> tuple:
    chosen, w, _ = _picked(xp, x, target, weight, ignore_index)
    losses = xp.where(w == 0, xp.zeros((), x.dtype), -chosen * w)
    total = w.sum(dtype=x.dtype)
    if reduction == "none":
        return losses, total
    return losses.sum() / total if reduction == "mean" else losses.sum(), total


def _nll_backward_rule(
    g: Spec, target: Spec, weight: Any, total: Spec, size: tuple, reduction: str, ignore_index: int
) -> tuple:
    return size, g.dtype


@opaque(
    _nll_backward_rule, name="nll_loss_backward", native=compiled("picks", "nll_back"),
    grad=(
        lambda g, y, _g, target, weight, total, size, reduction, ignore_index: _nll(
            g, target, weight, reduction=reduction, ignore_index=ignore_index)[0],
        lambda g, y, *rest: None, lambda g, y, *rest: None, lambda g, y, *rest: None,
    ),
)  # fmt: skip
def _nll_backward(
    xp: Any, g: Any, target: Any, weight: Any, total: Any, size: tuple, reduction: str, ignore_index: int
) -> Any:
    classes = 1 if len(size) > 1 else 0
    ignored = target == ignore_index
    t = xp.where(ignored, 0, target).astype("int64")
    w = xp.ones(t.shape, g.dtype) if weight is None or isinstance(weight, bool) else weight[t]
    w = xp.where(ignored, xp.zeros((), g.dtype), w)
    values = -(w * g if reduction != "mean" else w * (g / total))
    out = xp.zeros(size, g.dtype)
    xp.put_along_axis(out, xp.expand_dims(t, classes), xp.expand_dims(values, classes), classes)
    return out


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean", ignore_index: int = -100
) -> Tensor:
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


def _soft_cross_entropy(
    logs: Tensor, target: Tensor, weight: Any, reduction: str, smoothing: float, classes: int
) -> Tensor:
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
