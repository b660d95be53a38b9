"""The derived file beside a store that holds its arrays: small ones to be read, large to be mapped.

It may be deleted at any time, and one that is stale or damaged is never an error: `read` answers
None, and the store derives its arrays from the truth. The layout, little-endian::

    magic 8 · layout u32 · directory length u32 · file size u64 · crc32 u32 · mending u32
    directory, columns, then large arrays, each at a multiple of 64 bytes

The directory is JSON: store_id, generation, and in two lists, `columns` and `large`, each array's
name, dtype, shape, offset, bytes, crc32 and sum: of its 64-bit words, modulo 2^64. That says of a
large array what a crc32 says, in a tenth of the time, whenever it is mapped. The header's crc32
covers the fields before it and the directory. `mending` is 0, but for the time in which the file is
changed in its place: what a kill leaves of that is not used.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom, BufferedReader
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from feather_memory.errors import ParameterError
from feather_memory.index import checksum
from feather_memory.truth import atomic
from feather_memory.types import Positions

_MAGIC = b"FTHRVEC1"
_LAYOUT = 3
_FIELDS = struct.Struct("<8sIIQ")  # magic, layout, directory length, file size
_CHECK = struct.Struct("<II")  # crc32 of the fields and the directory; 1 while it is being mended
_PREFIX = _FIELDS.size + _CHECK.size
_ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register
_PIECE = 1 << 20  # bytes checked at once
_MAX_DIRECTORY = 1 << 24  # bytes; a longer one is damage
_KINDS = "biufSU"  # of dtypes an array may have: nothing that holds Python objects
_NEAR = 1 << 15  # bytes between two rows that are mended as one piece
_WIDEST = 2**53  # no length and no offset is larger: JSON's own limit

_log = logging.getLogger("feather_memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a store's arrays were at one generation."""

    generation: int
    columns: dict[str, npt.NDArray[Any]]
    """Read, checked and writable."""
    large: dict[str, npt.NDArray[Any]]
    """Mapped, read-only, and what was written: their sums are right."""


_File = BufferedReader | BufferedRandom


class _DamageError(Exception):
    """Why a file cannot be used. Never leaves this module."""


def write(
    path: str | Path,
    *,
    store_id: str,
    generation: int,
    columns: Mapping[str, npt.NDArray[Any]],
    large: Mapping[str, Iterable[npt.NDArray[Any]]],
) -> None:
    """Write the file, replacing an older one in one step.

    Args:
        path: `NAME.feather.vectors`. The file gets the permissions of `NAME.feather`.
        store_id: Of the store; `read` refuses the file for any other.
        generation: Of the store, when these arrays were taken from it.
        columns: Arrays of numbers, booleans or fixed-width strings, by name.
        large: Arrays by name, each as blocks (m, …) of one dtype and one shape but for m, which
            are written one after the other. At least one block, if of no rows. The first block of
            each is asked for at once, the others only when they are written.

    Raises:
        OSError: no room, or no permission. The older file is as it was.
        ParameterError: an array holds Python objects, has no block, blocks that do not fit each
            other, or the name of another.
    """
    path = Path(path)
    if both := columns.keys() & large.keys():
        raise ParameterError(f"a snapshot cannot hold two arrays named {min(both)!r}")
    small = [_entry(name, column) for name, column in columns.items()]
    begun = [_begun(name, blocks) for name, blocks in large.items()]
    about = {"store_id": store_id, "generation": generation}
    room = _room(about, small, [entry for entry, _ in begun])
    with atomic.replacing(path) as temporary, temporary.open("r+b") as file:
        file.seek(_PREFIX + room)
        for entry, column in zip(small, columns.values(), strict=True):
            _put(file, entry, [column])
        for entry, blocks in begun:
            _put(file, entry, _fitting(entry, blocks))
        size = max(file.seek(0, os.SEEK_END), _PREFIX + room)
        directory = _directory_of(about, small, [entry for entry, _ in begun])
        _head(file, directory, room, size)


def read(path: str | Path, *, store_id: str) -> Snapshot | None:
    """The file's arrays, or None if it is missing, stale in its layout, damaged or another's.

    What is wrong, other than the file's absence, is logged once.
    """
    try:
        with Path(path).open("rb") as file:
            directory = _directory(file, store_id)
            columns = {entry["name"]: _column(file, entry) for entry in directory["columns"]}
            # One mapping for all: each holds a file handle for as long as it lasts.
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            for entry in directory["large"]:
                _require_sum(whole, entry)
            return Snapshot(
                generation=int(directory["generation"]),
                columns=columns,
                large={entry["name"]: _mapped(whole, entry) for entry in directory["large"]},
            )
    except FileNotFoundError:
        return None
    except (OSError, _DamageError, KeyError, TypeError, ValueError) as error:
        _log.warning("ignored the snapshot %s, which can be rebuilt: %s", path, error)
        return None


