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
    InvalidMetadataError,
    InvalidVectorError,
    MissingEmbedderError,
    MissingExtraError,
    NewerFormatError,
    ParameterError,
    StoreAccessError,
    StoreFullError,
    SupersedeCycleError,
    TenantNameError,
    UnknownMemoryError,
    UnknownTurnError,
    WrongTenantError,
)
from feather_memory.filter_parse import parse as parse_filter
from feather_memory.filters import F, Filter
from feather_memory.layers import ContextLayers, Layer
from feather_memory.model import (
    ContextChain,
    Edge,
    EdgeType,
    Forgotten,
    Hit,
    Hits,
    Memory,
    Score,
    Signal,
    SignalKind,
    StoreStats,
    Verdict,
)
from feather_memory.pool import TenantPool
from feather_memory.reports import ForgottenTenant, PoolStats, Warmed, WarmReport
from feather_memory.scoring import Scoring
from feather_memory.shelf import Shelf
from feather_memory.signals import EngagementSignals, compute_importance
from feather_memory.store import Store

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
    "Forgotten",
    "ForgottenTenant",
    "Hit",
    "Hits",
    "InvalidMetadataError",
    "InvalidVectorError",
    "Layer",
    "Memory",
    "MissingEmbedderError",
    "MissingExtraError",
    "NewerFormatError",
    "ParameterError",
    "PoolStats",
    "Score",
    "Scoring",
    "Shelf",
    "Signal",
    "SignalKind",
    "Store",
    "StoreAccessError",
    "StoreFullError",
    "StoreStats",
    "SupersedeCycleError",
    "TenantNameError",
    "TenantPool",
    "UnknownMemoryError",
    "UnknownTurnError",
    "Verdict",
    "WarmReport",
    "Warmed",
    "WrongTenantError",
    "compute_importance",
    "parse_filter",
]
