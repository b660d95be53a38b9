"""One filter, several forms: a predicate, SQL and the masks of a search let the same through."""

from __future__ import annotations

import json
import math
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from questions import (
    COLUMNS,
    is_possible,
    keys,
    naive,
    pairs,
    questions,
    signs_for,
    texts,
    values,
    with_f,
)

from feather_memory import F, Hit, Score, Store
from feather_memory.config import DAY
from feather_memory.model.origin import ORDER
from feather_memory.testing import FrozenClock

NOW = FrozenClock()()
SIGNS = ("<", "<=", ">", ">=", "==", "!=")

# The forms: a store and a question to the ids of what is let through


def fields(memory):
    """What `matches` reads, from what a caller can see of a memory."""
    seen = {name: getattr(memory, name) for name in COLUMNS}
    times = {k: round(v.timestamp(), 6) for k, v in seen.items() if isinstance(v, datetime)}
    return {**seen, **times, "metadata": memory.metadata}


def by_predicate(store, question):
    where = with_f(question)
    return {memory.id for memory in store.iterate() if where.matches(fields(memory))}


def by_iterating(store, question):
    return {memory.id for memory in store.iterate(with_f(question))}


def by_forgetting(store, question):
    return set(store.forget(where=with_f(question), dry_run=True).ids)


def by_searching(store, question):
    hits = store.search("anything", k=len(store) + 1, where=with_f(question), distinct=False)
    return {hit.memory.id for hit in hits}


def by_listing(store, question):
    return {memory.id for memory in store.latest(len(store) + 1, where=with_f(question))}


FORMS = {
    "matches": by_predicate,
    "iterate": by_iterating,
    "forget": by_forgetting,
    "search": by_searching,
    "latest": by_listing,
}


def assert_forms_agree(store, question, forms=FORMS):
    """Every form lets through what the naive oracle does. All memories have to be current."""
    expected = {memory.id for memory in store.iterate() if naive(question, fields(memory))}
    for name, form in forms.items():
        assert form(store, question) == expected, (name, question)


ALIKE = [True, 1, 1.0, [True], [1], False, 0, -0.0, [0], None, [None], "1", "true", "A", 2.5, 3]

# What to draw: drafts of current memories, and questions near to them


def spoken(text):
    return text.strip() and "\0" not in text


labels = st.none() | texts.filter(spoken)
around = st.sampled_from([0.0, 0.000001, 0.5, 1.0, DAY]) | st.floats(0, 1e9)
ends = st.none() | st.builds(lambda after: NOW + 2 * DAY + after, around)
drafts = st.fixed_dictionaries(
    {
        "id": texts.filter(spoken),
        "text": texts.filter(str.strip),
        "key": labels,
        "session": labels,
        "actor": labels,
        "role": labels,
        "origin": st.none() | st.sampled_from(ORDER),
        "importance": st.sampled_from([0.0, 0.1, 0.3, 0.4, 0.5, 1.0]) | st.floats(0, 1),
        "valid_from": st.none() | st.builds(lambda before: NOW - before, around),
        "valid_to": ends,
        "expires_at": ends,
        "metadata": st.builds(
            lambda more, n: {**more, "n": n},
            st.dictionaries(keys, values, max_size=3),
            st.sampled_from(ALIKE),
        ),
    }
)


@dataclass(frozen=True)
class World:
    """What is in a store, and what it is asked."""

    drafts: list[dict[str, Any]]
    recalls: int
    questions: list[tuple[Any, ...]]

    def fill(self, store, clock):
        """Half at a time, each asked for at once: what a search has learned then has to grow."""
        half = len(self.drafts) // 2
        store.add_many(self.drafts[:half])
        for question in self.questions:
            by_searching(store, question)
        clock.advance(seconds=1.5)
        store.add_many(self.drafts[half:])
        first = Hit(memory=store.get(self.drafts[0]["id"]), score=Score(value=1.0))
        for _ in range(self.recalls):
            store.plumbing.log_recall([first])


