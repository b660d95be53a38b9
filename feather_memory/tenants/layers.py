"""Several stores read together, nearest first: the user's own, the team's, everybody's.

Each layer ranks its own memories, with its own `time_weight`, and its scores are multiplied by its
weight. Hits are merged by score. Of equal scores the nearer layer's comes first; a text that is
found several times is shown once, as the nearest has it; and a slot (`key`) that a nearer layer
holds hides the same slot farther away: the user's own preference beats the team's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MethodType
from typing import Any, TypeVar, Unpack

from feather_memory.checks import label, labels, passage, whole
from feather_memory.errors import ParameterError, UnknownTurnError
from feather_memory.model.hits import ContextChain, Hit, Hits
from feather_memory.model.importance import copied_from
from feather_memory.model.memory import Memory, Signal, SignalKind
from feather_memory.model.scoring import Scoring
from feather_memory.search.question import SearchOptions
from feather_memory.store.feedback import signal_kind
from feather_memory.store.store import Store
from feather_memory.tenants.layer import SHARED, TEAM, USER, Layer
from feather_memory.types import VectorLike
from feather_memory.write.models import OneByOne

_MOMENT = ("as_of", "known_at", "now")
_Found = TypeVar("_Found", Hits, ContextChain)
_MORE = 4  # how many times as many hits are fetched where too few were left


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
            user: Weight 1.0, time_weight 0.35, 2 hops.
            team: Weight 0.9, time_weight 0.25, 2 hops.
            shared: Weight 0.8, time_weight 0.1, 1 hop.
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
        given.extend(layers)
        self.layers = tuple(sorted(given, key=lambda layer: -layer.weight))
        names = [layer.name for layer in self.layers]
        if not names or len(set(names)) < len(names):
            raise ParameterError(f"layers need names of their own, and one at least; got {names}")

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

    def search(self, text: str | None = None, k: int = 5, **asked: Unpack[SearchOptions]) -> Hits:
        """The k best of all layers.

        Args:
            text: As in `Store.search`, as are `k` and the further arguments.
            k: At least 1.
            asked: Further arguments of `Store.search`. The `time_weight` of a `scoring` gives way
                to the layers'.
        """
        wanted, embedded = whole(k, "k", 1), self._embedded(text, asked)

        def fetch(layer: Layer, count: int) -> Hits:
            given: SearchOptions = {**asked, "scoring": _scoring(layer, asked)}
            given["vector"] = embedded(layer)
            found = layer.store.search(text, count, **given)
            return Hits(_weighed(hit, layer) for hit in found)

        return Hits(self._best(wanted, asked, fetch)[0])

    def _best(
        self, wanted: int, asked: SearchOptions, fetch: Callable[[Layer, int], _Found]
    ) -> tuple[list[Hit], list[_Found]]:
        """The best of what the layers find, and all that they found to be sure of it."""
        counts = [wanted] * len(self.layers)
        found = [fetch(layer, wanted) for layer in self.layers]
        while True:
            best = self._merged(found, asked)[:wanted]
            short = [
                at
                for at, hits in enumerate(found)
                if len(hits) == counts[at] and self._is_short(at, list(hits), best, wanted, asked)
            ]
            if not short:
                return best, found
            for at in short:
                counts[at] *= _MORE
                found[at] = fetch(self.layers[at], counts[at])

    def _is_short(
        self, at: int, hits: list[Hit], best: list[Hit], wanted: int, asked: SearchOptions
    ) -> bool:
        """Whether what a layer has beyond its hits could change the best: enter, or hide."""
        names = [layer.name for layer in self.layers]
        if len(best) < wanted:
            return True
        last = best[-1]
        if (-hits[-1].score.value, at) < (-last.score.value, names.index(last.layer or "")):
            return True
        farther = {hit.memory.text for hit in best if names.index(hit.layer or "") > at}
        farther -= {hit.memory.text for hit in hits}
        if not farther:
            return False
        given: dict[str, Any] = {n: asked.get(n) for n in (*_MOMENT, "where", "session")}
        return bool(self.layers[at].store.plumbing.held(texts=farther, **given)[1])

    def recall(
        self,
        text: str | None = None,
        k: int = 5,
        *,
        turn: str | None = None,
        reinforce: bool = True,
        **asked: Unpack[SearchOptions],
    ) -> Hits:
        """A search that is shown to a model: each layer's store logs its own hits, by one turn.

        Args:
            text: As in `search`, as are `k` and the further arguments.
            k: At least 1.
            turn: As in `Store.recall`, as is `reinforce`.
            reinforce: Count the recall, once a turn.
            asked: Further arguments of `search`.
        """
        hits = self.search(text, k, **asked)
        hits.turn = self.log_recall(hits, turn=turn, reinforce=reinforce)
        return hits

    def log_recall(
        self, hits: Iterable[Hit], *, turn: str | None = None, reinforce: bool = True
    ) -> str:
        """Record that a model was shown these Hits, each in its layer's store; the turn's name.

        Of a turn that was shown nothing the nearest layer keeps the name.

        Args:
            hits: Of `search` or `context_chain`, best first.
            turn: As in `Store.recall`, as is `reinforce`.
            reinforce: Count the recall, once a turn.

        Raises:
            ParameterError: A Hit of no layer here. Nothing was logged.
        """
        name = secrets.token_hex(8) if turn is None else label(turn, "turn")
        shown: dict[str, list[Hit]] = {layer.name: [] for layer in self.layers}
        for hit in hits:
            if hit.layer is None or hit.layer not in shown:
                raise ParameterError(f"{hit.memory.id!r} is of no layer here, but {hit.layer!r}")
            shown[hit.layer].append(hit)
        for layer in [x for x in self.layers if shown[x.name]] or self.layers[:1]:
            layer.store.plumbing.log_recall(shown[layer.name], turn=name, reinforce=reinforce)
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

        The credit is shared among all that was shown, whichever layer it is from.

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

    def unfeedback(self, turn: str, kind: SignalKind | str) -> list[Signal]:
        """Take back, in every layer, the signals of a kind that answer a turn.

        Raises:
            UnknownTurnError: No layer logged the turn.
        """
        taken = [layer.store.unfeedback(turn, kind) for layer in self._shown(turn)]
        return [signal for each in taken for signal in each]

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
        self,
        text: str | None = None,
        k: int = 5,
        hops: int | None = None,
        *,
        types: Iterable[str] | None = None,
        limit: int = 50,
        time_weight: float | None = None,
        **asked: Unpack[SearchOptions],
    ) -> ContextChain:
        """What each layer finds and what is linked to it there, merged as by `search`.

        Args:
            text: As in `Store.context_chain`, as are the further arguments.
            k: How many memories the query itself finds in each layer, at least 1.
            hops: How far to walk; as far as each layer says unless given.
            types: Only over edges of these types.
            limit: How many memories there may be in all, at least 1.
            time_weight: Instead of the layers'.
            asked: Further arguments of `Store.search`.
        """
        wanted, embedded = whole(limit, "limit", 1), self._embedded(text, asked)
        only = None if types is None else labels(types, "types")

        def fetch(layer: Layer, count: int) -> ContextChain:
            given: SearchOptions = {**asked, "scoring": _scoring(layer, asked, time_weight)}
            given["vector"] = embedded(layer)
            far = layer.hops if hops is None else hops
            chain = layer.store.context_chain(text, k, far, types=only, limit=count, **given)
            return replace(chain, hits=tuple(_weighed(hit, layer) for hit in chain.hits))

        best, chains = self._best(wanted, asked, fetch)
        shown = {(hit.layer, hit.memory.id) for hit in best}
        edges = [
            edge
            for layer, chain in zip(self.layers, chains, strict=True)
            for edge in chain.edges
            if {(layer.name, edge.source), (layer.name, edge.target)} <= shown
        ]
        return ContextChain(hits=tuple(best), edges=tuple(edges))

    def _merged(self, found: Sequence[Iterable[Hit]], asked: SearchOptions) -> list[Hit]:
        """The hits of all layers, best first, without what a nearer layer hides."""
        moment: dict[str, Any] = {name: asked.get(name) for name in _MOMENT}
        merged: list[Hit] = []
        texts: set[str] = set()
        for at, (layer, hits) in enumerate(zip(self.layers, found, strict=True)):
            own = list(hits)
            keys = {hit.memory.key for hit in own if hit.memory.key is not None}
            for nearer in self.layers[:at]:
                hidden = nearer.store.plumbing.held(keys, **moment)[0] if keys else set()
                own = [hit for hit in own if hit.memory.key not in hidden]
                keys -= hidden
            for hit in own:
                if hit.memory.text not in texts:
                    texts.add(hit.memory.text)
                    merged.append(replace(hit, layer=layer.name))
        return sorted(merged, key=lambda hit: -hit.score.value)  # stable: the nearer layer first

    @staticmethod
    def _embedded(text: str | None, asked: SearchOptions) -> Callable[[Layer], Any]:
        """Gives each layer the query's vector; layers with one embedder share it."""
        given = asked.pop("vector", None)
        known: dict[object, Any] = {}

        def vector(layer: Layer) -> Any:
            if given is not None or text is None:
                return given
            function = layer.store.plumbing.query_embedder
            is_of_model = isinstance(function, MethodType | OneByOne)  # equal for one model
            embedder = function if is_of_model else id(function)
            if embedder not in known:
                known[embedder] = layer.store.plumbing.embed_query(text)
            return known[embedder]

        return vector


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


def _scoring(layer: Layer, asked: SearchOptions, time_weight: float | None = None) -> Scoring:
    scoring = asked.get("scoring") or Scoring()
    if not isinstance(scoring, Scoring):
        raise ParameterError(f"scoring must be a Scoring, got {scoring!r}")
    return scoring.replace(time_weight=layer.time_weight if time_weight is None else time_weight)


def _weighed(hit: Hit, layer: Layer) -> Hit:
    """The hit with its layer's weight in its score."""
    return replace(hit, score=hit.score.weighed(layer.weight))
