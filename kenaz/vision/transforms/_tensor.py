"""The transforms of `functional` on tensors [..., C, H, W]; `_pil` has the same names for Pillow images."""

from collections.abc import Callable
from typing import Any

from ... import _api as torch
from ...nn import functional as F

Tensor = torch.Tensor

MAX_VALUE = {
    torch.uint8: 255,
    torch.int8: 127,
    torch.int16: 32767,
    torch.uint16: 65535,
    torch.int32: 2147483647,
    torch.int64: 9223372036854775807,
}

# the floating type does not hold every integer up to the largest
UNSAFE = {(torch.float32, torch.int32), (torch.float32, torch.int64), (torch.float64, torch.int64)}


def max_value(dtype: Any) -> int:
    """What stands for white: the largest value of an integer type, 1 of a floating one."""
    return MAX_VALUE.get(dtype, 1)


def check_image(img: Tensor) -> None:
    if img.ndim < 2:
        raise TypeError("Tensor is not a torch image.")


def check_channels(img: Tensor, permitted: tuple[int, ...] = (1, 3), dims: int = 2) -> None:
    check_image(img)
    if img.ndim < dims:
        raise TypeError(f"Input image tensor should have at least {dims} dimensions, but found {img.ndim}")
    if (channels := get_dimensions(img)[0]) not in permitted:
        raise TypeError(f"Input image tensor permitted channel values are {list(permitted)}, but found {channels}")


def get_dimensions(img: Tensor) -> list[int]:
    check_image(img)
    return [1 if img.ndim == 2 else img.shape[-3], img.shape[-2], img.shape[-1]]


def float_dtype(img: Tensor) -> Any:
    """The type to compute in: the image's own where it is float32 or float64."""
    return img.dtype if img.dtype in (torch.float32, torch.float64) else torch.float32


def in_float_batch(img: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
    """f of the image as a floating batch [N, C, H, W], back in the image's own dimensions and type."""
    batch = img.to(float_dtype(img))
    out = f(batch) if img.ndim >= 4 else f(batch.unsqueeze(0)).squeeze(0)
    if out.dtype == img.dtype:
        return out
    return (out if img.is_floating_point() else out.round()).to(img.dtype)


def hflip(img: Tensor) -> Tensor:
    check_image(img)
    return img.flip(-1)


def vflip(img: Tensor) -> Tensor:
    check_image(img)
    return img.flip(-2)


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    _, h, w = get_dimensions(img)
    bottom, right = top + height, left + width
    inside = img[..., max(top, 0) : bottom, max(left, 0) : right]
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return inside
    outside = [
        max(-left + min(0, right), 0),
        max(-top + min(0, bottom), 0),
        max(right - max(w, left), 0),
        max(bottom - max(h, top), 0),
    ]
    return pad(inside, outside, 0, "constant")


def resize(img: Tensor, size: list[int], interpolation: Any, antialias: bool | None = True) -> Tensor:
    check_image(img)
    mode = interpolation.value
    smooth = mode in ("bilinear", "bicubic")

    def scale(batch: Tensor) -> Tensor:
        options = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
        out = F.interpolate(batch, size=size, mode=mode, **options)
        return out.clamp(0, 255) if mode == "bicubic" and img.dtype == torch.uint8 else out

    return in_float_batch(img, scale)


def mirror_indices(size: int, before: int, after: int) -> list[int]:
    """Positions of a row of `size` values that is mirrored past its ends, the end itself included."""
    return [*range(before - 1, -1, -1), *range(size), *range(size - 1, size - 1 - after, -1)]


def pad_symmetric(img: Tensor, padding: list[int]) -> Tensor:
    if img.ndim not in (3, 4):
        raise RuntimeError("Symmetric padding of N-D tensors are not supported yet")
    cut_left, cut_top, cut_right, cut_bottom = (max(-p, 0) for p in padding)
    img = img[..., cut_top : img.shape[-2] - cut_bottom, cut_left : img.shape[-1] - cut_right]
    left, top, right, bottom = (max(p, 0) for p in padding)
    rows = torch.tensor(mirror_indices(img.shape[-2], top, bottom), device=img.device)
    columns = torch.tensor(mirror_indices(img.shape[-1], left, right), device=img.device)
    return img[..., rows[:, None], columns[None, :]]


def pad(img: Tensor, padding: list[int], fill: Any, padding_mode: str) -> Tensor:
    check_image(img)
    if not isinstance(0 if fill is None else fill, int | float):
        raise TypeError("Got inappropriate fill arg")
    if padding_mode == "symmetric":
        return pad_symmetric(img, padding)
    left, top, right, bottom = padding
    sides = [left, right, top, bottom]
    if padding_mode == "constant":
        return F.pad(img, sides, mode="constant", value=float(fill or 0))
    mode = "replicate" if padding_mode == "edge" else padding_mode
    return in_float_batch(img, lambda batch: F.pad(batch, sides, mode=mode))


def with_fill(sample: Callable[[Tensor], Tensor], batch: Tensor, fill: Any, nearest: bool) -> Tensor:
    """What `sample` takes from the batch, and `fill` where it looks outside: a channel of ones tells where."""
    if fill is None:
        return sample(batch)
    n, channels, height, width = batch.shape
    values = list(fill) if isinstance(fill, list | tuple) else [float(fill)]
    if len(values) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(values)} != {channels})"
        )
    ones = torch.ones((n, 1, height, width), dtype=batch.dtype, device=batch.device)
    out = sample(torch.cat((batch, ones), dim=1))
    image, inside = out[:, :-1], out[:, -1:].expand_as(out[:, :-1])
    color = torch.tensor(values, dtype=batch.dtype, device=batch.device).view(1, -1, 1, 1).expand_as(image)
    if nearest:
        return torch.where(inside < 0.5, color, image)
    return image * inside + (1.0 - inside) * color


