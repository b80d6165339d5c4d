"""Write tests/vision/goldens.json: what torchvision gives for the cases of tests/vision/cases.py.

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

from torchvision import transforms

FOLDER = Path(__file__).parent.parent / "tests" / "vision"
sys.path.insert(0, str(FOLDER))

import cases

warnings.simplefilter("ignore")
goldens = {case: cases.run(torch, transforms, transforms.functional, case) for case in cases.CASES}
lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(results)}" for case, results in goldens.items())
(FOLDER / "goldens.json").write_text("{\n" + lines + "\n}\n", "utf-8")
