"""`feather-memory export`: all that a store keeps, as lines of text."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import IO, Annotated

import typer

from feather_memory.checks import file_path
from feather_memory.cli.options import plain
from feather_memory.cli.output import Answer, answered
from feather_memory.cli.places import Place, existing
from feather_memory.errors import StoreAccessError
from feather_memory.importers import exports
from feather_memory.truth.atomic import newborn


@answered
def export(
    store: Place,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file; standard output without it.")
    ] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors/--no-vectors", help="With or without the vectors.")
    ] = True,
) -> Answer:
    """Write all that a store keeps, for `import`.

    As lines of JSON that `import` makes the same store of: memories with their past, edges,
    signals, the recall log and shelves, as of one moment. With --json and no --out they are left
    out: only counts are said.
    """
    if out is None:
        return _to_stdout(store, vectors=vectors)
    out = file_path(out, "--out")
    with existing(store) as opened:
        if out.exists():
            raise StoreAccessError(f"{str(out)!r} exists; an export never overwrites")
        with newborn(out, is_durable=True) as beside, _private(beside) as stream:
            is_seen = sys.stderr.isatty()
            counts = exports.write(opened, stream, vectors=vectors, progress=is_seen)
    said = f"{counts['memory']:,} memories written to {plain(str(out))}."
    return Answer(said={"counts": counts, "path": out}, screen=lambda: typer.echo(said))


def _to_stdout(store: Place, *, vectors: bool) -> Answer:
    def written(stream: IO[str]) -> Counter[str]:
        with existing(store) as opened:
            return exports.write(opened, stream, vectors=vectors)

    def said() -> dict[str, Counter[str] | None]:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            return {"counts": written(nowhere), "path": None}

    def screen() -> None:
        written(sys.stdout)

    return Answer(said=said, screen=screen)


def _private(path: Path) -> IO[str]:
    """A new file for its owner alone: it holds all that the store does."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="\n")
