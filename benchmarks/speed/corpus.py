"""What is remembered: vectors, texts and metadata without end, the same in every run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORDS = 20_000
FUNCTION_WORDS = """the of and to a in is it you that he was for on are with as i his they be at
    one have this from or had by not but what all were we when your can said there use an each
    which she do how their if will up other about out many then them these so some her would
    make like him into time has look two more""".split()  # noqa: SIM905  a list of words reads as text
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
SENTENCES, NOISE = "of sentences", "of noise"  # what vectors are of, if not of clusters
HELD_OUT = 300  # real vectors that are asked with, and in no store


@dataclass(frozen=True, slots=True)
class Record:
    """One memory as every contender gets it."""

    number: int
    text: str
    vector: np.ndarray  # (dim,) float32, of length 1
    share: int  # even over 0 … 99, so that `share < 10` lets a tenth through

    @property
    def id(self) -> str:
        return f"m{self.number}"


class Corpus:
    """Vectors around power-law centres, and Zipfian words.

    Mean cosine .19, nearest .68: what turns of real conversations have among each other.
    """

    def __init__(self, dim: int, clusters: int) -> None:
        self._random = np.random.default_rng(7)
        self._made = 0
        self._spectrum = np.arange(1, dim + 1, dtype=np.float32) ** -0.5
        mean = self._normal(1, dim)[0]
        length = 0.45 * np.linalg.norm(self._spectrum)
        self._mean = mean * length / np.linalg.norm(mean)
        self._centres = self._normal(max(1, clusters), dim)
        self._rotation = np.linalg.qr(self._random.standard_normal((dim, dim), np.float32))[0]
        share = 1.0 / np.arange(1, WORDS + 1)
        self._shares = np.cumsum(share / share.sum())
        made = (
            SYLLABLES[i % 70] + SYLLABLES[i // 70 % 70] + SYLLABLES[i // 4_900 % 70]
            for i in range(WORDS - len(FUNCTION_WORDS))
        )
        self._words = [*FUNCTION_WORDS, *made]

    def _normal(self, n: int, dim: int) -> np.ndarray:
        return self._random.standard_normal((n, dim), np.float32) * self._spectrum

    def vectors(self, n: int) -> np.ndarray:
        """Unit vectors around the centres with a common mean, shape (n, dim)."""
        centres = self._centres[self._random.integers(len(self._centres), size=n)]
        own = self._normal(n, centres.shape[1])
        rows = (self._mean + 0.62 * centres + 0.68 * own) @ self._rotation
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def queries(self, n: int) -> np.ndarray:
        """Vectors that are in no store, shape (n, dim)."""
        return self.vectors(n)

    def texts(self, n: int) -> list[str]:
        """Twelve to 25 words each."""
        lengths = self._random.integers(12, 26, size=n).tolist()
        at = np.searchsorted(self._shares, self._random.random(sum(lengths))).tolist()
        words = iter([self._words[min(i, WORDS - 1)] for i in at])
        return [" ".join(next(words) for _ in range(length)) for length in lengths]

    def questions(self, n: int) -> list[str]:
        """The first eight words of texts that are in no store."""
        return [" ".join(text.split()[:8]) for text in self.texts(n)]

    def records(self, n: int) -> list[Record]:
        """The next n, numbered on from those before."""
        first, self._made = self._made, self._made + n
        shares = self._random.integers(100, size=n).tolist()
        each = zip(self.texts(n), self.vectors(n), shares, strict=True)
        return [Record(number, *rest) for number, rest in enumerate(each, first)]


class Noise(Corpus):
    """Vectors in every direction alike, which no sketch of them tells apart: all are scanned."""

    def vectors(self, n: int) -> np.ndarray:
        rows = self._random.standard_normal((n, len(self._spectrum)), np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Sentences(Corpus):
    """Real embeddings, in the order of their file, under words that were made up."""

    def __init__(self, rows: np.ndarray) -> None:
        super().__init__(rows.shape[1], 1)
        self._all = rows
        self._asked, self._rows = rows[:HELD_OUT], rows[HELD_OUT:]
        self._given = 0

    @classmethod
    def of(cls, folder: Path) -> Sentences | None:
        """Every vector of the folder's `*/minilm.npz`; None if there is no such file."""
        files = sorted(folder.glob("*/minilm.npz"))
        if not files:
            return None
        loaded = [np.load(file)["vectors"].astype(np.float32) for file in files]
        rows = np.unique(np.concatenate(loaded), axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return cls(np.random.default_rng(7).permutation(rows))

    def again(self) -> Sentences:
        """The same, from the start."""
        return Sentences(self._all)

    def __len__(self) -> int:
        """How many there are to be remembered."""
        return len(self._rows)

    def vectors(self, n: int) -> np.ndarray:
        """The next n, from the start again after the last."""
        at = np.arange(self._given, self._given + n) % len(self._rows)
        self._given += n
        return self._rows[at]

    def queries(self, n: int) -> np.ndarray:
        return self._asked[np.arange(n) % len(self._asked)]
