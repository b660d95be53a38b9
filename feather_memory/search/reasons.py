"""What is said of a memory that a gate keeps out of an answer."""

from __future__ import annotations

from feather_memory.checks import when
from feather_memory.model.validity import Lifetime

_REASONS = {
    "not_yet_recorded": "it was recorded on {created_at}, after `known_at`",
    "superseded": "another memory replaced it from {superseded_from} on",
    "ended": "it was true until {valid_to}",
    "expired": "it expired on {expires_at}",
    "not_yet_valid": "it is true from {valid_from} on",
}


def reason_of(gate: str, lifetime: Lifetime) -> str:
    """Why the gate is closed to a memory of that lifetime, as a sentence."""
    ended = min((c.holds_from for c in lifetime.closings), default=None)
    moments = {
        "created_at": lifetime.created_at,
        "superseded_from": ended,
        "valid_to": lifetime.valid_to,
        "expires_at": lifetime.expires_at,
        "valid_from": lifetime.valid_from,
    }
    return _REASONS[gate].format(
        **{
            name: "never" if m is None else f"{when(m):%Y-%m-%d %H:%M} UTC"
            for name, m in moments.items()
        }
    )