def sample_grid(img: Tensor, grid: Tensor, interpolation: Any, fill: Any) -> Tensor:
    """The image read at the positions of a grid [1, H, W, 2] in coordinates from -1 to 1."""
    mode = interpolation.value
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")

    def sample(batch: Tensor) -> Tensor:
        places = grid.expand(batch.shape[0], *grid.shape[1:]) if batch.shape[0] > 1 else grid
        return F.grid_sample(batch, places, mode=mode, padding_mode="zeros", align_corners=False)

    return in_float_batch(img, lambda batch: with_fill(sample, batch, fill, mode == "nearest"))


def pixel_grid(height: int, width: int, dtype: Any, device: Any, centered: bool = True) -> Tensor:
    """[height * width, 3]: x, y of the middle of each pixel, and 1; from the image's middle, or from its corner."""
    x0, y0 = (-0.5 * width, -0.5 * height) if centered else (0.0, 0.0)
    grid = torch.ones(1, height, width, 3, dtype=dtype, device=device)
    grid[..., 0] = torch.linspace(x0 + 0.5, x0 + width - 0.5, steps=width, device=device)
    grid[..., 1] = torch.linspace(y0 + 0.5, y0 + height - 0.5, steps=height, device=device).unsqueeze(-1)
    return grid.view(1, height * width, 3)


def affine_grid(img: Tensor, matrix: list[float], out_height: int, out_width: int) -> Tensor:
    dtype = float_dtype(img)
    theta = torch.tensor(matrix, dtype=dtype, device=img.device).reshape(1, 2, 3)
    half = torch.tensor([0.5 * img.shape[-1], 0.5 * img.shape[-2]], dtype=dtype, device=img.device)
    grid = pixel_grid(out_height, out_width, dtype, img.device).bmm(theta.transpose(1, 2) / half)
    return grid.view(1, out_height, out_width, 2)


def affine(img: Tensor, matrix: list[float], interpolation: Any, fill: Any) -> Tensor:
    check_image(img)
    return sample_grid(img, affine_grid(img, matrix, img.shape[-2], img.shape[-1]), interpolation, fill)


def rotated_size(matrix: list[float], width: int, height: int) -> tuple[int, int]:
    """(width, height) of the smallest picture that holds every corner of the turned one."""
    corners = torch.tensor([[x * width, y * height, 1.0] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    turned = corners @ torch.tensor(matrix).view(2, 3).T + torch.tensor([0.5 * width, 0.5 * height])
    tolerance = 1e-4  # a corner that rounding put just across a pixel's edge does not count
    high = (torch.trunc(turned.amax(0) / tolerance) * tolerance).ceil()
    low = (torch.trunc(turned.amin(0) / tolerance) * tolerance).floor()
    w, h = (high - low).tolist()
    return int(w), int(h)


def rotate(img: Tensor, matrix: list[float], interpolation: Any, expand: bool, fill: Any) -> Tensor:
    _, height, width = get_dimensions(img)
    out_width, out_height = rotated_size(matrix, width, height) if expand else (width, height)
    return sample_grid(img, affine_grid(img, matrix, out_height, out_width), interpolation, fill)


def perspective(img: Tensor, coefficients: list[float], interpolation: Any, fill: Any) -> Tensor:
    _, height, width = get_dimensions(img)
    dtype = float_dtype(img)
    a, b, c, d, e, f, g, h = coefficients
    over = torch.tensor([[[a, b, c], [d, e, f]]], dtype=dtype, device=img.device).transpose(1, 2)
    under = torch.tensor([[[g, h, 1.0], [g, h, 1.0]]], dtype=dtype, device=img.device).transpose(1, 2)
    half = torch.tensor([0.5 * width, 0.5 * height], dtype=dtype, device=img.device)
    pixels = pixel_grid(height, width, dtype, img.device, centered=False)
    grid = pixels.bmm(over / half) / pixels.bmm(under) - 1.0
    return sample_grid(img, grid.view(1, height, width, 2), interpolation, fill)


def identity_grid(height: int, width: int, dtype: Any, device: Any) -> Tensor:
    """[1, H, W, 2]: x and y of the middle of each pixel, from -1 to 1 over the image."""
    y, x = (torch.linspace((1 - n) / n, (n - 1) / n, n, dtype=dtype, device=device) for n in (height, width))
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows], -1).unsqueeze(0)


