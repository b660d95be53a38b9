"""No door launders: what somebody lower says through it never takes the place of the user's words.

The library's own verbs are tried in test_scripts; here are the ways in that others than the
application use, and what a forger would write there.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from feather_memory import EdgeType, F, ParameterError, Store
from feather_memory.agent import Opened, Said, remembering, save_fact
from feather_memory.cli import app
from feather_memory.doors import verbs
from feather_memory.doors.verbs import Terms
from feather_memory.importers.intake import Intake
from feather_memory.importers.registry import recognised
from feather_memory.importers.source import Source
from feather_memory.testing import FrozenClock

KEYS = ["home", "work", None]
VALUES = ["Oslo", "Lisbon", "Quito", "Hanoi"]
SINCE = [None, "2019-05-01", "2026-01-02T00:00:00Z", "2031-01-01"]
TYPES = [each for each in EdgeType if each != EdgeType.SUPERSEDES]
EQUALS = ["assistant", "tool", "document", "import"]


def said(key, value):
    return f"Alice's {key} is in {value}" if key else f"Alice has a friend in {value}"


ACTS = st.one_of(
    st.tuples(st.just("remember"), st.sampled_from(KEYS), st.sampled_from(VALUES),
              st.sampled_from(SINCE)),
    st.tuples(st.just("correct"), st.integers(0, 9), st.sampled_from(KEYS),
              st.sampled_from(VALUES)),
    st.tuples(st.just("link"), st.integers(0, 9), st.integers(0, 9), st.sampled_from(TYPES)),
    st.tuples(st.just("derive"), st.integers(0, 9), st.sampled_from(KEYS),
              st.sampled_from(VALUES)),
    st.tuples(st.just("state"), st.sampled_from(KEYS[:2]), st.sampled_from(VALUES),
              st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 30, 3_000])),
)  # fmt: skip


class Told:
    """A user who states what holds, and an agent that says what it likes through a door."""

    def __init__(self, store, clock, origin):
        self.store, self.clock, self.opened = store, clock, Opened.of(store)
        self.terms, self.stated, self.ids = Terms(origin=origin), {}, []
        self.state("home", "Oslo", is_by_door=False)

    def take(self, act, *given):
        with suppress(ParameterError):  # what is refused changes nothing, either
            getattr(self, act)(*given)

    def state(self, key, value, is_by_door):
        text = said(key, value)
        if is_by_door:  # under an id that an agent's words may have by now
            memory = verbs.remember(self.opened, Terms(origin="user"), text, key=key)
        else:
            memory = self.store.add(text, key=key, role="user")
        self.stated[key] = text
        self.ids.append(memory.id)

    def derive(self, at, key, value):
        fact = save_fact(
            self.opened, said(key, value), key=key, origin=self.terms.origin,
            sources=[self.ids[at % len(self.ids)]],
        )  # fmt: skip
        self.ids.append(fact.id)

    def remember(self, key, value, since):
        written = verbs.remember(self.opened, self.terms, said(key, value), key=key, since=since)
        self.ids.append(written.id)

    def correct(self, at, key, value):
        id_ = self.ids[at % len(self.ids)]
        self.ids.append(verbs.correct(self.opened, self.terms, id_, said(key, value)).id)

    def link(self, one, other, kind):
        ends = self.ids[one % len(self.ids)], self.ids[other % len(self.ids)]
        verbs.link(self.opened, *ends, type=kind, origin=self.terms.origin)

    def wait(self, days):
        self.clock.advance(days=days)

    def holds(self):
        """Of each slot that the user has filled, what holds now, and who says so."""
        hits = self.store.search(
            "Alice", k=99, where=F("key").is_in([*self.stated]), distinct=False
        )
        assert len(hits) == len({hit.memory.key for hit in hits}), hits
        found = {hit.memory.key: hit.memory for hit in hits}
        return {key: (found[key].text, found[key].origin) for key in self.stated if key in found}


def all_hold(folder, origin, acts):
    clock = FrozenClock()
    with Store.open(folder / "a.feather", clock=clock) as store:
        told = Told(store, clock, origin)
        for act in acts:
            clock.advance(seconds=60)
            told.take(*act)
            assert told.holds() == {k: (text, "user") for k, text in told.stated.items()}
        assert store.check() == []


@settings(max_examples=40)
@given(origin=st.sampled_from(EQUALS), acts=st.lists(ACTS, min_size=1, max_size=12))
def test_whatever_an_agent_does_through_a_door_what_the_user_stated_holds(
    tmp_path_factory, origin, acts
):
    all_hold(tmp_path_factory.mktemp("m"), origin, acts)


@pytest.mark.long
@settings(max_examples=2_000)
@given(origin=st.sampled_from(EQUALS), acts=st.lists(ACTS, min_size=1, max_size=30))
def test_whatever_it_does_for_long_what_the_user_stated_holds(tmp_path_factory, origin, acts):
    all_hold(tmp_path_factory.mktemp("m"), origin, acts)


def test_an_agent_that_is_trusted_does_change_what_holds(store, clock):
    """The negative control."""
    told = Told(store, clock, "user")
    clock.advance(seconds=60)

    told.take("remember", "home", "Quito", None)

    assert told.holds()["home"] == ("Alice's home is in Quito", "user")
    assert store.check() == []


@pytest.mark.parametrize("by", EQUALS)
@pytest.mark.parametrize("of", ["lower", "user"])
def test_nobody_lower_says_what_the_users_words_come_of_or_are_replaced_by(store, by, of):
    fact = store.add("Alice lives in Oslo", key="home")
    other = store.add("Alice lives in Rome", origin=by if of == "lower" else "user")

    with pytest.raises(ParameterError, match=f"no {by} says"):
        store.link(fact.id, other.id, "derived_from", origin=by)
    if of == "user":
        with pytest.raises(ParameterError, match=f"no {by} says"):
            store.link(other.id, fact.id, "supersedes", origin=by)
    else:
        assert store.link(other.id, fact.id, "supersedes", origin=by).type == "contradicts"

    assert store.get(fact.id) == fact
    assert [e.type for e in store.edges(fact.id)] == ([] if of == "user" else ["contradicts"])
    assert store.check() == []


@pytest.mark.parametrize("by", EQUALS)
def test_whoever_says_it_an_edge_between_their_own_or_that_is_there_is_drawn(store, by):
    """The negative control, and: to say again what the application has said changes nothing."""
    fact, turn = store.add("Alice lives in Oslo"), store.add("I live in Oslo", role="user")
    store.link(fact.id, turn.id, "derived_from")
    note = store.add("Alice may live in Rome", origin=by)

    again = store.link(fact.id, turn.id, "derived_from", 0.5, origin=by)
    mine = store.link(note.id, fact.id, "derived_from", origin=by)
    beside = store.link(fact.id, note.id, "related_to", origin=by)

    assert (again.weight, mine.target, beside.type) == (0.5, fact.id, "related_to")
    assert store.get(fact.id).origin == "user"
    assert store.check() == []


# What an agent made of the user's words falls with them


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_chain_that_an_agent_made_through_a_door_falls_with_what_it_is_of_and_comes_back(
    store, clock, depth
):
    opened, agent = Opened.of(store), Terms()
    turn = store.add("I live in Oslo, by the sea", role="user", session="s")
    fact = verbs.remember(opened, Terms(origin="user"), "Alice lives in Oslo", key="home")
    verbs.link(opened, fact.id, turn.id, type="derived_from")
    last, beside = fact.id, []
    for n in range(depth):
        other = verbs.remember(opened, agent, f"Alice has a cat, said note {n}")
        note = verbs.remember(opened, agent, f"Note {n}: Alice lives in Oslo, near the sea")
        for of in (other, note):
            verbs.link(opened, of.id, last, type="derived_from", origin="assistant")
        last, beside = note.id, [*beside, other.id]
    before = {memory.id for memory in store.iterate() if memory.valid_to is None}
    clock.advance(days=1)

    new = verbs.correct(opened, Terms(origin="user"), fact.id, "Alice lives in Rome")
    after = {memory.id for memory in store.iterate() if memory.valid_to is None}
    store.unsupersede(fact.id, new.id)

    assert len(before) == 2 * depth + 2
    assert after == {new.id, *beside}
    assert {m.id for m in store.iterate() if m.valid_to is None} == {*before, new.id}
    assert {store.get(id_).origin for id_ in (turn.id, fact.id)} == {"user"}
    assert store.check() == []


# Nor does anybody lower keep the user from saying it


def of_slot(opened, terms, held):
    return verbs.remember(opened, terms, "Alice lives in Rome", key="home")


def of_none(opened, terms, held):
    return verbs.remember(opened, terms, "Alice lives in Rome")


def of_before(opened, terms, held):
    return verbs.remember(opened, terms, "Alice lives in Quito", key="home")


def by_correction(opened, terms, held):
    return verbs.correct(opened, terms, held, "Alice lives in Rome")


@pytest.mark.parametrize("say", [of_slot, of_none, of_before, by_correction])
@pytest.mark.parametrize("by", EQUALS)
@pytest.mark.parametrize("of", [None, "a note", "the user's"])
def test_what_somebody_lower_has_said_before_the_user_may_still_say(store, clock, say, by, of):
    """In the very words, through the very door: then it is the user's, and not the suggestion.

    Whatever the suggestion is said to be derived of.
    """
    opened = Opened.of(store)
    store.add("Alice lives in Quito", key="home")
    clock.advance(days=1)
    held = store.add("Alice lives in Oslo", key="home").id
    clock.advance(days=1)
    suggested = say(opened, Terms(origin=by), held).id
    if of is not None:
        note = store.add("A note", origin=by).id if of == "a note" else held
        with suppress(ParameterError):  # it was no suggestion, but what the user had said
            verbs.link(opened, suggested, note, type="derived_from", origin=by)
    clock.advance(days=1)

    written = say(opened, Terms(origin="user"), held)
    again = say(opened, Terms(origin="user"), held)

    assert written.became == "saved"
    assert again.id == written.id
    found = {m.memory.text: m.memory.origin for m in store.search("Alice lives", k=9)}
    found.pop("A note", None)
    texts = {written.text} if say is not of_none else {written.text, "Alice lives in Oslo"}
    assert found == dict.fromkeys(texts, "user")
    assert store.check() == []


def test_a_document_may_still_say_what_a_tool_has_derived_of_its_own_note(store):
    opened = Opened.of(store)
    fact = store.add("Alice lives in Oslo", key="home", origin="document")
    note = store.add("A note", origin="tool")
    first = verbs.correct(opened, Terms(origin="tool"), fact.id, "Alice lives in Rome")
    verbs.link(opened, first.id, note.id, type="derived_from", origin="tool")

    written = verbs.correct(opened, Terms(origin="document"), fact.id, "Alice lives in Rome")

    assert (written.became, store.get(written.id).origin) == ("saved", "document")
    assert store.get(fact.id).superseded_by == (written.id,)
    assert store.check() == []


def test_a_fact_that_is_lowered_by_what_it_comes_of_is_saved_once(store):
    """What is derived of somebody's words is theirs: a step that is run again is no other word."""
    opened = Opened.of(store)
    answer = store.add("You may like tea", role="assistant")
    saved = [
        save_fact(opened, "Alice likes tea", step=["t"], origin="user", sources=[answer.id])
        for _ in range(3)
    ]

    assert len({memory.id for memory in saved}) == 1
    assert {memory.origin for memory in saved} == {"assistant"}
    assert store.get(saved[0].id).origin == "assistant"
    assert [(e.type, e.target) for e in store.edges(saved[0].id)] == [("derived_from", answer.id)]
    assert len(store) == 2
    assert store.check() == []


