"""What a text's words are: decided once, at the write, and the same for whoever asks.

A text is folded (compatibility forms, case, marks), cut into words, and each word stemmed in the
language of the store. Scripts that are written without spaces are cut into characters and
overlapping pairs of characters, so that 日本語 is found by 日本, by 本語 and by 語.

A memory's words are kept in a compact form: of each distinct word eight bytes of a digest and how
often it occurs. Who reads them needs neither the text nor a dictionary, and every truth keeps the
same bytes.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from functools import cache, cached_property
from hashlib import blake2b
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from feather_memory.errors import ParameterError, quoted
from feather_memory.model.tokens import LONG_PART, UNSPACED, folded, read
from feather_memory.types import Words

VERSION: Final = 2
"""Moves up when the same text would get other words. Kept in the file with the language."""
ENGLISH: Final = "english"
"""The language of a store unless another is stated."""
UNSTEMMED: Final = "simple"
"""The language of a store whose words are kept as they are."""

ENTRY: Final = np.dtype([("word", "<u8"), ("count", "u1")])
"""One distinct word of a text in the compact form, nine bytes: its digest, and how often it
occurs (255 stands for more)."""

_MOST = 255
_LONGEST_STEMMED = 64  # characters; what is longer is no word of a language, but a token or a key
_VOCABULARY = 1 << 17  # words whose digests are kept in memory: some 20 MB

# Questions are made of these and answers are not. Without them a query matches a tenth as many
# memories; where nothing else is left they are asked for after all.
_STOP_WORDS = {
    ENGLISH: frozenset(
        """a about am an and any are as at be been but by can could d did do does for from had
        has have he her his how i if in into is it its ll m me my of on or our re s she should so
        t than that the their them then there these they this those to us ve was we were what when
        where which who whom whose why will with would you your""".split()  # noqa: SIM905
    )
}


class _Counts(dict[int, bytes]):
    """A count as it is kept, in one byte."""

    def __missing__(self, count: int) -> bytes:
        return bytes((min(count, _MOST),))


_COUNTS = _Counts((count, bytes((count,))) for count in range(_MOST))


class Tokenizer:
    """What a text's words are in one language. Safe to share between threads.

    >>> tokenizer("english").words("Straße, İZMİR and the 日本 databases")
    ['strass', 'izmir', 'and', 'the', '日', '本', '日本', 'databas']
    """

    def __init__(self, language: str) -> None:
        """That of a language.

        Raises:
            ParameterError: No stemmer is known for it.
        """
        self.language = language
        self._stopped = _STOP_WORDS.get(language, frozenset())
        self._digests = _Digests(_stemming(language))

    def words(self, text: str) -> list[str]:
        """The words of a text in order, folded and stemmed."""
        return [self._digests.stem(word) for word in folded(text)]

    def compact(self, text: str) -> bytes:
        """The words of a text as they are kept: `ENTRY`s, in the order in which they first come."""
        return self._compact(read(text).all)

    def _compact(self, words: list[str]) -> bytes:
        counts: dict[bytes, int] = {}  # a Counter looks first what it is given: a fifth of this
        counted = counts.get
        for key in map(self._digests.within_bounds().__getitem__, words):
            counts[key] = counted(key, 0) + 1
        return b"".join([key + _COUNTS[count] for key, count in counts.items()])

    def kept(self, text: str, actor: str | None) -> tuple[int, bytes]:
        """What is kept of a memory's words: its text's `likeness`, and what it is found by.

        It is found by who said it, too: with the speaker's name recall@10 on LoCoMo's turns rises
        by 2.9 points.
        """
        said = read(text)
        by = [] if actor is None else read(actor).all
        return _likeness(text, said.words), self._compact([*by, *said.all])

    def asked(self, text: str) -> Words:
        """The digests of the words that a query asks for, each once, ascending. Shape (m,).

        Without the words that only make a sentence of it; all of them where nothing else is left.
        A run of an unspaced script is asked for by its pairs, a single character by itself.
        """
        words, known = _asked_of(text), self._digests.within_bounds()
        wanted = [word for word in words if word not in self._stopped] or words
        digests = b"".join({known[word] for word in wanted})
        return np.sort(np.frombuffer(digests, "<u8")).astype(np.uint64)

    def stem(self, word: str) -> str:
        """The stem of a folded word."""
        return self._digests.stem(word)

    def is_stopped(self, word: str) -> bool:
        """Whether a folded word only makes a sentence of others."""
        return word in self._stopped

    def content(self, compact: bytes) -> set[int]:
        """The digests of the words in compact form that say something.

        Without those that only make a sentence of it; all of them where nothing else is left.
        """
        said = set(entries(compact)["word"].tolist())
        return said - self._stopped_digests or said

    def is_mere(self, digest: int) -> bool:
        """Whether a word, by its digest, only makes a sentence of others."""
        return digest in self._stopped_digests

    @cached_property
    def _stopped_digests(self) -> set[int]:
        return {int.from_bytes(self._digests[word], "little") for word in self._stopped}


class _Digests(dict[str, bytes]):
    """Words' digests, by the folded word. Most words of a text have been met before."""

    def __init__(self, stem: Callable[[str], str]) -> None:
        self.stem = stem

    def __missing__(self, word: str) -> bytes:
        made = blake2b(self.stem(word).encode(), digest_size=8).digest()
        if len(word) <= _LONGEST_STEMMED:
            self[word] = made
        return made

    def within_bounds(self) -> Self:
        """The same, emptied where it has grown too large."""
        if len(self) > _VOCABULARY:
            self.clear()
        return self


