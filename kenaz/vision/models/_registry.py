"""Models by name, and the weights published for them."""

import fnmatch
import os
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

from ... import _api as torch
from ... import nn
from ...serialization import load
from ..datasets.download import download
from ..transforms import functional as F


class ImageClassification(nn.Module):
    """What the published weights expect of an image: resized, cropped, scaled to [0, 1] and normalized as ImageNet."""

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: F.InterpolationMode = F.InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> torch.Tensor:
        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        img = img if isinstance(img, torch.Tensor) else F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, torch.float), mean=self.mean, std=self.std)


class Weights(NamedTuple):
    """Where weights are, what they expect of an image, and what is known about them."""

    url: str
    transforms: Callable
    meta: dict[str, Any]


class WeightsEnum(Enum):
    """The published weights of one model."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """The member that a user means, given as such or by name."""
        if isinstance(obj, str):
            return cls[obj.replace(cls.__name__ + ".", "")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received {type(obj).__name__}."
            )
        return obj

    def get_state_dict(self, progress: bool = True, check_hash: bool = False) -> dict[str, Any]:
        """The weights, from the cache or the network; the file's name holds the beginning of its SHA-256."""
        home = os.environ.get("TORCH_HOME") or os.path.join(os.path.expanduser("~"), ".cache", "torch")
        folder = os.path.join(home, "hub", "checkpoints")
        mirror, _, name = self.url.rpartition("/")
        checksum = name.removesuffix(".pth").rpartition("-")[2]
        download(name, folder, [mirror + "/"], checksum, progress=progress)
        return load(os.path.join(folder, name), map_location="cpu")

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        return self.value.meta


BUILDERS: dict[str, Callable[..., nn.Module]] = {}
WEIGHTS: dict[str, type[WeightsEnum]] = {}  # by the name of the enumeration


def published(title: str, files: dict[str, str]) -> type[WeightsEnum]:
    """The enumeration of weights in the given files; the last is the default."""
    members = {}
    for version, file in files.items():
        # the second recipe was evaluated with a larger picture before the crop
        preset = partial(ImageClassification, crop_size=224, resize_size=232 if version.endswith("V2") else 256)
        members[version] = Weights(f"https://download.pytorch.org/models/{file}.pth", preset, {"num_classes": 1000})
    members["DEFAULT"] = members[version]
    return Enum(f"{title}_Weights", members, type=WeightsEnum)  # type: ignore[return-value]


def register(name: str, title: str, files: dict[str, str], make: Callable[..., nn.Module]) -> tuple[Callable, type]:
    """The function that builds a model, and the enumeration of its weights, both known by name from now on.

    `make(trained=...)` returns the bare model; it may leave out an initialisation that trained weights will overwrite.
    """
    enum = published(title, files)

    def build(*args: Any, weights: Any = None, progress: bool = True, **kwargs: Any) -> nn.Module:
        chosen = enum.verify(legacy_weights(enum, args, weights, kwargs))
        model = make(trained=chosen is not None, **kwargs)
        if chosen is not None:
            model.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
        return model

    build.__name__ = build.__qualname__ = name
    build.__module__ = make.__module__
    build.__doc__ = f"{title}, with random weights or with `weights` of {enum.__name__}."
    BUILDERS[name] = build
    WEIGHTS[enum.__name__] = enum
    return build, enum


def legacy_weights(enum: type[WeightsEnum], args: tuple[Any, ...], weights: Any, kwargs: dict[str, Any]) -> Any:
    """The weights that a call of today or of before 0.13 (`pretrained=True`) asks for."""
    if args:
        warnings.warn(
            "Using 'weights' as positional parameter(s) is deprecated since 0.13 and may be removed in the future. "
            "Please use keyword parameter(s) instead.",
            stacklevel=3,
        )
        weights = args[0]
    if "pretrained" in kwargs:
        warnings.warn(
            "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, "
            "please use 'weights' instead.",
            stacklevel=3,
        )
        weights = kwargs.pop("pretrained")
    if not isinstance(weights, bool):
        return weights
    meaning = f"`weights={list(enum)[0]!r}`" if weights else "`weights=None`"
    advice = f" You can also use `weights={enum.__name__}.DEFAULT` to get the most up-to-date weights."
    warnings.warn(
        "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be removed in "
        f"the future. The current behavior is equivalent to passing {meaning}.{advice if weights else ''}",
        stacklevel=3,
    )
    return list(enum)[0] if weights else None


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of the models, sorted; of those that fit a pattern of `include` and none of `exclude`.

    >>> list_models(include="resnet*", exclude=["*50", "*101", "*152"])
    ['resnet18', 'resnet34']
    """

    def fits(name: str, patterns: Iterable[str] | str) -> bool:
        return any(fnmatch.fnmatch(name, p) for p in ([patterns] if isinstance(patterns, str) else patterns))

    return sorted(
        name
        for name, build in BUILDERS.items()
        if (module is None or build.__module__.rpartition(".")[0] == module.__name__)
        and (not include or fits(name, include))
        and not (exclude and fits(name, exclude))
    )


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds a model of this name."""
    if name.lower() not in BUILDERS:
        raise ValueError(f"Unknown model {name.lower()}")
    return BUILDERS[name.lower()]


def get_model(name: str, **config: Any) -> nn.Module:
    """A model by its name; `config` goes to the function that builds it."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable | str) -> type[WeightsEnum]:
    """The enumeration of a model's published weights, the model given by name or by the function that builds it."""
    build = get_model_builder(name) if isinstance(name, str) else name
    for known, enum in zip(BUILDERS.values(), WEIGHTS.values()):
        if known is build:
            return enum
    raise ValueError("The WeightsEnum class for the specific method couldn't be retrieved.")


def get_weight(name: str) -> WeightsEnum:
    """Weights by their full name, "ResNet50_Weights.IMAGENET1K_V1"."""
    enum, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    if enum not in WEIGHTS:
        raise ValueError(f"The weight enum '{enum}' for the specific method couldn't be retrieved.")
    return WEIGHTS[enum][member]