@pytest.mark.parametrize("by", [*EQUALS, "user"])
@pytest.mark.parametrize("key", ["drink", None])
def test_what_the_user_has_said_is_not_what_somebody_makes_of_an_answer(store, by, key):
    """Saved again in the same words, of the assistant's turn, it stays the user's and holds."""
    opened, text = Opened.of(store), "Alice likes tea"
    fact = save_fact(opened, text, key=key, origin="user")
    turn = store.add("I like tea", role="user")
    store.link(fact.id, turn.id, "derived_from")
    answer = store.add("I have noted: tea", role="assistant")

    again = save_fact(opened, text, key=key, origin=by, sources=[answer.id])
    save_fact(opened, "Alice likes beer", key=key, origin=by, sources=[answer.id])

    assert again == store.get(fact.id) == fact
    assert [e.target for e in store.edges(fact.id) if e.type == "derived_from"] == [turn.id]
    found = {hit.memory.text for hit in store.search("Alice likes", k=9)}
    assert text in found
    assert ("Alice likes beer" in found) == (key is None)
    assert store.check() == []


@pytest.mark.parametrize("by", EQUALS)
def test_who_saves_it_of_their_own_is_linked_to_it(store, by):
    """The negative control: what nobody higher has said is derived of what it is taken from."""
    opened = Opened.of(store)
    turn = store.add("I like tea", role="user")
    facts = [
        save_fact(opened, "Alice likes tea", origin=origin, sources=[turn.id, "gone"])
        for origin in (by, "user")
    ]

    assert [fact.origin for fact in facts] == [by, "user"]
    for fact in facts:
        (edge,) = [e for e in store.edges(fact.id) if e.type == "derived_from"]
        assert (edge.source, edge.target) == (fact.id, turn.id)
    assert store.check() == []


