"""Files that are named by their paths: opened at once, or by the first call that needs them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from weakref import WeakValueDictionary

from feather_memory.checks import file_path, server_place, server_url
from feather_memory.errors import ClosedStoreError, WrongTenantError
from feather_memory.model.names import checked
from feather_memory.store.store import Store

Opener = Callable[[str | os.PathLike[str], str | None], Store]
"""From a path, and whose it must be, to an open store."""

# Nothing depends on the sharing: two stores of one file agree. It saves memory, and as it keeps
# nothing alive, needs no lock and no closing.
_shared: WeakValueDictionary[tuple[str, str | None], Store] = WeakValueDictionary()


# Of databases: what this process was told beside what may be written down, which is the password.
_addresses: dict[str, str] = {}


def known_place(path: str | os.PathLike[str]) -> str:
    """What all names of one file, directory or database have in common; it may be written down.

    The real path; or the URL without its password, which this process keeps for `address_at`.
    """
    url = server_url(path)
    if url is None:
        return os.path.realpath(path)
    place = server_place(url)
    if place != url:
        _addresses[place] = url
    return place


def written_place(path: str | os.PathLike[str]) -> str:
    """The same as it may be written down: a path as it is, of a URL what `known_place` says."""
    return os.fspath(path) if server_url(path) is None else known_place(path)


def address_at(place: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """What opens a place: where it is a database, with the password this process was last told."""
    return _addresses.get(place, place) if isinstance(place, str) else place


def shared_store(path: str | os.PathLike[str], tenant: str | None = None) -> Store:
    """The store at a path: within a process the same for all who hold it at one time.

    It has no embedder.

    Args:
        path: Of the file, which is made if there is none; or the URL of a PostgreSQL database.
        tenant: Whose file a new one is marked as; of a database, whose rows.
    """
    place, is_file = known_place(path), server_url(path) is None
    key = (place, None if is_file else tenant)  # of a file the tenant is checked, not chosen
    found = _shared.get(key)
    if found is None or not found.plumbing.is_open:
        found = _shared[key] = Store.open(address_at(place), tenant=tenant)
    return found


class Later:
    """A file that the first call that needs it opens, once, in the thread of that call.

    Whoever makes an adapter in a coroutine may not hold up the loop, and its async verbs leave it.
    """

    def __init__(
        self, path: str | os.PathLike[str], tenant: str | None, opener: Opener | None
    ) -> None:
        self._tenant = None if tenant is None else checked(tenant)
        self._url = server_url(path)
        # The folder that it is named from may be another by then.
        self.address: str = self._url or str(file_path(path).absolute())
        """What opens it."""
        self.path: str = self.address if opener and not self._url else known_place(path)
        """The same as it may be written down, as `Source.path` of what is open."""
        self._opener = opener or shared_store
        self._lock = threading.Lock()
        self._is_closed = False
        self.opened: Store | None = None
        """The store, once somebody has needed it."""

    @property
    def place(self) -> str:
        """Where the store will be, as errors call it."""
        return self.path if self._url is None else f"{self.path}#{self._tenant}"

    def store(self) -> Store:
        """The store, opened by the first who asks, while the others wait.

        Raises:
            ClosedStoreError: It was closed before anybody did.
        """
        with self._lock:
            if self._is_closed:
                raise ClosedStoreError(self.place)
            if self.opened is None:
                store = self._opener(self.address, self._tenant)
                refuse_another(store, self._tenant)
                self.opened = store
            return self.opened

    def close(self) -> None:
        """Close the store, or see to it that it is never opened."""
        with self._lock:
            self._is_closed = self.opened is None
            if self.opened is not None:
                self.opened.close()


def is_on_a_loop() -> bool:
    """Whether other tasks wait for what this thread does."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def refuse_another(store: Store, tenant: str | None) -> None:
    """Nothing, if the store is this tenant's, or nobody is named.

    Raises:
        WrongTenantError: It is another's, or nobody's.
    """
    if tenant is not None and tenant != store.tenant:
        raise WrongTenantError(store.plumbing.place, expected=tenant, found=store.tenant)