class Mending:
    """A file whose arrays are changed where they stand. Whoever has mapped it sees the change."""

    def __init__(self, file: BufferedRandom, directory: dict[str, Any]) -> None:
        self._file = file
        self._directory = directory
        self._entries = {entry["name"]: entry for entry in _entries(directory)}
        self.is_changed = False

    @property
    def generation(self) -> int:
        """Of the store, when the arrays were taken from it."""
        return int(self._directory["generation"])

    @property
    def names(self) -> set[str]:
        """Of all its arrays."""
        return set(self._entries)

    def array(self, name: str) -> npt.NDArray[Any]:
        """A copy of an array, read and checked."""
        return _column(self._file, self._entries[name])

    def overwrite(self, name: str, rows: Positions, value: float) -> None:
        """Give these rows of an array, ascending, one value throughout.

        The array's checksum follows from the bytes that change, and from how many come after them.
        """
        entry, file = self._entries[name], self._file
        dtype, (_, *shape) = _dtype(entry), entry["shape"]
        row = np.frombuffer(np.full(shape, value, dtype).tobytes(), np.uint8)
        if not self.is_changed:
            file.seek(_PREFIX - 4)
            file.write(b"\1\0\0\0")  # from here on until the end nobody uses it
            file.flush()
            self.is_changed = True
        far = np.flatnonzero(np.diff(rows) * len(row) > _NEAR) + 1
        for near in np.split(rows, far):
            start, end = int(near[0]) * len(row), (int(near[-1]) + 1) * len(row)
            file.seek(entry["offset"] + start)
            old = file.read(end - start)
            new = np.frombuffer(bytearray(old), np.uint8).reshape(-1, len(row))
            new[near - near[0]] = row
            file.seek(entry["offset"] + start)
            file.write(new.data)
            after = entry["bytes"] - end
            entry["crc32"] = checksum.changed(entry["crc32"], old, new.tobytes(), after=after)
            more = checksum.of_words(new.tobytes(), start) - checksum.of_words(old, start)
            entry["sum"] = (entry["sum"] + more) % 2**64

    def end(self, store_id: str) -> None:
        """See that all of it is on the disk, then let the file be used, under another mark."""
        self._file.flush()
        os.fsync(self._file.fileno())
        about = {**self._directory, "store_id": store_id}
        self._file.seek(0)
        _, _, room, size = _FIELDS.unpack(self._file.read(_FIELDS.size))
        _head(self._file, json.dumps(about).encode(), room, size)


@contextmanager
def mending(path: str | Path, *, store_id: str, mark: str) -> Iterator[Mending | None]:
    """The file, to be changed in its place; None if it is missing, damaged or another's.

    From the first change on nobody uses it, until the block has ended: then it has a new mark.
    One that was not changed keeps the old.

    Args:
        path: `NAME.feather.vectors`.
        store_id: The mark that it has.
        mark: The mark that it gets, of the same length.

    Raises:
        OSError: It cannot be read or written.
    """
    with ExitStack() as stack:
        found = None
        with suppress(FileNotFoundError, _DamageError, KeyError, TypeError, ValueError):
            file = stack.enter_context(Path(path).open("r+b"))
            found = Mending(file, _directory(file, store_id))
        yield found
        if found is not None and found.is_changed:
            found.end(mark)


def verify(path: str | Path) -> list[str]:
    """What is wrong with the file, large arrays included; empty if nothing, or without a file."""
    try:
        with Path(path).open("rb") as file:
            return [
                f"{entry['name']}: the checksum does not match"
                for entry in _entries(_directory(file))
                if _checksum(file, entry) != entry["crc32"]
            ]
    except FileNotFoundError:
        return []
    except (OSError, _DamageError, KeyError, TypeError, ValueError) as error:
        return [f"unreadable: {error}"]


def generation(path: str | Path) -> int:
    """Of the store, when the file was written; −1 where there is none that says so."""
    with (
        suppress(OSError, _DamageError, KeyError, TypeError, ValueError),
        Path(path).open("rb") as f,
    ):
        return int(_directory(f)["generation"])
    return -1


