"""`feather-memory migrate` and `copy`: the tables of a server, and tenants to another place."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from feather_memory.checks import file_path, server_url
from feather_memory.cli.options import plain, table
from feather_memory.cli.output import Answer, answered
from feather_memory.config import SERVER_PARTITIONS
from feather_memory.errors import ParameterError, StoreAccessError
from feather_memory.progress import teller
from feather_memory.store.opening import migrated
from feather_memory.store.store import Store
from feather_memory.tenants.pool import TenantPool

_AT_ONCE = 16  # stores that are open at once

Source = Annotated[
    str, typer.Option("--from", metavar="PLACE", help="A directory, a .feather file or a URL.")
]
Target = Annotated[str, typer.Option("--to", metavar="PLACE", help="A directory or a URL.")]


@answered
def migrate(
    url: Annotated[str, typer.Argument(metavar="URL", help="postgresql://… of a database.")],
    *,
    partitions: Annotated[
        int | None,
        typer.Option(
            help="Of how many, by the tenant's hash, each table is made; 0 for none. "
            f"{SERVER_PARTITIONS} unless given.",
            min=0,
            show_default=False,
        ),
    ] = None,
    pgvector: Annotated[
        bool,
        typer.Option(
            "--pgvector",
            help="Keep each vector once more as pgvector's, so that the server can compare them.",
        ),
    ] = False,
) -> Answer:
    """Make the tables of a PostgreSQL database.

    Or bring those that are there to this release's format.

    Whoever runs it must be allowed to make tables there. A second time it does nothing, and of two
    at the same time one does it. Nothing else ever makes or changes them.
    """
    if server_url(url) is None:
        scheme, is_url, _ = url.partition(":/")  # whose password is told to nobody
        got = f"a URL of {scheme}" if is_url else repr(url)
        raise ParameterError(f"url must be that of a database, postgresql://…, got {got}")
    place, found, now = migrated(url, partitions, pgvector=pgvector)
    done = f"has format {now} already" if found == now else f"has format {now} now"
    said = {"place": place, "format": now}
    return Answer(said=said, screen=lambda: typer.echo(plain(f"{place} {done}.")))


@answered
def copy(
    source: Source,
    target: Target,
    *,
    tenant: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Whose; everybody's if none is named.")
    ] = None,
) -> Answer:
    """Copy tenants to another place.

    From files to a database, from a database to files, or to others of a kind.

    Each is copied as of one moment, with its past, edges, signals, recall log and shelves, while
    others use it. What is there stays: so what was cut short is finished by the same once more.
    A .feather file is one tenant's, named by --tenant, or by itself. Once a tenant is copied, have
    nothing write to where it was.
    """
    counts: Counter[str] = Counter()
    with ExitStack() as closing:
        given = closing.enter_context(_given(source, tenant))
        taken = closing.enter_context(TenantPool(target, max_open=_AT_ONCE))
        wanted = given.names()
        tell = teller(sys.stderr.isatty(), label="copying")
        for count, name in enumerate(wanted, 1):
            with given.lease(name) as theirs, taken.lease(name) as ours:
                counts += _copied(theirs, ours)
            if tell is not None:
                tell(count, len(wanted))
        place = taken.place

    def screen() -> None:
        typer.echo(plain(f"{len(wanted):,} tenants copied to {place}."))
        table(["", "copied"], sorted(counts.items()))

    return Answer(said={"tenants": wanted, "copied": dict(counts)}, screen=screen)


def _copied(theirs: Store, ours: Store) -> Counter[str]:
    with theirs.plumbing.everything() as records:
        return ours.plumbing.restore(enumerate(records, 1)).added


class _Given:
    """Whose memories are to be copied, and where they are."""

    def __init__(self, pool: TenantPool | None, store: Store | None, named: list[str]) -> None:
        self._pool, self._store, self._named = pool, store, named

    def names(self) -> list[str]:
        """Whose."""
        return self._named or ([] if self._pool is None else self._pool.tenants())

    @contextmanager
    def lease(self, name: str) -> Iterator[Store]:
        """Their store. None is made.

        Raises:
            StoreAccessError: There is none.
        """
        if self._store is not None:
            yield self._store
        elif self._pool is not None:
            if name not in self._pool:
                raise StoreAccessError(f"no tenant {name!r} in {self._pool.place!r}")
            with self._pool.lease(name) as store:
                yield store


@contextmanager
def _given(source: str, tenants: list[str] | None) -> Iterator[_Given]:
    named = list(dict.fromkeys(tenants or ()))
    if server_url(source) is None and not file_path(source).exists():
        raise StoreAccessError(f"nothing to copy at {source!r}")
    if server_url(source) is None and Path(source).is_file():
        with Store.open(source, read_only=True) as store:
            owners = named or ([] if store.tenant is None else [store.tenant])
            if len(owners) != 1:
                raise ParameterError("a file is one tenant's: say whose it is to be, --tenant NAME")
            yield _Given(None, store, owners)
        return
    with TenantPool(source, max_open=_AT_ONCE) as pool:
        yield _Given(pool, None, named)
