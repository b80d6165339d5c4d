"""Under PyTorch's name: what `vmap` needs there to index by numbers that are mapped over, and does not need here."""

from contextlib import nullcontext

__all__ = ["TransformGetItemToIndex"]


class TransformGetItemToIndex(nullcontext):
    """A context in which `x[i]` may have an `i` that `torch.vmap` maps over: it always may.

    >>> import kenaz as torch
    >>> x = torch.arange(6).reshape(2, 3)
    >>> with TransformGetItemToIndex():
    ...     torch.vmap(lambda i, j: x[i, j])(torch.tensor([0, 1]), torch.tensor([2, 1]))
    tensor([2, 4])
    """
