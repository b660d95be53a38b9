"""The links that a walk follows, past what was replaced."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

import numpy as np

from feather_memory.index.supersessions import Supersessions
from feather_memory.search.question import Question

Links: TypeAlias = Callable[[Collection[int]], Iterator[tuple[int, int, float]]]
"""Of memories, by position: (one of them, its neighbour, weight), of each link."""


def led_on(links: Links, replaced: Supersessions, question: Question) -> Links:
    """The links, where those of what was replaced are those of what stands in its place."""
    known = np.inf if question.known_at is None else question.known_at
    which = replaced.counting(as_of=question.as_of, known_at=known)
    if not which.any():
        return links

    def ends_of(places: Collection[int]) -> Iterator[tuple[int, int, float]]:
        heads_of: dict[int, list[int]] = {}
        for place, olds in replaced.forerunners(places, which).items():
            for old in olds:
                heads_of.setdefault(old, []).append(place)
        found = [*links(heads_of)]
        ends = replaced.heads({end for _, end, _ in found}, which)
        for start, end, weight in found:
            for here in heads_of[start]:
                for there in ends[end]:
                    if here != there:
                        yield here, there, weight

    return ends_of
