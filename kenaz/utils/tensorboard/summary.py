"""Summaries by themselves (`torch.utils.tensorboard.summary`), for loggers that write them with `add_summary`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import contents, records

__all__ = ["Summary", "audio", "custom_scalars", "hparams", "histogram", "histogram_raw", "image", "pr_curve",
           "pr_curve_raw", "scalar", "tensor_proto", "text", "video"]  # fmt: skip


class Summary(bytes):
    """A Summary as it stands in an event file; TensorBoard's own class reads it with `FromString`."""

    def SerializeToString(self) -> bytes:
        """The bytes, under the name that protocol buffers give them."""
        return bytes(self)


def _alone(content: Callable[..., bytes]) -> Callable[..., Summary]:
    """A function that gives a Summary with one value."""

    def function(*args: Any, **kwargs: Any) -> Summary:
        return Summary(records.summary([content(*args, **kwargs)]))

    function.__name__ = function.__qualname__ = content.__name__
    function.__doc__ = content.__doc__
    return function


audio = _alone(contents.audio)
custom_scalars = _alone(contents.custom_scalars)
histogram = _alone(contents.histogram)
histogram_raw = _alone(contents.histogram_raw)
image = _alone(contents.image)
pr_curve = _alone(contents.pr_curve)
pr_curve_raw = _alone(contents.pr_curve_raw)
scalar = _alone(contents.scalar)
text = _alone(contents.text)
video = _alone(contents.video)
tensor_proto = _alone(contents.tensor)


def hparams(
    hparam_dict: dict[str, Any], metric_dict: dict[str, Any], hparam_domain_discrete: dict | None = None
) -> tuple[Summary, Summary, Summary]:
    """What describes a run's settings: the experiment, the start of the session and its end.

    >>> [type(part).__name__ for part in hparams({"lr": 0.1}, {"loss": 0.5})]
    ['Summary', 'Summary', 'Summary']
    """
    first, second, third = contents.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
    return Summary(records.summary([first])), Summary(records.summary([second])), Summary(records.summary([third]))
