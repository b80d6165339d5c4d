"""Write tests/vision/models.json: what torchvision's models are and give, for the cases of tests/vision/model_cases.py.

Runs where torch and torchvision are installed; the tests need neither.
"""

import json
import sys
from pathlib import Path

import torch

library = torch.library.Library("torchvision", "DEF")  # a CPU build of torch lacks operators that torchvision names
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import models

FOLDER = Path(__file__).parent.parent / "tests" / "vision"
sys.path.insert(0, str(FOLDER))

import model_cases as cases

goldens = {name: cases.run(torch, models, name) for name in cases.RUN}
goldens.update({"named " + name: cases.name_only(models, name) for name in cases.NAMED})
lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(results)}" for case, results in goldens.items())
(FOLDER / "models.json").write_text("{\n" + lines + "\n}\n", "utf-8")
