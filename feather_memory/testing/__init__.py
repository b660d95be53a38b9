"""What tests need: an embedder without a model, a clock that waits, and contracts to subclass.

`TruthContract`, `IndexContract` and `AdapterContract` are looked up when they are asked for: they
are tests, which need pytest, and an application that embeds without a model has none.
`feather_memory.testing.days` has ninety days of turns with an assistant, and judges what a memory
that was told them shows.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from feather_memory.testing.clock import FrozenClock
from feather_memory.write.hashing import HashEmbedder

if TYPE_CHECKING:
    from feather_memory.testing.adapters import AdapterContract
    from feather_memory.testing.indexes import IndexContract
    from feather_memory.testing.truth import TruthContract

__all__ = ["AdapterContract", "FrozenClock", "HashEmbedder", "IndexContract", "TruthContract"]

_CONTRACTS = {"AdapterContract": "adapters", "IndexContract": "indexes", "TruthContract": "truth"}


def __getattr__(name: str) -> Any:
    if name not in _CONTRACTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"feather_memory.testing.{_CONTRACTS[name]}"), name)
