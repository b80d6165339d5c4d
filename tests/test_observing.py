"""Seeing what Kenaz does: profiles, KENAZ_DEBUG and KENAZ_EXPLAIN, drawings of compiled graphs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

import kenaz as torch
from kenaz import draw
from kenaz.profiler import profile, record_function

ROOT = str(Path(torch.__file__).parent.parent)
PROGRAM = """import torch
net = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 5))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(16, 20), torch.randint(5, (16,))
for _ in range(5):
    opt.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    print(loss.item())
"""


@pytest.fixture
def step() -> Callable[[], float]:
    net = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 5))
    x = torch.randn(16, 20)

    def run() -> float:
        return net(x).square().sum().item()

    return run


def test_a_profile_has_compiled_steps_with_the_lines_that_asked_for_them(step: Callable, tmp_path: Path) -> None:
    for _ in range(5):
        step()
    with profile(record_shapes=True) as p, record_function("step"):
        step()
    names = [e.name for e in p.events()]
    assert names.count("linear") == 2 and "step" in names
    event = next(e for e in p.events() if e.name == "linear")
    assert event.line[0] == __file__ and event.input_shapes[0] == [16, 20]
    table = p.key_averages().table(sort_by="count", row_limit=2)
    assert table.splitlines()[1].split()[0] == "linear"
    p.export_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {e["name"] for e in events} == set(names) and all(e["dur"] >= 0 for e in events)


def test_after_a_profile_nothing_is_noted(step: Callable) -> None:
    with profile() as p:
        step()
    before = len(p.events())
    step()
    assert len(p.events()) == before > 0


def run(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    (tmp_path / "program.py").write_text(PROGRAM)
    env = os.environ | {"KENAZ_CACHE": str(tmp_path / "cache"), "PYTHONPATH": ROOT} | environment
    command = [sys.executable, "-m", "kenaz", *arguments]
    return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)


def test_explain_names_the_line_that_asked(tmp_path: Path) -> None:
    told = run(tmp_path, "run", "program.py", KENAZ_EXPLAIN="1", KENAZ_DEBUG="4").stderr
    assert "program.py:9 asks for: a new graph" in told
    assert "run linear -> float32[16, 30]" in told and "compiled steps, for" in told and " us linear " in told


def test_a_program_is_drawn(tmp_path: Path) -> None:
    told = run(tmp_path, "graph", "--out", "out.svg", "program.py").stdout
    assert told.splitlines()[-1].startswith("out.svg: ")
    root = ElementTree.parse(tmp_path / "out.svg").getroot()
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("linear") == 2 and any("update_sgd" in t for t in texts if t)


def test_names_in_a_drawing_are_escaped() -> None:
    drawing = draw.svg([("a<b", ["x & y"], [], True), ("long" * 20, [], [0], False)])
    assert "a&lt;b" in drawing and "x &amp; y" in drawing and "…" in drawing
    ElementTree.fromstring(drawing)
