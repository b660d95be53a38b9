"""What a TenantPool says of what it did. All are values."""

from __future__ import annotations

from dataclasses import dataclass

from feather_memory.errors import FeatherError


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """What is open in a pool at one moment."""

    directory: str
    open: int
    in_use: int
    """Of those, how many have a call under way."""
    max_open: int
    rests: int
    """How often a store was let rest, for room or for idleness."""
    bytes: int
    """What the arrays of those that are open take of this process's memory, without what is mapped
    from files."""
    max_bytes: int
    """Beyond so many the least recently used rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenTenant:
    """What `forget_tenant` removed, or would remove."""

    tenant: str
    files: tuple[str, ...]
    bytes: int
    is_dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """How opening one tenant went."""

    tenant: str
    milliseconds: float
    failure: FeatherError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmReport:
    """How a warm start went, tenant by tenant, in the order asked for."""

    tenants: tuple[Warmed, ...]
    skipped: tuple[str, ...]
    """Tenants beyond the pool's `max_open`, which were not tried."""
    milliseconds: float
    """From the first to the last."""

    @property
    def failures(self) -> dict[str, FeatherError]:
        """What kept tenants from being opened, by tenant."""
        return {each.tenant: each.failure for each in self.tenants if each.failure is not None}

    def _repr_html_(self) -> str:
        from feather_memory import display  # only where something is drawn

        rows = [[w.tenant, f"{w.milliseconds:.1f}", str(w.failure or "")] for w in self.tenants]
        return display.table(["tenant", "ms", "failure"], rows)
