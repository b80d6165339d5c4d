"""The fast path of attention layers in evaluation: a switch that is kept; here every call is compiled."""

_is_fastpath_enabled = True


def get_fastpath_enabled() -> bool:
    """What `set_fastpath_enabled` has set."""
    return _is_fastpath_enabled


def set_fastpath_enabled(value: bool) -> None:
    """Switch the fast path on or off."""
    global _is_fastpath_enabled
    _is_fastpath_enabled = value
