"""What the pages say is so: examples run, links lead somewhere, commands exist."""

import doctest
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
COMMAND = re.compile(r"feather-memory ((?:keys )?[a-z][a-z-]*)\b((?:[^`\n]|\\\n)*)")
OPTION = re.compile(r"(?<!\w)--[a-z][a-z-]+")

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page, language):
    """(line, source) of every fenced block in that language."""
    text = page.read_text("utf-8")
    return [
        (text.count("\n", 0, found.start(2)), found[2])
        for found in FENCED.finditer(text)
        if found[1] == language
    ]


def run(page):
    """Run the page's examples in order, in one namespace."""
    names = {"__name__": "__docs__"}
    for line, source in blocks(page, "python"):
        if ">>>" not in source:
            code = compile("\n" * line + source, str(page), "exec")
            exec(code, names)  # noqa: S102  our own pages
            continue
        example = doctest.DocTestParser().get_doctest(source, names, name_of(page), str(page), line)
        report = []
        runner = doctest.DocTestRunner(optionflags=FLAGS)
        runner.run(example, out=report.append, clear_globs=False)
        names.update(example.globs)
        assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    run(page)


def test_a_wrong_example_is_noticed(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```python\nn = 1\n```\n\n```python\n>>> n + 1\n3\n\n```\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)

    with pytest.raises(AssertionError, match=r"Got:\n +2"):
        run(page)


def anchor(heading):
    """As GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return plain.strip().replace(" ", "-")


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_the_relative_links_of_a_page_lead_somewhere(page):
    prose = FENCED.sub("", page.read_text("utf-8"))
    for link in LINK.findall(prose):
        if re.match(r"[a-z]+:", link):
            continue
        where, _, heading = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        assert target.exists(), link
        if heading:
            headings = map(anchor, HEADING.findall(target.read_text("utf-8")))
            assert heading in set(headings), link


def helped(*words):
    from typer.testing import CliRunner

    from feather_memory.cli import app

    wide = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    done = CliRunner().invoke(app, [*words, "--help"], env=wide)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_command_and_option_that_a_page_names_exists():
    pytest.importorskip("typer")
    named = {}
    for page in LINKED:
        for command, rest in COMMAND.findall(page.read_text("utf-8")):
            named.setdefault(command, set()).update(OPTION.findall(rest))
    listed = helped()

    assert {"import", "search", "why-not"} <= named.keys()
    for command, options in named.items():
        assert re.search(rf"^\W*{command.split()[0]}\b", listed, re.MULTILINE), command
        text = helped(*command.split())
        for option in options:
            assert re.search(rf"{option}\b", text), f"{command} {option}"


def test_the_make_targets_that_the_readme_names_exist():
    readme = (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")

    named = set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", readme, re.MULTILINE))
    assert named
    for target in (one or other for one, other in named):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_figures_of_the_readme_are_those_that_were_measured():
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.partition("| measured here")[2].partition("\n\n")[0]
    measured = (ROOT / "docs" / "recall.md").read_text("utf-8").partition("## Every figure")[0]

    figures = re.findall(r"\| ([\d.]+) % \|", table)

    assert len(figures) == 5
    for figure in figures:
        assert f"| {figure} |" in measured


def test_the_architecture_page_names_every_module():
    package = ROOT / "feather_memory"
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")

    modules = [path.stem for path in package.glob("*.py")]
    rooms = [path.parent.name for path in package.glob("*/__init__.py")]
    assert [name for name in modules + rooms if f"`{name}" not in page] == []
