"""Detectors against torchvision's: from the same seed the same weights, losses, gradients and detections."""

import json
from pathlib import Path

import pytest

import kenaz as torch
from kenaz.vision.models import detection
from kenaz.vision.models.detection import _utils, roi_heads
from kenaz.vision.models.detection.image_list import ImageList
from tests.vision import detection_cases

GOLDENS = json.loads((Path(__file__).parent / "detection.json").read_text("utf-8"))


@pytest.mark.parametrize("name", detection_cases.CASES)
def test_as_torchvision(name: str) -> None:
    got, wanted = detection_cases.run(torch, detection, name), dict(GOLDENS[name])
    assert got.pop("losses") == pytest.approx(wanted.pop("losses"), abs=3e-5)
    assert got.pop("gradient") == pytest.approx(wanted.pop("gradient"), rel=1e-3)
    for mine, theirs in zip(got.pop("found"), wanted.pop("found"), strict=True):
        assert list(mine) == list(theirs)
        for key, (shape, total, first) in theirs.items():
            assert mine[key][0] == shape, key
            assert mine[key][1] == pytest.approx(total, rel=1e-4, abs=1e-2), key
            assert mine[key][2] == pytest.approx(first, abs=2e-3), key
    assert got == wanted


@pytest.mark.parametrize("name", detection_cases.BUILT)
def test_names_and_printed_form(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for init in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_", "xavier_uniform_"):
        monkeypatch.setattr(torch.nn.init, init, lambda tensor, *args, **kwargs: tensor)
    assert detection_cases.name_only(torch, detection, name) == GOLDENS[name]


def test_ssd_finds_and_learns() -> None:
    """SSD's own parts on a small backbone: boxes by steps, the worst of what is nothing."""

    class Maps(torch.nn.Module):
        out_channels = [4, 4]

        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3, 4, 1)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            first = self.layer(x)
            return {"0": first, "1": first[:, :, ::2, ::2]}

    torch.manual_seed(0)
    boxes = detection.anchor_utils.DefaultBoxGenerator([[2], [2, 3]], scales=[0.2, 0.4, 0.6], steps=[4, 8])
    model = detection.ssd.SSD(Maps(), boxes, (32, 32), 2)
    images, targets = detection_cases.samples(torch)
    for target in targets:
        target["labels"] = torch.ones_like(target["labels"])
    losses = model(images, targets)
    assert losses["classification"].item() > 0 and losses["bbox_regression"].item() > 0
    found = model.eval()(images)
    assert [list(f) for f in found] == [["boxes", "scores", "labels"]] * 2
    assert all((f["boxes"][:, 2] <= image.shape[2]).all() for f, image in zip(found, images))
    hard = model.hardest(torch.tensor([[5.0, 1, 4, 2, 3]]), torch.tensor([[True, False, False, False, False]]))
    assert hard.tolist() == [[False, False, True, True, True]]


def test_a_detector_learns_one_picture() -> None:
    torch.manual_seed(0)
    backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, 4, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, 2, 1))
    backbone.out_channels = 8
    anchors = detection.anchor_utils.AnchorGenerator(((24,),), ((1.0,),))
    pool = torch.vision.ops.MultiScaleRoIAlign(["0"], 3, 2)
    head = detection.faster_rcnn.TwoMLPHead(8 * 9, 32)
    predictor = detection.faster_rcnn.FastRCNNPredictor(32, 2)
    model = detection.FasterRCNN(
        backbone,
        min_size=64,
        rpn_anchor_generator=anchors,
        box_roi_pool=pool,
        box_head=head,
        box_predictor=predictor,
        rpn_post_nms_top_n_train=50,
        rpn_post_nms_top_n_test=50,
    )
    image = torch.zeros(3, 64, 64)
    image[:, 20:44, 12:36] = 1
    target = {"boxes": torch.tensor([[12.0, 20, 36, 44]]), "labels": torch.tensor([1])}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        sum(model([image], [target]).values()).backward()
        optimizer.step()
    found = model.eval()([image])[0]
    assert found["labels"][0] == 1 and found["scores"][0] > 0.6
    assert torch.vision.ops.box_iou(found["boxes"][:1], target["boxes"]).item() > 0.6


