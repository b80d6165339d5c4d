"""oneDNN: not part of this build; the switches can be set and are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

enabled = True
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    return False


@contextmanager
def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True) -> Iterator[None]:
    """Sets the switches inside `with`.

    >>> with flags():
    ...     torch.backends.mkldnn.enabled
    False
    """
    switches = dict(enabled=enabled, deterministic=deterministic, allow_tf32=allow_tf32)
    before = {name: globals()[name] for name in switches}
    globals().update(switches)
    try:
        yield
    finally:
        globals().update(before)
