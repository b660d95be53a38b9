"""What begins anew in a forked child: in the parent, others may have been half way further."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """What other threads of the parent may have been at work on."""

    def start_over(self) -> None:
        """Begin anew, before any thread of the child uses it."""


_all: weakref.WeakSet[Forked] = weakref.WeakSet()
_is_watching = threading.Event()


def watch(forked: Forked) -> None:
    """Have it start over in every child."""
    _all.add(forked)
    if not _is_watching.is_set() and hasattr(os, "register_at_fork"):
        _is_watching.set()
        os.register_at_fork(after_in_child=_start_over)


def _start_over() -> None:
    for each in list(_all):
        each.start_over()
