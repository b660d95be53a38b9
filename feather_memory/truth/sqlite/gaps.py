"""What SQLite leaves behind in the pages of a file, found and overwritten with zeros.

With `secure_delete` SQLite overwrites what it deletes, but where it splits or merges pages it
leaves copies of entries that it moved, in the gap between a page's list of entries and their
content. This looks at every gap, at the free blocks within pages and at the free pages, and needs
to know nothing of what they held: afterwards there is only what the tables hold.

It runs in a process of its own (`python gaps.py FILE [PAGE,…]`): POSIX lets go of all locks that a
process holds on a file when it closes any handle of it, so a process that has the file open with
SQLite must not open it once more. Whoever started it may be killed, so it holds two locks itself,
on the bytes that SQLite's file format names: nobody folds a log into the file, and nobody takes
all of it, while it writes. It imports nothing of ours and hardly anything else, for half of its
time would go by with that.

Source: https://www.sqlite.org/fileformat2.html, https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import fcntl
import posix
import sys
from struct import Struct, unpack_from

_FOLDING = 121  # the byte of NAME-shm that is locked by whoever folds the log
_SHARED = 0x4000_0002, 510  # the bytes of the file, from, how many, that every reader locks
_HEADER, _PAGE_SIZE, _RESERVED, _FREE, _AUTO_VACUUM = 100, 16, 20, 32, 52  # bytes; offsets in it
_HEADERS = {13: 8, 10: 8, 5: 12, 2: 12}  # bytes of a page's own, by its first: leaves, interiors
_MOST_PAGES = 1 << 25  # then an overflow page could begin with the 2 of an interior one
_AT_ONCE = 32  # pages: 128 KiB stay in the processor's cache while they are looked at

Places = list[tuple[int, int]]
"""Where something is, by its offset, and how many bytes."""


class UnfitError(Exception):
    """The file is not laid out as ours are, so that nothing in it may be overwritten."""


def wipe(path: str, numbers: list[int]) -> int:
    """Overwrite what is left behind in the file; in how many places there was anything.

    Args:
        path: A database in WAL mode, whose log is empty and in which nobody else can write.
        numbers: The only pages, from 1, in whose gaps there can be anything; none for all.

    Raises:
        BlockingIOError: Somebody folds a log into it.
        UnfitError: It is not laid out as ours are. Nothing was changed.
        OSError: It cannot be read or written.
    """
    file = posix.open(path, posix.O_RDWR)  # never closed: the locks last as long as the process
    index = posix.open(f"{path}-shm", posix.O_RDWR)
    start, length = _SHARED
    fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, length, start)
    fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _FOLDING)
    found = _left_behind(file, numbers)
    for at, size in found:
        posix.pwrite(file, bytes(size), at)
    if found:
        posix.fsync(file)
    return len(found)


def _left_behind(file: int, numbers: list[int]) -> Places:
    head = posix.pread(file, _HEADER, 0)
    if len(head) < _HEADER:
        raise UnfitError("it has no header")
    page_size, reserved = unpack_from(">H", head, _PAGE_SIZE)[0], head[_RESERVED]
    pages = posix.fstat(file).st_size // max(page_size, 1)
    if page_size < 512 or unpack_from(">I", head, _AUTO_VACUUM)[0] or pages >= _MOST_PAGES:
        raise UnfitError("its pages are of another kind")
    free = _free_pages(file, head, page_size, pages)
    found = []
    for number, held in free.items():
        start = (number - 1) * page_size + held
        rest = posix.pread(file, page_size - held, start)
        if rest.strip(b"\0"):
            found.append((start, len(rest)))
    for number in numbers or _suspects(file, page_size):
        if number not in free:
            start = (number - 1) * page_size
            page = posix.pread(file, page_size, start)
            left = _left_in(page, _HEADER if number == 1 else 0, page_size - reserved)
            found += [(start + at, size) for at, size in left]
    return found


def _free_pages(file: int, head: bytes, page_size: int, pages: int) -> dict[int, int]:
    """How many bytes of each free page are in use all the same, by its number."""
    found = {}
    trunk, left = unpack_from(">II", head, _FREE)
    while trunk and left > 0:
        page = posix.pread(file, page_size, (trunk - 1) * page_size)
        if trunk > pages or len(page) < page_size:
            raise UnfitError("its list of free pages leads out of it")
        following, many = unpack_from(">II", page)
        if 8 + 4 * many > page_size:
            raise UnfitError("its list of free pages is not one")
        found[trunk] = 8 + 4 * many
        found |= dict.fromkeys(unpack_from(f">{many}I", page, 8), 0)
        trunk, left = following, left - 1 - many
    return found


def _suspects(file: int, page_size: int) -> list[int]:
    """Every page that has free blocks, or a gap that is not all zeros; and the first page."""
    header = Struct(f">BHHH{page_size - 7}x")  # kind, first free block, entries, where they begin
    is_clean, own, block_size = bytes(page_size).startswith, _HEADERS, _AT_ONCE * page_size
    found = [1]  # its own header stands behind that of the file
    for start in range(0, posix.fstat(file).st_size, block_size):
        block, at = posix.pread(file, block_size, start), 0
        for kind, free, entries, content in header.iter_unpack(block):
            gap = own.get(kind)  # None for an overflow page, say
            if gap and (free or not is_clean(block[at + gap + 2 * entries : at + content])):
                found.append((start + at) // page_size + 1)
            at += page_size
    return found


def _left_in(page: bytes, at: int, usable: int) -> Places:
    """What is left in a page whose own header stands at an offset; none if it has no entries."""
    kind, free, entries, content = unpack_from(">BHHH", page, at)
    if kind not in _HEADERS:
        return []
    begin = at + _HEADERS[kind] + 2 * entries
    if not begin <= content <= usable:
        raise UnfitError("a page's entries lie outside of it")
    holes = [(begin, content)]
    while free:  # blocks within the content, each with the place of the next, and its size
        following, size = unpack_from(">HH", page, free)
        if free < content or 0 < following < free + size or free + size > usable:
            raise UnfitError("a page's free blocks are no list")
        holes.append((free + 4, free + size))
        free = following
    return [(start, end - start) for start, end in holes if page[start:end].strip(b"\0")]


def main(path: str, numbers: str = "") -> None:
    """Wipe the file, and say so; or that somebody is in the way just now."""
    try:
        found = wipe(path, [int(number) for number in numbers.split(",") if number])
    except BlockingIOError:
        sys.stdout.write("busy")
    else:
        sys.stdout.write(f"wiped {found}")


if __name__ == "__main__":
    main(*sys.argv[1:])
