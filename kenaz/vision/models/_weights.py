"""Weights that are published: where each file is, what it expects of an image, what is known about it.

`weights.json` has a line for each file; the digits at the end of a file's name begin its SHA-256. An enumeration is
made of each model's lines, and `categories.json` (the names of the classes) is read when somebody asks for them.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache, partial
from typing import Any, NamedTuple

from ...serialization import load
from ..datasets.download import download
from ..transforms import functional as F
from . import _presets

SERVER = "https://download.pytorch.org/models/"
PRESETS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        _presets.ImageClassification,
        _presets.ObjectDetection,
        _presets.OpticalFlow,
        _presets.SemanticSegmentation,
        _presets.VideoClassification,
    )
}
NAMES = ("categories", "keypoint_names")
PRESET_OPTIONS = ("crop_size", "resize_size", "mean", "std", "interpolation")
META_OPTIONS = ("license", "keypoint_names", "min_temporal_size", "backend", "unquantized")

WEIGHTS: dict[str, type["WeightsEnum"]] = {}  # by the name of the enumeration, filled where models are registered


@cache
def table(name: str) -> Any:
    """One of the JSON files beside this module."""
    with open(os.path.join(os.path.dirname(__file__), name + ".json"), encoding="utf-8") as file:
        return json.load(file)


class Meta(Mapping):
    """What is known about weights, as a read-only mapping; lists of categories are read when they are asked for."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    def __getitem__(self, key: str) -> Any:
        value = self.facts[key]
        if key == "unquantized":
            return get_weight(value)
        return list(table("categories")[value]) if key in NAMES and value is not None else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.facts)

    def __len__(self) -> int:
        return len(self.facts)

    def __repr__(self) -> str:
        return repr(dict(self))


class Weights(NamedTuple):
    """Where weights are, what they expect of an image, and what is known about them."""

    url: str
    transforms: Callable
    meta: Mapping[str, Any]


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
    def meta(self) -> Mapping[str, Any]:
        return self.value.meta


def weights(record: dict[str, Any]) -> Weights:
    """A line of the table as weights."""
    options = {name: record[name] for name in PRESET_OPTIONS if name in record}
    if "interpolation" in options:
        options["interpolation"] = F.InterpolationMode(options["interpolation"])
    preset = PRESETS[record.get("preset", "ImageClassification")]
    meta = {
        "min_size": None if record["min_size"] is None else tuple(record["min_size"]),
        **({"categories": record["categories"]} if "categories" in record else {}),
        "num_params": record["num_params"],
        "recipe": record["recipe"],
        "_metrics": record["metrics"],
        "_ops": record["ops"],
        "_file_size": record["size"],
    }
    meta |= {name: record[name] for name in META_OPTIONS if name in record}
    return Weights(f"{SERVER}{record['file']}.pth", partial(preset, **options) if options else preset, Meta(meta))


def published(name: str, records: dict[str, Any] | None = None) -> type[WeightsEnum]:
    """The enumeration of this name, of the table's lines under it."""
    lines = dict(table("weights")[name] if records is None else records)
    default = lines.pop("DEFAULT", None)
    members = {version: weights(line) for version, line in lines.items()}
    members["DEFAULT"] = members[default or next(reversed(lines))]
    return Enum(name, members, type=WeightsEnum, module=__name__)  # type: ignore[return-value]  # a class


def get_weight(name: str) -> WeightsEnum:
    """Weights by their full name, "ResNet50_Weights.IMAGENET1K_V1"."""
    enum, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    if enum not in WEIGHTS:
        raise ValueError(f"The weight enum '{enum}' for the specific method couldn't be retrieved.")
    return WEIGHTS[enum][member]
