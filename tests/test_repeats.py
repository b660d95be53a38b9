"""No logic stands twice: no two blocks of production code are equal for more than twelve lines."""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from pathlib import Path

PACKAGES = ("feather_memory", "langchain_feather_memory", "llama_index.memory.feather")
MOST = 12


def production() -> dict[Path, str]:
    """The text of every file of ours, of the core and of both adapters."""
    texts = {}
    for package in PACKAGES:
        folder = Path(import_module(package).__file__).parent
        for path in sorted(folder.rglob("*.py")):
            texts[Path(package) / path.relative_to(folder)] = path.read_text(encoding="utf-8")
    return texts


def said(text: str) -> list[tuple[int, str]]:
    """The numbered lines that say something: neither blank, nor a comment, nor an import."""
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [
        (number, line)
        for number, line in lines
        if line and not line.startswith(("#", "import ", "from "))
    ]


def repeats(texts: dict[Path, str], most: int = MOST) -> list[str]:
    """The pairs of places, `file:line`, from which more than `most` lines are equal."""
    places = defaultdict(list)
    for path, text in texts.items():
        lines = said(text)
        for at in range(len(lines) - most):
            block = tuple(line for _, line in lines[at : at + most + 1])
            places[block].append(f"{path}:{lines[at][0]}")
    return [" = ".join(found) for found in places.values() if len(found) > 1]


def test_no_two_blocks_of_production_code_are_equal_for_more_than_twelve_lines():
    texts = production()
    assert len(texts) > 100

    assert repeats(texts) == []


def test_a_block_that_stands_twice_would_be_found():
    """The negative control: thirteen equal lines, whatever stands between them."""
    thirteen = [f"line({n})" for n in range(13)]
    one, other = "\n".join(thirteen), "\n\n    # why\n".join(thirteen)

    assert repeats({Path("one.py"): one, Path("other.py"): other}) == ["one.py:1 = other.py:1"]
    assert repeats({Path("one.py"): one, Path("other.py"): other.rsplit("\n", 1)[0]}) == []
