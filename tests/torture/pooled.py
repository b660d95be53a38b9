"""Eight processes write to twenty tenants of a pool, and are killed: as in `kills`, of each."""

from __future__ import annotations

from torture import Run, Told, kills

TENANTS = 20


def run(asked: Run) -> Told:
    """Cycles of writing and killing on the tenants of one directory, of which half are open."""
    return kills.killed(asked, tenants=TENANTS)


control = kills.control
