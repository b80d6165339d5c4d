"""What test_transforms.py runs, and tools/make_vision_goldens.py runs on torchvision: one list for both."""

import random
import zlib
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

SEEDS = (0, 1)

# T is `transforms`, F is `transforms.functional`, M the interpolation modes
CASES = """
T.ToTensor()
T.PILToTensor()
T.ToPILImage()
T.ToPILImage('RGB')
T.Resize(10)
T.Resize((9, 14))
T.Resize(40)
T.Resize(10, max_size=12)
T.Resize((9, 14), M.NEAREST)
T.Resize(12, M.BICUBIC)
T.Resize(12, 3)
T.CenterCrop(10)
T.CenterCrop((30, 9))
T.CenterCrop(40)
T.RandomCrop(5)
T.RandomCrop(12, padding=4)
T.RandomCrop((25, 33), pad_if_needed=True, fill=3)
T.RandomCrop(12, padding=(1, 2, 3, 4), padding_mode='reflect')
T.RandomHorizontalFlip()
T.RandomVerticalFlip(0.7)
T.RandomResizedCrop(8)
T.RandomResizedCrop((8, 6), scale=(.01, .02), ratio=(3, 4))
T.RandomResizedCrop(8, scale=(1.5, 2.0), ratio=(3, 4))
T.Pad(3)
T.Pad((1, 2), fill=7)
T.Pad((1, 2, 3, 1), padding_mode='edge')
T.Pad((1, 2, 3, 1), padding_mode='symmetric')
T.Pad((1, -2, 3, -1), padding_mode='symmetric')
T.Pad(-1)
T.Pad(2, padding_mode='reflect')
T.Grayscale()
T.Grayscale(3)
T.RandomGrayscale(.6)
T.ColorJitter(.5, .4, .3, .2)
T.ColorJitter(brightness=(.5, 1.2))
T.RandomRotation(30)
T.RandomRotation((10, 80), M.BILINEAR, expand=True, fill=9)
T.RandomRotation(30, center=(3, 4))
T.RandomAffine(10, (.1, .2), (.5, 1.5), 5, fill=4)
T.RandomAffine((0, 90), shear=(1, 2, 3, 4), center=(1, 2))
T.RandomPerspective(.8, 1., fill=3)
T.RandomErasing(1)
T.RandomErasing(.5, value='random')
T.RandomErasing(1, value=(1, 2, 3))
T.GaussianBlur(3)
T.RandomInvert(1)
T.RandomPosterize(3, 1)
T.RandomSolarize(100, 1)
T.RandomAdjustSharpness(2, 1)
T.RandomAutocontrast(1)
T.RandomEqualize(1)
T.FiveCrop(5)
T.TenCrop((5, 4))
T.RandomApply([T.CenterCrop(3)], p=.4)
T.RandomChoice([T.CenterCrop(3), T.CenterCrop(4)])
T.RandomChoice([T.CenterCrop(3), T.CenterCrop(4)], p=[1, 3])
T.RandomOrder([T.CenterCrop(9), T.RandomCrop(4)])
T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.25,))])
T.Normalize((0.5, .1, .2), (0.25, 1, 2))
T.ConvertImageDtype(torch.uint8)
T.ConvertImageDtype(torch.int16)
T.ConvertImageDtype(torch.float64)
T.Lambda(lambda x: F.adjust_gamma(x, .6, 1.1))
T.Lambda(lambda x: F.adjust_hue(x, .3))
T.Lambda(lambda x: F.adjust_saturation(x, 2.))
T.Lambda(lambda x: F.get_image_size(x))
T.Lambda(lambda x: F.rotate(x, 40, expand=True))
T.Lambda(lambda x: F.crop(x, -2, -3, 30, 30))
T.Lambda(lambda x: F.affine(x, 10, (1, 2), 1.5, (2,)))
T.ElasticTransform(sigma=1.)
T.ElasticTransform([90., 20.], [.5, 2.], fill=[9])
T.ElasticTransform(90., 0., M.NEAREST, (3, 4., 5))
T.ElasticTransform([1, 2])
T.ElasticTransform('a', [1.])
T.ElasticTransform(fill='a')
T.Lambda(lambda x: F.elastic_transform(x, torch.zeros(1, 2, 2, 2)))
T.Lambda(lambda x: F.elastic_transform(x, [3]))
T.RandAugment()
T.RandAugment(3, 5, fill=[5, 6, 7])
T.TrivialAugmentWide()
T.AutoAugment()
T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)
T.AutoAugment(T.AutoAugmentPolicy.SVHN, fill=[9])
T.AugMix()
T.AugMix(5, 2, 2, .5, False)
T.AugMix(11)
T.Resize('a')
T.Resize((1, 2, 3))
T.CenterCrop((1, 2, 3))
T.Pad('a')
T.Pad((1, 2, 3))
T.ColorJitter(-1)
T.ColorJitter(hue=.7)
T.ColorJitter('a')
T.RandomRotation(-3)
T.RandomRotation((1, 2, 3))
T.RandomAffine(3, translate=(2, 3))
T.Lambda(3)
T.GaussianBlur(2)
T.RandomErasing(value='x')
T.RandomChoice(3)
T.RandomCrop(100)
T.FiveCrop(100)
T.Resize(10, max_size=9)
T.Normalize(.5, 0)
T.ConvertImageDtype(torch.int64)
T.Lambda(lambda x: F.hflip(3))
T.Lambda(lambda x: F.to_tensor(3))
T.Lambda(lambda x: F.resize(x, 4, 'a'))
T.Lambda(lambda x: F.pad(x, 4, padding_mode='q'))
T.Lambda(lambda x: F.get_dimensions(3))
T.Lambda(lambda x: F.to_pil_image(torch.zeros(5, 2, 2)))
T.Lambda(lambda x: F.to_pil_image(torch.zeros(1, 2, 2), 'RGB'))
""".strip().split("\n")


