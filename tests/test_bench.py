"""The benchmark's workloads run and compute what PyTorch computes, and the suite gives figures and a page."""

import json
import math
import sys
from pathlib import Path

import pytest

import kenaz
import kenaz.optim
import kenaz.utils.data
from bench import __main__ as suite
from bench import measure, page, workloads

# What the third step of the small sizes gives with PyTorch 2.13. Three steps of Adam on two pictures magnify rounding.
THIRD_STEP = {
    "perceptron": 2.1896772384643555,
    "regression_by_hand": 5.1070556640625,
    "elementwise": 0.7672871351242065,
    "softmax_norm": 0.4060871668625623,
    "lenet": 2.244497060775757,
    "convnet": 0.0022133425809442997,
    "resnet18": 0.0006053998949937522,
    "resnet18_one": 0.07771025598049164,
    "gru_language": 3.9646928310394287,
    "lstm": 1.7743291854858398,
    "transformer": 2.556614637374878,
    "gpt": 7.179244518280029,
    "vae": 536.5800170898438,
    "gan": 1.8697023391723633,
    "image_loader": 2.193387985229492,
}


def test_every_workload_has_a_result():
    assert list(workloads.WORKLOADS) and set(workloads.WORKLOADS) == set(THIRD_STEP)


@pytest.mark.parametrize("name", THIRD_STEP)
def test_workload(name: str):
    kenaz.manual_seed(0)
    step = workloads.WORKLOADS[name](workloads.Setting(kenaz, small=True))
    found = [step() for _ in range(3)][-1]
    assert math.isclose(found, THIRD_STEP[name], rel_tol=1e-4, abs_tol=1e-4)


def test_suite(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Kenaz against Kenaz: figures of both, kept and on the page; a second run adds to them."""
    results, out = tmp_path / "results.json", tmp_path / "page.md"
    common = ["--env", f"kenaz={sys.executable}", "--small", "--seconds", "0.01", "--rounds", "1", "--threads", "1"]
    suite.main([*common, "--workloads", "softmax_norm", "--results", str(results), "--page", str(out)])
    kept = json.loads(results.read_text())
    first, second = kept["rows"]["softmax_norm"].values()
    assert first["ratio"] == 1 and second["ratio"] > 0 and first["value"] == second["value"]
    assert all(f[k] > 0 for f in (first, second) for k in ("step", "cold", "warm", "mib"))
    assert "softmax_norm" in capsys.readouterr().out
    text = out.read_text()
    assert f"| softmax_norm | {page.three(first['step'] * 1e3)} |" in text and "Kenaz 2 ×" in text
    assert "at most 0.0e+00" in text and "$" not in text and sys.executable not in text


def test_failures_are_told(tmp_path: Path):
    found = measure.contestants([f"torch={tmp_path / 'nowhere'}", f"jax={sys.executable}"])[1:]
    row = measure.compare("softmax_norm", found, measure.Effort(0.01, 1, 1, True))
    assert "nowhere" in row["torch"] and "jax" in row["jax"]
    assert measure.compare("lenet", found[1:], measure.Effort(0.01, 1, 1, True)) == {"jax": None}
    assert page.cell(row["torch"], str) == "failed" and page.cell(None, str) == "–"


def test_figures_of_another_machine_are_not_kept(tmp_path: Path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"about": {"machine": "here"}, "rows": {"lenet": {}}, "imports": {}}))
    assert suite.kept(path, {"machine": "here"})["rows"] == {"lenet": {}}
    assert suite.kept(path, {"machine": "there"})["rows"] == {}
    path.write_text("{")
    assert suite.kept(path, {"machine": "here"})["rows"] == {}


def test_unknown_names_are_refused():
    with pytest.raises(SystemExit, match="no workload nothing"):
        suite.main(["--workloads", "nothing"])
    with pytest.raises(SystemExit, match="NAME=PYTHON"):
        suite.main(["--env", "nothing=python"])


def test_environments_come_from_variables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KENAZ_BENCH_TORCH", "/venv/bin/python")
    assert "torch=/venv/bin/python" in suite.environments(None)
    assert suite.environments(["jax=python"]) == ["jax=python"]
