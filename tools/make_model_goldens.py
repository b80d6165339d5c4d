"""Write tests/vision/{models,ops,detection}.json: what torchvision gives for the cases of the `*_cases.py` there.

Runs where torch and torchvision are installed; the tests need neither.
"""

import json
import sys
from pathlib import Path

import torch

# a CPU build of torch lacks operators that torchvision names
library = torch.library.Library("torchvision", "DEF")
for schema in (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    (
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    ),
):
    library.define(schema)

import torchvision
from torchvision import models, ops

torchvision.extension._has_ops = lambda: True


def nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    overlaps = torchvision.ops.box_iou(boxes, boxes) > threshold
    kept: list[int] = []
    for i in scores.sort(stable=True, descending=True)[1].tolist():
        if not overlaps[i, kept].any():
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def roi_align(*args):
    return sys.modules["torchvision.ops.roi_align"]._roi_align(*args)  # torchvision's own, without its extension


library.impl("nms", nms, "CPU")
library.impl("roi_align", roi_align, "CompositeImplicitAutograd")

FOLDER = Path(__file__).parent.parent / "tests" / "vision"
sys.path.insert(0, str(FOLDER.parent.parent))

from tests.vision import detection_cases, ops_cases
from tests.vision import model_cases as cases


def write(file: str, goldens: dict) -> None:
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(results)}" for case, results in goldens.items())
    (FOLDER / file).write_text("{\n" + lines + "\n}\n", "utf-8")


write("ops.json", {case: ops_cases.run(torch, ops, case) for case in ops_cases.CASES})
D = models.detection
goldens = {name: detection_cases.run(torch, D, name) for name in detection_cases.CASES}
write("detection.json", goldens | {name: detection_cases.name_only(torch, D, name) for name in detection_cases.BUILT})
if "ops" not in sys.argv:
    goldens = {name: cases.run(torch, models, name) for name in cases.RUN}
    write("models.json", goldens | {"named " + name: cases.name_only(models, name) for name in cases.NAMED})
