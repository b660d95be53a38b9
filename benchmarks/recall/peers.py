"""Peers that answer the same questions: those of benchmarks/speed that take words and vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.recall.bench import Bench
from benchmarks.recall.corpora import Talk
from benchmarks.recall.measures import Answered
from benchmarks.speed import peers
from benchmarks.speed.contender import Contender
from benchmarks.speed.corpus import Record

NAMES: Final = ("memvara", "feather-db")


def present() -> tuple[list[type[Contender]], dict[str, str]]:
    """Those that can be had here, and why the others cannot."""
    here, absent = peers.present()
    return (
        [one for one in here if one.name in NAMES],
        {name: why for name, why in absent.items() if name in NAMES},
    )


def answers(bench: Bench, talks: Sequence[Talk]) -> Iterator[tuple[str, list[Answered]]]:
    """What each answers, with its own defaults; who speaks is said in the text and its vector."""
    if not bench.vectors.has(turn.named for talk in talks for turn in talk.turns):
        return
    for kind in present()[0]:
        yield kind.name, [one for talk in talks for one in _of(kind, bench, talk)]


def _of(kind: type[Contender], bench: Bench, talk: Talk) -> Iterator[Answered]:
    vectors = bench.vectors([turn.named for turn in talk.turns])
    folder = bench.folder / kind.name
    folder.mkdir(parents=True, exist_ok=True)
    contender = kind(folder / talk.name, vectors.shape[1])
    contender.add_many(
        [
            Record(number, turn.named, vector, 0)
            for number, (turn, vector) in enumerate(zip(talk.turns, vectors, strict=True))
        ]
    )
    for asked in talk.questions:
        (vector,) = bench.vectors([asked.text])
        found: list[str] = contender.hybrid(asked.text, vector)  # type: ignore[attr-defined]
        ids = tuple(talk.turns[int(name.removeprefix("m"))].id for name in found)
        yield Answered(talk.name, asked, ids)
    contender.close()
