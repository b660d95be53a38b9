"""LangChain's `BaseRetriever` over a tenant's memory, with all that ranking knows."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator
from typing_extensions import override

from feather_memory import ContextLayers, Filter, Hit, ParameterError, Scoring, Store, TenantPool
from feather_memory.agent import (
    RECALLED,
    CallFields,
    RecallEvent,
    RecallOptions,
    Source,
    TenantRule,
    known_place,
    question_of,
    recalled,
    reject,
    tenant_rule,
)
from langchain_feather_memory._convert import to_filter
from langchain_feather_memory._source import Closing, Naming, check_key, named_by, opener

_PLACES = ("store", "path", "pool", "layers")
_OF_A_CALL = {"k", "hops", "limit", "scoring", "as_of", "session", "filter"}


class FeatherRetriever(Closing, BaseRetriever):
    """A tenant's memory as a retriever: similarity, words, decay, importance, and the graph.

    What it returns is shown to a model, so it is a recall: logged under a turn, so that feedback
    finds it, and counted once a turn, so that what is used decays more slowly. The turn is the
    retriever's run id unless `turn=` is given.

    With `pool=`, each call is for the tenant that is named by its keyword `tenant=`, else by the
    retriever's field, else by `configurable["tenant"]`, else by the context of the LangGraph run;
    where nobody is, it is refused. With `store=`, `path=` or `layers=`, another tenant's name is
    refused; layers are whose the nearest of them is.

    `k`, `hops`, `limit`, `scoring`, `filter`, `as_of`, `session`, `turn` and `tenant` may be given
    to `invoke` and `ainvoke`, too, for that call. A filter given there narrows the retriever's
    own. Other keywords are refused.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "alice.feather"
    >>> with Store.open(path) as store:
    ...     _ = store.add("Deploys are on Monday", key="deploys")
    ...     _ = store.add("Deploys are on Tuesday", key="deploys")
    ...     retriever = FeatherRetriever(store=store, k=3)
    ...     [document.page_content for document in retriever.invoke("deploys")]
    ['Deploys are on Tuesday']
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    store: Store | None = Field(default=None, exclude=True, frozen=True)
    """An open store, of one tenant. The caller closes it."""
    path: Path | str | None = Field(default=None, frozen=True)
    """Instead, the file to open, which is made if there is none. `close()` closes it."""
    pool: TenantPool | None = Field(default=None, exclude=True, frozen=True)
    """Instead, the open stores of many tenants. The caller closes it."""
    layers: ContextLayers | None = Field(default=None, exclude=True, frozen=True)
    """Instead, stores that are read together. The caller closes them."""
    tenant: str | Callable[[CallFields], str] | None = None
    """Whose memory it is, where a call names nobody; of a store or file, whose it must be. A
    template or a function is the rule by which a call's tenant is found, as in
    `FeatherMemoryMiddleware`."""
    tenant_key: str = Field(default="tenant", min_length=1)
    """What the tenant is called in the `configurable`, and in a LangGraph run's context; where
    `tenant` is no rule."""
    embedding: Embeddings | None = Field(default=None, exclude=True, repr=False)
    """Embeds queries; the store's own embedder does unless given."""
    k: int = Field(default=5, ge=1)
    """How many memories the query itself finds."""
    hops: int = Field(default=0, ge=0)
    """How far to walk from those along the edges."""
    limit: int = Field(default=50, ge=1)
    """How many documents there may be in all, where `hops` is above 0."""
    scoring: Scoring | None = None
    """How relevance, age and importance weigh; the store's default unless given."""
    filter: Filter | dict[str, Any] | None = None
    """A dict over metadata, or made with `feather_memory.F` over any field."""
    as_of: datetime | float | None = None
    """What was true then? Now unless given. Timezone-aware, or Unix seconds."""
    session: str | None = None
    """Only memories of this session."""
    reinforce: bool = True
    """Whether being returned slows a memory's decay."""
    with_scores: bool = False
    """Whether documents say their score, its parts, hop and turn, as `metadata["feather"]`."""

    _source: Source = PrivateAttr()
    _rule: tuple[object, TenantRule] = PrivateAttr()

    @field_validator("filter")
    @classmethod
    def _means_something(cls, given: Filter | dict[str, Any] | None) -> Filter | None:
        return to_filter(given)

    @model_validator(mode="after")
    def _with_source(self) -> Self:
        path = self.path
        if self.store is not None and path is not None:  # both are there when LangChain copies us
            if known_place(self.store.plumbing.address) != known_place(path):
                raise ParameterError("a FeatherRetriever takes either store= or path=, not both")
            path = None
        rule = tenant_rule(self.tenant)
        self._rule = (self.tenant, rule)
        is_keyed = "tenant_key" in self.model_fields_set
        check_key("FeatherRetriever", rule, is_given=is_keyed)
        self._source = Source.chosen(
            "FeatherRetriever", store=self.store, pool=self.pool, path=path, layers=self.layers,
            tenant=rule.name, opener=opener(self.embedding),
        )  # fmt: skip
        if self._source.is_waiting:
            self.__dict__.pop("store")  # until `__getattr__` is asked for it
        else:
            self._open()
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The store of a path that nobody has opened yet, opened now."""
            if name != "store":
                return super().__getattr__(name)
            self._open()
            return self.__dict__[name]

    __copy__ = BaseRetriever.__copy__

    @override
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; with another store, path, pool or layers, it reads there and nowhere else.

        However deep, it shares the open files.
        """
        copied, changed = super().model_copy(update=update), dict(update or {})
        if changed.keys().isdisjoint(_PLACES):
            return copied
        places = {name: changed.get(name) for name in _PLACES}
        return type(self)(**{**copied.__dict__, **places})

    @override
    def invoke(
        self, input: str, config: RunnableConfig | None = None, **asked: Any
    ) -> list[Document]:
        """The documents for a query, best first. The class says which keywords there are."""
        return super().invoke(input, config, **self._with_tenant(config, asked))

    @override
    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **asked: Any
    ) -> list[Document]:
        """As `invoke`; embeds with `aembed_query` and touches the file in a thread."""
        return await super().ainvoke(input, config, **self._with_tenant(config, asked))

    @override
    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        turn: str | None = None,
        tenant: str | None = None,
        **asked: Any,
    ) -> list[Document]:
        options, query = self._options(asked), question_of(query)
        vector = None if self.embedding is None else Naming(self.embedding).embed_query(query)
        turn = str(run_manager.run_id) if turn is None else turn
        documents, event = self._recalled(query, vector, options, turn, tenant=tenant)
        if run_manager.handlers:
            dispatch_custom_event(RECALLED, event, config={"callbacks": run_manager.get_child()})
        return documents

    @override
    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        turn: str | None = None,
        tenant: str | None = None,
        **asked: Any,
    ) -> list[Document]:
        options, query = self._options(asked), question_of(query)
        made = None if self.embedding is None else Naming(self.embedding)
        vector = None if made is None else await made.aembed_query(query)
        turn = str(run_manager.run_id) if turn is None else turn
        documents, event = await asyncio.to_thread(
            self._recalled, query, vector, options, turn, tenant=tenant
        )
        if run_manager.handlers:
            child = run_manager.get_child()
            await adispatch_custom_event(RECALLED, event, config={"callbacks": child})
        return documents

    def _with_tenant(self, config: RunnableConfig | None, asked: dict[str, Any]) -> dict[str, Any]:
        """The keywords of a call, and whom it is for.

        It is found out here because the hooks above see no `configurable` of a direct call.
        """
        told, rule = self._rule
        if self.tenant is not told:  # a setting may be changed
            rule = tenant_rule(self.tenant)
        named = rule.name if asked.get("tenant") is None else asked["tenant"]
        configurable, context = ensure_config(config).get("configurable"), _running_context()
        if named is not None:
            return {**asked, "tenant": self._source.tenant_for(named)}
        nobody = not configurable and context is None
        if not self._source.is_pool and rule.rule is None and nobody:
            return asked  # nobody is named, and nobody need be
        found = named_by(self._source, rule, self.tenant_key, configurable, context)
        return {**asked, "tenant": found}

    def _options(self, asked: dict[str, Any]) -> RecallOptions:
        """How the retriever asks, as far as a call does not say otherwise."""
        own = RecallOptions(
            k=self.k, hops=self.hops, limit=self.limit, scoring=self.scoring, as_of=self.as_of,
            where=None if self.filter is None else to_filter(self.filter), session=self.session,
            reinforce=self.reinforce,
        )  # fmt: skip
        if not asked:
            return own
        reject(asked.keys() - _OF_A_CALL, "invoke")
        narrower = to_filter(asked.pop("filter", None))
        return own.for_call(where=narrower, **asked)

    def _recalled(
        self,
        query: str,
        vector: list[float] | None,
        options: RecallOptions,
        turn: str,
        *,
        tenant: str | None,
    ) -> tuple[list[Document], RecallEvent]:
        """The documents, and what is told of them to handlers such as the feedback's."""
        opened = self._source.found(named=tenant)
        self._show()
        if opened is None:  # who has no memory yet gets none by asking
            return [], {"turn": turn, "ids": [], "scores": [], "tenant": tenant}
        found = recalled(opened, query, options, vector=vector, turn=turn)
        return [self._document(hit, turn) for hit in found.hits], found.event

    @override
    def _open(self) -> None:
        super()._open()
        self._show()

    def _show(self) -> None:
        """Have `store` be what the path was opened as, which nobody else may set any more."""
        if self.path is not None:
            self.__dict__["store"] = self._source.opened().writes

    def _document(self, hit: Hit, turn: str) -> Document:
        memory, metadata = hit.memory, dict(hit.memory.metadata)
        if self.with_scores:
            score = {"score": hit.score.value, "parts": hit.score.parts}
            metadata["feather"] = {**score, "hop": hit.hop, "turn": turn}
        return Document(id=memory.id, page_content=memory.text, metadata=metadata)


def _running_context() -> object:
    """The context of the LangGraph run that is under way; None outside of one.

    Where one is, LangGraph has been imported; it is not imported to find out.
    """
    langgraph = sys.modules.get("langgraph.runtime")
    if langgraph is None:
        return None
    try:
        runtime = langgraph.get_runtime()
    except (RuntimeError, KeyError):  # outside of every run, or inside one that is no graph's
        return None
    return getattr(runtime, "context", None)
