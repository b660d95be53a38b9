"""A text cut into words, each folded: the one way, of what is written and of what is asked.

Compatibility forms, case and marks fold. Scripts that are written without spaces are cut into
characters and overlapping pairs of characters.

A word with an apostrophe is one, with it or without: "don’t" is "dont", O'Brien is OBrien, м'ята is
мята. What a language puts before or behind a word by an apostrophe is a word of its own: the *l* of
"l'amour", the *s* of "Alice's". A text is found by the parts of such words, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

# Letters that are other forms of one, though Unicode does not take them apart.
_PLAIN = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe",
     "þ": "th", "ɓ": "b", "ɗ": "d", "ɖ": "d", "ƙ": "k", "ƴ": "y", "ɣ": "g", "ɲ": "n", "ŋ": "n",
     "ɔ": "o", "ɛ": "e", "ə": "e", "ǝ": "e", "ɩ": "i", "ɨ": "i", "ʉ": "u", "ʋ": "v", "ƒ": "f",
     # Of Arabic letters, how the keyboards of Persian, Urdu and Kurdish write them.
     "ی": "ي", "ى": "ي", "ے": "ي", "ک": "ك", "ڪ": "ك", "ہ": "ه", "ە": "ه", "ۃ": "ه", "ة": "ه",
     "ٱ": "ا",
     # Apostrophes, and the letters that are typed as one.
     **dict.fromkeys("’‘‛′`ʼʻʽʾʿꞌ՚׳", "'")}
)  # fmt: skip

_ASCII_WORD = re.compile(r"[a-z0-9]+")
_ASCII_JOINED = re.compile(r"[a-z0-9]+(?:(?<=[a-z])['`](?=[a-z])[a-z0-9]+)*")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_])")
_IN_HEBREW = re.compile('(?<=[א-ת])["״”](?=[א-ת])')  # of an acronym, which is one word
_PARTED_L = re.compile("(?<=l)·(?=l)")  # of Catalan
_JOINT = "\ufdd0"
"""Stands where a word has an apostrophe, or before a digit above the line. No character."""

# What stands before or behind a word by an apostrophe, and is none of it: of English, French,
# Italian and Greek.
_BEHIND = frozenset("s m d re ve ll".split())  # noqa: SIM905
_BEFORE = frozenset(
    """l d j m t s n c v qu jusqu lorsqu puisqu quoiqu quelqu presqu un all dall dell nell sull coll
    agl dagl degl negl sugl gl quell quest bell sant mezz tutt anch com dov σ μ θ τ κ""".split()  # noqa: SIM905
)
LONG_PART: Final = 4
"""Letters of a part that is asked for beside the whole: of İstanbul'da, and not of o'clock."""

_SCRIPTS = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf"  # Thai to Tai Tham
    r"\u3005-\u3007\u3031-\u3035\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7af\uf900-\ufaff"
    r"\U0001aff0-\U0001b16f\U00020000-\U0003347f"
)
UNSPACED: Final = re.compile(f"[{_SCRIPTS}]+")
"""A run of what is written without spaces."""
_NO_JOINT = re.compile(
    rf"(?<![^\W\d_]){_JOINT}|{_JOINT}(?![^\W_])"
    rf"|(?<=[{_SCRIPTS}]){_JOINT}|{_JOINT}(?=[{_SCRIPTS}])"
)


_FOLDED_MARKS = {1, *range(10, 37)}  # combining classes: strokes; Hebrew's and Arabic's points
_ABOVE_OR_BELOW = 200  # from here on: accents, wherever they sit


class _Kept(dict[int, str]):
    """What becomes of a character, for `str.translate`: itself, nothing, or a space."""

    def __missing__(self, point: int) -> str:
        kept = self[point] = _kept(chr(point))
        return kept


def _kept(character: str) -> str:
    kind = unicodedata.category(character)
    if character in {"'", _JOINT}:
        return character
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    if kind == "Mn":
        # Vowel points of Hebrew and Arabic, and accents, fold; the vowels, viramas and tones of
        # Indic and South-East Asian scripts, and the voicing of kana, are letters of their words.
        combining = unicodedata.combining(character)
        is_folded = combining in _FOLDED_MARKS or combining >= _ABOVE_OR_BELOW
        return "" if is_folded else character
    if character == "\u200b" or "\U0001d100" <= character <= "\U0001d24f":
        return " "  # a space of no width; music's signs, of which some count as marks
    if kind in {"Cf", "Me"} or character == "\u0640":  # joiners, soft hyphens; keycaps; kashida
        return ""
    return character if kind[0] in "LNM" else " "


class _Apart(dict[int, str]):
    """Symbols that stand for letters or digits, such as ™ and ½, with a space on either side.

    A digit below the line is part of its word, as in CO₂; one above is part of it, or a note's.
    """

    def __missing__(self, point: int) -> str:
        kept = self[point] = _apart(chr(point))
        return kept


def _apart(character: str) -> str:
    kind, plain = unicodedata.category(character), unicodedata.normalize("NFKC", character)
    if character == "´":
        return "'"
    if plain == character or not (kind[0] in "SL" or kind == "No"):
        return character
    if kind[0] == "L":  # a mark of Arabic by itself is shown on a space, which is none in a word
        return plain.strip() if plain[0] == " " else character
    form = unicodedata.decomposition(character)
    if kind == "No" and form.startswith(("<sub>", "<super>")):
        return plain if form.startswith("<sub>") else _JOINT + plain
    if form.startswith("<compat>") and len(plain) == 1 and UNSPACED.match(plain):
        return plain  # a radical, which looks like the character that it stands for in many files
    return f" {plain} "


_KEPT, _APART = _Kept(), _Apart()
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # of a glyph, not of a word


class Read(NamedTuple):
    """A text's words, folded and not stemmed."""

    words: list[str]
    """In order."""
    parts: list[str]
    """Of words with an apostrophe or a raised digit: by what else the text is found."""
    wholes: list[str]
    """The words that have another before them, with that: "loreal"."""

    @property
    def all(self) -> list[str]:
        """All that the text is found by."""
        return [*self.words, *self.parts, *self.wholes]


