"""LangChain's messages as JSON that reads back as the very same message.

LangChain's own forms lose some of it: `dumpd` what a message has beyond its class's fields, tuples
and bytes; `message_to_dict` the class of a Document in a tool's artifact. What JSON cannot hold is
tagged here, and nothing that is read is ever called but a message's class and `Document`.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, messages_from_dict
from pydantic import BaseModel

from feather_memory import InvalidMetadataError

_TAG: Final = "$feather"
"""The key of a dict that stands for what JSON cannot hold."""


def to_json(message: BaseMessage) -> dict[str, Any]:
    """The message as JSON. An object of pydantic, or a dataclass, in it is kept as its fields.

    Raises:
        InvalidMetadataError: It holds an object that nothing here can make again; it is named by
            its place.
    """
    try:
        data = {name: _kept(value, name) for name, value in message}
    except RecursionError as error:
        raise InvalidMetadataError("a message is nested too deep to be kept") from error
    return {"type": message.type, "data": data, "tagged": _is_tagged(data)}


def from_json(kept: Iterable[dict[str, Any]]) -> list[BaseMessage]:
    """The messages that `to_json` made them of, in their order."""
    return messages_from_dict(
        [{**each, "data": _same_dict(each["data"])} if each["tagged"] else each for each in kept]
    )


def _is_tagged(kept: Any) -> bool:
    """Whether there is a tag in it: most messages have none, and are read without a look."""
    if isinstance(kept, dict):
        return _TAG in kept or any(map(_is_tagged, kept.values()))
    return isinstance(kept, list) and any(map(_is_tagged, kept))


def _kept(value: Any, place: str) -> Any:
    write = _WRITERS.get(type(value))
    return _kept_object(value, place) if write is None else write(value, place)


def _kept_text(value: str, _: str) -> Any:
    if _is_unicode(value):
        return value
    return _tagged("str", _base64(value.encode("utf-16-le", "surrogatepass")))


def _kept_number(value: float, _: str) -> Any:
    return value if math.isfinite(value) else _tagged("float", repr(value))


def _kept_list(value: Iterable[Any], place: str) -> list[Any]:
    return [_kept(each, f"{place}[{n}]") for n, each in enumerate(value)]


def _kept_dict(value: Mapping[Any, Any], place: str) -> Any:
    if _TAG not in value and all(type(key) is str and _is_unicode(key) for key in value):
        return {key: _kept(each, f"{place}[{key!r}]") for key, each in value.items()}
    pairs = [[_kept(key, place), _kept(each, f"{place}[{key!r}]")] for key, each in value.items()]
    return _tagged("dict", pairs)


def _kept_document(value: Document, place: str) -> Any:
    fields = {"id": value.id, "page_content": value.page_content, "metadata": value.metadata}
    return _tagged("Document", _kept_dict(fields, place))


def _kept_object(value: Any, place: str) -> Any:
    """What only its class could make again: a message, or as its fields, or as its value."""
    if isinstance(value, BaseMessage):
        return _tagged("message", to_json(value))
    if isinstance(value, BaseModel | Mapping):
        return _kept_dict(dict(value), place)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value)]
        return _kept_dict({name: getattr(value, name) for name in names}, place)
    for plain in _PLAIN:  # such as a NamedTuple, or a member of a StrEnum
        if isinstance(value, plain):
            return _kept(plain(value), place)
    raise InvalidMetadataError(
        f"a message's {place} is a {type(value).__name__}, which its history could not make again: "
        "give it as what JSON can hold"
    )


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {_TAG: kind, "value": value}


def _as_text(value: Any, _: str) -> Any:
    text = value.isoformat() if isinstance(value, date | time) else str(value)
    return _tagged(type(value).__name__, text)


def _as_bytes(value: Any, _: str) -> Any:
    return _tagged(type(value).__name__, _base64(bytes(value)))


def _as_list(value: Any, place: str) -> Any:
    return _tagged(type(value).__name__, _kept_list(value, place))


def _same_dict(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _same(value) for key, value in kept.items()}


def _same_list(kept: Iterable[Any]) -> list[Any]:
    return [_same(each) for each in kept]


def _same(kept: Any) -> Any:
    if isinstance(kept, list):
        return _same_list(kept)
    if not isinstance(kept, dict):
        return kept
    if _TAG not in kept:
        return _same_dict(kept)
    if (read := _READERS.get(kept[_TAG])) is None:
        raise InvalidMetadataError(f"a later release kept a {kept[_TAG]!r} in this history")
    return read(kept["value"])


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_PLAIN: Final[tuple[Any, ...]] = (str, int, float, tuple)

_WRITERS: Final[Mapping[type, Callable[[Any, str], Any]]] = {
    **dict.fromkeys((type(None), bool, int), lambda value, _: value),
    **dict.fromkeys((datetime, date, time, UUID, Decimal, complex), _as_text),
    **dict.fromkeys((bytes, bytearray), _as_bytes),
    **dict.fromkeys((tuple, set, frozenset), _as_list),
    str: _kept_text,
    float: _kept_number,
    list: _kept_list,
    dict: _kept_dict,
    timedelta: lambda value, _: _tagged(
        "timedelta", [value.days, value.seconds, value.microseconds]
    ),
    Document: _kept_document,
}
"""By the very type of a value, what is written for it."""

_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "UUID": UUID,
    "Decimal": Decimal,
    "complex": complex,
    "float": float,
    "bytes": base64.b64decode,
    "bytearray": lambda value: bytearray(base64.b64decode(value)),
    "tuple": lambda value: tuple(_same_list(value)),
    "set": lambda value: set(_same_list(value)),
    "frozenset": lambda value: frozenset(_same_list(value)),
    "str": lambda value: base64.b64decode(value).decode("utf-16-le", "surrogatepass"),
    "timedelta": lambda value: timedelta(*value),
    "dict": lambda value: {_same(key): _same(each) for key, each in value},
    "message": lambda value: from_json([value])[0],
    "Document": lambda value: Document(**_same_dict(value)),
}
"""By a tag, what makes the value again."""
