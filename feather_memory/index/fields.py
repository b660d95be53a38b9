"""The fields that filters ask for, as codes of their distinct values.

In the mapped file stands every label and every top-level key of the metadata, sparse: which memory
has which of its distinct values. Nothing of that is looked at before a filter names the field, and
what was written since is read from the truth. What is read is checked: a field that does not match
its checksum is read from the truth as well.
"""

from __future__ import annotations

import json
import logging
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from feather_memory import config
from feather_memory.filters.language import Path, value_at
from feather_memory.filters.masks import Codes, Values
from feather_memory.index.positions import positions_in
from feather_memory.truth.contract import ReadTransaction
from feather_memory.types import Positions

Name: TypeAlias = tuple[str, ...]
"""Of a field: ("session",), or ("metadata", key)."""

_Kept: TypeAlias = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], bytes]
"""A field in the file: positions of those that have it, ascending, their codes, the values."""

LABELS: Final = ("key", "session", "actor", "role", "origin", "manner")
_PREFIX = "fields."
_ARRAYS = ("names", "starts", "at", "code", "begins", "values", "crc")

_log = logging.getLogger("feather_memory")


class MappedFields:
    """What a mapped file says of the fields of its n memories."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], n: int) -> None:
        """Over arrays as `written` makes them.

        Args:
            arrays: At least those.
            n: How many memories they are of.
        """
        self._held = {name: arrays[_PREFIX + name] for name in _ARRAYS}
        self.n = n
        self._numbers: dict[Name, int | None] | None = None

    @staticmethod
    def are_in(arrays: Mapping[str, npt.NDArray[Any]]) -> bool:
        """Whether a file holds them."""
        return arrays.keys() >= {_PREFIX + name for name in _ARRAYS}

    def names(self) -> Mapping[Name, int | None] | None:
        """The number of every field that any memory has, None for one that is left out.

        None of all where they cannot be read.
        """
        try:
            if self._numbers is None:
                text = self._held["names"].tobytes()
                _check(zlib.crc32(text), self._held["crc"][-1])
                kept, left = json.loads(text)
                numbers = {tuple(name): number for number, name in enumerate(kept)}
                self._numbers = {**numbers, **dict.fromkeys(map(tuple, left))}
        except (ValueError, IndexError) as error:  # it was mapped, and not checked
            _ignored("the names of the mapped fields", error)
        return self._numbers

    def read(self, name: Name) -> tuple[Positions, npt.NDArray[np.int32], list[Any]] | None:
        """Positions, codes and distinct values of a field; None where the truth has to be asked."""
        if (names := self.names()) is None:
            return None
        number = names.get(name, -1)
        if number == -1:  # no memory has it
            return np.empty(0, np.intp), np.empty(0, np.int32), []
        try:
            return None if number is None else self._read(number)
        except (ValueError, IndexError) as error:
            _ignored(f"the mapped field {name}", error)
            return None

    def _as_kept(self, number: int) -> _Kept:
        held = self._held
        within = slice(*held["starts"][number : number + 2].tolist())
        text = held["values"][slice(*held["begins"][number : number + 2].tolist())].tobytes()
        return held["at"][within], held["code"][within], text

    def _read(self, number: int) -> tuple[Positions, npt.NDArray[np.int32], list[Any]]:
        at, code, text = self._as_kept(number)
        _check(_crc(at, code, text), self._held["crc"][number])
        values = json.loads(text)
        if at.size and (int(at[-1]) >= self.n or int(code.max()) >= len(values)):
            raise ValueError("it does not fit the other arrays")
        return at.astype(np.intp), code, values

    def without(
        self, gone: Positions, is_used: Callable[[Name], bool]
    ) -> dict[str, npt.NDArray[Any]] | None:
        """The arrays of the same memories, but that those at some positions have no fields.

        Args:
            gone: Ascending.
            is_used: Whether any memory has a field that is left out.

        Returns:
            None where they cannot be read.
        """
        if (names := self.names()) is None:
            return None
        left = [name for name, number in names.items() if number is None and is_used(name)]
        try:
            kept = {
                name: self._spared(number, gone)
                for name, number in names.items()
                if number is not None
            }
        except (ValueError, IndexError) as error:
            _ignored("the mapped fields", error)
            return None
        return _arrays({name: each for name, each in kept.items() if len(each[0])}, left)

    def _spared(self, number: int, gone: Positions) -> _Kept:
        at, code, text = self._as_kept(number)
        if not len(dropped := positions_in(at.astype(np.int64), gone)):
            return at, code, text
        _check(_crc(at, code, text), self._held["crc"][number])
        many = int(code.max()) + 1  # every value that is kept is somebody's
        at, code = np.delete(at, dropped), np.delete(code, dropped)
        is_held = np.bincount(code, minlength=many) > 0
        if not is_held.all():
            text = _cut(text, many, np.flatnonzero(~is_held).tolist())
            code = (np.cumsum(is_held, dtype=np.int32) - 1)[code]
        return at, code, text


def _ignored(what: str, error: Exception) -> None:
    _log.warning("ignored %s, which can be rebuilt: %s", what, error)


class Fields:
    """The fields of one lineage of Views, each read when a filter asks for it first."""

    def __init__(self, mapped: MappedFields | None = None) -> None:
        self._lock = threading.Lock()
        self._mapped = mapped
        self._codes: dict[Path, Codes] = {}

    def renewed(self) -> Fields:
        """Those of a fork: somebody may have been half way further."""
        return Fields(self._mapped)

    def at(
        self, begin: Callable[[], ReadTransaction], rows: npt.NDArray[np.int64], path: Path
    ) -> Codes:
        """One field of all memories of a View.

        Args:
            begin: Begins a transaction of its moment.
            rows: Its own.
            path: Which field.
        """
        with self._lock:
            codes = self._held(path)
            is_behind = len(codes.codes) < len(rows)
        # Before the lock: a transaction waits where a fork is under way.
        transaction = begin() if is_behind else None
        with self._lock:
            if transaction is not None and len(codes.codes) < len(rows):
                _catch_up(codes, transaction, rows, path)
            return replace(codes, codes=codes.codes[: len(rows)])

    def _held(self, path: Path) -> Codes:
        """The field's codes, as far as they are known; those not asked for longest are dropped."""
        codes = self._codes.pop(path, None)
        self._codes[path] = codes = self._begun(path) if codes is None else codes
        while len(self._codes) > config.FILTER_FIELDS:
            del self._codes[next(iter(self._codes))]
        return codes

    def _begun(self, path: Path) -> Codes:
        """What the mapped file says of it; nothing where the truth has to be asked for all."""
        name = path[:2] if path[0] == "metadata" else path
        if self._mapped is None or not _is_kept(name) or (found := self._mapped.read(name)) is None:
            return Codes()
        at, code, values = found
        if len(path) > len(name):  # deeper in: asked of each distinct value once
            made = Codes()
            within = [made.code(value_at({"metadata": {name[1]: each}}, path)) for each in values]
            code = np.array([*within, -1], np.int32)[code]
        else:
            made = Codes(values=Values(values))
        made.codes = np.full(self._mapped.n, -1, np.int32)
        made.codes[at] = code
        return made

    def arrays(
        self, transaction: ReadTransaction, rows: npt.NDArray[np.int64], live: Positions
    ) -> dict[str, npt.NDArray[Any]]:
        """What `MappedFields` reads again, of the live memories alone, which close ranks.

        Values that were mapped are not parsed anew: only what was written since is read.
        """
        collected, left = self._collected(transaction, rows)
        place = np.full(len(rows), -1, np.int32)
        place[live] = np.arange(len(live))
        kept: dict[Name, _Kept] = {}
        for name, each in sorted(collected.items()):
            at, code, values = each.among(place)
            text = _text(values)
            if len(text) > config.FIELD_BYTES * len(live):
                left.add(name)
            elif len(at):
                kept[name] = at, code, text
        return _arrays(kept, left)

    def _collected(
        self, transaction: ReadTransaction, rows: npt.NDArray[np.int64]
    ) -> tuple[dict[Name, _Sparse], set[Name]]:
        """Every field that is kept, of every memory, and the names of those that are left out."""
        collected: dict[Name, _Sparse] = defaultdict(_Sparse)
        left: set[Name] = set()
        n = 0
        if self._mapped is not None and (names := self._mapped.names()) is not None:
            left = {name for name, number in names.items() if number is None}
            found = {name: self._mapped.read(name) for name in names.keys() - left}
            if None not in found.values():
                n = self._mapped.n
                collected.update((name, _Sparse.of(*each)) for name, each in found.items() if each)
        if n < len(rows):
            for name, told in _told(transaction, rows, n).items():
                if name not in left:
                    collected[name].extend(*told)
        return collected, left


