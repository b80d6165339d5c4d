"""What test_models.py runs, and tools/make_model_goldens.py runs on torchvision: one list for both."""

import hashlib
import math
import warnings
from types import ModuleType
from typing import Any

# name: (how to build it with the module M, size of the images, or of the videos); small enough to run, large enough to have every part
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
    "maxvit": ("M.MaxVit((32, 32), 8, 2, [8, 16], [1, 2], 4, 0.2, num_classes=3)", 32),
    "raft_small": ("M.optical_flow.raft_small(corr_block=M.optical_flow.raft.CorrBlock(num_levels=2))", (32, 40)),
    "raft_large": (
        (
            "M.optical_flow.raft_large(corr_block=M.optical_flow.raft.CorrBlock(num_levels=1, radius=2),"
            " feature_encoder=M.optical_flow.raft.FeatureEncoder(layers=(8, 8, 12, 16, 24)))"
        ),
        (24, 32),
    ),
    "r3d": (
        (
            "M.video.VideoResNet(V.BasicBlock, [V.Conv3DSimple, V.Conv2Plus1D, V.Conv3DNoTemporal,"
            " V.Conv3DNoTemporal], [1, 1, 1, 1], V.BasicStem, num_classes=3)"
        ),
        (4, 16, 16),
    ),
    "r2plus1d": (
        (
            "M.video.VideoResNet(V.Bottleneck, [V.Conv2Plus1D, V.Conv3DSimple, V.Conv3DNoTemporal,"
            " V.Conv3DNoTemporal], [2, 1, 1, 1], V.R2Plus1dStem, num_classes=3)"
        ),
        (3, 20, 16),
    ),
    "s3d": ("M.video.S3D(3, norm_layer=nn.InstanceNorm3d).features", (8, 64, 72)),
    "mvit_v1": (
        (
            "M.video.MViT((32, 48), 4, [C(1, 8, 16, [], [3, 3, 3], [], [1, 4, 4]),"
            " C(2, 16, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 2, 2])], False, False, False, False, num_classes=3)"
        ),
        (4, 32, 48),
    ),
    "mvit_v2": (
        (
            "M.video.MViT((48, 32), 8, [C(1, 8, 8, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 3, 3]),"
            " C(2, 8, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [2, 1, 1]), C(2, 16, 16, [], [], [], [])],"
            " True, False, True, True, attention_dropout=0.1, stochastic_depth_prob=0.3, num_classes=3)"
        ),
        (8, 48, 32),
    ),
    "mvit of a class that stays": (
        (
            "M.video.MViT((16, 16), 2, [C(2, 8, 8, [1, 3, 3], [1, 3, 3], [1, 2, 2], [1, 2, 2])] * 2,"
            " True, True, True, False, num_classes=3)"
        ),
        (2, 16, 16),
    ),
    "swin3d": ("M.video.SwinTransformer3d([2, 4, 4], 8, [2, 2], [1, 2], [4, 3, 3], num_classes=3)", (5, 30, 34)),
    "swin3d of a long video": ("M.video.SwinTransformer3d([1, 4, 4], 8, [2], [2], [2, 4, 4])", (5, 20, 16)),
    "quantized resnet": ("M.quantization.resnet18(num_classes=3)", 32),
    "quantized bottleneck": (
        "M.quantization.QuantizableResNet(M.quantization.resnet.QuantizableBottleneck, [1, 1, 1, 1], 3)",
        32,
    ),
    "quantized googlenet": ("M.quantization.googlenet(num_classes=3, init_weights=False)", 48),
    "quantized inception": ("M.quantization.inception_v3(num_classes=3, init_weights=False)", 80),
    "quantized shufflenet": ("M.quantization.shufflenet_v2_x0_5(num_classes=3)", 32),
    "quantized mobilenet_v2": ("M.quantization.mobilenet_v2(num_classes=3, width_mult=0.25)", 32),
    "quantized mobilenet_v3": ("M.quantization.mobilenet_v3_large(num_classes=3, width_mult=0.35)", 32),
}
# printed, and all their parameters counted and named, without a value
NAMED = """
alexnet vgg16 vgg19_bn resnet34 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 densenet161 squeezenet1_1
shufflenet_v2_x1_5 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small efficientnet_b1 efficientnet_b5
efficientnet_v2_s efficientnet_v2_m convnext_tiny convnext_base vit_b_32  swin_t swin_v2_s regnet_x_400mf
regnet_x_8gf regnet_y_3_2gf maxvit_t r3d_18 mc3_18 r2plus1d_18 s3d mvit_v1_b mvit_v2_s swin3d_t swin3d_b raft_large
raft_small quantized_resnet50 quantized_resnext101_32x8d quantized_googlenet quantized_inception_v3
quantized_mobilenet_v2 quantized_mobilenet_v3_large quantized_shufflenet_v2_x1_5
""".split()


def picture(torch: ModuleType, size: int | tuple[int, ...], count: int = 1) -> Any:
    sizes = (size, size) if isinstance(size, int) else size
    return torch.linspace(-1, 1, count * 3 * math.prod(sizes)).view(count, 3, *sizes)


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
        model = eval(code, {"M": M, "V": M.video.resnet, "C": M.video.mvit.MSBlockConfig, "nn": torch.nn})
    drawn = torch.rand(1).item()
    model.eval()
    image = picture(torch, size)
    found = described(model)
    with torch.no_grad():
        out = model(image, image.cos(), num_flow_updates=2)[-1] if "raft" in name else model(image)
        if "quantized" in name:
            model.fuse_model()
            found["fused"] = described(model)["print"]
            assert torch.allclose(model(image), out, rtol=1e-3, atol=1e-4)
    if isinstance(out, dict):
        out = torch.cat(list(out.values())).flatten()[:: out["out"].numel() // 2]
    return {**found, "next": drawn, "out": [round(v, 5) for v in out.flatten().tolist()[:3]]}


def name_only(M: ModuleType, name: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return described(M.get_model(name))