def elastic(img: Tensor, displacement: Tensor, interpolation: Any, fill: Any) -> Tensor:
    dtype = float_dtype(img)
    height, width = img.shape[-2:]
    grid = identity_grid(height, width, dtype, img.device) + displacement.to(device=img.device, dtype=dtype)
    return sample_grid(img, grid, interpolation, fill)


def blend(img: Tensor, other: Tensor, ratio: float) -> Tensor:
    mixed = ratio * img + (1.0 - ratio) * other
    return mixed.clamp(0, max_value(img.dtype)).to(img.dtype)


def check_factor(name: str, factor: float) -> float:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")
    return float(factor)


def adjust_brightness(img: Tensor, factor: float) -> Tensor:
    factor = check_factor("brightness_factor", factor)
    check_channels(img)
    return blend(img, torch.zeros_like(img), factor)


def adjust_contrast(img: Tensor, factor: float) -> Tensor:
    factor = check_factor("contrast_factor", factor)
    check_channels(img, (3, 1))
    dtype = img.dtype if img.is_floating_point() else torch.float32
    gray = rgb_to_grayscale(img, 1) if get_dimensions(img)[0] == 3 else img
    return blend(img, gray.to(dtype).mean(dim=(-3, -2, -1), keepdim=True), factor)


def adjust_saturation(img: Tensor, factor: float) -> Tensor:
    factor = check_factor("saturation_factor", factor)
    check_channels(img)
    return img if get_dimensions(img)[0] == 1 else blend(img, rgb_to_grayscale(img, 1), factor)


def adjust_sharpness(img: Tensor, factor: float) -> Tensor:
    factor = check_factor("sharpness_factor", factor)
    check_channels(img)
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    kernel = torch.ones((3, 3), dtype=float_dtype(img), device=img.device)
    kernel[1, 1] = 5.0
    blurred = img.clone()
    blurred[..., 1:-1, 1:-1] = in_float_batch(img, lambda batch: filter_channels(batch, kernel / kernel.sum()))
    return blend(img, blurred, factor)


def adjust_gamma(img: Tensor, gamma: float, gain: float = 1.0) -> Tensor:
    check_channels(img)
    source = img.dtype
    result = img if img.is_floating_point() else convert_image_dtype(img, torch.float32)
    return convert_image_dtype((gain * result.pow(gamma)).clamp(0, 1), source)


def adjust_hue(img: Tensor, factor: float) -> Tensor:
    check_channels(img)
    if get_dimensions(img)[0] == 1:
        return img
    hue, saturation, value = rgb_to_hsv(convert_image_dtype(img, torch.float32))
    return convert_image_dtype(hsv_to_rgb((hue + factor) % 1.0, saturation, value), img.dtype)


