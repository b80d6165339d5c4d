"""What test_v2.py runs, and tools/make_vision_goldens.py runs on torchvision: one list for both."""

import random
from types import ModuleType
from typing import Any

from PIL import Image

from tests.vision import cases

# T is `transforms.v2`, M the interpolation modes
CASES = """
T.Identity()
T.ToImage()
T.ToDtype(torch.float32, scale=True)
T.ToDtype({torch.Tensor: torch.float64, 'others': None})
T.Compose([T.ToImage(), T.ToDtype(torch.float32, scale=True), T.Normalize([.5, .4, .3], [.2, .3, .4])])
T.Resize((9, 14))
T.Resize(10)
T.Resize(10, max_size=12)
T.CenterCrop((10, 14))
T.CenterCrop(40)
T.RandomCrop(12)
T.RandomCrop(12, padding=(1, 2, 3, 4))
T.RandomCrop((25, 33), pad_if_needed=True, fill=3)
T.RandomResizedCrop((8, 6))
T.RandomHorizontalFlip()
T.RandomVerticalFlip(.7)
T.Pad((1, 2, 3, 4), fill=5)
T.Pad(2, padding_mode='reflect')
T.RandomRotation(30)
T.RandomRotation((10, 80), expand=True, fill=9)
T.RandomAffine(10, (.1, .2), (.5, 1.5), 5, fill=4)
T.RandomPerspective(.4, 1.)
T.Grayscale(3)
T.RandomGrayscale(.6)
T.ColorJitter(.5, .4, .3, .2)
T.ColorJitter(brightness=(.5, 1.2))
T.GaussianBlur(3)
T.RandomInvert(1)
T.RandomPosterize(3, 1)
T.RandomSolarize(.4, 1)
T.RandomAutocontrast(1)
T.RandomAdjustSharpness(2, 1)
T.RandomEqualize(1)
T.RandomChannelPermutation()
T.RandomErasing(1, value=3)
T.RandAugment()
T.RandAugment(3, 5)
T.TrivialAugmentWide()
T.AutoAugment()
T.AutoAugment(T.AutoAugmentPolicy.SVHN)
T.RandomApply([T.CenterCrop(9)], p=.4)
T.RandomChoice([T.CenterCrop(3), T.CenterCrop(4)], p=[1, 3])
T.RandomOrder([T.CenterCrop(15), T.RandomCrop(4)])
T.FiveCrop(5)
T.ConvertBoundingBoxFormat('CXCYWH')
T.ClampBoundingBoxes()
T.ToPureTensor()
T.RandomShortestSize([9, 12, 15], max_size=20)
T.RandomResize(8, 15)
T.ScaleJitter((12, 14), (.5, 1.5))
T.RandomZoomOut(fill=3, side_range=(1, 2), p=.8)
T.RandomPhotometricDistort(p=.6)
T.SanitizeBoundingBoxes(min_size=3, labels_getter=None)
T.RGB()
T.MixUp(num_classes=3)
T.CutMix(alpha=.5, num_classes=3)
T.Normalize([.5], [.5])
T.Resize(10, M.NEAREST)
T.Resize(10, 'bicubic')
T.RandomRotation(30, 'bilinear')
T.RandomAffine(30, interpolation=M.BILINEAR)
T.RandomPerspective(.4, 1., 2)
T.RandAugment(2, 9, 31, 'bilinear')
T.AugMix(3, 1, 1)
T.AugMix(2, 2, 1)
T.AugMix(5, 2, 2, .5, False, fill=7)
T.AugMix(11)
T.ElasticTransform(sigma=1)
T.ElasticTransform([90., 20.], [.5, 2.], fill=9)
T.ElasticTransform(90, [0], M.NEAREST)
T.ElasticTransform()
T.ElasticTransform('a')
T.ElasticTransform(1., [1., 2, 3])
T.JPEG((3, 200))
T.LinearTransformation(torch.eye(1020).flip(0), torch.arange(1020.))
T.LinearTransformation(torch.eye(3), torch.zeros(4))
T.RandomIoUCrop()
T.RandomIoUCrop(.2, .6, sampler_options=[.1, .3])
T.UniformTemporalSubsample(2)
T.ClampKeyPoints()
T.SanitizeKeyPoints()
T.Compose([T.SetClampingMode(None), T.CenterCrop((8, 9)), T.ClampBoundingBoxes(), T.ClampKeyPoints()])
T.Compose([T.CenterCrop((8, 9)), T.ClampBoundingBoxes('hard'), T.SanitizeKeyPoints('default')])
T.Compose([T.SetClampingMode(None), T.CenterCrop((8, 9)), T.ClampBoundingBoxes('hard')])
T.SetClampingMode('auto')
T.ClampBoundingBoxes('x')
T.ToTensor()
T.RandomCrop(100)
T.RandomApply([T.Identity()], p=3)
T.MixUp()
""".strip().split("\n")


def samples(torch: ModuleType, tv: ModuleType) -> dict[str, Any]:
    found = cases.images(torch)
    boxes = [[2, 3, 10, 12], [0, 0, 17, 20], [5, 6, 7, 8]]
    size = {"format": "XYXY", "canvas_size": (20, 17)}
    image = tv.Image(found["bytes"])
    mask = tv.Mask((torch.arange(20 * 17) % 5).view(1, 20, 17))
    around = tv.BoundingBoxes(torch.tensor(boxes, dtype=torch.float32), **size)
    batch = torch.arange(4 * 3 * 8 * 8).view(4, 3, 8, 8) / 768
    return {
        "rgb": found["rgb"],
        "bytes": found["bytes"],
        "floats": found["floats"],
        "sample": {"image": image, "target": [around, mask, 7]},
        "points": (image, tv.KeyPoints(torch.tensor([[2.0, 3], [0, 0], [16, 19], [8.4, 9]]), canvas_size=(20, 17))),
        "batch": (batch, torch.tensor([0, 2, 1, 1])),
    }


def digest(value: Any) -> Any:
    if isinstance(value, dict):
        return [digest(v) for v in value.values()]
    if isinstance(value, tuple | list):
        return [digest(v) for v in value]
    found = cases.digest(value)
    if hasattr(value, "numpy"):
        kind = type(value).__name__
        found = [kind, *found[1:]]
        if kind == "BoundingBoxes":
            found.append([value.format.value, list(value.canvas_size), value.clamping_mode])
        if kind == "KeyPoints":
            found.append(list(value.canvas_size))
    return found


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(copied(v) for v in value)
    return value.clone() if hasattr(value, "clone") else value.copy() if isinstance(value, Image.Image) else value


def run(torch: ModuleType, T: ModuleType, tv: ModuleType, case: str) -> dict[str, Any]:
    """What a case prints as, and gives for each sample and seed; or the error it raises."""
    try:
        transform = eval(case, {"torch": torch, "T": T, "M": T.InterpolationMode})
    except Exception as error:
        return {"error": [type(error).__name__, str(error)]}
    results: dict[str, Any] = {"repr": repr(transform)}
    for name, sample in samples(torch, tv).items():
        for seed in cases.SEEDS:
            torch.manual_seed(seed)
            random.seed(seed)
            try:
                got = digest(transform(copied(sample)))
            except Exception as error:
                got = ["error", type(error).__name__, str(error)[:60]]
            results[f"{name}/{seed}"] = [got, round(torch.rand(1).item(), 6)]
    return results
