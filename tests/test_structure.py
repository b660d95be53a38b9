"""What a conversation adds to a ranking: neighbours, sessions, speakers, manner, dates."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_best, said, scores, settled

from feather_memory import F, Scoring, Store
from feather_memory.model.dates import dates_in, units_of
from feather_memory.model.structure import Said, terms
from feather_memory.model.voice import in_first_person
from feather_memory.testing import FrozenClock


@pytest.fixture
def bare(tmp_path):
    """A store without an embedder."""
    with Store.open(tmp_path / "bare.feather") as store:
        yield store
        assert store.check() == []


PLAIN = Scoring(time_weight=0, importance_weight=0)
NAMES = ["Ann", "Bo", "Cy Lee"]
ROLES = [None, "user", "assistant", "tool"]


def world(seed, path, *, answered, embedded):
    """A store of short turns by several people, and the same as plain lists."""
    rng = np.random.default_rng(seed)
    clock = FrozenClock()
    words = [c + v + "k" for c in "bdfgl" for v in "aeiou"]
    records, turns = [], []
    for at in range(60):
        session = [None, "s0", "s1", "s2"][rng.integers(4)]
        actor = [None, *NAMES][rng.integers(4)]
        role = ROLES[rng.integers(4 if answered else 2)]
        is_question = bool(rng.random() < 0.3)
        key = f"slot{at}" if rng.random() < 0.1 else None
        moment = clock() - float(rng.integers(1, 30)) * 3600
        records.append({
            "id": f"m{at}", "session": session, "actor": actor, "role": role, "key": key,
            "text": " ".join(rng.choice(words, 6).tolist()) + ("?" if is_question else "."),
            "valid_from": moment, "vector": rng.normal(size=8) if embedded else None,
        })  # fmt: skip
        origin = {"assistant": "assistant", "tool": "tool"}.get(role)
        turns.append({
            "session": session, "actor": actor, "origin": origin, "at": moment,
            "is_question": is_question and key is None, "is_turn": key is None,
        })  # fmt: skip
    store = Store.open(path, clock=clock)
    store.add_many(records)
    facts = {
        "texts": [
            " ".join([*(r["actor"] or "").lower().split(), r["text"].rstrip("?.")]) for r in records
        ],
        "vectors": [r["vector"] for r in records],
        "valid_from": np.array([r["valid_from"] for r in records]),
        "importance": np.full(60, 0.4),
        "recalls": np.zeros(60),
        "turns": turns,
    }
    return store, facts, records, words, rng


@pytest.mark.parametrize("embedded", [True, False], ids=["with vectors", "words alone"])
@pytest.mark.parametrize("answered", [True, False], ids=["with answers", "the user's alone"])
@pytest.mark.parametrize("seed", range(4))
def test_what_a_conversation_adds_is_the_formula_one_turn_at_a_time(
    seed, answered, embedded, tmp_path
):
    store, facts, records, words, rng = world(
        seed, tmp_path / "a.feather", answered=answered, embedded=embedded
    )
    filters = {
        "all": (None, lambda _: True),
        "one session": (F("session") == "s1", lambda r: r["session"] == "s1"),
        "not hers": (F("actor") != "Ann", lambda r: r["actor"] != "Ann"),
    }
    for where, lets_through in filters.values():
        eligible = np.array([lets_through(r) for r in records])
        for speaker in (None, "Ann", "Cy Lee"):
            asked = rng.choice(words, 3, replace=False).tolist()
            named = [] if speaker is None else speaker.lower().split()
            vector = rng.normal(size=8) if embedded else None
            values = scores(
                facts, eligible, Scoring(), store._core.truth.now(),
                vector=vector, words=[*named, *asked], speaker=speaker,
            )  # fmt: skip
            text = " ".join([*named, *asked])
            for k in (3, 60):
                hits = store.search(text, k, vector=vector, where=where)
                expected = settled(values, facts, Scoring(), words=[*named, *asked])
                assert_best(hits, [r["id"] for r in records], expected, k)
                for hit in hits:
                    assert sum(hit.score.parts.values()) == pytest.approx(hit.score, abs=1e-9)
                    verdict = store.why_not(text, hit.memory.id, k, vector=vector, where=where)
                    assert verdict.rank == hits.index(hit) + 1
                    assert verdict.score == hit.score
    assert store.check() == []
    store.close()


own_parts = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(own=own_parts, data=st.data())
def test_the_terms_keep_their_bounds_whoever_said_what(own, data):
    n = len(own)
    turns = [
        data.draw(
            st.fixed_dictionaries({
                "session": st.sampled_from([None, "a", "b"]),
                "at": st.integers(0, 3),
                "origin": st.sampled_from([None, "assistant"]),
                "is_question": st.booleans(),
                "actor": st.sampled_from(["Ann", None]),
            })
        )
        for _ in own
    ]  # fmt: skip
    eligible = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    told, spoken = said_of(turns), np.array([turn["actor"] == "Ann" for turn in turns])
    values = np.array(own)

    found = terms(values, told, spoken, eligible)

    expected = said(values, eligible, turns, "Ann")[eligible]
    assert found.total()[eligible] == pytest.approx(expected, abs=1e-12)
    whole = (values + found.total())[eligible]
    assert ((whole >= -1e-12) & (whole <= 1.25 + 1e-12)).all()
    for name, low, high in (
        ("origin", -0.2, 0), ("neighbours", 0, 0.4), ("speaker", 0, 0.15), ("manner", -0.2, 0.1),
        ("session", 0, 1.25 / 3),
    ):  # fmt: skip
        part = getattr(found, name)[eligible]
        assert ((part >= low - 1e-12) & (part <= high + 1e-12)).all(), name


def said_of(turns):
    """The arrays of some turns."""
    n = len(turns)
    order, starts = [], []
    before, after = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    for name in ("a", "b"):
        members = sorted(
            (at for at in range(n) if turns[at]["session"] == name),
            key=lambda at: (turns[at]["at"], at),
        )
        if members:
            starts.append(len(order))
            order += members
        for one, other in zip(members, members[1:], strict=False):  # noqa: RUF007
            before[other], after[one] = one, other
    is_machine = np.array([turn["origin"] is not None for turn in turns])
    is_question = np.array([turn["is_question"] for turn in turns])
    asks = not is_machine.any()
    return Said(
        before, after, np.array(order, np.intp), np.array(starts, np.intp),
        is_machine if is_machine.any() else None,
        is_question if asks else None,
        (before >= 0) & is_question[before] if asks else None,
    )  # fmt: skip


def test_a_store_without_sessions_and_speakers_ranks_by_words_and_vectors_alone(bare):
    bare.add_many({"text": text} for text in ("green tea", "black tea", "coffee"))

    (first, *_) = bare.search("green tea", scoring=PLAIN)

    assert first.score == first.score.lexical == 1
    assert {name for name, part in first.score.parts.items() if part} == {"lexical"}


def test_an_answer_is_found_by_the_question_before_it(bare):
    bare.add("Where did you go on holiday?", session="s", actor="Ann", valid_from=1)
    bare.add("To the lake, with my sister.", session="s", actor="Bo", id="answer", valid_from=2)
    bare.add("It rained all of Tuesday.", session="t", actor="Bo", valid_from=3)

    hits = bare.search("holiday", scoring=PLAIN)

    answer = next(hit for hit in hits if hit.memory.id == "answer")
    assert answer.score.lexical == 0
    assert answer.score.neighbours > 0
    assert answer.score.manner > 0
    unstructured = bare.search("holiday", scoring=PLAIN.replace(structure=False))
    assert next(h for h in unstructured if h.memory.id == "answer").score == 0


def test_what_may_not_be_returned_lifts_nothing(bare):
    """A filter by speaker: the other's words raise none of hers."""
    bare.add("the lake", session="s", actor="Ann", valid_from=1)
    bare.add("holiday holiday", session="s", actor="Bo", valid_from=2)
    bare.add("holiday", session="t", actor="Ann", valid_from=3)

    hits = bare.search("holiday", where=F("actor") == "Ann", scoring=PLAIN)

    assert [(hit.memory.text, hit.score.neighbours, hit.score.session) for hit in hits] == [
        ("holiday", 0, 0), ("the lake", 0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What did Caroline paint?", "What did I paint?"),
        ("Is Caroline's son older than caroline's dog?", "Is my son older than my dog?"),
        ("Did Carolineum open?", "Did Carolineum open?"),
        ("Wo war Caroline’s Hund?", "Wo war my Hund?"),
    ],
)
def test_a_question_about_somebody_is_put_as_they_would(question, named):
    assert in_first_person(question, ["Caroline"]) == named


