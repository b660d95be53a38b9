"""A sentence that is said to the user, or of the user, with the words the user would have taken.

A user says "ich wohne in Bern" and is told "du wohnst in Bern", "Sie wohnen in Bern", "der Nutzer
wohnt in Bern". To pronouns and verbs that say so, the words of the first person are added, by a
small table a language. It is made to find too little: a verb is turned only by an ending that is
said to somebody, or beside the pronoun or noun itself where others have that ending, too. So
"deine Schwester wohnt in Bern" has nothing added that says that I live there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple

from feather_memory.model.tokens import UNSPACED, folded


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one language speaks to somebody, or of its user."""

    second: str
    """Words for who is spoken to."""
    first: str
    """What that person says of themselves."""
    verbs: str
    """An ending (or "=" and a whole word), and those of the first person in its place: "st:e,"."""
    beside: bool = False
    """Whether a verb is turned only beside one of the words for who is spoken to."""
    without: str = ""
    """Where a verb is turned if there is none of those: "", "anywhere" or at the "start"."""
    unless: str = ""
    """Words with which nothing is turned."""
    leads: bool = False
    """Whether the word has to be one of the first two: elsewhere it is somebody's of the user."""


_RULES: Final = (
    _Rule("you i", "i user", ""),
    _Rule("your yours", "my mine", ""),
    _Rule("du dich dir", "ich mich mir", "sst:sse est:e st:e =bist:bin =hast:habe =magst:mag"
          " =isst:esse =heißt:heiße =kannst:kann =willst:will =weißt:weiß"),
    _Rule("dein deine deinen deinem deiner ihr ihre ihren ihrem",
          "mein meine meinen meinem meiner", ""),
    _Rule("Sie", "ich", "en:e =sind:bin =haben:habe =mögen:mag =können:kann", beside=True),
    _Rule("Nutzer Benutzer Nutzerin Benutzerin Anwender Anwenderin User", "ich",
          "sst:sse et:e t:e =ist:bin =hat:habe =mag:mag =isst:esse", beside=True, leads=True),
    _Rule("tu te t", "je j me m", "es:e =es:suis =as:ai =vas:vais =peux:peux =préfères:préfère"),
    _Rule("vous", "je j me m", "ez:e issez:is =êtes:suis =avez:ai =allez:vais =vivez:vis"
          " =buvez:bois =prenez:prends =pouvez:peux =voulez:veux =appelez:appelle"),
    _Rule("ton ta tes votre vos", "mon ma mes", ""),
    _Rule("utilisateur utilisatrice", "je j", "e:e =est:suis =a:ai =vit:vis =boit:bois",
          beside=True, leads=True),
    _Rule("tú ti te", "yo me mí", "es:o as:o =eres:soy =tienes:tengo =estás:estoy =vas:voy"
          " =has:he", without="anywhere"),
    _Rule("tu tus su sus", "mi mis", ""),
    _Rule("usted", "yo", "e:o a:o =es:soy =tiene:tengo =está:estoy =va:voy", beside=True),
    _Rule("usuario usuaria", "yo", "e:o a:o =es:soy =tiene:tengo =está:estoy", beside=True,
          leads=True),
    _Rule("tu te você", "eu me", "es:o as:o =és:sou =tens:tenho =estás:estou"),
    _Rule("você", "eu", "e:o a:o =é:sou =tem:tenho =está:estou =vai:vou", beside=True),
    _Rule("usuário usuária utilizador utilizadora", "eu",
          "e:o a:o =é:sou =tem:tenho =está:estou", beside=True, leads=True),
    _Rule("teu tua seu sua", "meu minha", ""),
    _Rule("tu ti te", "io mi", "i:o chi:co ghi:go =sei:sono =hai:ho =stai:sto =vai:vado"
          " =bevi:bevo", without="start"),
    _Rule("tuo tua", "mio mia", ""),
    _Rule("utente", "io", "a:o e:o =è:sono =ha:ho =sta:sto", beside=True, leads=True),
    _Rule("jij je u", "ik", "t:, =bent:ben =hebt:heb =eet:eet =heet:heet =woont:woon =houdt:hou",
          beside=True),
    _Rule("gebruiker", "ik", "t:, =is:ben =heeft:heb =woont:woon", beside=True, leads=True),
    _Rule("ty ci ciebie", "ja mi mnie", "asz:am esz:ę,em isz:ę ysz:ę =jesteś:jestem",
          without="anywhere"),
    _Rule("użytkownik użytkowniczka", "ja", "a:am e:ę i:ię =jest:jestem =ma:mam", beside=True,
          leads=True),
    _Rule("ты тебя тебе вы вас вам", "я меня мне",
          "ешь:у,ю ишь:у,ю,лю ете:у,ю ите:у,ю,лю =пьёшь:пью =пьёте:пью", without="anywhere"),
    _Rule("пользователь", "я", "ет:у,ю ит:у,ю,лю =пьёт:пью", beside=True, leads=True),
    _Rule("sen siz", "ben", "sun:um,yum sin:im,yim sün:üm,yüm sunuz:um,yum siniz:im,yim",
          without="anywhere"),
    _Rule("kullanıcı", "ben", "yor:yorum", leads=True),
    _Rule("آپ تم", "میں", "تے:تا,تی =ہیں:ہوں =ہو:ہوں", unless="کہ"),
    _Rule("आप तुम तू", "मैं", "ते:ता,ती =हैं:हूँ =हो:हूँ =है:हूँ", unless="कि जो"),
    _Rule("उपयोगकर्ता यूज़र", "मैं", "=है:हूँ =हैं:हूँ ते:ता,ती", unless="कि जो का की के",
          leads=True),
)  # fmt: skip

