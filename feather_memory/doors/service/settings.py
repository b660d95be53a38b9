"""How a service is run: each number is one that its operator may choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from feather_memory.checks import number, whole
from feather_memory.config import (
    SERVICE_LANES,
    SERVICE_OPEN,
    SERVICE_RATE,
    SERVICE_TENANTS,
    SERVICE_WAITING,
    SERVICE_WARMED,
)
from feather_memory.types import Clock, Embedder, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What one process serves, and within which limits. It can be pickled if its functions can.

    Raises:
        ParameterError: A number outside its range.
    """

    directory: Path
    """Of the keys, and of the tenants unless they are in a database."""
    database: str | None = None
    """The URL of that."""
    embedder: Callable[[], Embedder | Model | None]
    """Makes what makes vectors; called once in each process."""
    clock: Clock
    """Tells Unix seconds, to the stores and the log."""
    max_open: int = SERVICE_OPEN
    """Stores that are open at once."""
    warmed: int = SERVICE_WARMED
    """Tenants that are opened before the first answer, those written last first."""
    lanes: int = SERVICE_LANES
    """Calls for one tenant that run at once."""
    waiting: int = SERVICE_WAITING
    """Further calls for one tenant that wait; more are refused."""
    rate: float = SERVICE_RATE
    """Calls a second of one key for one tenant, and twice as many at once; 0 is any number."""
    max_tenants: int = SERVICE_TENANTS
    """Tenants there may be; beyond it none is made."""
    hosts: tuple[str, ...] = ()
    """Names beside localhost's under which it may be asked for."""
    origins: tuple[str, ...] = ()
    """Pages whose scripts may ask."""

    def __post_init__(self) -> None:
        for name in ("max_open", "lanes", "max_tenants"):
            whole(getattr(self, name), name, 1)
        for name in ("warmed", "waiting"):
            whole(getattr(self, name), name, 0)
        number(self.rate, "rate", 0.0)
