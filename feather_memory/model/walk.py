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
    kept: _Kept[Place] = {each: (-score, 0, False, None) for each, score in seeds.items()}
    kept = _best(kept, limit, ids)
    frontier = sorted(kept)
    for hop in range(1, hops + 1):
        if not frontier:
            break
        offers = _offers(neighbours(frontier), kept, hop_decay)
        if unmet := sorted(offers.keys() - own.keys()):
            scores = own_scores(unmet)
            own.update((each, scores.get(each)) for each in unmet)
        after = dict(kept)
        for each, (loss, parent) in offers.items():
            if (merit := own[each]) is None:
                continue
            if (known := kept.get(each)) is not None:
                if loss < known[0]:
                    after[each] = (loss, known[1], True, parent)
            elif loss < -merit:
                after[each] = (loss, hop, True, parent)
            else:
                after[each] = (-merit, hop, False, None)
        after = _best(after, limit, ids)
        # Who did not change has nothing new to offer: its neighbours took its offer, or
        # were dropped for better ones, which can only have become better since.
        frontier = sorted(each for each, found in after.items() if kept.get(each) is not found)
        kept = after
    ordered = _ordered(kept.items(), ids)
    return {
        each: Reached(-loss, hop, is_inherited, parent)
        for each, (loss, hop, is_inherited, parent) in ordered
    }


_Found: TypeAlias = tuple[float, int, bool, Place | None]
"""As `Reached`, but for the score's sign: the best is the least, as sorting has it."""

_Kept: TypeAlias = dict[Place, _Found[Place]]


def _offers(
    links: Iterable[tuple[Place, Place, float]], kept: _Kept[Place], hop_decay: float
) -> dict[Place, tuple[float, Place]]:
    """The best offer to each neighbour, and who makes it; of equal ones that of the smaller place.

    A plain loop over tuples: here a walk spends its time.
    """
    offers: dict[Place, tuple[float, Place]] = {}
    for source, target, weight in links:
        offer = (kept[source][0] * weight * hop_decay, source)
        known = offers.get(target)
        if known is None or offer < known:
            offers[target] = offer
    return offers


def _best(reached: _Kept[Place], limit: int, ids: Ids[Place] | None) -> _Kept[Place]:
    """The `limit` best, in no order: ids are looked at only among equals at the end."""
    if len(reached) <= limit:
        return reached
    worst = sorted([found[0] for found in reached.values()])[limit - 1]  # numbers: half the time
    kept = {each: found for each, found in reached.items() if found[0] < worst}
    equals = [item for item in reached.items() if item[1][0] == worst]
    if len(kept) + len(equals) > limit:
        equals = _ordered(equals, ids)[: limit - len(kept)]
    kept.update(equals)
    return kept


def _ordered(
    reached: Collection[tuple[Place, _Found[Place]]], ids: Ids[Place] | None
) -> list[tuple[Place, _Found[Place]]]:
    """Best first; at equal scores the one that came in earlier, then the smaller id."""
    named: Mapping[Place, Any] = {each: each for each, _ in reached}
    if ids is not None:
        named = ids(named)
    return sorted(reached, key=lambda item: (item[1][:2], named[item[0]]))
