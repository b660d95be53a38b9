"""`feather-memory tenants`, `claim` and `warm`: the stores of one directory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from feather_memory.checks import file_path, server_url
from feather_memory.cli.options import day, line, plain, table
from feather_memory.cli.output import Answer, answered
from feather_memory.cli.places import existing_directory
from feather_memory.config import WARM_WORKERS
from feather_memory.progress import teller
from feather_memory.tenants.pool import TenantPool
from feather_memory.tenants.reports import Warmed
from feather_memory.truth.sqlite.file import size_of, written_at

Directory = Annotated[
    str, typer.Argument(metavar="DIR", help="The directory of a TenantPool, or a URL.")
]


@answered
def tenants(
    directory: Directory,
    *,
    only_names: Annotated[
        bool, typer.Option("--names", help="Only their names, one a line, as `warm` takes them.")
    ] = False,
) -> Answer:
    """List who has a store in a directory.

    The last written comes first. None of them is opened.
    """
    with TenantPool(existing_directory(directory)) as pool:
        names = pool.recent()
        found = [_described(pool, name) for name in names]

    def screen() -> None:
        if only_names:
            for name in names:
                typer.echo(line(name))
            return
        written = [one["last_written"] for one in found]
        table(
            ["tenant", "bytes", "last written"],
            (
                (one["tenant"], f"{one['bytes']:,}", "" if at is None else day(at))
                for one, at in zip(found, written, strict=True)
            ),
        )
        if not names:
            typer.echo("Nobody has a store here.", err=True)

    return Answer(said={"tenants": found}, screen=screen)


def _described(pool: TenantPool, name: str) -> dict[str, Any]:
    place = pool.place_of(name)
    if server_url(pool.place) is not None:  # which keeps no time of a write
        size = pool.forget_tenant(name, dry_run=True).bytes
        return {"tenant": name, "path": place, "bytes": size, "last_written": None}
    path = pool.path_of(name)
    written = datetime.fromtimestamp(written_at(path), UTC)
    return {"tenant": name, "path": path, "bytes": size_of(path), "last_written": written}


@answered
def claim(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The .feather file.")],
    *,
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="The directory of a TenantPool.")
    ],
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose it is to be.")],
) -> Answer:
    """Move a store into a directory, as a tenant's.

    It has no tenant yet, and nobody may have it open.
    """
    file_path(store, "STORE")
    with TenantPool(directory) as pool:
        placed = pool.claim(store, tenant).path

    def screen() -> None:
        typer.echo(plain(f"{store} is {tenant}'s now, at {placed}."))

    return Answer(said={"path": placed, "tenant": tenant}, screen=screen)


@answered
def warm(
    directory: Directory,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Whose; everybody's if none.")
    ] = None,
    *,
    workers: Annotated[int, typer.Option(help="Threads.", min=1)] = WARM_WORKERS,
) -> Answer:
    """Open stores as a service would at its start.

    What of them is slow, what is damaged? Their pages are in the system's file cache afterwards.
    Exits with 1 if some could not be opened.
    """
    begun = time.perf_counter()
    with TenantPool(existing_directory(directory)) as pool:
        wanted = list(dict.fromkeys(names or pool.recent()))
        done = list(_warmed(pool, wanted, workers))
    milliseconds = (time.perf_counter() - begun) * 1_000
    failed = sum(one.failure is not None for one in done)

    def screen() -> None:
        table(
            ["tenant", "ms", "failure"],
            ((one.tenant, f"{one.milliseconds:.1f}", one.failure or "") for one in done),
        )
        typer.echo(f"{len(done) - failed:,} opened, {failed:,} failed, in {milliseconds:,.0f} ms.")

    said = {"tenants": done, "milliseconds": milliseconds}
    return Answer(said=said, screen=screen, code=bool(failed))


def _warmed(pool: TenantPool, wanted: list[str], workers: int) -> Iterator[Warmed]:
    """All of them, by as many at once as there is room for."""
    tell = teller(_is_terminal(), label="warming")
    for start in range(0, len(wanted), pool.max_open):

        def told(done: int, _: int, start: int = start) -> None:
            if tell is not None:
                tell(start + done, len(wanted))

        yield from pool.warm(wanted[start : start + pool.max_open], workers, progress=told).tenants


def _is_terminal() -> bool:
    return sys.stderr.isatty()
