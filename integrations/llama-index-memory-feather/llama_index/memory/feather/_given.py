"""What a conversation is to consist of, and what waits behind it, until a file has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from llama_index.core.base.llms.types import ChatMessage

from feather_memory import ParameterError


@dataclass(eq=False, slots=True)
class Given:
    """A whole conversation that is written once, by whichever call comes to it first."""

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


@dataclass(eq=False, slots=True)
class Waiting:
    """What of one conversation could not be saved yet, in the order in which it was said.

    Another conversation has another: what comes back to that of one that was replaced or erased is
    never looked at.
    """

    messages: list[ChatMessage] = field(default_factory=list)
    _joined: Waiting | None = None
    """What this one's messages have become a part of."""

    def taken(self) -> list[ChatMessage]:
        """What waits, for the caller to save: it waits here no more."""
        found, self.messages = self.messages, []
        return found

    def put_back(self, messages: Sequence[ChatMessage]) -> None:
        """Let these wait on, before what was said since they were taken."""
        at = self
        while at._joined is not None:
            at = at._joined
        at.messages = [*messages, *at.messages]

    def join(self, later: Waiting) -> None:
        """Let what waits there wait here, after the others, as what comes back to it will."""
        self.messages = [*self.messages, *later.taken()]
        later._joined = self
