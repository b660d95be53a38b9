"""What is embedded for a turn of a conversation: who says it, after what was said before.

A turn is a memory of a session that is no slot's value and that somebody speaks. "Yes, on Friday"
says little by itself; with the question before it, it is found by what it answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

from feather_memory.config import CONTEXT_CHARACTERS, WHOLE_CHARACTERS
from feather_memory.model.fields import Record


@dataclass(frozen=True, slots=True)
class Spoken:
    """A turn, as the vectors of what follows it hold it."""

    session: str
    speaker: str
    text: str
    """From its beginning, as much as what follows it may hold."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self | None:
        """By the fields of a memory; None where it is no turn."""
        session, speaker, text = said.get("session"), said.get("actor"), said.get("text")
        speaker = said.get("role") if speaker is None else speaker
        if None in {session, speaker, text} or said.get("key") is not None:
            return None
        return cls(str(session), str(speaker), str(text)[:CONTEXT_CHARACTERS])

    @classmethod
    def by(cls, record: Record | None) -> Self | None:
        """By a memory; None where there is none, or it is no turn."""
        if record is None:
            return None
        return cls.of({name: getattr(record, name) for name in _SAID})

    @property
    def digest(self) -> int:
        """63 bits by which a vector that holds it is known. Another session's differ."""
        told = f"{self.session}\0{self.speaker}\0{self.text}".encode()
        return int.from_bytes(blake2b(told, digest_size=8).digest()) >> 1

    def followed_by(self, line: str) -> str:
        """What is embedded for a line that is said after it."""
        return f"{self.speaker}: {self.text}\n{line}"


_SAID = ("text", "key", "session", "actor", "role")


def composed(said: Mapping[str, Any], before: Spoken | None) -> str:
    """What is embedded for a memory: its text, if it is no turn.

    Args:
        said: Its fields.
        before: The turn before it, if there is one.
    """
    turn, text = Spoken.of(said), str(said["text"])
    if turn is None:
        return text
    line = f"{turn.speaker}: {text}"
    return line if before is None or is_whole(text) else before.followed_by(line)


def is_whole(text: str) -> bool:
    """Whether a text is long enough to say by itself what it is about."""
    return len(text) > WHOLE_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Anew:
    """A vector that is to be made, or was, of a memory that is stored."""

    row: int
    """The memory's."""
    spoken: str
    """What is embedded for it."""
    context: int | None = None
    """The digest of the turn before it, if its text is in it."""
    follows: int | None = None
    """That turn's row."""
    vector: bytes | None = None
    """Little-endian float32, once it is made."""
    model: str | None = None
    """The name of the model that made it, if anybody said."""

    @classmethod
    def of(cls, record: Record, before: Record | None, said: Spoken | None = None) -> Self:
        """Of a memory.

        Args:
            record: The memory.
            before: The turn before it, if there is one.
            said: What that one will say; as it is, unless given.
        """
        own, said = {name: getattr(record, name) for name in _SAID}, said or Spoken.by(before)
        spoken = composed(own, said)
        if before is None or said is None or Spoken.of(own) is None or is_whole(record.text):
            return cls(row=record.row, spoken=spoken)
        return cls(row=record.row, spoken=spoken, context=said.digest, follows=before.row)