def test_only_who_speaks_in_the_store_is_put_as_i(tmp_path):
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.ones((len(texts), 4))

    with Store.open(tmp_path / "a.feather", embedder=embed) as store:
        store.add("I paint", actor="Ann Lee")
        store.add("I sing", actor="Ann Low")
        store.add("I cook", actor="Bo")
        asked.clear()
        store.search("What does Bo cook?")
        store.search("What does Ann Lee paint?")
        store.search("What does Ann paint?")  # which of them?
        store.search("What does Zoe paint?")
        store.search("What does Bo cook?", scoring=Scoring(structure=False))
        assert store.check() == []

    assert asked == [
        "What does I cook?", "What does I paint?", "What does Ann paint?", "What does Zoe paint?",
        "What does Bo cook?",
    ]  # fmt: skip


def test_words_of_a_date_find_what_was_said_then(bare):
    bare.add("we painted", id="may", valid_from=datetime(2023, 5, 8, 23, 59, tzinfo=UTC))
    bare.add("we painted", id="june", valid_from=datetime(2023, 6, 8, tzinfo=UTC))
    bare.add("we painted", id="later", valid_from=datetime(2024, 5, 9, tzinfo=UTC))

    def best(question):
        return bare.search(question, 1, scoring=PLAIN)[0].memory.id

    assert best("What did we paint in May 2023?") == "may"
    assert best("painted on 9 May") == "later"
    assert best("painted in June") == "june"
    assert best("painted in 2024") == "later"


