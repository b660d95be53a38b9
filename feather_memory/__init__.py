"""The memory an AI agent deserves: one file per tenant, no server, no LLM call on the write path.

>>> import tempfile, pathlib
>>> from feather_memory import Store
>>> store = Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather")
>>> _ = store.add("Alice deploys on Fridays", key="deploy.day")
>>> new = store.add("Alice deploys on Tuesdays", key="deploy.day")
>>> [hit.memory.text for hit in store.search("when does Alice deploy?")]
['Alice deploys on Tuesdays']
>>> [memory.text for memory in store.history(new.id)]
['Alice deploys on Fridays', 'Alice deploys on Tuesdays']
>>> store.close()
"""

from feather_memory.errors import (
    BusyStoreError,
    ClosedStoreError,
    CorruptStoreError,
    DimensionError,
    FeatherError,
    FilterError,
    ForeignLogError,
    GoneStoreError,
    InvalidMetadataError,
    InvalidVectorError,
    MissingEmbedderError,
    MissingExtraError,
    NewerFormatError,
    NotAllowedError,
    OlderFormatError,
    ParameterError,
    ReadOnlyStoreError,
    StoreAccessError,
    StoreFullError,
    SupersedeCycleError,
    TenantNameError,
    UnknownMemoryError,
    UnknownTurnError,
    WrongEmbedderError,
    WrongTenantError,
)
from feather_memory.filters.language import F, Filter
from feather_memory.filters.parse import parse as parse_filter
from feather_memory.model.hits import ContextChain, Hit, Hits, Suggestion, Verdict
from feather_memory.model.importance import EngagementSignals, compute_importance
from feather_memory.model.memory import (
    Edge,
    EdgeType,
    Forgotten,
    Memory,
    Signal,
    SignalKind,
    StoreStats,
)
from feather_memory.model.scoring import Score, Scoring
from feather_memory.store.shelf import Shelf
from feather_memory.store.store import Store
from feather_memory.tenants.layer import Layer
from feather_memory.tenants.layers import ContextLayers
from feather_memory.tenants.pool import TenantPool
from feather_memory.tenants.reports import ForgottenTenant, PoolStats, Warmed, WarmReport
from feather_memory.write.hashing import HashEmbedder

__all__ = [
    "BusyStoreError",
    "ClosedStoreError",
    "ContextChain",
    "ContextLayers",
    "CorruptStoreError",
    "DimensionError",
    "Edge",
    "EdgeType",
    "EngagementSignals",
    "F",
    "FeatherError",
    "Filter",
    "FilterError",
    "ForeignLogError",
    "Forgotten",
    "ForgottenTenant",
    "GoneStoreError",
    "HashEmbedder",
    "Hit",
    "Hits",
    "InvalidMetadataError",
    "InvalidVectorError",
    "Layer",
    "Memory",
    "MissingEmbedderError",
    "MissingExtraError",
    "NewerFormatError",
    "NotAllowedError",
    "OlderFormatError",
    "ParameterError",
    "PoolStats",
    "ReadOnlyStoreError",
    "Score",
    "Scoring",
    "Shelf",
    "Signal",
    "SignalKind",
    "Store",
    "StoreAccessError",
    "StoreFullError",
    "StoreStats",
    "Suggestion",
    "SupersedeCycleError",
    "TenantNameError",
    "TenantPool",
    "UnknownMemoryError",
    "UnknownTurnError",
    "Verdict",
    "WarmReport",
    "Warmed",
    "WrongEmbedderError",
    "WrongTenantError",
    "compute_importance",
    "parse_filter",
]


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: the import is not to pay for it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("feather-memory")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
