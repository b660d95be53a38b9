"""`feather-memory demo`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from feather_memory.demo import run
from feather_memory.errors import StoreAccessError


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
        console.print("\nKeep the store with --keep demo.feather, then ask it yourself.")
        return
    if keep.exists():
        raise StoreAccessError(f"{str(keep)!r} exists; the demo never overwrites")
    run(console, keep)
    console.print(f"\nAsk it yourself: feather-memory search {keep} 'Who is our team lead?'")
