"""API keys: who may do what for which tenants. Only digests are kept, a file for each key.

A key is its name and 256 random bits, so that a plain digest of it is as good as any: there is
nothing to guess. It is looked for at each call, so that one that is revoked opens nothing any more.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

from feather_memory.checks import file_path, server_url
from feather_memory.errors import ParameterError, StoreAccessError
from feather_memory.model.names import checked
from feather_memory.truth.atomic import begin, newborn

FOLDER: Final = "keys"
"""Beside the tenants' files."""

_KEY: Final = re.compile(r"fm_([a-z0-9-]{1,40})_([0-9a-f]{64})")
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_SETTLED: Final = 2.0  # seconds: what changes within one tick of a file system looks the same
_HELD: Final = 1_000  # keys
_FIELDS: Final = {"name", "digest", "tenant", "prefix", "may_write", "reads", "made"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a key allows: for one tenant, or for all whose names begin alike.

    Raises:
        ParameterError: Neither or both, or a name that is none.
        TenantNameError: No tenant can have that name.
    """

    name: str
    """The key's own, by which it is listed and revoked."""
    tenant: str | None = None
    """The one tenant."""
    prefix: str | None = None
    """Instead: every tenant whose name begins so; "" is everybody."""
    may_write: bool = True
    reads: tuple[str, ...] = ()
    """Further tenants that it may only read, such as a team's, beside whose own they are read."""
    made: str = ""
    """When, in ISO 8601."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ParameterError(
                f"a key's name is up to 40 of a-z, 0-9 and -, got {self.name!r:.80}"
            )
        if (self.tenant is None) == (self.prefix is None):
            raise ParameterError("a key is for one tenant, or for a prefix of tenants' names")
        for tenant in (*self.reads, *(() if self.tenant is None else (self.tenant,))):
            checked(tenant)

    def may_read(self, tenant: str) -> bool:
        """Whether it may read that tenant's memory, and log there that it did."""
        return self.allows(tenant) or tenant in self.reads

    def allows(self, tenant: str) -> bool:
        """Whether it is for that tenant."""
        if self.tenant is not None:
            return tenant == self.tenant
        return tenant.startswith(self.prefix or "")


class _Held(NamedTuple):
    """What was read of a key's file."""

    mark: tuple[int, int, int, int]
    """By which a file that was changed or replaced is told from what it was."""
    since: float
    """When the mark was seen first."""
    is_settled: bool
    """Whether it was read later than that: at first it may yet change, and the mark stay."""
    known: tuple[str, Grant]
    """The digest, and what the key allows."""


class KeyRing:
    """The keys of a directory. Safe for threads and processes: each key is a file of its own."""

    def __init__(self, directory: Path | str) -> None:
        """The ring beside the tenants of a directory; there need be none yet.

        Raises:
            ParameterError: It is no directory, such as a database: a key is a file.
        """
        if server_url(directory) is not None:
            raise ParameterError("keys are files: name the directory that they are in, or shall be")
        self._folder = file_path(directory, "directory") / FOLDER
        self._held: dict[str, _Held] = {}

    def add(self, grant: Grant) -> str:
        """Make a key. It is told here, once, and kept nowhere.

        Raises:
            ParameterError: There is a key of that name.
            StoreAccessError: It cannot be written.
        """
        key = f"fm_{grant.name}_{secrets.token_hex(32)}"
        kept = {
            "name": grant.name,
            "digest": _digest(key),
            "tenant": grant.tenant,
            "prefix": grant.prefix,
            "may_write": grant.may_write,
            "reads": grant.reads,
            "made": grant.made,
        }
        try:
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with newborn(self._path(grant.name)) as path:
                begin(path, 0o600)
                path.write_text(json.dumps(kept), encoding="utf-8")
        except FileExistsError:
            raise ParameterError(f"there is a key {grant.name!r} already") from None
        except OSError as error:
            raise StoreAccessError(
                f"cannot keep a key in {str(self._folder)!r}: {error}"
            ) from error
        return key

    def grants(self) -> list[Grant]:
        """What there is, sorted by name. A file that is none of a key's is left out."""
        found = (_read(path) for path in sorted(self._folder.glob("*.json")))
        return [_grant(kept) for kept in found if kept is not None]

    def revoke(self, name: str) -> None:
        """Take a key back: from now on it opens nothing.

        Raises:
            ParameterError: There is none of that name.
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise ParameterError(f"there is no key {name!r:.80}") from None

    def opened_by(self, key: str) -> Grant | None:
        """What the key allows; None for one that is forged, revoked or none at all."""
        shape = _KEY.fullmatch(key)
        known = None if shape is None else self._known(shape[1])
        if known is None or not compare_digest(known[0], _digest(key)):
            return None
        return known[1]

    def _known(self, name: str) -> tuple[str, Grant] | None:
        """The digest and the grant of a key; None where there is none of that name.

        Its file is looked for at each call, and read again where it is another than it was.
        """
        path = self._path(name)
        try:
            found = os.stat(path)  # noqa: PTH116  at each call
        except OSError:
            self._held.pop(name, None)
            return None
        mark, now = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns), monotonic()
        held = self._held.get(name)
        if held is not None and held.mark == mark and held.is_settled:
            return held.known
        if (kept := _read(path)) is None:
            return None
        since = held.since if held is not None and held.mark == mark else now
        known = str(kept["digest"]), _grant(kept)
        if len(self._held) >= _HELD:
            self._held.clear()
        self._held[name] = _Held(mark, since, now - since > _SETTLED, known)
        return known

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ParameterError(f"there is no key {name!r:.80}")
        return self._folder / f"{name}.json"


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _grant(kept: Mapping[str, Any]) -> Grant:
    said = {name: kept[name] for name in _FIELDS - {"digest"}}
    return Grant(**{**said, "reads": tuple(said["reads"])})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_ours = isinstance(kept, dict) and kept.keys() == _FIELDS and kept["name"] == path.stem
    return kept if is_ours else None
