"""Softmax over many classes of very different frequency: rare classes live in clusters with fewer dimensions."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence

from .. import _api as torch
from .._api import Tensor
from . import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of the targets and their mean loss, classes sorted by frequency and cut at `cutoffs`.

    The head scores the classes before the first cutoff and one entry for each cluster after it.

    >>> AdaptiveLogSoftmaxWithLoss(16, 10, [2, 5])(torch.ones(3, 16), torch.tensor([0, 3, 9])).output.shape
    torch.Size([3])
    """

    in_features: int
    n_classes: int
    cutoffs: list[int]
    div_value: float
    head_bias: bool
    head: Module
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(cut) != cut for cut in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, device=device, dtype=dtype),
                    Linear(width, size, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        self.head.reset_parameters()
        for inner, outer in self.tail:  # type: ignore[attr-defined]  # Sequential is iterable
            inner.reset_parameters()
            outer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        ndim = target_.dim()
        if ndim == 1:
            if input_.shape[0] != target_.shape[0]:
                raise RuntimeError("Input and target should have the same size in the batch dimension.")
            if input_.dim() != 2:
                raise RuntimeError(
                    f"1D target tensor expects 2D input tensors, but found inputs with size {input_.shape}"
                )
        elif ndim == 0:
            if input_.dim() != 1:
                raise RuntimeError(
                    f"0D target tensor expects 1D input tensors, but found inputs with size {input_.shape}"
                )
        else:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        input, target = (input_, target_) if ndim else (input_.unsqueeze(0), target_.unsqueeze(0))

        used = 0
        output = input.new_zeros(target.size(0))
        head_indices = torch.empty_like(target)
        bounds = [0, *self.cutoffs]
        for i, (low, high) in enumerate(zip(bounds, bounds[1:])):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            if i == 0:
                head_indices.index_copy_(0, rows, target[rows])
            else:
                scores = F.log_softmax(self.tail[i - 1](input.index_select(0, rows)), dim=1)
                relative = (target[rows] - low).unsqueeze(1)
                head_indices.index_fill_(0, rows, self.shortlist_size + i - 1)
                output.index_copy_(0, rows, scores.gather(1, relative).squeeze(1))
            used += rows.numel()
        if used != target.numel():
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], "
                f"but values in range [{target.min().item()}, {target.max().item()}] were found. "
            )
        head_scores = F.log_softmax(self.head(input), dim=1)
        output = output + head_scores.gather(1, head_indices.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if ndim else output.squeeze(0), loss)

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        """The log-probabilities of all classes, given what the head says."""
        head_scores = F.log_softmax(head_output, dim=1)
        parts = [head_scores[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            cluster_scores = F.log_softmax(cluster(input), dim=1)
            parts.append(cluster_scores + head_scores[:, self.shortlist_size + i].unsqueeze(1))
        return torch.cat(parts, dim=1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities (N, n_classes) of all classes."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row; clusters are only looked into where the head points to one.

        >>> AdaptiveLogSoftmaxWithLoss(16, 10, [2, 5]).predict(torch.ones(3, 16)).shape
        torch.Size([3])
        """
        head_output = self.head(input)
        output = head_output.argmax(dim=1)
        in_tail = output >= self.shortlist_size
        if not in_tail.any():
            return output
        if in_tail.all():
            return self._get_full_log_prob(input, head_output).argmax(dim=1)
        full = self._get_full_log_prob(input[in_tail], head_output[in_tail])
        output[in_tail] = full.argmax(dim=1)
        return output
