"""What callers give, checked once at the door: the value as it is kept, or a refusal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time
from functools import partial
from hashlib import blake2b
from numbers import Real
from os import PathLike, fsencode, fspath
from pathlib import Path, PurePath
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import numpy as np

from feather_memory.config import (
    MAX_DIMENSION,
    MAX_ID_LENGTH,
    MAX_JSON_DEPTH,
    MAX_METADATA_BYTES,
    MAX_QUERY_LENGTH,
    MAX_TEXT_BYTES,
)
from feather_memory.errors import InvalidMetadataError, InvalidVectorError, ParameterError, quoted
from feather_memory.types import Seconds, Vector, When

Kind = TypeVar("Kind")

DECIMALS: Final = 6
"""Times are kept to the microsecond, as datetimes are."""

FIRST: Final[Seconds] = -62_135_596_800.0
"""0001-01-01 UTC, the first moment a datetime can name."""

LAST: Final[Seconds] = math.nextafter(253_402_300_800.0, 0.0)
"""The last float before the year 10000."""


def label(value: object, name: str) -> str:
    """A short non-empty string, such as an id or a key."""
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be a string, got {_no_string(value)}")
    if not value or len(value) > MAX_ID_LENGTH:
        raise ParameterError(f"{name} must have 1 to {MAX_ID_LENGTH} characters, got {len(value)}")
    if "\0" in value:
        raise ParameterError(f"{name} must not hold a NUL character, got {quoted(value)}")
    return unicode_text(value, name)


def _no_string(value: object) -> str:
    """What it is instead; of what names things elsewhere, such as 7 or a UUID, also its string."""
    if isinstance(value, int | np.integer | UUID | PurePath) and not isinstance(value, bool):
        return f"the {type(value).__name__} {quoted(value)}: write {quoted(str(value))}"
    return f"{quoted(value)}"


def labels(values: object, name: str) -> list[str]:
    """Several of them; one string alone is refused, for it would be read letter by letter."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ParameterError(f"{name} must be several strings, got {_no_string(values)}")
    return [label(value, name) for value in values]


_SERVERS: Final = ("postgresql://", "postgres://")


def server_url(value: object) -> str | None:
    """The URL of a PostgreSQL database, if that is what it is; else it says where a file is."""
    return value if isinstance(value, str) and value.startswith(_SERVERS) else None


def server_place(url: str) -> str:
    """The URL as errors, logs and handles may tell it: without a password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    told = "&".join(each for each in parts.query.split("&") if not each.startswith("password="))
    address = f"{user.partition(':')[0]}{at}{host}"
    # by hand: `urlunsplit` leaves out the slashes where nothing stands between them
    rest = urlunsplit(("", "", parts.path, told, parts.fragment))
    return f"{parts.scheme}://{address}{rest}"


_SCHEME: Final = re.compile("([A-Za-z][A-Za-z0-9+.-]+):/")  # a drive has one letter


def file_path(value: object, name: str = "path") -> Path:
    """Where a file is, or is to be. What SQLite would take for no file at all is refused.

    So is a URL, which would be a folder's name, its password with it: none is told. A folder that
    is called like one is `./folder:/…`.
    """
    if not isinstance(value, str | PathLike) or not isinstance(fspath(value), str):
        raise ParameterError(f"{name} must be a string or a path, got {quoted(value)}")
    written = str(fspath(value))
    try:
        fsencode(written)  # a file's name need not be Unicode
    except UnicodeEncodeError:
        raise ParameterError(f"{name} is no name a file can have, got {quoted(written)}") from None
    if "\0" in written:
        raise ParameterError(f"{name} must not hold a NUL character, got {quoted(written)}")
    if not written or written == ":memory:" or written.lower().startswith("file:"):
        raise ParameterError(
            f"{name} must be that of a file, got {quoted(written)}; for a store that is gone "
            "afterwards, put one into a tempfile.TemporaryDirectory()"
        )
    if (scheme := _SCHEME.match(written)) is not None:
        raise ParameterError(
            f"{name} must be that of a file, got a URL of {scheme[1]}; where a database may be "
            "given, its URL is a string that begins with postgresql://"
        )
    return Path(written)


def query(value: object, name: str = "text") -> str | None:
    """What a search looks for in words; None for nothing. Vectors have an argument of their own."""
    if value is None:
        return None
    if not isinstance(value, str):
        is_vector = hasattr(value, "__array__") or (
            isinstance(value, list | tuple) and all(isinstance(each, Real) for each in value)
        )
        hint = ": a vector is given as vector=…" if is_vector else ""
        raise ParameterError(f"{name} must be a string, got {quoted(value)}{hint}")
    if len(value) > MAX_QUERY_LENGTH:
        raise ParameterError(
            f"{name} may have {MAX_QUERY_LENGTH:,} characters in a search, got {len(value):,}"
        )
    return unicode_text(value, name)


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def unicode_text(value: str, name: str) -> str:
    """A text without half a surrogate pair, which UTF-8 cannot keep."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ParameterError(f"{name} is not valid Unicode: {quoted(value)}") from error
    return value


