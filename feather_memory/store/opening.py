"""Where a store is to be opened: in a file, or on a server; the same door for both."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

from feather_memory.checks import file_path, server_url
from feather_memory.errors import MissingExtraError, ParameterError
from feather_memory.index.mending import mend
from feather_memory.truth.contract import Truth
from feather_memory.truth.sqlite.file import SqliteTruth
from feather_memory.truth.state import Durability, Lease
from feather_memory.types import Clock
from feather_memory.write.copying import fill


def truth_at(
    place: str | os.PathLike[str],
    *,
    tenant: str | None,
    durability: Durability,
    language: str | None,
    clock: Clock,
    read_only: bool = False,
    lease: Lease = nullcontext,
) -> Truth:
    """What is opened at a path or a URL; the arguments are checked already.

    Raises:
        ParameterError: A URL without a tenant.
        MissingExtraError: A URL, and what speaks to a server is not installed.
    """
    said: dict[str, Any] = {
        "durability": durability,
        "language": language,
        "clock": clock,
        "read_only": read_only,
        "lease": lease,
    }
    url = server_url(place)
    if url is None:
        return SqliteTruth(file_path(place), tenant=tenant, mend=mend, **said)
    if tenant is None:
        raise ParameterError("on a server a store is a tenant's: say tenant=")
    truth: Truth = postgres().PostgresTruth(postgres().Server.at(url), tenant, fill=fill, **said)
    return truth


def postgres() -> Any:
    """The module of truths on a server.

    Raises:
        MissingExtraError: What speaks to one is not installed.
    """
    try:
        from feather_memory.truth.postgres import tenancy
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "psycopg":
            raise
        raise MissingExtraError("psycopg", "postgres") from error
    return tenancy


def migrated(
    url: str, partitions: int | None = None, *, pgvector: bool = False
) -> tuple[str, int, int]:
    """Make or bring up to date the tables of a database: what it is called, and formats.

    Args:
        url: Of the database.
        partitions: Of how many, by the tenant's hash, new tables are made; 0 for none, some unless
            given.
        pgvector: Keep each vector once more as pgvector's, so that the server can compare them.

    Returns:
        Its name without secrets; the format that the tables had, 0 for none, and have now.

    Raises:
        MissingExtraError: What speaks to a server is not installed.
        ParameterError: There are tables, of another number of partitions.
        StoreAccessError: It cannot be reached, is before PostgreSQL 15, or has no pgvector.
        NewerFormatError: A later release made the tables.
    """
    server = postgres()
    place = server.Server.at(url).place
    found = server.migrate(url, place, partitions=partitions, pgvector=pgvector)
    return place, found, max(found, server.FORMATS[pgvector])
