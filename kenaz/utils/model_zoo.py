"""Files of weights from the network, under their name of old."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

__all__ = ["load_url", "tqdm"]


def load_url(url: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """As `torch.hub.load_state_dict_from_url`."""
    from importlib import import_module  # hub is built over this package

    return import_module(f"{__package__.partition('.')[0]}.hub").load_state_dict_from_url(url, *args, **kwargs)
