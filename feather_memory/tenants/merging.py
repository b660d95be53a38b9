"""The answers of several stores as one: the best of them, without what a nearer layer hides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from feather_memory.model.hits import ContextChain, Hit, Hits
from feather_memory.search.held import Sayings
from feather_memory.search.question import SearchOptions
from feather_memory.tenants.layer import Layer

_Found = TypeVar("_Found", Hits, ContextChain)

_MOMENT: Final = ("as_of", "known_at", "now")

_MORE: Final = 4
"""How many times as many hits are fetched where too few were left."""


@dataclass(frozen=True, slots=True)
class Merging:
    """What layers answer to one question, merged."""

    layers: Sequence[Layer]
    """Nearest first."""
    asked: SearchOptions
    """When and of what it is asked; what a layer hides is looked up so, too."""

    def best(
        self, wanted: int, fetch: Callable[[Layer, int], _Found]
    ) -> tuple[list[Hit], list[_Found]]:
        """The best of what the layers find, and all that they found to be sure of it."""
        counts = [wanted] * len(self.layers)
        found = [fetch(layer, wanted) for layer in self.layers]
        while True:
            best = self._merged(found)[:wanted]
            short = [
                at
                for at, hits in enumerate(found)
                if len(hits) == counts[at] and self._is_short(at, list(hits), best, wanted)
            ]
            if not short:
                return best, found
            for at in short:
                counts[at] *= _MORE
                found[at] = fetch(self.layers[at], counts[at])

    def _is_short(self, at: int, hits: list[Hit], best: list[Hit], wanted: int) -> bool:
        """Whether what a layer has beyond its hits could change the best: enter, or hide."""
        names = [layer.name for layer in self.layers]
        if len(best) < wanted:
            return True
        last = best[-1]
        if (-hits[-1].score.value, at) < (-last.score.value, names.index(last.layer or "")):
            return True
        own = Sayings(hit.memory for hit in hits)
        beyond = [hit.memory for hit in best if names.index(hit.layer or "") > at]
        farther = [memory for memory in beyond if memory not in own]
        if not farther:
            return False
        given: dict[str, Any] = {n: self.asked.get(n) for n in (*_MOMENT, "where", "session")}
        return self.layers[at].store.plumbing.says_any(farther, **given)

    def _merged(self, found: Sequence[Iterable[Hit]]) -> list[Hit]:
        """The hits of all layers, best first, without what a nearer layer hides."""
        moment: dict[str, Any] = {name: self.asked.get(name) for name in _MOMENT}
        merged: list[Hit] = []
        said = Sayings()
        for at, (layer, hits) in enumerate(zip(self.layers, found, strict=True)):
            own = list(hits)
            keys = {hit.memory.key for hit in own if hit.memory.key is not None}
            for nearer in self.layers[:at]:
                hidden = nearer.store.plumbing.held(keys, **moment)[0] if keys else set()
                own = [hit for hit in own if hit.memory.key not in hidden]
                keys -= hidden
            kept = [hit for hit in own if hit.memory not in said]  # by a nearer layer
            for hit in kept:
                said.add(hit.memory)
            merged += [replace(hit, layer=layer.name) for hit in kept]
        return sorted(merged, key=lambda hit: -hit.score.value)  # stable: the nearer layer first
