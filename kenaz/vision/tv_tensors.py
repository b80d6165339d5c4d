"""Tensors that know what they are: an image, a mask, boxes. `transforms.v2` treats each as it must be.

What an operation gives is a plain tensor; `wrap` makes it one of these again. Each class names `_plain` itself: a
subclass inside Kenaz is asked only if it does.
"""

from enum import Enum
from typing import Any

from .. import _api as torch
from ..ops.subclasses import DisableTorchFunctionSubclass

Tensor = torch.Tensor


KEEP = {"clone", "to", "detach", "requires_grad_"}


@classmethod  # type: ignore[misc]  # assigned to classes below
def _plain(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The result of an operation is plain, but for those that give the same values."""
    with DisableTorchFunctionSubclass():
        out = func(*args, **(kwargs or {}))
        if isinstance(out, TVTensor):
            out = out.as_subclass(Tensor)
        if getattr(func, "__name__", "") in KEEP and isinstance(args[0], cls) and isinstance(out, Tensor):
            return wrap(out, like=args[0])
    return out


class TVTensor(Tensor):
    """What these tensors have in common: they are made of anything that makes a tensor."""

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> "TVTensor":
        return as_tensor(data, dtype, device, requires_grad).as_subclass(cls)

    __torch_function__ = _plain

    def __repr__(self, **_: Any) -> str:
        return f"{type(self).__name__}({self.as_subclass(Tensor)!r})"


def as_tensor(data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> Tensor:
    if requires_grad is None:
        requires_grad = data.requires_grad if isinstance(data, Tensor) else False
    return torch.as_tensor(data, dtype=dtype, device=device).requires_grad_(requires_grad)


class Image(TVTensor):
    """An image [..., C, H, W]; a Pillow image is taken too.

    >>> Image(torch.zeros(2, 2)).shape
    torch.Size([1, 2, 2])
    """

    __torch_function__ = _plain

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> "Image":
        if hasattr(data, "getbands"):  # Pillow's
            from .transforms.functional import pil_to_tensor

            data = pil_to_tensor(data)
        tensor = as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError
        return (tensor.unsqueeze(0) if tensor.ndim == 2 else tensor).as_subclass(cls)


class Video(TVTensor):
    """Images in time, [..., T, C, H, W]."""

    __torch_function__ = _plain


class Mask(TVTensor):
    """A class, or yes or no, for each pixel: [..., H, W]."""

    __torch_function__ = _plain


class BoundingBoxFormat(Enum):
    """What the four numbers of a box are: two corners, a corner and the size, or the middle and the size."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


class BoundingBoxes(TVTensor):
    """Boxes [N, 4] on an image of `canvas_size` (height, width).

    >>> BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(5, 6))
    BoundingBoxes([[1, 2, 3, 4]], format=BoundingBoxFormat.XYXY, canvas_size=(5, 6))
    """

    __torch_function__ = _plain
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> "BoundingBoxes":
        tensor = as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        boxes = (tensor.unsqueeze(0) if tensor.ndim == 1 else tensor).as_subclass(cls)
        boxes.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        boxes.canvas_size = tuple(canvas_size)
        return boxes

    def __repr__(self, **_: Any) -> str:
        shown = repr(self.as_subclass(Tensor)).removeprefix("tensor(").removesuffix(")")
        return f"{type(self).__name__}({shown}, format={self.format}, canvas_size={self.canvas_size})"


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A plain tensor as what `like` is, with its format and canvas, unless others are given.

    >>> wrap(torch.zeros(1, 2, 2), like=Image(torch.ones(1, 2, 2))).__class__.__name__
    'Image'
    """
    if not isinstance(like, TVTensor):
        return wrappee
    out: Any = wrappee.as_subclass(type(like))
    if isinstance(like, BoundingBoxes):
        out.format = kwargs.get("format", like.format)
        out.canvas_size = kwargs.get("canvas_size", like.canvas_size)
    return out
