"""The fields of a memory, each declared once: whatever writes, reads or filters them looks here.

A Record is a memory as it is kept: times are seconds, metadata is JSON, the vector bytes. What
each field is besides its type stands beside it, as a `Field`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import numpy as np

from feather_memory import checks
from feather_memory.checks import (
    Check,
    label,
    or_none,
    seconds,
    unit_interval,
    vector_bytes,
    when,
)
from feather_memory.model import manner, origin
from feather_memory.types import Seconds

Kind = Literal["text", "real", "time", "integer", "json", "vector"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a field of a Record is, besides its type."""

    kind: Kind
    given: str | None = None
    """As what a caller says it; None where it is not the caller's to say."""
    check: Check | None = None
    """(value, name) → the value as it is kept. It raises a ParameterError for any other."""
    is_content: bool = False
    """Whether a search reads it: where it changes, the memory gets a new row."""
    is_filtered: bool = True
    """Whether a filter may name it as a field of the memory itself."""
    unsaid: str | None = None
    """What it is where a row holds nothing, for a release wrote it that did not keep the field."""


def _kept(
    kind: Kind,
    *,
    given: str | None = None,
    check: Check | None = None,
    default: Any = dataclasses.MISSING,
    is_content: bool = False,
    is_filtered: bool = True,
    unsaid: str | None = None,
) -> Any:
    declared = Field(
        kind=kind,
        given=given,
        check=check,
        is_content=is_content,
        is_filtered=is_filtered,
        unsaid=unsaid,
    )
    return dataclasses.field(default=default, metadata={"field": declared})


def _label(given: str) -> Any:
    return _kept("text", given=given, check=or_none(label), default=None, is_content=True)


@dataclass(slots=True, kw_only=True)
class Record:
    """A memory as it is kept, or is about to be."""

    id: str = _kept("text")
    text: str = _kept("text", given="text", check=checks.text, is_content=True)
    metadata: str = _kept("json", given="metadata", check=checks.metadata, default="{}",
                          is_content=True, is_filtered=False)  # fmt: skip
    key: str | None = _label("key")
    session: str | None = _label("session")
    actor: str | None = _label("actor")
    role: str | None = _label("role")
    origin: str = _kept("text", given="origin", check=or_none(origin.checked),
                        default=origin.USER, is_content=True, unsaid=origin.USER)  # fmt: skip
    """Who it comes from: one of `origin.ORDER`."""
    manner: str = _kept("text", check=manner.checked, default=manner.STATEMENT, is_content=True,
                        unsaid=manner.STATEMENT)  # fmt: skip
    """How it is said: one of `manner.MANNERS`."""
    prior: float = _kept("real", given="importance", check=or_none(unit_interval),
                         is_filtered=False)  # fmt: skip
    """Importance as the caller gave it."""
    importance: float = _kept("real")
    """The prior folded with the signals."""
    recalls: int = _kept("integer", default=0)
    created_at: Seconds = _kept("time", given="recorded_at", check=or_none(seconds))
    updated_at: Seconds = _kept("time")
    valid_from: Seconds = _kept("time", given="valid_from", check=or_none(seconds))
    stated_to: Seconds | None = _kept("time", given="valid_to", check=or_none(seconds),
                                      default=None, is_filtered=False)  # fmt: skip
    """The end of validity as the caller gave it."""
    valid_to: Seconds | None = _kept("time", default=None)
    """The earliest of `stated_to` and the supersessions."""
    expires_at: Seconds | None = _kept("time", given="expires_at", check=or_none(seconds),
                                       default=None)  # fmt: skip
    affirmed: int = _kept("integer", default=0, is_filtered=False)
    affirmed_at: Seconds | None = _kept("time", default=None, is_filtered=False)
    affirmed_by: str | None = _kept("text", default=None, is_filtered=False)
    vector: bytes | None = _kept("vector", given="vector", check=or_none(vector_bytes),
                                 default=None, is_content=True, is_filtered=False)  # fmt: skip
    """Little-endian float32, as given."""
    context: int | None = _kept("integer", default=None, is_filtered=False)
    """The digest of the turn whose text its vector was made with, too; see `spoken`."""
    row: int = dataclasses.field(default=0, compare=False)
    """Which row it has; given by the truth."""
    words: tuple[int, bytes] | None = dataclasses.field(default=None, compare=False)
    """Its likeness and its words as they are kept, where a truth has made them already."""
    echo_of: str | None = dataclasses.field(default=None, compare=False)
    """The id of what a write said again, where this is what stands in its place."""


FIELDS: Final[Mapping[str, Field]] = {
    each.name: each.metadata["field"]
    for each in dataclasses.fields(Record)
    if "field" in each.metadata
}
"""Every kept field, by its name."""

GIVEN: Final[Mapping[str, str]] = {
    field.given: name for name, field in FIELDS.items() if field.given is not None
}
"""What a caller may say of a memory, besides its id, and the field it is kept in."""

FILTERED: Final = tuple(name for name, field in FIELDS.items() if field.is_filtered)
"""The fields of the memory itself that a filter may name."""

COLUMNS: Final = (
    *(name for name in FILTERED if FIELDS[name].kind in {"time", "real", "integer"}),
    "stated_to",
)
"""The numbers that the arrays of a View hold of each memory: those that a filter may name, and the
end as it was stated, without which nobody can tell what was known before it was superseded."""

UNSAID: Final[Mapping[str, str]] = {
    name: field.unsaid for name, field in FIELDS.items() if field.unsaid is not None
}
"""What fields are of which a row holds nothing, though every memory has them."""

CONTENT: Final = tuple(name for name, field in FIELDS.items() if field.is_content)
"""What a search reads of a memory."""


def content_of(record: Record) -> tuple[object, ...]:
    """What a search reads of it: whatever changes here gives it a new row."""
    return tuple(getattr(record, name) for name in CONTENT)


def filtered_of(record: Record) -> dict[str, Any]:
    """The record as filters read it."""
    said = {name: getattr(record, name) for name in FILTERED}
    return {**said, "metadata": json.loads(record.metadata)}


_raw_decode: Final = json.JSONDecoder().raw_decode


def _decoded(kept: str) -> Any:
    """What metadata was; it is kept without a space around it, for which `json.loads` looks."""
    value, end = _raw_decode(kept)
    return value if end == len(kept) else json.loads(kept)  # which says what is behind it


_DECODED: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    "time": when,
    "json": _decoded,
    "vector": partial(np.frombuffer, dtype=np.dtype("<f4")),
}

DECODERS: Final = {
    name: _DECODED[field.kind] for name, field in FIELDS.items() if field.kind in _DECODED
}
"""What makes of a kept field what callers are shown, where that is something else."""
