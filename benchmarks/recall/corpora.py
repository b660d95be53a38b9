"""What is remembered and asked: conversations of LoCoMo, and chats of BEAM."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

Row = dict[str, Any]

LOCOMO, BEAM = "locomo-dev", "beam-dev"
CATEGORIES: Final = {
    1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"
}  # fmt: skip
ADVERSARIAL: Final = CATEGORIES[5]
CONTEXT: Final = 200  # characters of the turn before that a store embeds with a turn
BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)  # of BEAM's chats: most messages carry no date


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a talk."""

    id: str
    text: str
    at: datetime
    session: str | None
    actor: str | None = None
    role: str | None = None
    in_context: str = ""
    """What a store embeds for it: who says it, below the turn before."""
    in_file: str = ""
    """What the file of vectors has for that: the turn before without the caption of its image."""

    @property
    def named(self) -> str:
        """The text after who says it, for those who have no field for that."""
        return f"{self.actor or self.role}: {self.text}"

    def record(self) -> Row:
        """As `Store.add_many` takes it."""
        return {
            "id": self.id, "text": self.text, "session": self.session, "actor": self.actor,
            "role": self.role, "valid_from": self.at,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and which turns it needs."""

    text: str
    category: str
    evidence: frozenset[str]
    new: tuple[str, ...] = ()
    """Turns that say what holds now, where something has changed."""
    old: tuple[str, ...] = ()
    """Turns that say what held before."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation, in its order, and what is asked of it."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Asked, ...]

    @property
    def last(self) -> datetime:
        """A second after its last turn."""
        return max(turn.at for turn in self.turns) + timedelta(seconds=1)


def locomo(data: Path, limit: int | None = None) -> list[Talk]:
    """Its conversations, with the questions that name their evidence.

    Args:
        data: The folder of evaluation data.
        limit: Questions of each conversation.
    """
    folder = data / LOCOMO
    asked = [row for row in _rows(folder / "questions.jsonl") if row["evidence"]]
    rows = sorted(_rows(folder / "turns.jsonl"), key=lambda row: str(row["conversation"]))
    talks = []
    for name, own in groupby(rows, key=lambda row: row["conversation"]):
        questions = [
            Asked(row["question"], CATEGORIES[row["category"]], frozenset(row["evidence"]))
            for row in asked
            if row["conversation"] == name
        ]
        talks.append(Talk(str(name), tuple(_turns(list(own))), tuple(questions[:limit])))
    return talks


def beam(data: Path, roles: Sequence[str] = ("user",), limit: int | None = None) -> list[Talk]:
    """Its chats, with the questions for which a message of the user is evidence.

    Only those messages count as evidence, whoever else is stored.
    """
    folder = data / BEAM
    asked, talks = _rows(folder / "questions.jsonl"), []
    rows = _rows(folder / "messages.jsonl.gz")
    for name, own in groupby(rows, key=lambda row: row["chat"]):
        messages = list(own)
        theirs = {row["id"] for row in messages if row["role"] == "user"}
        turns: list[Turn] = []
        for at, row in enumerate(row for row in messages if row["role"] in roles):
            turns.append(Turn(
                id=str(row["id"]), text=row["text"], at=BEGIN + timedelta(hours=at),
                session=str(name), role=row["role"],
                in_context=_in_context(row["role"], row["text"], turns[-1] if turns else None),
            ))  # fmt: skip
        questions = [
            _of_beam(row, theirs)
            for row in asked
            if row["chat"] == name and theirs & set(row["evidence"])
        ]
        talks.append(Talk(str(name), tuple(turns), tuple(questions[:limit])))
    return talks


def _of_beam(row: Row, theirs: set[Any]) -> Asked:
    update = row["update"] or {"new": (), "old": ()}
    return Asked(
        row["question"],
        row["category"],
        frozenset(str(each) for each in row["evidence"] if each in theirs),
        new=tuple(map(str, update["new"])),
        old=tuple(map(str, update["old"])),
    )


def _rows(path: Path) -> list[Row]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _turns(rows: Sequence[Row]) -> Iterator[Turn]:
    before: Turn | None = None
    plain = ""
    for place, row in enumerate(rows):
        text = row["text"] + (f" [image: {row['caption']}]" if row["caption"] else "")
        day = datetime.strptime(row["date"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
        session = str(row["session"])
        is_next = before is not None and before.session == session
        line = f"{row['speaker']}: {text}"
        before = Turn(
            id=row["turn"], text=text, session=session, actor=row["speaker"],
            at=day + timedelta(seconds=place),  # a session has one date: seconds keep the order
            in_context=_in_context(row["speaker"], text, before if is_next else None),
            in_file=f"{plain}\n{line}" if is_next else line,
        )  # fmt: skip
        plain = f"{row['speaker']}: {row['text'][:CONTEXT]}"
        yield before


def _in_context(speaker: str, text: str, before: Turn | None) -> str:
    line = f"{speaker}: {text}"
    return line if before is None else f"{before.named[: _start(before)]}\n{line}"


def _start(turn: Turn) -> int:
    return len(turn.named) - len(turn.text) + CONTEXT
