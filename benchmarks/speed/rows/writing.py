"""Writes: one memory, one and a search, many, and one that is to be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.speed.contender import OURS
from benchmarks.speed.corpus import Record
from benchmarks.speed.measure import Call, Effort, Taken, round_robin
from benchmarks.speed.stand import WARMING, Measured, Stand


def add(stand: Stand) -> list[Measured]:
    """One memory, durable when the call returns: it outlives the process."""
    calls: dict[str, Call] = {
        name: lambda i, one=one: one(stand.records[i]) for name, one in stand.having("add").items()
    }
    return [stand.measure("add", calls)]


def add_and_answer(stand: Stand) -> list[Measured]:
    """One memory, and the first search after it."""
    half = len(stand.records) // 2
    answers = stand.having("answer")

    def call(name: str, add: Callable[[Record], None]) -> Call:
        def both(i: int) -> None:
            add(stand.records[half + i])
            answers[name](stand.question(i), stand.vector(i))

        return both

    calls = {name: call(name, one) for name, one in stand.having("add").items()}
    return [stand.measure("add and search", calls)]


def add_many(stand: Stand) -> list[Measured]:
    """A thousand memories, in batches, with all that the engine keeps of their words."""
    sizes = stand.sizes
    batches = [stand.corpus.records(sizes.batch) for _ in range(1 + sizes.batches)]
    calls: dict[str, Call] = {
        name: lambda i, many=many: many(batches[i])
        for name, many in stand.having("add_many").items()
    }
    effort = Effort(sizes.batches, 4 * stand.effort.seconds)
    taken, failures = round_robin(calls, effort, warming=1, least=1, never_fails={OURS})
    stand.failed.update({f"{name}, add_many": why for name, why in failures.items()})
    thousands = sizes.batch / 1_000
    each = {name: _divided(one, thousands) for name, one in taken.items()}
    unit = "ms per thousand"
    return [Measured("add_many", sizes.batches * sizes.batch, stand.shape.dim, each, unit=unit)]


def forget(stand: Stand) -> list[Measured]:
    """One memory, removed for good when the call returns; and whose files still hold it then."""
    calls: dict[str, Call] = {
        name: lambda i, forget=forget: forget(i) for name, forget in stand.having("forget").items()
    }
    rounds = min(20, len(stand.first) - WARMING)
    measured = stand.measure("forget", calls, rounds=rounds)
    for name, taken in measured.taken.items():
        gone = stand.first[: WARMING + len(taken)]
        if _held(stand.path(name), gone):
            measured.because[name] = "what it forgot is still in its files"
    return [measured]


def _held(path: Path, records: Sequence[Record]) -> bool:
    """Whether a file at the path, or beside it, has the text or the vector of one of them."""
    beside = [
        one for found in path.parent.glob(f"{path.name}*") for one in (found, *found.rglob("*"))
    ]
    wanted = [each for one in records for each in (one.text.encode(), one.vector.tobytes())]
    for file in filter(Path.is_file, beside):
        held = file.read_bytes()
        if any(each in held for each in wanted):
            return True
    return False


def _divided(taken: Taken, by: float) -> Taken:
    return Taken([wall / by for wall in taken.wall], [cpu / by for cpu in taken.cpu])
