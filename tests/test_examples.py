"""Every example runs, in its shortened form, prints a result and saves a picture; its page shows it.

They run in this process: importing Kenaz and matplotlib again for each would take most of the time.
"""

import runpy
import sys
from pathlib import Path

import pytest

import kenaz as torch

EXAMPLES = Path(__file__).parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))
try:
    import run_all
finally:
    sys.path.remove(str(EXAMPLES))


@pytest.mark.parametrize("name", run_all.names())
def test_example(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delenv("KENAZ_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLES / f"{name}.py"), "--quick", "--out", str(tmp_path)])
    state = torch.get_rng_state()
    runpy.run_path(sys.argv[0], run_name="__main__")
    torch.set_rng_state(state)
    assert run_all.LINE.fullmatch(capsys.readouterr().out.splitlines()[-1])
    picture = (tmp_path / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 60_000


def test_the_page_shows_every_example() -> None:
    results = run_all.results_so_far()
    assert set(results) == set(run_all.names())
    # the page is what the results and docstrings make: nobody has typed on it, and no docstring has changed since
    assert (EXAMPLES / "README.md").read_text("utf-8") == run_all.page(results)
    for name in run_all.names():
        assert (EXAMPLES / "pictures" / f"{name}.png").stat().st_size < 60_000


def test_every_result_reaches_its_claim() -> None:
    for name, result in run_all.results_so_far().items():
        for claim in result["claims"]:
            bound, _, limit = claim["claimed"].rpartition(" ")
            reached = float(claim["reached"])
            assert reached >= float(limit) if bound == "at least" else reached <= float(limit), name


def test_a_missed_claim_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import argparse

    import common

    full = argparse.Namespace(quick=False)
    with pytest.raises(SystemExit, match="at least 0.5 was claimed"):
        common.report(full, "x", 0.4, at_least=0.5)
    common.report(full, "x", 0.4, at_most=0.5)
    common.report(argparse.Namespace(quick=True), "x", 0.4, at_least=0.5)
