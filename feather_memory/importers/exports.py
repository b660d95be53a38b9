"""Our own export: all that a store keeps as lines of JSON, and back, without a loss.

docs/export.md describes the form. It is neither a verb of the store nor of the command line: a
service that moves its tenants imports it, and what it needs of a store stands in its plumbing.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Final

import numpy as np

from feather_memory.checks import Check, label, number, or_none, seconds, when, whole
from feather_memory.errors import FeatherError, ParameterError, quoted
from feather_memory.model.fields import Field, Kind
from feather_memory.model.hidden import OBEYED
from feather_memory.model.records import NAMES, RECORDS, Kept
from feather_memory.progress import Progress, teller
from feather_memory.store.store import Store
from feather_memory.write.copying import Numbered, Restored

MARK: Final = "feather_memory"
"""The key of the first line that tells an export of ours, and its version."""

VERSION: Final = 2
"""1 was a line a memory, and is read by `chatlog`."""

_END: Final = "end"
_MOST: Final = float(np.finfo(np.float64).max)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_SHOWN: Final = {ord(each): json.dumps(each)[1:-1] for each in OBEYED}
"""Whoever looks at an export sees them, and no terminal obeys them; JSON reads the same."""
_PLACES: Final = {kind: place for place, kind in enumerate(RECORDS.values())}


def _iso(value: float) -> str:
    return when(value).isoformat()


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _numbers(value: object, name: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        return np.frombuffer(base64.b64decode(value, validate=True), np.dtype("<f4"))
    except (binascii.Error, ValueError) as error:
        raise ParameterError(f"{name} is no base64 of float32 numbers: {error}") from None


_WRITTEN: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    "time": _iso,
    "json": json.loads,
    "vector": _base64,
}
"""What a line has of a field, where that is not what is kept."""

_CHECKS: Final[Mapping[Kind, Check]] = {
    "text": label,
    "real": lambda value, name: number(value, name, -_MOST, _MOST),
    "time": seconds,
    "integer": lambda value, name: whole(value, name, 0),
}
"""What a field may be that declares no check: one that no caller gives."""


def write(
    store: Store, stream: IO[str], *, vectors: bool = True, progress: Progress = False
) -> Counter[str]:
    """Write all that the store keeps, as of one moment; how many there were of each kind.

    Args:
        store: Others may use it meanwhile.
        stream: Of text.
        vectors: Whether the memories come with theirs. Without, the copy finds them by their
            words, until `reembed`.
        progress: As in `add_many`; counts memories.
    """
    counts, tell = Counter[str](), teller(progress, label="exporting")
    total = max(1, len(store))  # others may add meanwhile
    with store.plumbing.everything() as records:
        for record in records:
            name = NAMES[type(record)]
            stream.write(_line(name, record, vectors=vectors))
            counts[name] += 1
            if tell is not None and name == "memory":
                tell(min(counts[name], total), total)
    stream.write(_encoded({_END: {"lines": counts.total()}}))
    return counts


def _line(name: str, record: Kept, *, vectors: bool) -> str:
    said = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        if "field" not in each.metadata or value == each.default:
            continue
        kind = each.metadata["field"].kind
        if vectors or kind != "vector":
            said[each.name] = _WRITTEN[kind](value) if kind in _WRITTEN else value
    if name == "store":
        return _encoded({MARK: VERSION, name: said if vectors else {**said, "vectors": False}})
    return _encoded({name: said})


def _encoded(said: Mapping[str, Any]) -> str:
    return _ENCODER.encode(said).translate(_SHOWN) + "\n"


def is_ours(first: str) -> bool:
    """Whether a file that begins with this line is an export of this form, or a later one."""
    try:
        said = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "store" in said and MARK in said


def restore(store: Store, lines: Iterable[str]) -> Restored:
    """Add what an export holds to a store, in one transaction: all of it, or nothing.

    Into an empty store it brings a copy: what is asked of it, of any moment, is answered as by the
    original. In any other, what is there stays as it is, so that the same export twice is once. A
    slot that both hold is settled as by `add`: the later fact supersedes the earlier.

    Args:
        store: Whoever else writes to it waits, ten seconds at most.
        lines: Of text.

    Raises:
        ParameterError: A line that is damaged, cut off, or contradicts another, or what is there
            under its id: it names the line and the field. Nothing was changed.
        WrongEmbedderError: The vectors there are by another model. Nothing was changed.
    """
    return store.plumbing.restore(read(lines))


def read(lines: Iterable[str]) -> Iterator[Numbered]:
    """The records of an export, each with the number of its line.

    Raises:
        ParameterError: A line that holds none. It names the line and the field.
    """
    line, place, is_whole, count = 0, -1, False, 0
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        if is_whole:
            raise ParameterError(f"line {line}: nothing may stand after the last")
        try:
            name, said = _named(text, is_first=place < 0)
            if name == _END:
                is_whole = _is_end(said, count)
                continue
            record = _record(name, said)
            place = _in_order(name, place)
        except FeatherError as error:
            error.about(f"line {line}")
            raise
        count += 1
        yield line, record
    if not is_whole:
        raise ParameterError(f"line {line + 1}: the export ends without its last line, cut off")


def _named(text: str, *, is_first: bool) -> tuple[str, Any]:
    """The one thing a line says, by its name."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"it is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise ParameterError("it is no JSON object")
    if is_first:
        if (version := said.pop(MARK, None)) != VERSION:
            raise ParameterError(
                f"{MARK!r}: an export of version {quoted(version)}; this release reads {VERSION}"
            )
        if list(said) != ["store"]:
            raise ParameterError("the first line of an export says of which 'store' it is")
    if len(said) != 1:
        raise ParameterError(f"a line says one thing, got {', '.join(map(repr, said)):.80}")
    return next(iter(said.items()))


def _in_order(name: str, place: int) -> int:
    """The place of a record among the kinds, which come one after the other."""
    own = _PLACES[RECORDS[name]]
    if own < place or own == place == 0:
        raise ParameterError(f"{name!r} must stand before {list(RECORDS)[place]!r}")
    return own


def _is_end(said: object, count: int) -> bool:
    lines = said.get("lines") if isinstance(said, dict) else None
    if lines != count:
        raise ParameterError(
            f"{_END!r} says that {quoted(lines)} lines come before it, not {count}"
        )
    return True


def _record(name: str, said: object) -> Kept:
    if name not in RECORDS:
        raise ParameterError(f"an export has no {quoted(name)}")
    if not isinstance(said, dict):
        raise ParameterError(f"{name!r} must be an object, got {quoted(said)}")
    fields = _fields(RECORDS[name])
    if unknown := said.keys() - fields.keys():
        raise ParameterError(f"{min(unknown)!r}: a {name} has no such field")
    values = {}
    for each, (declared, is_needed) in fields.items():
        if each in said:
            values[each] = _checked(declared, said[each], repr(each), is_needed=is_needed)
        elif is_needed:
            raise ParameterError(f"{each!r} is missing")
    return RECORDS[name](**values)


def _fields(kind: type[Kept]) -> dict[str, tuple[Field, bool]]:
    """Each field, and whether it has to be there."""
    return {
        each.name: (each.metadata["field"], each.default is dataclasses.MISSING)
        for each in dataclasses.fields(kind)
        if "field" in each.metadata
    }


def _checked(field: Field, value: object, name: str, *, is_needed: bool) -> Any:
    if value is None and is_needed:
        raise ParameterError(f"{name} is missing")
    if field.kind == "vector":
        value = _numbers(value, name)
    check = field.check or or_none(_CHECKS[field.kind])
    return check(value, name)
