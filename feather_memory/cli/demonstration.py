"""`feather-memory demo`."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from feather_memory.demo import run
from feather_memory.errors import StoreAccessError

_NAME = "feather-memory"


def demo(
    keep: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Keep the demo's store in this new file.")
    ] = None,
) -> None:
    """Tell a short story: remember, ask, correct, walk the graph, travel back. Offline."""
    console = Console()
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="feather-memory-") as folder:
            run(console, Path(folder) / "demo.feather")
        _next(
            ("keep the demo's store, then ask it yourself", "demo", "--keep", "demo.feather"),
            ("remember a chat of your own", "import", "chat.jsonl", "--store", "me.feather"),
        )
        return
    if keep.exists():
        raise StoreAccessError(f"{str(keep)!r} exists; the demo never overwrites")
    run(console, keep)
    ask = ("search", str(keep), "Who is our team lead?")
    _next(
        ("ask it yourself", *ask),
        ("what was true in February", *ask, "--as-of", "2025-02-01"),
        ("what else there is", "--help"),
    )


def _next(*steps: tuple[str, ...]) -> None:
    """Say what to try next, as one types it: what `make demo` runs is on no PATH."""
    called = Path(sys.argv[0])
    name = str(called) if called.name == _NAME and shutil.which(_NAME) is None else _NAME
    typer.echo("\nTry next:")
    for why, *words in steps:
        typer.echo(f"  {shlex.join([name, *words])}  # {why}")
