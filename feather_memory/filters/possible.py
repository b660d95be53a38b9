"""What a field of the memory itself can ever be compared with; metadata can hold anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from feather_memory.checks import seconds
from feather_memory.errors import FilterError, ParameterError
from feather_memory.filters.values import is_number, literal, named, unicode_text
from feather_memory.model.fields import FIELDS, Kind

_TAKEN: Final[Mapping[Kind, str]] = {
    "text": "a text",
    "real": "a number",
    "integer": "a number",
    "time": "Unix seconds, a date or a datetime with its time zone, or either as ISO text",
}
"""What a comparison that may hold takes, by the kind of the field."""


def takes_texts(name: str) -> bool:
    """Whether a field of the memory itself compares with texts, and with nothing else."""
    return FIELDS[name].kind == "text"


def possible(name: str, operator: str, value: object, subject: object) -> Any:
    """The operand of one comparison of a field of the memory itself.

    Args:
        name: Of the field.
        operator: As a `Leaf` has it, or "!=", which is "==" denied.
        value: What the caller compares the field with; for "in", one of the choices.
        subject: The field as the caller wrote it, for the message.

    Raises:
        FilterError: It holds for no memory, or denied for every one; says what could.
    """
    kind = FIELDS[name].kind
    if kind == "text" and type(value) is str:
        return unicode_text(value)
    is_part = operator in {"contains", "icontains"}
    if kind == "time" and not is_part and isinstance(value, date | str):  # a datetime is a date
        operand: Any = _moment(value, subject)
    else:
        operand = literal(value, subject)
    if isinstance(operand, str) if kind == "text" else is_number(operand) and not is_part:
        return operand
    if operand is None:
        sign = "" if operator == "!=" else "~"
        why = f"a memory without it has no value, not even null: {sign}{subject!r}.exists()"
    elif is_part and kind != "text":
        why = f"only a text contains something; {subject!r} compares with {_TAKEN[kind]}"
    else:
        why = f"it takes {_TAKEN[kind]}"
    verdict = "always holds" if operator == "!=" else "never holds"
    raise FilterError(f"{subject!r} {operator} {named(value)} {verdict}: {why}")


def _moment(value: date | str, subject: object) -> float:
    try:
        return seconds(value, repr(subject))
    except ParameterError as error:
        raise FilterError(f"{error}; it takes {_TAKEN['time']}") from error