def _little(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, contiguous and little-endian."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _entry(name: str, array: npt.NDArray[Any]) -> dict[str, Any]:
    """An array's line in the directory, but for where it will stand."""
    if array.dtype.kind not in _KINDS:
        raise ParameterError(f"a snapshot cannot hold {name!r} of dtype {array.dtype}")
    dtype = array.dtype.newbyteorder("<").str
    return {"name": name, "dtype": dtype, "shape": list(array.shape)}


def _begun(
    name: str, blocks: Iterable[npt.NDArray[Any]]
) -> tuple[dict[str, Any], Iterable[npt.NDArray[Any]]]:
    """A large array's line in the directory, as its first block tells, and all of its blocks."""
    others = iter(blocks)
    first = next(others, None)
    if first is None or first.ndim == 0:
        raise ParameterError(f"a snapshot wants {name!r} in blocks of rows, and one at least")
    entry = _entry(name, first)
    return {**entry, "shape": [_WIDEST, *entry["shape"][1:]]}, chain([first], others)


def _directory_of(about: Mapping[str, Any], small: list[Any], large: list[Any]) -> bytes:
    return json.dumps({**about, "columns": small, "large": large}).encode()


def _room(about: Mapping[str, Any], small: list[Any], large: list[Any]) -> int:
    """The bytes that no directory of these arrays exceeds, wherever they will stand."""
    widest = {"offset": _WIDEST, "bytes": _WIDEST, "crc32": 2**32, "sum": 2**64}
    drafts = [[{**entry, **widest} for entry in entries] for entries in (small, large)]
    return len(_directory_of(about, *drafts))


def _fitting(
    entry: dict[str, Any], blocks: Iterable[npt.NDArray[Any]]
) -> Iterator[npt.NDArray[Any]]:
    """The blocks of a large array; their rows are counted in its entry as they pass."""
    _, *rest = entry["shape"]
    entry["shape"] = [0, *rest]
    for block in blocks:
        is_alike = _entry(entry["name"], block)["dtype"] == entry["dtype"]
        if not is_alike or block.ndim == 0 or list(block.shape[1:]) != rest:
            raise ParameterError(f"the blocks of {entry['name']!r} do not fit each other")
        entry["shape"][0] += len(block)
        yield block


def _head(file: BinaryIO, directory: bytes, room: int, size: int) -> None:
    """Write the beginning of the file, with which it can be used."""
    padded, fields = directory.ljust(room), _FIELDS.pack(_MAGIC, _LAYOUT, room, size)
    file.seek(0)
    file.write(fields + _CHECK.pack(zlib.crc32(padded, zlib.crc32(fields)), 0) + padded)


def _put(file: BinaryIO, entry: dict[str, Any], blocks: Iterable[npt.NDArray[Any]]) -> None:
    """Write the blocks one after the other, aligned, and note in the entry where they stand."""
    file.write(bytes(-file.tell() % _ALIGNMENT))
    offset, check, total = file.tell(), 0, 0
    for block in blocks:
        octets = _little(block).reshape(-1).view(np.uint8).data
        check = zlib.crc32(octets, check)
        total += checksum.of_words(octets, file.tell() - offset)
        file.write(octets)
    size = file.tell() - offset
    entry.update(offset=offset, bytes=size, crc32=check, sum=total % 2**64)


def _require_sum(whole: mmap.mmap, entry: Mapping[str, Any]) -> None:
    """See that what was mapped is what was written."""
    octets = np.frombuffer(whole, np.uint8, entry["bytes"], entry["offset"])
    if checksum.of_words(octets.data) % 2**64 != entry["sum"]:
        raise _DamageError(f"{entry['name']} does not match its sum")


def _directory(file: _File, store_id: str | None = None) -> dict[str, Any]:
    """The checked directory of an open file, which must be this store's if one is named."""
    prefix = file.read(_PREFIX)
    if len(prefix) < _PREFIX or not prefix.startswith(_MAGIC):
        raise _DamageError("it is not a snapshot")
    _, layout, length, size = _FIELDS.unpack_from(prefix)
    if layout != _LAYOUT:
        raise _DamageError(f"it has layout {layout}, and this release reads {_LAYOUT}")
    actual = os.fstat(file.fileno()).st_size
    if size != actual:
        raise _DamageError(f"it should have {size} bytes and has {actual}")
    text = file.read(min(length, _MAX_DIRECTORY))
    expected, mending = _CHECK.unpack_from(prefix, _FIELDS.size)
    if mending:
        raise _DamageError("it was being mended, and that never ended")
    if zlib.crc32(text, zlib.crc32(prefix[: _FIELDS.size])) != expected:
        raise _DamageError("its header does not match its checksum")
    directory: dict[str, Any] = json.loads(text)
    for entry in _entries(directory):
        if entry["offset"] + entry["bytes"] > size:
            raise _DamageError(f"{entry['name']} lies beyond its end")
    if store_id is not None and directory["store_id"] != store_id:
        raise _DamageError("it belongs to another store")
    return directory


def _entries(directory: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*directory["columns"], *directory["large"]]


def _dtype(entry: Mapping[str, Any]) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(entry["dtype"])
    if dtype.kind not in _KINDS or prod(entry["shape"]) * dtype.itemsize != entry["bytes"]:
        raise _DamageError(f"{entry['name']} cannot be {entry['dtype']} of {entry['shape']}")
    return dtype


def _column(file: _File, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    """An array of its own, read and checked."""
    dtype = _dtype(entry)
    octets = bytearray(entry["bytes"])  # an ordinary array over it can be written to
    file.seek(entry["offset"])
    if file.readinto(octets) != len(octets) or zlib.crc32(octets) != entry["crc32"]:
        raise _DamageError(f"{entry['name']} does not match its checksum")
    return np.frombuffer(octets, dtype).reshape(entry["shape"])


def _mapped(whole: mmap.mmap, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    """An array that stands in the mapping, and keeps it."""
    dtype, shape = _dtype(entry), entry["shape"]
    return np.frombuffer(whole, dtype, prod(shape), entry["offset"]).reshape(shape)


def _checksum(file: _File, entry: Mapping[str, Any]) -> int:
    """Of an array in the file, read piece by piece."""
    file.seek(entry["offset"])
    left, check = int(entry["bytes"]), 0
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            break
        check = zlib.crc32(piece, check)
        left -= len(piece)
    return check
