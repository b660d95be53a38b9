"""Messages of a conversation as what is said and asked in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.memory.feather.turns import current_turn

from feather_memory import Filter
from feather_memory.agent import Role, Said, is_fenced, turn_of, unseen

_SIDES: Final[dict[MessageRole, Role]] = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
}


def unfenced(message: ChatMessage) -> ChatMessage:
    """The message without what a memory had put into it: what was said."""
    kept = [b for b in message.blocks if not (isinstance(b, TextBlock) and is_fenced(b.text))]
    is_whole = len(kept) == len(message.blocks)
    return message if is_whole else message.model_copy(update={"blocks": kept})


def said_in(messages: Iterable[ChatMessage], actor: str | None = None) -> list[Said]:
    """What the messages say in words, one by one; blank for tools, systems and silence.

    Args:
        messages: In order, unfenced.
        actor: Who the user is.
    """
    return [
        Said(
            role=_SIDES.get(message.role, "assistant"),
            text=_words(message) if message.role in _SIDES else "",
            actor=actor if message.role == MessageRole.USER else None,
        )
        for message in messages
    ]


@dataclass(frozen=True, slots=True)
class Question:
    """What a conversation asks of what is remembered."""

    text: str | None
    """What the user said last; None for nothing."""
    turn: str
    """In which it is asked."""
    beyond: Filter | None
    """Memories that say something else than the messages, which the model is shown anyway."""

    @classmethod
    def of(cls, said: Sequence[Said], session: str | None) -> Self:
        """The question of a session's messages."""
        asked = [each for each in said if each.role == "user"]
        text = next((each.text for each in reversed(asked) if not each.is_blank), None)
        turn = current_turn() or turn_of(session, len(asked), text)
        return cls(text, turn, unseen(texts=[each.text for each in said if not each.is_blank]))


def _words(message: ChatMessage) -> str:
    return "\n".join(b.text for b in message.blocks if isinstance(b, TextBlock)).strip()
