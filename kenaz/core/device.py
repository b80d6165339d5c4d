"""Devices: where a tensor lives. The CPU is always there; CUDA devices can be named everywhere."""

from __future__ import annotations

_TYPES = ("cpu", "cuda", "meta")
_KNOWN = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, "
    "privateuseone"
)


class device:
    """A device type and, for accelerators, an index.

    >>> device("cpu"), device("cuda:1").index
    (device(type='cpu'), 1)
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __new__(cls, type: str | int | device, index: int | None = None) -> device:
        if isinstance(type, device):
            return type
        if (type if isinstance(type, int) else index or 0) < 0:
            raise RuntimeError("Device index must not be negative")
        if isinstance(type, int) and not isinstance(type, bool):
            key = _parse("cuda", type)
        else:
            key = _parse(type, index)  # type: ignore[arg-type]  # _parse refuses what is no string
        self = _interned.get(key)
        if self is None:
            self = _interned[key] = object.__new__(cls)
            self.type, self.index = key
        return self

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')" if self.index is None else f"device(type='{self.type}', index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple:
        return device, (str(self),)

    def __enter__(self) -> device:
        _stack.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack.pop()


device.__module__ = "torch"
_interned: dict[tuple[str, int | None], device] = {}


def _parse(text: str, index: int | None) -> tuple[str, int | None]:
    if not isinstance(text, str):
        raise TypeError(f"device(): argument 'type' (position 1) must be str, not {type(text).__name__}")
    kind, colon, number = text.partition(":")
    if colon and index is not None:
        raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {text}")
    if kind not in _KNOWN.split(", "):
        if not kind.isidentifier():
            raise RuntimeError(f"Invalid device string: '{text}'")
        raise RuntimeError(f"Expected one of {_KNOWN} device type at start of device string: {text}")
    if colon:
        if not number.isdigit() or (len(number) > 1 and number[0] == "0"):
            raise RuntimeError(f"Invalid device string: '{text}'")
        index = int(number)
    return kind, index


CPU = device("cpu")
META = device("meta")
_stack: list[device] = []
_default: list[device] = [CPU]


def get_default_device() -> device:
    """The device of tensors made without `device=`.

    >>> get_default_device()
    device(type='cpu')
    """
    return _stack[-1] if _stack else _default[0]


def set_default_device(device_: device | str | int | None) -> None:
    """Make `device_` the device of tensors made without `device=`; None means the CPU."""
    _default[0] = CPU if device_ is None else resolve(device_)


def resolve(wanted: device | str | int | None) -> device:
    """The device that an argument `device=` means, or PyTorch's error where this machine lacks it.

    >>> resolve("cpu")
    device(type='cpu')
    """
    found = get_default_device() if wanted is None else device(wanted)
    if found.type == "cuda":
        raise AssertionError("Torch not compiled with CUDA enabled")
    if found.type not in _TYPES:
        raise RuntimeError(f"PyTorch is not linked with support for {found.type} devices")
    if found.type == "cpu":
        return CPU  # "cpu:0" computes where "cpu" does
    return META
