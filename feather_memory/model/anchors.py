"""What a question dates by what happened: "before I moved", "since we met".

Such a question names a time that only the memories know. It is taken where the clause is a whole
one, of a pronoun and what was done: "after the wedding" may be any, and "look after the children"
is no time. Which memory it is, and whether that is sure, search/anchored.py finds out.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from feather_memory.model.periods import LONGEST
from feather_memory.model.words import ENGLISH

Side: TypeAlias = Literal["before", "after", "since"]

MAY_NAME_AN_EVENT: Final = re.compile(r"\b(?:before|after|since)\s+(?:i|we|he|she|they)\b")
"""Found in every question, in small letters, that `anchor_in` finds one in."""

_EVENT: Final = re.compile(
    r"\b(?P<side>before|after|since)\s+(?:i|we|he|she|they)\b['\u2019]?(?P<clause>[^?.!,;:]+)",
    re.IGNORECASE,
)
_IS_ANOTHER: Final = re.compile(
    r"\b(?:minutes?|hours?|days?|weeks?|months?|years?|nights?|mornings?|evenings?|weekends?"
    r"|shortly|soon|right|just|long|looks?|looked|looking|named)\s+$",
    re.IGNORECASE,
)
"""What, before it, makes of it a moment near another, or no time at all."""


class Anchor(NamedTuple):
    """An event, and on which side of it the time is that a question names."""

    side: Side
    clause: str
    """What was done, without who did."""


def anchor_in(text: str, language: str = ENGLISH) -> Anchor | None:
    """The event by which a question is dated; None where it names none, or several.

    Args:
        text: The question.
        language: Of the store. English is read.

    >>> anchor_in("What did I drive before I moved to Porto?")
    Anchor(side='before', clause=' moved to Porto')
    >>> anchor_in("Who looks after the children?")
    """
    if language != ENGLISH or len(text) > LONGEST:
        return None
    found = _EVENT.search(text)
    is_one = len(MAY_NAME_AN_EVENT.findall(text.lower())) == 1
    if found is None or not is_one or _IS_ANOTHER.search(text[: found.start()]):
        return None
    return Anchor(cast("Side", found["side"].lower()), found["clause"])