@pytest.mark.parametrize("by", EQUALS)
def test_a_fact_that_a_model_saved_in_a_turn_is_not_linked_where_the_user_had_said_it(store, by):
    """It only said again what was known, and the turn may be about something else."""
    known = store.add("Alice likes tea", key="drink")
    noted = store.add("Alice is in Rome", origin=by)
    turn = Said(role="user", text="I am in Rome", message_id="m")
    new = remembering(store, [turn], session="s", turn="t", are_said_now=True)

    (memory,) = replace(new, facts=(known.id, noted.id, "gone"), origin=by).write(store)

    assert store.edges(known.id) == []
    assert [(e.type, e.target) for e in store.edges(noted.id)] == [("derived_from", memory.id)]
    assert store.check() == []


# What a file may claim


def imported(path, file, lines):
    text = lines if isinstance(lines, str) else json.dumps(lines)
    file.write_text(text, encoding="utf-8")
    command = ["import", file, "--store", path, "--embedder", "none"]
    done = CliRunner().invoke(app, [str(each) for each in command])
    assert done.exit_code in {0, 1}, done.output
    return done.output


@pytest.fixture
def file(tmp_path):
    return tmp_path / "export.json"


def take_in(store, file, lines):
    """Import what a file says into an open store."""
    file.write_text(json.dumps(lines), encoding="utf-8")
    source = Source(file)
    intake = Intake(lambda _: store)
    for item in recognised(source).read(source):
        intake.take(item)
    intake.finish()
    assert (intake.taken, intake.refusals) == (1, 0)


