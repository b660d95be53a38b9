"""What a conversation is to consist of, until a file has it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from llama_index.core.base.llms.types import ChatMessage

from feather_memory import ParameterError

_Result = TypeVar("_Result")


@dataclass(eq=False, slots=True)
class Given:
    """A whole conversation that is written once, by whichever call comes to it first.

    Safe for threads and loops. Nobody waits for another's embedding while holding a thread: a call
    on a loop may be the one without which the other does not end.
    """

    messages: list[ChatMessage]
    is_kept: bool = False
    """Whether the file has it, be it that it is still to be embedded."""
    _turns: dict[asyncio.AbstractEventLoop, asyncio.Lock] = field(default_factory=dict)

    @classmethod
    def of(cls, messages: Sequence[ChatMessage]) -> Self:
        """These messages.

        Raises:
            ParameterError: One is none; it would be tried for ever.
        """
        given = list(messages)
        for each in given:
            if not isinstance(each, ChatMessage):
                raise ParameterError(f"a conversation consists of ChatMessages, got {each!r:.80}")
        return cls(given)

    def turn(self) -> asyncio.Lock:
        """Of the running loop's calls one embeds it, and the others wait for that one."""
        return self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    def kept(self) -> None:
        """Note that the file has it."""
        self.is_kept = True
        self.messages = []
        self._turns.clear()


@dataclass(slots=True)
class Latest:
    """What was given last to one memory."""

    given: Given | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pending(self) -> Given | None:
        """It, if no file has it yet."""
        given = self.given
        return None if given is None or given.is_kept else given

    def once(self, given: Given | None, write: Callable[[], _Result], done: _Result) -> _Result:
        """Write, in which what was given is kept; `done` if it is kept, or has been overtaken.

        Args:
            given: What is written so; None for anything else, which is just written.
            write: Writes.
            done: What there is to say of nothing written.
        """
        if given is None:
            return write()
        with self._writing:
            if self.pending is not given:
                return done
            result = write()
            given.kept()
            return result
