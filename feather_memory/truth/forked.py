"""What is told of a fork in its child, so that it begins anew what another thread was amid."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """What has to begin anew in a fork."""

    def start_over(self) -> None:
        """Begin anew, before any thread of the child uses it."""


_all: weakref.WeakSet[Forked] = weakref.WeakSet()
_is_watching = threading.Event()


def watch(one: Forked) -> None:
    """See that it begins anew in every fork from now on, as long as anybody holds it."""
    _all.add(one)
    if not _is_watching.is_set() and hasattr(os, "register_at_fork"):
        _is_watching.set()
        os.register_at_fork(after_in_child=_start_over)


def _start_over() -> None:
    for one in list(_all):
        one.start_over()
