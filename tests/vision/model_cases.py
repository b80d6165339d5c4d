"""What test_models.py runs, and tools/make_model_goldens.py runs on torchvision: one list for both."""

import hashlib
import warnings
from types import ModuleType
from typing import Any

# name: (how to build it with the module M, size of the images); small enough to run, large enough to have every part
RUN = {
    "resnet": ("M.resnet18(num_classes=3)", 32),
    "resnext": ("M.ResNet(M.resnet.Bottleneck, [1, 1, 1, 1], 3, groups=2, width_per_group=8)", 32),
    "googlenet": ("M.googlenet(num_classes=3, init_weights=False)", 64),
    "googlenet with its weights": ("M.googlenet(num_classes=3, init_weights=True, transform_input=True)", 32),
    "inception": ("M.inception_v3(num_classes=3, init_weights=False, transform_input=True)", 80),
    "densenet": ("M.DenseNet(8, (2, 3), 16, num_classes=3, drop_rate=0.1)", 32),
    "squeezenet1_0": ("M.squeezenet1_0(num_classes=3)", 48),
    "squeezenet1_1": ("M.squeezenet1_1(num_classes=3)", 48),
    "shufflenet": ("M.shufflenet_v2_x0_5(num_classes=3)", 32),
    "mnasnet": ("M.mnasnet0_5(num_classes=3)", 32),
    "mobilenet_v2": ("M.mobilenet_v2(num_classes=3, width_mult=0.25)", 32),
    "mobilenet_v3_large": ("M.mobilenet_v3_large(num_classes=3, width_mult=0.35)", 32),
    "mobilenet_v3_small": ("M.mobilenet_v3_small(num_classes=3, dilated=True, reduced_tail=True)", 32),
    "efficientnet": ("M.efficientnet_b0(num_classes=3)", 32),
    "efficientnet_v2": (
        (
            "M.EfficientNet([M.efficientnet.FusedMBConvConfig(1, 3, 1, 8, 8, 1),"
            " M.efficientnet.FusedMBConvConfig(4, 3, 2, 8, 16, 2), M.efficientnet.MBConvConfig(4, 5, 2, 16, 24, 2)],"
            " 0.2, num_classes=3, last_channel=32)"
        ),
        32,
    ),
    "convnext": (
        "M.ConvNeXt([M.convnext.CNBlockConfig(8, 16, 2), M.convnext.CNBlockConfig(16, None, 2)], 0.1, 1.0, 3)",
        32,
    ),
    "vit": ("M.VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=3)", 32),
    "vit with a representation": ("M.VisionTransformer(32, 8, 2, 2, 16, 24, representation_size=5)", 32),
    "vit with a convolutional stem": (
        (
            "M.VisionTransformer(32, 8, 1, 2, 16, 24, conv_stem_configs="
            "[M.vision_transformer.ConvStemConfig(4, 3, 2), M.vision_transformer.ConvStemConfig(8, 3, 4)])"
        ),
        32,
    ),
    "swin": ("M.SwinTransformer([4, 4], 8, [2, 2, 2], [1, 2, 4], [3, 3], num_classes=3)", 40),
    "swin_v2": (
        (
            "M.SwinTransformer([2, 2], 8, [2, 2], [2, 4], [4, 4], num_classes=3,"
            " block=M.swin_transformer.SwinTransformerBlockV2, downsample_layer=M.swin_transformer.PatchMergingV2)"
        ),
        30,
    ),
    "regnet_x": (
        "M.RegNet(M.regnet.BlockParams.from_init_params(6, 24, 24.48, 2.54, 16), num_classes=3)",
        32,
    ),
    "fcn": ("M.segmentation.fcn_resnet50(num_classes=3, aux_loss=True, weights_backbone=None)", 32),
    "deeplabv3": ("M.segmentation.deeplabv3_mobilenet_v3_large(aux_loss=True, weights_backbone=None)", 33),
    "lraspp": ("M.segmentation.lraspp_mobilenet_v3_large(num_classes=2, weights_backbone=None)", 40),
    "regnet_y": ("M.regnet_y_400mf(num_classes=3)", 32),
}
# printed, and all their parameters counted and named, without a value
NAMED = """
alexnet vgg16 vgg19_bn resnet34 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 densenet161 squeezenet1_1
shufflenet_v2_x1_5 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small efficientnet_b1 efficientnet_b5
efficientnet_v2_s efficientnet_v2_m convnext_tiny convnext_base vit_b_32  swin_t swin_v2_s regnet_x_400mf
regnet_x_8gf regnet_y_3_2gf
""".split()


def picture(torch: ModuleType, size: int, count: int = 1) -> Any:
    return torch.linspace(-1, 1, count * 3 * size * size).view(count, 3, size, size)


def checksum(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()[:12]


def described(model: Any) -> dict[str, Any]:
    """A model's parameters counted; its names, shapes and printed form as checksums."""
    state = model.state_dict()
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "keys": checksum("\n".join(f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in state.items())),
        "print": checksum(repr(model).replace(", affine=True, bias=True", ", affine=True")),
    }


def run(torch: ModuleType, M: ModuleType, name: str) -> dict[str, Any]:
    """A model of RUN, built from a seed: what it is, what it gives, how far the stream of random numbers has come."""
    code, size = RUN[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = eval(code, {"M": M})
    drawn = torch.rand(1).item()
    model.eval()
    with torch.no_grad():
        out = model(picture(torch, size))
    if isinstance(out, dict):
        out = torch.cat(list(out.values())).flatten()[:: out["out"].numel() // 2]
    return {**described(model), "next": drawn, "out": [round(v, 5) for v in out.flatten().tolist()[:3]]}


def name_only(M: ModuleType, name: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return described(M.get_model(name))
