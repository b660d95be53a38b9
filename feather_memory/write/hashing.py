"""An embedder that needs no model: lexical, for tests, and for examples that must run anywhere."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np

from feather_memory.config import MAX_DIMENSION
from feather_memory.errors import ParameterError
from feather_memory.types import Numbers, Vector

# Whole numbers, so that every sum is exact and vectors are the same on every machine.
WORD_WEIGHT = 4
NGRAM_WEIGHT = 1

NGRAM_LENGTHS = (3, 4, 5)
"""Characters, the marks of the word's ends included."""

CACHED_WORDS = 50_000
"""Words whose hashes are kept, some 500 bytes each; then they are dropped and begun anew."""

_WORD = re.compile(r"\w+")


class HashEmbedder:
    """Texts to unit vectors by feature hashing of their words and of the letters in them.

    Lexical, not semantic: two texts are near if they share words or stretches of letters.
    It knows no synonyms: "car" and "automobile" are strangers, "cat" and "cats" are kin.
    Use it to test and to show what a store does, never to judge how well it retrieves.

    The same text gives the same vector, bit by bit, in every process and on every machine.
    Safe to call from several threads. The same call embeds queries.

    Args:
        dim: Numbers in a vector, ≥ 1. Below some 64 strangers begin to look alike.
        seed: Another seed is another, unrelated embedding.

    >>> embed = HashEmbedder()
    >>> cat, cats, dog = embed(["a black cat", "black cats", "my dog barks"])
    >>> bool(cat @ cats > cat @ dog)
    True
    """

    def __init__(self, dim: int = 256, seed: int = 0) -> None:
        if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= MAX_DIMENSION:
            raise ParameterError(f"dim must be a whole number in [1, {MAX_DIMENSION}], got {dim!r}")
        self.dim = dim
        self.seed = seed
        self._key = blake2b(str(seed).encode(), digest_size=16).digest()
        self._hashed: dict[str, tuple[list[int], list[int]]] = {}

    @property
    def model_name(self) -> str:
        """Vectors of two names are no neighbours; a store keeps the name of what made its own."""
        return f"hash:{self.dim}" if self.seed == 0 else f"hash:{self.dim}:{self.seed}"

    def __call__(self, texts: Sequence[str]) -> Vector:
        """One vector a text, of length 1. Shape (len(texts), dim).

        A text without words is hashed as a whole, so an empty one has a vector as well.

        Raises:
            ParameterError: `texts` is a single string.
        """
        if isinstance(texts, str):
            raise ParameterError(f"texts must be a list of strings, got the string {texts[:40]!r}")
        vectors = np.empty((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._embed(text)
        return vectors

    def _embed(self, text: str) -> Numbers:
        plain = unicodedata.normalize("NFKC", text).lower()
        sums = self._sums(_WORD.findall(plain) or [plain.strip()])
        if not sums.any():  # every feature met its opposite: only in very few dimensions
            sums[0] = 1.0
        length = math.sqrt(np.square(sums).sum())  # exact up to the root: whole numbers
        return sums / length

    def _sums(self, words: list[str]) -> Numbers:
        hashed = [self._hashed.get(word) or self._hash(word) for word in words]
        places = list(chain.from_iterable(places for places, _ in hashed))
        weights = list(chain.from_iterable(weights for _, weights in hashed))
        sums: Numbers = np.bincount(places, weights, self.dim).astype(np.float64, copy=False)
        return sums

    def _hash(self, word: str) -> tuple[list[int], list[int]]:
        """Where a word's features go in the vector, and with what signed weight."""
        places, weights = [], []
        for feature, weight in _features(word):
            # Not hash(): it differs from process to process.
            digest = blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key)
            number = int.from_bytes(digest.digest(), "little")
            places.append((number >> 1) % self.dim)
            weights.append(weight if number & 1 else -weight)
        if len(self._hashed) >= CACHED_WORDS:
            self._hashed.clear()
        self._hashed[word] = (places, weights)
        return places, weights


def _features(word: str) -> Iterator[tuple[str, int]]:
    yield f"w:{word}", WORD_WEIGHT
    marked = f"<{word}>"
    for length in NGRAM_LENGTHS:
        for start in range(len(marked) - length + 1):
            yield f"c:{marked[start : start + length]}", NGRAM_WEIGHT
