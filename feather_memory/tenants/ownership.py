"""Whose a file is: told by its name and by itself, and made somebody's."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from feather_memory.errors import (
    CorruptStoreError,
    FeatherError,
    GoneStoreError,
    WrongTenantError,
)
from feather_memory.index import beside
from feather_memory.model.names import file_name, is_digest, tenant_of
from feather_memory.truth.atomic import unborn
from feather_memory.truth.sqlite import claims
from feather_memory.truth.sqlite.file import tenant_in
from feather_memory.truth.sqlite.log import logs_of

_REMOVAL: Final = 2.0  # seconds for whoever removes a store, which takes some milliseconds
_PAUSE: Final = 0.01  # seconds between two looks at it

Opened = TypeVar("Opened")


def refuse_another(path: Path, tenant: str) -> None:
    """See that what is at the path is the tenant's, as far as anybody can tell.

    Raises:
        WrongTenantError: It says that it belongs to another.
    """
    if not path.exists():
        return
    try:
        owner = tenant_in(path)
    except CorruptStoreError:  # nobody can tell whose it was but by its name
        return
    if owner != tenant:
        raise WrongTenantError(str(path), expected=tenant, found=owner)


def owner_of(path: Path) -> str | None:
    """Whose file it is by its name; or, if that is a digest, by what it says and its name fits."""
    if not is_digest(path.name):
        return tenant_of(path.name)
    try:
        tenant = tenant_in(path)
    except FeatherError:
        return None
    return tenant if tenant is not None and file_name(tenant) == path.name else None


def belongings(path: Path) -> list[Path]:
    """All that may lie beside a store and goes with it.

    Its log, what is derived of it, and what was left of copies that were to become it.
    """
    return [*beside.companions(path), *logs_of(path), *unborn(path)]


def sizes(path: Path) -> list[tuple[str, int]]:
    """What a store consists of: the name and the bytes of each file, the truth last."""
    found = []
    for each in (*belongings(path), path):
        with suppress(FileNotFoundError):  # the last to close a store drops its log
            found.append((each.name, each.stat().st_size))
    return found


def taken_away(path: Path) -> list[tuple[str, int]]:
    """Remove a store; what there was, as `sizes` has it.

    First it is marked as gone, so that nobody reads or writes it on who has it open.

    Raises:
        BusyStoreError: Somebody is writing to it for long. Nothing was removed.
    """
    if path.exists():
        claims.mark_gone(path)
    found = sizes(path)
    for name, _ in found:  # the truth last: its log may be ahead
        path.with_name(name).unlink(missing_ok=True)
    return found


def begun_anew(path: Path, opened: Callable[[], Opened]) -> Opened:
    """What is opened at a path, without what is being removed from it.

    Whoever removes it is given a moment for that; if they were killed, it is finished here.
    """
    until = time.monotonic() + _REMOVAL
    while True:
        try:
            return opened()
        except GoneStoreError:
            if time.monotonic() >= until and claims.is_marked(path):  # not what was begun since
                taken_away(path)
            time.sleep(_PAUSE)


def take_in(source: Path, target: Path, tenant: str) -> None:
    """Move a store that is nobody's to where the tenant's is, as theirs.

    What is derived of it is removed, not moved: it says the tenant's words, too, and is rebuilt.

    Raises:
        WrongTenantError: It belongs to another; the rest as `claims.claimed`.
    """
    place = source.resolve()
    if place == target.resolve():  # somebody put it there by hand
        if tenant_in(place) != tenant:
            claims.mark(place, tenant)
        return
    with claims.claimed(place, target, tenant):
        for each in belongings(place):
            each.unlink(missing_ok=True)
    if source.is_symlink():  # it would lead nowhere
        with suppress(OSError):  # the store is theirs all the same
            source.unlink()