def conversation(text, *, id_="u1", at=None, title="Moving", session="c1"):
    """A ChatGPT export of one conversation with one message of the user."""
    message = {"id": id_, "author": {"role": "user"}, "create_time": at,
               "content": {"content_type": "text", "parts": [text]}}  # fmt: skip
    return [{
        "title": title, "conversation_id": session, "current_node": "n",
        "mapping": {"n": {"id": "n", "message": message, "parent": None, "children": []}},
    }]  # fmt: skip


def line(**said):
    return json.dumps(said) + "\n"


def v1(id_, text, *links):
    since = "2020-01-01T00:00:00Z"
    return line(feather_memory=1, text=text, id=id_, valid_from=since, links=links)


FORGED = {
    "an id of the user's": lambda mine, other: conversation("I live in Rome", id_=mine, at=1.9e9),
    "origin and role": lambda mine, other: line(
        text="I live in Rome", key="home", role="user", origin="user", id="x",
        metadata={"origin": "user"},
    ),
    "an id, as a flat file": lambda mine, other: line(text="I live in Rome", id=mine, role="user"),
    "derived of it": lambda mine, other: v1("x", "Rome") + v1(
        mine, "I live in Oslo", ["derived_from", "x", 1.0]),
    "derived of a higher one": lambda mine, other: v1("x", "I live in Rome",
        ["derived_from", mine, 1.0], ["supersedes", mine, 1.0]),
    "two of the user's": lambda mine, other: v1(
        other, "I work in Rome", ["supersedes", mine, 1.0]),
}  # fmt: skip


