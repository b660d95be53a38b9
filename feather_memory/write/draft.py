"""The door for what is written: everything is checked here, before anything is."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from feather_memory.config import MAX_DIMENSION, MAX_ID_LENGTH, MAX_METADATA_BYTES, MAX_TEXT_BYTES
from feather_memory.errors import InvalidMetadataError, InvalidVectorError, ParameterError
from feather_memory.model.importance import BASELINE
from feather_memory.model.validity import seconds
from feather_memory.truth.sqlite.memories import Record, dump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from feather_memory.types import Seconds, Vector

# From the digits of base32hex to Crockford's, which leave out i, l, o and u.
_CROCKFORD: Final = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"0123456789abcdefghjkmnpqrstvwxyz"
)


class Keep:
    """The type of `KEEP`."""

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep()
"""An argument of `update` that is not given; None clears the field."""

FIELDS: Final = frozenset(
    {"text", "vector", "metadata", "key", "session", "actor", "role", "importance",
     "valid_from", "valid_to", "expires_at"}
)  # fmt: skip
"""What a caller may say of a memory, besides its id."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked request to write one memory: only the fields that were given."""

    id: str | None
    fields: Mapping[str, Any]

    @classmethod
    def checked(cls, given: Mapping[str, Any], *, is_update: bool = False) -> Draft:
        """The request, or the reason why it cannot be written.

        Raises:
            ParameterError: Any field outside its range; names the field and the value.
        """
        unknown = given.keys() - FIELDS - {"id"}
        if unknown:
            raise ParameterError(f"a memory has no field {min(unknown)!r}")
        if not is_update and "text" not in given:
            raise ParameterError("a memory needs a text")
        id_ = given.get("id")
        checked = {name: _CHECKS[name](given[name], name) for name in given if name != "id"}
        _check_order(checked)
        return cls(None if id_ is None else label(id_, "id"), checked)

    def record(self, now: Seconds, *, defaults: Mapping[str, Any] | None = None) -> Record:
        """A new record; what was not given has its default."""
        given = {**(defaults or {}), **self.fields}
        importance = given.get("importance")
        prior = BASELINE if importance is None else importance
        valid_from = given.get("valid_from")
        record = Record(
            id=self.id or new_id(now),
            text=given["text"],
            metadata=given.get("metadata") or "{}",
            key=given.get("key"),
            session=given.get("session"),
            actor=given.get("actor"),
            role=given.get("role"),
            prior=prior,
            importance=prior,
            created_at=now,
            updated_at=now,
            valid_from=now if valid_from is None else valid_from,
            stated_to=given.get("valid_to"),
            valid_to=given.get("valid_to"),
            expires_at=given.get("expires_at"),
            vector=given.get("vector"),
        )
        _check_interval(record)
        return record

    def rewritten(self, old: Record, now: Seconds) -> Record:
        """The record that takes the place of `old`: what was not given stays."""
        given = self.fields
        vector = given.get("vector", old.vector)
        if "vector" not in given and given.get("text", old.text) != old.text:
            vector = None  # it was the old text's
        prior = given.get("importance", old.prior)
        valid_from = given.get("valid_from")
        record = Record(
            id=old.id,
            text=given.get("text", old.text),
            metadata=given.get("metadata", old.metadata),
            key=given.get("key", old.key),
            session=given.get("session", old.session),
            actor=given.get("actor", old.actor),
            role=given.get("role", old.role),
            prior=BASELINE if prior is None else prior,
            importance=old.importance,
            recalls=old.recalls,
            created_at=old.created_at,
            updated_at=old.updated_at,
            valid_from=old.valid_from if valid_from is None else valid_from,
            stated_to=given.get("valid_to", old.stated_to),
            valid_to=old.valid_to,
            expires_at=given.get("expires_at", old.expires_at),
            vector=vector,
        )
        _check_interval(record)
        if record != old:
            record.updated_at = now
        return record


def label(value: object, name: str) -> str:
    """A short non-empty string, such as an id or a key."""
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be a string, got {value!r}")
    if not value or len(value) > MAX_ID_LENGTH:
        raise ParameterError(f"{name} must have 1 to {MAX_ID_LENGTH} characters, got {len(value)}")
    if "\0" in value:
        raise ParameterError(f"{name} must not hold a NUL character, got {value!r:.80}")
    return _unicode(value, name)


