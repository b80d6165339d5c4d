"""Models against torchvision's numbers: the same seed gives the same weights, and so the same outputs."""

import hashlib
import importlib
import json
from pathlib import Path

import pytest

import kenaz as torch
from kenaz.vision import models
from kenaz.vision.models import _weights, densenet, vgg
from tests.vision import model_cases

GOLDENS = json.loads((Path(__file__).parent / "models.json").read_text("utf-8"))


def picture() -> torch.Tensor:
    return torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32)


@pytest.mark.parametrize("name", model_cases.RUN)
def test_as_torchvision(name: str) -> None:
    got, wanted = model_cases.run(torch, models, name), dict(GOLDENS[name])
    assert got.pop("out") == pytest.approx(wanted.pop("out"), abs=2e-4)
    assert got == wanted


@pytest.fixture
def no_initialization(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers take most of the time that a large model takes to be built."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.parametrize("name", model_cases.NAMED)
def test_names_and_printed_form(name: str, no_initialization: None) -> None:
    assert model_cases.name_only(models, name) == GOLDENS["named " + name]


def test_bottleneck_with_groups_and_dilation() -> None:
    torch.manual_seed(0)
    model = models.ResNet(
        models.resnet.Bottleneck,
        [1, 1, 1, 1],
        num_classes=3,
        groups=2,
        width_per_group=8,
        replace_stride_with_dilation=[False, True, True],
        zero_init_residual=True,
    ).eval()
    with torch.no_grad():
        assert model(picture())[0].tolist() == pytest.approx([-0.0227053, 0.00829351, -0.02128072], abs=1e-5)
    assert sum(p.numel() for p in model.parameters()) == 3_420_035


def test_resnet_refuses_what_it_cannot_be() -> None:
    with pytest.raises(ValueError, match="BasicBlock only supports groups=1 and base_width=64"):
        models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], groups=2)
    with pytest.raises(ValueError, match="replace_stride_with_dilation should be None or a 3-element tuple"):
        models.resnet18(replace_stride_with_dilation=[True])


def test_vgg_convolutions() -> None:
    layers = vgg.convolutions(11, batch_norm=True)
    assert [type(layer).__name__ for layer in layers][:4] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert [layer.out_channels for layer in layers if hasattr(layer, "out_channels")] == [
        64,
        128,
        *[256] * 2,
        *[512] * 4,
    ]
    assert layers(torch.zeros(1, 3, 32, 32)).shape == (1, 512, 1, 1)


def test_models_by_name() -> None:
    assert models.list_models(include=["vgg1*", "alexnet"], exclude="*_bn") == [
        "alexnet",
        "vgg11",
        "vgg13",
        "vgg16",
        "vgg19",
    ]
    assert models.list_models(models.segmentation, include="*resnet50") == ["deeplabv3_resnet50", "fcn_resnet50"]
    assert set(models.list_models(models)) < set(models.list_models())
    assert models.get_model_builder("ResNet18") is models.resnet18
    with pytest.raises(ValueError, match="Unknown model no_such"):
        models.get_model("no_such")


def test_weights_by_name() -> None:
    enum = models.get_model_weights("resnet50")
    assert enum is models.ResNet50_Weights is models.get_model_weights(models.resnet50)
    assert repr(enum.DEFAULT) == "ResNet50_Weights.IMAGENET1K_V2"
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V2") is enum.DEFAULT
    assert enum.IMAGENET1K_V1.url == "https://download.pytorch.org/models/resnet50-0676ba61.pth"
    assert enum.DEFAULT.transforms().resize_size == [232]
    assert enum.DEFAULT.meta["categories"][:2] == ["tench", "goldfish"] and len(enum.DEFAULT.meta["categories"]) == 1000
    assert enum.DEFAULT.meta["num_params"] == 25_557_032
    assert models.ViT_B_16_Weights.DEFAULT is models.ViT_B_16_Weights.IMAGENET1K_V1
    with pytest.raises(ValueError, match="The parameter 'num_classes' expected value 1000 but got 10 instead."):
        models.resnet18(weights="DEFAULT", num_classes=10)
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received ResNet50_Weights"):
        models.resnet18(weights=enum.DEFAULT)
    with pytest.raises(KeyError):
        models.resnet18(weights="no_such")
    with pytest.raises(ValueError, match="Invalid weight name provided: 'x'"):
        models.get_weight("x")


def test_preprocessing_of_the_weights() -> None:
    image = (torch.arange(3 * 300 * 260) % 256).to(torch.uint8).view(3, 300, 260)
    out = models.ResNet18_Weights.DEFAULT.transforms()(image)
    assert out.shape == (3, 224, 224) and out.dtype == torch.float32


def test_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    trained = models.resnet18(num_classes=2)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(trained.state_dict(), folder / "x.pth")
    digest = hashlib.sha256((folder / "x.pth").read_bytes()).hexdigest()[:8]
    (folder / "x.pth").rename(folder / f"mine-{digest}.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    record = {"file": f"mine-{digest}", "num_params": 0, "min_size": None, "recipe": None}
    enum = _weights.published("Mine", {"V1": {**record, "metrics": {}, "ops": 0.0, "size": 0.0}})
    loaded = enum.V1.get_state_dict(progress=False)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in trained.state_dict().items())


def test_published_names_of_old() -> None:
    state = {"features.denseblock1.denselayer1.norm.1.weight": 1, "classifier.bias": 2}
    assert list(densenet.legacy(state, None)) == ["features.denseblock1.denselayer1.norm1.weight", "classifier.bias"]
    assert list(models.vision_transformer.legacy({"a.mlp.linear_1.bias": 1}, None)) == ["a.mlp.0.bias"]
    model = models.GoogLeNet(num_classes=2, init_weights=False, aux_logits=False)
    googlenet = importlib.import_module("kenaz.vision.models.googlenet")
    assert list(googlenet.legacy({"aux1.x": 1, "fc.bias": 2}, model)) == ["fc.bias"]


def test_training_gives_auxiliary_scores() -> None:
    model = models.googlenet(num_classes=2, init_weights=False)
    out = model(model_cases.picture(torch, 32, 2))
    assert out._fields == ("logits", "aux_logits2", "aux_logits1") and all(t.shape == (2, 2) for t in out)


def test_positions_of_another_image_size() -> None:
    model = models.VisionTransformer(16, 4, 1, 2, 8, 8, num_classes=3)
    state = models.interpolate_embeddings(24, 4, model.state_dict(), reset_heads=True)
    larger = models.VisionTransformer(24, 4, 1, 2, 8, 8, num_classes=5)
    missing = larger.load_state_dict(state, strict=False).missing_keys
    assert missing == ["heads.head.weight", "heads.head.bias"]
    # the corners stay where they are
    old, new = model.encoder.pos_embedding, state["encoder.pos_embedding"]
    assert torch.allclose(new[0, [0, 1, 6, 36]], old[0, [0, 1, 4, 16]], atol=1e-6)


@pytest.mark.parametrize(("call", "message"), [({"pretrained": False}, "The parameter 'pretrained' is deprecated")])
def test_calls_of_old_warn(call: dict, message: str) -> None:
    with pytest.warns(UserWarning) as warned:
        models.resnet18(num_classes=1, **call)
    assert message in str(warned[0].message) and "equivalent to passing `weights=None`." in str(warned[1].message)
