"""Telling people how far long work has come."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from feather_memory.errors import ParameterError, quoted

Progress: TypeAlias = bool | Callable[[int, int], None]
"""True for a bar, in the notebook or else on stderr, or a function that is told (done, total)."""

_WIDTH = 30
_EVERY = 0.1  # seconds between two drawings


def steps(total: int, step: int, progress: Progress, *, label: str = "") -> Iterator[int]:
    """0, step, 2·step … below `total`, telling `progress` after each."""
    tell = teller(progress, label=label)
    for start in range(0, total, step):
        yield start
        if tell:
            tell(min(start + step, total), total)


def teller(progress: Progress, *, label: str = "") -> Callable[[int, int], None] | None:
    """What to tell (done, total); None if nobody listens.

    Raises:
        ParameterError: It is neither True, False nor a function.
    """
    if not isinstance(progress, bool) and not callable(progress):
        raise ParameterError(f"progress must be True, False or a function, got {quoted(progress)}")
    if progress is True:
        return _sparingly(_in_notebook(label) if _is_notebook() else _on_terminal(label))
    return progress or None


def _sparingly(draw: Callable[[int, int], None]) -> Callable[[int, int], None]:
    drawn = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if done < total and now - drawn < _EVERY:
            return
        drawn = now
        draw(done, total)

    return tell


def _on_terminal(label: str) -> Callable[[int, int], None]:
    def draw(done: int, total: int) -> None:
        filled = _WIDTH * done // total
        bar = "█" * filled + "·" * (_WIDTH - filled)
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{label} {bar} {done:,} of {total:,}{end}")
        sys.stderr.flush()

    return draw


def _is_notebook() -> bool:
    """Whether a Jupyter kernel runs this. IPython is asked only where somebody has loaded it."""
    loaded = sys.modules.get("IPython")
    return loaded is not None and getattr(loaded.get_ipython(), "kernel", None) is not None


def _in_notebook(label: str) -> Callable[[int, int], None]:
    """One output that is drawn again; on stderr it would stand there as if something were wrong."""
    from html import escape

    drawing = importlib.import_module("IPython.display")
    shown = drawing.display(drawing.HTML(""), display_id=True)

    def draw(done: int, total: int) -> None:
        shown.update(
            drawing.HTML(
                f'{escape(label)} <progress value="{done}" max="{total}"></progress> '
                f"{done:,} of {total:,}"
            )
        )

    return draw
