"""What a conversation is to consist of, until a file has it."""

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
