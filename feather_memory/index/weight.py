"""How much memory arrays take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from feather_memory.index.columns import Columns

_MANY: Final = 64
"""Entries of a container, from which on no array is looked for among them: they are names."""

_PLAIN: Final = (str, int, float, bool, type(None))
_BYTES: Final = (bytes, bytearray)
_SEQUENCES: Final = (list, tuple, set, frozenset)
_OURS: Final = __name__.rpartition(".")[0]


def bytes_of(columns: Columns) -> int:
    """Bytes that a store's arrays take of this process's own memory, each block once.

    What is mapped from a file is not counted: the system may drop it, and processes share it.
    """
    view, recent = columns.view, columns.recent
    return 0 if view is None else recent.bytes + sum(_blocks_of(view))


def _blocks_of(thing: object) -> Iterator[int]:
    seen: set[int] = set()
    waiting: list[Any] = [thing]
    while waiting:
        each = waiting.pop()
        if isinstance(each, _PLAIN):
            continue
        each = _whole(each)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            yield each.nbytes
        elif isinstance(each, memoryview):
            waiting.append(each.obj)
        elif isinstance(each, _BYTES):
            yield len(each)
        elif isinstance(each, dict):
            yield sys.getsizeof(each)
            waiting += each.values() if len(each) < _MANY else ()
        elif isinstance(each, _SEQUENCES):
            yield sys.getsizeof(each)
            waiting += each if len(each) < _MANY else ()
        elif type(each).__module__.startswith(_OURS):
            waiting += _parts_of(each)


def _whole(thing: Any) -> Any:
    """What an array is a part of; anything else as it is."""
    while isinstance(thing, np.ndarray) and thing.base is not None:
        thing = thing.base
    return thing


def _parts_of(thing: object) -> Iterator[object]:
    """What an object of ours holds in its attributes."""
    yield from getattr(thing, "__dict__", {}).values()
    for name in getattr(thing, "__slots__", ()):
        yield getattr(thing, name, None)
