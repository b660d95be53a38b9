"""What is reached from some memories over their links. Pure: the links come from callables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from feather_memory.checks import unit_interval, whole

HOP_DECAY = 0.5
"""What is left of a score after one hop over a link of weight 1. In [0, 1]."""

Neighbours: TypeAlias = Callable[[Collection[str]], Iterable[tuple[str, str, float]]]
"""All links that touch some ids, in either direction: (one of the ids, its neighbour, weight).
A link between two of the ids comes once from each. Weights are in (0, 1]. Any order."""

OwnScores: TypeAlias = Callable[[Collection[str]], Mapping[str, float]]
"""The scores that ids have by their own merit; without those that may not be returned."""


class Reached(NamedTuple):
    """How a memory came into the walk."""

    score: float
    hop: int
    """At which it came in; 0 for a seed. A better path found later does not change it."""
    inherited: bool = False
    """Whether the score is its parent's, weighed, rather than its own."""
    parent: str | None = None
    """Whose score it inherits; None if the score is its own."""


def walk(
    seeds: Mapping[str, float],
    neighbours: Neighbours,
    own_scores: OwnScores,
    *,
    hops: int,
    limit: int,
    hop_decay: float = HOP_DECAY,
) -> dict[str, Reached]:
    """The `limit` best memories within `hops` links of the seeds, best first.

    At each hop every memory has the best of the score it has, its own, and ::

        score of a neighbour at the hop before · link weight · hop_decay

    and then only the `limit` best stay, seeds included; at equal scores the one that came in
    earlier, then the smaller id. A memory that `own_scores` leaves out is not entered and not
    walked through. The order in which links are given does not matter.

    Args:
        seeds: Scores of the memories to start from, by id.
        neighbours: Asked once a hop, for the memories that came in or got better.
        own_scores: Asked once a hop, for the memories not met before.
        hops: How far to go, ≥ 0.
        limit: How many memories to return at most, ≥ 1.
        hop_decay: In [0, 1].

    Raises:
        ParameterError: `hops`, `limit` or `hop_decay` outside its range.
    """
    whole(hops, "hops", 0), whole(limit, "limit", 1), unit_interval(hop_decay, "hop_decay")
    own: dict[str, float | None] = dict(seeds)  # None: may not be returned
    kept = _best({each: Reached(score, 0) for each, score in seeds.items()}, limit)
    frontier = sorted(kept)
    for hop in range(1, hops + 1):
        if not frontier:
            break
        offers = _offers(neighbours(frontier), kept, hop_decay)
        if unmet := sorted(offers.keys() - own.keys()):
            scores = own_scores(unmet)
            own.update((each, scores.get(each)) for each in unmet)
        after = dict(kept)
        for each, offer in offers.items():
            merit = own[each]
            if merit is not None:
                after[each] = _better(kept.get(each), merit, offer, hop)
        after = _best(after, limit)
        # Who did not change has nothing new to offer: its neighbours took its offer, or
        # were dropped for better ones, which can only have become better since.
        frontier = sorted(each for each, reached in after.items() if kept.get(each) != reached)
        kept = after
    return kept


class _Offer(NamedTuple):
    score: float
    parent: str


def _offers(
    links: Iterable[tuple[str, str, float]], kept: Mapping[str, Reached], hop_decay: float
) -> dict[str, _Offer]:
    """The best offer to each neighbour; of equal ones that of the smaller id."""
    offers: dict[str, _Offer] = {}
    for source, target, weight in links:
        offer = _Offer(kept[source].score * weight * hop_decay, source)
        known = offers.get(target)
        if (
            known is None
            or offer.score > known.score
            or (offer.score == known.score and source < known.parent)
        ):
            offers[target] = offer
    return offers


def _better(known: Reached | None, merit: float, offer: _Offer, hop: int) -> Reached:
    """What a memory has become: as it was unless the offer is better, its own if no worse."""
    if known is None:
        known = Reached(merit, hop)
    if offer.score <= known.score:
        return known
    return Reached(offer.score, known.hop, inherited=True, parent=offer.parent)


def _best(reached: Mapping[str, Reached], limit: int) -> dict[str, Reached]:
    ranked = sorted(reached.items(), key=lambda item: (-item[1].score, item[1].hop, item[0]))
    return dict(ranked[:limit])
