"""Pictures of many images."""

from typing import Any

from .. import _api as torch

Tensor = torch.Tensor


def as_batch(tensor: Any) -> Tensor:
    """Images as [B, C, H, W], gray ones in three channels."""
    if isinstance(tensor, list) and all(isinstance(t, Tensor) for t in tensor):
        tensor = torch.stack(tensor, dim=0)
    if not isinstance(tensor, Tensor):
        bad = next((t for t in tensor if not isinstance(t, Tensor)), None) if isinstance(tensor, list) else None
        found = f"a list containing {type(bad)}" if isinstance(tensor, list) else str(type(tensor))
        raise TypeError(f"tensor or list of tensors expected, got {found}")
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 4 and tensor.size(1) == 1:
        tensor = torch.cat((tensor, tensor, tensor), 1)
    return tensor


def rescaled(images: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    """The images with `value_range`, or their own range, spread over [0, 1]."""
    low, high = value_range if value_range is not None else (float(images.min()), float(images.max()))
    return images.clamp(low, high).sub(low).div(max(high - low, 1e-5))


@torch.no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """One image [C, H, W] of many, `nrow` in a row.

    >>> make_grid(torch.ones(3, 1, 1, 1), nrow=2, padding=1)[0]
    tensor([[0., 0., 0., 0., 0.],
            [0., 1., 0., 1., 0.],
            [0., 0., 0., 0., 0.],
            [0., 1., 0., 0., 0.],
            [0., 0., 0., 0., 0.]])
    """
    images = as_batch(tensor)
    if normalize is True:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        if scale_each is True:
            images = torch.stack([rescaled(image, value_range) for image in images])
        else:
            images = rescaled(images, value_range)
    count, channels, height, width = images.shape
    if count == 1:
        return images.squeeze(0)
    columns = min(nrow, count)
    rows = -(-count // columns)
    height, width = height + padding, width + padding
    grid = images.new_full((channels, rows * height + padding, columns * width + padding), pad_value)
    for k in range(count):
        top, left = k // columns * height + padding, k % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = images[k]
    return grid


@torch.no_grad()
def save_image(tensor: Tensor | list[Tensor], fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Writes an image, or the grid of a batch of images, to a file; `kwargs` are `make_grid`'s."""
    from PIL import Image

    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    Image.fromarray(pixels).save(fp, format=format)
