"""The documentation site: every page in it, every public name looked up, nothing from elsewhere."""

import ast
import doctest
import importlib
import importlib.util
import inspect
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIG = (ROOT / "mkdocs.yml").read_text("utf-8")
MODULES = ["feather_memory", "feather_memory.agent", "feather_memory.testing"]
ADAPTERS = {
    "langchain_feather_memory": "langchain-feather-memory",
    "llama_index.memory.feather": "llama-index-memory-feather",
}
"""Module: its project's folder."""

ENTRY = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def pages():
    """The script that lays out the pages, as a module."""
    spec = importlib.util.spec_from_file_location("site_pages", DOCS / "site" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries():
    """The page on which each public name is looked up, by the module's name and its own."""
    found = {}
    for page in sorted((DOCS / "reference").rglob("*.md")):
        for path in ENTRY.findall(page.read_text("utf-8")):
            assert path not in found, f"{path} is looked up on two pages"
            found[path] = page
    return found


def used(code):
    """The names that code uses, wherever in it they stand."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    return names


def used_in_examples(text):
    return set().union(*(used(each.source) for each in doctest.DocTestParser().get_examples(text)))


def used_on(page):
    names = set()
    for source in EXAMPLE.findall(page.read_text("utf-8")):
        names |= used_in_examples(source) if ">>>" in source else used(source)
    return names


def public(module):
    return [f"{module}.{name}" for name in importlib.import_module(module).__all__]


def entry_of(path, found):
    """The page of a name that may be looked up where it is defined, or by a module above."""
    if path in found:
        return found[path]
    module, _, name = path.rpartition(".")
    value = getattr(importlib.import_module(module), name)
    homes = [f"feather_memory.{name}", f"{getattr(value, '__module__', '')}.{name}"]
    return next((found[home] for home in homes if home in found), None)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_looked_up_in_the_reference(module):
    found = entries()

    assert [path for path in public(module) if entry_of(path, found) is None] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_an_example_that_runs(module):
    """On its page, which tests/test_docs.py runs, or in its docstring, which pytest does."""
    found = entries()
    without = []
    for path in public(module):
        name = path.rpartition(".")[2]
        value = getattr(importlib.import_module(module), name)
        told = inspect.getdoc(value) or ""
        page = entry_of(path, found)
        if page is not None and name in used_on(page) | used_in_examples(told):
            continue
        without.append(path)

    assert without == []


@pytest.mark.parametrize("module", ADAPTERS)
def test_every_name_of_an_adapter_is_looked_up_and_shown(module):
    names = pytest.importorskip(module).__all__
    found = entries()
    assert [name for name in names if f"{module}.{name}" not in found] == []

    page = found[f"{module}.{names[0]}"]
    shown = used_on(ROOT / "integrations" / ADAPTERS[module] / "README.md") | used_on(page)
    assert [name for name in names if name not in shown] == []


def test_a_name_that_only_prose_or_an_import_mentions_counts_as_not_shown(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "`Store` is told of.\n\n```python\n>>> from x import Edge\n>>> Hit\n```\n\n"
        "```text\nMemory\n```\n"
    )

    assert used_on(page) == {"Hit"}


def test_every_page_stands_in_the_navigation_once(pages):
    listed = [page for _, _, page in pages.titles(CONFIG)]
    there = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]

    assert sorted(listed) == sorted([*there, *pages.ELSEWHERE])


def test_links_lead_from_page_to_page_and_else_into_the_repository(pages):
    results = doctest.testmod(pages)
    assert results.attempted > 0
    assert results.failed == 0

    text = "[a](../README.md#why) [b](https://x.org/y.md)\n```\n[c](../README.md)\n```\n"
    assert pages.relinked("style.md", text) == (
        "[a](index.md#why) [b](https://x.org/y.md)\n```\n[c](../README.md)\n```\n"
    )
    assert pages.link_from("howto/rag.md", "../scoring.md") == "../scoring.md"
    assert pages.link_from("langchain.md", "../../docs/scoring.md") == "scoring.md"


def test_the_pages_are_laid_out_with_a_list_for_language_models(pages, tmp_path):
    pages.lay_out(tmp_path / "pages")

    llms = (tmp_path / "pages" / "llms.txt").read_text("utf-8")
    assert llms.startswith("# Feather Memory\n\n> ")
    for _, title, page in pages.titles(CONFIG):
        assert (tmp_path / "pages" / page).is_file()
        assert f"- [{title}]({page.removesuffix('.md')}.html)" in llms
    assert not (tmp_path / "pages" / "site").exists()


def test_the_site_loads_nothing_from_elsewhere():
    assert "font: false" in CONFIG
    assert "://" not in CONFIG
    for picture in DOCS.rglob("*.svg"):
        text = picture.read_text("utf-8")
        assert not re.search(r'href="(?!#)|url\((?!#)|<script|@import', text), picture.name


def test_what_is_built_is_not_of_the_repository():
    done = subprocess.run(
        ["git", "check-ignore", ".docs/site/index.html"], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode == 128:
        pytest.skip("this is no clone")

    assert done.returncode == 0
