"""Several processes: not part of this build, which says so the way a PyTorch built without it does."""


def is_available() -> bool:
    """Whether the distributed package can be used: never in this build."""
    return False


def is_initialized() -> bool:
    return False
