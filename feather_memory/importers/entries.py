"""What an importer makes of a file: entries to remember, edges, and what cannot be taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from feather_memory.errors import FeatherError, ParameterError
from feather_memory.model.origin import OF_ROLES


class Link(NamedTuple):
    """An edge, seen from its source."""

    type: str
    target: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that can be remembered."""

    line: int
    """Where in the file it stands: the number of its line, or of its message."""
    record: dict[str, Any]
    """Arguments of `Store.add`, by name."""
    group: str | None = None
    """The value of the field that tells stores apart."""
    links: tuple[Link, ...] = ()
    """The edges that start at it."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """The fields that the line has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """An edge that a file keeps by itself."""

    line: int
    source: str
    link: Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What is to be told of a file before it is taken."""

    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One line that cannot be remembered, and why."""

    line: int
    reason: str


def entry(
    line: int,
    text: str,
    *,
    time: float | None = None,
    links: tuple[Link, ...] = (),
    metadata: Mapping[str, Any] | None = None,
    **said: Any,
) -> Entry:
    """An entry; what is None, or empty, is left out.

    Args:
        line: Where it stands.
        text: Stripped of white space at its ends.
        time: Since when it holds, Unix seconds.
        links: The edges that start at it.
        metadata: Values that JSON can hold.
        said: Other arguments of `Store.add`. Names that are numbers are read as text.

    Raises:
        ParameterError: The text is none.
    """
    if not isinstance(text, str):
        raise ParameterError(f"not a text: {text!r:.80}")
    record: dict[str, Any] = {"text": text.strip()}
    for name, value in said.items():
        if value not in (None, ""):
            record[name] = str(value) if name in _NAMES and isinstance(value, int) else value
    if time is not None:
        record["valid_from"] = time
    if kept := {k: v for k, v in (metadata or {}).items() if v not in (None, "", [], {})}:
        record["metadata"] = kept
    return Entry(line=line, record=record, links=links)


def whose(role: object) -> dict[str, Any]:
    """The role, and the origin that follows, of what somebody said to an assistant, or it to them.

    Such a file says whose words they are; nothing in any other outranks what comes from a file.
    """
    name = str(role or "").strip().lower()
    return {"role": name, "origin": OF_ROLES[name]} if name in OF_ROLES else {}


def taken(
    line: int, make: Callable[..., dict[str, Any] | None], *given: Any
) -> Iterator[Entry | Refused]:
    """What a message makes, if anything; a refusal where it is not as its format has it.

    Args:
        line: Where it stands.
        make: From what is given to the arguments of `entry`; None to pass it over.
        given: Of the file, and so of any shape.
    """
    made: Entry | Refused | None = None
    try:
        if (found := make(*given)) is not None:
            made = entry(line, **found)
    except _MISSHAPEN as error:
        made = Refused(line=line, reason=_misshapen(error))
    if made is not None:
        yield made


def each_taken(
    lines: Iterator[int], make: Callable[..., Iterator[dict[str, Any]]], *given: Any
) -> Iterator[Entry | Refused]:
    """As `taken`, of what makes several, such as a conversation. The rest of one goes with it.

    Args:
        lines: Counts what is made.
        make: Yields the arguments of `entry`.
        given: Of the file.
    """
    line = 0
    try:
        for found in make(*given):
            line = next(lines)
            made = entry(line, **found)
            yield made
    except _MISSHAPEN as error:
        yield Refused(line=line or next(lines), reason=_misshapen(error))


def _misshapen(error: Exception) -> str:
    if isinstance(error, FeatherError):
        return str(error)
    what = f"no {error}" if isinstance(error, KeyError) else str(error)
    return f"not as this format has it: {what}"


_NAMES = {"id", "session", "actor", "role", "key"}

_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
"""What it raises to look into a value that has another shape than it should."""
