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
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(" s)") and ": " in last
    picture = (tmp_path / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 60_000


def test_the_page_shows_every_example() -> None:
    page = (EXAMPLES / "README.md").read_text("utf-8")
    shown = [line[4:].partition("]")[0] for line in page.splitlines() if line.startswith("## [")]
    assert shown == run_all.names() and "not run yet" not in page
    for name in shown:
        assert (EXAMPLES / "pictures" / f"{name}.png").stat().st_size < 60_000


def test_a_missed_claim_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import argparse

    import common

    full = argparse.Namespace(quick=False)
    with pytest.raises(SystemExit, match="at least 0.5 was claimed"):
        common.report(full, "x", 0.4, at_least=0.5)
    common.report(full, "x", 0.4, at_most=0.5)
    common.report(argparse.Namespace(quick=True), "x", 0.4, at_least=0.5)
