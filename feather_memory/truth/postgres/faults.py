"""What PostgreSQL's errors mean to a caller."""

from __future__ import annotations

import psycopg
from psycopg import errors

from feather_memory.config import BUSY_SECONDS
from feather_memory.errors import (
    BusyStoreError,
    CorruptStoreError,
    FeatherError,
    ReadOnlyStoreError,
    StoreAccessError,
    StoreFullError,
)

_BUSY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
_CROWDED = (errors.TooManyConnections, errors.QueryCanceled)
_UNMADE = (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedColumn)
_DAMAGED = (errors.DataCorrupted, errors.IndexCorrupted)


def translated(  # noqa: PLR0911  one for each meaning
    error: psycopg.Error, place: str
) -> FeatherError | None:
    """What the error means to a caller; None if it is a mistake of ours."""
    match error:
        case _ if isinstance(error, _BUSY):
            return BusyStoreError(f"others kept {place!r} locked for over {BUSY_SECONDS:g} s")
        case _ if isinstance(error, _CROWDED):
            return BusyStoreError(f"the server of {place!r} is busy: {_told(error)}")
        case errors.DiskFull():
            return StoreFullError(f"no room left on the server of {place!r}; it was rolled back")
        case _ if isinstance(error, _UNMADE):
            return StoreAccessError(
                f"{place!r} has no tables of this release's: feather-memory migrate makes them"
            )
        case errors.ReadOnlySqlTransaction():
            return ReadOnlyStoreError(place)
        case errors.InsufficientPrivilege():
            return StoreAccessError(f"{place!r} may not be read or written: {_told(error)}")
        case _ if isinstance(error, _DAMAGED):
            return CorruptStoreError(place, _told(error))
        case psycopg.OperationalError():  # it cannot be reached, or went away amid a call
            return StoreAccessError(f"cannot reach the server of {place!r}: {_told(error)}")
    return None


def _told(error: psycopg.Error) -> str:
    """Its first line: what follows is the server's hints, and may quote what was written."""
    return str(error).partition("\n")[0]