@st.composite
def worlds(draw):
    once = (lambda draft: draft["id"], lambda draft: draft["key"] or (None, draft["id"]))
    written = draw(st.lists(drafts, min_size=1, max_size=4, unique_by=once))
    recalls = draw(st.integers(0, 3))
    asked = []
    for draft in written:
        seen = {
            **draft, "recalls": recalls, "created_at": NOW, "updated_at": NOW,
            "valid_from": draft["valid_from"] or NOW,
        }  # fmt: skip
        asked.append(draw(questions(seen)))
        path, operand = draw(pairs(seen))
        asked += [
            (sign, path, [operand] if sign in {"in", "nin"} else operand)
            for sign in signs_for(path, operand)
        ]
    return World(written, recalls, asked)


@contextmanager
def filled(world):
    clock = FrozenClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "alice.feather", clock=clock) as store,
    ):
        world.fill(store, clock)
        yield store
        assert store.check() == []


@settings(max_examples=60)
@given(worlds())
def test_a_filter_lets_the_same_through_in_all_its_forms(world):
    with filled(world) as store:
        for question in world.questions:
            assert_forms_agree(store, question)


@st.composite
def sayings(draw):
    """What a text says as a JSON object, and a comparison of something in it."""
    said = draw(st.dictionaries(keys, values, min_size=1, max_size=3))
    path, operand = draw(pairs({"metadata": said}).filter(lambda pair: pair[0][0] == "metadata"))
    sign = draw(st.sampled_from(signs_for(path, operand)))
    return said, (sign, path, [operand] if sign in {"in", "nin"} else operand)


def in_the_text(question):
    sign, path, operand = question
    return sign, ("text", *path[1:]), operand


@settings(max_examples=60)
@given(st.lists(sayings(), min_size=1, max_size=4), st.booleans(), st.sampled_from([None, 2]))
def test_what_a_text_that_is_json_says_is_compared_as_metadata_is(said, is_ascii, indent):
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "alice.feather", clock=FrozenClock()) as store,
    ):
        for n, (each, _) in enumerate(said):
            text = json.dumps(each, ensure_ascii=is_ascii, indent=indent)
            store.add(text, id=str(n), metadata=each)

        for _, question in said:
            expected = {m.id for m in store.iterate() if naive(question, {"metadata": m.metadata})}
            for name, form in FORMS.items():
                assert form(store, in_the_text(question)) == expected, (name, question)
        assert store.check() == []


@pytest.mark.parametrize(
    "text",
    ["n 1", '{"n": 1', '["n", 1]', '{"n": NaN}', '{"n": 1e999}', '{"n": "\\ud800"}', '"n"', "1"],
)
def test_a_text_that_is_no_json_object_has_no_inside(store, text):
    where = F(path=("text", "n")).exists()
    store.add('{"n": 1}', id="json")
    store.add(text, id="text")

    assert [m.id for m in store.iterate(where)] == ["json"] == list(store.forget(
        where=where, dry_run=True
    ).ids)  # fmt: skip
    assert [m.id for m in store.latest(9, where=~where)] == ["text"]
    assert store.search("n", k=1, where=F(path=("text", "n")) == 1)[0].memory.id == "json"
    assert store.check() == []


def test_numbers_in_a_text_are_compared_however_they_are_spelled(store):
    for n, spelled in enumerate(["1.5", "1.50", "15e-1", "0.15E1", '"1.5"', "true"]):
        store.add(f'{{"n":{spelled}}}', id=str(n))
    where = (F(path=("text", "n")) == 1.5) & (F(path=("text", "n")) < 2)

    assert {m.id for m in store.iterate(where)} == {"0", "1", "2", "3"}
    assert {m.id for m in store.latest(9, where=where)} == {"0", "1", "2", "3"}
    assert store.check() == []


# What chance may pass over


