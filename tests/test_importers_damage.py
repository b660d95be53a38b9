"""Whatever a file is, it is read or refused by an error of ours: cut, spoiled, recoded, or another.

Every fixture of every format is damaged in its bytes, and read as what it is recognised to be, or
as what somebody says it is. What comes of it are items, or a FeatherError.
"""

from __future__ import annotations

import gzip
import shutil
import zipfile
from functools import cache

import exports
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory import FeatherError, ParameterError, Store
from feather_memory.importers.entries import Entry, Refused, Remark, Tie
from feather_memory.importers.registry import FORMATS, recognised
from feather_memory.importers.source import Source

FIXTURES = [
    "chatgpt", "chatgpt_zip", "claude", "claude_code", "openai_lines", "openai_array", "sharegpt",
    "mcp_memory", "slack", "discord", "discord_package", "telegram", "telegram_all", "messenger",
    "whatsapp", "whatsapp_zip", "mbox", "notes", "langgraph", "mem0_history", "mem0", "locomo",
    "longmemeval", "jsonl", "jsonl_gz", "json_array", "csv_table", "tsv_utf16",
]  # fmt: skip
OURS = [each.name for each in FORMATS if each.name not in {"chroma", "feather-db"}]
ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "cp500"]
ASKED = [None, "latin-1", "utf-16", "ascii", "idna", "utf-32"]
SWAPS = [
    (b'"', b"["), (b":", b","), (b"{", b"["), (b"null", b"[]"), (b"1", b"1e999"), (b"2", b"-"),
    (b"0", b"NaN"), (b'"text"', b"3"), (b'"id"', b'"text"'), (b"[{", b"{"), (b"\n", b""),
    (b" ", b"\0"), (b"20", b"99999999999"), (b"e", b"\xff"),
]  # fmt: skip


@cache
def fixture(name, folder):
    """The files of a fixture, by their path within it; "" for one that is a file."""
    place = getattr(exports, name)(folder / name)
    if place.is_file():
        return place.name, {"": place.read_bytes()}
    files = (each for each in place.rglob("*") if each.is_file())
    return place.name, {each.relative_to(place).as_posix(): each.read_bytes() for each in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fixtures")


def recoded(content, encoding):
    try:
        return content.decode().encode(encoding, "replace")
    except UnicodeDecodeError:
        return content[::-1]


@st.composite
def damages(draw):
    """A function of bytes."""
    kind = draw(st.sampled_from(["cut", "flip", "empty", "recode", "repeat", "swap"]))
    at = draw(st.floats(0, 1))
    if kind == "cut":
        return lambda content: content[: int(at * len(content))]
    if kind == "flip":
        byte, run = draw(st.integers(0, 255)), draw(st.integers(1, 40))
        return lambda content: (
            content[: (start := int(at * len(content)))]
            + bytes([byte]) * min(run, len(content) - start)
            + content[start + run :]
        )
    if kind == "empty":
        return lambda content: content[:0]
    if kind == "recode":
        encoding = draw(st.sampled_from(ENCODINGS))
        return lambda content: recoded(content, encoding)
    if kind == "repeat":
        return lambda content: content[: int(at * len(content))] + content
    old, new = draw(st.sampled_from(SWAPS))
    count = draw(st.sampled_from([1, -1]))
    return lambda content: content.replace(old, new, count)


@pytest.mark.parametrize("name", FIXTURES)
@settings(max_examples=25)
@given(
    damage=damages(),
    which=st.integers(0, 9),
    encoding=st.sampled_from(ASKED),
    format_=st.one_of(st.none(), st.sampled_from(OURS)),
)
def test_what_is_damaged_is_read_or_refused(
    name, folder, tmp_path_factory, damage, which, encoding, format_
):
    called, files = fixture(name, folder)
    place = tmp_path_factory.mktemp("damaged") / called
    for number, (member, content) in enumerate(files.items()):
        path = place / member if member else place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(content) if number == which % len(files) else content)

    try:
        source = Source(place, encoding)
        items = list(recognised(source, format_).read(source))
    except FeatherError:
        items = []

    assert all(isinstance(item, Entry | Refused | Remark | Tie) for item in items)
    shutil.rmtree(place.parent)


def read(place, format_=None):
    source = Source(place)
    return list(recognised(source, format_).read(source))


def test_a_packed_file_that_is_cut_off_is_told(tmp_path):
    place = tmp_path / "chat.jsonl.gz"
    rows = b"".join(b'{"text": "row %d", "time": %d}\n' % (n, n * n) for n in range(9_999))
    place.write_bytes(gzip.compress(rows)[:-200])

    with pytest.raises(ParameterError, match=r"'chat\.jsonl\.gz' is damaged, .*EOFError"):
        read(place)


def test_an_archive_with_a_bad_sum_is_told_by_its_member(tmp_path):
    place = exports.chatgpt_zip(tmp_path)
    with zipfile.ZipFile(place) as archive:
        at = archive.getinfo("conversations.json").header_offset
    content = bytearray(place.read_bytes())
    content[at + 200] ^= 1
    place.write_bytes(content)

    with pytest.raises(ParameterError, match=r"export\.zip/conversations\.json' is damaged"):
        read(place)


@pytest.mark.parametrize("name", ["chatgpt_zip", "notes"])
def test_what_is_read_from_one_file_is_not_read_from_several(tmp_path, name):
    place = getattr(exports, name)(tmp_path)
    kind = "an archive" if name == "chatgpt_zip" else "a folder"

    with pytest.raises(ParameterError, match=f"is {kind} without 'one file'"):
        read(place, "csv")


def test_a_long_note_without_headings_is_one_memory(tmp_path, path):
    place = exports.written(tmp_path / "Tea.md", "Only green tea. " * 500)

    (entry,) = read(place)

    assert entry.record["text"].startswith("Tea\n\nOnly green tea.")
    with Store.open(path) as store:
        store.add(**entry.record)
        assert store.check() == []
