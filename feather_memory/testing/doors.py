"""One way into an agent's adapter, as the contract of adapters uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a door showed a model for one question."""

    turn: str
    """By which `act` knows it."""
    texts: Sequence[str]
    """Of the memories, best first."""
    prompt: str | None = None
    """The text that goes before the model, if the door makes one; "" where it shows nothing."""


class AgentDoor:
    """One way into an adapter, opened on one source."""

    def recall(self, question: str) -> Shown:
        """Ask, as a user's message does."""
        raise NotImplementedError

    def remember(
        self,
        user: str,
        assistant: str,
        *,
        session: str,
        message_ids: tuple[str, str],
        turn: str | None = None,
    ) -> None:
        """Have one exchange remembered. A retry comes with the same arguments."""
        raise NotImplementedError

    def act(
        self,
        name: str,
        turn: str,
        *,
        memory_ids: Sequence[str] | None = None,
        text: str | None = None,
    ) -> None:
        """Do `like`, `dislike`, `saved`, `copied`, or `corrected` with the text that is true."""
        raise NotImplementedError

    def take_back(self, turn: str, kind: str) -> None:
        """Take back what was done, by its kind, such as "liked"."""
        raise NotImplementedError

    def correct(self, memory_id: str, text: str) -> None:
        """Correct one memory by its id, as the model's tool does."""
        raise NotImplementedError
