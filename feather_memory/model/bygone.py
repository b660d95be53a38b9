"""Whether a sentence tells of what was, and is no more: "used to", "no longer", "früher", "以前".

Such a sentence says nothing of what holds, so it says nothing again. It is made to find too little:
what is withheld though it told of the past does less harm than what was replaced and comes back.
So no word tells it by itself, for each has other uses ("is used to", "no longer than", "früher
Feierabend"): it has to stand at what the fact says, in a form of the fact's own words. What only
says when ("damals", "back then") tells nothing, nor does a tense alone, for "I moved to Oslo" tells
where I live. But the verb of the fact does, where English has it in the past: "Alice lived in
Oslo"; not where it only began then ("has lived"), is denied ("never lived elsewhere") or was done
("sessions stored in Redis").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from feather_memory.model.tokens import UNSPACED, folded

_CLAUSE: Final = re.compile(
    r"[,:;()\u2013\u2014\u060c\u3001\uff0c\uff1a]|\s-\s"
    r"|\b(?:and|but|und|aber|sondern|et|mais|pero|però|mas|maar|ale|lecz|и|но|ve|ama|لكن|और|लेकिन"
    r"|اور|لیکن)\b",
    re.IGNORECASE,
)
"""Where one clause ends and the next begins."""

_NO_LONGER: Final = """
    no longer|nicht mehr|niet meer|ya no|já não|już nie|больше не|لم أعد|لم يعد|لم تعد
    n'* plus|ne * plus|no * más|non * più
"""
"""What takes back all else that the clause says; "*" is one word that stands between."""
_USED_TO: Final = "solía|solías|solían|costumava|costumavam|كنت|كان|كانت"
"""What stands before the fact's verb and tells that it was so."""
_WAS_SO: Final = "था|थी|थे|تھا|تھی|تھے"
"""What stands behind it."""
_FORMERLY: Final = """
    formerly|previously|früher|ehemals|vormals|autrefois|jadis|anciennement|antiguamente
    antigamente|un tempo|in passato|vroeger|voorheen|kiedyś|dawniej|w przeszłości|когда-то
    eskiden|bir zamanlar
"""
"""What tells it beside another form of the fact's verb."""
_UNLIKE: Final = (
    "be is am are|was is am|were are|had has have|war bin ist|waren sind"
    "|était est|étais suis|étaient sont|estaba está estoy|estava está estou"
    "|era è é es soy sono jestem|was ben|waren zijn|był jest|była jest|byłem jestem|byłam jestem"
)
"""Forms that look unlike: of each the past, or English's infinitive, and the present."""
_NOT_OVER: Final = frozenset(
    folded(
        """never not nobody nowhere none nothing neither nor without hardly else than except since
        still now always ever already again today currently finally eventually less more
        just only alone with is are am must can will should does needs as known called
        named mentioned said told
        nie niemals nirgends nicht noch schon bereits immer jetzt seit als außer nur allein
        werde wirst wird werden
        jamais nulle toujours encore déjà depuis maintenant que qu seul seule sauf excepté
        nunca jamás siempre todavía aún desde ahora solo sola sólo salvo excepto
        sempre ainda agora só sozinho sozinha exceto ancora adesso tranne
        nooit nergens altijd nog nu sinds behalve alleen
        nigdy zawsze nadal teraz niż oprócz będę będzie
        никогда нигде всегда ещё сейчас теперь чем один одна кроме
        hiç asla hâlâ beri şimdi yalnız dışında
        إلا سوى غير منذ الآن ما لا لم إذا إن لو مهما سواء دائما
        नहीं हूँ है हैं हो अब अभी हमेशा सिवा अलावा
        نہیں ہوں ہے ہیں ہو اب ابھی ہمیشہ سوا علاوہ"""
    )
)
"""With which a clause may tell of now, or of what else was so, whatever else it has."""
_EVENTS: Final = frozenset(
    folded(
        """added adopted agreed arrived booked changed chose closed completed converted created
        decided enrolled finished graduated installed joined learned married migrated moved named
        opened ordered planned promised published purchased registered released relocated remained
        retired scheduled settled signed started stayed subscribed switched transferred turned
        upgraded"""
    )
)
"""English: what was done once, and holds since then."""
_BEGUN: Final = frozenset(
    folded("have has having 've 's is are am be been being was were get gets got becomes became")
)
"""English, before a verb's past form: what began then, or what was done to somebody."""
_PRONOUNS: Final = frozenset(folded("i you he she it we they there"))
_OFTEN: Final = frozenset(folded("also always often mostly both all once formerly previously"))
"""English, what may stand between a subject and its verb."""
_BESIDE: Final = 2
"""Words that may stand between: "has always lived"."""
_ALIKE: Final = 3
"""Letters that forms of one verb have in common, at least; all but one where it has no more."""
_JOINS: Final = 2
"""Letters of what joins words in most languages, and says nothing else."""


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
    return bool(told) and not _tells(fact, fact) and all(_tells(each, fact) for each in told)


