"""A format: how it is recognised by what is in it, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from feather_memory.importers.entries import Entry, Refused, Remark, Tie
from feather_memory.importers.source import Source

Item: TypeAlias = Entry | Tie | Refused | Remark


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file, archive or folder."""

    name: str
    """As `--format` takes it."""
    title: str
    """What one has of it, with its article: "a ChatGPT export"."""
    recognises: Callable[[Source], bool]
    """Whether this is one, by its content. Never raises for what is none."""
    read: Callable[[Source], Iterator[Item]]
    """What is in it, in its own order; one at a time, for it may be larger than memory."""
