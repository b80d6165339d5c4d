"""The command line, as a user types it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kenaz import cli, doctor

ROOT = Path(__file__).parent.parent.parent


def kenaz(*args: str, cwd: Path | None = None, **kwargs) -> subprocess.CompletedProcess:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    command = [sys.executable, "-m", "kenaz", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120, **kwargs)


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(["--help"])
    assert exit.value.code == 0
    text = capsys.readouterr().out
    assert all(f"    {command} " in text for command in ("demo", "run", "doctor"))


@pytest.mark.parametrize("args", [[], ["no-such"], ["demo", "--epochs", "0"], ["demo", "--epochs", "x"], ["run"]])
def test_wrong_command_lines_say_how_it_goes(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(args)
    assert exit.value.code == 2
    assert "usage: kenaz" in capsys.readouterr().err


def test_doctor_finds_everything_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(doctor.FACTS)
    assert not any("not found out" in line for line in lines), lines
    assert "kenaz 0.1.0" in lines[0] and "LLVM" in "".join(lines)


def test_doctor_goes_on_where_a_fact_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.FACTS, "llvm", lambda: 1 / 0)
    assert "llvm      not found out: ZeroDivisionError: division by zero" in doctor.report().splitlines()


PROGRAM = """
import sys, helper
import torch
from torch import nn
import torchvision
if __name__ == "__main__":
    print(torch.__version__, sys.argv[1:], helper.WORD, torch.ones(2) + 1)
    sys.exit(3)
"""


def test_run_gives_a_program_torch_its_arguments_and_its_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "script.py").write_text(PROGRAM)
    (tmp_path / "deep" / "helper.py").write_text("WORD = 'found'")
    done = kenaz("run", "deep/script.py", "--flag", "x", cwd=tmp_path)
    assert done.stdout == "2.13.0 ['--flag', 'x'] found tensor([2., 2.])\n", done.stderr
    assert done.returncode == 3


def test_run_reaches_the_processes_that_a_program_spawns(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import torch, torchvision, multiprocessing\n"
        "def work(x): return torch.__version__, torch.nn.Identity()(x + 1)\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(work, [1]))\n"
    )
    done = kenaz("run", "script.py", cwd=tmp_path)
    assert done.stdout == "[('2.13.0', 2)]\n", done.stderr


def test_run_a_module(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(PROGRAM)
    (tmp_path / "helper.py").write_text("WORD = 'found'")
    assert "found" in kenaz("run", "-m", "script", "--flag", cwd=tmp_path).stdout


def test_run_shows_the_programs_own_error(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import torch\ntorch.ones(2) + torch.ones(3)\n")
    done = kenaz("run", "script.py", cwd=tmp_path)
    assert done.returncode == 1 and 'script.py", line 2' in done.stderr
    assert "RuntimeError: The size of tensor a (2) must match the size of tensor b (3)" in done.stderr
    missing = kenaz("run", "no_such.py", cwd=tmp_path)
    assert missing.returncode != 0 and "no_such.py" in missing.stderr


def test_module_and_script_are_the_same_command() -> None:
    assert re.fullmatch(r"kenaz \d+\.\d+\.\d+\n", kenaz("--version").stdout)
