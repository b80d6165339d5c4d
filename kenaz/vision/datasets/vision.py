"""What data sets of images have in common."""

import os
from collections.abc import Callable
from typing import Any

from ...utils.data import Dataset


def indented(head: str, value: Any) -> list[str]:
    """The lines of a repr after a heading, aligned under its first line."""
    first, *rest = repr(value).splitlines()
    return [head + first, *(" " * len(head) + line for line in rest)]


class StandardTransform:
    """A transform for the input and one for the target, as one for both."""

    def __init__(self, transform: Callable | None = None, target_transform: Callable | None = None) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        if self.transform is not None:
            lines += indented("Transform: ", self.transform)
        if self.target_transform is not None:
            lines += indented("Target transform: ", self.target_transform)
        return "\n".join(lines)


class VisionDataset(Dataset):
    """A data set in a folder, with transforms: one for input and target together, or one for each."""

    _repr_indent = 4

    def __init__(
        self,
        root: Any = None,
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        if transform is not None or target_transform is not None:
            if transforms is not None:
                raise ValueError("Only transforms or transform/target_transform can be passed as argument")
            transforms = StandardTransform(transform, target_transform)
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = transforms

    def transformed(self, input: Any, target: Any) -> tuple[Any, Any]:
        """The sample after this data set's separate transforms."""
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} does not define __len__")

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *(" " * self._repr_indent + line for line in body)])

    def extra_repr(self) -> str:
        return ""
