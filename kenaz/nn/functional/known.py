"""Values that are computed already: errors in them are raised at the user's line, and nothing has to run for that."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._api import Tensor


def known(tensor: Tensor) -> Any:
    """The values of a tensor that waits for nothing; None where it does, or has no elements.

    >>> known(torch.tensor([3]))
    array([3])
    """
    return tensor._array() if type(tensor._storage.node.value) is np.ndarray and tensor.numel() else None