def test_a_number_is_a_day_only_beside_a_month():
    assert dates_in("5 apples", "english") == {}
    assert dates_in("5 apples in Sept 2024", "english") == {
        "5": ("day", 5), "sept": ("month", 9), "2024": ("year", 2024),
    }  # fmt: skip
    for text in (
        "Who is Jan?",
        "What may I eat?",
        "How far did we march?",
        "Is Mar or Dec there?",
        "May we march with Jan?",
        "letters of Jan",
        "2 cats of Jan's",
        "What may 40 do",
    ):
        assert dates_in(text, "english") == {}, text
    for text, months in (
        ("What did I paint in May?", {"may": 5}), ("since march", {"march": 3}),
        ("May 2023", {"may": 5}), ("on 3 Jan", {"jan": 1}), ("the 9th of May", {"may": 5}),
        ("What may I eat in May?", {"may": 5}), ("between Jan and Mar", {"jan": 1, "mar": 3}),
        ("next Dec", {"dec": 12}), ("What did June paint?", {"june": 6}),
        ("all of January", {"january": 1}), ("March 3rd", {"march": 3}),
    ):  # fmt: skip
        found = {
            word: n for word, (unit, n) in dates_in(text, "english").items() if unit == "month"
        }
        assert found == months, text
    assert dates_in("am 5. Mai 2024", "german") == {"2024": ("year", 2024)}
    assert dates_in("1899 and 2101 and 20240 and ٢٠٢٤", "english") == {"2024": ("year", 2024)}


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_year_month_and_day_are_those_of_the_calendar(moment):
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()

    units = units_of(np.array([seconds]))

    assert [int(units[unit][0]) for unit in ("year", "month", "day")] == [
        moment.year, moment.month, moment.day,
    ]  # fmt: skip


# What says the same