# Arabic turns a verb at its start: "you live" and "he lives" are "I live" with another letter.
_ARABIC: Final = (("أنت أنتِ حضرتك", "ت"), ("المستخدم المستخدمة", "يت"))
_ARABIC_I: Final = "أنا"
_LONG_ENOUGH: Final = 4  # letters of an Arabic verb with its first

# What is written without spaces is turned as it stands there, each of these into each of those.
_RUNS: Final = (
    ("您|你|妳|用户|使用者|用戶|該用戶|该用户", "我"),
    ("あなた|お客様|ユーザーさん|ユーザー", "私|僕|俺|わたし"),
    ("당신은|사용자는|고객님은|너는|넌", "저는|나는|난|전"),
    ("당신이|사용자가|고객님이|네가", "제가|내가"),
    ("당신의|사용자의|고객님의|너의", "제|저의|나의|내"),
    ("(?<!ของ)(?:คุณ|ผู้ใช้)", "ผม|ฉัน|ดิฉัน"),  # not after "of"
)
_ANY_RUN: Final = re.compile("|".join(spoken for spoken, _ in _RUNS))
_POLITE: Final = (
    ("でいらっしゃいます|んでおられます", "でいます|んでいます"),
    ("고 계십니다|고 계세요|고 계시네요", "고 있습니다|고 있어요"),
)


class Turned(NamedTuple):
    """What a sentence comes to in the first person."""

    words: Mapping[str, frozenset[str]]
    """Of its folded words, those that are said to or of the user: the words in their place."""
    readings: tuple[str, ...]
    """The whole of it, where that is written without spaces."""


def first_person(sentence: str) -> Turned:
    """What a sentence that is said to the user, or of the user, comes to in the user's own words.

    >>> sorted(first_person("Du wohnst in Bern").words["wohnst"])
    ['wohne']
    """
    words = folded(sentence)
    speaks = [_may_turn(word) for word in words]
    turned: dict[str, set[str]] = {}
    for at in sorted({at for each in speaks for at in each}):
        for word, firsts in _rules()[at].turn(words, sentence):
            turned.setdefault(word, set()).update(firsts)
    if any(map(_arabs().__contains__, words)):
        for word, firsts in _in_arabic(words):
            turned.setdefault(word, set()).update(firsts)
    found = {word: frozenset(firsts) for word, firsts in turned.items()}
    return Turned(found, tuple(_readings(sentence)) if UNSPACED.search(sentence) else ())


def may_have_first_person(text: str) -> bool:
    """Whether one of a text's sentences may have words for `first_person`: a fast look."""
    if not text.isascii() and _ANY_RUN.search(text) is not None:
        return True
    return any(_may_turn(word) or word in _arabs() for word in folded(text))


