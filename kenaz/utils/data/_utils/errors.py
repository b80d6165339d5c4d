"""An exception of a worker on its way to the loader's process."""

from __future__ import annotations

import sys
import traceback


class KeyErrorMessage(str):
    """A text that shows its line breaks inside a KeyError, which prints the repr of its argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """Type and traceback of an exception, as text that any process can read.

    A traceback object cannot be sent, and keeping it would keep every frame's variables alive.
    """

    def __init__(self, exc_info: tuple | None = None, where: str = "in background") -> None:
        exc_type, exc, tb = exc_info or sys.exc_info()
        self.exc_type = exc_type
        self.exc_msg = "".join(traceback.format_exception(exc_type, exc, tb))
        self.where = where

    def reraise(self) -> None:
        """Raise an exception of the original type whose message is the original traceback."""
        message = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            raise KeyError(KeyErrorMessage(message))
        if getattr(self.exc_type, "message", None):
            raise self.exc_type(message=message)
        try:
            exception = self.exc_type(message)
        except Exception:  # a constructor that wants something else
            raise RuntimeError(message) from None
        raise exception