def _tells(clause: str, fact: str) -> bool:
    words, now = folded(clause), folded(fact)
    if UNSPACED.search(clause) is not None:
        return _tells_unspaced(clause, fact)
    if _is_no_longer(words, now):
        return True
    return not _may_hold(words, now) and (
        _used_to(words, now)
        or _was_so(words, now)
        or _formerly(words, now)
        or _in_the_past(words, now)
    )


def _may_hold(words: Sequence[str], now: Sequence[str]) -> bool:
    return any(word in _NOT_OVER and word not in now for word in words)


def _is_no_longer(words: Sequence[str], now: Sequence[str]) -> bool:
    """Whether a clause says the fact in its own words, and that it is not so any more."""
    for phrase in _phrases(_NO_LONGER):
        for at in _places(phrase, words):
            taken = {at + n for n, part in enumerate(phrase) if part != "*"}
            rest = [word for n, word in enumerate(words) if n not in taken]
            is_whole = all(len(word) <= _JOINS or _has_form(word, now) for word in rest)
            if is_whole and rest and not _may_hold(rest, now):
                return True
    return False


def _used_to(words: Sequence[str], now: Sequence[str]) -> bool:
    """Whether it has "used to", of who the fact is about, or its like before the fact's verb."""
    for phrase in _phrases(_USED_TO):
        for at in _places(phrase, words):
            if _is_said_on(at + len(phrase), words, now):
                return True
    for at in _places(("used", "to"), words):
        verb = at + 2
        while words[verb : verb + 1] and words[verb] in _OFTEN:
            verb += 1
        if _is_said_on(verb, words, now) and _follows_subject(at, words, now, verb):
            return True
    return False


def _was_so(words: Sequence[str], now: Sequence[str]) -> bool:
    """Whether the fact's own verb stands before what tells that it was so, at the end."""
    return (
        len(words) > 1
        and (words[-1],) in _phrases(_WAS_SO)
        and len(words[-2]) > _JOINS
        and _has_form(words[-2], now)
    )


def _formerly(words: Sequence[str], now: Sequence[str]) -> bool:
    """Whether it tells when, and has the fact's verb in another form."""
    found = [(at, len(phrase)) for phrase in _phrases(_FORMERLY) for at in _places(phrase, words)]
    if not found:
        return False
    adverb = {at + n for at, length in found for n in range(length)}
    rest = [word for at, word in enumerate(words) if at not in adverb]
    gone = [word for word in now if word not in rest]
    return any(
        word not in now
        and (_has_form(word, gone) or not _unlike().get(word, frozenset()).isdisjoint(gone))
        and (at + 1 == len(rest) or rest[at + 1] in now)
        for at, word in enumerate(rest)
    )


def _in_the_past(words: Sequence[str], now: Sequence[str]) -> bool:
    """Whether it has a verb of the fact in English's past, of who the fact is about."""
    for at, word in enumerate(words):
        if word.endswith("ed") and word not in now and word not in _EVENTS:
            verbs = _present(word).intersection(now)
            before = words[max(0, at - _BESIDE) : at]
            is_said = at + 1 == len(words) or words[at + 1] in now
            if verbs and is_said and _BEGUN.isdisjoint(before):
                subject = now[: min(now.index(verb) for verb in verbs)]
                if any(each in _PRONOUNS or each in subject for each in before):
                    return True
    return False


