"""Chat exports become records, and every refused line says why."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.errors import ParameterError
from feather_memory.importers.chatlog import read, table
from feather_memory.importers.entries import Entry, Refused
from feather_memory.importers.fields import Fields
from feather_memory.importers.lines import objects
from feather_memory.importers.times import parse_time


def json_lines(*rows, fields=None):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return list(read(objects(io.StringIO(text)), fields or Fields()))


def csv_lines(text, fields=None):
    fields = fields or Fields()
    return list(read(table(io.StringIO(text, newline=""), fields), fields))


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.just(UTC),
    )
)
def test_an_iso_time_is_read_back_to_the_microsecond(moment):
    assert abs(parse_time(moment.isoformat()) - moment.timestamp()) < 1e-6


@given(st.integers(1_000_000_000_000, 4_000_000_000_000))
def test_milliseconds_are_never_taken_for_dates(count):
    """Python reads '1612010100000' as a day in 1612."""
    assert parse_time(str(count)) == parse_time(count) == count / 1000


@pytest.mark.parametrize(
    "written",
    [
        "2023-05-08T13:56:00Z",
        "2023-05-08 13:56",
        "2023-05-08T15:56:00+02:00",
        "1:56 pm on 8 May, 2023",
        "01:56 PM  on 08 May, 2023",
        1683554160,
        "1683554160.0",
        1683554160000,
        datetime(2023, 5, 8, 13, 56, tzinfo=UTC),
    ],
)
def test_one_moment_is_read_however_it_is_written(written):
    assert parse_time(written) == 1683554160


def test_eight_digits_are_a_date():
    assert parse_time("20230508") == parse_time("2023-05-08")


@pytest.mark.parametrize(
    "written", ["yesterday", "", True, None, [1], float("nan"), 1e300, "9" * 30]
)
def test_what_is_no_time_is_refused(written):
    with pytest.raises(ParameterError, match="not a time"):
        parse_time(written)


def test_named_fields_play_their_part_and_the_others_become_metadata():
    row = {"who": "Ann", "said": "Hello", "n": 7, "at": 100, "conv": "c", "room": "x", "pic": None}
    fields = Fields(text="said", id="n", actor="who", time="at", session="conv", per="conv")

    entry = json_lines(row, fields=fields)[0]

    expected = {
        "text": "Hello",
        "id": "7",
        "actor": "Ann",
        "valid_from": 100.0,
        "session": "c",
        "metadata": {"room": "x"},
    }
    assert entry == Entry(line=1, record=expected, group="c")


def test_obvious_names_need_no_naming():
    row = {
        "text": "Hi",
        "id": "a",
        "time": 5,
        "session": 1,
        "actor": "b",
        "role": "user",
        "key": "k",
    }

    record = json_lines(row)[0].record

    assert record == {
        "text": "Hi", "id": "a", "valid_from": 5.0, "session": "1", "actor": "b", "role": "user",
        "key": "k",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"text": "a", "n": NaN}', "NaN is no JSON value"),
        ('{"text": ""}', "the text is empty"),
        ('{"text": " \\n"}', "the text is empty"),
        ('{"text": null}', "'text': "),
        ('{"text": ["a"]}', "'text': "),
        ('{"tekst": "a"}', "no field 'text'"),
        ('{"text": "a", "time": "soon"}', "'time': not a time: 'soon'"),
        ('{"text": "a", "id": ""}', "'id': "),
        ('{"text": "a", "id": {"b": 1}}', "'id': "),
        ('{"text": "a \\ud800"}', "not UTF-8"),
        ('{"feather_memory": 2, "text": "a"}', "version 2"),
        ('{"feather_memory": 1, "text": "a"}', "'valid_from': "),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_line_is_refused_by_itself_with_its_number_and_its_reason(line, reason):
    good = {"text": "fine"}

    first, bad, last = json_lines(good, line, good)

    assert isinstance(bad, Refused)
    assert (bad.line, reason in bad.reason) == (2, True), bad.reason
    assert "\n" not in bad.reason
    assert [first.line, last.line] == [1, 3]


def test_a_line_that_is_not_utf8_is_refused_by_itself():
    raw = b'{"text": "a"}\n{"text": "\xff"}\n{"text": "c"}\n'
    stream = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", errors="surrogateescape")

    kinds = [type(item) for item in read(objects(stream), Fields())]

    assert kinds == [Entry, Refused, Entry]


def test_empty_lines_are_skipped_and_still_counted():
    assert [entry.line for entry in json_lines({"text": "a"}, "", "  ", {"text": "b"})] == [1, 4]


@pytest.mark.parametrize("value", [None, "", [1]])
def test_a_line_that_names_no_store_is_refused(value):
    refused = json_lines({"text": "a", "conv": value}, fields=Fields(per="conv"))[0]

    assert "names no store" in refused.reason


def test_csv_rows_are_read_with_quotes_and_line_numbers():
    entries = csv_lines(
        'text,actor,room\r\n"two\nlines",ann,x\r\nshort\r\n,bob,y\r\n\r\na,b,c,d\r\n'
    )

    assert entries == [
        Entry(
            line=2,
            record={"text": "two\nlines", "actor": "ann", "metadata": {"room": "x"}},
        ),
        Entry(line=4, record={"text": "short"}),
        Refused(line=5, reason="'text': Input should be a valid string"),
        Refused(line=7, reason="4 cells under a header of 3"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the header has nothing"),
        ("x" * (16 * 1024 * 1024 + 1), "not CSV"),
        ("a,b\n1,2\n", "no column 'text'"),
        ("text,b,b\n1,2,3\n", "two columns are named 'b'"),
    ],
)
def test_a_csv_without_the_right_header_is_refused_as_a_whole(text, message):
    with pytest.raises(ParameterError, match=message):
        csv_lines(text)


def test_a_cell_too_large_for_any_memory_is_refused_and_reading_goes_on():
    text = "text\n" + "x" * (16 * 1024 * 1024 + 1) + "\nnext\n"

    refused, *rest = csv_lines(text)

    assert "field larger than field limit" in refused.reason
    assert rest[-1].record == {"text": "next"}


def test_a_line_of_our_own_export_keeps_all_it_says():
    start = datetime(2024, 1, 1, tzinfo=UTC)
    row = {
        "feather_memory": 1,
        "id": "b",
        "text": "new",
        "metadata": {"deep": {"er": None}},
        "importance": 0.55,
        "valid_from": start.isoformat(),
        "valid_to": (start + timedelta(days=1)).isoformat(),
        "links": [["supersedes", "a", 0.5]],
        "vector": [0.5, 0.25],
        "recalls": 3,
    }

    entry = json_lines(row, fields=Fields(actor="speaker"))[0]

    assert entry.links == (("supersedes", "a", 0.5),)
    assert entry.record == {
        "id": "b",
        "text": "new",
        "metadata": {"deep": {"er": None}},
        "importance": 0.55,
        "valid_from": start.timestamp(),
        "valid_to": start.timestamp() + 86_400,
        "vector": [0.5, 0.25],
    }
