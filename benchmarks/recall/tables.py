"""What a row of the benchmark measured, as the page and the terminal show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Cell = float | int | str | None
NONE = "–"


@dataclass(slots=True)
class Table:
    """Names down, measures across."""

    row: str
    title: str
    heads: Sequence[str]
    says: str = ""
    """What a reader has to know, in Markdown."""
    lines: dict[str, list[Cell]] = field(default_factory=dict)

    def add(self, name: str, *cells: Cell) -> None:
        """One line; cells that are missing at its end stay empty."""
        self.lines[name] = [*cells, *[None] * (len(self.heads) - len(cells))]

    def value(self, name: str, head: str) -> float | None:
        """The number there; None where none was measured."""
        found = self.lines.get(name)
        cell = None if found is None else found[list(self.heads).index(head)]
        return float(cell) if isinstance(cell, float | int) else None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def shown(cell: Cell) -> str:
    """One decimal of what is a share, and a count as it is."""
    if cell is None:
        return ""
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def between(low: float, high: float, *, signed: bool = False) -> str:
    """An interval."""
    return f"{low:+.1f} to {high:+.1f}" if signed else f"{low:.1f} to {high:.1f}"


def printed(table: Table) -> str:
    """As lines for a terminal."""
    lines = [["", *table.heads]]
    lines += [[name, *map(shown, cells)] for name, cells in table.lines.items()]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    text = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join(["", table.title, "-" * len(table.title), *text])


def markdown(table: Table) -> str:
    """As a part of the page."""
    heads = ["", *table.heads]
    ruler = ["---", *["--:"] * len(table.heads)]
    lines = [[name, *map(shown, cells)] for name, cells in table.lines.items()]
    body = "\n".join(f"| {' | '.join(line)} |" for line in (heads, ruler, *lines))
    return "\n\n".join(part for part in (f"### {table.title}", table.says, body) if part)
