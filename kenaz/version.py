"""Version numbers: PyTorch's under the names that programs ask for, and Kenaz's own."""

from .torch_version import TorchVersion

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]

kenaz = "0.1.0"  # this package's; pyproject.toml has it too
__version__ = TorchVersion("2.13.0")  # the PyTorch whose interface and behaviour this package follows
torchvision = "0.29.2"
debug = False
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version = "unknown"
