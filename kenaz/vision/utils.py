"""Pictures of many images, and boxes, masks and points on one."""

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


# --- drawing on images ------------------------------------------------------------------------------------------------

Color = str | tuple[int, int, int]


def palette(count: int) -> list[tuple[int, int, int]]:
    """Colors that are easily told apart.

    >>> palette(3)
    [(0, 0, 0), (1, 127, 31), (2, 254, 62)]
    """
    # multiples of one color: no two of them are near each other for a long time
    step = (2**25 - 1, 2**15 - 1, 2**21 - 1)
    return [tuple((i * s) % 255 for s in step) for i in range(count)]  # type: ignore[misc]  # three each


def colors_of(colors: Any, count: int) -> list[tuple[int, ...]]:
    """A color for each of `count` things: one for all, a list, or the palette."""
    from PIL import ImageColor

    if colors is None:
        chosen: list[Any] = palette(count)
    elif isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                f"Number of colors must be equal or larger than the number of objects, but got {len(colors)} < {count}."
            )
        chosen = colors
    elif isinstance(colors, str | tuple):
        chosen = [colors] * count
    else:
        raise ValueError(f"`colors` must be a tuple or a string, or a list thereof, but got {colors}.")
    return [ImageColor.getrgb(c) if isinstance(c, str) else tuple(c) for c in chosen]


def check_drawable(image: Any) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"The image must be a tensor, got {type(image)}")
    if not (image.dtype == torch.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in (1, 3):
        raise ValueError("Only grayscale and RGB images are supported")


def as_bytes(image: Tensor) -> Tensor:
    """The image in three channels of bytes; floating values count from 0 to 1."""
    from .transforms.functional import convert_image_dtype

    image = image if image.dtype == torch.uint8 else convert_image_dtype(image.clamp(0, 1), torch.uint8)
    return image.expand(3, -1, -1) if image.size(0) == 1 else image


def like_before(drawn: Tensor, image: Tensor) -> Tensor:
    from .transforms.functional import convert_image_dtype

    return drawn if image.dtype == torch.uint8 else convert_image_dtype(drawn, image.dtype)


@torch.no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str | None] | None = None,
    colors: list[Color] | Color | None = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: list[Color] | Color | None = None,
) -> Tensor:
    """The image [1 or 3, H, W] with the outlines, and labels, of boxes [N, 4] (x1, y1, x2, y2) on it.

    >>> draw_bounding_boxes(torch.zeros(3, 4, 4, dtype=torch.uint8), torch.tensor([[0, 0, 2, 3]]), colors="white")[0]
    tensor([[255, 255, 255,   0],
            [255,   0, 255,   0],
            [255,   0, 255,   0],
            [255, 255, 255,   0]], dtype=torch.uint8)
    """
    from PIL import ImageDraw, ImageFont

    from .transforms.functional import pil_to_tensor, to_pil_image

    check_drawable(image)
    if (boxes[:, 0] > boxes[:, 2]).any() or (boxes[:, 1] > boxes[:, 3]).any():
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert to convert them"
        )
    count = boxes.size(0)
    if count == 0:
        return image
    names = [None] * count if labels is None else labels
    if len(names) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(names)}) mismatch. Please specify labels for each box."
        )
    outlines = colors_of(colors, count)
    texts = colors_of(label_colors, count) if label_colors is not None else outlines
    lettering = ImageFont.load_default() if font is None else ImageFont.truetype(font, font_size or 10)
    picture = to_pil_image(as_bytes(image))
    draw = ImageDraw.Draw(picture, "RGBA" if fill else None)
    for box, color, label, text in zip(boxes.to(torch.int64).tolist(), outlines, names, texts):
        draw.rectangle(box, width=width, outline=color, fill=(*color, 100) if fill else None)
        if label is not None:
            draw.text((box[0] + width, box[1] + width), label, fill=text, font=lettering)
    return like_before(pil_to_tensor(picture), image)


