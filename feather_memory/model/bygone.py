"""Whether a sentence tells of what was, and is no more: "used to", "früher", "以前".

Such a sentence says nothing of what holds, so it says nothing again. Written for this table: of
each language the words that tell it from the present by themselves. A tense alone does not, for "I
moved to Oslo" tells where I live. But the verb of a statement does, where English has it in the
past, "Alice lived in Oslo"; not where it only began then: "has lived".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from feather_memory.model.tokens import UNSPACED, folded

_BYGONE: Final = """
    used to|formerly|previously|in the past|back then|in those days|back in the day|no longer
    any more|anymore
    früher|damals|ehemals|vormals|einst|nicht * mehr|kein * mehr|keine * mehr|keinen * mehr
    autrefois|jadis|anciennement|auparavant|à l'époque|par le passé|dans le passé|n'* plus|ne * plus
    antes|antiguamente|anteriormente|solía|ya no|no * más|en el pasado
    en aquel entonces|por entonces
    antigamente|anteriormente|costumava|já não|não * mais|no passado|naquela época
    un tempo|in passato|una volta|precedentemente|non * più|all'epoca
    vroeger|voorheen|destijds|niet * meer|geen * meer|toentertijd
    kiedyś|dawniej|wcześniej|już nie|uprzednio|w przeszłości
    раньше|прежде|когда-то|больше не|не * больше|уже не|в прошлом|ранее|бывало
    eskiden|önceden|bir zamanlar|geçmişte
    سابقا|سابقًا|في الماضي|كنت|كان|كانت|لم أعد|لم يعد|لم تعد|من قبل
    पहले|था|थी|थे
    پہلے|تھا|تھی|تھے
"""
_UNSPACED_BYGONE: Final = (
    "以前|从前|從前|曾经|曾經|过去|過去|不再|当年|當年"
    "|昔|かつて|ていました|んでいました|ていた[。 ]?$|んでいた[。 ]?$"
    "|예전|이전에|과거에|더 이상|더이상|았었|었었|였었"
    "|เคย|เมื่อก่อน|แต่ก่อน|ไม่ได้.*แล้ว"
)
_BEGUN: Final = frozenset(
    folded("have has having 've 's is are am be been being was were get gets")
)
"""English, before a verb's past form: what began then, or what was done to somebody."""
_CLAUSE: Final = re.compile(
    r"[,:;()\u2013\u2014\u060c\u3001\uff0c\uff1a]|\s-\s"
    r"|\b(?:and|but|und|aber|sondern|et|mais|pero|però|mas|maar|ale|lecz|и|но|ve|ama|لكن|और|लेकिन"
    r"|اور|لیکن)\b",
    re.IGNORECASE,
)
"""Where one clause ends and the next begins."""
_BESIDE: Final = 2
"""Words that may stand between: "has always lived"."""


def is_bygone(sentence: str, fact: str, has_value: Callable[[str], bool]) -> bool:
    """Whether a sentence tells of the past what a fact, which it may say again, tells of now.

    Args:
        sentence: Of a text.
        fact: What was replaced.
        has_value: Whether a clause has of the fact what was replaced. Each that has must tell of
            the past: "I used to work in Rome, but live in Oslo" does not, of Oslo.

    >>> is_bygone("Alice used to live in Oslo", "Alice lives in Oslo", lambda _: True)
    True
    >>> is_bygone("Alice has lived in Oslo", "Alice lives in Oslo", lambda _: True)
    False
    """
    told = [clause for clause in _CLAUSE.split(sentence) if has_value(clause)]
    is_past = _tells(fact)
    return bool(told) and all(
        (_tells(clause) and not is_past) or any(_in_the_past(clause, fact)) for clause in told
    )


def _tells(sentence: str) -> bool:
    said = f" {' '.join(folded(sentence))} "
    if _phrases().search(said) is not None:
        return True
    return UNSPACED.search(sentence) is not None and _RUNS.search(sentence) is not None


def _in_the_past(sentence: str, fact: str) -> Iterator[bool]:
    """Of each verb of the fact that the sentence has in English's past: it did not begin then."""
    words, now = folded(sentence), set(folded(fact))
    for at, word in enumerate(words):
        if word.endswith("ed") and word not in now and not now.isdisjoint(_present(word)):
            yield _BEGUN.isdisjoint(words[max(0, at - _BESIDE) : at])


def _present(past: str) -> set[str]:
    """How a regular English verb may be written in the present: "lived" as "live", "lives"."""
    stem, with_e = past[:-2], past[:-1]
    stems = {stem, with_e, stem[:-1] + "y" if stem.endswith("i") else stem}
    if len(stem) > 2 and stem[-1] == stem[-2]:  # "planned"
        stems.add(stem[:-1])
    return {form for each in stems for form in (each, f"{each}s", f"{each}es")} | {
        f"{stem[:-1]}ies" if stem.endswith("i") else stem
    }


_RUNS: Final = re.compile(_UNSPACED_BYGONE)


@cache
def _phrases() -> re.Pattern[str]:
    """Matches one of them among folded words; "*" is any that stand between."""
    listed = (each.strip() for each in re.split(r"[|\n]", _BYGONE))
    parts = ([re.escape(" ".join(folded(p))) for p in each.split("*")] for each in listed if each)
    return re.compile(f" (?:{'|'.join(' (?:.* )?'.join(each) for each in parts)}) ")
