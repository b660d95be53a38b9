"""What the page shows, each thing by one function. Nothing here writes: a look is no recall."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from feather_memory.agent.recall import FACTS
from feather_memory.checks import seconds, when
from feather_memory.config import WINDOW_LINKS, WINDOW_NODES, WINDOW_USES
from feather_memory.doors.answers import WhyTold
from feather_memory.doors.verbs import bounded
from feather_memory.doors.window.bodies import (
    AskWhy,
    Body,
    Look,
    LookAtOne,
    LookAtPage,
    LookAtTurns,
    LookFor,
    Walk,
)
from feather_memory.doors.window.seen import (
    EdgeSeen,
    FoundSeen,
    HitSeen,
    LinkSeen,
    MemorySeen,
    NodeSeen,
    OneSeen,
    PageSeen,
    SignalSeen,
    SpanSeen,
    TurnSeen,
    TurnsSeen,
    UseSeen,
    WalkSeen,
)
from feather_memory.model.later import FITTING
from feather_memory.model.memory import Edge, EdgeType, Memory
from feather_memory.store.store import Store

_TOLD: Final = 10
"""As many memories an agent asks for."""


def span(store: Store, _: Body) -> SpanSeen:
    """From when to when there is anything to look at."""
    first, last = store.plumbing.span() or (None, None)
    return SpanSeen(first=first, last=last)


def page(store: Store, look: LookAtPage) -> PageSeen:
    """A page of what holds, or of what does not."""
    is_past = look.which == "past"
    total, found = store.plumbing.page(
        look.count, offset=look.offset, is_past=is_past, **look.moment
    )
    holding = set() if is_past else {memory.id for memory in found}
    return PageSeen(total=total, memories=_all(found, holding))


def search(store: Store, look: LookFor) -> FoundSeen:
    """What answers a question, with receipts."""
    hits = store.search(bounded(look.question), look.count, **look.moment)
    return FoundSeen(hits=tuple(map(HitSeen.of, hits)), period=hits.period)


def one(store: Store, look: LookAtOne) -> OneSeen:
    """All about one memory."""
    memory = store.get(look.id)
    history = [each for each in store.history(look.id) if _is_known(each, look)]
    edges = _edges(store, look.id, look)
    others = {each.id: each for each in store.get_many(_others(look.id, edges))}
    ids = {look.id, *others, *(each.id for each in history)}
    holding = store.plumbing.holding(ids, **look.moment)
    verdict = None if look.id in holding else store.why_not(memory.text, look.id, **look.moment)
    until = _until(look)
    begun, *later = store.plumbing.importances(look.id)
    return OneSeen(
        memory=MemorySeen.at(memory, holding, is_whole=True),
        reason=None if verdict is None else verdict.gate,
        history=_all(history, holding),
        links=tuple(
            LinkSeen(
                type=edge.type,
                is_outgoing=edge.source == look.id,
                weight=edge.weight,
                other=MemorySeen.at(others[other], holding),
            )
            for edge in edges
            if (other := edge.target if edge.source == look.id else edge.source) in others
        ),
        signals=tuple(SignalSeen.of(each) for each in store.signals(look.id) if each.at <= until),
        importances=(begun, *(each for each in later if each[0] <= until)),
        uses=tuple(
            UseSeen(turn=turn, at=at, score=score)
            for turn, at, score in store.plumbing.uses(look.id, WINDOW_USES, until=until)
        ),
    )


def walk(store: Store, look: Walk) -> WalkSeen:
    """A memory and what is linked to it, nearest first, as much as can be drawn."""
    centre = look.id or _most_linked(store, look)
    if centre is None:
        return WalkSeen(centre=None, nodes=(), edges=())
    hops, edges = _reached(store, store.get(centre).id, look)
    memories = store.get_many(hops)
    holding = store.plumbing.holding([memory.id for memory in memories], **look.moment)
    there = {memory.id for memory in memories}
    drawn = {edge for edge in edges if {edge.source, edge.target} <= there}
    ends = Counter(end for edge in drawn for end in (edge.source, edge.target))
    degrees = Counter({id_: len(_edges(store, id_, look)) for id_ in there})
    return WalkSeen(
        centre=centre,
        nodes=tuple(
            NodeSeen(
                memory=MemorySeen.at(memory, holding),
                hop=hops[memory.id],
                unseen=degrees[memory.id] - ends[memory.id],
            )
            for memory in memories
        ),
        edges=tuple(
            EdgeSeen(source=e.source, target=e.target, type=e.type, weight=e.weight)
            for e in sorted(drawn, key=lambda e: (hops[e.source], e.source, e.target, e.type))
        ),
    )


def _reached(store: Store, centre: str, look: Walk) -> tuple[dict[str, int], set[Edge]]:
    """By id, over how many links each is reached; and the links between those that are drawn."""
    hops, edges, left = {centre: 0}, set[Edge](), deque([centre])
    while left:
        here = left.popleft()
        for edge in _edges(store, here, look)[:WINDOW_LINKS]:
            other = edge.target if edge.source == here else edge.source
            if other not in hops:
                if hops[here] == look.hops or len(hops) == WINDOW_NODES:
                    continue
                hops[other] = hops[here] + 1
                left.append(other)
            edges.add(edge)
    return hops, edges


def turns(store: Store, look: LookAtTurns) -> TurnsSeen:
    """What was shown to a model, latest first."""
    total, wanted = store.plumbing.turns(look.count, offset=look.offset, until=_until(look))
    found = {
        each.id: each
        for each in store.get_many({id_ for shown in wanted for id_, _ in shown.memories})
    }
    holding = store.plumbing.holding(found, **look.moment)
    return TurnsSeen(
        total=total,
        turns=tuple(
            TurnSeen(
                turn=shown.turn,
                names=shown.names,
                at=shown.at,
                memories=_all([found[id_] for id_, _ in shown.memories if id_ in found], holding),
                scores=tuple(score for id_, score in shown.memories if id_ in found),
            )
            for shown in wanted
        ),
    )


def why_not(store: Store, look: AskWhy) -> WhyTold:
    """Why an agent that asks this is not told a memory."""
    verdict = store.why_not(
        bounded(look.question), look.id, _TOLD, where=FACTS, min_relevance=FITTING, **look.moment
    )
    return WhyTold.of(verdict)


def _all(memories: Iterable[Memory], holding: set[str]) -> tuple[MemorySeen, ...]:
    return tuple(MemorySeen.at(memory, holding) for memory in memories)


def _is_known(memory: Memory, look: Look) -> bool:
    return look.known_at is None or memory.created_at.timestamp() <= look.known_at


def _edges(store: Store, memory_id: str, look: Look) -> list[Edge]:
    """Those known by then; what replaced what comes first, then the heaviest."""
    known = [
        edge
        for edge in store.edges(memory_id)
        if look.known_at is None or edge.created_at.timestamp() <= look.known_at
    ]
    return sorted(known, key=lambda edge: (edge.type != EdgeType.SUPERSEDES, -edge.weight))


def _others(memory_id: str, edges: Iterable[Edge]) -> list[str]:
    return [edge.target if edge.source == memory_id else edge.source for edge in edges]


def _until(look: Look) -> datetime:
    """The moment by which something must have happened to be seen."""
    given = [at for at in (look.as_of, look.known_at) if at is not None]
    return (
        when(seconds(min(given), "as_of and known_at"))
        if given
        else datetime.max.replace(tzinfo=UTC)
    )


def _most_linked(store: Store, look: Look) -> str | None:
    """A memory with more links than those it is linked to; None where the latest have none.

    Of the memories that hold since last the one with most links, and from there to whichever has
    more: so nobody counts the links of all.
    """
    _, latest = store.plumbing.page(WINDOW_LINKS, **look.moment)
    near, best, most = [memory.id for memory in latest], None, 0
    while near:
        degrees = {id_: len(_edges(store, id_, look)) for id_ in near}
        top = max(degrees, key=lambda id_: degrees[id_])
        if degrees[top] <= most:
            break
        best, most = top, degrees[top]
        near = _others(best, _edges(store, best, look))[:WINDOW_LINKS]
    return best
