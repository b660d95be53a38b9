"""Ninety days of raw turns with an assistant, drawn by a seed, and what a memory makes of them.

Twenty facts are told among chatter and small talk, some change, and the user asks for them time
and again; the assistant notes, answers and repeats. In the end each fact is asked for once, and
so is what nobody has said. Whoever is to be judged is told every turn, and says what it would
show for each question: a store, an adapter, another library.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from feather_memory.testing.life import (
    ACKNOWLEDGED,
    CHATTER,
    FACTS,
    REQUESTS,
    SMALL,
    UNANSWERABLE,
    Fact,
)

DAYS: Final = 90
SHOWN: Final = 5
"""Memories that count of what is shown for a question."""

BEGIN: Final = datetime(2026, 2, 2, 9, tzinfo=UTC)
END: Final = BEGIN + timedelta(days=DAYS, hours=1)
"""When the questions of the end are asked."""

_PACE: Final = timedelta(minutes=2)


class Exchange(NamedTuple):
    """What the user said, and what the assistant answered."""

    at: datetime
    session: str
    """The day, such as "day-7"."""
    user: str
    assistant: str
    fact: int | None = None
    """Which fact the user tells a value of, by its place in the script's; None for none."""


@dataclass(frozen=True, slots=True)
class Script:
    """All that is said, in its order, and what is asked in the end."""

    exchanges: tuple[Exchange, ...]
    facts: tuple[Fact, ...] = FACTS
    unanswerable: tuple[str, ...] = UNANSWERABLE

    @property
    def questions(self) -> list[str]:
        """Those of the facts, then those that nothing answers."""
        return [*(fact.questions[0] for fact in self.facts), *self.unanswerable]


def script(seed: int = 0) -> Script:
    """The ninety days of this seed: the same in every process.

    >>> some = script()
    >>> len(some.facts), sum(len(fact.values) for fact in some.facts), len(some.exchanges) > 300
    (20, 39, True)
    """
    random = Random(seed)  # noqa: S311  drawn anew from its seed, to hide nothing
    told = _told(random)
    known: dict[int, str] = {}
    exchanges: list[Exchange] = []
    for day in range(DAYS):
        said: list[tuple[str, str, int | None]]
        said = [(user, assistant, None) for user, assistant in _by_the_way(random, known)]
        for fact, value in told.get(day, ()):  # after the day's questions, which ask for the old
            known[fact] = FACTS[fact].values[value].word
            said.append((FACTS[fact].values[value].told, random.choice(ACKNOWLEDGED), fact))
        at = BEGIN + timedelta(days=day)
        for nth, (user, assistant, told_fact) in enumerate(said):
            exchanges.append(Exchange(at + nth * _PACE, f"day-{day}", user, assistant, told_fact))
    return Script(tuple(exchanges))


def _told(random: Random) -> Mapping[int, list[tuple[int, int]]]:
    """On which days which (fact, value) is told: first, second and third ones a month apart."""
    told: dict[int, list[tuple[int, int]]] = {}
    for number, fact in enumerate(FACTS):
        for nth in range(len(fact.values)):
            day = 28 * nth + random.randrange(24)
            told.setdefault(day, []).append((number, nth))
    return told