class _Sparse:
    """One field of those memories that have it."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.code: list[int] = []
        self.values = Values([])

    @classmethod
    def of(cls, at: Positions, code: npt.NDArray[np.int32], values: list[Any]) -> Self:
        """That of positions, and of which of the distinct values each has."""
        made = cls()
        made.at, made.code, made.values = at.tolist(), code.tolist(), Values(values)
        return made

    def extend(self, positions: list[int], values: list[Any]) -> None:
        """Further memories, behind the others, and the value of each."""
        self.at += positions
        types = {*map(type, values)}
        if types <= {str} or types <= {int, float}:  # Python tells these apart as filters do
            codes = {value: self.values.code(value) for value in dict.fromkeys(values)}
            self.code += map(codes.__getitem__, values)
        else:
            self.code += map(self.values.code, values)

    def among(
        self, place: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], list[Any]]:
        """Positions, codes and values where memories have moved to other places, −1 for none."""
        at = place[np.array(self.at, np.intp)]
        used, code = np.unique(np.array(self.code, np.int32)[at >= 0], return_inverse=True)
        values = [self.values.all[each] for each in used.tolist()]
        return at[at >= 0], code.astype(np.int32), values


def _arrays(kept: Mapping[Name, _Kept], left: Iterable[Name]) -> dict[str, npt.NDArray[Any]]:
    """The fields behind each other: of the number i, from `starts[i]` and from `begins[i]` on."""
    nothing = np.empty(0, np.int32)
    texts = [text for *_, text in kept.values()]
    names = json.dumps([list(kept), sorted(left)], ensure_ascii=False).encode()
    made: dict[str, npt.NDArray[Any]] = {
        "names": np.frombuffer(names, np.uint8),
        "starts": np.cumsum([0, *(len(at) for at, *_ in kept.values())], dtype=np.int64),
        "at": np.concatenate([nothing, *(at for at, *_ in kept.values())]),
        "code": np.concatenate([nothing, *(code for _, code, _ in kept.values())]),
        "begins": np.cumsum([0, *map(len, texts)], dtype=np.int64),
        "values": np.frombuffer(b"".join(texts), np.uint8),
        "crc": np.array([*(_crc(*each) for each in kept.values()), zlib.crc32(names)], np.uint32),
    }
    return {_PREFIX + name: array for name, array in made.items()}


def _text(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _cut(text: bytes, many: int, dropped: list[int]) -> bytes:
    """The text of many values without some of them, ascending."""
    commas = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(","))
    if len(commas) != many - 1:  # there are some within a value
        gone, values = set(dropped), json.loads(text)
        return _text([value for code, value in enumerate(values) if code not in gone])
    ends = [0, *commas.tolist(), len(text) - 1]  # a tenth of the time: nothing is parsed
    first = [0, *(each + 1 for each in dropped)]
    runs = [(start, end) for start, end in zip(first, [*dropped, many], strict=True) if start < end]
    return b"[%b]" % b",".join(text[ends[start] + 1 : ends[end]] for start, end in runs)


def _crc(at: npt.NDArray[Any], code: npt.NDArray[Any], text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(code.tobytes(), zlib.crc32(at.tobytes())))


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise ValueError("it does not match its checksum")


def _is_kept(name: Name) -> bool:
    return len(name) == 2 if name[0] == "metadata" else name[0] in LABELS


def _told(
    transaction: ReadTransaction, rows: npt.NDArray[np.int64], n: int
) -> dict[Name, tuple[list[int], list[Any]]]:
    """Every field of the memories from the n-th on: positions of those that have it, and values."""
    found = transaction.memories.values_of("metadata", *LABELS, from_row=int(rows[n]))
    if not found:  # all of them are gone
        return {}
    row, metadata, *labels = zip(*found, strict=True)
    at: list[int] = np.searchsorted(rows, np.array(row, np.int64)).tolist()
    told: dict[Name, tuple[list[int], list[Any]]] = {}
    for label, kept in zip(LABELS, labels, strict=True):
        held = [(place, value) for place, value in zip(at, kept, strict=True) if value is not None]
        told[label,] = [place for place, _ in held], [value for _, value in held]
    keys: dict[str, tuple[list[int], list[Any]]] = {}
    for place, text in zip(at, metadata, strict=True):
        if text == "{}":
            continue
        for key, value in json.loads(text).items():
            places, values = keys.setdefault(key, ([], []))
            places.append(place)
            values.append(value)
    return told | {("metadata", key): each for key, each in keys.items()}


def _catch_up(
    codes: Codes, transaction: ReadTransaction, rows: npt.NDArray[np.int64], path: Path
) -> None:
    """Append what memories have that were written since."""
    length = len(codes.codes)
    found = transaction.memories.values_of(path[0], from_row=int(rows[length]))
    fresh = np.full(len(rows) - length, -1, np.int32)
    at = np.searchsorted(rows, np.array([row for row, _ in found], np.int64))
    fresh[at - length] = [codes.code(_value(kept, path)) for _, kept in found]
    codes.codes = np.concatenate([codes.codes, fresh])


def _value(kept: Any, path: Path) -> Any:
    return value_at({path[0]: json.loads(kept) if path[0] == "metadata" else kept}, path)