@lru_cache(maxsize=1 << 14)
def _may_turn(word: str) -> tuple[int, ...]:
    """The rules by which something may be turned where this word stands: of most words none."""
    return tuple(
        at
        for at, table in enumerate(_rules())
        if word in table.second or (table.rule.without and any(table.first_of(word)))
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A rule with its words as they are looked for."""

    rule: _Rule
    second: frozenset[str]
    first: frozenset[str]
    whole: Mapping[str, tuple[str, ...]]
    endings: tuple[tuple[str, tuple[str, ...]], ...]
    """The longest first."""
    unless: frozenset[str]

    def turn(self, words: list[str], sentence: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Its words that are said to or of the user, and those in their place."""
        at = [n for n, word in enumerate(words) if word in self.second]
        if self.rule.second == "Sie" and not _is_formal(sentence):
            at = []
        if self.rule.leads:
            at = [n for n in at if n < 2]
        if not self.unless.isdisjoint(words) or not (at or self.rule.without):
            return
        where = [*range(len(words) if at or self.rule.without == "anywhere" else 1)]
        if self.rule.beside:
            where = [n for n in range(len(words)) if n - 1 in at or n + 1 in at]
        verbs = [(words[n], frozenset(self.first_of(words[n]))) for n in where if n not in at]
        if "j" in self.first:  # by whose apostrophe a verb is one word with it, too
            verbs = [(word, firsts | {f"j'{each}" for each in firsts}) for word, firsts in verbs]
        verbs = [(word, firsts) for word, firsts in verbs if firsts]
        yield from ((words[n], self.first) for n in at)
        yield from ((word, firsts if at else firsts | self.first) for word, firsts in verbs)

    def first_of(self, word: str) -> Iterator[str]:
        """What the word is of the first person, as a verb that is said to somebody."""
        if word in self.whole:
            yield from self.whole[word]
            return
        for ending, firsts in self.endings:
            if word.endswith(ending) and len(word) > len(ending) + 1:
                yield from (word.removesuffix(ending) + first for first in firsts)
                return


def _is_formal(sentence: str) -> bool:
    """Whether a German "Sie" is who is spoken to: within a sentence it alone has its capital."""
    return re.search(r"\w\W*\bSie\b", sentence) is not None


@cache
def _rules() -> tuple[_Table, ...]:
    return tuple(map(_table, _RULES))


def _table(rule: _Rule) -> _Table:
    whole: dict[str, tuple[str, ...]] = {}
    endings: dict[str, tuple[str, ...]] = {}
    for pair in rule.verbs.split():
        ending, firsts = pair.removeprefix("=").split(":")
        into = tuple("".join(folded(first)) for first in firsts.split(",") if first)
        if pair.startswith("="):
            whole["".join(folded(ending))] = into
        else:
            endings["".join(folded(ending))] = into or ("",)
    longest = tuple(sorted(endings.items(), key=lambda each: -len(each[0])))
    sets = (frozenset(folded(words)) for words in (rule.second, rule.first, rule.unless))
    second, first, unless = sets
    return _Table(rule, second, first, whole, longest, unless)


def _in_arabic(words: list[str]) -> Iterator[tuple[str, frozenset[str]]]:
    i = frozenset(folded(_ARABIC_I))
    for whose, letters in _arabic():
        at = [n for n, word in enumerate(words) if word in whose]
        yield from ((words[n], i) for n in at)
        for n in {near for each in at for near in (each - 1, each + 1)} & {*range(len(words))}:
            word = words[n]
            if word[0] in letters and len(word) >= _LONG_ENOUGH:
                mine = folded("أ")[0] + word[1:]
                yield word, frozenset({mine, mine.removesuffix("ين")})


@cache
def _arabs() -> frozenset[str]:
    return frozenset().union(*(whose for whose, _ in _arabic()))


@cache
def _arabic() -> tuple[tuple[frozenset[str], str], ...]:
    return tuple((frozenset(folded(whose)), letters) for whose, letters in _ARABIC)


def _readings(sentence: str) -> Iterator[str]:
    """The sentence with each of the first person's words in the place of who is spoken to."""
    if _ANY_RUN.search(sentence) is None:
        return
    for spoken, own in _RUNS:
        if re.search(spoken, sentence) is None:
            continue
        for mine in own.split("|"):
            reading = re.sub(spoken, mine, sentence)
            yield reading
            for polite, plain in _POLITE:
                if re.search(polite, reading) is not None:
                    yield from (re.sub(polite, each, reading) for each in plain.split("|"))