def rgb_to_hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (a turn is 1), saturation and value of a floating RGB image, as three planes."""
    r, g, b = img.unbind(dim=-3)
    high, low = img.amax(-3), img.amin(-3)
    spread = high - low
    gray = high == low
    one = torch.ones_like(high)
    saturation = spread / torch.where(gray, one, high)
    divisor = torch.where(gray, one, spread)
    rc, gc, bc = ((high - plane) / divisor for plane in (r, g, b))
    # the sector is that of the largest component: red around 0, green around 1/3, blue around 2/3
    sector = torch.where(high == r, bc - gc, torch.where(high == g, 2.0 + rc - bc, 4.0 + gc - rc))
    return torch.fmod(sector / 6.0 + 1.0, 1.0), saturation, high


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    position = hue * 6.0
    sector = position.floor()
    fraction = position - sector
    sector = sector.to(torch.int64) % 6
    falling = (value * (1.0 - saturation * fraction)).clamp(0.0, 1.0)
    rising = (value * (1.0 - saturation * (1.0 - fraction))).clamp(0.0, 1.0)
    low = (value * (1.0 - saturation)).clamp(0.0, 1.0)

    def plane(*choices: Tensor) -> Tensor:
        return torch.stack(choices, dim=0).gather(0, sector.unsqueeze(0)).squeeze(0)

    red = plane(value, falling, low, low, rising, value)
    green = plane(rising, value, value, falling, low, low)
    blue = plane(low, low, rising, value, value, falling)
    return torch.stack((red, green, blue), dim=-3)


def rgb_to_grayscale(img: Tensor, num_output_channels: int) -> Tensor:
    check_channels(img, dims=3)
    if img.shape[-3] == 3:
        r, g, b = img.unbind(dim=-3)
        gray = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        gray = img.clone()
    return gray.expand(img.shape) if num_output_channels == 3 else gray


def invert(img: Tensor) -> Tensor:
    check_channels(img, dims=3)
    return max_value(img.dtype) - img


def check_uint8(img: Tensor) -> None:
    if img.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")


def posterize(img: Tensor, bits: int) -> Tensor:
    check_channels(img, dims=3)
    check_uint8(img)
    return img & (256 - 2 ** (8 - bits))


def solarize(img: Tensor, threshold: float) -> Tensor:
    check_channels(img, dims=3)
    if threshold > max_value(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return torch.where(img >= threshold, invert(img), img)


def autocontrast(img: Tensor) -> Tensor:
    check_channels(img, dims=3)
    bound = max_value(img.dtype)
    dtype = img.dtype if img.is_floating_point() else torch.float32
    low = img.amin(dim=(-2, -1), keepdim=True).to(dtype)
    high = img.amax(dim=(-2, -1), keepdim=True).to(dtype)
    flat = low == high
    scale = bound / torch.where(flat, torch.ones_like(low), high - low)
    stretched = ((img - low) * scale).clamp(0, bound).to(img.dtype)
    return torch.where(flat, img, stretched)


def equalize_channel(channel: Tensor) -> Tensor:
    counts = torch.bincount(channel.reshape(-1).long(), minlength=256)
    present = counts[counts != 0]
    step = int(present[:-1].sum()) // 255
    if step == 0:
        return channel
    table = (torch.cumsum(counts, 0) + step // 2) // step
    table = torch.cat((table.new_zeros(1), table[:-1])).clamp(0, 255).to(torch.uint8)
    return table[channel.long()]


def equalize(img: Tensor) -> Tensor:
    if not 3 <= img.ndim <= 4:
        raise TypeError(f"Input image tensor should have 3 or 4 dimensions, but found {img.ndim}")
    check_uint8(img)
    check_channels(img)
    planes = img.reshape(-1, *img.shape[-2:])
    return torch.stack([equalize_channel(plane) for plane in planes]).reshape(img.shape)


def filter_channels(batch: Tensor, kernel: Tensor) -> Tensor:
    """Each channel convolved with the same kernel [H, W], without padding."""
    channels = batch.shape[-3]
    return F.conv2d(batch, kernel.expand(channels, 1, *kernel.shape), groups=channels)


def gaussian_kernel(size: int, sigma: float, dtype: Any, device: Any) -> Tensor:
    half = (size - 1) * 0.5
    x = torch.linspace(-half, half, steps=size, dtype=dtype, device=device)
    bell = torch.exp(-0.5 * (x / sigma).pow(2))
    return bell / bell.sum()


def gaussian_blur(img: Tensor, kernel_size: list[int], sigma: list[float]) -> Tensor:
    check_image(img)
    dtype = float_dtype(img)
    across, down = (gaussian_kernel(k, s, dtype, img.device) for k, s in zip(kernel_size, sigma))
    wide, high = kernel_size[0] // 2, kernel_size[1] // 2

    def blur(batch: Tensor) -> Tensor:
        return filter_channels(F.pad(batch, [wide, wide, high, high], mode="reflect"), torch.outer(down, across))

    return in_float_batch(img, blur)


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool) -> Tensor:
    check_image(tensor)
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
        )
    center = torch.as_tensor(mean, dtype=tensor.dtype, device=tensor.device)
    scale = torch.as_tensor(std, dtype=tensor.dtype, device=tensor.device)
    if (scale == 0).any():
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    center = center.view(-1, 1, 1) if center.ndim == 1 else center
    scale = scale.view(-1, 1, 1) if scale.ndim == 1 else scale
    # in place on a copy: broadcasting must not give the image more channels than it has
    return (tensor if inplace else tensor.clone()).sub_(center).div_(scale)


def convert_image_dtype(image: Tensor, dtype: Any) -> Tensor:
    source = image.dtype
    if source == dtype:
        return image
    if source.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        if (source, dtype) in UNSAFE:
            raise RuntimeError(f"The cast from {source} to {dtype} cannot be performed safely.")
        # just under one step more than the largest value, so that each integer takes an equal share of [0, 1]
        return image.mul(max_value(dtype) + 1.0 - 1e-3).to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / float(max_value(source))
    from_max, to_max = max_value(source), max_value(dtype)
    if from_max > to_max:
        return torch.div(image, (from_max + 1) // (to_max + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((to_max + 1) // (from_max + 1))