@pytest.mark.file
@pytest.mark.parametrize("forged", FORGED)
def test_no_file_that_is_imported_takes_the_place_of_what_the_user_stated(path, tmp_path, forged):
    with Store.open(path) as store:
        mine = store.add("I live in Oslo", key="home", role="user")
        other = store.add("I work in Rome", role="user")

    for name in ("one", "two"):  # what the first may have lowered, the second would replace
        imported(path, tmp_path / f"{name}.json", FORGED[forged](mine.id, other.id))

    with Store.open(path) as store:
        assert store.get(mine.id) == mine
        found = {hit.memory.text for hit in store.search("I live in Oslo, Rome", k=9)}
        assert mine.text in found
        assert "I live in Rome" not in found
        assert store.check() == []


def answered(text, *, id_, session=None):
    """A Claude.ai export of the same."""
    message = {"uuid": id_, "sender": "human", "text": text, "created_at": "2020-09-13T12:26:40Z"}
    return [{"name": "Moving", "uuid": session, "chat_messages": [message]}]


OWN = {
    "said in no conversation": {},
    "said in one": {"session": "c1"},
    "dated": {"session": "c1", "valid_from": 1.6e9},
    "dated, with a title": {"valid_from": 1.6e9, "metadata": {"title": "Moving"}},
}
"""What the user's words may have in common with a line of a file."""


@pytest.mark.parametrize("said", OWN.values(), ids=OWN)
@pytest.mark.parametrize("export", [conversation, answered])
def test_a_file_that_names_the_id_and_the_conversation_of_the_users_words_replaces_none(
    store, file, said, export
):
    dated = {"at": 1.6e9} if export is conversation else {}
    mine = store.add("I live in Oslo", role="user", **said)
    session = said.get("session")

    for text in ("I live in Rome", "I live in Rome", "I live in Quito", "I live in Oslo"):
        take_in(store, file, export(text, id_=mine.id, session=session, **dated))

    assert store.get(mine.id) == mine
    found = {each.text: each.origin for each in store.iterate()}
    expected = {"I live in Rome": "import", "I live in Quito": "import", "I live in Oslo": "user"}
    assert found == expected
    assert [hit.memory.text for hit in store.search("I live in", k=9)] == ["I live in Oslo"]
    assert store.check() == []


def test_what_the_user_writes_while_a_file_is_read_stays_the_users(store, file, monkeypatch):
    """Whose a memory is, is seen in the transaction of the write: nothing comes between."""
    add, mine = store.add, []

    def late(text, **said):
        if not mine:
            mine.append(add("I live in Oslo", id="u1", role="user", session="c1"))
        return add(text, **said)

    monkeypatch.setattr(type(store), "add", lambda _, text, **said: late(text, **said))
    take_in(store, file, conversation("I live in Rome", at=1.9e9))

    assert store.get("u1") == mine[0]
    assert store.check() == []


