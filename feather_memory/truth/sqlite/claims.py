"""A file without a tenant becomes a tenant's: copied whole under its new name, then removed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Final

from feather_memory.config import BUSY_SECONDS
from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    StoreAccessError,
    WrongTenantError,
)
from feather_memory.truth.atomic import begin, newborn, sync_directory, unborn
from feather_memory.truth.sqlite import schema, shape, sums
from feather_memory.truth.sqlite.access import Access
from feather_memory.truth.sqlite.faults import translated
from feather_memory.truth.sqlite.transactions import read_state
from feather_memory.truth.state import DamagedRowError

_WAIT: Final = 1.0
"""Seconds for whoever is just closing the file. Who has it open does not let go of it."""

_MARK: Final = "update state set tenant = ?"


@contextmanager
def claimed(source: Path, target: Path, tenant: str) -> Iterator[None]:
    """Makes the file at `source` the tenant's, at `target`.

    The block runs when the tenant's file is whole, durable and in its place, and the source is
    still there, locked: what lies beside it can be removed. Then the source goes. After a kill
    there is the source, or the tenant's file, or both of them whole; then the same claim once more
    finishes what was begun.

    Raises:
        StoreAccessError: There is no file, or another at `target` already; an earlier release
            wrote it; or it cannot be moved, or removed once it was copied.
        CorruptStoreError: It is not one of ours, truncated or damaged.
        NewerFormatError: A later release wrote it.
        WrongTenantError: It belongs to another tenant.
        BusyStoreError: Somebody has it open.
    """
    is_there = target.exists()
    for log in (target.with_name(target.name + suffix) for suffix in ("-wal", "-journal")):
        if not is_there and log.exists():  # SQLite would take it for the new file's
            raise StoreAccessError(f"{str(log)!r} is the log of a store that is gone: remove it")
    if not os.access(source.parent, os.W_OK):
        raise StoreAccessError(f"cannot move {str(source)!r}: its folder cannot be written to")
    with _alone(source, tenant) as connection:
        if is_there:
            _refuse_another_than(connection, source, target, tenant)
        for left in unborn(target):  # by a claim that was killed: it holds the tenant's words
            left.unlink(missing_ok=True)
        if not is_there:
            _copy(connection, target, tenant, source.stat().st_mode & 0o777)
        sync_directory(target.parent)
        try:
            yield
            source.unlink()  # while it is locked, so that nobody has written to it since
        except OSError as error:
            raise StoreAccessError(
                f"{tenant!r} has the store now, at {str(target)!r}, but {str(source)!r} could not "
                f"be removed, so that both exist: {error}"
            ) from error


def mark(path: Path, tenant: str) -> None:
    """Make the file the tenant's where it is. Raises as `claimed` does."""
    with _alone(path, tenant) as connection:
        connection.execute("begin immediate")
        connection.execute(_MARK, (tenant,))
        sums.seal_state(connection)
        connection.execute("commit")


def mark_gone(path: Path) -> None:
    """Have everybody who has the file open, and whoever opens it, know that it is to be removed.

    From then on nobody writes to it. It is brought from the log into the file: else whoever opens
    the file once its log is removed would not know. What is damaged cannot say so, and is removed
    all the same.

    Raises:
        BusyStoreError: Somebody is writing to it for longer than a write waits.
    """
    try:
        with closing(
            sqlite3.connect(Access.to_write(path).uri, uri=True, timeout=BUSY_SECONDS)
        ) as connection:
            connection.execute("update state set is_gone = 1, generation = generation + 1")
            connection.commit()
            connection.execute(f"pragma busy_timeout = {_WAIT * 1_000:.0f}")
            connection.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.Error as error:
        if isinstance(known := translated(error, path), BusyStoreError):
            raise known from error


def is_marked(path: Path) -> bool:
    """Whether a file is there that is to be removed."""
    try:
        with closing(Access.to_read(path).connect()) as connection:
            return schema.is_gone(connection)
    except (sqlite3.Error, OSError):
        return False


