"""Functions between processes that gradients flow through: without a group they raise ValueError."""

from .. import ReduceOp, _needs_a_group, group

_NAMES = (
    "all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "reduce",
    "reduce_scatter", "scatter",
)  # fmt: skip
globals().update({name: _needs_a_group(name) for name in _NAMES})
__all__ = [*_NAMES, "ReduceOp", "group"]