def passage(value: object, name: str) -> str:
    """Any text, also one that says nothing."""
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be a string, got {quoted(value)}")
    return unicode_text(value, name)


def text(value: object, name: str) -> str:
    """A text that says something, of at most 16 MiB."""
    said = passage(value, name)
    if not said.strip():
        raise ParameterError(f"{name} must say something, got {quoted(value)}")
    if len(said) > MAX_TEXT_BYTES // 4 and (size := len(said.encode())) > MAX_TEXT_BYTES:
        raise ParameterError(f"{name} may have {MAX_TEXT_BYTES:,} bytes, got {size:,}")
    return said


def metadata(value: object, name: str) -> str:
    """A dict as JSON that reads back as the very same, of at most 1 MiB; None is an empty one."""
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise InvalidMetadataError(f"{name} must be a dict, got {quoted(value)}")
    kept = exact_json(value, name)
    if len(kept) > MAX_METADATA_BYTES:
        raise InvalidMetadataError(
            f"{name} may have {MAX_METADATA_BYTES:,} bytes as JSON, got {len(kept):,}"
        )
    return kept


def exact_json(value: object, name: str) -> str:
    """The value as JSON that reads back as the very same.

    Raises:
        InvalidMetadataError: There is none, or dicts and lists are nested more than 64 deep.
    """
    try:
        kept = _JSON.encode(value)
        kept.encode()
    except RecursionError as error:
        raise InvalidMetadataError(f"{name} {_TOO_DEEP}") from error
    except (TypeError, ValueError) as error:
        raise InvalidMetadataError(f"{name} cannot be kept as JSON: {error}") from error
    if _is_flat(value):
        return kept  # to see that it comes back as it was is a third of the time
    if kept.count("{") + kept.count("[") > MAX_JSON_DEPTH and _is_too_deep(value):
        raise InvalidMetadataError(f"{name} {_TOO_DEEP}")
    if json.loads(kept) != value:
        raise InvalidMetadataError(
            f"{name} would come back changed from JSON (keys must be strings, no tuples): "
            f"{quoted(value)}"
        )
    return kept


def _is_flat(value: object) -> bool:
    """Whether it is a dict of which JSON brings back the very same, whatever is in it."""
    return (
        type(value) is dict
        and _NAMES.issuperset(map(type, value))
        and _EXACT.issuperset(map(type, value.values()))
    )


_NAMES: Final = frozenset({str})
_EXACT: Final = frozenset({str, int, float, bool, type(None)})
_TOO_DEEP: Final = f"may have dicts and lists inside each other {MAX_JSON_DEPTH} deep"


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)  # type: ignore[attr-defined]  # of JSON
            if isinstance(inner, dict | list | tuple)
        ]
    return bool(level)


Check = Callable[[Any, str], Any]
"""(value, name) → the value as it is kept. It raises a ParameterError for any other."""


def or_none(check: Check) -> Check:
    """The same check, which lets None through."""
    return lambda value, name: None if value is None else check(value, name)


def number(value: object, name: str, least: float, most: float = math.inf) -> float:
    """A number in [least, most]; a bool is none."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:  # type: ignore[operator]  # NaN fails, too
        raise ParameterError(
            f"{name} must be a number in [{least:g}, {most:g}], got {quoted(value)}"
        )
    try:
        return float(value)  # type: ignore[arg-type]  # it is Real
    except OverflowError:
        raise ParameterError(f"{name} is no number a float can be, got {quoted(value)}") from None


def unit_interval(value: object, name: str) -> float:
    """A number in [0, 1]."""
    return number(value, name, 0.0, 1.0)


def one_of(value: object, name: str, choices: Collection[str]) -> None:
    """Nothing, if it is one of these words."""
    if not isinstance(value, str) or value not in choices:
        raise ParameterError(f"{name} must be one of {', '.join(choices)}, got {quoted(value)}")


def flag(value: object, name: str) -> bool:
    """True or False, and nothing that is merely taken for one."""
    if not isinstance(value, bool):
        raise ParameterError(f"{name} must be True or False, got {quoted(value)}")
    return value


def instance(value: object, name: str, kind: type[Kind]) -> Kind:
    """One of our own nouns."""
    if not isinstance(value, kind):
        raise ParameterError(f"{name} must be a {kind.__name__}, got {quoted(value)}")
    return value


def instances(values: object, name: str, kind: type[Kind]) -> list[Kind]:
    """Several of them."""
    if not isinstance(values, Iterable):
        raise ParameterError(f"{name} must be several of {kind.__name__}, got {quoted(values)}")
    return [instance(value, f"each of {name}", kind) for value in values]


def share(value: object, name: str) -> float:
    """A number in (0, 1], such as an edge's weight or a signal's strength."""
    if (checked := unit_interval(value, name)) == 0:
        raise ParameterError(f"{name} must be above 0, got {quoted(value)}")
    return checked


def whole(value: object, name: str, least: int, most: float = math.inf) -> int:
    """A whole number of at least `least`, and at most `most`."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | np.integer)
        or not least <= value <= most
    ):
        upto = "" if most == math.inf else f" and ≤ {most:,}"
        raise ParameterError(f"{name} must be a whole number ≥ {least}{upto}, got {quoted(value)}")
    return int(value)