@pytest.mark.parametrize(
    "correct",
    [
        lambda store: store.update("u1", text="I live in Lisbon"),
        lambda store: store.add("I live in Lisbon", id="u1", role="user", session="c1"),
    ],
    ids=["update", "add"],
)
@pytest.mark.parametrize("session", ["c1", None])
def test_what_the_application_has_corrected_of_an_import_no_file_brings_back(
    store, file, correct, session
):
    for text in ("I live in Oslo", "I live in Rome"):  # the negative control: it is the file's own
        take_in(store, file, conversation(text, at=1.7e9, session=session))
        assert [(each.text, each.origin) for each in store.iterate()] == [(text, "user")]
    mine = correct(store)

    take_in(store, file, conversation("I live in Rome", at=1.7e9, session=session))

    assert store.get("u1") == mine
    assert [hit.memory.text for hit in store.search("I live in", k=9)] == ["I live in Lisbon"]
    assert store.check() == []


def test_what_an_earlier_release_has_imported_is_imported_again_without_a_change(store, file):
    """It had no mark: nothing is written, but for what the file says otherwise, beside it."""
    told = {"id": "u1", "role": "user", "origin": "user", "session": "c1", "valid_from": 1.7e9}
    held = store.add("I live in Oslo", metadata={"title": "Moving"}, **told)

    take_in(store, file, conversation("I live in Oslo", at=1.7e9))
    assert list(store.iterate()) == [held]
    take_in(store, file, conversation("I live in Rome", at=1.7e9))

    assert store.get("u1") == held
    found = [(each.text, each.origin) for each in store.iterate()]
    assert found == [("I live in Oslo", "user"), ("I live in Rome", "import")]
    assert store.check() == []


@pytest.mark.file
def test_an_import_goes_on_in_its_own_conversations(path, tmp_path):
    """The negative control: what a later export of the same says is the user's, and current."""
    imported(path, tmp_path / "a.json", conversation("I live in Oslo", at=1.7e9))
    imported(path, tmp_path / "b.json", conversation("I live in Rome", at=1.7e9))

    with Store.open(path) as store:
        assert [(m.text, m.origin) for m in store.iterate()] == [("I live in Rome", "user")]
        assert store.check() == []


@pytest.mark.file
@pytest.mark.parametrize("text", ["I live in Oslo", "i live in OSLO!"])
@pytest.mark.parametrize("at", [None, 1.6e9], ids=["undated", "dated"])
@pytest.mark.parametrize("is_late", [False, True])
def test_old_turns_of_an_import_do_not_bring_back_what_the_user_has_changed(
    path, tmp_path, text, at, is_late
):
    def take_in(file):
        imported(path, tmp_path / file, conversation(text, at=at))

    if not is_late:
        take_in("early.json")
    with Store.open(path) as store:
        first = store.add("I live in Oslo", key="home", role="user")
        new = store.add("I live in Lisbon", key="home", role="user")
    take_in("late.json")

    with Store.open(path) as store:
        found = [hit.memory.text for hit in store.search("I live in Oslo, Lisbon", k=9)]
        assert found == ["I live in Lisbon"]
        store.unsupersede(first.id, new.id)
        found = {hit.memory.id for hit in store.search("I live in Oslo", k=9, distinct=False)}
        assert found >= {"u1", first.id}
        assert store.check() == []


@pytest.mark.file
def test_what_a_file_dates_after_the_change_the_user_said_after_it(path, tmp_path):
    with Store.open(path) as store:
        store.add("I live in Oslo", key="home", role="user", valid_from=1.5e9)
        store.add("I live in Lisbon", key="home", role="user", valid_from=1.6e9)
    imported(path, tmp_path / "a.json", conversation("I live in Oslo", at=1.7e9))

    with Store.open(path) as store:
        found = {hit.memory.text for hit in store.search("I live in Oslo, Lisbon", k=9)}
        assert found == {"I live in Oslo", "I live in Lisbon"}
        assert store.check() == []


@pytest.mark.file
def test_only_a_turn_has_the_title_of_its_conversation(store):
    """The negative control: a title of anything else may be what a memory is about."""
    open_ = [store.add("It is open", metadata={"title": f"ticket {n}"}) for n in (1, 2)]

    store.supersede(open_[0].id, "It is closed")

    assert store.get(open_[1].id).valid_to is None
    assert store.check() == []
