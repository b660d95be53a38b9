"""How much of a conversation goes before a model, reading no more of it than that."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.utils import get_tokenizer

_TOKENS_OF_OTHERS: Final = 256
"""What an image or a sound is taken to weigh; LlamaIndex's own estimate."""

_Weight: TypeAlias = tuple[str, int]

_COUNTS: Final = 16_384
"""Of how many texts this process knows how many tokens they have, by their digests: 2 MB."""


def fitting(kept: Sequence[str], unsaved: Sequence[ChatMessage], limit: int) -> list[ChatMessage]:
    """The last messages that have at most so many tokens; if not all, from a user's message on.

    System messages are always among them, and so is the last turn, however long it is: a model
    that is asked nothing, or a tool's result without its call, is an error at every provider.

    Args:
        kept: The messages of a conversation as JSON, as its file has them, oldest first.
        unsaved: Messages after those.
        limit: In tokens.
    """
    said = _Said(kept, unsaved)
    systems = said.systems()
    others = [at for at in range(len(said)) if at not in systems]
    room = _Room(limit - sum(_tokens(_weight(said[at])) for at in systems))
    start = len(others)
    while start > 0 and room.takes(said[others[start - 1]]):
        start -= 1
    if start > 0:
        later = (n for n in range(start, len(others)) if said.is_asked(others[n]))
        earlier = (n for n in range(start - 1, -1, -1) if said.is_asked(others[n]))
        start = next(later, next(earlier, start))
    return [said[at] for at in sorted([*systems, *others[start:]])]


class _Said:
    """Messages by their places, each read when it is first looked at."""

    def __init__(self, kept: Sequence[str], unsaved: Sequence[ChatMessage]) -> None:
        self._kept = kept
        self._read = dict(enumerate(unsaved, len(kept)))

    def __len__(self) -> int:
        return max(len(self._kept), *(at + 1 for at in self._read), 0)

    def __getitem__(self, at: int) -> ChatMessage:
        if at not in self._read:
            self._read[at] = ChatMessage.model_validate(json.loads(self._kept[at])["message"])
        return self._read[at]

    def is_asked(self, at: int) -> bool:
        """Whether the user says it."""
        return bool(self[at].role == MessageRole.USER)

    def systems(self) -> list[int]:
        """The places of system messages; in what has not the word, there is none."""
        named = [at for at, text in enumerate(self._kept) if '"system"' in text]
        places = [*named, *range(len(self._kept), len(self))]
        return [at for at in places if self[at].role == MessageRole.SYSTEM]


class _Room:
    """Tokens that are left. Only what does not fit by its bytes is counted."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._bytes = 0
        self._uncounted: list[_Weight] = []

    def takes(self, message: ChatMessage) -> bool:
        """Whether it fits, too."""
        text, others = weight = _weight(message)
        self._uncounted.append(weight)
        self._bytes += len(text.encode()) + others
        if self._bytes <= self._left:  # no tokenizer makes more tokens than there are bytes
            return True
        self._left -= sum(map(_tokens, self._uncounted))
        self._bytes, self._uncounted = 0, []
        return self._left >= 0


class _Counts:
    """How many tokens texts have by one tokenizer; those not asked for longest are dropped."""

    def __init__(self) -> None:
        self._tokenizer: Callable[[str], list[Any]] | None = None
        self._held: OrderedDict[bytes, int] = OrderedDict()

    def of(self, text: str) -> int:
        """How many the text has."""
        tokenizer = get_tokenizer()
        if tokenizer is not self._tokenizer:
            self._tokenizer, self._held = tokenizer, OrderedDict()
        held, digest = self._held, blake2b(text.encode(), digest_size=16).digest()
        if (count := held.get(digest)) is None:
            count = len(tokenizer(text))
        held[digest] = count
        if len(held) > _COUNTS:
            held.pop(next(iter(held)), None)
        return count


_counts = _Counts()


def _weight(message: ChatMessage) -> _Weight:
    """What of a message is text, and how many tokens all else is taken to have."""
    texts = [block.text for block in message.blocks if isinstance(block, TextBlock)]
    others = len(message.blocks) - len(texts)
    words = texts[0] if len(texts) == 1 else "\n".join(texts)
    return f"{words}{message.additional_kwargs or ''}", _TOKENS_OF_OTHERS * others


def _tokens(weight: _Weight) -> int:
    text, others = weight
    return _counts.of(text) + others
