"""What is reached from some memories over their links. Pure: the links come from callables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

from feather_memory.checks import unit_interval, whole

HOP_DECAY = 0.5
"""What is left of a score after one hop over a link of weight 1. In [0, 1]."""

Place = TypeVar("Place", str, int)
"""What a memory is called within one walk: its id, or where it stands in arrays."""

Neighbours: TypeAlias = Callable[[Collection[Place]], Iterable[tuple[Place, Place, float]]]
"""All links that touch some memories, in either direction: (one of them, its neighbour, weight).
A link between two of them comes once from each. Weights are in (0, 1]. Any order."""

OwnScores: TypeAlias = Callable[[Collection[Place]], Mapping[Place, float]]
"""The scores that memories have by their own merit; without those that may not be returned."""

Ids: TypeAlias = Callable[[Collection[Place]], Mapping[Place, str]]
"""The ids of memories: asked for only where equal scores are to be told apart."""


class Reached(NamedTuple):
    """How a memory came into the walk."""

    score: float
    hop: int
    """At which it came in; 0 for a seed. A better path found later does not change it."""
    inherited: bool = False
    """Whether the score is its parent's, weighed, rather than its own."""
    parent: str | int | None = None
    """Whose score it inherits; None if the score is its own."""


def walk(
    seeds: Mapping[Place, float],
    neighbours: Neighbours[Place],
    own_scores: OwnScores[Place],
    *,
    hops: int,
    limit: int,
    hop_decay: float = HOP_DECAY,
    ids: Ids[Place] | None = None,
) -> dict[Place, Reached]:
    """The `limit` best memories within `hops` links of the seeds, best first.

    At each hop every memory has the best of the score it has, its own, and ::

        score of a neighbour at the hop before · link weight · hop_decay

    and then only the `limit` best stay, seeds included; at equal scores the one that came in
    earlier, then the smaller id. A memory that `own_scores` leaves out is not entered and not
    walked through. The order in which links are given does not matter.

    Args:
        seeds: Scores of the memories to start from.
        neighbours: Asked once a hop, for the memories that came in or got better.
        own_scores: Asked once a hop, for the memories not met before.
        hops: How far to go, ≥ 0.
        limit: How many memories to return at most, ≥ 1.
        hop_decay: In [0, 1].
        ids: Of memories that are not called by them.

    Raises:
        ParameterError: `hops`, `limit` or `hop_decay` outside its range.
    """
    whole(hops, "hops", 0), whole(limit, "limit", 1), unit_interval(hop_decay, "hop_decay")
    own: dict[Place, float | None] = dict(seeds)  # None: may not be returned
    kept = _best({each: Reached(score, 0) for each, score in seeds.items()}, limit, ids)
    frontier = sorted(kept)
    for hop in range(1, hops + 1):
        if not frontier:
            break
        offers = _offers(neighbours(frontier), kept, hop_decay)
        if unmet := sorted(offers.keys() - own.keys()):
            scores = own_scores(unmet)
            own.update((each, scores.get(each)) for each in unmet)
        after = dict(kept)
        for each, (score, parent) in offers.items():
            merit = own[each]
            if merit is not None:
                known = kept.get(each)
                at = hop if known is None else known.hop
                if score > (merit if known is None else known.score):
                    after[each] = Reached(score, at, inherited=True, parent=parent)
                elif known is None:
                    after[each] = Reached(merit, at)
        after = _best(after, limit, ids)
        # Who did not change has nothing new to offer: its neighbours took its offer, or
        # were dropped for better ones, which can only have become better since.
        frontier = sorted(each for each, reached in after.items() if kept.get(each) != reached)
        kept = after
    return _ordered(kept, ids)


def _offers(
    links: Iterable[tuple[Place, Place, float]], kept: Mapping[Place, Reached], hop_decay: float
) -> dict[Place, tuple[float, Place]]:
    """The best offer to each neighbour, and who makes it; of equal ones that of the smaller place.

    A plain loop over tuples: here a walk spends its time.
    """
    offers: dict[Place, tuple[float, Place]] = {}
    for source, target, weight in links:
        score = kept[source].score * weight * hop_decay
        known = offers.get(target)
        if known is None or score > known[0] or (score == known[0] and source < known[1]):
            offers[target] = (score, source)
    return offers


def _rank(item: tuple[Place, Reached]) -> tuple[float, int]:
    return -item[1].score, item[1].hop


def _best(
    reached: Mapping[Place, Reached], limit: int, ids: Ids[Place] | None
) -> dict[Place, Reached]:
    """The `limit` best, in no order: ids are looked at only among equals at the end."""
    if len(reached) <= limit:
        return dict(reached)
    ranked = sorted(reached.items(), key=_rank)
    worst = _rank(ranked[limit - 1])
    surely = [item for item in ranked[:limit] if _rank(item) < worst]
    equals = dict(item for item in ranked[len(surely) :] if _rank(item) == worst)
    return dict(surely) | dict(list(_ordered(equals, ids).items())[: limit - len(surely)])


def _ordered(reached: Mapping[Place, Reached], ids: Ids[Place] | None) -> dict[Place, Reached]:
    """Best first; at equal scores the one that came in earlier, then the smaller id."""
    named: Mapping[Place, Any] = {each: each for each in reached}
    if ids is not None:
        named = ids(reached)
    return dict(sorted(reached.items(), key=lambda item: (*_rank(item), named[item[0]])))
