"""Processes beside each other: what a reader keeps beside a writer, and a writer among readers."""

from __future__ import annotations

import os
from contextlib import ExitStack

from benchmarks.speed.contender import BESIDE, OURS
from benchmarks.speed.measure import Taken, started, told
from benchmarks.speed.rows.apart import CHILD, questions_of
from benchmarks.speed.stand import Measured, Stand

Crowd = tuple[int, int]  # readers, writers


def crowd(stand: Stand) -> list[Measured]:
    """A reader and a writer alone, beside each other, and as many readers as a service has."""
    many = stand.sizes.readers
    crowds: list[Crowd] = [(1, 0), (0, 1), (1, 1), (many, 0), (many, 1)]
    names = [name for name, one in stand.closed.items() if one.shared]
    seen: dict[tuple[str, Crowd, str], Taken] = {}
    for readers, writers in crowds:
        for name in list(names):
            try:
                runs = _beside(stand, name, readers, writers)
            except OSError as error:  # it failed, or its pipe broke
                if name == OURS:
                    raise
                stand.failed[f"{name}, processes"] = str(error)
                names.remove(name)
                continue
            for role, taken in runs.items():
                seen[name, (readers, writers), role] = taken
    alone, both, all_readers, everybody = (1, 0), (1, 1), (many, 0), (many, 1)
    rows = [
        ("a reader alone", "reader", alone, None),
        ("a reader beside a writer", "reader", both, alone),
        (f"each of {many} readers", "reader", all_readers, alone),
        (f"each of {many} readers beside a writer", "reader", everybody, all_readers),
        ("a writer alone", "writer", (0, 1), None),
        ("a writer beside a reader", "writer", both, (0, 1)),
        (f"a writer beside {many} readers", "writer", everybody, (0, 1)),
    ]
    return [_row(stand, seen, names, *row) for row in rows]


def _row(
    stand: Stand,
    seen: dict[tuple[str, Crowd, str], Taken],
    names: list[str],
    variant: str,
    role: str,
    those: Crowd,
    alone: Crowd | None,
) -> Measured:
    taken = {name: seen[name, those, role] for name in names}
    one = Measured("processes", stand.shape.n, stand.shape.dim, taken, variant=variant)
    if alone is not None:
        taken[BESIDE] = seen[OURS, alone, role]
        one.beside = "ours alone" if sum(alone) == 1 else "ours without a writer"
        one.crowd = _share(alone) / _share(those)
    return one


def _share(those: Crowd) -> float:
    """Of a core, that each of so many processes has at best."""
    return min(1.0, (os.cpu_count() or 1) / sum(those))


def _beside(stand: Stand, name: str, readers: int, writers: int) -> dict[str, Taken]:
    """Milliseconds a call of each process, by its role; all work in the same seconds."""
    roles = ["reader"] * readers + ["writer"] * writers
    where = (name, str(stand.path(name)), questions_of(stand))
    runs: dict[str, Taken] = {role: Taken() for role in roles}
    with ExitStack() as stack:
        processes = [
            stack.enter_context(started(*CHILD, "work", *where, role, str(stand.sizes.seconds)))
            for role in roles
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # ready
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for role, process in zip(roles, processes, strict=True):
            figures = told(process)
            runs[role].add(figures["wall"], figures["cpu"])
    return runs