def test_of_texts_that_say_the_same_one_is_returned_and_how_many_there_are(bare):
    for at, text in enumerate(("Tea, please!", "tea please", "TEA PLEASE", "tea at five")):
        bare.add(text, id=f"m{at}")

    hits = bare.search("tea please", 3)

    assert [hit.copies for hit in hits] == [3, 1]
    assert len(bare.search("tea please", 3, distinct=False)) == 3
    verdict = bare.why_not("tea please", "m0", 3)
    assert (verdict.gate, verdict.is_returned) == ("repeated", False)
    assert verdict.reason == f"{hits[0].memory.id!r} is returned, which says the same"
    assert bare.why_not("tea please", hits[0].memory.id, 3).is_returned
    assert len(bare.search("tea please", 3, where=F("id") == "m1")) == 1


def test_a_fact_with_a_key_goes_before_chatter_that_says_the_same(bare):
    bare.add("The user lives in Oslo", key="home", id="fact", importance=0.1)
    bare.add("the user lives in oslo!", id="chatter", importance=1.0)

    for k in (1, 5):
        assert [hit.memory.id for hit in bare.search("lives in Oslo", k)] == ["fact"]


def test_a_question_hides_no_statement_of_the_same_words(bare, clock):
    bare.add("The deploy is on Friday", id="fact", session="s", role="user")
    clock.advance(days=1)
    for n, text in enumerate(("The deploy is on Friday?", "the deploy is on friday?")):
        bare.add(text, id=f"asked{n}", session="s", role="user")

    hits = bare.search("when is the deploy on Friday", 9)

    assert {hit.memory.id: hit.copies for hit in hits}.keys() >= {"fact"}
    assert sorted(hit.copies for hit in hits) == [1, 2]
    (asked,) = (hit.memory.id for hit in hits if hit.memory.manner == "question")
    other = next(f"asked{n}" for n in range(2) if f"asked{n}" != asked)
    assert bare.why_not("when is the deploy on Friday", "fact", 9).is_returned
    verdict = bare.why_not("when is the deploy on Friday", other, 9)
    assert verdict.gate == "repeated"
    assert repr(asked) in verdict.reason


def test_who_says_the_same_as_another_is_returned_beside_them(bare):
    for n, actor in enumerate(("Ann", "Bob", "Cy", "Ann", None)):
        bare.add("I am vegan", id=f"m{n}", actor=actor, session=f"s{n}", role="user")

    hits = bare.search("who is vegan", 9)

    said = {hit.memory.actor: hit.copies for hit in hits}
    assert said == {"Ann": 2, "Bob": 1, "Cy": 1, None: 1}
    (first,) = bare.search("who is vegan", 1)
    assert {bare.why_not("who is vegan", f"m{n}", 9).gate for n in (1, 2, 4)} == {None}
    assert bare.why_not("who is vegan", first.memory.id, 1).is_returned


def test_what_nobody_is_named_for_is_said_by_the_one_who_is(bare):
    bare.add("Ann is vegan", id="turn", actor="Ann", session="s", role="user")
    bare.add("Ann is vegan", id="fact", key="diet")

    (hit,) = bare.search("who is vegan", 9)

    assert (hit.memory.id, hit.copies) == ("fact", 2)


def test_k_are_filled_with_different_texts_however_often_one_is_repeated(bare):
    bare.add_many({"text": "tea", "id": f"tea{at}"} for at in range(300))
    bare.add_many({"text": f"tea number {at}", "id": f"m{at}"} for at in range(5))

    hits = bare.search("tea", 5)

    assert len({hit.memory.text for hit in hits}) == 5
    assert max(hit.copies for hit in hits) == 300


def test_what_is_not_relevant_enough_is_not_returned(bare):
    bare.add("green tea with lemon", id="tea")
    bare.add("the train leaves at noon", id="train")

    assert [h.memory.id for h in bare.search("green tea", min_relevance=0.5)] == ["tea"]
    assert bare.search("a nuclear reactor", min_relevance=0.1) == []
    assert bare.why_not("green tea", "train", min_relevance=0.5).gate == "irrelevant"
    assert bare.search("green tea", min_relevance=0.5)[0].score.absolute >= 0.5


