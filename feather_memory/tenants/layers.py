"""Several stores read together, nearest first: the user's own, the team's, everybody's.

Each layer ranks its own memories, with its own `time_weight`, and its scores are multiplied by its
weight. What is similar is measured in all by one scale, so that hits compare; they are merged by
score. Of equal scores the nearer layer's comes first; what several
layers say is shown once, as the nearest has it; and a slot (`key`) that a nearer layer
holds hides the same slot farther away: the user's own preference beats the team's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from os import urandom
from typing import Any, Self

from feather_memory.checks import instances, label, labels, passage, whole
from feather_memory.errors import ParameterError, UnknownTurnError, quoted
from feather_memory.model.hits import ContextChain, Hit, Hits
from feather_memory.model.importance import copied_from
from feather_memory.model.later import followed
from feather_memory.model.memory import Memory, Signal, SignalKind
from feather_memory.model.scoring import Scoring
from feather_memory.search.question import SearchOptions, Where
from feather_memory.store.feedback import signal_kind
from feather_memory.store.packing import bounds, packed, why_nothing
from feather_memory.store.store import Store
from feather_memory.tenants.asking import scoring_of, told_to
from feather_memory.tenants.layer import PUBLISHED, SHARED, TEAM, USER, Layer
from feather_memory.tenants.merging import Merging
from feather_memory.types import VectorLike, When


class ContextLayers:
    """Stores that are read together and written one at a time, by their layer's name.

    >>> import tempfile
    >>> from feather_memory import TenantPool
    >>> pool = TenantPool(tempfile.mkdtemp())
    >>> layers = ContextLayers(user=pool.get("user:7"), team=pool.get("team:3"))
    >>> _ = layers["team"].add("The team's theme is light", key="ui.theme")
    >>> _ = layers["user"].add("My theme is dark", key="ui.theme")
    >>> [(hit.layer, hit.memory.text) for hit in layers.search("which theme?")]
    [('user', 'My theme is dark')]
    >>> pool.close()
    """

    def __init__(
        self,
        *,
        user: Store | None = None,
        team: Store | None = None,
        shared: Store | None = None,
        layers: Iterable[Layer] = (),
    ) -> None:
        """The layers of a reader, any of which may be missing.

        Args:
            user: Weight 1.0, time_weight 0.05, 2 hops.
            team: Weight 0.9, time_weight 0.04, 2 hops.
            shared: Weight 0.8, time_weight 0.02, 1 hop.
            layers: More of them. The order of reading is that of the weights, heaviest first;
                of equal ones it is user, team, shared and then as given here.

        Raises:
            ParameterError: No layer at all, or two of one name.
        """
        named = (("user", user, USER), ("team", team, TEAM), ("shared", shared, SHARED))
        given = [
            Layer(name=name, store=store, **constants)  # type: ignore[arg-type]
            for name, store, constants in named
            if store is not None
        ]
        given.extend(instances(layers, "layers", Layer))
        self.layers = tuple(sorted(given, key=lambda layer: -layer.weight))
        if not (names := [each.name for each in self.layers]) or len(set(names)) < len(names):
            raise ParameterError(f"layers need names of their own, and one at least; got {names}")

    @classmethod
    def feather(
        cls, *, user: Store | None = None, team: Store | None = None, shared: Store | None = None
    ) -> Self:
        """Layers with the time weights that the Feather DB patterns publish: 0.35, 0.25 and 0.1.

        With `scoring=Scoring.feather()` they rank as published. Age then buries what is relevant:
        they are here to compare with.
        """
        made = cls(user=user, team=team, shared=shared)
        made.layers = tuple(
            replace(layer, time_weight=PUBLISHED[layer.name]) for layer in made.layers
        )
        return made

    def __repr__(self) -> str:
        return f"<ContextLayers {' > '.join(f'{x.name} {x.weight:g}' for x in self.layers)}>"

    def __iter__(self) -> Iterator[Layer]:
        """The layers, nearest first."""
        return iter(self.layers)

    def __getitem__(self, name: str) -> Store:
        """The store of a layer: writing always names its layer.

        Raises:
            ParameterError: There is no such layer.
        """
        stores = {layer.name: layer.store for layer in self.layers}
        if name not in stores:
            raise ParameterError(f"no layer {name!r}; there are {', '.join(stores)}")
        return stores[name]

    def search(
        self, text: str | None = None, k: int = 5, *,
        vector: VectorLike | None = None, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        scoring: Scoring | None = None, now: When | None = None, min_relevance: float = 0.0,
        distinct: bool = True,
    ) -> Hits:  # fmt: skip
        """The k best of all layers.

        Args:
            text: As in `Store.search`, as are the rest.
            k: At least 1.
            vector: What to look for, shape (dim,).
            where: Only memories this filter lets through.
            session: Only memories of this session.
            as_of: What was true then?
            known_at: Only what was recorded by then.
            scoring: Its `time_weight` gives way to the layers'.
            now: From when ages count.
            min_relevance: As in `Store.search`.
            distinct: Likewise, in each layer. What several layers say is one in any case.
        """
        asked: SearchOptions = {
            "vector": vector, "where": where, "session": session, "as_of": as_of,
            "known_at": known_at, "scoring": scoring, "now": now,
            "min_relevance": min_relevance, "distinct": distinct,
        }  # fmt: skip
        return self._found(text, whole(k, "k", 1), asked, told_to(self.layers, text, asked))

    def _found(
        self,
        text: str | None,
        k: int,
        asked: SearchOptions,
        told: Callable[[Layer], SearchOptions],
    ) -> Hits:

        def fetch(layer: Layer, count: int) -> Hits:
            given: SearchOptions = {**asked, "scoring": scoring_of(layer, asked), **told(layer)}
            found = layer.store.search(text, count, **given)
            found[:] = map(layer.weighed, found)
            return found

        best, found = Merging(self.layers, asked).best(k, fetch)
        hits = Hits(best)
        hits.question = found[0].question  # by the nearest layer's model
        named = next((each for each in found if each.period is not None), hits)
        hits.period, hits.dated_by = named.period, named.dated_by
        return hits

    def recall(  # noqa: PLR0913  a search's arguments
        self, text: str | None = None, k: int | None = None, *,
        turn: str | None = None, reinforce: bool = True, budget_tokens: int | None = None,
        vector: VectorLike | None = None, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        scoring: Scoring | None = None, now: When | None = None, min_relevance: float = 0.0,
        distinct: bool = True,
    ) -> Hits:  # fmt: skip
        """A search that is shown to a model: each layer's store logs its own hits, by one turn.

        Args:
            text: As in `search`, as are all but the next four.
            k: As in `Store.recall`, as are the next three.
            turn: The run or message this belongs to.
            reinforce: Count the recall, once a turn.
            budget_tokens: How long all of it may be, of all layers.
            vector: What to look for, shape (dim,).
            where: Only memories this filter lets through.
            session: Only memories of this session.
            as_of: What was true then?
            known_at: Only what was recorded by then.
            scoring: Its `time_weight` gives way to the layers'.
            now: From when ages count.
            min_relevance: As in `search`.
            distinct: Likewise.
        """
        asked: SearchOptions = {
            "vector": vector, "where": where, "session": session, "as_of": as_of,
            "known_at": known_at, "scoring": scoring, "now": now,
            "min_relevance": min_relevance, "distinct": distinct,
        }  # fmt: skip
        (count, most), told = bounds(k, budget_tokens), told_to(self.layers, text, asked)
        found = self._found(text, count, asked, told)
        hits = found if most is None else packed(found, most)
        hits.question, hits.later = found.question, followed(found, of=hits)
        if not hits:
            anyhow: SearchOptions = {**asked, "min_relevance": 0.0}
            hits.reason = why_nothing(
                found, most, min_relevance, lambda: self._found(text, 1, anyhow, told)
            )
        hits.turn = self.log_recall(hits, turn=turn, reinforce=reinforce, question=hits.question)
        return hits

    def log_recall(
        self,
        hits: Iterable[Hit],
        *,
        turn: str | None = None,
        reinforce: bool = True,
        question: VectorLike | None = None,
    ) -> str:
        """Record that a model was shown these Hits, each in its layer's store; the turn's name.

        Of a turn that was shown nothing the nearest layer keeps the name.

        Args:
            hits: Of `search` or `context_chain`, best first.
            turn: As in `Store.recall`, as is `reinforce`.
            reinforce: Count the recall, once a turn.
            question: As in `plumbing.log_recall`, by the nearest layer's model. That layer alone
                keeps it, so that what its owner asked lies in no file that others own.

        Raises:
            ParameterError: A Hit of no layer here. Nothing was logged.
        """
        name = urandom(8).hex() if turn is None else label(turn, "turn")
        shown: dict[str, list[Hit]] = {layer.name: [] for layer in self.layers}
        for hit in instances(hits, "hits", Hit):
            if hit.layer is None or hit.layer not in shown:
                raise ParameterError(
                    f"{hit.memory.id!r} is of no layer here, but {quoted(hit.layer)}"
                )
            shown[hit.layer].append(hit)
        for layer in [x for x in self.layers if shown[x.name]] or self.layers[:1]:
            own = question if layer is self.layers[0] else None
            layer.store.plumbing.log_recall(
                shown[layer.name], turn=name, reinforce=reinforce, question=own
            )
        return name

    def feedback(
        self,
        turn: str,
        kind: SignalKind | str,
        *,
        memory_ids: Sequence[str] | None = None,
        copied_text: str | None = None,
        correction: str | None = None,
        vector: VectorLike | None = None,
        event_id: str | None = None,
    ) -> list[Signal]:
        """Log what somebody did with what a turn was shown, in every layer that showed it any.

        The credit is shared among all that was shown, whichever layer it is from. What a like
        does to a dislike is as in `Store.feedback`.

        Args:
            turn: Of a recall or a logged chain of these layers, by any of its names.
            kind: As in `Store.feedback`, as are the further arguments.
            memory_ids: Only these of the memories shown.
            copied_text: Only those that hold it.
            correction: What is true instead of the one memory meant, in that memory's layer.
            vector: Of the correction; embedded by the layer's store unless given.
            event_id: The same event again changes nothing.

        Raises:
            UnknownTurnError: No layer logged the turn.
            ParameterError: An id that no layer showed the turn, or a correction that could mean
                several memories. Nothing was logged.
        """
        named, shown = signal_kind(kind), self._shown(turn)
        meant = _narrowed(turn, shown, memory_ids, copied_text)
        if correction is not None and len(meant) != 1:
            raise ParameterError(
                f"turn {turn!r} was shown {len(meant)} memories that the correction could be "
                "about: say with memory_ids which one, or correct it through its layer's store"
            )
        is_narrowed = memory_ids is not None or copied_text is not None
        instead: dict[str, Any] = {"correction": correction, "vector": vector}
        logged: list[Signal] = []
        for layer in shown:
            if ids := [id_ for name, id_ in meant if name == layer.name]:
                logged += layer.store.feedback(
                    turn,
                    named,
                    memory_ids=ids if is_narrowed else None,
                    copied_text=copied_text,
                    event_id=event_id,
                    strength=len(ids) / len(meant),
                    **instead,
                )
        return logged

    def unfeedback(
        self,
        turn: str,
        kind: SignalKind | str,
        *,
        memory_ids: Sequence[str] | None = None,
        copied_text: str | None = None,
    ) -> list[Signal]:
        """Take back, in every layer, the signals of a kind that answer a turn.

        Args:
            turn: As in `feedback`, as are the next.
            kind: As in `Store.unfeedback`.
            memory_ids: Only about these of the memories shown.
            copied_text: Only about those that hold it.

        Raises:
            UnknownTurnError: No layer logged the turn.
            ParameterError: An id that no layer showed the turn. Nothing was taken back.
        """
        shown, is_narrowed = self._shown(turn), memory_ids is not None or copied_text is not None
        meant = _narrowed(turn, shown, memory_ids, copied_text)
        taken: list[Signal] = []
        for layer in shown:
            ids = [id_ for name, id_ in meant if name == layer.name]
            if ids or not is_narrowed:
                only = ids if is_narrowed else None
                taken += layer.store.unfeedback(turn, kind, memory_ids=only)
        return taken

    def _shown(self, turn: str) -> dict[Layer, list[Memory]]:
        """What each layer that logged the turn showed it."""
        shown: dict[Layer, list[Memory]] = {}
        for layer in self.layers:
            with suppress(UnknownTurnError):
                shown[layer] = layer.store.plumbing.shown(turn)
        if not shown:
            raise UnknownTurnError(turn)
        return shown

    def context_chain(
        self, text: str | None = None, k: int = 5, hops: int | None = None, *,
        types: Iterable[str] | None = None, limit: int = 50, time_weight: float | None = None,
        vector: VectorLike | None = None, where: Where | None = None,
        session: str | None = None, as_of: When | None = None, known_at: When | None = None,
        scoring: Scoring | None = None, now: When | None = None,
    ) -> ContextChain:  # fmt: skip
        """What each layer finds and what is linked to it there, merged as by `search`.

        Args:
            text: As in `Store.context_chain`, as are the rest.
            k: How many memories the query itself finds in each layer, at least 1.
            hops: How far to walk; as far as each layer says unless given.
            types: Only over edges of these types.
            limit: How many memories there may be in all, at least 1.
            time_weight: Instead of the layers'.
            vector: What to look for, shape (dim,).
            where: Only memories this filter lets through.
            session: Only memories of this session.
            as_of: What was true then?
            known_at: Only what was recorded by then.
            scoring: As in `search`.
            now: From when ages count.
        """
        asked: SearchOptions = {
            "vector": vector, "where": where, "session": session, "as_of": as_of,
            "known_at": known_at, "scoring": scoring, "now": now,
        }  # fmt: skip
        wanted, told = whole(limit, "limit", 1), told_to(self.layers, text, asked)
        only = None if types is None else labels(types, "types")

        def fetch(layer: Layer, count: int) -> ContextChain:
            given: Any = {**asked, "scoring": scoring_of(layer, asked, time_weight), **told(layer)}
            far = layer.hops if hops is None else hops
            chain = layer.store.context_chain(text, k, far, types=only, limit=count, **given)
            return replace(chain, hits=tuple(layer.weighed(hit) for hit in chain.hits))

        best, chains = Merging(self.layers, asked).best(wanted, fetch)
        shown = {(hit.layer, hit.memory.id) for hit in best}
        edges = [
            edge
            for layer, chain in zip(self.layers, chains, strict=True)
            for edge in chain.edges
            if {(layer.name, edge.source), (layer.name, edge.target)} <= shown
        ]
        return ContextChain(hits=tuple(best), edges=tuple(edges), question=chains[0].question)


def _narrowed(
    turn: str,
    shown: Mapping[Layer, Sequence[Memory]],
    memory_ids: Sequence[str] | None,
    copied_text: str | None,
) -> list[tuple[str, str]]:
    """Which of all that was shown is meant, as (layer, id)."""
    texts = {(layer.name, m.id): m.text for layer, found in shown.items() for m in found}
    if memory_ids is not None:
        wanted = labels(memory_ids, "memory_ids")
        strangers = set(wanted) - {id_ for _, id_ in texts}
        if strangers:
            raise ParameterError(f"turn {turn!r} was not shown {min(strangers)!r}")
        return [pair for pair in texts if pair[1] in wanted]
    if copied_text is not None:
        return copied_from(passage(copied_text, "copied_text"), texts) or list(texts)
    return list(texts)