@contextmanager
def _alone(path: Path, tenant: str) -> Iterator[sqlite3.Connection]:
    """The file, open to nobody else, if the tenant can have it."""
    schema.inspect(path)
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(
            sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_WAIT)
        ) as connection:
            _lock(connection, path)
            # SQLite is asked, for who opens and closes the file otherwise drops its lock.
            if connection.execute("pragma journal_mode").fetchone() != ("wal",):
                raise StoreAccessError(
                    f"cannot claim {str(path)!r}: it is not in WAL mode, so that nobody can tell "
                    "who has it open; Store.open() and close bring it into that mode"
                )
            version, owner = schema.format_within(connection, path), schema.owner_in(connection)
            shape.refuse_triggers(connection, path)
            if owner not in {None, tenant}:
                raise WrongTenantError(str(path), expected=tenant, found=owner)
            if version < schema.FORMAT:
                raise StoreAccessError(
                    f"cannot claim {str(path)!r}: it has format {version}; Store.open() and close "
                    f"bring it to format {schema.FORMAT}"
                )
            yield connection
    except sqlite3.Error as error:
        raise translated(error, path) or CorruptStoreError(str(path), str(error)) from error
    except (UnicodeDecodeError, DamagedRowError) as error:
        raise CorruptStoreError(str(path), str(error)) from error
    except OSError as error:
        if isinstance(error, FeatherError):
            raise
        raise StoreAccessError(f"cannot claim {str(path)!r}: {error}") from error


def _lock(connection: sqlite3.Connection, path: Path) -> None:
    """Keep everybody else out until the connection closes, and fold the log into the file."""
    try:
        connection.execute("pragma locking_mode = exclusive")
        # It fails where any connection is open, even an idle one.
        connection.execute("begin immediate")
        connection.execute("commit")
        connection.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError as error:
        known = translated(error, path)
        if isinstance(known, BusyStoreError):
            raise BusyStoreError(
                f"somebody has {str(path)!r} open: close it everywhere, then claim it"
            ) from error
        raise


def _copy(connection: sqlite3.Connection, target: Path, tenant: str, mode: int) -> None:
    """Copy the file to `target` as the tenant's: whole and durable, or not at all.

    Nobody can read it whom the permissions in `mode` keep out, not even while it is made.
    """
    try:
        with newborn(target) as beside:
            begin(beside, mode)  # SQLite gives its log the same
            _fill(connection, beside, tenant)
    except FileExistsError as error:
        raise StoreAccessError(f"{tenant!r} has a store already, at {str(target)!r}") from error
    except FileNotFoundError as error:
        raise StoreAccessError(
            f"what was to become {str(target)!r} was removed meanwhile, as by another claim for "
            f"{tenant!r}"
        ) from error


def _refuse_another_than(
    connection: sqlite3.Connection, source: Path, target: Path, tenant: str
) -> None:
    """See that what is at `target` is what a claim of this very file has put there.

    Raises:
        StoreAccessError: It is not, or one of the two has been written to since.
    """
    has_one = f"{tenant!r} has a store already, at {str(target)!r}"
    try:
        schema.inspect(target)
        uri = f"{target.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as copy:
            copy.execute("begin")  # all of it as of one moment
            ours, theirs = read_state(connection), read_state(copy)
            is_copy = (theirs.store_id, theirs.tenant) == (ours.store_id, tenant)
            is_same = is_copy and _holds_the_same(connection, copy)
    except (sqlite3.Error, ValueError, FeatherError) as error:  # nobody can tell what it is
        raise StoreAccessError(has_one) from error
    if not is_copy:
        raise StoreAccessError(has_one)
    if not is_same:
        raise StoreAccessError(
            f"{has_one}: a copy of this very store, {str(source)!r}, and one of the two has been "
            "written to since"
        )


def _holds_the_same(one: sqlite3.Connection, other: sqlite3.Connection) -> bool:
    """Whether two files hold the same rows, in the same order, but for what they say of themselves.

    Their generations would not tell: each of the two may have been written to as often.
    """
    names = [
        [
            name
            for (name,) in each.execute("select name from sqlite_schema where type = 'table'")
            if name != "state"
        ]
        for each in (one, other)
    ]
    states = [(state.generation, state.next_row) for state in map(read_state, (one, other))]
    return (
        names[0] == names[1]
        and states[0] == states[1]
        and all(
            row == its
            for name in names[0]
            for row, its in zip_longest(
                *(each.execute(f'select * from "{name}"') for each in (one, other))
            )
        )
    )


def _fill(connection: sqlite3.Connection, path: Path, tenant: str) -> None:
    """Copy the file into the empty one at `path`, as the tenant's.

    Raises:
        FileNotFoundError: Somebody removed the one at `path`, which is not made again.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as copy:
            connection.backup(copy)
            copy.execute(_MARK, (tenant,))
            sums.seal_state(copy)
            copy.execute("pragma journal_mode = wal")
    except sqlite3.OperationalError as error:
        if path.exists():
            raise
        raise FileNotFoundError(str(path)) from error
