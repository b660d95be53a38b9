"""What is imported: a file, an archive or a folder, as its members, and what each begins with."""

from __future__ import annotations

import gzip
import io
import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast

from feather_memory.errors import ParameterError, StoreAccessError
from feather_memory.importers.document import prefix
from feather_memory.importers.fields import Fields

HEAD: Final = 1 << 18
"""Bytes that a format is recognised by."""

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_DAMAGED: Final = (
    UnicodeError,
    EOFError,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,  # a zip of a later form
)
"""What it raises to read what is cut off, damaged, packed or written otherwise than it says."""
_BYTE_ORDERS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


class Source:
    """A file, an archive or a folder. Its files are members, by their paths in it.

    A file is its own one member, named "". What is compressed by gzip is seen through.

    Raises:
        StoreAccessError: There is nothing at the path.
    """

    def __init__(
        self, path: Path, encoding: str | None = None, *, day_first: bool | None = None
    ) -> None:
        if not path.exists():
            raise StoreAccessError(f"nothing to import at {str(path)!r}")
        self.path = path
        self.encoding = encoding
        self.day_first = day_first
        """How dates such as 5/8/2023 are to be read, if anybody said."""
        self.fields = Fields()
        """Which field is which part of a memory, where the format leaves it open."""
        self.is_folder = path.is_dir()
        self.read_bytes = 0
        """How many bytes were read since the last count began, of `total_bytes`."""

    @property
    def name(self) -> str:
        """What the file or folder is called."""
        return self.path.name or str(self.path)

    @property
    def stem(self) -> str:
        """Its name without endings."""
        return self.name.split(".")[0] or self.name

    @cached_property
    def is_archive(self) -> bool:
        """Whether it is a zip."""
        return not self.is_folder and self.raw_head.startswith(_ZIP)

    @cached_property
    def raw_head(self) -> bytes:
        """The first bytes of a file, as they lie there."""
        if self.is_folder:
            return b""
        with self.path.open("rb") as stream:
            return stream.read(16)

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The paths of the files in it, sorted; those that are hidden are left out."""
        if self.is_archive:
            with self._reading(), zipfile.ZipFile(self.path) as archive:
                named = [one.filename for one in archive.infolist() if not one.is_dir()]
        elif self.is_folder:
            files = (each for each in self.path.rglob("*") if each.is_file())
            named = [each.relative_to(self.path).as_posix() for each in files]
        else:
            return ("",)
        return tuple(sorted(name for name in named if not _is_hidden(name)))

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.members)

    def named(self, *patterns: str) -> list[str]:
        """The members whose path, or the end of it, matches one of these patterns."""
        paths = ((name, PurePosixPath(name)) for name in self.members)
        return [name for name, path in paths if any(path.match(each) for each in patterns)]

    def within(self, member: str) -> Source:
        """A member as a source of its own; that of a folder may be an archive."""
        inner: Source = _Packed(self, member)
        if self.is_folder:
            inner = Source(self.path / member, self.encoding, day_first=self.day_first)
        inner.fields = self.fields
        return inner

    @property
    def total_bytes(self) -> int:
        """How many there are to be read."""
        if self.is_folder:
            return sum((self.path / name).stat().st_size for name in self.members)
        return self.path.stat().st_size

    @contextmanager
    def bytes_of(self, member: str = "") -> Iterator[IO[bytes]]:
        """The bytes of a member, read within this block.

        Raises:
            ParameterError: It is damaged, or there is no such member.
            StoreAccessError: It cannot be read.
        """
        if member not in self._names:
            kind = "a folder" if self.is_folder else "an archive"
            raise ParameterError(f"{str(self.path)!r} is {kind} without {member or 'one file'!r}")
        with self._reading(member):
            if self.is_archive:
                with zipfile.ZipFile(self.path) as archive, _opened(archive, member) as packed:
                    yield self._unpacked(packed)
                return
            with (self.path / member if member else self.path).open("rb", buffering=0) as stream:
                yield self._unpacked(cast("IO[bytes]", _Counting(stream, self)))

    @contextmanager
    def _reading(self, member: str = "") -> Iterator[None]:
        """What is raised while it is read, as what it says of the file."""
        try:
            yield
        except _DAMAGED as error:
            name = "/".join([self.name, *([member] if member else [])])
            told = f"{type(error).__name__}: {error}"
            raise ParameterError(f"{name!r} is damaged, or no such file: {told}") from None
        except OSError as error:
            raise StoreAccessError(f"{str(self.path)!r} cannot be read: {error}") from None

    @contextmanager
    def text_of(self, member: str = "") -> Iterator[IO[str]]:
        """The text of a member: UTF-8, or UTF-16 with its mark, or as `encoding` says.

        Bytes that are none become surrogates, which nothing can be remembered with.
        """
        with self.bytes_of(member) as stream:
            buffered = stream if hasattr(stream, "peek") else io.BufferedReader(cast("Any", stream))
            start = cast("Any", buffered).peek(4)[:4]
            marked = (name for mark, name in _BYTE_ORDERS.items() if start.startswith(mark))
            encoding = self.encoding or next(marked, "utf-8")
            try:
                text = io.TextIOWrapper(
                    cast("Any", buffered), encoding, errors="surrogateescape", newline=""
                )
            except LookupError:
                raise ParameterError(f"no encoding is called {encoding!r}") from None
            yield text
            text.detach()

    def head_of(self, member: str = "") -> str:
        """The first characters of a member; "" where they are no text."""
        return self._heads(member)[0]

    def prefix_of(self, member: str = "") -> Any:
        """The JSON value that a member begins with, as far as its first characters go."""
        return self._heads(member)[1]

    def _heads(self, member: str) -> tuple[str, Any]:
        if (known := self._seen.get(member)) is None:
            known = self._seen[member] = self._look(member)
        return known

    @cached_property
    def _seen(self) -> dict[str, tuple[str, Any]]:
        return {}

    def _look(self, member: str) -> tuple[str, Any]:
        with self.text_of(member) as stream:
            try:
                head = stream.read(HEAD)
            except (*_DAMAGED, OSError):
                return "", None
        if "\0" in head:
            return "", None
        return head, prefix(head) if head.lstrip()[:1] in {"{", "["} else None

    def _unpacked(self, stream: IO[bytes]) -> IO[bytes]:
        buffered = cast("Any", io.BufferedReader(cast("Any", stream)))
        if buffered.peek(2)[:2] == _GZIP:
            return cast("IO[bytes]", gzip.GzipFile(fileobj=buffered))
        return cast("IO[bytes]", buffered)


class _Packed(Source):
    """A file in an archive, as if it lay there."""

    def __init__(self, archive: Source, member: str) -> None:
        self.path = archive.path / member
        self.encoding = archive.encoding
        self.day_first = archive.day_first
        self.is_folder = False
        self.read_bytes = 0
        self._archive = archive
        self._member = member

    @cached_property
    def is_archive(self) -> bool:
        """Never: an archive in an archive is not looked into."""
        return False

    @cached_property
    def raw_head(self) -> bytes:
        """The first bytes."""
        with self.bytes_of() as stream:
            return stream.read(16)

    @property
    def total_bytes(self) -> int:
        """How many the archive has."""
        return self._archive.total_bytes

    @contextmanager
    def bytes_of(self, member: str = "") -> Iterator[IO[bytes]]:
        """Its bytes."""
        if member:
            raise ParameterError(f"{str(self.path)!r} is a file without {member!r}")
        with self._archive.bytes_of(self._member) as stream:
            yield stream


class _Counting(io.RawIOBase):
    """A stream that tells its source how far it was read."""

    def __init__(self, stream: Any, source: Source) -> None:
        self._stream = stream
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._stream.readinto(buffer) or 0)
        self._source.read_bytes += count
        return count


def _opened(archive: zipfile.ZipFile, member: str) -> IO[bytes]:
    try:
        return archive.open(member)
    except RuntimeError as error:  # it has a password, or is packed in a way that nobody knows
        raise zipfile.BadZipFile(str(error)) from None


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) for part in parts)


@contextmanager
def spooled(encoding: str | None = None, *, day_first: bool | None = None) -> Iterator[Source]:
    """Standard input as a source: it is read twice, so a file holds it meanwhile."""
    with tempfile.TemporaryDirectory(prefix="feather-memory-") as folder:
        place = Path(folder) / "stdin"
        with place.open("wb") as copy:
            while piece := sys.stdin.buffer.read(1 << 20):
                copy.write(piece)
        yield Source(place, encoding, day_first=day_first)
