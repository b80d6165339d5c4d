"""tools/ratchet.py on reports of the shape that the two runners write."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent.parent / "tools"
CONFORMANCE = {"parts": {"ops": {"percent": 61.5}, "rng": {"percent": 95.0}}}
CELLS = {"summary": {"002": {"ok": 55, "counted": 60, "match": 30, "cmp": 40}}}
HELD = {"slack": 1.0, "conformance": {"ops": 62.0}, "cells": {"002 run": 91.67}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("tools", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tools" / "ratchet.py").write_text((TOOLS / "ratchet.py").read_text("utf-8"))
    (tmp_path / "tests" / "ratchet.json").write_text(json.dumps(HELD))
    (tmp_path / "conformance.json").write_text(json.dumps(CONFORMANCE))
    (tmp_path / "cells.json").write_text(json.dumps(CELLS))
    return tmp_path


def ratchet(project: Path, *args: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "tools/ratchet.py", "conformance.json", "cells.json", *args]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


def test_passes_within_the_slack(project: Path) -> None:
    done = ratchet(project)
    assert done.returncode == 0 and "61.50 %   held 62.00 %" in done.stdout


def test_fails_below_it_and_for_a_missing_report(project: Path) -> None:
    (project / "cells.json").unlink()
    done = ratchet(project)
    assert done.returncode == 1 and "cells 002 run: 0.0 %, was 91.67 %" in done.stdout


def test_raises_only_upwards(project: Path) -> None:
    assert ratchet(project, "--raise").returncode == 0
    held = json.loads((project / "tests" / "ratchet.json").read_text("utf-8"))
    assert held["conformance"] == {"ops": 62.0, "rng": 95.0} and held["slack"] == 1.0
    assert held["cells"] == {"002 output": 75.0, "002 run": 91.67}
