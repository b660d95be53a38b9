"""What cannot be honoured is refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterable


def reject(unknown: Iterable[str], method: str) -> None:
    """Nothing, if there is nothing: frameworks hand on whatever keywords they are given.

    Raises:
        TypeError: There is something.
    """
    if names := ", ".join(map(repr, sorted(unknown))):
        raise TypeError(f"{method}() does not take {names}")
