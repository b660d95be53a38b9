"""Whose store a call is for: chosen once, when an adapter is made, and looked up at every call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self
from uuid import UUID
from weakref import WeakValueDictionary

from feather_memory.checks import server_place, server_url
from feather_memory.errors import ParameterError, WrongTenantError, quoted
from feather_memory.store.store import Store
from feather_memory.tenants.layers import ContextLayers
from feather_memory.tenants.pool import TenantPool

Reader = Store | ContextLayers
"""What answers a question. Both have the verbs for it, and for what users do with the answer."""

Opener = Callable[[str | os.PathLike[str], str | None], Store]
"""From a path, and whose it must be, to an open store."""

KINDS: Final = {"store": Store, "pool": TenantPool, "path": Store, "layers": ContextLayers}
"""By what a source may be given, and what stands behind it."""

_CALLED: Final[Mapping[str, str]] = MappingProxyType({})
_NOWHERE: Final[Mapping[str, str | None]] = MappingProxyType({})

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


@dataclass(frozen=True, slots=True)
class Opened:
    """What one call reads, and the one store that it writes to."""

    reads: Reader
    writes: Store
    """Of layers the nearest."""
    tenant: str | None = field(init=False)
    """Whose it is, if the file says so."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tenant", self.writes.tenant)

    @classmethod
    def of(cls, reader: Reader) -> Self:
        """What is read, with what is written to then."""
        if isinstance(reader, Store):
            return cls(reader, reader)
        return cls(reader, reader.layers[0].store)

    @property
    def stores(self) -> dict[str | None, Store]:
        """Every store that is read, nearest first, by its layer's name; None for one alone."""
        if isinstance(self.reads, Store):
            return {None: self.reads}
        return {layer.name: layer.store for layer in self.reads}

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # stores are open files: a copy of whoever reads them reads the same