def folded(text: str) -> list[str]:
    """The words of a text in order, folded and not stemmed."""
    return read(text).words


def read(text: str) -> Read:
    """The words of a text, and by what else it is found."""
    if text.isascii():
        lower = text.lower()
        if "'" not in lower and "`" not in lower:
            return Read(_ASCII_WORD.findall(lower), [], [])
        return _joined(each.replace("`", "'") for each in _ASCII_JOINED.findall(lower))
    spaced = unicodedata.normalize("NFKC", text.translate(_APART))
    apart = unicodedata.normalize("NFKD", spaced.casefold())
    plain = _PARTED_L.sub("", _IN_HEBREW.sub("", _VARIANTS.sub("", apart).translate(_PLAIN)))
    whole = unicodedata.normalize("NFC", plain.translate(_KEPT))
    if "'" in whole or _JOINT in whole:
        marked = _APOSTROPHE.sub(_JOINT, whole).replace("'", " ")
        return _joined(_NO_JOINT.sub(" ", marked).replace(_JOINT, "'").split())
    return Read(whole.split() if UNSPACED.search(whole) is None else [*_cut(whole)], [], [])


def _joined(words: Iterable[str]) -> Read:
    """What words come to that have an apostrophe where they are joined."""
    read = Read([], [], [])
    for word in words:
        if "'" in word:
            whole, parts, wholes = _pieces(word)
            read.words.extend(whole)
            read.parts.extend(parts)
            read.wholes.extend(wholes)
        elif word.isascii():
            read.words.append(word)
        else:
            read.words.extend(_cut(word))
    return read


@lru_cache(maxsize=1 << 12)
def _pieces(word: str) -> tuple[list[str], list[str], list[str]]:
    """One word with apostrophes: the words that it is, their parts, and what stands before them."""
    pieces, before, end = word.split("'"), 0, word.count("'") + 1
    while end > 1 and pieces[end - 1] in _BEHIND:
        end -= 1
    while before < end - 1 and pieces[before] in _BEFORE and pieces[before + 1][0].isalpha():
        before += 1
    whole = "".join(pieces[before:end])
    words = [cut for each in (*pieces[:before], whole, *pieces[end:]) for cut in _cut(each)]
    is_not = pieces[end - 1] == "t" and pieces[end - 2].endswith("n")
    has_parts = end - before > 1 and not is_not
    parts = [cut for each in pieces[before:end] for cut in _cut(each)] if has_parts else []
    return words, parts, [*_cut(pieces[before - 1] + whole)] if before else []


def _cut(text: str) -> Iterator[str]:
    """Words at spaces, and the runs of unspaced scripts in them as characters and pairs."""
    for word in text.split():
        start = 0
        for run in UNSPACED.finditer(word):
            if run.start() > start:
                yield word[start : run.start()]
            yield from run[0]
            yield from map("".join, zip(run[0], run[0][1:], strict=False))
            start = run.end()
        if start < len(word):
            yield word[start:]
