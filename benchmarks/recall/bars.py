"""What was promised, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.recall.tables import Table

DEFAULT: Final = "default"
BY_WORDS: Final = "without an embedder"


@dataclass(frozen=True, slots=True)
class Bar:
    """At least, or at most, so much in one cell of one table."""

    says: str
    table: str
    """The title."""
    line: str
    head: str
    least: float | None = None
    most: float | None = None

    def judged(self, tables: Sequence[Table]) -> tuple[float | None, bool | None]:
        """What was measured, and whether the bar is met; None where nothing was."""
        found = [table.value(self.line, self.head) for table in tables if table.title == self.table]
        value = next((one for one in found if one is not None), None)
        if value is None:
            return None, None
        high_enough = self.least is None or value >= self.least
        return value, high_enough and (self.most is None or value <= self.most)


LOCOMO_TITLE: Final = "LoCoMo: what the default finds"
BEAM_TITLE: Final = "BEAM: messages of the user that answer"
UPDATES_TITLE: Final = "BEAM: what has changed"
AGED_TITLE: Final = "LoCoMo, asked later"
LIKES_TITLE: Final = "LoCoMo, after feedback on half of the questions"
LIFTS_TITLE: Final = "LoCoMo: how far a like lifts, by conversations left out"
DAYS_TITLE: Final = "Ninety days of raw turns"
SPEED_TITLE: Final = "How long a search takes"

SHIFTS: Final = (0, 30, 242, 1_000)
"""Days between a conversation's last turn and the question."""

KEYED: Final = "Store, the user's statements and keyed facts, MiniLM"

DOORS: Final = ("Store", "ContextLayers", "LangChain's retriever", "LlamaIndex's retriever")

LOST: Final = "most lost"
CARRIED: Final = "says what followed"
LEFT_OUT: Final = "left out"
SUGGESTED: Final = "old suggested"

BARS: Final = (
    Bar("LoCoMo R@10 ≥ 84", LOCOMO_TITLE, DEFAULT, "R@10", least=84),
    Bar("categories 1 to 4 ≥ 81", LOCOMO_TITLE, DEFAULT, "1–4", least=81),
    Bar("R@1 ≥ 40", LOCOMO_TITLE, DEFAULT, "R@1", least=40),
    Bar("MRR ≥ 60", LOCOMO_TITLE, DEFAULT, "MRR", least=60),
    Bar("without an embedder R@10 ≥ 77", LOCOMO_TITLE, BY_WORDS, "R@10", least=77),
    Bar("BEAM, user's messages stored, R@10 ≥ 66", BEAM_TITLE, "user's stored", "R@10", least=66),
    Bar("the assistant's, too: loss ≤ 4", BEAM_TITLE, "lost by that", "R@10", most=4),
    Bar("superseded: stale@5 = 0", UPDATES_TITLE, "superseded", "stale@5", most=0),
    Bar("not superseded: stale@1 ≤ 25", UPDATES_TITLE, "not superseded", "stale@1", most=25),
    Bar(
        "the old one among three suggestions ≥ 80",
        UPDATES_TITLE,
        "not superseded",
        SUGGESTED,
        least=80,
    ),
    *(Bar(f"{door}: lost by age ≤ .5", AGED_TITLE, door, LOST, most=0.5) for door in DOORS),
    Bar("liked evidence: repeats ≥ +8", LIKES_TITLE, "evidence liked", "repeats", least=8),
    Bar("liked evidence: others ≥ 0", LIKES_TITLE, "evidence liked", "others", least=0),
    Bar("all liked: others ≥ −.3", LIKES_TITLE, "all liked", "others", least=-0.3),
    Bar("all liked: repeats ≥ −.3", LIKES_TITLE, "all liked", "repeats", least=-0.3),
    Bar("the first clicked: others ≥ −.3", LIKES_TITLE, "the first clicked", "others", least=-0.3),
    Bar("clicks at random: others ≥ −.3", LIKES_TITLE, "one of ten clicked", "others", least=-0.3),
    Bar("a like, left out: repeats ≥ +8", LIFTS_TITLE, LEFT_OUT, "repeats", least=8),
    Bar("a like, left out: others ≥ 0", LIFTS_TITLE, LEFT_OUT, "others", least=0),
    Bar(
        "a like, left out: first clicked ≥ −.3",
        LIFTS_TITLE,
        LEFT_OUT,
        "others, first clicked",
        least=-0.3,
    ),
    Bar(
        "a like, left out: clicks at random ≥ −.3",
        LIFTS_TITLE,
        LEFT_OUT,
        "others, clicked at random",
        least=-0.3,
    ),
    Bar(
        "keyed facts beside the turns: current first ≥ 19",
        DAYS_TITLE,
        KEYED,
        "current first",
        least=19,
    ),
    Bar(
        "keyed facts beside the turns: stale among five 0", DAYS_TITLE, KEYED, "stale shown", most=0
    ),
    Bar("search p50 ≤ 5 ms", SPEED_TITLE, DEFAULT, "p50 ms", most=5),
    *(
        bar
        for door in ("LangChain's middleware, MiniLM", "LlamaIndex's memory, MiniLM")
        for bar in (
            Bar(f"{door}: current first ≥ 12", DAYS_TITLE, door, "current first", least=12),
            Bar(f"{door}: among five ≥ 17", DAYS_TITLE, door, "among five", least=17),
            Bar(f"{door}: duplicates 0", DAYS_TITLE, door, "duplicates", most=0),
            Bar(f"{door}: questions 0", DAYS_TITLE, door, "questions", most=0),
            Bar(f"{door}: silent ≥ 16 of 20", DAYS_TITLE, door, "silent", least=16),
            Bar(
                f"{door}: every stale one says what followed", DAYS_TITLE, door, CARRIED, least=100
            ),
        )
    ),
)
