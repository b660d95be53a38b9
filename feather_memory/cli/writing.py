"""`feather-memory add`, `supersede`, `link`, `like`, `dislike` and `correct`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from feather_memory.agent import acts
from feather_memory.agent.source import Opened
from feather_memory.cli.options import EmbedderOption, fitting, moment, plain
from feather_memory.cli.output import Answer, answered
from feather_memory.cli.places import Place, existing
from feather_memory.errors import ParameterError
from feather_memory.model.memory import EdgeType, Memory, SignalKind
from feather_memory.store.store import Store

_Text = Annotated[str, typer.Argument(metavar="TEXT", help="What to remember.")]
_Id = Annotated[str, typer.Argument(metavar="ID", help="Of the memory.")]
_Key = Annotated[
    str | None,
    typer.Option(metavar="SLOT", help="What it is the current value of, such as python.version."),
]
_Session = Annotated[str | None, typer.Option(help="The conversation it is from.")]
_Actor = Annotated[str | None, typer.Option(help="Who said it.")]
_Importance = Annotated[float | None, typer.Option(help="In [0, 1]; 0.4 if not given.")]
_Metadata = Annotated[str | None, typer.Option(metavar="JSON", help="Such as '{\"n\": 1}'.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Since when it is true.")]
_Turn = Annotated[str | None, typer.Option(metavar="NAME", help="The recall that it answers.")]


@answered
def add(
    store: Place,
    text: _Text,
    *,
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="Else one is made.")] = None,
    key: _Key = None,
    session: _Session = None,
    actor: _Actor = None,
    importance: _Importance = None,
    metadata: _Metadata = None,
    valid_from: _Since = None,
    embedder: EmbedderOption = None,
) -> Answer:
    """Remember a text, in a store that is made if needed.

    With --key it replaces what held the slot.
    """
    about = _about(metadata)
    with Store.open(store.path, embedder=fitting(store, embedder), tenant=store.tenant) as opened:
        memory = opened.add(
            text, id=id_, key=key, session=session, actor=actor, importance=importance,
            metadata=about, valid_from=moment(valid_from, "--valid-from"),
        )  # fmt: skip
    return _remembered(memory)


@answered
def supersede(
    store: Place,
    id: Annotated[str, typer.Argument(metavar="ID", help="Of what is no longer true.")],  # noqa: A002
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is true now.")],
    *,
    valid_from: _Since = None,
    metadata: _Metadata = None,
    embedder: EmbedderOption = None,
) -> Answer:
    """Replace a fact by a newer one.

    The old one stays in the history.
    """
    about = _about(metadata)
    with existing(store, fitting(store, embedder)) as opened:
        memory = opened.supersede(
            id, text, metadata=about, valid_from=moment(valid_from, "--valid-from")
        )
    return _remembered(memory)


@answered
def link(
    store: Place,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Id of where it starts.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Id of where it ends.")],
    *,
    type_: Annotated[
        str, typer.Option("--type", metavar="NAME", help="Such as caused_by, or your own.")
    ] = EdgeType.RELATED_TO.value,
    weight: Annotated[float, typer.Option(help="In (0, 1].")] = 1.0,
) -> Answer:
    """Link two memories; again, with another weight."""
    with existing(store) as opened:
        edge = opened.link(source, target, type_, weight)

    def screen() -> None:
        typer.echo(plain(f"{edge.source} {edge.type} {edge.target}, weight {edge.weight:g}."))

    return Answer(said={"edge": edge}, screen=screen)


@answered
def like(
    store: Place,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Of the memories.")] = None,
    *,
    turn: _Turn = None,
) -> Answer:
    """Say that memories were of use, or all that a turn showed."""
    return _judged(store, SignalKind.LIKED, ids, turn)


@answered
def dislike(
    store: Place,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Of the memories.")] = None,
    *,
    turn: _Turn = None,
) -> Answer:
    """Say that memories were of no use, or all that a turn showed."""
    return _judged(store, SignalKind.DISLIKED, ids, turn)


def _judged(store: Place, kind: SignalKind, ids: list[str] | None, turn: str | None) -> Answer:
    if not ids and turn is None:
        raise ParameterError("say what: the ids of memories, or --turn NAME of a recall")
    with existing(store) as opened:
        if turn is not None:
            signals = opened.feedback(turn, kind, memory_ids=ids or None)
        else:
            with opened.transaction():
                signals = [opened.signal(id_, kind) for id_ in ids or ()]
        named = list(dict.fromkeys(signal.memory_id for signal in signals))
        importance = {memory.id: memory.importance for memory in opened.get_many(named)}

    def screen() -> None:
        for id_, now in importance.items():
            typer.echo(plain(f"{id_} is {kind}: its importance is {now:.2f} now."))

    return Answer(said={"signals": signals, "importance": importance}, screen=screen)


@answered
def correct(
    store: Place,
    id: _Id,  # noqa: A002
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is true instead.")],
    *,
    turn: _Turn = None,
    embedder: EmbedderOption = None,
) -> Answer:
    """Say what is true instead of a memory.

    The wrong one loses importance, and what is true takes its place.
    """
    with existing(store, fitting(store, embedder)) as opened:
        memory = acts.correct(Opened.of(opened), id, text, turn=turn)
    return _remembered(memory)


def _about(metadata: str | None) -> dict[str, Any] | None:
    if metadata is None:
        return None
    try:
        read = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"--metadata is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise ParameterError(f"--metadata takes a JSON object, got {metadata!r:.80}")
    return read


def _remembered(memory: Memory) -> Answer:
    def screen() -> None:
        replaced = f", in the place of {', '.join(memory.supersedes)}" if memory.supersedes else ""
        typer.echo(plain(f"Remembered as {memory.id}{replaced}."))
        if memory.echo_of is not None:
            typer.echo(plain(f"Nothing was written: this stands, and {memory.echo_of} is past."))

    return Answer(said={"memory": memory}, screen=screen)
