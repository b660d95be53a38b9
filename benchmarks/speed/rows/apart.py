"""Rows of fresh processes, which are started in turn and tell what they measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.speed.contender import OURS
from benchmarks.speed.stand import Stand

CHILD = ("-m", "benchmarks.speed.child")
QUESTIONS = 20


def in_turn(
    stand: Stand, row: str, names: Iterable[str], run: Callable[[str], dict[str, float]]
) -> dict[str, list[dict[str, float]]]:
    """What the processes of each contender told, started in turn; the slow ones are fewer."""
    told: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    spent = dict.fromkeys(told, 0.0)
    for _ in range(stand.effort.starts):
        for name in [name for name in told if spent[name] < stand.effort.start_seconds]:
            began = time.perf_counter()
            try:
                told[name].append(run(name))
                spent[name] += time.perf_counter() - began
            except ChildProcessError as error:
                if name == OURS:
                    raise
                stand.failed[f"{name}, {row}, {stand.shape}"] = str(error)
                del told[name]
    return told


def questions_of(stand: Stand) -> str:
    """The file of what other processes ask."""
    path = stand.folder / "questions.npz"
    if not path.exists():
        texts = np.array(stand.questions[:QUESTIONS])
        np.savez(path, texts=texts, vectors=stand.vectors[:QUESTIONS])
    return str(path)