def seconds(moment: When, name: str) -> Seconds:
    """The moment as Unix seconds, to the microsecond.

    Args:
        moment: A timezone-aware datetime, a date, either as ISO 8601 text, or Unix seconds.
            A date is its midnight in UTC.
        name: Of the argument, for the message.

    Raises:
        ParameterError: a naive datetime, NaN, infinity, a moment outside the years 1 to 9999,
            or something else.

    >>> seconds(datetime(2026, 1, 1, tzinfo=UTC), "as_of")
    1767225600.0
    >>> seconds("2026-01-01T01:00:00+01:00", "as_of") == seconds("2026-01-01", "as_of")
    True
    """
    value: Any = _from_iso(moment, name) if isinstance(moment, str) else moment
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ParameterError(f"{name} must say its timezone, got the naive {quoted(moment)}")
        value = min(value.timestamp(), LAST)  # datetime.max has no float of its own
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number:
        raise ParameterError(
            f"{name} must be an aware datetime, a date, ISO text or Unix seconds, "
            f"got {quoted(value)}"
        )
    # NaN fails every comparison. Compared before float(), which whole numbers may overflow.
    if not FIRST <= value <= LAST:
        raise ParameterError(f"{name} must lie in the years 1 to 9999, got {quoted(moment)}")
    return min(round(float(value), DECIMALS), LAST)


def _from_iso(written: str, name: str) -> date:
    for read in (date.fromisoformat, datetime.fromisoformat):
        with suppress(ValueError):
            return read(written)
    raise ParameterError(
        f"{name} must be ISO 8601 text such as '2026-01-31T12:00:00Z', got {quoted(written)}"
    )


when: Callable[[Seconds], datetime] = partial(datetime.fromtimestamp, tz=UTC)
"""The moment as a timezone-aware datetime in UTC."""


def vector(value: object, name: str = "vector") -> Vector:
    """One vector as a contiguous float32 copy, shape (dim,).

    Raises:
        InvalidVectorError: It is empty, has another number of axes than one, or holds NaN or inf.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "fiu":
            raise InvalidVectorError(f"{name} must hold numbers, got {given.dtype} values")
        if given.dtype == np.float32:
            copied = np.array(given, order="C", copy=True)
        else:
            with np.errstate(over="ignore"):
                copied = np.array(given, np.float32, order="C", copy=True)
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidVectorError):
            raise
        raise InvalidVectorError(f"{name} must be numbers, got {quoted(value)}") from error
    if copied.ndim != 1 or not 1 <= copied.size <= MAX_DIMENSION:
        raise InvalidVectorError(
            f"{name} must have shape (dim,) with dim from 1 to {MAX_DIMENSION}, got {copied.shape}"
        )
    # The sum of squares is finite only if all are; that of large numbers may not be, though.
    if not math.isfinite(np.vdot(copied, copied)) and not np.isfinite(copied).all():
        at = int(np.flatnonzero(~np.isfinite(copied))[0])
        raise InvalidVectorError(f"{name} must be finite in float32, got {given[at]} at {at}")
    return copied


def vector_bytes(value: object, name: str) -> bytes:
    """One vector as it is kept: little-endian float32."""
    return vector(value, name).astype("<f4", copy=False).tobytes()


def stable_id(*said: str | int | None, size: int = 12) -> str:
    """The id of what is always the same: equal parts, in their order, make an equal id.

    Files hold such ids: how they are made does not change.

    Args:
        said: What it is made of. None is a part of its own, and so is "".
        size: Bytes of the digest; the id has twice as many hexadecimal digits.
    """
    return blake2b(json.dumps(said).encode(), digest_size=size).hexdigest()
