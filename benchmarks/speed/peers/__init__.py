"""Engines that work inside the process as ours does, each behind the same few verbs."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path

from benchmarks.speed.contender import Contender

MODULES = {
    "feather-db": "feather_db",
    "chroma": "chroma",
    "lancedb": "lance",
    "qdrant-client": "qdrant",
    "faiss-cpu": "faiss_flat",
    "sqlite-vec": "sqlite_vec",
    "usearch": "usearch_hnsw",
    "memvara": "memvara_facts",
}
"""Where each peer's verbs are."""


def present() -> tuple[list[type[Contender]], dict[str, str]]:
    """The peers that can be had here, and why the others cannot, by name."""
    here: list[type[Contender]] = []
    absent: dict[str, str] = {}
    for name, module in MODULES.items():
        try:
            names = vars(importlib.import_module(f"{__name__}.{module}"))
        except ImportError as error:
            absent[name] = _refused().get(name, f"not installed here: {error}")
            continue
        here += [one for one in names.values() if getattr(one, "name", None) == name]
    return here, absent


def _refused() -> dict[str, str]:
    """What pip said of the peers that it could not install; `environment` has written it."""
    told = Path(sys.prefix) / "refused.json"
    refused: dict[str, str] = json.loads(told.read_text("utf-8")) if told.exists() else {}
    return refused


def version(package: str) -> str:
    """Of what is installed; empty if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
