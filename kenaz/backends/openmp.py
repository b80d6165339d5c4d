"""OpenMP: not part of this build, whose threads are its own."""


def is_available() -> bool:
    return False
