"""A checked request to write one memory: everything is refused here, before anything is written."""

from __future__ import annotations

import os
import string
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

from feather_memory.checks import LAST, flag, label, when
from feather_memory.errors import FeatherError, ParameterError, quoted
from feather_memory.model.fields import FIELDS, GIVEN, Record
from feather_memory.model.importance import BASELINE
from feather_memory.model.manner import LONGEST_ACKNOWLEDGEMENT, STATEMENT, manner_by, patterns
from feather_memory.model.origin import USER, of_role
from feather_memory.model.spoken import Anew
from feather_memory.types import NamedVector, Seconds

_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, which leaves out i, l, o and u. They sort as their values do."""

_PAIRS: Final = tuple(a + b for a in _DIGITS for b in _DIGITS)

_ENDS: Final = frozenset(string.ascii_letters + string.digits)
"""With what no question ends, but for one in Armenian, whose letters are others."""

_KNOWN: Final = frozenset({*GIVEN, "id"})
_CHECKED: Final = tuple(
    (name, kept_in, check)
    for name, kept_in in GIVEN.items()
    if (check := FIELDS[kept_in].check) is not None
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What was asked to be written: the id, and only the fields that were given, as kept."""

    id: str | None
    fields: Mapping[str, Any]
    """By the name of the field that keeps them."""
    number: int | None = None
    """Its place among several, from 0."""
    model: str | None = None
    """The name of the model that made its vector, if anybody said."""
    spoken: str | None = None
    """What is embedded for it, if that is more than its text."""
    is_held: bool = False
    """Whether its text is stored already with a vector, which stays."""
    follows: tuple[int, ...] = ()
    """The rows by which what is embedded was decided: its own, and that of the turn before."""
    remade: Mapping[int, Anew] = field(default_factory=dict)
    """Vectors that hold what it replaces, made anew: by the row of their memory."""
    reaffirms: bool = False
    """Whether somebody says that it holds again, though it was replaced."""
    brings_vector: bool = False
    """Whether the caller gave its vector."""

    @property
    def name(self) -> str:
        """Which of several it is, for the message where it is refused; "" where it is alone."""
        return "" if self.number is None else _name(self.number, self.id)

    @property
    def is_to_be_embedded(self) -> bool:
        """Whether a vector is to be made for it."""
        return "vector" not in self.fields and "text" in self.fields and not self.is_held

    @classmethod
    def checked(cls, given: Mapping[str, Any], number: int | None = None) -> Draft:
        """The request, or the reason why it cannot be written.

        Raises:
            ParameterError: Any field outside its range; names the field and the value.
        """
        fields = _kept_of(given)
        return cls(_id_of(given), fields, number, model_of(given.get("vector")))

    @classmethod
    def of_record(cls, record: object, number: int) -> Draft:
        """As `of_new`, one of several. What is refused names it, now and later.

        Args:
            record: A dict of the arguments of `add`.
            number: Its place among them, from 0.
        """
        try:
            if not isinstance(record, Mapping):
                raise ParameterError(f"it must be a dict of add's arguments, got {quoted(record)}")
            return cls.of_new(record, number)
        except FeatherError as error:
            error.about(_name(number, record.get("id") if isinstance(record, Mapping) else None))
            raise

    @classmethod
    def of_new(cls, given: Mapping[str, Any], number: int | None = None) -> Draft:
        """The request to write a whole memory, where None says nothing."""
        if "text" not in given:
            _refuse_unknown(given)
            raise ParameterError("a memory needs a text")
        said = {name: value for name, value in given.items() if value is not None or name == "text"}
        if reaffirms := said.pop("reaffirm", False):
            flag(reaffirms, "reaffirm")
        fields = _kept_of(said)
        role = fields.get("role")
        fields.setdefault("metadata", "{}")
        if "origin" not in fields:
            fields["origin"] = USER if role is None else of_role(role)
        has_vector = "vector" in fields
        return cls(
            _id_of(said),
            fields,
            number,
            model_of(said.get("vector")),
            reaffirms=bool(reaffirms),
            brings_vector=has_vector,
        )

    def saying(self, **fields: Any) -> Draft:
        """The same request with further fields, as kept."""
        return replace(self, fields={**self.fields, **fields})

    def recorded(self, now: Seconds) -> Seconds:
        """When a new memory is recorded: now, or when it was learned elsewhere.

        Raises:
            ParameterError: That is said to be later than now.
        """
        stated: Seconds | None = self.fields.get("created_at")
        if stated is not None and stated > now:
            raise ParameterError(
                f"recorded_at must not be later than now, {when(now).isoformat()}, "
                f"got {when(stated).isoformat()}"
            )
        return now if stated is None else stated

    def record(self, now: Seconds) -> Record:
        """A new record; what was not given has its default."""
        now = self.recorded(now)
        given = {name: value for name, value in self.fields.items() if value is not None}
        given.pop("created_at", None)
        prior = given.pop("prior", BASELINE)
        valid_from = given.pop("valid_from", now)
        record = Record(
            id=self.id or new_id(now),
            prior=prior,
            importance=prior,
            created_at=now,
            updated_at=now,
            valid_from=valid_from,
            valid_to=given.get("stated_to"),
            **{"manner": _manner(given["text"], given.get("key")), **given},
        )
        _check_interval(record.valid_from, record.stated_to)
        return record

    def rewritten(self, old: Record, now: Seconds) -> Record:
        """The record that takes the place of `old`: what was not given stays.

        The same text has the same origin and manner, whoever says it.
        """
        given = dict(self.fields)
        given.pop("created_at", None)  # it was learned when it was
        if given.get("text", old.text) == old.text:
            given.pop("origin", None)
        else:
            given["manner"] = _manner(given["text"], given.get("key", old.key))
        if "vector" not in given and given.get("text", old.text) != old.text:
            given["vector"] = None  # it was the old text's
        if given.get("vector", old.vector) != old.vector:
            given.setdefault("context", None)
        if given.get("prior", 0.0) is None:
            given["prior"] = BASELINE
        if given.get("valid_from", 0.0) is None:
            del given["valid_from"]
        record = replace(old, words=None, **given)
        _check_interval(record.valid_from, record.stated_to)
        if record != old:
            record.updated_at = now
        return record


