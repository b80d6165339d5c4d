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


def test_every_model_of_torchvision() -> None:
    assert len(models.list_models()) == 121
    assert models.list_models(models.optical_flow) == ["raft_large", "raft_small"]
    assert models.list_models(models.video, include="*_18") == ["mc3_18", "r2plus1d_18", "r3d_18"]
    assert len(models.list_models(models.quantization, include="quantized_*")) == 12


def test_videos_are_prepared_as_their_weights_expect() -> None:
    preset = models.get_weight("R3D_18_Weights.KINETICS400_V1").transforms()
    video = (torch.arange(2 * 3 * 140 * 180) % 251).to(torch.uint8).view(2, 3, 140, 180)
    out = preset(video)
    assert out.shape == (3, 2, 112, 112) and preset(video[None]).shape == (1, 3, 2, 112, 112)
    assert torch.equal(preset(video[None])[0], out) and out.mean().item() == pytest.approx(0.4, abs=0.1)
    assert repr(preset).splitlines()[1:3] == ["    crop_size=[112, 112]", "    resize_size=[128, 171]"]
    assert models.video.MViT_V2_S_Weights.DEFAULT.meta["min_temporal_size"] == 16
    assert len(models.video.S3D_Weights.DEFAULT.meta["categories"]) == 400


def test_pairs_of_images_are_prepared_as_their_weights_expect() -> None:
    preset = models.optical_flow.Raft_Large_Weights.C_T_V1.transforms()
    first, second = preset(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.ones(1, 3, 8, 8))
    assert (first == -1).all() and (second == 1).all()
    assert models.optical_flow.Raft_Large_Weights.DEFAULT.name == "C_T_SKHT_V2"
    assert "categories" not in models.optical_flow.Raft_Small_Weights.DEFAULT.meta


def test_quantized_weights_know_the_floating_ones() -> None:
    weights = models.get_model_weights("quantized_resnet50").DEFAULT
    assert repr(weights) == "ResNet50_QuantizedWeights.IMAGENET1K_FBGEMM_V2"
    assert weights.meta["unquantized"] is models.ResNet50_Weights.IMAGENET1K_V2
    assert weights.url.endswith("/models/quantized/resnet50_fbgemm-23753f79.pth")


def test_nothing_is_quantized() -> None:
    with pytest.raises(RuntimeError, match="Quantized backend not supported"):
        models.quantization.resnet18(weights="DEFAULT", quantize=True)
    with pytest.raises(RuntimeError, match="Quantized backend not supported"):
        models.quantization.utils.quantize_model(models.quantization.shufflenet_v2_x0_5(), "fbgemm")
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received ResNet18_QuantizedWeights"):
        models.quantization.resnet18(weights=models.quantization.ResNet18_QuantizedWeights.DEFAULT)
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        models.quantization.shufflenet_v2_x0_5(num_classes=2).fuse_model(is_qat=False)


def test_a_flow_is_upsampled_by_its_mask() -> None:
    raft = models.optical_flow.raft
    flow = torch.arange(2 * 3 * 4.0).view(1, 2, 3, 4)
    mask = torch.full((1, 9, 8, 8, 3, 4), -50.0)
    mask[:, 4] = 50.0  # each fine pixel takes the flow of the coarse pixel it lies in
    out = raft.upsample_flow(flow, mask.view(1, 576, 3, 4))
    assert torch.allclose(out, 8 * flow.repeat_interleave(8, 2).repeat_interleave(8, 3))


def test_similarities_are_looked_up_around_a_place() -> None:
    block = models.optical_flow.raft.CorrBlock(num_levels=1, radius=1)
    torch.manual_seed(0)
    first, second = torch.randn(2, 4, 5, 6)
    block.build_pyramid(first[None], second[None])
    at = torch.zeros(1, 2, 5, 6)
    at[:, 0], at[:, 1] = 3, 2  # column, row
    found = block.index_pyramid(at)[0, :, 1, 4].view(3, 3)  # around (3, 2), columns first
    expected = torch.einsum("c,chw->hw", first[:, 1, 4], second)[1:4, 2:5].T / 2
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((16, 16), (16, 24)), "input images should have the same shape"),
        (((20, 16), (20, 16)), r"should be divisible by 8, instead got 20 \(h\) and 16 \(w\)"),
        (((32, 32), (32, 32)), "H and W of feature maps should be at least 16"),
    ],
)
def test_raft_refuses_images(shapes: tuple, message: str) -> None:
    model = models.optical_flow.raft_small()
    with pytest.raises(ValueError, match=message):
        model(*(torch.zeros(1, 3, *shape) for shape in shapes))


def test_flow_learns() -> None:
    block = models.optical_flow.raft.CorrBlock(num_levels=1, radius=1)
    model = models.optical_flow.raft_small(corr_block=block)
    flows = model(model_cases.picture(torch, (16, 24)), torch.rand(1, 3, 16, 24), num_flow_updates=2)
    assert [flow.shape for flow in flows] == [(1, 2, 16, 24)] * 2
    sum(flow.abs().mean() for flow in flows).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_windows_must_fit() -> None:
    with pytest.raises(ValueError, match=r"Input size \(52, 52\) of block 0 is not divisible by partition size 7"):
        models.maxvit_t(input_size=(208, 208))
    with pytest.raises(ValueError, match="window_size and shift_size must be of length 3"):
        models.video.swin_transformer.ShiftedWindowAttention3d(4, [2, 2], [0, 0], 1)


def test_an_image_is_a_video_of_one_frame() -> None:
    config = models.video.mvit.MSBlockConfig(1, 4, 4, [], [], [], [])
    model = models.video.MViT(
        (16, 16), 1, [config] * 2, False, False, False, False, patch_embed_stride=(1, 4, 4), num_classes=2
    ).eval()
    image = model_cases.picture(torch, 16)
    assert torch.equal(model(image), model(image.unsqueeze(2)))
    with pytest.raises(ValueError, match="The configuration parameter can't be empty."):
        models.video.MViT((16, 16), 1, [], False, False, False, False)
