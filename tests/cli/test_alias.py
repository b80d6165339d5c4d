"""`kenaz.alias()`, each time in a process of its own: it changes how a process imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from kenaz.torch_version import TorchVersion

ROOT = Path(__file__).parent.parent.parent


def python(program: str, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, **kwargs)


def check(program: str) -> None:
    done = python("import kenaz\nkenaz.alias()\n" + program)
    assert done.returncode == 0, done.stderr


def test_modules_are_the_same_objects() -> None:
    check(
        """
import sys
before = set(sys.modules)
import torch, torch.nn.functional as F, torchvision
from torch.utils.data import DataLoader
from torch.nn import Linear
import torch.optim.lr_scheduler
import torchvision.transforms.functional as TF
from torchvision.datasets import MNIST
import kenaz.vision
assert torch is kenaz and F is kenaz.nn.functional and torchvision is kenaz.vision
assert Linear is kenaz.nn.Linear and DataLoader is sys.modules["kenaz.utils.data"].DataLoader
assert torch.nn is kenaz.nn and torch.optim.lr_scheduler is sys.modules["kenaz.optim.lr_scheduler"]
assert TF is sys.modules["kenaz.vision.transforms.functional"] and MNIST is kenaz.vision.datasets.MNIST
assert torch.__spec__.name == "kenaz" and F.__spec__.name == "kenaz.nn.functional"
"""
    )


def test_classes_say_their_public_address_and_can_be_pickled() -> None:
    check(
        """
import pickle, torch
from torchvision import datasets, models, transforms
assert datasets.MNIST.__module__ == "torchvision.datasets.mnist"
assert type(models.resnet18).__name__ == "function" and models.ResNet.__module__ == "torchvision.models.resnet"
from torch.utils.data import TensorDataset
assert repr(TensorDataset) == "<class 'torch.utils.data.dataset.TensorDataset'>"
assert pickle.loads(pickle.dumps(TensorDataset(torch.ones(2))))[0][0] == 1
steps = pickle.loads(pickle.dumps(transforms.Compose([transforms.ToTensor()])))
assert type(steps) is transforms.Compose
"""
    )


def test_versions_and_metadata() -> None:
    check(
        """
import importlib.metadata as metadata, importlib.util
import torch, torchvision
assert torch.__version__ == "2.13.0" and isinstance(torch.__version__, str)
assert torch.__version__ >= "2.9" and torch.__version__ < (3,)
assert torchvision.__version__ == "0.29.2"
assert metadata.version("torch") == "2.13.0" and metadata.version("torchvision") == "0.29.2"
assert metadata.metadata("torch")["Name"] == "torch" and metadata.distribution("torch").requires is None
assert {"torch", "torchvision", "numpy"} <= {d.metadata["Name"] for d in metadata.distributions()}
assert importlib.util.find_spec("torch") and importlib.util.find_spec("torch.nn")
assert importlib.util.find_spec("torch.no_such_module") is None
try:
    metadata.version("no-such-package")
except metadata.PackageNotFoundError:
    pass
"""
    )


def test_find_spec_before_the_first_import() -> None:
    check(
        """
import importlib.util
assert importlib.util.find_spec("torchvision.transforms").origin.endswith("__init__.py")
assert importlib.util.find_spec("torchvision").submodule_search_locations
"""
    )


def test_missing_modules_and_names_are_reported_as_pythons() -> None:
    check(
        """
for statement, error in [("import torch.no_such", ModuleNotFoundError), ("from torch import no_such", ImportError)]:
    try:
        exec(statement)
    except error as e:
        assert "no_such" in str(e), e
    else:
        raise AssertionError(statement)
"""
    )


def test_twice_is_once() -> None:
    check("import sys\nfinders = len(sys.meta_path)\nkenaz.alias()\nassert len(sys.meta_path) == finders\n")


def test_refuses_when_the_real_one_is_there(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")
    done = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import torch, kenaz; kenaz.alias()")
    assert done.returncode == 1
    assert "ImportError: kenaz.alias(): the real torch is imported already (from " in done.stderr


def test_without_alias_torch_is_not_there() -> None:
    done = python("import kenaz, sys; print('torch' in sys.modules, [type(f).__name__ for f in sys.meta_path])")
    assert done.stdout.startswith("False [") and "'Finder'" not in done.stdout


@pytest.mark.parametrize(
    ("smaller", "larger"), [("2.9.0", "2.13.0"), ("2.13.0", "2.13.1"), ("1.13", "2"), ("2.13.0+cpu", "2.14.0.dev0")]
)
def test_versions_compare_as_versions(smaller: str, larger: str) -> None:
    assert TorchVersion(smaller) < larger and not TorchVersion(smaller) >= larger
    assert TorchVersion(larger) > TorchVersion(smaller) and TorchVersion(smaller) != larger
    assert TorchVersion(smaller) == smaller and hash(TorchVersion(smaller)) == hash(smaller)


def test_version_is_that_of_the_project() -> None:
    import tomllib

    from kenaz import version

    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"] == version.kenaz


def test_modules_have_their_public_names() -> None:
    check(
        "import torch, torch.nn.functional as F, torchvision\n"
        "assert [m.__name__ for m in (torch, F, torchvision.transforms)] == "
        "['torch', 'torch.nn.functional', 'torchvision.transforms']\n"
        "import torch.utils.data, pickle\n"
        "assert torch.utils.data.__name__ == 'torch.utils.data'\n"
        "assert pickle.loads(pickle.dumps(torch.nn.ReLU())).training\n"
    )


def test_what_pytorch_loads_is_loaded() -> None:
    check("import multiprocessing, torch\nassert multiprocessing.connection.Connection\n")