@torch.no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: list[Color] | Color | None = None
) -> Tensor:
    """The image [3, H, W] with masks [N, H, W] or [H, W] of booleans in color over it; alpha 0 shows the image alone.

    >>> image, mask = torch.zeros(3, 1, 2, dtype=torch.uint8), torch.tensor([[True, False]])
    >>> draw_segmentation_masks(image, mask, alpha=0.5, colors="white")[0]
    tensor([[127,   0]], dtype=torch.uint8)
    """
    check_drawable(image)
    if image.size(0) != 3:
        raise ValueError("Pass an RGB image. Other Image formats are not supported")
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != torch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    whole = image.dtype == torch.uint8
    painted = image.clone()
    for mask, color in zip(masks, colors_of(colors, masks.size(0))):
        paint = torch.tensor(color, dtype=torch.uint8) if whole else torch.tensor(color) / 255
        painted = torch.where(mask, paint.to(image.dtype)[:, None, None], painted)
    painted = torch.where(masks.sum(0) > 1, torch.zeros_like(painted), painted)  # where masks overlap, black
    mixed = image * (1 - alpha) + painted * alpha
    return torch.where(masks.any(0), mixed.to(image.dtype), image)


@torch.no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: Color | None = None,
    radius: int = 2,
    width: int = 3,
) -> Tensor:
    """The image with points [N, K, 2] of (x, y) on it, and lines between those that `connectivity` names.

    >>> image = torch.zeros(3, 5, 5, dtype=torch.uint8)
    >>> draw_keypoints(image, torch.tensor([[[2, 2]]]), radius=1, colors="red")[0, 2]
    tensor([  0, 255, 255, 255,   0], dtype=torch.uint8)
    """
    from PIL import ImageDraw

    from .transforms.functional import pil_to_tensor, to_pil_image

    check_drawable(image)
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    color = colors_of(colors, 1)[0] if colors is not None else (255, 255, 255)
    picture = to_pil_image(as_bytes(image))
    draw = ImageDraw.Draw(picture)
    for points in keypoints.to(torch.int64).tolist():
        for x, y in points:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color, outline=None, width=0)
        for start, end in connectivity or []:
            draw.line((tuple(points[start]), tuple(points[end])), width=width)
    return like_before(pil_to_tensor(picture), image)


# around the circle of directions: steps from a color to the next, which channel changes, and whether it grows
WHEEL = [(15, 1, True), (6, 0, False), (4, 2, True), (11, 1, False), (13, 0, True), (6, 2, False)]


def color_wheel() -> Tensor:
    """[55, 3], from 0 to 255: red, yellow, green, cyan, blue, magenta, and what is between (Baker and others, 2011)."""
    colors, color = [], [255.0, 0.0, 0.0]
    for steps, channel, grows in WHEEL:
        for i in range(steps):
            part = float(255 * i // steps)
            colors.append([(part if grows else 255.0 - part) if c == channel else color[c] for c in range(3)])
        color[channel] = 255.0 if grows else 0.0
    return torch.tensor(colors)


def flow_to_image(flow: Tensor) -> Tensor:
    """A flow [2, H, W] or [N, 2, H, W] as an image of bytes: directions are hues, and what stays is white.

    >>> flow_to_image(torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]))[:, 0].T
    tensor([[255,   0,   0],
            [255, 255, 255]], dtype=torch.uint8)
    """
    if flow.dtype != torch.float:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    batch = flow[None] if flow.ndim == 3 else flow
    if batch.ndim != 4 or batch.shape[1] != 2:
        raise ValueError(f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {flow.shape}.")
    length = (batch**2).sum(dim=1).sqrt()
    batch = batch / (length.max() + torch.finfo(batch.dtype).eps)
    length = (batch**2).sum(dim=1).sqrt()
    wheel = color_wheel().to(flow.device) / 255.0
    place = (torch.atan2(-batch[:, 1], -batch[:, 0]) / torch.pi + 1) / 2 * (len(wheel) - 1)
    low = torch.floor(place).to(torch.long)
    between = (place - low).unsqueeze(-1)
    color = (1 - between) * wheel[low] + between * wheel[(low + 1) % len(wheel)]
    image = torch.floor(255 * (1 - length.unsqueeze(-1) * (1 - color))).to(torch.uint8).permute(0, 3, 1, 2)
    return image[0] if flow.ndim == 3 else image
