"""Decorators of functions that would write operators for an exporter."""

from __future__ import annotations

import functools
from collections.abc import Callable

__all__ = ["cast_pytorch_to_onnx", "parse_args"]

cast_pytorch_to_onnx = {
    "Byte": 2, "Char": 3, "Double": 11, "Float": 1, "Half": 10, "Int": 6, "Long": 7, "Short": 5, "Bool": 9,
    "ComplexFloat": 14, "ComplexDouble": 15, "BFloat16": 16, "Undefined": 0,
}  # fmt: skip


def parse_args(*arg_descriptors: str) -> Callable:
    """A decorator that says of which kind arguments are ("v": a value, "i": a number ...), and checks how many come."""

    def enter(fn: Callable) -> Callable:
        fn._arg_descriptors = arg_descriptors  # type: ignore[attr-defined]  # a mark

        @functools.wraps(fn)
        def checked(g: object, *args: object, **kwargs: object) -> object:
            if len(arg_descriptors) < len(args):
                raise AssertionError(
                    f"A mismatch between the number of arguments ({len(args)}) and their descriptors "
                    f"({len(arg_descriptors)}) was found at symbolic function '{fn.__name__}'."
                )
            return fn(g, *args, **kwargs)

        return checked

    return enter
