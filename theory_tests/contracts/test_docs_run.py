"""Every code cell of the documentation runs, a page in one namespace; tracebacks name the page's lines."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
CELL = re.compile(r"^(`{3,}|:{3,})\{code-cell\}[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"\A(?:---\n.*?^---\n|(?::[\w-]+:[^\n]*\n)+)", re.MULTILINE | re.DOTALL)


def run_cells(text, path):
    """Execute the cells of a page; return its namespace, with `__cells__` the number of cells."""
    namespace = {"__name__": "__page__", "__cells__": 0}
    for cell in CELL.finditer(text):
        body = OPTION.sub(lambda options: "\n" * options.group().count("\n"), cell.group(2))
        lines_before = text[: cell.start(2)].count("\n")
        exec(compile("\n" * lines_before + body, str(path), "exec"), namespace)
        namespace["__cells__"] += 1
    return namespace


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_cells_run(page, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    assert run_cells(text, page)["__cells__"] == text.count("{code-cell}")
    # without this header Sphinx shows the cells and does not run them
    assert "{code-cell}" not in text or text.startswith("---\nfile_format: mystnb\n")


def test_a_cell_that_fails_names_its_line():
    text = "# Page\n\n```{code-cell}\n:tags: [x]\na = 1\n```\n\ntext\n\n```{code-cell} python\na / 0\n```\n"
    with pytest.raises(ZeroDivisionError) as caught:
        run_cells(text, "page.md")
    assert caught.traceback[-1].lineno + 1 == 11


def glued_maths(text):
    """Lines of text with an opening `$$` directly below, which leaves stray dollar signs in the page."""
    lines, inside = text.splitlines(), False
    for above, line in zip(["", *lines], lines, strict=False):
        if line.strip() == "$$":
            inside = not inside
            if inside and above.strip():
                yield above


def test_display_maths_stands_alone():
    assert list(glued_maths("text\n$$\nx\n$$\n")) == ["text"]
    assert not [(page.name, line) for page in PAGES for line in glued_maths(page.read_text("utf-8"))]


def test_the_scan_sees_what_a_page_loads_from_elsewhere(tmp_path):
    spec = importlib.util.spec_from_file_location("_external", DOCS / "_external.py")
    scan = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scan)
    (tmp_path / "good.html").write_text(
        '<a href="https://example.org">a link</a><script src="_static/a.js"></script><img src="b.png">'
        '<link rel="canonical" href="https://example.org"><link rel="stylesheet" href="c.css">'
    )
    assert scan.external(tmp_path) == []
    (tmp_path / "bad.html").write_text(
        '<script src="https://example.org/a.js"></script><link rel="stylesheet" href="//example.org/b.css">'
        '<img srcset="x.png, https://example.org/c.png 2x"><p style="background: url(http://example.org/d.png)">'
        '<style>@import "https://example.org/e.css";</style>'
    )
    (tmp_path / "bad.css").write_text("@font-face { src: url('https://example.org/f.woff') }")
    assert [line.rsplit("/", 1)[1] for line in scan.external(tmp_path)] == [
        "f.woff", "a.js", "b.css", "c.png", "d.png", "e.css"
    ]  # fmt: skip
