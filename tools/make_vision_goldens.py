"""Write tests/vision/{goldens,v2}.json: what torchvision gives for the cases of cases.py and v2_cases.py.

Runs where torch and torchvision are installed; the tests need neither.
"""

import json
import sys
import warnings
from pathlib import Path

import torch

library = torch.library.Library("torchvision", "DEF")  # a CPU build of torch lacks two operators that torchvision names
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import transforms, tv_tensors
from torchvision.transforms import v2

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "vision"
sys.path.insert(0, str(ROOT))

from tests.vision import cases, v2_cases

warnings.simplefilter("ignore")


def write(file: str, goldens: dict) -> None:
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(results)}" for case, results in goldens.items())
    (FOLDER / file).write_text("{\n" + lines + "\n}\n", "utf-8")


write("goldens.json", {case: cases.run(torch, transforms, transforms.functional, case) for case in cases.CASES})
write("v2.json", {case: v2_cases.run(torch, v2, tv_tensors, case) for case in v2_cases.CASES})
