"""`feather-memory export`: all that a store keeps, as lines of text."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Annotated

import typer

from feather_memory.cli.options import plain
from feather_memory.cli.places import Place, existing
from feather_memory.errors import StoreAccessError
from feather_memory.importers import exports
from feather_memory.truth.atomic import newborn


def export(
    store: Place,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file; standard output without it.")
    ] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors/--no-vectors", help="With or without the vectors.")
    ] = True,
) -> None:
    """Write all that a store keeps as lines of JSON that `import` makes the same store of.

    Memories with their past, edges, signals, the recall log and shelves, as of one moment.
    """
    with existing(store) as opened:
        if out is None:
            exports.write(opened, sys.stdout, vectors=vectors)
            return
        if out.exists():
            raise StoreAccessError(f"{str(out)!r} exists; an export never overwrites")
        with newborn(out) as beside, _private(beside) as stream:
            is_seen = sys.stderr.isatty()
            counts = exports.write(opened, stream, vectors=vectors, progress=is_seen)
    typer.echo(f"{counts['memory']:,} memories written to {plain(str(out))}.")


def _private(path: Path) -> IO[str]:
    """A new file for its owner alone: it holds all that the store does."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="\n")
