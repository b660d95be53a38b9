"""The time that a question names: an interval where it is sure, and what that does in a ranking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_best, scores

from feather_memory import ContextLayers, F, Scoring, Store
from feather_memory.model.anchors import anchor_in
from feather_memory.model.periods import MAY_NAME_A_TIME, period_in
from feather_memory.testing import FrozenClock

THURSDAY = datetime(2026, 5, 14, 15, 30, tzinfo=UTC)
DAY = 86_400.0


def days_of(text, now=THURSDAY, language="english"):
    """The first and the last day of the period that a question names."""
    period = period_in(text, now.timestamp(), language)
    if period is None:
        return None
    start, stop = (datetime.fromtimestamp(at, UTC) for at in period)
    return f"{start:%Y-%m-%d}", f"{stop - timedelta(seconds=1):%Y-%m-%d}"


SURE = {
    "What did I eat yesterday?": ("2026-05-13", "2026-05-13"),
    "What did we say the day before yesterday?": ("2026-05-12", "2026-05-12"),
    "What did I tell you this morning?": ("2026-05-14", "2026-05-14"),
    "What did I say today?": ("2026-05-14", "2026-05-14"),
    "Where was I last night?": ("2026-05-13", "2026-05-14"),
    "What happened LAST WEEK?": ("2026-05-04", "2026-05-10"),
    "what did I buy this week": ("2026-05-11", "2026-05-17"),
    "What did I do in the last week?": ("2026-05-07", "2026-05-14"),
    "What did I read over the past three months?": ("2026-02-14", "2026-05-14"),
    "Whom did I meet last month?": ("2026-04-01", "2026-04-30"),
    "Where did we go last year?": ("2025-01-01", "2025-12-31"),
    "What have I learned this year?": ("2026-01-01", "2026-12-31"),
    "What did I buy last March?": ("2026-03-01", "2026-03-31"),
    "What did I buy last May?": ("2025-05-01", "2025-05-31"),
    "Where was I last December?": ("2025-12-01", "2025-12-31"),
    "What did I do in May?": ("2026-05-01", "2026-05-31"),
    "What did I do in June?": ("2025-06-01", "2025-06-30"),
    "What is there to do this June?": ("2026-06-01", "2026-06-30"),
    "Who called two weeks ago?": ("2026-04-27", "2026-05-03"),
    "Who called 3 days ago?": ("2026-05-11", "2026-05-11"),
    "What did I plan a month ago?": ("2026-04-01", "2026-04-30"),
    "Where did she move from 4 years ago?": ("2022-01-01", "2022-12-31"),
    "What did I say a couple of days ago?": ("2026-05-12", "2026-05-12"),
    "What did she paint in May 2023?": ("2023-05-01", "2023-05-31"),
    "What did she paint in Sept. 2023?": ("2023-09-01", "2023-09-30"),
    "What did she paint on 7 May?": ("2026-05-07", "2026-05-07"),
    "what did she paint on 7 may": ("2026-05-07", "2026-05-07"),
    "What did she paint on 20 May?": ("2025-05-20", "2025-05-20"),
    "What did she paint on May 7th, 2023?": ("2023-05-07", "2023-05-07"),
    "What did she paint on the 7th of May 2023?": ("2023-05-07", "2023-05-07"),
    "What was decided on 2023-05-07?": ("2023-05-07", "2023-05-07"),
    "What have I done in 2021?": ("2021-01-01", "2021-12-31"),
    "Whom did I meet last Friday?": ("2026-05-08", "2026-05-08"),
    "Whom did I meet last Thursday?": ("2026-05-07", "2026-05-07"),
    "Where were we last weekend?": ("2026-05-09", "2026-05-10"),
    "Where was I between March and May?": ("2026-03-01", "2026-05-31"),
    "Where was I between November and February?": ("2025-11-01", "2026-02-28"),
    "Where was I between August 11 and August 15 2023?": ("2023-08-11", "2023-08-15"),
    "Where was I between 3 and 5 May 2024?": ("2024-05-03", "2024-05-05"),
    "Where was I between 2019 and 2021?": ("2019-01-01", "2021-12-31"),
    "What was the issue last week, as mentioned on November 6, 2023?": ("2023-11-06", "2023-11-06"),
    "What has changed since March?": ("2026-03-01", "2026-05-14"),
    "What has she painted since last June?": ("2025-06-01", "2026-05-14"),
    "What have I learned since 2019?": ("2019-01-01", "2026-05-14"),
    "Who has called since 7 May?": ("2026-05-07", "2026-05-14"),
    "Who has called since the 7th of May 2023?": ("2023-05-07", "2026-05-14"),
    "Who has called since last Friday?": ("2026-05-08", "2026-05-14"),
    "Who has called since yesterday?": ("2026-05-13", "2026-05-14"),
    "What was on 29 February 2024?": ("2024-02-29", "2024-02-29"),
}


@pytest.mark.parametrize(("text", "days"), SURE.items(), ids=list(SURE))
def test_what_is_said_of_a_time_is_an_interval_of_days(text, days):
    assert days_of(text) == days


UNSURE = [
    "", "What is my name?", "What did Maria decide?", "May I ask you something?",
    "may 3 people come?", "Where was I from 3 May on?",
    "Who called before last Friday?", "May 7 people come?", "We march 5 miles, why?",
    "Who led the March on Washington?",
    "Is Saturday fine?", "What did I say recently?", "What did I plan for last summer?",
    "Where was I before May 2023?", "Who came after 7 May 2023?",
    "What has changed since late March?", "What has changed since March 2027?",
    "Since March or since April?", "What did we do in May or since June?",
    "What is to be done before May?", "What did we do last summer?",
    "How many by July 10, 2022?", "What did he say the week before August 3, 2023?",
    "What did I do the weekend before April 10, 2023?", "What happens every June?",
    "What is due next week?", "What is due next May?", "In May or in June?",
    "Was it on 5 May or on 7 May?", "Where was I yesterday and last week?",
    "Where was I from March to May?", "What is on 31 February 2024?", "What was on 2023-02-31?",
    "between 3 and 5 people came", "between you and May", "between May 2024 and March 2024",
    "between 5 May and June", "How long ago was that?", "What did people wear in the 1990s?",
    "What happened before I moved?", "What happened 999 years ago and 0 days ago?",
    "the second of them", "the last one", "1998 messages", "as of December 2023",
]  # fmt: skip


@pytest.mark.parametrize("text", UNSURE)
def test_what_two_readers_might_take_otherwise_is_none(text):
    assert days_of(text) is None


def test_english_is_read_and_questions_and_no_more():
    assert days_of("What did I eat yesterday?", language="german") is None
    assert days_of("What did I eat yesterday? " + "I told you so. " * 40) is None


@pytest.mark.parametrize(
    ("text", "now", "days"),
    [
        ("a month ago", datetime(2026, 3, 31, tzinfo=UTC), ("2026-02-01", "2026-02-28")),
        ("in the past month", datetime(2026, 3, 31, 1, tzinfo=UTC), ("2026-02-28", "2026-03-31")),
        ("last month", datetime(2026, 1, 31, tzinfo=UTC), ("2025-12-01", "2025-12-31")),
        ("last week", datetime(2026, 1, 1, tzinfo=UTC), ("2025-12-22", "2025-12-28")),
        ("last Monday", datetime(2026, 5, 11, tzinfo=UTC), ("2026-05-04", "2026-05-04")),
        ("in the past year", datetime(2024, 2, 29, tzinfo=UTC), ("2023-02-28", "2024-02-29")),
        ("this year", datetime(9999, 12, 31, tzinfo=UTC), None),
        ("12 years ago", datetime(1, 1, 2, tzinfo=UTC), None),
    ],
)
def test_months_weeks_and_years_end_where_the_calendar_says(text, now, days):
    assert days_of(text, now) == days


PIECES = [
    "May", "may", "March", "7", "31st", "2023", "1999-12-31", "last", "this", "week", "year", "ago",
    "two", "a", "yesterday", "between", "and", "on", "in", "the", "before", "past", "Friday", "day",
]  # fmt: skip


@given(
    words=st.lists(st.sampled_from(PIECES), max_size=8),
    now=st.floats(-6e10, 2.5e11),
)
def test_whatever_is_asked_whenever_it_is_an_interval_or_none_and_never_an_error(words, now):
    text = " ".join(words)

    period = period_in(text, now)

    if period is not None:
        assert period.start < period.stop
        assert MAY_NAME_A_TIME.search(text.lower())
        assert period == period_in(text, now)


@pytest.fixture
def clock():
    return FrozenClock(THURSDAY)


def world(path, clock, *, embedded, sessions):
    """A store of forty facts of the last days, and the same as plain lists."""
    rng = np.random.default_rng(7)
    words = [c + v + "k" for c in "bdfgl" for v in "aeiou"]
    records = [
        {
            "id": f"m{at}", "text": " ".join(rng.choice(words, 5).tolist()), "key": f"k{at}",
            "valid_from": clock() - float(rng.integers(0, 100)) * 3_600,
            "vector": rng.normal(size=8) if embedded else None,
            "session": f"s{at % 3}" if sessions else None,
        }
        for at in range(40)
    ]  # fmt: skip
    store = Store.open(path, clock=clock)
    store.add_many(records)
    facts = {
        "texts": [r["text"] for r in records],
        "vectors": [r["vector"] for r in records],
        "valid_from": np.array([r["valid_from"] for r in records]),
        "importance": np.full(40, 0.4),
        "recalls": np.zeros(40),
    }
    if sessions:
        facts["turns"] = [
            {"session": r["session"], "at": r["valid_from"], "is_turn": False} for r in records
        ]
    return store, facts, records, words, rng


@pytest.mark.parametrize("embedded", [True, False], ids=["with vectors", "words alone"])
@pytest.mark.parametrize("sessions", [True, False], ids=["of sessions", "of none"])
def test_what_holds_since_then_is_the_formulas_and_the_receipt_says_which_time(
    tmp_path, clock, embedded, sessions
):
    store, facts, records, words, rng = world(
        tmp_path / "a.feather", clock, embedded=embedded, sessions=sessions
    )
    today = datetime(2026, 5, 14, tzinfo=UTC).timestamp()
    cases = {"": (0, 0), " yesterday": (today - DAY, today), " today": (today, today + DAY)}
    eligible = np.array([r["key"] != "k3" for r in records])
    for said, period in cases.items():
        for _ in range(3):
            asked = rng.choice(words, 3, replace=False).tolist()
            vector = rng.normal(size=8) if embedded else None
            for scoring in (Scoring(), Scoring(structure=False)):
                values = scores(
                    facts, eligible, scoring, store._core.truth.now(),
                    vector=vector, words=[*asked, *said.split()], period=period,
                )  # fmt: skip
                hits = store.search(
                    " ".join(asked) + said, 40, vector=vector, scoring=scoring,
                    where=F("key") != "k3",
                )  # fmt: skip
                raw = [hit.score.value - hit.score.newer for hit in hits]
                by_id = dict(zip([r["id"] for r in records], values, strict=True))
                assert raw == pytest.approx([by_id[hit.memory.id] for hit in hits], abs=2e-6)
                if not any(hit.score.newer for hit in hits):
                    assert_best(hits, [r["id"] for r in records], values, 40)
                for hit in hits:
                    assert sum(hit.score.parts.values()) == pytest.approx(hit.score, abs=1e-9)
                    since = hit.memory.valid_from.timestamp()
                    is_then = scoring.structure and period[0] <= since < period[1]
                    assert hit.score.period == (0.15 if is_then else 0)
                told = None if hits.period is None else tuple(at.timestamp() for at in hits.period)
                assert told == (period if said and scoring.structure else None)
    assert store.check() == []
    store.close()


def test_of_two_that_fit_alike_that_of_the_time_comes_first_and_nothing_is_hidden(tmp_path, clock):
    with Store.open(tmp_path / "a.feather", clock=clock) as store:
        store.add("We had soup", id="then", valid_from=clock() - 8 * DAY)
        store.add("We had soup and bread", id="now")
        bare = [hit.memory.id for hit in store.search("soup we had")]
        asked = store.search("soup we had last week")

        assert (bare[0], asked[0].memory.id, len(asked)) == ("now", "then", 2)
        assert store.why_not("soup we had last week", "now").rank == 2
        assert asked.period == (
            datetime(2026, 5, 4, tzinfo=UTC), datetime(2026, 5, 11, tzinfo=UTC)
        )  # fmt: skip
        recalled = store.recall("soup we had last week", budget_tokens=100)
        assert recalled.period == asked.period
        layers = ContextLayers(user=store)
        assert layers.search("soup we had last week").period == asked.period
        assert store.check() == []


def test_the_time_is_counted_from_when_it_is_asked_and_dates_of_statements_stay(tmp_path, clock):
    with Store.open(tmp_path / "a.feather", clock=clock) as store:
        soup = store.add("Soup yesterday", id="soup")
        clock.advance(days=1)

        (hit,) = store.search("what was there yesterday?")
        (later,) = store.search("what was there yesterday?", now=THURSDAY + timedelta(days=2))

        assert (hit.score.period, later.score.period) == (0.15, 0.0)
        assert store.get("soup").valid_from == soup.valid_from
        assert store.check() == []


# What happened dates it, too


@pytest.mark.parametrize(
    ("text", "side", "clause"),
    [
        ("What did I drive before I moved?", "before", "moved"),
        ("Whom did I meet SINCE WE moved to Porto, and where?", "since", "moved to Porto"),
        ("After she\u2019d had the twins, where did she work?", "after", "d had the twins"),
    ],
)
def test_a_question_may_name_a_time_by_what_somebody_did(text, side, clause):
    found = anchor_in(text)

    assert found is not None
    assert (found.side, found.clause.strip()) == (side, clause)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Who looks after the children?",
        "Who looked after us?",
        "After whom are they named?",
        "What did I do the day before I moved?",
        "What did I do right after we met?",
        "What did I do after the wedding?",
        "Before I moved and before I married, where was I?",
        "What did I do before I?",
        "What did I do before I moved?" + " So." * 200,
    ],
)
def test_what_may_be_another_moment_or_none_is_no_event(text):
    assert anchor_in(text) is None


def test_who_reads_another_language_names_no_event_in_english():
    assert anchor_in("What did I do before I moved?", "german") is None


@pytest.fixture
def moved(tmp_path, clock):
    """What was said before and after a move."""
    with Store.open(tmp_path / "a.feather", clock=clock, language="english") as store:
        for days, text in {
            30: "I drove a Fiat to work",
            20: "I moved to Porto",
            10: "I drove a Volvo to work",
        }.items():
            store.add(text, id=text.split()[-1], valid_from=clock() - days * DAY)
        store.add("I drove a Seat to work", id="Fiat", valid_from=clock() - 30 * DAY)
        store.add("I drove a Volvo to work", id="Volvo", valid_from=clock() - 10 * DAY)
        yield store
        assert store.check() == []


@pytest.mark.parametrize(
    ("side", "lifted"), [("before", {"Fiat"}), ("after", {"Volvo"}), ("since", {"Volvo", "Porto"})]
)
def test_the_memory_that_tells_what_happened_gives_the_date_and_the_receipt_names_it(
    moved, side, lifted
):
    question = f"What did I drive to work {side} I moved?"

    hits = moved.search(question, 9)

    assert {hit.memory.id for hit in hits if hit.score.period} == lifted
    assert hits.dated_by == ("Porto",)
    at = moved.get("Porto").valid_from
    assert abs(hits.period[side == "before"] - at) < timedelta(milliseconds=1)
    assert moved.recall(question, budget_tokens=100).dated_by == ("Porto",)
    assert ContextLayers(user=moved).search(question).dated_by == ("Porto",)
    for hit in hits:
        assert sum(hit.score.parts.values()) == pytest.approx(hit.score, abs=1e-9)


def test_where_it_is_not_sure_what_was_meant_nothing_is_dated(moved, clock):
    asked = "What did I drive before I moved?"
    assert moved.search(asked).dated_by == ("Porto",), "the control"
    again = moved.add("We moved once more, to Braga", valid_from=clock() - 5 * DAY)

    assert (moved.search(asked).period, moved.search(asked).dated_by) == (None, ())
    assert moved.search("What did I drive before we moved to Porto?").dated_by == ("Porto",)
    assert moved.search("What did I drive before I flew?").period is None
    assert moved.search("What did I drive before I did it?").period is None
    assert moved.search(asked, scoring=Scoring(structure=False)).period is None
    by_calendar = moved.search("What did I drive in March before I moved?")
    assert by_calendar.period[0] == datetime(2026, 3, 1, tzinfo=UTC)
    assert by_calendar.dated_by == ()
    moved.supersede(again.id, "We never went to Braga")
    assert moved.search(asked).dated_by == ("Porto",)


def test_what_many_memories_hold_dates_nothing(moved, clock):
    for at in range(9):
        moved.add(f"We swam in lake {at}", valid_from=clock() - 3 * DAY)

    assert moved.search("What did I drive before we swam?").period is None
    assert len(moved.search("What did I drive before we swam in lake 4?").dated_by) == 1