def model_of(vector: object) -> str | None:
    """By which model a vector is that a caller gives, if it says so."""
    return vector.model if isinstance(vector, NamedVector) else None


def _name(number: int, id_: object) -> str:
    return f"record {number}" if id_ is None else f"record {number} (id {quoted(id_)})"


def _manner(text: str, key: str | None) -> str:
    """How it is said. What has a key is a statement: it is the value of something."""
    if key is not None or (len(text) > LONGEST_ACKNOWLEDGEMENT and text[-1] in _ENDS):
        return STATEMENT  # a quarter of the time, where nothing has to be looked for
    said = patterns().fullmatch(text)
    return STATEMENT if said is None else manner_by(said)


def _kept_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, checked, by the name of the field that keeps it; the id aside."""
    _refuse_unknown(given)
    fields = {
        kept_in: check(given[name], name) for name, kept_in, check in _CHECKED if name in given
    }
    _check_interval(fields.get("valid_from"), fields.get("stated_to"))
    return fields


def _id_of(given: Mapping[str, Any]) -> str | None:
    id_ = given.get("id")
    return None if id_ is None else label(id_, "id")


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    if unknown := given.keys() - _KNOWN:
        raise ParameterError(f"a memory has no field {min(map(str, unknown))!r}")


def _check_interval(start: Seconds | None, end: Seconds | None) -> None:
    if start is not None and end is not None and end < start:
        raise ParameterError(f"valid_to must not be before valid_from, got {end} < {start}")


_last_lock = threading.Lock()
_last = [0]


def new_id(now: Seconds) -> str:
    """A string of 26 characters that sorts by time: 48 bits of milliseconds, 80 of chance.

    Within one process each sorts after the one before. The shape is that of a ULID.
    """
    with _last_lock:
        number = max(0, int(now * 1000)) << 80 | int.from_bytes(os.urandom(10), "big")
        if number >> 80 == _last[0] >> 80 and number <= _last[0]:
            number = _last[0] + 1
        _last[0] = number
    return _shaped(number)


def made_id(said: bytes, at: object) -> str:
    """The same id for the same bytes, of the shape of `new_id`.

    Args:
        said: What it is made of: the 80 bits of chance are their digest.
        at: When that holds, whose milliseconds it begins with, so that what is imported in the
            order of time is written side by side: in a file of millions, ids in no order cost a
            page each. With none, or one before 1970, it begins with zeros.
    """
    chance = int.from_bytes(blake2b(said, digest_size=10).digest(), "big")
    since = int(at * 1000) if isinstance(at, int | float) and 0 <= at <= LAST else 0
    return _shaped(since << 80 | chance)


def _shaped(number: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
