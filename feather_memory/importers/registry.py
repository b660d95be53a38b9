"""All formats, and which of them something is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from feather_memory.errors import ParameterError
from feather_memory.importers import exports
from feather_memory.importers.entries import Refused, Remark
from feather_memory.importers.format import Format, Item
from feather_memory.importers.formats import (
    chatgpt,
    chroma,
    claude,
    claude_code,
    discord,
    feather_db,
    flat,
    langgraph,
    locomo,
    longmemeval,
    mail,
    mcp_memory,
    mem0,
    messages,
    messenger,
    notes,
    slack,
    telegram,
    whatsapp,
)
from feather_memory.importers.source import Source

FORMATS: Final = (
    chatgpt.FORMAT,
    claude.FORMAT,
    claude_code.FORMAT,
    messages.OPENAI,
    messages.SHAREGPT,
    mcp_memory.FORMAT,
    slack.FORMAT,
    discord.FORMAT,
    telegram.FORMAT,
    messenger.FORMAT,
    whatsapp.FORMAT,
    mail.FORMAT,
    langgraph.FORMAT,
    mem0.HISTORY,
    mem0.GOT,
    chroma.FORMAT,
    feather_db.FORMAT,
    locomo.FORMAT,
    longmemeval.FORMAT,
    notes.FORMAT,
    flat.JSONL,
    flat.JSON,
    flat.CSV,
)
"""The first that recognises something reads it: those that anything could be stand last."""

FLAT: Final = frozenset({flat.JSONL.name, flat.JSON.name, flat.CSV.name})
"""Those in which anybody may say which field is which."""

LOOKED: Final = 200
"""Files of a folder or archive that are looked at to see what it is."""

_SHOWN = 8


def is_ours(source: Source) -> bool:
    """Whether it is an export of our own, which is no format but a whole store."""
    return source.members == ("",) and exports.is_ours(source.head_of().partition("\n")[0])


def recognised(source: Source, name: str | None = None) -> Format:
    """The format of what is to be imported.

    Args:
        source: What it is.
        name: Of the format, if somebody said; then nothing is looked into.

    Raises:
        ParameterError: It is none of them: says what was seen. Or there is no such format.
    """
    if name is not None:
        for each in FORMATS:
            if each.name == name:
                return each
        names = ", ".join(each.name for each in FORMATS)
        raise ParameterError(f"no format is called {name!r}; there are {names}")
    if (found := _found(source) or _of_each(source)) is not None:
        return found
    raise ParameterError(
        f"{str(source.path)!r} is nothing that can be imported: {_seen(source)}. "
        "--format says which it is; `feather-memory import --help` lists them"
    )


def _found(source: Source) -> Format | None:
    return next((each for each in FORMATS if each.recognises(source)), None)


def _of_each(source: Source) -> Format | None:
    """The one format that the files of a folder or archive have, each by itself.

    What has none is passed over; but flat files are taken where all are such.
    """
    if source.members == ("",):
        return None
    looked = [_format_of(source, member) for member in source.members[:LOOKED]]
    known = {each.name: each for each in looked if each is not None}
    if len(known) != 1 or (known.keys() <= FLAT and None in looked):
        return None
    (found,) = known.values()
    return replace(found, read=lambda source: _read_each(source, found.name))


def _format_of(source: Source, member: str) -> Format | None:
    """Of a file in a folder, which may be an archive, or in an archive."""
    inner = source.within(member)
    try:
        return _found(inner) or _of_each(inner)
    except ParameterError:  # it is damaged, whatever it is
        return None


def _read_each(source: Source, name: str) -> Iterator[Item]:
    """What is in those files that are of the format of that name."""
    passed: list[str] = []
    for member in source.members:
        found = _format_of(source, member)
        if found is None or found.name != name:
            passed.append(member)
            continue
        inner = source.within(member)
        for item in found.read(inner):
            if isinstance(item, Refused):
                yield replace(item, reason=f"{member}: {item.reason}")
            else:
                yield item
        source.read_bytes += inner.read_bytes
    if passed:
        more = f" and {len(passed) - _SHOWN:,} more" if len(passed) > _SHOWN else ""
        yield Remark(said=f"Passed over, for it is not that: {', '.join(passed[:_SHOWN])}{more}.")


def _seen(source: Source) -> str:
    """What there is to see of it, in a clause."""
    if source.is_folder or source.is_archive:
        what = "an archive" if source.is_archive else "a folder"
        names = ", ".join(source.members[:_SHOWN])
        return f"{what} of {len(source.members):,} files" + (f", such as {names}" if names else "")
    value = source.prefix_of()
    if isinstance(value, dict):
        return f"JSON with the fields {', '.join(list(map(repr, value))[:_SHOWN]) or 'of nothing'}"
    if isinstance(value, list):
        first = value[0] if value else None
        if isinstance(first, dict):
            names = ", ".join(list(map(repr, first))[:_SHOWN])
            return f"a JSON array of objects with the fields {names}"
        return "a JSON array of no objects"
    head = source.head_of().strip()
    if not head:
        return "no text" if source.raw_head else "an empty file"
    return f"text that begins with {head.splitlines()[0][:60]!r}"
