"""Where the tenants of a pool are: each in a file of a directory, or all in one database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from feather_memory.checks import file_path, server_url
from feather_memory.errors import FeatherError, ParameterError, StoreAccessError
from feather_memory.model.names import SUFFIX, checked, file_name
from feather_memory.store.opening import postgres, truth_at
from feather_memory.tenants.ownership import (
    begun_anew,
    owner_of,
    refuse_another,
    sizes,
    take_in,
    taken_away,
)
from feather_memory.truth.contract import Truth
from feather_memory.truth.sqlite.file import written_at

Sizes = list[tuple[str, int]]
"""Of what a tenant consists: names, and bytes."""


class Home(Protocol):
    """Where the tenants of a pool are."""

    @property
    def place(self) -> str:
        """What it is called."""

    @property
    def directory(self) -> Path:
        """The directory that it is.

        Raises:
            StoreAccessError: It is none.
        """

    def path_of(self, tenant: str) -> Path:
        """Where a tenant's file is, or would be; as `directory`, if there are files."""

    def place_of(self, tenant: str) -> str:
        """Where a tenant's store is, or would be, as errors call it."""

    def has(self, tenant: str) -> bool:
        """Whether there is a store of theirs."""

    def truth(self, tenant: str, **opened: Any) -> Truth:
        """Their truth, begun if there is none, without what is being removed of it."""

    def is_there(self) -> bool:
        """Whether it is there, and can be asked."""

    def count(self) -> int:
        """How many stores there are."""

    def names(self) -> Iterator[str]:
        """All who have a store."""

    def recent(self) -> Iterator[str]:
        """The same, by when it was written, the latest first."""

    def sizes(self, tenant: str) -> Sizes:
        """What there is of theirs.

        Raises:
            WrongTenantError: What is there belongs to another.
        """

    def remove(self, tenant: str) -> Sizes:
        """Remove that; what there was."""

    def take_in(self, path: str | os.PathLike[str], tenant: str) -> None:
        """Make a file theirs that is nobody's."""


def home_at(place: str | os.PathLike[str]) -> Home:
    """That at the path of a directory, which is made if there is none, or at a URL.

    Raises:
        StoreAccessError: The directory cannot be made.
        MissingExtraError: A URL, and what speaks to a server is not installed.
    """
    url = server_url(place)
    return Folder(file_path(place, "directory").absolute()) if url is None else Database(url)


class Folder:
    """A directory, with a file for each tenant."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.place = str(directory)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreAccessError(f"cannot use {self.place!r}: {error}") from error

    def path_of(self, tenant: str) -> Path:
        """Where a tenant's file is, or would be."""
        return self.directory / file_name(tenant)

    def place_of(self, tenant: str) -> str:
        """The path of that."""
        return str(self.path_of(tenant))

    def has(self, tenant: str) -> bool:
        """Whether the file is there."""
        return self.path_of(tenant).exists()

    def truth(self, tenant: str, **opened: Any) -> Truth:
        """That in their file, which is made if there is none."""
        path = self.path_of(tenant)
        return begun_anew(path, lambda: truth_at(path, tenant=tenant, **opened))

    def is_there(self) -> bool:
        """Whether the directory is."""
        return self.directory.is_dir()

    def count(self) -> int:
        """How many files there are."""
        return sum(1 for _ in self.directory.glob(f"*{SUFFIX}"))

    def names(self) -> Iterator[str]:
        """Whose files there are; without those that are too damaged to tell."""
        return self._owners(self.directory.glob(f"*{SUFFIX}"))

    def recent(self) -> Iterator[str]:
        """The same, by when they were written."""
        paths = self.directory.glob(f"*{SUFFIX}")
        return self._owners(sorted(paths, key=lambda path: (-written_at(path), path)))

    def _owners(self, paths: Any) -> Iterator[str]:
        return (name for path in paths if (name := owner_of(path)) is not None)

    def sizes(self, tenant: str) -> Sizes:
        """The tenant's files."""
        path = self.path_of(tenant)
        refuse_another(path, tenant)
        return sizes(path)

    def remove(self, tenant: str) -> Sizes:
        """Remove them."""
        path = self.path_of(tenant)
        refuse_another(path, tenant)
        return taken_away(path)

    def take_in(self, path: str | os.PathLike[str], tenant: str) -> None:
        """Move a file here."""
        take_in(file_path(path), self.path_of(tenant), tenant)


class Database:
    """A PostgreSQL database, in whose tables all tenants are."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._tenants = postgres().Tenants(postgres().Server.at(url))
        self.place: str = self._tenants.place

    @property
    def directory(self) -> Path:
        """There is none."""
        raise StoreAccessError(f"{self.place!r} is on a server: its tenants have no files")

    def path_of(self, tenant: str) -> Path:
        """There is none, either."""
        checked(tenant)
        return self.directory

    def place_of(self, tenant: str) -> str:
        """The database, and the tenant."""
        return f"{self.place}#{checked(tenant)}"

    def has(self, tenant: str) -> bool:
        """Whether there are rows of theirs."""
        return self._tenants.size(checked(tenant)) is not None

    def truth(self, tenant: str, **opened: Any) -> Truth:
        """That of their rows, which begin with it."""
        return truth_at(self._url, tenant=tenant, **opened)

    def is_there(self) -> bool:
        """Whether the server answers, and has our tables."""
        with suppress(FeatherError):
            return self.count() >= 0
        return False

    def count(self) -> int:
        """How many tenants have rows."""
        return int(self._tenants.count())

    def names(self) -> Iterator[str]:
        """Whose rows there are."""
        return iter(self._tenants.recent())

    def recent(self) -> Iterator[str]:
        """The same, by when they last recorded anything."""
        return iter(self._tenants.recent())

    def sizes(self, tenant: str) -> Sizes:
        """The tenant's rows."""
        size = self._tenants.size(checked(tenant))
        return [] if size is None else [(self.place_of(tenant), size)]

    def remove(self, tenant: str) -> Sizes:
        """Delete them."""
        found = self.sizes(tenant)
        if found:
            self._tenants.remove(tenant)
        return found

    def take_in(self, path: str | os.PathLike[str], tenant: str) -> None:
        """Refused: what is in a file is copied, and the file stays."""
        raise ParameterError(
            f"{os.fspath(path)!r} cannot move to {self.place!r} for {tenant!r}: what copies it is "
            "feather-memory copy"
        )