def _follows_subject(at: int, words: Sequence[str], now: Sequence[str], verb: int) -> bool:
    """Whether the word before is a pronoun, or what the fact has before its verb."""
    while at > 0 and words[at - 1] in _OFTEN:
        at -= 1
    if at == 0 or words[at - 1] in _BEGUN:
        return False
    forms = [n for n, word in enumerate(now) if _is_form(words[verb], word) or word in _BEGUN]
    return words[at - 1] in _PRONOUNS or words[at - 1] in now[: min(forms, default=0)]


def _is_said_on(at: int, words: Sequence[str], now: Sequence[str]) -> bool:
    """Whether a verb of the fact stands there, and what follows is the fact's, too."""
    return (
        at < len(words)
        and (
            (len(words[at]) > _JOINS and _has_form(words[at], now))
            or not _unlike().get(words[at], frozenset()).isdisjoint(now)
        )
        and (at + 1 == len(words) or words[at + 1] in now)
    )


def _has_form(word: str, words: Sequence[str]) -> bool:
    return any(_is_form(word, each) for each in words)


def _is_form(word: str, other: str) -> bool:
    """Whether two words may be forms of one: they begin alike, but for a participle's "ge"."""
    if word == other:
        return True
    forms = {word, word.removeprefix("ge")}
    for form in forms:
        shared = min(_ALIKE, min(len(form), len(other)) - 1)
        if shared > 1 and form[:shared] == other[:shared]:
            return True
    return False


def _present(past: str) -> set[str]:
    """How a regular English verb may be written in the present: "lived" as "live", "lives"."""
    stem, with_e = past[:-2], past[:-1]
    stems = {stem, with_e, stem[:-1] + "y" if stem.endswith("i") else stem}
    if len(stem) > 2 and stem[-1] == stem[-2]:  # "preferred"
        stems.add(stem[:-1])
    return {form for each in stems for form in (each, f"{each}s", f"{each}es")} | {
        f"{stem[:-1]}ies" if stem.endswith("i") else stem
    }


def _tells_unspaced(clause: str, fact: str) -> bool:
    """In what is written without spaces: what tells it stands at characters of the fact."""
    return _HOLDS_STILL.search(clause) is None and any(
        found[found.lastgroup or 0] in fact for found in _RUNS.finditer(clause)
    )


_HOLDS_STILL: Final = re.compile(
    "一直|从来|從來|至今|现在|現在|还|還|仍|不到|只|除"
    "|から|ずっと|今|まだ|しか|だけ|と言|부터|지금|여전히|계속|아직|밖에|만 "
    "|ไม่|ตั้งแต่|ยัง|ตอนนี้|ตลอด|นอกจาก|คนเดียว|บอก|พูด"
)
"""As `_NOT_OVER`."""
_RUNS: Final = re.compile(
    r"^\s*[我你您他她它]?们?\s*(?:以前|从前|從前|曾经|曾經|不再)(?P<han>[\u4e00-\u9fff])"
    r"|(?P<kana>[\u4e00-\u9fff\u3040-\u30ff])(?:んで|て)いました(?:が|けど|よ|ね)?\W*$"
    r"|(?P<hangul>[\uac00-\ud7af])고 있었(?:어요|습니다|다|어|지만|는데)?\W*$"
    r"|^\s*(?:เมื่อก่อน)?(?:ผม|ฉัน|ดิฉัน|เรา)?(?:เคย|(?<=เมื่อก่อนผม)|(?<=เมื่อก่อนฉัน)|(?<=เมื่อก่อนเรา))"
    r"(?P<thai>[\u0e00-\u0e7f]{4})"
)
"""Of each the group is what has to be the fact's own."""


def _places(phrase: Sequence[str], words: Sequence[str]) -> list[int]:
    """Where a phrase stands among words."""
    return [
        at
        for at in range(len(words) - len(phrase) + 1)
        if all(part in {"*", words[at + n]} for n, part in enumerate(phrase))
    ]


@cache
def _phrases(table: str) -> frozenset[tuple[str, ...]]:
    """A table's entries as folded words; "*" is any."""
    listed = (each.strip() for each in re.split(r"[|\n]", table))
    split = (each.split("*") for each in listed if each)
    return frozenset(
        (*folded(parts[0]), *(["*", *folded(parts[1])] if parts[1:] else [])) for parts in split
    )


@cache
def _unlike() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for entry in _UNLIKE.split("|"):
        form, *present = folded(entry)
        found[form] = found.get(form, frozenset()).union(present)
    return found
