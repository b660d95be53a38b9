"""Mail: an mbox file, as Google Takeout, Thunderbird and Apple Mail write it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr, parsedate_to_datetime
from typing import IO, Any

from feather_memory.importers.entries import Entry, Refused, taken
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source

_START = b"From "
_HEADERS = re.compile(
    r"^(From|To|Subject|Date|Message-ID|Received|MIME-Version):", re.IGNORECASE | re.MULTILINE
)
_DROPPED = re.compile(r"<(script|style|head)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_BREAKS = re.compile(r"<(br|/p|/div|/tr|/li)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]+>")
_BLANK = re.compile(r"\n\s*\n\s*\n+")


def _recognises(source: Source) -> bool:
    if source.members != ("",):
        return False
    head = source.head_of()
    return head.startswith("From ") and _HEADERS.search(head[:4096]) is not None


def _read(source: Source) -> Iterator[Entry | Refused]:
    with source.bytes_of() as stream:
        for line, raw in _messages(stream):
            yield from taken(line, _mail, raw)


def _messages(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each message with the line it begins at. One mail at a time is held."""
    held: list[bytes] = []
    begun, is_blank = 0, True
    for line, text in enumerate(stream, 1):
        if is_blank and text.startswith(_START):
            if held:
                yield begun, b"".join(held)
            begun, held = line, []
        else:
            held.append(text[1:] if text.startswith(b">From ") else text)
        is_blank = not text.strip()
    if held:
        yield begun, b"".join(held)


def _mail(raw: bytes) -> dict[str, Any] | None:
    mail = BytesParser(policy=policy.default).parsebytes(raw)
    text = _text(mail)
    if not text.strip():
        return None
    subject = str(mail["Subject"] or "").strip()
    name, address = parseaddr(str(mail["From"] or ""))
    own = str(mail["Message-ID"] or "").strip()
    thread = str(mail["References"] or mail["In-Reply-To"] or own).split()
    return {
        "text": f"{subject}\n\n{text}" if subject else text,
        "id": own,
        "time": parsedate_to_datetime(str(mail["Date"])).timestamp() if mail["Date"] else None,
        "session": thread[0] if thread else None,
        "actor": name or address,
        "metadata": {"subject": subject, "from": address, "to": str(mail["To"] or "")},
    }


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain", "html"))
    if body is None:
        return ""
    text = str(body.get_content())
    if body.get_content_subtype() == "html":
        text = _TAG.sub("", _BREAKS.sub("\n", _DROPPED.sub("", text)))
        text = html.unescape(text)
    return _BLANK.sub("\n\n", text.replace("\r\n", "\n")).strip()


FORMAT = Format("mbox", "a mailbox (mbox)", _recognises, _read)
