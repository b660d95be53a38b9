"""What of an agent's runs is remembered: now, or once the memory is back; and the facts in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from feather_memory import Memory, ParameterError, Store
from feather_memory.agent import Exchange, Extraction, OutageEvent, Outbox, Remembering, Save
from langchain_feather_memory._access import MemoryAccess
from langchain_feather_memory._extract import extract_of


class Saving:
    """Saves what was said, by tenant, and has facts taken from what the user said of it.

    Args:
        access: To the memory.
        save: What of the conversation is saved.
        extract: Takes the facts; None for nobody.

    Raises:
        ParameterError: Facts are to be taken, and nothing is saved that they could be of.
    """

    def __init__(self, access: MemoryAccess, save: Save, extract: object = None) -> None:
        if extract is not None and save == "none":
            raise ParameterError("extract= takes facts from what is saved, and save='none' is none")
        self._access = access
        self._outbox = Outbox()
        self._extraction = None if extract is None else Extraction(extract_of(extract))

    def owes(self, tenant: str | None) -> bool:
        """Whether anything waits to be saved for the tenant."""
        return self._outbox.owes(tenant)

    def save(self, tenant: str | None, exchange: Exchange) -> list[OutageEvent]:
        """Save what was said in a turn, after all that is owed; what failed."""
        with self._access.outages("save", tenant) as unsaved:
            store, new, after = self._prepared(tenant, exchange)
            self._offer(tenant, new.write(store, self._access.vectors(new.texts), after=after))
        return self._owed(tenant, exchange, unsaved)

    async def asave(self, tenant: str | None, exchange: Exchange) -> list[OutageEvent]:
        """As `save`; embeds with `aembed_documents` and writes in a thread."""
        with self._access.outages("save", tenant) as unsaved:
            store, new, after = await asyncio.to_thread(self._prepared, tenant, exchange)
            vectors = await self._access.avectors(new.texts)
            self._offer(tenant, await asyncio.to_thread(new.write, store, vectors, after=after))
        return self._owed(tenant, exchange, unsaved)

    def settle(self, tenant: str | None) -> Store:
        """The tenant's store, to which nothing is owed any more."""
        store = self._access.opened(tenant).writes
        self._offer(tenant, self._outbox.settle(tenant, store, self._access.vectors))
        return store

    def flush(self, timeout: float | None) -> bool:
        """Wait until all facts are taken. False if not all are."""
        return self._extraction is None or self._extraction.flush(timeout)

    def untold(self, tenant: str | None) -> list[OutageEvent]:
        """What has failed for the tenant, beside a run, since this was asked last."""
        return [] if self._extraction is None else self._extraction.untold(tenant)

    def _prepared(
        self, tenant: str | None, exchange: Exchange
    ) -> tuple[Store, Remembering, str | None]:
        """Where it is written, what of it is new, and after which memory it comes."""
        store = self.settle(tenant)
        return store, *exchange.prepared(store)

    def _offer(self, tenant: str | None, written: Sequence[Memory]) -> None:
        """Have facts taken from what the user said. What the model says is no evidence of any."""
        if self._extraction is not None:
            said = [memory for memory in written if memory.role == "user"]
            self._extraction.offer(
                tenant, lambda: self._access.opened(tenant).writes, said, self._access.vectors
            )

    def _owed(
        self, tenant: str | None, exchange: Exchange, unsaved: list[OutageEvent]
    ) -> list[OutageEvent]:
        if unsaved:
            self._outbox.keep(tenant, [exchange])
        return unsaved
