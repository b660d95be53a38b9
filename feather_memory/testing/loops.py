"""What a thread does that an event loop runs in: what holds up everybody there, and how much.

Counted, not timed: a busy machine makes a loop stall by itself, and changes no count.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, TypeAlias

MOST_CALLS: Final = 3_000
"""That one call of an adapter may make on the loop: about a millisecond's."""

Work: TypeAlias = Callable[[int], Awaitable[object]]
"""One call of an adapter; the number is a new one each time."""

_RUNS: Final = 2  # the first opens what the second has
_OURS: Final = ("feather_memory", "llama_index/memory/feather")
_NOT_OURS: Final = ("feather_memory/testing/", "feather_memory/write/hashing", "/tests/")
"""What only tests have, such as an embedding that a service would ask over a network."""

_DATABASE: Final = "sqlite3"
_DATABASES: Final = frozenset({_DATABASE, f"_{_DATABASE}"})  # whose calls and whose objects'
_SERVER: Final = "psycopg"
_SERVERS: Final = frozenset(
    {
        (f"{_SERVER}.connection", "Connection.wait"),  # all that is asked goes through it
        (f"{_SERVER}.waiting", "wait_conn"),  # and this begins the connection
    }
)
"""Functions of a library that need not be there, each with its module."""
_WAITING: Final = frozenset({threading.Condition.wait.__code__, threading.Thread.join.__code__})
_OF_A_START: Final = threading.Thread.start.__code__


@dataclass(slots=True)
class Held:
    """What a thread did."""

    by: list[str] = field(default_factory=list)
    """What a loop must not do: ask a database, open a file, sleep, wait for a thread.

    Such a wait is one for its end, or on a condition. Who waits for a lock goes unseen: the
    interpreter does not tell of a `with`.
    """
    calls: int = 0
    """How many calls our own code made, and of it."""

    @property
    def asks_database(self) -> bool:
        """Whether it asked one, be it a file or a server."""
        return any(each.startswith((f"{_DATABASE}: ", f"{_SERVER}: ")) for each in self.by)

    def note(self, frame: FrameType, event: str, called: Any) -> None:
        """As `sys.setprofile` tells it."""
        if event == "c_call":
            owner = getattr(called, "__self__", None)
            homes = {getattr(called, "__module__", None)}
            homes.update(each.__module__ for each in type(owner).__mro__)
            if homes & _DATABASES:
                self.by.append(f"{_DATABASE}: {called.__name__}")
            elif called in {time.sleep, io.open}:
                self.by.append(called.__name__)
            self.calls += _is_ours(frame)
        elif event == "call":
            if frame.f_code in _WAITING and not _is_short(frame):
                self.by.append(frame.f_code.co_qualname)
            elif (frame.f_globals.get("__name__"), frame.f_code.co_qualname) in _SERVERS:
                self.by.append(f"{_SERVER}: {frame.f_code.co_name}")
            self.calls += _is_ours(frame)


def _is_ours(frame: FrameType) -> bool:
    place = frame.f_code.co_filename.replace("\\", "/")
    return any(each in place for each in _OURS) and not any(each in place for each in _NOT_OURS)


def _is_short(frame: FrameType) -> bool:
    """Whether it is for a thread that begins, which takes no longer than that, or for no time."""
    if frame.f_locals.get("timeout") == 0:
        return True
    above = frame.f_back and frame.f_back.f_back
    return above is not None and above.f_code is _OF_A_START


@contextmanager
def holding() -> Iterator[Held]:
    """What this thread does in the block.

    >>> with holding() as loop:
    ...     time.sleep(0)
    >>> loop.by
    ['sleep']
    """
    found, before = Held(), sys.getprofile()
    sys.setprofile(found.note)
    try:
        yield found
    finally:
        sys.setprofile(before)


async def held(work: Work) -> Held:
    """What is done in the loop's thread while calls are awaited, by whatever runs there.

    Args:
        work: Begins a call, of which each has a number of its own.
    """
    found = []
    for number in range(_RUNS):
        with holding() as one:
            await work(number)
        found.append(one)
    return max(found, key=lambda one: (one.by, one.calls))


async def goes_on(work: Work, most: int = MOST_CALLS) -> bool:
    """Whether the loop is free for others while calls are awaited.

    Raises:
        AssertionError: It is held up; says by what.
    """
    found = await held(work)
    if found.by:
        raise AssertionError(f"the loop's thread is held up by {found.by}")
    return found.calls <= most