@pytest.mark.parametrize("field", [*((name,) for name in COLUMNS), ("metadata", "n")], ids=".".join)
def test_every_comparison_of_a_field_is_answered_alike(store, clock, field):
    store.add("Tea", id="bare")
    clock.advance(seconds=1)
    store.add(
        "coffee", id="Full", importance=0.5, key="K", session="k1", actor="true", role="1",
        valid_to=NOW + DAY, expires_at=NOW + DAY / 2, metadata={"n": ["Tea", 1, None]},
    )  # fmt: skip
    store.recall("coffee", 1, turn="t")
    store.add_many(
        {"text": "x", "metadata": {"n": value}} for value in ({"n": 1}, None, True, 1, "Tea", [])
    )

    operands = [*ALIKE, "", "k", "TE", "tea", "e", 0.4, 0.5, NOW, NOW + DAY]
    for operand in [x for x in operands if is_possible(field, x)]:
        for sign in signs_for(field, operand):
            choices = [x for x in (operand, "bare", 1) if is_possible(field, x)]
            assert_forms_agree(store, (sign, field, choices if sign in {"in", "nin"} else operand))
        either = [("==", field, operand), ("not", ("exists", ("metadata", "n"), None))]
        assert_forms_agree(store, ("or", either))


def test_a_bound_itself_is_within_at_least_and_at_most(store, clock):
    store.add("tea", id="a", importance=0.5, metadata={"n": 2}, valid_to=NOW + DAY)
    store.recall("tea", turn="t1")
    clock.advance(seconds=1)
    store.add("coffee", id="b", importance=0.25, metadata={"n": 2.5})
    store.recall("tea", turn="t2")

    for memory in store.iterate():
        for name, value in fields(memory).items():
            if isinstance(value, float | int):
                for sign in SIGNS:
                    assert_forms_agree(store, (sign, (name,), value))
    for form in FORMS.values():
        assert form(store, (">=", ("importance",), 0.5)) == {"a"}
        assert form(store, (">", ("importance",), 0.5)) == set()
        assert form(store, ("<=", ("created_at",), NOW)) == {"a"}
        assert form(store, ("<", ("created_at",), NOW)) == set()
        assert form(store, (">=", ("recalls",), 2)) == {"a"}
        assert form(store, (">=", ("metadata", "n"), 2.5)) == {"b"}


@pytest.mark.parametrize("order", [1, -1], ids=["forwards", "backwards"])
def test_one_and_true_and_a_list_of_either_are_told_apart(store, order):
    """Whichever was written first: a column of equal values keeps one of each."""
    store.add_many(
        {"id": f"m{at}", "text": "tea", "metadata": {"n": value}}
        for at, value in list(enumerate(ALIKE))[::order]
    )

    for operand in ALIKE:
        for sign in ("==", "!=", "contains"):
            assert_forms_agree(store, (sign, ("metadata", "n"), operand))
        for choices in ([operand], [operand, "1"], ["A", operand]):
            assert_forms_agree(store, ("in", ("metadata", "n"), choices))
    for form in FORMS.values():
        assert form(store, ("==", ("metadata", "n"), True)) == {"m0"}
        assert form(store, ("in", ("metadata", "n"), [1])) == {"m1", "m2"}


INTEGERS = [
    sign * number
    for number in (0, 1, 3, 9, 10, 99, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 10**30)
    for sign in (1, -1)
]
BOUNDS = [
    *(whole + part for whole in range(-11, 12) for part in (0, 0.25, 0.5, 0.999)),
    *(bound * sign for bound in (98.5, 99.5, 2.0**53, 2.0**63, 1e30, 1e300) for sign in (1, -1)),
    *(bound + near for bound in INTEGERS for near in (-1, 0, 1)),
    *(10**400, -(10**400), 5e-324, -5e-324),
]


def test_an_integer_is_compared_with_a_fraction_as_it_is(store):
    store.add_many(
        {"id": str(number), "text": "tea", "metadata": {"n": number}} for number in INTEGERS[1:]
    )

    for bound in BOUNDS:
        for sign in SIGNS:
            assert_forms_agree(store, (sign, ("metadata", "n"), bound))


