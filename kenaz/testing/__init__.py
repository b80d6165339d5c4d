"""For tests: `assert_close` compares, `make_tensor` makes something to compare."""

from .comparison import assert_allclose, assert_close
from .creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
