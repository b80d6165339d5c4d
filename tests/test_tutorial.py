"""The tutorial runs as it stands: the answers in its chapters, its programs, its links; both languages have the same code."""

import doctest
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial"
CHAPTERS = sorted(path.name for path in (TUTORIAL / "en").glob("0*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^):#]+)\)")


def blocks(language: str, chapter: str) -> list[tuple[str, str]]:
    return BLOCK.findall((TUTORIAL / language / chapter).read_text("utf-8"))


def test_there_are_nine_chapters() -> None:
    assert [name[:2] for name in CHAPTERS] == [f"0{n}" for n in range(1, 10)]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_answers(chapter: str) -> None:
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    found = doctest.testfile(str(TUTORIAL / "en" / chapter), module_relative=False, optionflags=flags)
    assert found.attempted > 0 and found.failed == 0


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_languages_have_the_same_code(chapter: str) -> None:
    assert blocks("zh", chapter) == blocks("en", chapter)


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if any(kind == "console" for kind, _ in blocks("en", c))])
def test_what_programs_print(chapter: str, tmp_path: Path) -> None:
    """A console block runs the program of the block before it. How many steps a compiler makes is its own affair."""
    program = ""
    for kind, text in blocks("en", chapter):
        if kind == "console":
            command, _, expected = text.partition("\n")
            assert run(program, command, tmp_path) == mask(expected)
        program = text


def run(program: str, command: str, folder: Path) -> str:
    setting, name = re.fullmatch(r"\$ (\w+=\S+) python (\S+)", command).groups()  # type: ignore[union-attr]
    (folder / name).write_text(program, "utf-8")
    switch, value = setting.split("=")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "KENAZ_HOT": "auto", switch: value}
    done = subprocess.run(
        [sys.executable, name], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return mask(done.stdout.replace(f"{folder}{os.sep}", ""))


def mask(text: str) -> str:
    return re.sub(r"\d+ (operator|compiled step)s?", r"\1s", text).strip()


@pytest.mark.parametrize("page", sorted(p.relative_to(TUTORIAL).as_posix() for p in TUTORIAL.glob("*/*.md")))
def test_links_and_pictures_are_there(page: str) -> None:
    path = TUTORIAL / page
    missing = [to for to in LINK.findall(path.read_text("utf-8")) if not (path.parent / to).exists()]
    assert missing == []


@pytest.mark.skipif(importlib.util.find_spec("markdown") is None, reason="needs the extra `docs`")
def test_pages(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "pages.py"), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "docs/tutorial/zh/03_data.html").read_text("utf-8")
    assert '<html lang="zh">' in page and 'src="../pictures/clothes.png"' in page
    assert '<a href="../en/03_data.html">3 Data</a>' in page and "<strong>3 数据</strong>" in page
    assert (tmp_path / "docs/tutorial/pictures/clothes.png").stat().st_size < 60_000
    assert 'href="docs/tutorial/en/index.html"' in (tmp_path / "index.html").read_text("utf-8")
