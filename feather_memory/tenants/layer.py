"""A store at a fixed place in the reading order, and the places that have names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from feather_memory.checks import instance, label, number, unit_interval, whole
from feather_memory.errors import ParameterError, quoted
from feather_memory.model.hits import Hit
from feather_memory.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A store at a fixed place in the reading order: the heavier, the nearer.

    Raises:
        ParameterError: A value outside its range.
    """

    name: str
    store: Store
    weight: float = 1.0
    """Above 0: what the layer's scores are multiplied by."""
    time_weight: float = 0.05
    """In [0, 1], as in Scoring."""
    hops: int = 2
    """How far `context_chain` walks in this layer, at least 0."""

    def __post_init__(self) -> None:
        label(self.name, "name")
        instance(self.store, "store", Store)
        unit_interval(self.time_weight, "time_weight")
        whole(self.hops, "hops", 0)
        if not 0 < number(self.weight, "weight", 0) < float("inf"):
            raise ParameterError(f"a layer's weight must be above 0, got {quoted(self.weight)}")

    def weighed(self, hit: Hit) -> Hit:
        """The hit with the layer's weight in its score."""
        return replace(hit, score=hit.score.weighed(self.weight))


USER: Final = {"weight": 1.0, "time_weight": 0.05, "hops": 2}
TEAM: Final = {"weight": 0.9, "time_weight": 0.04, "hops": 2}
SHARED: Final = {"weight": 0.8, "time_weight": 0.02, "hops": 1}
"""The nearer a layer, the more its age counts, within what cannot bury a relevant memory."""

PUBLISHED: Final = {"user": 0.35, "team": 0.25, "shared": 0.1}
"""The time weights of the published Feather DB context-engine patterns. On fresh data they take a
third of the recall: on LoCoMo 43.7 of 67.2 in ten."""
