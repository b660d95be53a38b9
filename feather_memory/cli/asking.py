"""`feather-memory search`, `recall`, `why-not`, `show` and `history`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from feather_memory.cli import screens
from feather_memory.cli.options import (
    EmbedderOption,
    WhereOption,
    condition,
    day,
    fitting,
    moment,
    plain,
    table,
)
from feather_memory.cli.output import Answer, answered
from feather_memory.cli.places import Place, existing
from feather_memory.model.hits import Hit
from feather_memory.model.memory import Edge, Memory, Signal

_TIME = "ISO 8601, or a count since 1970; read as UTC if it names no zone."

_Query = Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.")]
_Id = Annotated[str, typer.Argument(metavar="ID", help="Of the memory.")]
_Count = Annotated[int, typer.Option("-k", help="How many answers.", min=1)]
_AsOf = Annotated[str | None, typer.Option(help=f"What was true then? {_TIME}")]
_KnownAt = Annotated[str | None, typer.Option(help=f"What did we know then? {_TIME}")]
_Session = Annotated[str | None, typer.Option(help="Only memories of this session.")]


def _asked(
    where: str | None, session: str | None, as_of: str | None, known_at: str | None
) -> dict[str, Any]:
    return {
        "where": condition(where),
        "session": session,
        "as_of": moment(as_of, "--as-of"),
        "known_at": moment(known_at, "--known-at"),
    }


@answered
def search(
    store: Place,
    query: _Query,
    k: _Count = 5,
    as_of: _AsOf = None,
    known_at: _KnownAt = None,
    where: WhereOption = None,
    session: _Session = None,
    hops: Annotated[int, typer.Option(help="Also walk so many edges.", min=0)] = 0,
    embedder: EmbedderOption = None,
) -> Answer:
    """Find the memories that answer a query best.

    Writes nothing.
    """
    asked = _asked(where, session, as_of, known_at)
    chain = None
    with existing(store, fitting(store, embedder, by_words=True)) as opened:
        if hops:
            chain = opened.context_chain(query, k, hops, **asked)
        hits = list(opened.search(query, k, **asked) if chain is None else chain)
        replaced = [_texts(opened.get_many(hit.memory.supersedes)) for hit in hits]

    def screen() -> None:
        _show_hits(hits, replaced, has_hops=chain is not None)
        if chain is not None and hits and screens.is_watched():
            for tree in screens.chain(chain):
                screens.show(tree)

    said = {"hits": hits} if chain is None else {"hits": hits, "edges": chain.edges}
    return Answer(said=said, screen=screen)


@answered
def recall(
    store: Place,
    query: _Query,
    k: _Count = 5,
    turn: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run or message; drawn if not given.")
    ] = None,
    as_of: _AsOf = None,
    known_at: _KnownAt = None,
    where: WhereOption = None,
    session: _Session = None,
    embedder: EmbedderOption = None,
) -> Answer:
    """Search for what a model is shown; log it.

    `like --turn` and `dislike --turn` are about what was shown.
    """
    asked = _asked(where, session, as_of, known_at)
    with existing(store, fitting(store, embedder, by_words=True)) as opened:
        hits = opened.recall(query, k, turn=turn, **asked)
        replaced = [_texts(opened.get_many(hit.memory.supersedes)) for hit in hits]

    def screen() -> None:
        _show_hits(hits, replaced, has_hops=False)
        typer.echo(f"Logged as turn {plain(str(hits.turn))}.")

    said = {"hits": list(hits), "turn": hits.turn, "reason": hits.reason}
    return Answer(said=said, screen=screen)


@answered
def why_not(
    store: Place,
    query: _Query,
    id: _Id,  # noqa: A002
    k: _Count = 5,
    as_of: _AsOf = None,
    known_at: _KnownAt = None,
    where: WhereOption = None,
    session: _Session = None,
    embedder: EmbedderOption = None,
) -> Answer:
    """Say why a search does not return a memory.

    It is a gate, such as that another memory replaced it, or its rank.
    """
    asked = _asked(where, session, as_of, known_at)
    with existing(store, fitting(store, embedder, by_words=True)) as opened:
        verdict = opened.why_not(query, id, k, **asked)
    reason = plain(verdict.reason)
    return Answer(
        said={"verdict": verdict},
        screen=lambda: typer.echo(f"{reason[:1].upper()}{reason[1:]}."),
    )


def _texts(memories: Sequence[Memory]) -> str:
    return "; ".join(memory.text for memory in memories)


def _show_hits(hits: Sequence[Hit], replaced: Sequence[str], *, has_hops: bool) -> None:
    if hits and screens.is_watched():
        screens.show(screens.hits(hits, replaced))
        return
    titles = ["score", "since", "id", "memory", "replaces", *(["hop"] if has_hops else [])]
    table(
        titles,
        (
            (
                f"{hit.score.value:.3f}",
                f"{hit.memory.valid_from:%Y-%m-%d}",
                hit.memory.id,
                hit.memory.text,
                before,
                *([hit.hop] if has_hops else []),
            )
            for hit, before in zip(hits, replaced, strict=True)
        ),
    )
    if not hits:
        typer.echo("Nothing found.", err=True)


@answered
def show(store: Place, id: _Id) -> Answer:  # noqa: A002
    """Show all that is known about one memory.

    Its fields, edges and signals.
    """
    with existing(store) as opened:
        memory, edges, signals = opened.get(id), opened.edges(id), opened.signals(id)
    said = {"memory": memory, "edges": edges, "signals": signals}
    return Answer(said=said, screen=lambda: _show(memory, edges, signals))


def _show(memory: Memory, edges: Sequence[Edge], signals: Sequence[Signal]) -> None:
    table(["field", "value"], _fields(memory))
    if edges:
        typer.echo()
        table(
            ["source", "type", "target", "weight"],
            ((edge.source, edge.type, edge.target, f"{edge.weight:g}") for edge in edges),
        )
    if signals:
        typer.echo()
        table(
            ["at", "signal", "strength", "turn"],
            (
                (
                    day(signal.at),
                    signal.kind + (" (taken back)" if signal.retracted else ""),
                    f"{signal.strength:g}",
                    signal.turn or "",
                )
                for signal in signals
            ),
        )


def _fields(memory: Memory) -> list[tuple[str, str]]:
    rows = []
    for name in Memory.__slots__:
        value = getattr(memory, name)
        if name == "vector":
            said = "" if value is None else f"{len(value)} numbers"
        elif name.endswith(("_at", "_from", "_to")):
            said = day(value)
        elif name == "metadata":
            said = json.dumps(value, ensure_ascii=False) if value else ""
        elif isinstance(value, tuple):
            said = ", ".join(value)
        else:
            said = "" if value is None else str(value)
        if said:
            rows.append((name, said))
    return rows


@answered
def history(store: Place, id: _Id) -> Answer:  # noqa: A002
    """Show what a fact was over time, oldest first."""
    with existing(store) as opened:
        memories = opened.history(id)

    def screen() -> None:
        if screens.is_watched():
            screens.show(screens.fact(memories))
        table(
            ["since", "until", "id", "memory"],
            (
                (day(memory.valid_from), day(memory.valid_to), memory.id, memory.text)
                for memory in memories
            ),
        )

    return Answer(said={"memories": memories}, screen=screen)
