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
RESULTS = ["Tensor"]  # what operations give; `set_return_type` as a context puts another on top


class set_return_type:
    """What operations on these tensors give from now on, or in a block: a plain "Tensor", or a "TVTensor".

    >>> with set_return_type("TVTensor"):
    ...     type(Image(torch.zeros(1, 1, 1)) + 1).__name__
    'Image'
    """

    def __init__(self, return_type: str) -> None:
        if return_type.lower() not in ("tensor", "tvtensor"):
            raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
        self.before = RESULTS[-1]
        RESULTS[-1] = "TVTensor" if return_type.lower() == "tvtensor" else "Tensor"

    def __enter__(self) -> None:
        """The block has begun where this was made."""

    def __exit__(self, *exception: Any) -> None:
        RESULTS[-1] = self.before


@classmethod  # type: ignore[misc]  # assigned to classes below
def _plain(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The result of an operation is plain, but for those that give the same values."""
    with DisableTorchFunctionSubclass():
        out = func(*args, **(kwargs or {}))
        if isinstance(out, TVTensor):
            out = out.as_subclass(Tensor)
        keep = RESULTS[-1] == "TVTensor" or getattr(func, "__name__", "") in KEEP
        if keep and args and isinstance(args[0], cls) and isinstance(out, Tensor):
            return wrap(out, like=args[0])
    return out


class TVTensor(Tensor):
    """What these tensors have in common: they are made of anything that makes a tensor."""

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> "TVTensor":
        return as_tensor(data, dtype, device, requires_grad).as_subclass(cls)

    __torch_function__ = _plain

    def with_facts(self, facts: str) -> str:
        """As tensors are printed, and what else is known."""
        return f"{Tensor.__repr__(self)[:-1]}, {facts})"


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

    def __repr__(self, **_: Any) -> str:
        return self.with_facts("")


class Video(TVTensor):
    """Images in time, [..., T, C, H, W]."""

    __torch_function__ = _plain

    def __repr__(self, **_: Any) -> str:
        return self.with_facts("")


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

    What moves boxes cuts them to the image afterwards, unless their `clamping_mode` is None.

    >>> BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(5, 6))
    BoundingBoxes([[1, 2, 3, 4]], format=BoundingBoxFormat.XYXY, canvas_size=(5, 6), clamping_mode=soft)
    """

    __torch_function__ = _plain
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> "BoundingBoxes":
        check_clamping(clamping_mode)
        tensor = as_tensor(data, dtype, device, requires_grad)
        if tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        boxes = (tensor.unsqueeze(0) if tensor.ndim == 1 else tensor).as_subclass(cls)
        boxes.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        boxes.canvas_size = tuple(canvas_size)
        boxes.clamping_mode = clamping_mode
        return boxes

    def __repr__(self, **_: Any) -> str:
        canvas = f"canvas_size={self.canvas_size}, clamping_mode={self.clamping_mode}"
        return self.with_facts(f"format={self.format}, {canvas}")


def check_clamping(mode: str | None) -> None:
    if mode not in (None, "soft", "hard"):
        raise ValueError(f"clamping_mode must be None, hard or soft, got {mode}.")


class KeyPoints(TVTensor):
    """Points (x, y) [..., 2] on an image of `canvas_size` (height, width).

    >>> KeyPoints([[1, 2], [3, 4]], canvas_size=(5, 6)).shape
    torch.Size([2, 2])
    """

    __torch_function__ = _plain
    canvas_size: tuple[int, int]

    def __new__(
        cls,
        data: Any,
        *,
        canvas_size: tuple[int, int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> "KeyPoints":
        tensor = as_tensor(data, dtype, device, requires_grad)
        tensor = tensor.unsqueeze(0) if tensor.ndim == 1 else tensor
        if tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        points = tensor.as_subclass(cls)
        points.canvas_size = tuple(canvas_size)
        return points

    def __repr__(self, **_: Any) -> str:
        return self.with_facts(f"canvas_size={self.canvas_size}")


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A plain tensor as what `like` is, with its format, canvas and clamping, unless others are given.

    >>> wrap(torch.zeros(1, 2, 2), like=Image(torch.ones(1, 2, 2))).__class__.__name__
    'Image'
    """
    if not isinstance(like, TVTensor):
        return wrappee
    out: Any = wrappee.as_subclass(type(like))
    for name in ("format", "canvas_size", "clamping_mode"):
        if hasattr(like, name):
            setattr(out, name, kwargs.get(name, getattr(like, name)))
    return out
