"""`feather-memory stats`, `check`, `backup`, `restore`, `reembed` and `forget`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from feather_memory.checks import file_path
from feather_memory.cli.options import WhereOption, condition, embedder_named, plain, table
from feather_memory.cli.output import Answer, answered
from feather_memory.cli.places import Place, existing
from feather_memory.cli.wording import spelled
from feather_memory.errors import ParameterError
from feather_memory.model.memory import Forgotten
from feather_memory.store.store import Store


@answered
def stats(store: Place) -> Answer:
    """Count what is in a store, and how large it is."""
    with existing(store) as opened:
        counted = dataclasses.asdict(opened.stats())

    def screen() -> None:
        rows = ((name.replace("_", " "), value) for name, value in counted.items())
        table(["", ""], ((name, "" if value is None else value) for name, value in rows))

    return Answer(said={"stats": counted}, screen=screen)


@answered
def check(
    store: Place,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Rebuild what is derived.")] = False,
) -> Answer:
    """Audit a store. Exits with 1 if anything is wrong."""
    with existing(store) as opened:
        faults = [plain(spelled(fault)) for fault in opened.check(fix=fix)]

    def screen() -> None:
        for fault in faults or ["Nothing is wrong."]:
            typer.echo(fault)

    return Answer(said={"faults": faults}, screen=screen, code=bool(faults))


@answered
def backup(
    store: Place,
    dest: Annotated[Path, typer.Argument(metavar="FILE", help="One that does not exist yet.")],
) -> Answer:
    """Copy a store while others go on using it."""
    file_path(dest, "FILE")
    with existing(store) as opened:
        opened.backup(dest)
    return Answer(said={"path": dest}, screen=lambda: typer.echo(plain(f"Copied to {dest}.")))


@answered
def restore(
    backup: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="The file to restore from. It stays as it is.")
    ],
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The store to replace; closed by everybody.")
    ],
) -> Answer:
    """Put a copy of a backup in the place of a store.

    Whatever is there is replaced in one step.
    """
    Store.restore(backup, path)
    return Answer(said={"path": path}, screen=lambda: typer.echo(plain(f"Restored {path}.")))


@answered
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
) -> Answer:
    """Make all vectors of a store anew with a model.

    Run again, it goes on where it was.
    """
    model = embedder_named(embedder)
    if model is None:
        raise ParameterError("--embedder none makes no vectors")
    with existing(store) as opened:
        made = opened.reembed(model, embedder_name=name, progress=sys.stderr.isatty())
    return Answer(said={"vectors": made}, screen=lambda: typer.echo(f"{made:,} vectors made."))


@answered
def forget(
    store: Place,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Of the memories.")] = None,
    *,
    where: WhereOption = None,
    derived: Annotated[
        bool, typer.Option("--derived", help="Also what was derived from them.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> Answer:
    """Remove memories for good.

    Their bytes are in no file of the store afterwards.
    """
    chosen = condition(where)
    if not ids and chosen is None:
        raise ParameterError("name the memories to forget, by id or with --where")
    with existing(store) as opened:
        planned = opened.forget(ids or None, where=chosen, derived=derived, dry_run=True)
        is_only_said = dry_run or not planned.ids
        if not is_only_said:
            if not yes:
                typer.confirm(f"Forget {_counted(planned)}, for good?", abort=True, err=True)
            # By id: a memory that came since the question was not agreed to.
            opened.forget(planned.ids)

    def screen() -> None:
        typer.echo(f"{'Would forget' if is_only_said else 'Forgot'} {_counted(planned)}.")
        for id_ in planned.ids if is_only_said else ():
            typer.echo(plain(id_))
        for id_ in sorted({*planned.derived} - {*planned.ids}):
            typer.echo(plain(f"Derived from them, and stays without --derived: {id_}"))

    return Answer(said={"forgotten": planned, "is_done": not is_only_said}, screen=screen)


def _counted(planned: Forgotten) -> str:
    return (
        f"{len(planned.ids)} memories, {planned.edges} edges, {planned.signals} signals, "
        f"{planned.recalls} recall log entries and {len(planned.shelved)} values of adapters"
    )
