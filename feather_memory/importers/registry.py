"""All formats, and which of them something is."""

from __future__ import annotations

from typing import Final

from feather_memory.errors import ParameterError
from feather_memory.importers import exports
from feather_memory.importers.format import Format
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

FLAT: Final = frozenset({flat.JSONL, flat.JSON, flat.CSV})
"""Those in which anybody may say which field is which."""

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
    for each in FORMATS:
        if each.recognises(source):
            return each
    raise ParameterError(
        f"{str(source.path)!r} is nothing that can be imported: {_seen(source)}. "
        "--format says which it is; `feather-memory import --help` lists them"
    )


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