def pixels(channels: int, height: int, width: int) -> np.ndarray:
    """Bytes [H, W, C] with no symmetry that could hide an error."""
    y, x, c = np.mgrid[:height, :width, :channels]
    return ((y * 73 + x * 151 + c * 31 + (x * y * 7) % 61) % 256).astype(np.uint8)


def images(torch: ModuleType) -> dict[str, Any]:
    return {
        "rgb": Image.fromarray(pixels(3, 23, 31)),
        "gray": Image.fromarray(pixels(1, 28, 28)[:, :, 0]),
        "bytes": torch.from_numpy(np.ascontiguousarray(pixels(3, 20, 17).transpose(2, 0, 1))),
        "floats": torch.from_numpy(np.ascontiguousarray(pixels(3, 19, 22).transpose(2, 0, 1)).astype(np.float32) / 256),
    }


def digest(value: Any) -> Any:
    """A value as plain JSON: images by checksum, tensors by type, shape and three weighted sums."""
    if isinstance(value, tuple | list):
        return [digest(v) for v in value]
    if isinstance(value, Image.Image):
        return ["image", value.mode, *value.size, zlib.crc32(value.tobytes())]
    if hasattr(value, "numpy"):
        flat = value.numpy().astype(np.float64).reshape(-1)
        i = np.arange(flat.size)
        sums = [float((flat * np.cos(i * w)).sum()) for w in (0.0, 0.7, 1.9)]
        return ["tensor", str(value.dtype), list(value.shape), [round(s, 6) for s in sums]]
    return value


def run(torch: ModuleType, T: ModuleType, F: ModuleType, case: str) -> dict[str, Any]:
    """What a case prints as, and gives for each image and seed; or the error it raises."""
    names = {"torch": torch, "T": T, "F": F, "M": T.InterpolationMode}
    try:
        transform = eval(case, names)
    except Exception as error:
        return {"error": [type(error).__name__, str(error)]}
    results: dict[str, Any] = {"repr": repr(transform)}
    for name, image in images(torch).items():
        for seed in SEEDS:
            torch.manual_seed(seed)
            random.seed(seed)
            try:
                got = digest(transform(image.clone() if hasattr(image, "clone") else image.copy()))
            except Exception as error:
                got = ["error", type(error).__name__, str(error)]
            # the next number of the stream: as many were drawn as by torchvision
            results[f"{name}/{seed}"] = [got, round(torch.rand(1).item(), 6)]
    return results