def labels(values: object, name: str) -> list[str]:
    """Several of them; one string alone is refused, for it would be read letter by letter."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ParameterError(f"{name} must be several strings, got {values!r:.80}")
    return [label(value, name) for value in values]


def vector(value: object, name: str = "vector") -> Vector:
    """One vector as a contiguous float32 copy, shape (dim,).

    Raises:
        InvalidVectorError: It is empty, has another number of axes than one, or holds NaN or inf.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "fiu":
            raise InvalidVectorError(f"{name} must hold numbers, got {given.dtype} values")
        with np.errstate(over="ignore"):
            copied = np.array(given, np.float32, order="C", copy=True)
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidVectorError):
            raise
        raise InvalidVectorError(f"{name} must be numbers, got {value!r:.80}") from error
    if copied.ndim != 1 or not 1 <= copied.size <= MAX_DIMENSION:
        raise InvalidVectorError(
            f"{name} must have shape (dim,) with dim from 1 to {MAX_DIMENSION}, got {copied.shape}"
        )
    if not np.isfinite(copied).all():
        at = int(np.flatnonzero(~np.isfinite(copied))[0])
        raise InvalidVectorError(f"{name} must be finite in float32, got {given[at]} at {at}")
    return copied


def unit_interval(value: object, name: str) -> float:
    """A number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ParameterError(f"{name} must be a number in [0, 1], got {value!r}")
    return float(value)


def whole(value: object, name: str, least: int) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ParameterError(f"{name} must be a whole number ≥ {least}, got {value!r}")
    return int(value)


def _unicode(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ParameterError(f"{name} is not valid Unicode: {value!r:.80}") from error
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be a string, got {value!r:.80}")
    if not value.strip():
        raise ParameterError(f"{name} must say something, got {value!r:.80}")
    _unicode(value, name)
    if len(value) > MAX_TEXT_BYTES // 4 and (size := len(value.encode())) > MAX_TEXT_BYTES:
        raise ParameterError(f"{name} may have {MAX_TEXT_BYTES:,} bytes, got {size:,}")
    return value


def _metadata(value: object, name: str) -> str:
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise InvalidMetadataError(f"{name} must be a dict, got {value!r:.80}")
    text = exact_json(value, name)
    if len(text) > MAX_METADATA_BYTES:
        raise InvalidMetadataError(
            f"{name} may have {MAX_METADATA_BYTES:,} bytes as JSON, got {len(text):,}"
        )
    return text


def exact_json(value: object, name: str) -> str:
    """The value as JSON that reads back as the very same.

    Raises:
        InvalidMetadataError: There is none.
    """
    try:
        text = dump(value)
        text.encode()
        same = json.loads(text) == value
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMetadataError(f"{name} cannot be kept as JSON: {error}") from error
    if not same:
        raise InvalidMetadataError(
            f"{name} would come back changed from JSON (keys must be strings, no tuples): "
            f"{value!r:.80}"
        )
    return text


def _bytes(value: object, name: str) -> bytes | None:
    if value is None:
        return None
    return vector(value, name).astype("<f4", copy=False).tobytes()


def _optional_label(value: object, name: str) -> str | None:
    return None if value is None else label(value, name)


def _moment(value: Any, name: str) -> Seconds | None:
    return None if value is None else seconds(value, name)


def _importance(value: object, name: str) -> float | None:
    return None if value is None else unit_interval(value, name)


_CHECKS = {
    "text": _text,
    "vector": _bytes,
    "metadata": _metadata,
    "key": _optional_label,
    "session": _optional_label,
    "actor": _optional_label,
    "role": _optional_label,
    "importance": _importance,
    "valid_from": _moment,
    "valid_to": _moment,
    "expires_at": _moment,
}


def _check_order(given: Mapping[str, Any]) -> None:
    start, end = given.get("valid_from"), given.get("valid_to")
    if start is not None and end is not None and end < start:
        raise ParameterError(f"valid_to must not be before valid_from, got {end} < {start}")


def _check_interval(record: Record) -> None:
    if record.stated_to is not None and record.stated_to < record.valid_from:
        raise ParameterError(
            f"valid_to must not be before valid_from, got {record.stated_to} < {record.valid_from}"
        )


_last_lock = threading.Lock()
_last = [0]


def new_id(now: Seconds) -> str:
    """A string of 26 characters that sorts by time: 48 bits of milliseconds, 80 of chance.

    Within one process each sorts after the one before. The shape is that of a ULID.
    """
    with _last_lock:
        number = max(0, int(now * 1000)) << 80 | int.from_bytes(os.urandom(10), "big")
        if number >> 80 == _last[0] >> 80 and number <= _last[0]:
            number = _last[0] + 1
        _last[0] = number
    # Twenty bytes are 32 letters; 128 bits fill the last 26.
    return base64.b32hexencode(number.to_bytes(20, "big")).translate(_CROCKFORD).decode()[-26:]
