"""The open stores of one directory: a file for each tenant, opened when it is asked for.

A store that the pool closes only rests: whoever still holds it can go on using it, and its next
call opens the file again. The file is the truth, so nothing is lost by it, and nobody ever holds
a dead store. A store rests only while none of its calls is under way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Self, get_args

from feather_memory.checks import number, one_of, whole
from feather_memory.config import POOL_BYTES, WARM_WORKERS
from feather_memory.errors import (
    BusyStoreError,
    ClosedStoreError,
    FeatherError,
    ParameterError,
    StoreAccessError,
    quoted,
)
from feather_memory.model.names import checked
from feather_memory.model.words import tokenizer
from feather_memory.progress import Progress, teller
from feather_memory.store.core import Core
from feather_memory.store.store import Store
from feather_memory.tenants.awake import Awake
from feather_memory.tenants.homes import home_at
from feather_memory.tenants.reports import ForgottenTenant, PoolStats, Warmed, WarmReport
from feather_memory.tenants.seats import Seat, room
from feather_memory.truth.state import Durability
from feather_memory.types import Clock, Embedder, Model, Open, Seconds
from feather_memory.write.embedding import Embedding


class TenantPool(Open):
    """A directory of tenants, each with a file of its own; or a database. For threads and forks.

    As with SQLite itself, fork while no other thread is inside a call: before starting threads.

    >>> import tempfile
    >>> with TenantPool(tempfile.mkdtemp()) as pool:
    ...     _ = pool.get("alice").add("Alice deploys on Fridays")
    ...     _ = pool.get("bob").add("Bob never deploys")
    ...     [hit.memory.text for hit in pool.get("alice").search("who deploys?")], pool.tenants()
    (['Alice deploys on Fridays'], ['alice', 'bob'])
    """

    _opened_by = "TenantPool of the same place"

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        embedder: Embedder | Model | None = None,
        query_embedder: Embedder | Model | None = None,
        embedder_name: str | None = None,
        language: str | None = None,
        durability: Durability = "process",
        clock: Clock = time.time,
        max_open: int = 256,
        max_bytes: int = POOL_BYTES,
        max_vector_bytes: int | None = None,
        idle_seconds: Seconds = 600.0,
    ) -> None:
        """The pool of a directory, which is made, for its owner alone, if there is none.

        Args:
            directory: Where the files of the tenants are; or the URL of a PostgreSQL database.
            embedder: As in `Store.open`, for every tenant, as are the next five.
            query_embedder: For queries, where they are embedded differently.
            embedder_name: What the model is called, where the embedder does not say.
            language: What the texts are in, for the stems of words.
            durability: What a returned write survives.
            clock: Tells Unix seconds; idleness is counted by it, too.
            max_open: Stores that are open at once, at least 1. The least recently used rests
                first; where more are in use at one moment, more are open until they are done.
                Fewer where this process may not have enough file handles: `stats` has the number.
            max_bytes: What the arrays of open stores may take of this process's own memory, at
                least 1; 1 GiB unless given. Beyond it the least recently used rest, likewise. What
                is mapped from a file does not count; one tenant in use may take more by itself.
            max_vector_bytes: As in `Store.open`, for each tenant; `max_bytes` unless given.
            idle_seconds: Above 0; a store unused for as long rests at the pool's next call.
        """
        one_of(durability, "durability", get_args(Durability))
        if number(idle_seconds, "idle_seconds", 0) == 0:
            raise ParameterError(f"idle_seconds must be above 0, got {quoted(idle_seconds)}")
        self._awake = Awake(
            clock=clock,
            max_open=min(whole(max_open, "max_open", 1), room()),
            max_bytes=whole(max_bytes, "max_bytes", 1),
            idle_seconds=float(idle_seconds),
        )
        if max_vector_bytes is not None:
            whole(max_vector_bytes, "max_vector_bytes", 0)
        self._max_vector_bytes = max_vector_bytes
        self._embedding = Embedding.of(embedder, query_embedder, embedder_name)
        self._language = None if language is None else tokenizer(language).language
        self._durability: Durability = durability
        self._clock = clock
        self._home = home_at(directory)  # makes the directory, once all else was accepted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = f"{len(self._awake)} of at most {self.max_open} open"
        return f"<TenantPool {self.place!r}, {state if self._awake.is_open else 'closed'}>"

    @property
    def max_open(self) -> int:
        """How many stores may be open at once."""
        return self._awake.max_open

    @max_open.setter
    def max_open(self, most: int) -> None:
        self._awake.max_open = whole(most, "max_open", 1)

    @property
    def max_bytes(self) -> int:
        """How much memory the arrays of open stores may take."""
        return self._awake.max_bytes

    @property
    def idle_seconds(self) -> Seconds:
        """A store that was unused for so long rests."""
        return self._awake.idle_seconds

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it."""
        return self._awake.is_open

    @property
    def directory(self) -> Path:
        """Where the files of the tenants are.

        Raises:
            StoreAccessError: They are on a server.
        """
        return self._home.directory

    @property
    def place(self) -> str:
        """The directory, or the URL of the database, without a password."""
        return self._home.place

    def __contains__(self, tenant: str) -> bool:
        """Whether the tenant has a store. Asking makes none, unlike `get`.

        Raises:
            TenantNameError: No tenant can have this name.
        """
        return self._home.has(tenant)

    def path_of(self, tenant: str) -> Path:
        """Where the tenant's file is, or would be.

        Raises:
            TenantNameError: No tenant can have this name.
            StoreAccessError: The tenants are on a server.
        """
        return self._home.path_of(tenant)

    def place_of(self, tenant: str) -> str:
        """Where the tenant's store is, or would be: a path, or a server and the tenant.

        Raises:
            TenantNameError: No tenant can have this name.
        """
        return self._home.place_of(tenant)

    def get(self, tenant: str) -> Store:
        """The tenant's store, which is made if there is none: the same object for all who ask.

        The pool closes it. After somebody else has, whoever asks gets another.

        Raises:
            TenantNameError: No tenant can have this name.
            WrongTenantError: The file there belongs to another.
            CorruptStoreError: The file is damaged. It is left as it is, and so are the others'.
            ClosedStoreError: The pool is closed.
        """
        return self._seat(tenant).opened(self._make)

    @contextmanager
    def lease(self, tenant: str) -> Iterator[Store]:
        """The tenant's store, kept open until the block ends."""
        seat = self._seat(tenant)
        with seat.lease():
            yield seat.opened(self._make)

    def warm(
        self, tenants: Iterable[str], workers: int = WARM_WORKERS, *, progress: Progress = False
    ) -> WarmReport:
        """Open tenants and read what their first search needs; the failures of some stop no other.

        No file is made for a tenant that has none. Those beyond `max_open` are not tried.

        Args:
            tenants: Whose stores; the most important first, as `recent` has them.
            workers: Threads, at least 1.
            progress: True for a bar in the terminal or notebook, or a function told (done, total).

        Raises:
            ParameterError: One name instead of several, or no worker.
        """
        from concurrent.futures import ThreadPoolExecutor, as_completed  # which few processes need

        if isinstance(tenants, str):
            raise ParameterError(f"tenants must be several names, got {quoted(tenants)}")
        names, done = list(dict.fromkeys(tenants)), dict[str, Warmed]()
        wanted, tell = names[: self.max_open], teller(progress, label="warming")
        start = time.perf_counter()
        with ThreadPoolExecutor(min(whole(workers, "workers", 1), max(1, len(wanted)))) as threads:
            futures = [threads.submit(self._warmed, name) for name in wanted]
            for count, future in enumerate(as_completed(futures), 1):
                warmed = future.result()
                done[warmed.tenant] = warmed
                if tell is not None:
                    tell(count, len(wanted))
        return WarmReport(
            tenants=tuple(done[name] for name in wanted),
            skipped=tuple(names[self.max_open :]),
            milliseconds=(time.perf_counter() - start) * 1_000,
        )

    def _warmed(self, tenant: str) -> Warmed:
        start, failure = time.perf_counter(), None
        try:
            if tenant not in self:
                raise StoreAccessError(f"no tenant {tenant!r} in {self.place!r}")
            self.get(tenant).plumbing.wake()
        except FeatherError as error:
            failure = error
        milliseconds = (time.perf_counter() - start) * 1_000
        return Warmed(tenant=tenant, milliseconds=milliseconds, failure=failure)

    def count(self) -> int:
        """How many tenants have a store; damaged files are counted, too."""
        self._require_open()
        return self._home.count()

    def is_there(self) -> bool:
        """Whether its directory is there, or its database answers, at this moment."""
        return self._home.is_there()

    def tenants(self) -> list[str]:
        """Every tenant that has a file, sorted.

        One with a long name whose file is too damaged to tell it is left out.
        """
        self._require_open()
        return sorted(self._home.names())

    def recent(self, limit: int | None = None) -> list[str]:
        """Tenants by when their files were last written, the latest first, at most `limit`.

        A recall is logged in the file, so that who asks counts as active, and not only who adds.
        """
        self._require_open()
        most = None if limit is None else whole(limit, "limit", 0)
        return list(islice(self._home.recent(), most))

    def stats(self) -> PoolStats:
        """What is open and in use at this moment, once the idle rest."""
        self.close_idle()
        seats = self._awake.seats()
        return PoolStats(
            directory=self.place,
            open=len(seats),
            in_use=sum(seat.is_in_use for seat in seats),
            max_open=self.max_open,
            rests=self._awake.rests,
            bytes=sum(seat.bytes for seat in seats),
            max_bytes=self.max_bytes,
        )

    def claim(self, path: str | os.PathLike[str], tenant: str) -> Store:
        """Take in a store that was opened by its path: it moves here, and is the tenant's.

        It is copied whole, marked, and then removed from where it was, with what is derived of it.
        What a kill cut off is finished by the same claim once more.

        Args:
            path: Of a store without a tenant, closed by everybody.
            tenant: Whose it is to be. They have no store here yet, or just this one's copy.

        Raises:
            WrongTenantError: It belongs to another tenant.
            BusyStoreError: Somebody has it open.
            StoreAccessError: There is no such file, the tenant has a store already, an earlier
                release wrote the file, or it is not in WAL mode. As with every refusal, nothing
                has changed; but where the file cannot be removed once it was copied, both exist,
                and the error says so.
            CorruptStoreError: Not one of ours, truncated or damaged.
            NewerFormatError: Written by a later release.
        """
        self._require_open()
        self._home.take_in(path, tenant)
        return self.get(tenant)

    def forget_tenant(self, tenant: str, *, dry_run: bool = False) -> ForgottenTenant:
        """Remove a tenant: every file of theirs.

        Whoever holds the store, in whatever process, neither reads nor writes the removed one: the
        next call raises GoneStoreError. Only `get` begins anew.

        Args:
            tenant: Whose files. Nothing happens if there are none.
            dry_run: Only say what would go.

        Raises:
            WrongTenantError: The file there belongs to another. Nothing was removed.
            BusyStoreError: The store was in use, or being written, for over 10 s. Nothing was
                removed.
        """
        seat = self._seat(tenant)
        found: list[tuple[str, int]] = []

        def remove() -> None:
            found.extend(self._home.remove(tenant))

        if dry_run:
            found = self._home.sizes(tenant)
        elif not seat.wait_to_rest(remove):
            raise BusyStoreError(f"the store of {tenant!r} is in use; nothing was removed")
        else:
            self._awake.leave(seat)
        return ForgottenTenant(
            tenant=tenant,
            files=tuple(name for name, _ in found),
            bytes=sum(size for _, size in found),
            is_dry_run=dry_run,
        )

    def close_idle(self) -> int:
        """Let the stores rest that were not used for `idle_seconds`; how many there were."""
        return self._awake.settle(look_for_idle=True)

    def close(self) -> None:
        """Close every store, for good. Waits for calls under way. Safe to call twice."""
        self._awake.close()

    def _require_open(self) -> None:
        if not self._awake.is_open:
            raise ClosedStoreError(self.place)

    def _seat(self, tenant: str) -> Seat:
        name = checked(tenant)
        self._require_open()
        return self._awake.seat(name)

    def _make(self, seat: Seat) -> Store:
        self._require_open()  # again: whoever closes the pool may have passed this seat by now
        truth = self._home.truth(
            seat.tenant,
            durability=self._durability,
            language=self._language,
            clock=self._clock,
            lease=seat.lease,
        )
        core = Core.over(
            truth, self._embedding,
            max_vector_bytes=self._max_vector_bytes, max_bytes=self.max_bytes,
        )  # fmt: skip
        seat.columns = core.columns
        return Store(core)