def _asked_of(text: str) -> list[str]:
    """The folded words of a query; an unspaced run by its pairs, where it has more than a sign.

    And the long parts of Latin words with an apostrophe, of which one may be the word that is meant
    and the other its ending.
    """
    words, parts, _ = read(text)
    paired = {word for word in words if len(word) == 2 and UNSPACED.fullmatch(word)}
    within = {character for pair in paired for character in pair}
    long = [part for part in parts if len(part) >= LONG_PART and part.isascii()]
    return [*(word for word in words if word not in within), *long]


def _stemming(language: str) -> Callable[[str], str]:
    """What stems a word in a language.

    Raises:
        ParameterError: No stemmer is known for it.
    """
    if language == UNSTEMMED:
        return str
    import Stemmer  # Snowball's; only where words are made

    if language not in Stemmer.algorithms():
        known = ", ".join(sorted([UNSTEMMED, *Stemmer.algorithms()]))
        raise ParameterError(f"language must be one of {known}, got {quoted(language)}")
    own = threading.local()  # a stemmer has a state, and a lock would be held for ever by a fork

    def stem(word: str) -> str:
        if len(word) > _LONGEST_STEMMED:
            return word
        if (stemmer := getattr(own, "stemmer", None)) is None:
            stemmer = own.stemmer = Stemmer.Stemmer(language, 0)
        return str(stemmer.stemWord(word))

    return stem


@cache
def tokenizer(language: str) -> Tokenizer:
    """The process's one tokenizer of that language.

    Raises:
        ParameterError: No stemmer is known for it.
    """
    return Tokenizer(language)


def likeness(text: str) -> int:
    """The same 64 bits for texts that are equal but for case, punctuation and space.

    In [−2⁶³, 2⁶³). A sign says something: "−5" is not "5", "C++" is not "C", "3.11" is not "3, 11",
    ✅ is not ❌. So does an accent of a letter, though words are found without: "schon" is not
    "schön". The points of Hebrew and Arabic are left out by most, and say nothing here.
    """
    return _likeness(text, folded(text))


