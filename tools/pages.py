"""Builds the static pages of the documentation: `python tools/pages.py [FOLDER]`, docs/_build by default (`make docs`).

README.md becomes the first page; every file of docs/ and the index of examples/ becomes a page of its own, with the
pictures that it shows. A link or a picture that leads nowhere is an error: it stops the build and is named.
"""

from __future__ import annotations

import html
import posixpath
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTENSIONS = ["fenced_code", "tables", "toc", "sane_lists"]
LINK = re.compile(r'(?P<kind>href|src)="(?P<to>[^"#]*)(?P<anchor>#[^"]*)?"')

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: light-dark(#a3470e, #ff9d5c) }
* { box-sizing: border-box }
body { margin: 0; font: 17px/1.6 system-ui, "Noto Sans CJK SC", sans-serif; display: flex; min-height: 100vh }
nav { flex: 0 0 17rem; padding: 1.5rem; border-right: 1px solid var(--line); font-size: .9rem }
nav ul { list-style: none; padding: 0; margin: .3rem 0 1.2rem } nav strong { color: var(--accent) }
main { flex: 1; min-width: 0; max-width: 52rem; padding: 1.5rem 2.5rem 4rem }
a { color: var(--accent); text-decoration: none } a:hover { text-decoration: underline }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem }
pre { overflow-x: auto }
code { font: .86em ui-monospace, monospace } img { max-width: 100%; background: white; border-radius: 4px }
table { border-collapse: collapse } th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line) }
th { text-align: left }
.turn { display: flex; justify-content: space-between; margin-top: 3rem }
@media (max-width: 50rem) { body { display: block } nav { border: 0 } main { padding: 1rem } }
"""

PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<nav>{navigation}</nav>
<main>
{body}
{turn}
</main>
</html>
"""

FIRST = ["README.md", "docs/libraries.md", "examples/README.md", "docs/compatibility.md", "docs/architecture.md"]
SECTIONS: list[tuple[str, list[str] | str]] = [  # heading of the navigation, files
    ("Kenaz", FIRST),
    ("Tutorial", "docs/tutorial/en/*.md"),
    ("教程", "docs/tutorial/zh/*.md"),
]


def sources() -> list[tuple[str, list[str]]]:
    """Headings, and under each the files that become pages, in order; what is in no section comes last in the first."""
    found = []
    for heading, files in SECTIONS:
        if isinstance(files, str):
            # the index of a folder comes before its chapters
            paths = sorted(ROOT.glob(files), key=lambda p: (p.name != "README.md", p.name))
        else:
            paths = [ROOT / file for file in files if (ROOT / file).exists()]
        found.append((heading, [path.relative_to(ROOT).as_posix() for path in paths]))
    listed = {file for _, files in found for file in files}
    rest = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))
    found[0][1].extend(file for file in rest if file not in listed)
    return found


def address(source: str) -> str:
    """The page of a file.

    >>> address("README.md"), address("docs/tutorial/en/README.md"), address("docs/libraries.md")
    ('index.html', 'docs/tutorial/en/index.html', 'docs/libraries.html')
    """
    return re.sub(r"README\.html$", "index.html", re.sub(r"\.md$", ".html", source))


def title(text: str) -> str:
    """The first heading of a file."""
    return next(line.lstrip("# ") for line in text.splitlines() if line.startswith("# "))


def between(source: str, target: str) -> str:
    """The way from one page to another."""
    return posixpath.relpath(address(target), posixpath.dirname(address(source)) or ".")


class Broken(Exception):
    """Links that lead nowhere."""


def linker(source: str, pages: set[str], copy: Callable[[str], None], broken: list[str]) -> Callable[[re.Match], str]:
    """A function that makes a link between files one between pages, and has the pictures copied."""

    def link(match: re.Match) -> str:
        kind, to, anchor = match["kind"], match["to"], match["anchor"] or ""
        if not to or ":" in to:  # a place in the page, or another site
            return match[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), to))
        if file in pages:
            return f'{kind}="{between(source, file)}{anchor}"'
        if not (ROOT / file).is_file():
            broken.append(f"{source}: {to}")
        elif kind == "src":
            copy(file)
            return f'{kind}="{posixpath.relpath(file, posixpath.dirname(source) or ".")}"'
        return f'title="{html.escape(file)}"'  # a file of the repository that is no page

    return link


def navigation(source: str, sections: list[tuple[str, list[str]]], titles: dict[str, str]) -> str:
    lines = []
    for heading, files in sections:
        lines.append(f"<b>{heading}</b><ul>")
        for file in files:
            name = html.escape(titles[file])
            here = f"<strong>{name}</strong>" if file == source else f'<a href="{between(source, file)}">{name}</a>'
            lines.append(f"<li>{here}</li>")
        lines.append("</ul>")
    return "\n".join(lines)


def turn(source: str, files: list[str], titles: dict[str, str]) -> str:
    """The ways to the page before and after, at the foot of a chapter."""
    if "tutorial" not in source:
        return ""
    at = files.index(source)
    before, after = files[at - 1 : at] if at else [], files[at + 1 : at + 2]
    ways = [("←", file) for file in before] + [("→", file) for file in after]
    links = [f'<a href="{between(source, file)}">{arrow} {titles[file]}</a>' for arrow, file in ways]
    return f'<div class="turn">{"".join(links)}</div>'


def build(out: Path) -> Iterator[str]:
    """Writes every page and names it; raises Broken where links lead nowhere."""
    from markdown import markdown

    def copy(file: str) -> None:
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, out / file)

    sections = sources()
    texts = {file: (ROOT / file).read_text("utf-8") for _, files in sections for file in files}
    titles = {file: title(text) for file, text in texts.items()}
    broken: list[str] = []
    for _, files in sections:
        for source in files:
            body = markdown(texts[source], extensions=EXTENSIONS)
            page = PAGE.format(
                language="zh" if "/zh/" in source else "en", title=html.escape(titles[source]), style=STYLE,
                navigation=navigation(source, sections, titles), turn=turn(source, files, titles),
                body=LINK.sub(linker(source, set(texts), copy, broken), body),
            )  # fmt: skip
            target = out / address(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(page, "utf-8")
            yield address(source)
    if broken:
        raise Broken("links that lead nowhere:\n  " + "\n  ".join(broken))


def main() -> int:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "_build"
    try:
        pages = list(build(out))
    except Broken as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(pages)} pages: {out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
