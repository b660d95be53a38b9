"""`feather-memory tenants` and `warm`: the stores of one directory."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from feather_memory import keeping
from feather_memory.cli.options import day, table
from feather_memory.cli.places import existing_directory
from feather_memory.config import WARM_WORKERS
from feather_memory.pool import TenantPool

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a TenantPool.")]


def tenants(directory: Directory) -> None:
    """List who has a store in a directory, the last written first. Opens none of them."""
    with TenantPool(existing_directory(directory)) as pool:
        names = pool.recent()
        rows = [(name, pool.path_of(name)) for name in names]
    table(
        ["tenant", "bytes", "last written"],
        ((name, f"{keeping.file_bytes(path):,}", _written(path)) for name, path in rows),
    )
    if not names:
        typer.echo("Nobody has a store here.", err=True)


def _written(path: Path) -> str:
    return day(datetime.fromtimestamp(keeping.written_at(path), UTC))


def warm(
    directory: Directory,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Whose; everybody's if none.")
    ] = None,
    *,
    workers: Annotated[int, typer.Option(help="Threads.", min=1)] = WARM_WORKERS,
) -> None:
    """Open stores as a service would at its start: what of them is slow, what is damaged?

    Their pages are in the system's file cache afterwards. Exits with 1 if some could not be opened.
    """
    existing_directory(directory)
    with TenantPool(directory) as pool:
        wanted = names or pool.recent()
    with TenantPool(directory, max_open=max(1, len(wanted))) as pool:
        report = pool.warm(wanted, workers, progress=_is_terminal())
    table(
        ["tenant", "ms", "failure"],
        (
            (one.tenant, f"{one.milliseconds:.1f}", "" if one.failure is None else one.failure)
            for one in report.tenants
        ),
    )
    failed = len(report.failures)
    typer.echo(
        f"{len(report.tenants) - failed:,} opened, {failed:,} failed, "
        f"in {report.milliseconds:,.0f} ms."
    )
    if failed:
        raise typer.Exit(1)


def _is_terminal() -> bool:
    return sys.stderr.isatty()
