"""Runs a program of `programs/` under the alias, in a process and a folder of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def run(tmp_path: Path):
    """run(program, *needs): what the program prints last, read as JSON; the test is skipped where a library is missing."""

    def runner(program: str, *needs: str) -> Any:
        if missing := [name for name in needs if importlib.util.find_spec(name) is None]:
            pytest.skip(f"needs {', '.join(missing)}")
        env = {**os.environ, "PYTHONPATH": str(HERE.parent.parent), "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg"}
        done = subprocess.run(
            [sys.executable, "-m", "kenaz", "run", str(HERE / "programs" / f"{program}.py")],
            capture_output=True, text=True, cwd=tmp_path, env=env, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return runner
