"""Each promise of docs/promises.md names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "": ROOT / "tests",
    "lc/": ROOT / "integrations" / "langchain-feather-memory" / "tests",
    "li/": ROOT / "integrations" / "llama-index-memory-feather" / "tests",
}
ROWS = [
    line.strip("|").split(" | ")
    for line in (ROOT / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| promise")
]
NAMED = re.compile(r"`(l[ci]/)?(test_\w+\.py)::(\w+)`")
HELD = [(promise.strip(), *found) for promise, held in ROWS for found in NAMED.findall(held)]


def names_in(path: Path) -> set[str]:
    """The tests of a file, and its classes that have a contract's."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {
        node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, kinds)
    }


def test_every_promise_is_held_by_a_test():
    assert len(ROWS) > 30
    for promise, held in ROWS:
        assert NAMED.search(held), promise
        assert not NAMED.sub("", held).strip(", |"), promise


@pytest.mark.parametrize(("promise", "folder", "file", "name"), HELD)
def test_the_test_that_holds_a_promise_is_there(promise, folder, file, name):
    assert name in names_in(FOLDERS[folder] / file), promise
