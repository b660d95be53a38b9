"""WhatsApp's export of a chat: its text, or the zip that has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import IO

from feather_memory.importers.entries import Entry, Refused, Remark, taken
from feather_memory.importers.format import Format
from feather_memory.importers.formats.flat import ambiguous
from feather_memory.importers.source import Source
from feather_memory.importers.times import day_first, is_ambiguous, parse_time

_MARKS = re.compile("[\u200e\u200f\u202a\u202c\ufeff]")  # that say which way a text runs
_SPACES = re.compile("[\u202f\u00a0]")
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[apAP]\.?\s?[mM]\.?)?"
_AT = r"(?:[^\W\d]{1,3}\.?\s+)?"  # "à", "um", "kl."
_START = re.compile(rf"\[?({_DATE}),?\s+{_AT}({_TIME})\]?\s*(?:-\s+)?(.*)", re.DOTALL)
_SAID = re.compile(r"([^:]{1,100}?):\s(.*)", re.DOTALL)
_ATTACHED = re.compile(
    r"<[^\W\d]+( [^<>\d]+)+>|<[^<>]*: [^<>]*>"  # media left out, in any language; or attached
    r"|(image|video|audio|sticker|GIF|document|Contact card) omitted"
    r"|(This message was|You) deleted( this message)?\.?"
)
_ITS_OWN = re.compile(r"(?:[^:]|:(?=\S))*?[]-] ?[^:]{1,100}?:\s\u200e")
"""What has this mark behind the first name is WhatsApp's own: an image omitted, a call missed."""
_EDITED = re.compile(r"\s*(?:\u200e<[^<>]+>|<This message was edited>)(?=\s*$)")


def _member(source: Source) -> str | None:
    """The chat, called so beside its media; others name it, and are chats by themselves."""
    if source.members == ("",):
        return ""
    named = source.named("_chat.txt")
    return named[0] if len(named) == 1 else None


def _recognises(source: Source) -> bool:
    member = _member(source)
    if member is None:
        return False
    lines = [_plain(line) for line in source.head_of(member).splitlines()[:20]]
    started = [found for line in lines if (found := _START.fullmatch(line))]
    return bool(started) and any(_SAID.fullmatch(found[3]) for found in started)


def _plain(line: str) -> str:
    return _SPACES.sub(" ", _MARKS.sub("", line))


def _read(source: Source) -> Iterator[Entry | Refused | Remark]:
    member = _member(source) or ""
    order = source.day_first
    if order is None:
        with source.text_of(member) as stream:
            order = day_first(found[1] for _, found in _starts(stream))
        if order is None:
            with source.text_of(member) as stream:
                dates = (found[1] for _, found in _starts(stream))
                unsure = next((date for date in dates if is_ambiguous(date)), None)
            if unsure is not None:
                yield ambiguous(unsure)
        source.read_bytes = 0
    with source.text_of(member) as stream:
        for line, date, said in _messages(stream):
            yield from taken(line, _message, date, said, source.stem, bool(order))


def _starts(stream: IO[str]) -> Iterator[tuple[int, re.Match[str]]]:
    for line, text in enumerate(stream, 1):
        if found := _START.fullmatch(_plain(text).rstrip("\r\n")):
            yield line, found


def _messages(stream: IO[str]) -> Iterator[tuple[int, str, str]]:
    """Line, time and text of each message; a line without a time goes on with the last."""
    at, date, said = 0, "", ""
    for line, text in enumerate(stream, 1):
        plain = _plain(_EDITED.sub("", text)).rstrip("\r\n")
        if found := _START.fullmatch(plain):
            if at:
                yield at, date, said
            own = _ITS_OWN.match(text) is not None
            at, date, said = line, f"{found[1]} {found[2]}", "" if own else found[3]
        elif at:
            said += f"\n{plain}"
    if at:
        yield at, date, said


def _message(date: str, said: str, chat: str, order: bool) -> dict[str, object] | None:  # noqa: FBT001
    found = _SAID.fullmatch(said)
    if found is None or _ATTACHED.fullmatch(found[2].strip()):
        return None
    time = parse_time(date, day_first=order)
    digest = blake2b(f"{chat}\0{time}\0{said}".encode("utf-8", "replace"), digest_size=12)
    return {
        "text": found[2],
        "id": f"whatsapp:{digest.hexdigest()}",
        "time": time,
        "session": f"whatsapp:{chat}",
        "actor": found[1].strip(),
    }


FORMAT = Format("whatsapp", "a WhatsApp chat", _recognises, _read)
