"""`feather-memory search`, `show` and `history`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from feather_memory.cli.options import (
    EmbedderOption,
    WhereOption,
    condition,
    day,
    fitting,
    moment,
    table,
)
from feather_memory.cli.places import Place, existing
from feather_memory.model.memory import Memory
from feather_memory.store.store import Store

_TIME = "ISO 8601, Unix seconds or milliseconds; read as UTC if it names no zone."


def search(
    store: Place,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", help="How many answers.", min=1)] = 5,
    as_of: Annotated[str | None, typer.Option(help=f"What was true then? {_TIME}")] = None,
    known_at: Annotated[str | None, typer.Option(help=f"What did we know then? {_TIME}")] = None,
    where: WhereOption = None,
    session: Annotated[str | None, typer.Option(help="Only memories of this session.")] = None,
    hops: Annotated[int, typer.Option(help="Also walk so many edges.", min=0)] = 0,
    embedder: EmbedderOption = None,
) -> None:
    """Find the memories that answer a query best. Writes nothing."""
    asked: dict[str, Any] = {
        "where": condition(where),
        "session": session,
        "as_of": moment(as_of, "--as-of"),
        "known_at": moment(known_at, "--known-at"),
    }
    with existing(store, fitting(store, embedder, by_words=True)) as opened:
        if hops:
            hits = list(opened.context_chain(query, k, hops, **asked))
        else:
            hits = list(opened.search(query, k, **asked))
        titles = ["score", "since", "id", "memory", "replaces", *(["hop"] if hops else [])]
        table(
            titles,
            (
                (
                    f"{hit.score.value:.3f}",
                    f"{hit.memory.valid_from:%Y-%m-%d}",
                    hit.memory.id,
                    hit.memory.text,
                    _replaced(opened, hit.memory),
                    *([hit.hop] if hops else []),
                )
                for hit in hits
            ),
        )
    if not hits:
        typer.echo("Nothing found.", err=True)


def _replaced(store: Store, memory: Memory) -> str:
    return "; ".join(old.text for old in store.get_many(memory.supersedes))


def show(store: Place, id: Annotated[str, typer.Argument(metavar="ID")]) -> None:  # noqa: A002
    """Show all that is known about one memory: its fields, edges and signals."""
    with existing(store) as opened:
        memory = opened.get(id)
        table(["field", "value"], _fields(memory))
        if edges := opened.edges(id):
            typer.echo()
            table(
                ["source", "type", "target", "weight"],
                ((edge.source, edge.type, edge.target, f"{edge.weight:g}") for edge in edges),
            )
        if signals := opened.signals(id):
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


def history(store: Place, id: Annotated[str, typer.Argument(metavar="ID")]) -> None:  # noqa: A002
    """Show what a fact was over time, oldest first."""
    with existing(store) as opened:
        table(
            ["since", "until", "id", "memory"],
            (
                (day(memory.valid_from), day(memory.valid_to), memory.id, memory.text)
                for memory in opened.history(id)
            ),
        )
