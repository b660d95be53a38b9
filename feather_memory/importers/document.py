"""JSON that is larger than memory: read piece by piece, and its beginning as a value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

from feather_memory.errors import ParameterError

CHUNK: Final = 1 << 16
"""Characters read at once."""

MOST: Final = 1 << 26
"""Characters of one value that is decoded whole, such as a conversation."""

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = " \t\r\n"
_CLOSERS: Final = {"{": "}", "[": "]"}


class Document:
    """A JSON document that is walked in its own order, at the price of one value at a time.

    Within `items` and `fields` take the value, or go into it, or leave it: then it is passed over.

    >>> from io import StringIO
    >>> document = Document(StringIO('{"name": "x", "messages": [{"n": 1}, {"n": 2}]}'))
    >>> for name in document.fields():
    ...     if name == "messages":
    ...         print([document.value()["n"] for _ in document.items()])
    [1, 2]
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._held = ""
        self._at = 0
        self._passed = 0  # characters before those that are held
        self._is_whole = False
        self._values = 0  # values that were begun, to see whether somebody took one

    @property
    def place(self) -> int:
        """How many characters were read."""
        return self._passed + self._at

    def kind(self) -> str:
        """The character that the next value begins with, such as `{` or a quote; "" at the end."""
        return self._next()

    def value(self) -> Any:
        """The next value, whole.

        Raises:
            ParameterError: It is damaged or cut off, or has over 64 Mi characters.
        """
        self._next()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._held, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if not self._read():
                    raise self._damaged(error) from None
                continue
            # A number may go on in what was not read yet, after "1", "1.", "1e" or "1e-".
            if end + 2 < len(self._held) or not self._read():
                self._at = end
                self._values += 1
                return found

    def items(self) -> Iterator[int]:
        """The array that comes next: the place of each item, which is the next value then."""
        yield from (place for place, _ in enumerate(self._members("[", "]")))

    def fields(self) -> Iterator[str]:
        """The object that comes next: the name of each field, whose value is the next then."""
        for _ in self._members("{", "}"):
            before = self._values
            name = self.value()
            self._values = before
            if not isinstance(name, str):
                raise self._damaged("a name is no string")
            self._expect(":")
            yield name

    def _members(self, opener: str, closer: str) -> Iterator[None]:
        self._expect(opener)
        if self._next() == closer:
            self._at += 1
            self._values += 1
            return
        while True:
            before = self._values
            yield
            if self._values == before:
                self.value()
            if self._next() == closer:
                self._at += 1
                self._values += 1
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        if (found := self._next()) != character:
            raise self._damaged(f"{character!r} was expected, not {found!r}")
        self._at += 1

    def _next(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._held):
                if self._held[self._at] not in _SPACE:
                    return self._held[self._at]
                self._at += 1
            if not self._read():
                return ""

    def _read(self) -> bool:
        if self._is_whole:
            return False
        if len(self._held) - self._at > MOST:
            raise self._damaged(f"a value has over {MOST:,} characters, or never ends")
        more = self._stream.read(max(CHUNK, len(self._held) - self._at))
        if not more:
            self._is_whole = True
            return False
        self._passed += self._at
        self._held = self._held[self._at :] + more
        self._at = 0
        return True

    def _damaged(self, why: object) -> ParameterError:
        said = getattr(why, "msg", why)
        return ParameterError(f"the JSON is damaged or cut off at character {self.place:,}: {said}")


def prefix(head: str) -> Any:
    """The value that a document begins with, as far as this beginning of it goes; None for no JSON.

    What is cut off is left out, and what is open is closed.

    >>> prefix('[{"name": "x", "messages": [{"id": 1, "te')
    [{'name': 'x', 'messages': [{'id': 1}]}]
    """
    try:
        return _DECODER.raw_decode(head.lstrip(_SPACE))[0]
    except (json.JSONDecodeError, RecursionError):
        pass
    text = head.lstrip(_SPACE)
    try:
        return json.loads(_closed(text))
    except (ValueError, RecursionError):
        return None


def _closed(text: str) -> str:
    """The text to the last place at which it can be closed, and closed there."""
    open_: list[str] = []
    best = ""
    is_text = is_escaped = False
    for at, character in enumerate(text):
        if is_text:
            is_text = is_escaped or character != '"'
            is_escaped = not is_escaped and character == "\\"
        elif character == '"':
            is_text = True
        elif character in "{[":
            open_.append(_CLOSERS[character])
            best = text[: at + 1] + "".join(reversed(open_)) if len(open_) == 1 else best
            cut = (at + 1, list(open_))
        elif character in "}]":
            if not open_ or open_.pop() != character:
                return ""
            cut = (at + 1, list(open_))
        elif character == ",":
            cut = (at, list(open_))
        elif not open_:
            return ""
    if not best:
        return ""
    end, closers = cut
    return text[:end] + "".join(reversed(closers))
