"""`feather-memory stats`, `check`, `backup`, `restore`, `reembed` and `forget`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from feather_memory.cli.options import WhereOption, condition, embedder_named, plain, table
from feather_memory.cli.places import Place, existing
from feather_memory.cli.wording import spelled
from feather_memory.errors import ParameterError
from feather_memory.store.store import Store


def stats(store: Place) -> None:
    """Count what is in a store, and how large it is."""
    with existing(store) as opened:
        counted = dataclasses.asdict(opened.stats())
    table(["", ""], ((name.replace("_", " "), value) for name, value in counted.items()))


def check(
    store: Place,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Rebuild what is derived.")] = False,
) -> None:
    """Audit a store. Exits with 1 if anything is wrong with it."""
    with existing(store) as opened:
        faults = opened.check(fix=fix)
    for fault in faults:
        typer.echo(plain(spelled(fault)))
    if faults:
        raise typer.Exit(1)
    typer.echo("Nothing is wrong.")


def backup(
    store: Place,
    dest: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
) -> None:
    """Copy a store while others go on using it."""
    with existing(store) as opened:
        opened.backup(dest)
    typer.echo(f"Copied to {dest}.")


def restore(
    backup: Annotated[Path, typer.Argument(help="The file to restore from. It stays as it is.")],
    path: Annotated[Path, typer.Argument(help="The store to replace; closed by everybody.")],
) -> None:
    """Put a copy of a backup in the place of a store, whatever is there."""
    Store.restore(backup, path)
    typer.echo(f"Restored {path}.")


def reembed(
    store: Place,
    *,
    embedder: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The model that is to make the vectors; as in `search --help`."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What it is called, where it does not say."),
    ] = None,
) -> None:
    """Make all vectors of a store anew with another model. Run again, it goes on where it was."""
    model = embedder_named(embedder)
    if model is None:
        raise ParameterError("--embedder none makes no vectors")
    with existing(store) as opened:
        made = opened.reembed(model, embedder_name=name, progress=sys.stderr.isatty())
    typer.echo(f"{made:,} vectors made.")


def forget(
    store: Place,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    *,
    where: WhereOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove memories for good: their bytes are in no file of the store afterwards."""
    chosen = condition(where)
    if not ids and chosen is None:
        raise ParameterError("name the memories to forget, by id or with --where")
    with existing(store) as opened:
        planned = opened.forget(ids or None, where=chosen, dry_run=True)
        said = (
            f"{len(planned.ids)} memories, {planned.edges} edges, {planned.signals} signals "
            f"and {planned.recalls} recall log entries"
        )
        if dry_run or not planned.ids:
            typer.echo(f"Would forget {said}.")
            for id_ in planned.ids:
                typer.echo(plain(id_))
            return
        if not yes:
            typer.confirm(f"Forget {said}, for good?", abort=True)
        # By id: a memory that came since the question was not agreed to.
        opened.forget(planned.ids)
    typer.echo(f"Forgot {said}.")
