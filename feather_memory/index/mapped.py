"""The derived file beside a store that holds its arrays: small ones to be read, large to be mapped.

It may be deleted at any time, and one that is stale or damaged is never an error: `read` answers
None, and the store derives its arrays from the truth. The layout, little-endian::

    magic 8 · layout u32 · directory length u32 · file size u64 · crc32 u32 · 0 u32 · directory
    columns, then large arrays, each at a multiple of 64 bytes

The directory is JSON: store_id, generation, and in two lists, `columns` and `large`, each array's
name, dtype, shape, offset, bytes and crc32. The header's crc32 covers the fields before it and the
directory.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from feather_memory.errors import ParameterError
from feather_memory.truth import atomic

_MAGIC = b"FTHRVEC1"
_LAYOUT = 2
_FIELDS = struct.Struct("<8sIIQ")  # magic, layout, directory length, file size
_CHECK = struct.Struct("<II")  # crc32 of the fields and the directory, zero
_PREFIX = _FIELDS.size + _CHECK.size
_ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register
_PIECE = 1 << 20  # bytes checked at once
_MAX_DIRECTORY = 1 << 24  # bytes; a longer one is damage
_KINDS = "biufSU"  # of dtypes an array may have: nothing that holds Python objects
_WIDEST = 2**53  # no length and no offset is larger: JSON's own limit

_log = logging.getLogger("feather_memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a store's arrays were at one generation."""

    generation: int
    columns: dict[str, npt.NDArray[Any]]
    """Read, checked and writable."""
    large: dict[str, npt.NDArray[Any]]
    """Mapped and read-only: they cost nothing until they are used. Not checked, see `verify`."""


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
        directory = _directory_of(about, small, [entry for entry, _ in begun]).ljust(room)
        fields = _FIELDS.pack(_MAGIC, _LAYOUT, room, size)
        check = zlib.crc32(directory, zlib.crc32(fields))
        file.seek(0)
        file.write(fields + _CHECK.pack(check, 0) + directory)


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
    widest = {"offset": _WIDEST, "bytes": _WIDEST, "crc32": 2**32}
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


def _put(file: BinaryIO, entry: dict[str, Any], blocks: Iterable[npt.NDArray[Any]]) -> None:
    """Write the blocks one after the other, aligned, and note in the entry where they stand."""
    file.write(bytes(-file.tell() % _ALIGNMENT))
    offset, check = file.tell(), 0
    for block in blocks:
        octets = _little(block).reshape(-1).view(np.uint8).data
        check = zlib.crc32(octets, check)
        file.write(octets)
    entry.update(offset=offset, bytes=file.tell() - offset, crc32=check)


def _directory(file: BufferedReader, store_id: str | None = None) -> dict[str, Any]:
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
    expected, zero = _CHECK.unpack_from(prefix, _FIELDS.size)
    if zero or zlib.crc32(text, zlib.crc32(prefix[: _FIELDS.size])) != expected:
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


def _column(file: BufferedReader, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
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


def _checksum(file: BufferedReader, entry: Mapping[str, Any]) -> int:
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
