"""What an agent reaches of the memory: whose, how it is embedded, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypedDict

from feather_memory import F, ParameterError
from langchain_feather_memory._convert import to_filter
from langchain_feather_memory._prompt import approximate_tokens, fitting
from langchain_feather_memory._tenancy import named_in, store_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from langchain_core.embeddings import Embeddings

    from feather_memory import Filter, Hit, Scoring, Store, TenantPool


class MemoryOptions(TypedDict, total=False):
    """What a caller may say of an agent's memory; `FeatherMemoryMiddleware` says what each is."""

    store: Store | None
    pool: TenantPool | None
    tenant: str | None
    tenant_key: str
    embedding: Embeddings | None
    k: int
    hops: int
    limit: int
    scoring: Scoring | None
    where: Filter | Mapping[str, Any] | None
    session: str | None
    reinforce: bool
    max_tokens: int
    count_tokens: Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAccess:
    """The same, checked: what `FeatherMemoryMiddleware` and its tools share.

    Raises:
        ParameterError: Not exactly one of `store` and `pool`, or a number below its least.
    """

    store: Store | None = None
    pool: TenantPool | None = None
    tenant: str | None = None
    tenant_key: str = "tenant"
    embedding: Embeddings | None = None
    k: int = 5
    hops: int = 0
    limit: int = 50
    scoring: Scoring | None = None
    where: Filter | Mapping[str, Any] | None = None
    session: str | None = None
    reinforce: bool = True
    max_tokens: int = 1000
    count_tokens: Callable[[str], int] = approximate_tokens
    with_ids: bool = False
    """Whether a model is told the memories' ids, with which it can correct them."""

    def __post_init__(self) -> None:
        self._source()
        to_filter(self.where)
        for name, least in (("k", 1), ("hops", 0), ("limit", 1), ("max_tokens", 1)):
            number: object = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise ParameterError(f"{name} must be a whole number from {least}, got {number!r}")

    def _source(self) -> Store | TenantPool:
        if self.store is not None and self.pool is None:
            return self.store
        if self.pool is not None and self.store is None:
            return self.pool
        raise ParameterError("an agent's memory takes either store= or pool=")

    def store_of(self, config: Mapping[str, Any], context: Any) -> Store:
        """The store of the tenant that a run is for; there is no default.

        Raises:
            ParameterError: Of many tenants, the run names none.
            WrongTenantError: The store is another tenant's than the one the run names.
        """
        return store_for(
            self._source(),
            named=None,
            default=self.tenant,
            places={
                f"configurable[{self.tenant_key!r}]": named_in(
                    config.get("configurable"), self.tenant_key
                ),
                f"the runtime context's {self.tenant_key!r}": named_in(context, self.tenant_key),
            },
        )

    def recalled(
        self,
        store: Store,
        said: Sequence[str],
        vector: list[float] | None,
        *,
        turn: str | None,
        seen: Iterable[str],
    ) -> tuple[str | None, list[Hit]]:
        """What is shown for a query, best first, and the turn it is logged under, if any is shown.

        Args:
            store: Of the tenant.
            said: What makes up the query. A memory that says the same is no answer to it.
            vector: The query's, where the store does not make it.
            turn: Its name; drawn if not given.
            seen: Ids of memories that the model sees anyway.
        """
        query = "\n".join(said)
        own, others = to_filter(self.where), _unseen(seen, said)
        asked: dict[str, Any] = {
            "vector": vector,
            "where": others if own is None else own & others,
            "scoring": self.scoring,
            "session": self.session,
        }
        found: Iterable[Hit] = (
            store.context_chain(query, self.k, self.hops, limit=self.limit, **asked)
            if self.hops
            else store.search(query, self.k, **asked)
        )
        hits = fitting(
            found,
            max_tokens=self.max_tokens,
            count_tokens=self.count_tokens,
            with_ids=self.with_ids,
        )
        if hits:
            turn = store.plumbing.log_recall(hits, turn=turn, reinforce=self.reinforce)
        return turn, hits

    def vector(self, query: str) -> list[float] | None:
        """The query's vector, where an embedding was given; else the store makes it."""
        return None if self.embedding is None else self.embedding.embed_query(query)

    async def avector(self, query: str) -> list[float] | None:
        """Likewise, without holding up the event loop."""
        return None if self.embedding is None else await self.embedding.aembed_query(query)

    def vectors(self, texts: list[str]) -> list[list[float]] | None:
        """Likewise, one vector for each text that is to be remembered."""
        if self.embedding is None or not texts:
            return None
        return self.embedding.embed_documents(texts)

    async def avectors(self, texts: list[str]) -> list[list[float]] | None:
        """Likewise, without holding up the event loop."""
        if self.embedding is None or not texts:
            return None
        return await self.embedding.aembed_documents(texts)


def _unseen(ids: Iterable[str], texts: Iterable[str]) -> Filter:
    """Neither the memories with those ids, nor one that only says one of the texts."""
    return ~F("id").is_in(list(ids)) & ~F("text").is_in(list(texts))


def same_id(*said: str | None) -> str:
    """The id of what is always the same memory: a step that is run twice remembers it once."""
    digest = blake2b(digest_size=12)
    for part in said:
        digest.update(b"-" if part is None else f"{len(part)}:{part}".encode())
    return digest.hexdigest()
