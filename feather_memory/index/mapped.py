"""The derived file beside a store that holds its vectors ready to be mapped.

It may be deleted at any time, and one that is stale or damaged is never an error: `read` answers
None, and the store reads its vectors from the truth. The layout, little-endian::

    magic 8 · layout u32 · directory length u32 · file size u64 · crc32 u32 · 0 u32 · directory
    columns, then vectors, each at a multiple of 64 bytes

The directory is JSON: store_id, generation, dim, count, and for each array its name, dtype, shape,
offset, bytes and crc32. The header's crc32 covers the fields before it and the directory.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from feather_memory.errors import DimensionError, ParameterError
from feather_memory.truth import atomic
from feather_memory.types import Vector

_MAGIC = b"FTHRVEC1"
_LAYOUT = 1
_FIELDS = struct.Struct("<8sIIQ")  # magic, layout, directory length, file size
_CHECK = struct.Struct("<II")  # crc32 of the fields and the directory, zero
_PREFIX = _FIELDS.size + _CHECK.size
_ALIGNMENT = 64  # bytes: one cache line, one AVX-512 register
_PIECE = 1 << 20  # bytes checked at once
_MAX_DIRECTORY = 1 << 24  # bytes; a longer one is damage
_KINDS = "biufSU"  # of dtypes a column may have: nothing that holds Python objects
_VECTORS = "vectors"

_log = logging.getLogger("feather_memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a store's vectors were at one generation."""

    generation: int
    dim: int
    count: int
    vectors: Vector
    """Shape (count, dim). Mapped and read-only; not checked, see `verify`."""
    columns: dict[str, npt.NDArray[Any]]
    """Read, checked and writable."""


class _DamageError(Exception):
    """Why a file cannot be used. Never leaves this module."""


def write(
    path: str | Path,
    *,
    store_id: str,
    generation: int,
    dim: int,
    vectors: Iterable[Vector],
    columns: Mapping[str, npt.NDArray[Any]],
) -> None:
    """Write the file, replacing an older one in one step.

    Args:
        path: `NAME.feather.vectors`. The file gets the permissions of `NAME.feather`.
        store_id: Of the store; `read` refuses the file for any other.
        generation: Of the store, when these arrays were taken from it.
        dim: Numbers in a row.
        vectors: Blocks of rows, each (m, dim) float32, written one after the other.
        columns: Arrays of numbers, booleans or fixed-width strings, by name.

    Raises:
        OSError: no room, or no permission. The older file is as it was.
        ParameterError: a column holds Python objects or has the name "vectors".
        DimensionError: a block has rows of another length.
    """
    path = Path(path)
    entries = [_entry(name, column) for name, column in columns.items()]
    about = {"store_id": store_id, "generation": generation, "dim": dim, "count": 2**53}
    rows = {**_entry("", np.empty((0, dim), np.float32)), "name": _VECTORS, "shape": [2**53, dim]}
    widest = {"offset": 2**53, "bytes": 2**53, "crc32": 2**32}
    draft = [{**entry, **widest} for entry in [*entries, rows]]
    room = len(json.dumps({**about, "arrays": draft}))  # no final directory is longer
    with atomic.replacing(path) as temporary, temporary.open("r+b") as file:
        file.seek(_PREFIX + room)
        for entry, column in zip(entries, columns.values(), strict=True):
            _put(file, entry, [_little(column)])
        counts: list[int] = []
        _put(file, rows, (_row_block(block, dim, counts) for block in vectors))
        count = sum(counts)
        rows["shape"] = [count, dim]
        size = file.seek(0, os.SEEK_END)
        directory = json.dumps({**about, "count": count, "arrays": [*entries, rows]}).ljust(room)
        fields = _FIELDS.pack(_MAGIC, _LAYOUT, room, size)
        check = zlib.crc32(directory.encode(), zlib.crc32(fields))
        file.seek(0)
        file.write(fields + _CHECK.pack(check, 0) + directory.encode())


def read(path: str | Path, *, store_id: str) -> Snapshot | None:
    """The file's arrays, or None if it is missing, stale in its layout, damaged or another's.

    Columns are read and checked; vectors are mapped and cost nothing until they are used. What is
    wrong, other than the file's absence, is logged once.
    """
    try:
        with Path(path).open("rb") as file:
            directory = _directory(file, store_id)
            *entries, rows = directory["arrays"]
            columns = {entry["name"]: _column(file, entry) for entry in entries}
            return Snapshot(
                generation=int(directory["generation"]),
                dim=int(directory["dim"]),
                count=int(directory["count"]),
                vectors=_mapped(file, rows, (directory["count"], directory["dim"])),
                columns=columns,
            )
    except FileNotFoundError:
        return None
    except (OSError, _DamageError, KeyError, TypeError, ValueError) as error:
        _log.warning("ignored the snapshot %s, which can be rebuilt: %s", path, error)
        return None


def verify(path: str | Path) -> list[str]:
    """What is wrong with the file, vectors included; empty if nothing, or if there is no file."""
    try:
        with Path(path).open("rb") as file:
            return [
                f"{entry['name']}: the checksum does not match"
                for entry in _directory(file)["arrays"]
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
    if array.dtype.kind not in _KINDS or name == _VECTORS:
        raise ParameterError(f"a snapshot cannot hold column {name!r} of dtype {array.dtype}")
    dtype = array.dtype.newbyteorder("<").str
    return {"name": name, "dtype": dtype, "shape": list(array.shape)}


def _row_block(block: Vector, dim: int, counts: list[int]) -> npt.NDArray[Any]:
    """The block as it is written; its number of rows is added to `counts`."""
    if block.ndim != 2 or block.shape[1] != dim:
        raise DimensionError(dim, block.shape[-1])
    counts.append(len(block))
    return _little(block.astype(np.float32, copy=False))


def _put(file: BinaryIO, entry: dict[str, Any], blocks: Iterable[npt.NDArray[Any]]) -> None:
    """Write the blocks one after the other, aligned, and note in the entry where they stand."""
    padding = -file.tell() % _ALIGNMENT
    file.write(bytes(padding))
    offset, check = file.tell(), 0
    for block in blocks:
        octets = block.reshape(-1).view(np.uint8).data
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
    for entry in directory["arrays"]:
        if entry["offset"] + entry["bytes"] > size:
            raise _DamageError(f"{entry['name']} lies beyond its end")
    if store_id is not None and directory["store_id"] != store_id:
        raise _DamageError("it belongs to another store")
    return directory


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


def _mapped(file: BufferedReader, entry: Mapping[str, Any], shape: tuple[int, int]) -> Vector:
    if entry["name"] != _VECTORS or _dtype(entry) != np.dtype("<f4"):
        raise _DamageError("its vectors are not float32")
    if entry["shape"] != list(shape):
        raise _DamageError(f"its vectors have shape {entry['shape']} instead of {list(shape)}")
    if not entry["bytes"]:  # nothing cannot be mapped
        return np.empty(shape, np.float32)
    return np.memmap(file, np.dtype("<f4"), mode="r", offset=entry["offset"], shape=shape)


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
