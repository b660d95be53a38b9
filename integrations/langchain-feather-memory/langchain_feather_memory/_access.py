"""What a caller says of an agent's memory, checked: what the middleware and its tools share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypedDict

from langchain_core.embeddings import Embeddings

from feather_memory import ContextLayers, Filter, Scoring, Store, TenantPool
from feather_memory.agent import (
    FITTING,
    Bearing,
    Budget,
    OnError,
    Opened,
    Recalled,
    RecallOptions,
    Source,
    TenantRule,
    approximate_tokens,
    checked_on_error,
    checked_origin,
    question_of,
    reject,
    tenant_rule,
    told,
    unseen,
)
from langchain_feather_memory._convert import to_filter
from langchain_feather_memory._source import Naming, check_key, named_by

_PLACES = ("store", "pool", "layers")
_ASKED = ("k", "hops", "limit", "scoring", "session", "reinforce", "min_relevance")


class MemoryOptions(TypedDict, total=False):
    """What a caller may say of an agent's memory; `FeatherMemoryMiddleware` says what each is."""

    store: Store | None
    pool: TenantPool | None
    layers: ContextLayers | None
    tenant: str | Callable[[Any], str] | None
    tenant_key: str
    embedding: Embeddings | None
    k: int
    hops: int
    limit: int
    scoring: Scoring | None
    where: Filter | Mapping[str, Any] | None
    session: str | None
    reinforce: bool
    min_relevance: float
    max_tokens: int
    count_tokens: Callable[[str], int]
    on_error: OnError


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAccess:
    """The same, checked: what `FeatherMemoryMiddleware` and its tools share."""

    source: Source
    rule: TenantRule
    tenant_key: str
    embedding: Embeddings | None
    asked: RecallOptions
    budget: Budget
    on_error: OnError
    with_ids: bool
    """Whether a model is told the memories' ids, with which it can correct them."""
    origin: str
    """Who says what the model's tools write."""

    @classmethod
    def of(
        cls, adapter: str, options: MemoryOptions, *, with_ids: bool, origin: str = "assistant"
    ) -> Self:
        """What the options say.

        Raises:
            ParameterError: Not exactly one of `store`, `pool` and `layers`, or a number below its
                least.
            TypeError: There is no such option.
        """
        reject(options.keys() - MemoryOptions.__annotations__.keys(), adapter)
        given: dict[str, Any] = dict(options)
        place = {name: given[name] for name in _PLACES if name in given}
        rule = tenant_rule(given.get("tenant"))
        check_key(adapter, rule, is_given="tenant_key" in given)
        asked = {"min_relevance": FITTING, **{n: given[n] for n in _ASKED if n in given}}
        return cls(
            source=Source.chosen(adapter, **place, tenant=rule.name, takes=_PLACES),
            rule=rule,
            tenant_key=given.get("tenant_key", "tenant"),
            embedding=given.get("embedding"),
            asked=RecallOptions(**asked, where=to_filter(given.get("where"))),
            budget=Budget(
                max_tokens=given.get("max_tokens", 1000),
                count_tokens=given.get("count_tokens", approximate_tokens),
            ),
            on_error=checked_on_error(given.get("on_error", "warn")),
            with_ids=with_ids,
            origin=checked_origin(origin, "origin"),
        )

    def tenant(self, config: Mapping[str, Any], context: object) -> str | None:
        """Whose a run is, without opening anything; there is no default.

        None for a file that says nobody's name.

        Raises:
            ParameterError: Of many tenants, the run names none.
            WrongTenantError: It is another tenant's than the one the run names.
        """
        source, configurable = self.source, config.get("configurable")
        named = named_by(source, self.rule, self.tenant_key, configurable, context)
        return named if source.is_pool else source.owner

    def opened(self, tenant: str | None) -> Opened:
        """What a run of the tenant reads and writes."""
        return self.source.opened(named=tenant)

    def found(self, tenant: str | None) -> Opened | None:
        """What a run of the tenant reads; None where there is nothing, and nothing is made."""
        return self.source.found(named=tenant)

    def outages(self, doing: str, tenant: str | None) -> Bearing:
        """Bears an outage in its block as `on_error` says."""
        return Bearing(self.on_error, doing, tenant)

    def told(
        self,
        opened: Opened,
        said: Sequence[str],
        vector: list[float] | None,
        *,
        turn: str | None,
        seen: Iterable[str],
        shown: Iterable[str] = (),
    ) -> Recalled:
        """What a model is told for a query.

        Args:
            opened: What the run reads.
            said: What makes up the query. A memory that says the same is no answer to it.
            vector: The query's, where the store does not make it.
            turn: Its name; drawn if not given.
            seen: Ids of memories that the model sees anyway.
            shown: Texts that it sees anyway.
        """
        return told(
            opened, "\n".join(said), self.asked, self.budget, with_ids=self.with_ids,
            vector=vector, beyond=unseen(seen, dict.fromkeys([*said, *shown])), turn=turn,
        )  # fmt: skip

    def vector(self, query: str) -> list[float] | None:
        """The query's vector, where an embedding was given; else the store makes it."""
        made = self.embedding if query else None
        return None if made is None else Naming(made).embed_query(question_of(query))

    async def avector(self, query: str) -> list[float] | None:
        """Likewise, without holding up the event loop."""
        made = self.embedding if query else None
        return None if made is None else await Naming(made).aembed_query(question_of(query))

    def vectors(self, texts: list[str]) -> list[list[float]] | None:
        """Likewise, one vector for each text that is to be remembered."""
        made = self.embedding if texts else None
        return None if made is None else Naming(made).embed_documents(texts)

    async def avectors(self, texts: list[str]) -> list[list[float]] | None:
        """Likewise, without holding up the event loop."""
        made = self.embedding if texts else None
        return None if made is None else await Naming(made).aembed_documents(texts)
