"""What people see who look: bars of scores, the tree of a walk, a fact and what it was before."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from feather_memory.cli.options import plain
from feather_memory.demo.story import trees
from feather_memory.model.hits import ContextChain, Hit
from feather_memory.model.memory import Memory

_WIDTH = 8
"""Letters of the longest bar."""

_PARTS = " ▏▎▍▌▋▊▉█"  # of a letter, by eighths


def is_watched() -> bool:
    """Whether a person looks, and not a program."""
    return Console().is_terminal


def show(screen: RenderableType) -> None:
    """Print it as wide as the terminal is."""
    Console().print(screen, highlight=False)


def bar(value: float, best: float) -> str:
    """A bar of a score beside the best one; none for 0 and below.

    >>> bar(0.5, 1.0), bar(1.0, 1.0), bar(-0.2, 1.0)
    ('████', '████████', '')
    """
    share = min(max(value / best, 0.0), 1.0) if best > 0 else 0.0
    whole, part = divmod(round(share * _WIDTH * 8), 8)
    return ("█" * whole + _PARTS[part]).strip()


def hits(found: Sequence[Hit], replaced: Sequence[str]) -> RenderableType:
    """The answers, best first, each with the bar of its score and what it replaced."""
    grid = Table(box=None, pad_edge=False, show_header=False, expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, min_width=_WIDTH)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(no_wrap=True)
    best = max((hit.score.value for hit in found), default=0.0)
    for hit, before in zip(found, replaced, strict=True):
        said = Text(plain(hit.memory.text))
        if before:
            said.append(f"\nreplaces {plain(before)}", style="dim")
        said.append(f"\n{plain(hit.memory.id)}", style="dim")
        grid.add_row(
            Text(f"{hit.score.value:.3f}", style="green"),
            Text(bar(hit.score.value, best), style="green"),
            said,
            Text(f"{hit.memory.valid_from:%Y-%m-%d}", style="dim"),
        )
    return grid


def chain(found: ContextChain) -> list[RenderableType]:
    """The walk from each memory that the query found, as trees."""
    return list(trees(found, plain))


def fact(memories: Sequence[Memory]) -> RenderableType:
    """What is true now, and what it was before, the last first."""
    *older, current = memories
    said = Text(plain(current.text), style="bold")
    said.append(f"\ntrue since {current.valid_from:%d %B %Y}", style="not bold")
    if current.valid_to is not None:
        said.append(f", until {current.valid_to:%d %B %Y}", style="not bold")
    if older:
        said.append(", and it replaced", style="not bold")
    for memory in reversed(older):
        said.append(f"\n  {plain(memory.text)}", style="not bold")
        until = "" if memory.valid_to is None else f"{memory.valid_to:%b %Y}"
        said.append(f"  ({memory.valid_from:%b %Y} to {until})", style="not bold dim")
    title = "the current fact" if current.valid_to is None else "the last of it"
    return Panel(said, title=title, border_style="green")