@dataclass(frozen=True, slots=True)
class Source:
    """What an adapter was given to find its memories in: one tenant's, or the pool of many.

    >>> import tempfile
    >>> pool = TenantPool(tempfile.mkdtemp())
    >>> source = Source.chosen("FeatherRetriever", pool=pool)
    >>> source.opened(named="alice").writes is pool.get("alice")
    True
    >>> source.opened(places={"configurable['tenant']": "bob"}).tenant
    'bob'
    >>> source.opened()
    Traceback (most recent call last):
    ...
    feather_memory.errors.ParameterError: no tenant is named: not by tenant=, the
    FeatherRetriever's own tenant; there is no default
    >>> pool.close()
    """

    adapter: str
    """What was given it, for the errors."""
    given: Store | TenantPool | ContextLayers
    tenant: str | None = None
    """Whose it is, where a call names nobody; of a store or of layers, whose it must be."""
    is_owned: bool = False
    """Whether the store was opened for this source alone."""

    @classmethod
    def chosen(
        cls,
        adapter: str,
        *,
        store: Store | None = None,
        pool: TenantPool | None = None,
        path: str | os.PathLike[str] | None = None,
        layers: ContextLayers | None = None,
        tenant: str | None = None,
        opener: Opener | None = None,
        takes: Sequence[str] = tuple(KINDS),
        called: Mapping[str, str] = _CALLED,
    ) -> Self:
        """The one that was given.

        Args:
            adapter: What it was given to.
            store: An open store, of one tenant. The caller closes it.
            pool: Instead, the open stores of many tenants. The caller closes it.
            path: Instead, the file to open, which is made if there is none.
            layers: Instead, stores that are read together; the nearest is written to. The
                caller closes them.
            tenant: As in the class.
            opener: Opens the path, for this source alone: `close` closes it. Without it the store
                is shared with all who name the file like this.
            takes: Which of these the adapter has, by their names here.
            called: What else the adapter calls them, for the errors.

        Raises:
            ParameterError: None is given, or several, or one that is something else.
            TenantNameError: No tenant can have this name.
            WrongTenantError: It is another tenant's.
        """
        everything = {"store": store, "pool": pool, "path": path, "layers": layers}
        names = [name for name, value in everything.items() if value is not None]
        if len(names) != 1 or names[0] not in takes:
            choice = " or ".join(dict.fromkeys(f"{called.get(name, name)}=" for name in takes))
            got = " and ".join(f"{called.get(name, name)}=" for name in names) or "none"
            raise ParameterError(f"a {adapter} takes either {choice}, and one of them; got {got}")
        (name,) = names
        given: Any = everything[name]
        _check_kind(adapter, name, given, takes, called)
        if name == "path":
            given = (opener or shared_store)(given, tenant)
        source = cls(adapter, given, tenant, name == "path" and opener is not None)
        source._check_tenant()
        return source

    def bound(self) -> Self:
        """The same, which is one tenant's.

        Raises:
            ParameterError: It is a pool, and no tenant in it is named.
        """
        self.tenant_for()
        return self

    def tenant_for(
        self, named: str | None = None, places: Mapping[str, str | None] = _NOWHERE
    ) -> str | None:
        """Whom a call is for: its keyword, then the adapter's field, then the call's context.

        Args:
            named: The tenant that the call's own keyword names.
            places: Where else a tenant is named, nearest first, by what the place is called; None
                where it names nobody.

        Returns:
            None where nobody is named and it does not matter: a store is whose it is.

        Raises:
            ParameterError: Of many tenants, none is named.
            WrongTenantError: It is another tenant's than the one that is named.
        """
        tenant = next((t for t in (named, self.tenant, *places.values()) if t is not None), None)
        if not isinstance(self.given, TenantPool):
            _refuse_another(Opened.of(self.given).writes, tenant)
        elif tenant is None:
            looked = ", ".join(("tenant=", f"the {self.adapter}'s own tenant", *places))
            raise ParameterError(f"no tenant is named: not by {looked}; there is no default")
        return tenant

    def opened(
        self, *, named: str | None = None, places: Mapping[str, str | None] = _NOWHERE
    ) -> Opened:
        """What a call reads and writes, as `tenant_for` finds whose; opened if need be."""
        tenant = self.tenant_for(named, places)
        if not isinstance(self.given, TenantPool):
            return Opened.of(self.given)
        assert tenant is not None  # noqa: S101  a pool's is always named, for mypy
        return Opened.of(self.given.get(tenant))

    def found(
        self, *, named: str | None = None, places: Mapping[str, str | None] = _NOWHERE
    ) -> Opened | None:
        """As `opened`, to read only: None for a tenant of a pool who has no file, and none is made.

        Whether that tenant could have one is checked like any other's name.
        """
        tenant = self.tenant_for(named, places)
        if isinstance(self.given, TenantPool) and (tenant is None or tenant not in self.given):
            return None
        return self.opened(named=tenant)

    @property
    def owner(self) -> str | None:
        """Whose it is; None for nobody's file, and for a pool of which no tenant is named."""
        return self.tenant if isinstance(self.given, TenantPool) else self.opened().tenant

    @property
    def path(self) -> str:
        """What, with `owner`, opens the store that is written to again; of one tenant's source.

        The file's path; or the URL of a database without a password, which this process knows
        and another has to be given, as by PGPASSWORD or a password file.
        """
        if not isinstance(self.given, TenantPool):
            address = self.opened().writes.plumbing.address
            return address if server_url(address) is None else known_place(address)
        if server_url(self.given.place) is not None:
            return self.given.place
        return self.given.place_of(self.tenant_for() or "")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keywords with which `chosen` chooses the same again, for another adapter."""
        kind = next(name for name, class_ in KINDS.items() if isinstance(self.given, class_))
        return {kind: self.given, "tenant": self.tenant}

    def rest(self) -> None:
        """Have a store give back its memory and files until the next call; a pool does so."""
        if isinstance(self.given, Store):
            self.given.plumbing.rest()

    def close(self) -> None:
        """Close the store if it was opened for this source alone. Safe to call twice."""
        if self.is_owned and isinstance(self.given, Store):
            self.given.close()

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # what it names is one, however often it is named

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file anew; what has no path of its own is refused."""
        if not isinstance(self.given, Store):
            kind = type(self.given).__name__
            raise TypeError(
                f"a {self.adapter} over an open {kind} cannot be pickled: give it a path="
            )
        return _reopened, (
            self.adapter,
            self.given.plumbing.address,
            self.given.tenant or self.tenant,
        )

    def _check_tenant(self) -> None:
        if isinstance(self.given, TenantPool):
            if self.tenant is not None:
                self.given.place_of(self.tenant)  # refuses what no tenant can be called
        else:
            self.tenant_for()


def _reopened(adapter: str, path: str, tenant: str | None) -> Source:
    return Source.chosen(adapter, path=path, tenant=tenant)


def named_in(context: object, key: str) -> str | None:
    """The tenant that a run's context names: under a key of a mapping, or by an attribute.

    >>> named_in({"tenant": 7}, "tenant")
    '7'

    Raises:
        ParameterError: What is there is no name: neither a string, a whole number nor a UUID.
    """
    found = context.get(key) if isinstance(context, Mapping) else getattr(context, key, None)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, bool) or not isinstance(found, int | UUID):
        raise ParameterError(f"{key!r} must name a tenant, got {quoted(found)}")
    return str(found)


def _check_kind(
    adapter: str, name: str, given: object, takes: Sequence[str], called: Mapping[str, str]
) -> None:
    if isinstance(given, (str, os.PathLike) if name == "path" else KINDS[name]):
        return
    wanted = "path" if name == "path" else KINDS[name].__name__
    kinds = (kind for kind in takes if kind != "path" and isinstance(given, KINDS[kind]))
    hint = next((f"; that is given by {called.get(kind, kind)}=" for kind in kinds), "")
    raise ParameterError(
        f"the {called.get(name, name)}= of a {adapter} is a {wanted}, got {quoted(given)}{hint}"
    )


def _refuse_another(store: Store, tenant: str | None) -> None:
    if tenant is not None and tenant != store.tenant:
        raise WrongTenantError(store.plumbing.place, expected=tenant, found=store.tenant)