def test_a_count_of_recalls_is_compared_with_a_fraction_as_it_is(store):
    for count in range(5):
        store.add("tea", id=f"m{count}")
        for turn in range(count):
            store.recall("tea", where=F("id") == f"m{count}", turn=f"t{count}.{turn}")

    for bound in BOUNDS:
        for sign in SIGNS:
            assert_forms_agree(store, (sign, ("recalls",), bound))


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("bound", [3.5, -3.5, 3.0, 10**400])
def test_forgetting_below_a_fraction_forgets_neither_more_nor_less(store, sign, bound):
    store.add_many(
        {"id": str(n), "text": "tea", "metadata": {"n": n}} for n in (-4, -3, 0, 2, 3, 4, 10**30)
    )
    question = (sign, ("metadata", "n"), bound)
    kept = {memory.id for memory in store.iterate() if not naive(question, fields(memory))}

    store.forget(where=with_f(question))

    assert {memory.id for memory in store.iterate()} == kept
    assert {hit.memory.id for hit in store.search("tea", k=10, distinct=False)} == kept


# Negative controls: a form that lies about one thing is caught


def altered(question, alter):
    """The question with every comparison in it changed."""
    sign, *rest = question
    if sign in {"and", "or"}:
        return (sign, [altered(part, alter) for part in rest[0]])
    if sign == "not":
        return (sign, altered(rest[0], alter))
    return alter(*question)


def another_sign(old, new):
    return lambda sign, path, operand: (new if sign == old else sign, path, operand)


def as_one(operand):
    """True as 1, False as 0, lists included."""
    if isinstance(operand, list):
        return [*map(as_one, operand)]
    return int(operand) if isinstance(operand, bool) else operand


def whole(operand):
    return math.floor(operand) if isinstance(operand, float) else operand


def only_true_is_one(sign, path, operand):
    return (sign, path, as_one(operand))


def whole_bounds(sign, path, operand):
    return (sign, path, whole(operand) if sign in SIGNS else operand)


def without_the_last_choice(sign, path, operand):
    return (sign, path, operand[:-1] if sign == "in" else operand)


def null_is_nothing(sign, path, operand):
    if sign != "exists" or path[0] != "metadata":  # a field of the memory is never null
        return (sign, path, operand)
    return ("and", [(sign, path, operand), ("!=", path, None)])


LIES = {
    "at least is more than": another_sign(">=", ">"),
    "at most is less than": another_sign("<=", "<"),
    "less than is at most": another_sign("<", "<="),
    "more than is at least": another_sign(">", ">="),
    "upper case is another letter": another_sign("icontains", "contains"),
    "part is all": another_sign("contains", "=="),
    "true is one": only_true_is_one,
    "bounds are whole": whole_bounds,
    "the last choice is none": without_the_last_choice,
    "a null does not exist": null_is_nothing,
}


class NoneIsLeftError(Exception):
    """Every liar is caught."""


def is_caught(store, question, form, alter):
    def lying(store, question):
        return form(store, altered(question, alter))

    try:
        assert_forms_agree(store, question, {"lying": lying})
    except AssertionError:
        return True
    return False


def test_a_form_that_lies_about_one_comparison_is_caught():
    liars = set(product(FORMS, LIES))

    @settings(max_examples=1_000, derandomize=True, phases=[Phase.generate])
    @given(worlds())
    def look(world):
        if not liars:
            raise NoneIsLeftError
        with filled(world) as store:
            for name, lie in sorted(liars):
                alter = LIES[lie]
                changed = [q for q in world.questions if repr(altered(q, alter)) != repr(q)]
                if any(is_caught(store, question, FORMS[name], alter) for question in changed):
                    liars.discard((name, lie))

    with suppress(NoneIsLeftError):
        look()

    assert liars == set()
