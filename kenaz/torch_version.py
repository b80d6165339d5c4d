"""A version number that is a string and compares as a version."""

import re
from typing import Any


def parts(value: Any) -> tuple[int, ...]:
    """The numbers of a version's release, without zeros at the end.

    >>> parts("2.13.0+cpu"), parts((2, 1)), parts("2.0rc1")
    ((2, 13), (2, 1), (2,))
    """
    if isinstance(value, tuple | list):
        value = ".".join(str(part) for part in value)
    match = re.match(r"\s*v?(\d+(?:\.\d+)*)", str(value))
    if match is None:
        raise ValueError(f"Invalid version: '{value}'")
    numbers = [int(part) for part in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


class TorchVersion(str):
    """A string that compares as a version, with strings, tuples and other versions.

    >>> TorchVersion("2.13.0") > "2.9", TorchVersion("2.13.0") >= (2, 13), TorchVersion("2.13.0")
    (True, True, '2.13.0')
    """

    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return parts(self) < parts(other)

    def __le__(self, other: Any) -> bool:
        return parts(self) <= parts(other)

    def __gt__(self, other: Any) -> bool:
        return parts(self) > parts(other)

    def __ge__(self, other: Any) -> bool:
        return parts(self) >= parts(other)

    def __eq__(self, other: Any) -> bool:
        try:
            return parts(self) == parts(other)
        except ValueError:
            return False

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = str.__hash__
