"""`feather-memory demo`."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from feather_memory.checks import file_path
from feather_memory.cli.output import Answer, answered
from feather_memory.demo import run
from feather_memory.errors import StoreAccessError
from feather_memory.store.store import Store
from feather_memory.write.hashing import HashEmbedder

_NAME = "feather-memory"


@answered
def demo(
    keep: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Keep the demo's store in this new file.")
    ] = None,
) -> Answer:
    """Tell a short story, offline.

    Remember, ask, correct, walk the graph, travel back.
    """
    if keep is not None and file_path(keep, "--keep").exists():
        raise StoreAccessError(f"{str(keep)!r} exists; the demo never overwrites")

    def said() -> dict[str, Any]:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, _place(keep) as path:
            run(Console(file=nowhere), path)
            with Store.open(path, embedder=HashEmbedder()) as store:
                return {"path": keep, "stats": store.stats()}

    def screen() -> None:
        with _place(keep) as path:
            run(Console(), path)
        _next(*(_ASIDE if keep is None else _kept(keep)))

    return Answer(said=said, screen=screen)


_ASIDE = (
    ("keep the demo's store, then ask it yourself", "demo", "--keep", "demo.feather"),
    ("remember your own chats", "import", "conversations.json", "--store", "me.feather"),
)


def _kept(keep: Path) -> tuple[tuple[str, ...], ...]:
    ask = ("search", str(keep), "Who is our team lead?")
    return (
        ("ask it yourself", *ask),
        ("what was true in February", *ask, "--as-of", "2025-02-01"),
        ("what else there is", "--help"),
    )


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="feather-memory-") as folder:
        yield Path(folder) / "demo.feather"


def _next(*steps: tuple[str, ...]) -> None:
    """Say what to try next, as one types it: what `make demo` runs is on no PATH."""
    called = Path(sys.argv[0])
    name = str(called) if called.name == _NAME and shutil.which(_NAME) is None else _NAME
    typer.echo("\nTry next:")
    for why, *words in steps:
        typer.echo(f"  {shlex.join([name, *words])}  # {why}")