def _by_the_way(random: Random, known: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    """What else is said on a day: chatter, requests, and questions for what was told before."""
    for _ in range(random.randint(1, 3)):
        said, answer = random.choice(CHATTER)
        yield said.format(random.randint(2, 60)), answer
    if random.random() < 0.4:
        yield random.choice(REQUESTS)
    for number in random.sample(sorted(known), min(len(known), random.randint(0, 2))):
        fact = FACTS[number]
        yield random.choice(fact.questions), fact.answer.format(known[number])
    if random.random() < 0.5:
        yield random.choice(SMALL)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well what was shown serves: counts over the questions of a Script."""

    current_first: int
    """Facts whose current value is shown before any that no longer holds."""
    current_shown: int
    """Facts whose current value is among the five."""
    stale_first: int
    """Facts of which a value that no longer holds is shown before the current one, or without."""
    stale_shown: int
    """Facts of which a value that no longer holds is among the five."""
    places: int
    """Memories that were shown for facts, five a question at most."""
    duplicates: int
    """Places of texts that were shown for the same question before, but for case and marks."""
    questions: int
    """Places of texts that end in a question mark."""
    silent: int
    """Unanswerable questions for which nothing is shown."""

    def __str__(self) -> str:
        return (
            f"current first {self.current_first}, shown {self.current_shown}; stale first "
            f"{self.stale_first}, shown {self.stale_shown}; of {self.places} places duplicates "
            f"{self.duplicates}, questions {self.questions}; silent {self.silent}"
        )


def judged(asked: Script, show: Callable[[str], Sequence[str]]) -> Judgement:
    """What a memory that was told the script shows for its questions.

    Args:
        asked: The script.
        show: The texts that are shown for a question, best first.
    """
    ranks = []
    places: list[tuple[bool, bool]] = []
    for fact in asked.facts:
        texts = list(show(fact.questions[0]))[:SHOWN]
        *old, current = (value.word for value in fact.values)
        told = [_tells(text, [current]) for text in texts]
        stale = [_tells(text, old) and not new for text, new in zip(texts, told, strict=True)]
        ranks.append((_rank(told), _rank(stale)))
        seen: set[str] = set()
        for text in texts:
            plain = " ".join(re.findall(r"\w+", text.casefold()))
            places.append((plain in seen, text.rstrip().endswith("?")))
            seen.add(plain)
    return Judgement(
        current_first=sum(new < old for new, old in ranks),
        current_shown=sum(new < SHOWN for new, _ in ranks),
        stale_first=sum(old < new for new, old in ranks),
        stale_shown=sum(old < SHOWN for _, old in ranks),
        places=len(places),
        duplicates=sum(again for again, _ in places),
        questions=sum(asks for _, asks in places),
        silent=sum(not show(question) for question in asked.unanswerable),
    )


class Line(NamedTuple):
    """A memory as a prompt shows it."""

    text: str
    date: str = ""
    """As the prompt tells it; "" where it tells none."""
    later: str = ""
    """What it says may have taken its place, by dates and beginnings; "" for nothing."""


_FENCED: Final = re.compile(r"<memory\b([^>]*)>([^<]*)</memory>")
_TOLD: Final = re.compile(r"""\b(date|later)=(?:"([^"]*)"|'([^']*)')""")


def lines_in(prompt: str) -> list[Line]:
    """The memories in a prompt, in its order."""
    lines = []
    for about, text in _FENCED.findall(prompt):
        told = {name: html.unescape(one or other) for name, one, other in _TOLD.findall(about)}
        lines.append(Line(html.unescape(text), **told))
    return lines


def carried(asked: Script, show: Callable[[str], Sequence[Line]]) -> tuple[int, int]:
    """How many memories with a value that no longer holds say what followed, and how many do not.

    One does that names the date of a line with a later value of the fact, or tells that value.

    Args:
        asked: The script that a memory was told.
        show: What is shown for a question, best first; `SHOWN` count.
    """
    does = stale = 0
    for fact in asked.facts:
        words = [value.word for value in fact.values]
        lines = list(show(fact.questions[0]))[:SHOWN]
        for line in lines:
            held = [at for at, word in enumerate(words) if _tells(line.text, [word])]
            if not held or held[-1] == len(words) - 1:
                continue
            newer = words[held[-1] + 1 :]
            dates = {one.date for one in lines if one.date and _tells(one.text, newer)}
            stale += 1
            does += _tells(line.later, newer) or any(date in line.later for date in dates)
    return does, stale - does


def _tells(text: str, words: Sequence[str]) -> bool:
    return any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in words)


def _rank(claims: Sequence[bool]) -> int:
    """Of the first that holds, from 0; SHOWN for none."""
    return claims.index(True) if True in claims else SHOWN
