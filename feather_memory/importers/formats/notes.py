"""Notes: a folder or zip of Markdown, such as an Obsidian vault, or one such file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from feather_memory.errors import ParameterError
from feather_memory.importers.entries import Entry, Link, Refused, entry
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source
from feather_memory.importers.times import parse_time
from feather_memory.model.memory import EdgeType

_WHOLE = 2_000
"""Characters up to which a note is one memory; a longer one is one for each of its headings."""

_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n?", re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_WIKILINK = re.compile(r"(?<!!)\[\[([^\]|#\n]+)(?:#[^\]|\n]*)?(?:\|([^\]\n]*))?\]\]")
_DATES = ("date", "created", "created_at")


def _notes(source: Source) -> list[str]:
    if source.members == ("",):
        return [""] if source.name.lower().endswith((".md", ".markdown")) else []
    return source.named("*.md", "*.markdown")


def _recognises(source: Source) -> bool:
    return bool(_notes(source))


def _read(source: Source) -> Iterator[Entry | Refused]:
    notes = _notes(source)
    paths = {_stem(note): note for note in reversed(notes)}
    for line, note in enumerate(notes, 1):
        with source.text_of(note) as stream:
            text = stream.read()
        front, body = _front(text)
        name = note or source.name
        try:
            time = next((parse_time(front[each]) for each in _DATES if each in front), None)
        except ParameterError as error:
            yield Refused(line=line, reason=f"{name}: {error}")
            continue
        front |= {"note": name}
        yield from _sections(line, name, body, front, time, paths)


def _sections(
    line: int,
    name: str,
    body: str,
    front: dict[str, Any],
    time: float | None,
    paths: dict[str, str],
) -> Iterator[Entry]:
    title = PurePosixPath(name).stem
    parts = [("", body)] if len(body) <= _WHOLE else list(_parted(body))
    seen: dict[str, int] = {}
    for heading, text in parts:
        if not text.strip():
            continue
        seen[heading] = seen.get(heading, 0) + 1
        again = f"/{seen[heading]}" if seen[heading] > 1 else ""
        id_ = name if not seen.keys() - {heading} and not again else f"{name}#{heading}{again}"
        links = [Link(EdgeType.REFERENCES, to) for to in _linked(text, paths) if to != name]
        if id_ != name:
            links.append(Link(EdgeType.PART_OF, name))
        above = title if not heading or heading == title else f"{title}: {heading}"
        plain = _WIKILINK.sub(lambda found: found[2] or found[1], text).strip()
        yield entry(
            line,
            f"{above}\n\n{plain}",
            id=id_,
            time=time,
            links=tuple(links),
            metadata={**front, "heading": heading},
        )


def _parted(body: str) -> Iterator[tuple[str, str]]:
    """Each heading of a text with what is below it."""
    found = list(_HEADING.finditer(body))
    yield "", body[: found[0].start()] if found else body
    for heading, following in zip(found, [*found[1:], None], strict=False):  # none for no heading
        yield heading[1], body[heading.end() : following.start() if following else len(body)]


def _linked(text: str, paths: dict[str, str]) -> list[str]:
    """The notes that a text links to, once each, as far as there are such."""
    named = (found[1].strip() for found in _WIKILINK.finditer(text))
    return list(dict.fromkeys(path for name in named if (path := paths.get(_stem(name)))))


def _stem(note: str) -> str:
    return PurePosixPath(note).name.removesuffix(".md").removesuffix(".markdown").casefold()


def _front(text: str) -> tuple[dict[str, Any], str]:
    """What the front matter says, as far as it is names with values or lists; and the rest."""
    found = _FRONT.match(text.lstrip("\ufeff"))
    if found is None:
        return {}, text.lstrip("\ufeff")
    said: dict[str, Any] = {}
    last = ""
    for line in found[1].splitlines():
        name, colon, value = line.partition(":")
        if line.lstrip().startswith("- ") and last:
            said[last] = [
                *(said[last] if isinstance(said[last], list) else []),
                _value(line.lstrip()[2:]),
            ]
        elif colon and name and not name[0].isspace():
            last = name.strip()
            said[last] = _value(value)
    return {name: value for name, value in said.items() if value != ""}, text[found.end() :]


def _value(written: str) -> Any:
    text = written.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_value(each) for each in text[1:-1].split(",") if each.strip()]
    return text.strip("\"'")


FORMAT = Format("markdown", "Markdown notes, such as an Obsidian vault", _recognises, _read)
