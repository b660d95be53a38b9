"""Filters: `matches`, SQL and a naive oracle agree; the laws of `&`, `|`, `~`; what is refused."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from questions import (
    COLUMNS,
    UNSAID,
    floats,
    naive,
    naive_value,
    neighbours,
    questions,
    records,
    with_f,
)

from feather_memory.errors import FilterError
from feather_memory.filters.language import And, F, Leaf, Not
from feather_memory.filters.parse import parse
from feather_memory.filters.sql import to_sql
from feather_memory.filters.values import MAX_DEPTH, MISSING, SQL_FUNCTIONS

# The subject


def as_mapping(question):
    names = {
        "==": "$eq",
        "!=": "$ne",
        "<": "$lt",
        "<=": "$lte",
        ">": "$gt",
        ">=": "$gte",
        "in": "$in",
        "nin": "$nin",
        "contains": "$contains",
        "icontains": "$icontains",
    }
    sign, *rest = question
    if sign in {"and", "or"}:
        return {f"${sign}": [as_mapping(part) for part in rest[0]]}
    if sign == "not":
        return {"$not": as_mapping(rest[0])}
    path, operand = rest
    return {".".join(path): {"$exists": True} if sign == "exists" else {names[sign]: operand}}


def can_be_dotted(question):
    sign, *rest = question
    if sign in {"and", "or"}:
        return all(map(can_be_dotted, rest[0]))
    if sign == "not":
        return can_be_dotted(rest[0])
    return all(key and "." not in key for key in rest[0])


def sql_answers(where, record):
    """What SQLite says, for the metadata in each way that `json.dumps` spells it."""
    text, bound = to_sql(where)
    with closing(sqlite3.connect(":memory:")) as db:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        db.execute(f"create table memory ({columns}, metadata text)")
        for name, function in SQL_FUNCTIONS.items():
            db.create_function(name, 2, function, deterministic=True)
        row = {n: None if said == UNSAID.get(n, ()) else said for n, said in record.items()}
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        for style in ({}, {"ensure_ascii": False}, {"separators": (",", ":"), "sort_keys": True}):
            metadata = json.dumps(record["metadata"], **style)
            db.execute(
                f"insert into memory values ({marks})", [*(row[n] for n in COLUMNS), metadata]
            )
        answers = {row[0] for row in db.execute(f"select {text} from memory", bound)}
        counts = db.execute(f"select count(*) from memory where {text}", bound).fetchone()[0]
    assert counts == (3 if answers == {1} else 0)
    return answers


def record_of(metadata=None, **fields):
    plain = {"id": "m1", "text": "likes tea", "importance": 0.4, "recalls": 2, "created_at": 10.0}
    return {**dict.fromkeys(COLUMNS), **UNSAID, **plain, **fields, "metadata": metadata or {}}


both = records.flatmap(lambda record: st.tuples(st.just(record), questions(record)))


@settings(max_examples=300)
@given(both)
def test_matches_and_sql_and_a_naive_oracle_agree(pair):
    record, question = pair
    where = with_f(question)

    expected = naive(question, record)

    assert where.matches(record) is expected
    assert sql_answers(where, record) == {int(expected)}


@settings(max_examples=100)
@given(floats, st.sampled_from(["<", "<=", ">", ">="]))
@example(8.41e21, "<")
def test_floats_one_step_apart_are_told_apart_in_sql(number, sign):
    """SQLite 3.40 reads some decimals as the float beside the right one."""
    metadata = {"n": number}
    bounds = [*neighbours(number), number]

    for bound in bounds:
        question = (sign, ("metadata", "n"), bound)
        expected = naive(question, {"metadata": metadata})
        assert sql_answers(with_f(question), record_of(metadata)) == {int(expected)}


@given(both)
def test_a_filter_and_its_complement_never_agree(pair):
    record, question = pair
    where = with_f(question)

    assert (~where).matches(record) is not where.matches(record)
    assert ~~where == where
    assert sql_answers(~where, record) == {1 - int(where.matches(record))}


@given(
    records.flatmap(lambda record: st.tuples(st.just(record), questions(record), questions(record)))
)
def test_de_morgans_laws_hold(triple):
    record, f, g = triple[0], with_f(triple[1]), with_f(triple[2])

    assert (~(f & g)).matches(record) is (~f | ~g).matches(record)
    assert (~(f | g)).matches(record) is (~f & ~g).matches(record)
    assert sql_answers(~(f & g), record) == sql_answers(~f | ~g, record)


@given(both.filter(lambda pair: can_be_dotted(pair[1])))
def test_the_mapping_form_means_the_same_as_f(pair):
    assert parse(as_mapping(pair[1])) == with_f(pair[1])


@given(both)
def test_a_repr_evaluates_to_an_equal_filter(pair):
    where = with_f(pair[1])

    again = eval(repr(where), {"F": F})  # noqa: S307 - the repr is ours

    assert again == where
    assert len({again, where}) == 1


@given(both)
def test_a_leaf_answers_from_the_value_alone(pair):
    """An engine may evaluate it once for each distinct value of a column."""
    record, question = pair
    if question[0] in {"and", "or", "not", "!=", "nin"}:
        return
    leaf = with_f(question)
    value = naive_value(record, question[1])

    assert leaf.fields() == {leaf.path} == {question[1]}
    assert leaf.matches_value(MISSING if value == () else value) is leaf.matches(record)


@pytest.mark.parametrize(
    "attack", ["x'; drop table memory; --", "') or 1=1 --", '"] or 1', "$.a", "?", "a\0'"]
)
def test_a_path_or_value_that_looks_like_sql_is_only_data(attack):
    record = record_of({attack: attack, "in": {attack: [attack]}}, text=attack)

    for where in (
        F(path=(attack,)) == attack,
        F(path=("in", attack)).contains(attack),
        F(path=(attack,)).is_in([attack, "b"]),
        F(path=(attack,)) >= attack,
        F("text") == attack,
        F("text").contains(attack),
    ):
        text, _ = to_sql(where)
        assert attack == "?" or attack not in text
        assert sql_answers(where, record) == sql_answers(~~where, record) == {1}
        assert sql_answers(where, record_of({"a": 1}, text="no")) == {0}


def test_a_memory_without_the_field_matches_only_not_equal():
    record = record_of({})

    held = [
        where
        for where in (
            F("n") == 1,
            F("n") != 1,
            F("n") < 1,
            F("n") >= 1,
            F("n").exists(),
            F("n").is_in([1, None]),
            F("n") == None,  # noqa: E711
            F("n").contains(1),
            F("n").icontains("a"),
        )
        if where.matches(record)
    ]

    assert held == [F("n") != 1]


def test_a_key_is_not_taken_for_one_that_goes_on_after_a_nul():
    """SQLite 3.45 and later compare keys up to the first NUL."""
    record = record_of({"a\0b": 1, "c": {"d\0": "\0\1"}, "\1A": '"\\'})

    assert sql_answers(F("a").exists(), record) == {0}
    assert sql_answers(F(path=("a\0",)).exists(), record) == {0}
    assert sql_answers(F(path=("a\0b",)) >= 1, record) == {1}
    assert sql_answers(F(path=("c", "d\0")) == "\0\1", record) == {1}
    assert sql_answers(F(path=("c", "d\0")) < "\0\2", record) == {1}
    assert sql_answers(F(path=("\1A",)) == '"\\', record) == {1}


def test_one_is_not_true_neither_as_value_nor_as_filter():
    assert (F("a") == 1) != (F("a") == True)  # noqa: E712
    assert (F("a") == [1]) != (F("a") == [True])
    assert (F("a") == 1) == (F("a") == 1.0)
    assert not (F("a") == 1).matches(record_of({"a": True}))
    assert not (F("a") == "1").matches(record_of({"a": 1}))


def test_a_null_exists_in_the_metadata_and_not_in_a_built_in():
    record = record_of({"a": None}, valid_to=None)

    assert (F("a").exists() & (F("a") == None)).matches(record)  # noqa: E711
    assert not F("valid_to").exists().matches(record)
    with pytest.raises(FilterError, match=r"not even null: ~F\('valid_to'\)\.exists\(\)"):
        F("valid_to") == None  # noqa: B015, E711


def test_paths_lead_to_the_same_field_however_they_are_written():
    assert (
        F("a.b").path == F("metadata.a.b").path == F(path=("a", "b")).path == ("metadata", "a", "b")
    )
    assert F("importance").path == ("importance",)
    assert F("metadata.importance").path == ("metadata", "importance")
    assert F("metadata").path == F("metadata.metadata").path == ("metadata", "metadata")
    assert F(path=("a.b", "c")).path == ("metadata", "a.b", "c")


def test_times_compare_with_aware_datetimes():
    record = record_of(created_at=1_700_000_000.25)
    moment = datetime.fromtimestamp(1_700_000_000.25, timezone(timedelta(hours=5)))

    assert (F("created_at") == moment).matches(record)
    assert sql_answers(F("created_at") == moment, record) == {1}
    assert sql_answers(F("created_at") < moment + timedelta(microseconds=1), record) == {1}
    assert sql_answers(F("created_at").is_in([moment]), record) == {1}


def test_operands_of_derived_types_become_plain():
    class Channel(StrEnum):
        CHAT = "chat"

    where = F("channel") == Channel.CHAT

    assert type(where.operand) is str
    assert repr(where) == "F('channel') == 'chat'"
    assert (F("a").is_in({"y", "x"})).operand == ("x", "y")


def test_chains_of_one_operator_are_flat_and_may_be_long():
    record = record_of({"n": 999})
    where = F("n") == 0
    for number in range(1, 1000):
        where |= F("n") == number

    assert len(where.parts) == 1000
    assert where.matches(record)
    assert sql_answers(where, record) == {1}
    assert sql_answers(F("n").is_in(list(range(40_000))), record) == {1}
    assert sql_answers(F("id").is_in([str(n) for n in range(40_000)]), record) == {0}


def deepest(leaf):
    where = leaf
    for level in range(MAX_DEPTH):
        where = (leaf & where) if level % 2 else (leaf | where)
    return where


def test_the_deepest_filter_allowed_is_within_sqlites_parser():
    """Whatever `to_sql` returns can be prepared, also inside another query."""
    record = record_of({"a": [["x"]], 'q"': 3})
    nested = ["x"]
    for _ in range(MAX_DEPTH - 1):
        nested = [nested]
    negated = F("a").contains(nested)
    for level in range(MAX_DEPTH // 2):
        negated = ~((F('q"') == 3) & negated) if level % 2 else ~((F('q"') > 3) | negated)

    for where in (deepest(F("a").contains([["x"]])), deepest(F('q"') > 2), negated):
        text, bound = to_sql(where)
        assert sql_answers(where, record) == {int(where.matches(record))}
        with closing(sqlite3.connect(":memory:")) as db:
            db.execute("create table memory (id text, metadata text)")
            db.execute(
                "select id from memory where id in "
                f"(select id from memory where id is not null and (({text}) and id > ''))",
                bound,
            )
    with pytest.raises(FilterError, match="nested"):
        F("a").contains(1) & (F("b").contains(1) | deepest(F("a") == 1))


LOOP: list[object] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "operand",
    [
        math.nan,
        math.inf,
        -math.inf,
        {"a": 1},
        {1},
        b"a",
        object(),
        Decimal(1),
        1j,
        F("b"),
        F("b") == 1,
        [math.nan],
        [{"a": 1}],
        date(2024, 1, 1),
        datetime(2024, 1, 1),  # noqa: DTZ001
        datetime(2024, 1, 1, tzinfo=UTC),
        "\ud800",
        LOOP,
        10**5000,
    ],
    ids=lambda operand: type(operand).__name__,
)
def test_an_operand_that_means_nothing_is_refused(operand):
    for compare in (
        lambda: F("a") == operand,
        lambda: F("a") != operand,
        lambda: F("a") < operand,
        lambda: F("a").is_in([operand]),
        lambda: F("a").contains(operand),
        lambda: parse({"a": {"$eq": operand}}),
    ):
        with pytest.raises(FilterError):
            compare()


@pytest.mark.parametrize("operand", [None, True, False, [1], (), []])
def test_an_order_needs_a_number_or_a_text(operand):
    for compare in (F.__lt__, F.__le__, F.__gt__, F.__ge__):
        with pytest.raises(FilterError, match="takes a number or a text"):
            compare(F("a"), operand)


def test_a_datetime_without_a_zone_is_refused():
    with pytest.raises(FilterError, match="time zone"):
        F("created_at") > datetime(2024, 1, 1)  # noqa: DTZ001, B015


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"dotted": ""},
        {"dotted": "a..b"},
        {"dotted": ".a"},
        {"dotted": "metadata."},
        {"path": ()},
        {"path": ("a", 1)},
        {"path": "ab"},
        {"path": ["a"]},
        {"dotted": "a", "path": ("a",)},
        {"dotted": 3},
        {"dotted": "text.length"},
        {"path": ("session", "length")},
        {"dotted": "\ud800"},
    ],
)
def test_a_path_that_leads_nowhere_is_refused(arguments):
    with pytest.raises(FilterError):
        F(**arguments)


@pytest.mark.parametrize("choices", ["abc", None, 3, {"a": 1}, iter([1])])
def test_is_in_takes_a_list(choices):
    with pytest.raises(FilterError, match="is_in takes a list"):
        F("a").is_in(choices)


def test_a_filter_is_neither_true_nor_false():
    for use in (
        lambda: bool(F("a") == 1),
        lambda: (F("a") == 1) and (F("b") == 2),
        lambda: not F("a").exists(),
        lambda: 1 < F("a") < 3,
        lambda: bool(F("a")),
    ):
        with pytest.raises(FilterError, match=r"& \| ~") as refused:
            use()
        assert isinstance(refused.value, TypeError)


def test_filters_combine_with_filters_only():
    with pytest.raises(TypeError):
        (F("a") == 1) & True
    with pytest.raises(FilterError):
        And(())


def test_filters_are_frozen():
    with pytest.raises(AttributeError):
        (F("a") == 1).operand = 2
    with pytest.raises(TypeError, match="unhashable"):
        {F("a")}


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"a": {"$regex": "x"}}, "regex"),
        ({"a": {"b": 1}}, "'b'"),
        ({"a": {"$gt": 1, "b": 1}}, "'b'"),
        ({"a": {}}, "empty"),
        ({"$nor": []}, "nor"),
        ({"$and": []}, "and"),
        ({"$or": {}}, "or"),
        ({"$and": [{}]}, "non-empty"),
        ({"$not": {}}, "non-empty"),
        ({"$not": [1]}, "list"),
        ({1: 2}, "int"),
        ({"": 2}, "empty"),
        ({"a": {"$exists": 1}}, "exists"),
        ({"a": {"$in": "xy"}}, "is_in"),
        ({"a": {"$lt": None}}, "NoneType"),
        ({"a": {1: 1}}, "operator 1"),
        ({"a": {1, 2}}, "set"),
        ([("a", 1)], "list"),
        ("a", "str"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused_by_name(mapping, named):
    with pytest.raises(FilterError, match=named):
        parse(mapping)


def test_a_mapping_nested_too_deep_is_refused():
    mapping = {"a": 1}
    for _ in range(5000):
        mapping = {"$not": mapping}

    with pytest.raises(FilterError, match="nested"):
        parse(mapping)


def test_mappings_read_as_they_say():
    assert parse(None) is None
    assert parse({}) is None
    assert parse(F("a") == 1) == (F("a") == 1)
    assert parse({"channel": "chat"}) == (F("channel") == "chat")
    assert parse({"n": {"$gte": 3, "$lt": 9}}) == (F("n") >= 3) & (F("n") < 9)
    assert parse({"a": 1, "importance": 2}) == (F("a") == 1) & (F("importance") == 2)
    assert parse({"a": {"$exists": False}}) == Not(Leaf(("metadata", "a"), "exists"))
    assert parse({"$or": [{"a": [1]}, F("b") == None]}) == (F("a") == [1]) | (F("b") == None)  # noqa: E711


def test_fields_names_every_path_once():
    where = (F("a.b") == 1) & ~(F("importance") > 0.5) | F("a.b").exists()

    assert where.fields() == {("metadata", "a", "b"), ("importance",)}
