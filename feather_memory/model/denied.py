"""What a sentence says is not so: the word that follows a negation, within one clause.

"Alice does not live in Oslo" denies that she lives there, and "Alice lives in Oslo and does not
like tea" denies something else. In scripts without spaces, and in Turkish, a verb that is denied is
another word, which needs no table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from feather_memory.model.tokens import folded

_NEGATIONS: Final = """
    not no never longer neither nor don't doesn't didn't isn't aren't wasn't weren't won't can't
    cannot hasn't haven't anymore more any
    nicht nie niemals kein keine keinen keinem keiner mehr
    ne n pas plus jamais
    no nunca ya jamás más
    não nunca mais
    non mai più
    niet geen nooit meer
    nie już nigdy
    не больше никогда уже
    değil
    لا ليس ليست لم لن
    नहीं नही मत
    نہیں
"""
_MORE: Final = "longer more anymore any mehr plus ya más mais più meer już больше уже"
"""What denies nothing by itself, and may stand behind what does."""
_CLAUSE: Final = re.compile(r"[,:;()\u2013\u2014\u060c\u3001\uff0c\uff1a]|\s-\s")
_SHORT: Final = 2
"""Letters of what may stand between: "not in", "nicht in", "не в"."""


def denied_in(sentence: str) -> Iterator[tuple[str, str]]:
    """Each negation of a sentence, folded, and the folded word it denies.

    >>> list(denied_in("No, Alice does not live in Oslo"))
    [('not', 'live')]
    """
    negations, more = _negations()
    for clause in _CLAUSE.split(sentence):
        words = folded(clause)
        for at, word in enumerate(words):
            if word in negations and word not in more:
                rest = (each for each in words[at + 1 :] if each not in negations)
                if (after := next((each for each in rest if len(each) > _SHORT), None)) is not None:
                    yield word, after


@cache
def _negations() -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(folded(_NEGATIONS)), frozenset(folded(_MORE))
