"""How much of a conversation goes before a model, reading no more of it than that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.utils import get_tokenizer
from llama_index.memory.feather._reading import messages_of

_TOKENS_OF_OTHERS: Final = 256
"""What an image or a sound is taken to weigh; LlamaIndex's own estimate."""

_AT_ONCE: Final = 32_768
"""How many characters of messages are read at once."""

_Weight: TypeAlias = tuple[str, int]

_COUNTS: Final = 16_384
"""Of how many texts this process knows how many tokens they have."""
_SHORT: Final = 128
"""Up to how many characters a text is its own key; a longer one is known by its digest. 4 MB."""


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
    is_system = set(systems).__contains__
    others = [at for at in range(len(said)) if not is_system(at)]
    room = _Room(limit)
    room.holds(said[at] for at in systems)
    start = len(others)
    while start > 0 and room.takes(said[others[start - 1]]):
        start -= 1
    if start > 0:
        later = (n for n in range(start, len(others)) if said.is_asked(others[n]))
        earlier = (n for n in range(start - 1, -1, -1) if said.is_asked(others[n]))
        start = next(later, next(earlier, start))
    return [said[at] for at in sorted([*systems, *others[start:]])]


class _Said:
    """Messages by their places, read when they are looked at, or shortly before."""

    def __init__(self, kept: Sequence[str], unsaved: Sequence[ChatMessage]) -> None:
        self._kept = kept
        self._read = dict(enumerate(unsaved, len(kept)))

    def __len__(self) -> int:
        return max(len(self._kept), *(at + 1 for at in self._read), 0)

    def __getitem__(self, at: int) -> ChatMessage:
        if at not in self._read:
            self._look(at)
        return self._read[at]

    def _look(self, at: int) -> None:
        """Read it together with some before it, which come next: at once takes half as long."""
        start, chars = at, len(self._kept[at])
        while start > 0 and (chars := chars + len(self._kept[start - 1])) <= _AT_ONCE:
            start -= 1
        try:
            listed = messages_of(self._kept[start : at + 1])
        except ValueError:  # one that may not be needed is no message
            start, listed = at, messages_of([self._kept[at]])
        self._read.update(zip(range(start, at + 1), listed, strict=True))

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
        self._uncounted: list[str] = []

    def holds(self, messages: Iterable[ChatMessage]) -> None:
        """Take these, whether they fit or not."""
        for text, others in map(_weight, messages):
            self._left -= others + _counts.of([text])

    def takes(self, message: ChatMessage) -> bool:
        """Whether it fits, too."""
        text, others = _weight(message)
        self._uncounted.append(text)
        self._left -= others
        self._bytes += len(text) if text.isascii() else len(text.encode())
        if self._bytes <= self._left:  # no tokenizer makes more tokens than there are bytes
            return True
        self._left -= _counts.of(self._uncounted)
        self._bytes, self._uncounted = 0, []
        return self._left >= 0


class _Counts:
    """How many tokens texts have by one tokenizer; the first known go first."""

    def __init__(self) -> None:
        self._tokenizer: Callable[[str], list[Any]] | None = None
        self._held: dict[str | bytes, int] = {}

    def of(self, texts: Iterable[str]) -> int:
        """How many the texts have in all."""
        tokenizer = get_tokenizer()
        if tokenizer is not self._tokenizer:
            self._tokenizer, self._held = tokenizer, {}
        held, total = self._held, 0
        for text in texts:
            key = text if len(text) <= _SHORT else _digest(text)
            count = held.get(key)
            if count is None:
                count = held[key] = len(tokenizer(text))
                if len(held) > _COUNTS:
                    held.pop(next(iter(held)), None)
            total += count
        return total


_counts = _Counts()


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _weight(message: ChatMessage) -> _Weight:
    """What of a message is text, and how many tokens all else is taken to have."""
    blocks, named = message.blocks, message.additional_kwargs
    if len(blocks) == 1 and not named and isinstance(blocks[0], TextBlock):  # as most are
        return blocks[0].text, 0
    texts = [block.text for block in blocks if isinstance(block, TextBlock)]
    others = len(blocks) - len(texts)
    words = texts[0] if len(texts) == 1 else "\n".join(texts)
    return f"{words}{named or ''}", _TOKENS_OF_OTHERS * others
