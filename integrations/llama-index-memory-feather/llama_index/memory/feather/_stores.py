"""Which Store an adapter works on: one that is given, one at a path, or one tenant's of a pool."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from feather_memory import ClosedStoreError, ParameterError, Store, WrongTenantError

if TYPE_CHECKING:
    from feather_memory import TenantPool

# Nothing depends on the sharing: two stores of one file agree. It saves memory, and as it keeps
# nothing alive, needs no lock and no closing.
_stores: WeakValueDictionary[str, Store] = WeakValueDictionary()


def shared_store(path: str | os.PathLike[str], *, tenant: str | None = None) -> Store:
    """The store at a path: within a process the same for all who hold it at one time.

    It has no embedder: LlamaIndex embeds by itself.

    Args:
        path: Of the file, which is made if there is none.
        tenant: Whose file this must be; a new file is marked as theirs.
    """
    place = os.path.realpath(path)
    found = _stores.get(place)
    if found is None or not is_open(found):
        found = _stores[place] = Store.open(place, tenant=tenant)
    return found


def is_open(store: Store) -> bool:
    """Whether the store can be used; one that rests can."""
    try:
        store.get_many([])
    except ClosedStoreError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class StoreSource:
    """What opens a tenant's store: the store itself, or a pool that is asked at every call."""

    opened: Store | TenantPool
    tenant: str | None

    @classmethod
    def chosen(
        cls,
        *,
        path: str | os.PathLike[str] | None,
        store: Store | None,
        pool: TenantPool | None,
        tenant: str | None,
    ) -> StoreSource:
        """The one that was given.

        Raises:
            ParameterError: None is given, or several; or a pool without a tenant.
            WrongTenantError: The store is another tenant's.
        """
        if sum(given is not None for given in (path, store, pool)) != 1:
            raise ParameterError("give one of path=, store=, and pool= with tenant=")
        if pool is not None:
            if tenant is None:
                raise ParameterError("a pool serves many: name the tenant= it is asked for")
            pool.path_of(tenant)  # refuses what no tenant can be called
            return cls(pool, tenant)
        found = store if store is not None else shared_store(path or "", tenant=tenant)
        if tenant is not None and found.tenant != tenant:
            owner = "nobody" if found.tenant is None else found.tenant
            raise WrongTenantError(str(found.path), expected=tenant, found=owner)
        return cls(found, found.tenant)

    def store(self) -> Store:
        """The store, open."""
        if isinstance(self.opened, Store):
            return self.opened
        assert self.tenant is not None  # noqa: S101  a pool has one; for mypy
        return self.opened.get(self.tenant)

    def rest(self) -> None:
        """Have the store give back its memory and files until the next call; a pool does so."""
        if isinstance(self.opened, Store):
            self.opened.plumbing.rest()

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # what it names is one, however often it is named

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that choose it once more."""
        is_store = isinstance(self.opened, Store)
        return {"store" if is_store else "pool": self.opened, "tenant": self.tenant}

    @property
    def path(self) -> str:
        """Where the store's file is, or will be."""
        if isinstance(self.opened, Store):
            return str(self.opened.path)
        assert self.tenant is not None  # noqa: S101  a pool has one; for mypy
        return str(self.opened.path_of(self.tenant))