# Other forms of ASCII's signs, each one character long: dashes, quotes, points, full width.
_ONE_FORM: Final = str.maketrans(
    {
        **{chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63", "-"),
        **dict.fromkeys("\u2018\u2019\u2032", "'"),
        **dict.fromkeys("\u201d\u2033", '"'),
        **dict.fromkeys("\u066a\ufe6a", "%"),
        "\u066b": ".", "\u066c": ",", "\ufe5f": "#", "\ufe60": "&", "\ufe61": "*",
           "\ufe62": "+", "\ufe64": "<", "\ufe65": ">", "\ufe66": "=", "\ufe68": "\\",
           "\ufe69": "$", "\ufe6b": "@",
    }
)  # fmt: skip
_SIGNS: Final = re.compile(
    r"""-(?=\s?[^\w\s]?\d) | (?<=\w)-(?!\w)  # minus five, also of dollars; rhesus negative
    | (?<=\d)['"] | (?<=\d)[.,:](?=\d) | (?<!\w)\.(?=\d)  # feet and inches, decimals, times
    | [#+](?!\w) | \+ | !(?==) | [$<>=^`|~%&@*/\\] | [^\w\s\x00-\x7f]""",
    re.VERBOSE,
)
_MARK: Final = re.compile(r"[^\w\s]")  # any sign is one; they are found ten times as fast
_TOLD_APART: Final = "\u2030\u2031"  # per mille and ten thousand, which count as punctuation
_WORD: Final = re.compile(r"\w+")
_ACCENT: Final = re.compile(
    "[\u0300-\u036f\u0111\u00f0\u0127\u0142\u00f8\u0167ɓɗɖƙƴɣɲŋɔɛəǝɩɨʉʋƒةىۃ]"
)
_POINTS: Final = re.compile(
    "[\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u0652\u0670]"
    r"|(?<=[^\W\d_])['’‘‛′`´ʼʻʽʾʿꞌ](?=[^\W\d_])"
)
"""What parts no word: points of Hebrew and Arabic, apostrophes."""


def _likeness(text: str, words: list[str]) -> int:
    """Of a text whose folded words are known already."""
    said = " ".join(words)
    if signs := _signs_of(text):
        said += "\0" + signs
    if accented := _accented_in(text):
        said += "\1" + accented
    return int.from_bytes(blake2b(said.encode(), digest_size=8).digest(), "little", signed=True)


def _signs_of(text: str) -> str:
    """The signs in a text that are no mere punctuation, in order, each with how many words precede.

    Signs are symbols of any kind, and what ASCII has where it is part of a word or number.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_ONE_FORM)
    if "`" in text or "´" in text:  # which are symbols, but where they stand for an apostrophe
        text = _POINTS.sub("", text)
    found, words, last = [], 0, 0
    for mark in _MARK.finditer(text):
        if _SIGNS.match(text, mark.start()) and _is_sign(sign := mark[0]):
            words += len(folded(text[last : mark.start()]))  # a sign parts words
            last = mark.end()
            found.append(f"{words}{unicodedata.normalize('NFKC', sign)}")
    return " ".join(found)


def _is_sign(character: str) -> bool:
    is_of_flag = "\U000e0020" <= character <= "\U000e007e"  # of England's, not Scotland's
    is_told = character.isascii() or is_of_flag or character in _TOLD_APART
    return is_told or unicodedata.category(character)[0] == "S"


def _accented_in(text: str) -> str:
    """The words with accents, in order, each with how many words precede."""
    if text.isascii():
        return ""
    whole = unicodedata.normalize("NFKC", _POINTS.sub("", text))
    cased = whole.casefold().replace("i\u0307", "i")
    plain = unicodedata.normalize("NFC", cased).replace("\u0131", "i")
    return " ".join(
        f"{before}{word}"
        for before, word in enumerate(_WORD.findall(plain))
        if not word.isascii() and _ACCENT.search(unicodedata.normalize("NFD", word))
    )


def approximate_tokens(text: str) -> int:
    """About how many tokens of a model a text is.

    One for every four characters begun; a letter of another alphabet than ASCII counts as two, and
    a character of a script that is written without spaces, or of Korean, as four.
    """
    if text.isascii():
        return -(-len(text) // 4)
    plain, unspaced = len(text.encode("ascii", "ignore")), sum(map(len, UNSPACED.findall(text)))
    return -(-(2 * len(text) - plain + 2 * unspaced) // 4)


def entries(compact: bytes) -> npt.NDArray[np.void]:
    """The words in compact form, of one text or of several that follow each other, as `ENTRY`s."""
    return np.frombuffer(compact, ENTRY)
