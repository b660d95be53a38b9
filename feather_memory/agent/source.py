"""Whose store a call is for: chosen once, when an adapter is made, and looked up at every call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self
from uuid import UUID

from feather_memory.agent.places import (
    Later,
    Opener,
    is_on_a_loop,
    known_place,
    refuse_another,
)
from feather_memory.checks import server_url
from feather_memory.errors import ParameterError, WrongTenantError, quoted
from feather_memory.store.store import Store
from feather_memory.tenants.layers import ContextLayers
from feather_memory.tenants.pool import TenantPool

Reader = Store | ContextLayers
"""What answers a question. Both have the verbs for it, and for what users do with the answer."""

KINDS: Final = {"store": Store, "pool": TenantPool, "path": Store, "layers": ContextLayers}
"""By what a source may be given, and what stands behind it."""

_CALLED: Final[Mapping[str, str]] = MappingProxyType({})
_NOWHERE: Final[Mapping[str, str | None]] = MappingProxyType({})


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
        return cls(reader, _writes(reader))

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

    A path is opened at once; where it is named in a coroutine, by the first call that needs the
    file, so that making an adapter does not hold up the loop.

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
    kept: Store | TenantPool | ContextLayers | Later
    """What was given, or will be opened."""
    tenant: str | None = None
    """Whose it is, where a call names nobody; of a store or of layers, whose it must be."""
    is_owned: bool = False
    """Whether the store was opened for this source alone."""
    _only: list[Opened] = field(default_factory=list, init=False, repr=False, compare=False)
    """What every call reads and writes, where that is one store's or layers', once one was made."""

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
            is_waiting = is_on_a_loop()
            given = Later(given, tenant, opener)
            given = given if is_waiting else given.store()
        source = cls(adapter, given, tenant, name == "path" and opener is not None)
        source._check_tenant()
        return source

    @property
    def given(self) -> Store | TenantPool | ContextLayers:
        """What was given: of a path, the store, which is opened if need be."""
        return self.kept.store() if isinstance(self.kept, Later) else self.kept

    @property
    def is_pool(self) -> bool:
        """Whether it is many tenants'."""
        return isinstance(self.kept, TenantPool)

    @property
    def is_waiting(self) -> bool:
        """Whether it is a path that nobody has opened yet."""
        return isinstance(self._now, Later)

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

        Of a file that nobody has opened yet, `opened` says whether it is theirs.

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
        kept = self._now
        if isinstance(kept, Store | ContextLayers):
            if tenant is not None:
                refuse_another(_writes(kept), tenant)
        elif isinstance(kept, Later):
            if tenant is not None and self.tenant not in {None, tenant}:
                raise WrongTenantError(kept.place, expected=tenant, found=self.tenant)
        elif tenant is None:
            looked = ", ".join(("tenant=", f"the {self.adapter}'s own tenant", *places))
            raise ParameterError(f"no tenant is named: not by {looked}; there is no default")
        return tenant

    def opened(
        self, *, named: str | None = None, places: Mapping[str, str | None] = _NOWHERE
    ) -> Opened:
        """What a call reads and writes, as `tenant_for` finds whose; opened if need be."""
        given = self.given
        tenant = self.tenant_for(named, places)
        if not isinstance(given, TenantPool):
            if not self._only:
                self._only.append(Opened.of(given))
            return self._only[0]
        assert tenant is not None  # noqa: S101  a pool's is always named, for mypy
        return Opened.of(given.get(tenant))

    def found(
        self, *, named: str | None = None, places: Mapping[str, str | None] = _NOWHERE
    ) -> Opened | None:
        """As `opened`, to read only: None for a tenant of a pool who has no file, and none is made.

        Whether that tenant could have one is checked like any other's name.
        """
        if isinstance(self.kept, TenantPool):
            tenant = self.tenant_for(named, places)
            if tenant is None or tenant not in self.kept:
                return None
        return self.opened(named=named, places=places)

    @property
    def owner(self) -> str | None:
        """Whose it is; None for nobody's file, and for a pool of which no tenant is named.

        Of a file that nobody has opened yet, whose it must be.
        """
        kept = self._now
        return Opened.of(kept).tenant if isinstance(kept, Store | ContextLayers) else self.tenant

    @property
    def path(self) -> str:
        """What, with `owner`, opens the store that is written to again; of one tenant's source.

        The file's path; or the URL of a database without a password, which this process knows
        and another has to be given, as by PGPASSWORD or a password file.
        """
        kept = self._now
        if isinstance(kept, TenantPool):
            is_file = server_url(kept.place) is None
            return kept.place_of(self.tenant_for() or "") if is_file else kept.place
        if isinstance(kept, Later):
            return kept.path
        address = Opened.of(kept).writes.plumbing.address
        return address if server_url(address) is None else known_place(address)

    @property
    def arguments(self) -> dict[str, Any]:
        """The keywords with which `chosen` chooses the same again, for another adapter."""
        kept = self._now
        if isinstance(kept, Later):
            return {"path": kept.address, "tenant": self.tenant}
        kind = next(name for name, class_ in KINDS.items() if isinstance(kept, class_))
        return {kind: kept, "tenant": self.tenant}

    def rest(self) -> None:
        """Have a store give back its memory and files until the next call; a pool does so."""
        kept = self._now
        if isinstance(kept, Store):
            kept.plumbing.rest()

    def close(self) -> None:
        """Close the store if it was opened for this source alone. Safe to call twice."""
        if self.is_owned and isinstance(self.kept, Store | Later):
            self.kept.close()

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self  # what it names is one, however often it is named

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file anew; what has no path of its own is refused."""
        kept = self._now
        if isinstance(kept, Later):
            return _reopened, (self.adapter, kept.address, self.tenant)
        if not isinstance(kept, Store):
            kind = type(kept).__name__
            raise TypeError(
                f"a {self.adapter} over an open {kind} cannot be pickled: give it a path="
            )
        return _reopened, (self.adapter, kept.plumbing.address, kept.tenant or self.tenant)

    @property
    def _now(self) -> Store | TenantPool | ContextLayers | Later:
        """What there is at this moment, of which nothing is opened."""
        kept = self.kept
        return kept if not isinstance(kept, Later) or kept.opened is None else kept.opened

    def _check_tenant(self) -> None:
        if isinstance(self.kept, TenantPool):
            if self.tenant is not None:
                self.kept.place_of(self.tenant)  # refuses what no tenant can be called
        else:
            self.tenant_for()


def _writes(reader: Reader) -> Store:
    """What is written to, where that is read: of layers the nearest."""
    return reader if isinstance(reader, Store) else reader.layers[0].store


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