def test_images_without_anything() -> None:
    torch.manual_seed(0)
    images, _ = detection_cases.samples(torch)
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    for name in ("faster", "retinanet", "fcos"):
        model = detection_cases.build(torch, detection, detection_cases.CASES[name])
        losses = model(images[:1], [nothing])
        assert all(torch.isfinite(loss) for loss in losses.values())


def test_masks_are_pasted_where_their_boxes_are() -> None:
    pasted = roi_heads.paste_masks_in_image(torch.ones(1, 1, 4, 4), torch.tensor([[2.0, 3, 9, 9]]), (12, 12))
    assert pasted.shape == (1, 1, 12, 12)
    assert pasted[0, 0, 4:9, 4:8].min() == 1 and pasted[0, 0, :2].max() == 0


def test_codes_of_boxes_come_back() -> None:
    known, boxes = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[2.0, 3, 9, 30]])
    coder = _utils.BoxCoder((10.0, 10.0, 5.0, 5.0))
    assert torch.allclose(coder.decode_single(coder.encode_single(boxes, known), known), boxes)
    linear = _utils.BoxLinearCoder()
    assert torch.allclose(linear.decode(linear.encode(known, boxes), known), boxes)


def test_every_true_box_is_matched() -> None:
    overlaps = torch.tensor([[0.1, 0.2, 0.0], [0.6, 0.9, 0.4]])
    assert _utils.Matcher(0.5, 0.3)(overlaps).tolist() == [1, 1, -2]
    assert _utils.Matcher(0.5, 0.3, allow_low_quality_matches=True)(overlaps).tolist() == [1, 1, -2]
    assert _utils.SSDMatcher(0.5)(overlaps).tolist() == [1, 1, -1]
    with pytest.raises(ValueError, match="No ground-truth boxes available"):
        _utils.Matcher(0.5, 0.3)(torch.zeros(0, 3))


def test_weights() -> None:
    enum = detection.KeypointRCNN_ResNet50_FPN_Weights
    assert enum.DEFAULT is enum.COCO_V1 and enum.DEFAULT.meta["categories"] == ["no person", "person"]
    assert len(enum.DEFAULT.meta["keypoint_names"]) == 17
    assert len(torch.vision.models.list_models(detection)) == 12
    with pytest.raises(ValueError, match=r"should be in the range \[0,5\], got 6"):
        _utils.trainable_layers(True, 6, 5, 3)
    with pytest.warns(UserWarning, match="has no effect if neither pretrained"):
        assert _utils.trainable_layers(False, 2, 5, 3) == 5


@pytest.mark.parametrize(
    ("images", "targets", "error", "message"),
    [
        ([torch.zeros(3, 8, 8)], None, AssertionError, "targets should not be none when in training mode"),
        ([torch.zeros(3, 8, 8)], [{"boxes": torch.zeros(4)}], AssertionError, "tensor of shape \\[N, 4\\]"),
        ([torch.zeros(3, 8, 8)], [{"boxes": torch.zeros(1, 4)}], AssertionError, "positive height and width"),
        ([torch.zeros(8, 8)], [{"boxes": torch.ones(0, 4)}], ValueError, "list of 3d tensors"),
    ],
)
def test_errors(images: list, targets: list | None, error: type, message: str) -> None:
    model = detection.FCOS(
        detection.backbone_utils.BackboneWithFPN(torch.nn.Sequential(torch.nn.Conv2d(3, 32, 1)), {"0": "0"}, [32], 32),
        2,
        min_size=8,
    )
    with pytest.raises(error, match=message):
        model(images, targets)


def test_anchors_need_a_map_each() -> None:
    generator = detection.anchor_utils.AnchorGenerator(((8,), (16,)), ((1.0,),) * 2)
    with pytest.raises(AssertionError, match="There needs to be a match between the number of feature maps"):
        generator(ImageList(torch.zeros(1, 3, 8, 8), [(8, 8)]), [torch.zeros(1, 1, 2, 2)])
