"""Filters that can never hold are refused, in every form; moments are as people write them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product

import numpy as np
import pytest
from questions import COLUMNS
from typer.testing import CliRunner

from feather_memory import F, FilterError, ParameterError, Store
from feather_memory.cli.app import app
from feather_memory.config import DAY
from feather_memory.filters.parse import parse
from feather_memory.testing import FrozenClock

NOW = FrozenClock()()  # 2026-01-01T00:00:00Z
TIMES = [name for name in COLUMNS if name.endswith(("_at", "_from", "_to"))]
KIND = {**COLUMNS, **dict.fromkeys(TIMES, "time")}

NAMES = {
    "==": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte",
    "in": "$in", "nin": "$nin", "contains": "$contains", "icontains": "$icontains",
}  # fmt: skip
BY_F = {
    "==": lambda field, x: field == x,
    "!=": lambda field, x: field != x,
    "<": lambda field, x: field < x,
    "<=": lambda field, x: field <= x,
    ">": lambda field, x: field > x,
    ">=": lambda field, x: field >= x,
    "in": lambda field, x: field.is_in(x),
    "nin": lambda field, x: ~field.is_in(x),
    "contains": lambda field, x: field.contains(x),
    "icontains": lambda field, x: field.icontains(x),
}
OPERANDS = {
    "text": ["", "0.3", "tea", "3"],
    "number": [0, 3, 0.3, -1.5],
    "time": ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T05:30:00+05:30"],
    "nothing": [None, True, False, [], [1], ["tea"]],
}
"""By what they are. What a time may be is a text as well."""


def can_hold(kind, sign, of):
    """The table, by hand."""
    if kind == "text":
        return of in {"text", "time"}
    if sign in {"contains", "icontains"}:
        return False
    return of == "number" or (kind == "time" and of == "time")


CASES = [
    (name, sign, of, operand)
    for (name, kind), sign in product(KIND.items(), BY_F)
    for of, operands in OPERANDS.items()
    for operand in operands
]


def test_what_can_never_hold_is_refused_and_all_else_taken_in_every_form():
    for name, sign, of, operand in CASES:
        for given in [[operand], [operand, operand]] if sign in {"in", "nin"} else [operand]:
            forms = [
                lambda name=name, sign=sign, given=given: BY_F[sign](F(name), given),
                lambda name=name, sign=sign, given=given: parse({name: {NAMES[sign]: given}}),
                lambda name=name, sign=sign, given=given: parse(
                    json.loads(json.dumps({"$not": {"$or": [{name: {NAMES[sign]: given}}]}}))
                ),
            ]
            made = [is_made(form) for form in forms]
            assert made == [can_hold(KIND[name], sign, of)] * 3, (name, sign, given)


def is_made(form):
    try:
        form()
    except FilterError:
        return False
    return True


def test_what_an_array_holds_is_the_number_that_it_is():
    numbers = [np.int64(3), np.uint8(3), np.float32(0.5), np.float64(0.5), np.float16(2)]
    for number in numbers:
        for name in ("importance", "recalls", "created_at", "metadata.n"):
            plain = number.item()
            assert repr(F(name) >= number) == repr(F(name) >= plain)
            assert repr(F(name).is_in([number])) == repr(F(name).is_in([plain]))
            assert repr(parse({name: {"$lt": number}})) == repr(parse({name: {"$lt": plain}}))
    assert repr(F("metadata.done") == np.bool_(True)) == repr(F("metadata.done") == True)  # noqa: E712
    for wrong in (np.float32("nan"), np.datetime64("2024-01-01"), np.complex64(1), np.array(3)):
        with pytest.raises(FilterError, match="cannot be compared"):
            F("importance") > wrong  # noqa: B015


def test_metadata_may_be_compared_with_anything_under_any_name():
    for name, sign, _, operand in CASES:
        is_order_of_none = sign in {"<", "<=", ">", ">="} and not isinstance(
            operand, str | float | int
        )
        is_bool_order = sign in {"<", "<=", ">", ">="} and isinstance(operand, bool)
        if is_order_of_none or is_bool_order or (sign == "icontains" and type(operand) is not str):
            continue
        given = [operand] if sign in {"in", "nin"} else operand
        assert is_made(lambda name=name, sign=sign, x=given: BY_F[sign](F(f"metadata.{name}"), x))


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (lambda: F("importance") >= "0.3", "takes a number"),
        (lambda: F("recalls") == "3", "takes a number"),
        (lambda: F("text") > 3, "takes a text"),
        (lambda: F("created_at") >= "yesterday", "ISO"),
        (lambda: F("created_at") >= "2024-01-01T00:00:00", "timezone"),
        (lambda: F("created_at") >= datetime(2024, 1, 1), "timezone"),  # noqa: DTZ001
        (lambda: F("created_at") == "1704067200", "ISO"),
        (lambda: F("valid_to").is_in([None]), r"exists\(\)"),
        (lambda: F("session") == None, r"never holds.* ~F\('session'\).exists\(\)"),  # noqa: E711
        (lambda: F("session") != None, r"always holds.*: F\('session'\).e"),  # noqa: E711
        (lambda: F("importance").contains(0.5), "only a text contains"),
        (lambda: F("created_at").icontains("2024"), "only a text contains"),
        (lambda: F("recalls").is_in([1, "2"]), "takes a number"),
        (lambda: F("key").is_in(["a", 2]), "takes a text"),
        (lambda: F("importance") == datetime(2024, 1, 1, tzinfo=UTC), "cannot be compared"),
        (lambda: F("n") > date(2024, 1, 1), "created_at"),
        (lambda: parse({"updated_at": {"$gt": "01/02/2024"}}), "ISO"),
        (lambda: parse({"actor": 7}), "takes a text"),
    ],
)
def test_a_refused_filter_says_what_is_possible(refused, said):
    with pytest.raises(FilterError, match=said):
        refused()


FIRST_OF_JUNE = [
    "2026-06-01",
    "2026-06-01T00:00:00Z",
    "2026-06-01T00:00Z",
    "2026-06-01 00:00:00+00:00",
    "2026-05-31T20:00:00-04:00",
    date(2026, 6, 1),
    datetime(2026, 6, 1, tzinfo=UTC),
    datetime(2026, 6, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2026, 6, 1, tzinfo=UTC).timestamp(),
    int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()),
]


@pytest.fixture
def june(store, clock):
    """A memory of May, one of the first moment of June, and one of a microsecond later."""
    first = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    for id_, at in [("may", first - DAY), ("june", first), ("later", first + 0.000001)]:
        clock.set(at)
        store.add("tea", id=id_, valid_to=at + 90 * DAY, expires_at=at + 90 * DAY)
    yield store
    assert store.check() == []


@pytest.mark.parametrize("moment", FIRST_OF_JUNE, ids=repr)
def test_a_time_field_is_compared_with_a_moment_however_it_is_written(june, moment):
    expected = {
        "<": {"may"}, "<=": {"may", "june"}, "==": {"june"}, "!=": {"may", "later"},
        ">": {"later"}, ">=": {"june", "later"}, "in": {"june"}, "nin": {"may", "later"},
    }  # fmt: skip
    for name, (sign, ids) in product(("created_at", "updated_at", "valid_from"), expected.items()):
        given = [moment] if sign in {"in", "nin"} else moment
        for where in (BY_F[sign](F(name), given), {name: {NAMES[sign]: given}}):
            assert {memory.id for memory in june.iterate(where)} == ids
            assert {hit.memory.id for hit in june.search("tea", where=where, distinct=False)} == ids
            assert {memory.id for memory in june.latest(9, where=where)} == ids
            assert set(june.forget(where=where, dry_run=True).ids) == ids


@pytest.mark.file
def test_the_command_line_asks_by_iso_text(june):
    def called(where):
        asked = ["forget", str(june.path), "--dry-run", "--where", json.dumps(where)]
        return CliRunner().invoke(app, asked)

    found = called({"created_at": {"$gte": "2026-06-01T00:00:00Z"}}).stdout
    refused = called({"importance": {"$gte": "0.3"}})

    assert found.splitlines()[1:] == ["june", "later"]
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "takes a number" in refused.stderr


@pytest.mark.parametrize("moment", FIRST_OF_JUNE, ids=repr)
def test_a_verb_takes_a_moment_however_it_is_written(store, moment):
    first = datetime(2026, 6, 1, tzinfo=UTC)
    memory = store.add("tea", id="a", valid_from=moment, valid_to=moment, expires_at=moment)
    assert (memory.valid_from, memory.valid_to, memory.expires_at) == (first,) * 3
    assert store.update("a", valid_to="2026-07-01", expires_at=None).valid_to.month == 7
    store.supersede("a", "coffee", id="b", valid_from=moment)
    assert store.signal("b", "liked", at=moment).at == first
    for found in (
        store.search("coffee", as_of=moment),
        store.search("coffee", known_at=moment, as_of=moment),
        store.recall("coffee", as_of=moment, now=moment),
        store.context_chain("coffee", as_of=moment),
    ):
        assert [hit.memory.id for hit in found] == ["b"]
    assert store.why_not("coffee", "b", as_of=moment).is_returned
    assert store.search("coffee", known_at="2025-12-31") == []
    assert store.check() == []


@pytest.mark.parametrize(
    "name", ["valid_from", "valid_to", "expires_at", "as_of", "known_at", "now"]
)
@pytest.mark.parametrize(
    "wrong",
    ["2026-06-01T00:00", datetime(2026, 6, 1), "soon", "", "1.5", b"1"],  # noqa: DTZ001
)
def test_a_moment_that_is_none_is_refused_by_name(store, name, wrong):
    verb = store.search if name in {"as_of", "known_at", "now"} else store.add

    with pytest.raises(ParameterError, match=f"{name} must"):
        verb("tea", **{name: wrong})

    assert (len(store), store.check()) == (0, [])


def test_an_import_by_mapping_may_say_times_as_json_does(tmp_path):
    with Store.open(tmp_path / "a.feather", clock=FrozenClock()) as store:
        store.add_many(json.loads('[{"text": "tea", "valid_from": "2025-01-01T00:00:00Z"}]'))

        assert next(store.iterate()).valid_from == datetime(2025, 1, 1, tzinfo=UTC)
        assert store.check() == []