def test_beside_what_is_relevant_half_as_much_is_enough(bare):
    bare.add("green tea with lemon and honey", id="all")
    bare.add("green tea at five in the garden", id="half")
    bare.add("the train leaves at noon", id="none")

    found = bare.search("green tea lemon", min_relevance=0.6)

    assert {hit.memory.id for hit in found} == {"all", "half"}
    assert bare.search("green apples", where=F("id") == "none", min_relevance=0.1) == []


# What says something anew


def in_turn(store, *texts, **how):
    for day, text in enumerate(texts):
        store.add(text, id=f"m{day}", valid_from=86_400.0 * day, **how)


def test_of_what_says_the_same_thing_with_another_value_the_newer_goes_first(bare):
    in_turn(bare, "I live in Oslo", "I live in Lisbon now", "We live near a river in a small house")

    for k in (1, 2, 3):
        hits = bare.search("Where do I live?", k)
        assert [hit.memory.id for hit in hits] == ["m2", "m1", "m0"][:k]
    assert all(sum(h.score.parts.values()) == pytest.approx(h.score, abs=1e-9) for h in hits)
    assert max(hit.score.newer for hit in hits) <= hits[0].score / 2
    verdict = bare.why_not("Where do I live?", "m0", 1)
    assert (verdict.is_returned, verdict.rank) == (False, 3)
    assert "newer ones" in verdict.reason


def test_another_number_is_another_value(bare):
    in_turn(
        bare, "The budget for the garden is 400 dollars", "The garden budget is 650 dollars by now"
    )

    assert [h.memory.id for h in bare.search("What is the budget for the garden?", 2)] == [
        "m1", "m0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "newer",
    [
        {"text": "Do I live in Lisbon?"},
        {"text": "You live in Lisbon", "origin": "assistant"},
        {"text": "Bananas are yellow and sweet"},
    ],
    ids=["a question", "a machine's", "something else"],
)
def test_what_is_no_statement_about_it_goes_before_nothing(bare, newer):
    bare.add("I live in Oslo", id="old", valid_from=0)
    bare.add(**newer, id="new", valid_from=86_400)

    hits = bare.search("Where do I live?", 2, scoring=PLAIN)

    assert [hit.score.newer for hit in hits] == [0] * len(hits)


def test_the_value_of_a_slot_stands_before_later_chatter_about_it(bare):
    bare.add("I live in Oslo", id="fact", key="home", valid_from=0)
    bare.add("they live in Lisbon and they like to live there", id="chatter", valid_from=86_400)

    hits = bare.search("live", 2, scoring=PLAIN)

    assert {hit.memory.id: hit.score.newer for hit in hits}["chatter"] == 0


def test_a_ranking_without_structure_lifts_nothing(bare):
    in_turn(bare, "I live in Oslo", "I live in Lisbon now")

    hits = bare.search("Where do I live?", scoring=Scoring(structure=False))

    assert [hit.score.newer for hit in hits] == [0, 0]


@pytest.mark.parametrize("gone", ["forgotten", "another's"])
def test_who_says_nothing_that_is_there_is_no_speaker_any_more(path, embedder, clock, gone):
    with Store.open(path, embedder=embedder, clock=clock) as store:
        store.add("Ada drinks green tea", id="kept")
        store.add("I like trains", id="said", actor="Ada", session="s")
        store.add("Bo drinks coffee", id="others")
        assert store.plumbing.speakers("what does Ada drink?") == ["Ada"]
        if gone == "forgotten":
            store.forget(["said"])
        else:
            store.add("I like trains", id="said", actor="Bo", session="s")

        hits = store.search("what does Ada drink?")
        speakers = store.plumbing.speakers("what does Ada drink?")

        assert store.check() == []
    with Store.open(path, embedder=embedder, clock=clock) as again:
        asked = again.search("what does Ada drink?")
        assert [(hit.memory.id, hit.score.value) for hit in hits] == [
            (hit.memory.id, hit.score.value) for hit in asked
        ]
    assert speakers == []
