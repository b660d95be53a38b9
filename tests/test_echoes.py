"""What was superseded does not come back because it is said again; what the user says anew does."""

from __future__ import annotations

import pytest

from feather_memory import F, ParameterError
from feather_memory.truth.sqlite.memories import SqliteMemories

OTHERS = ["assistant", "tool", "document", "import"]


def current(store, text="home is lives oslo lisbon tea"):
    return {hit.memory.text for hit in store.search(text, k=99, distinct=False)}


@pytest.fixture
def corrected(store, clock):
    """Oslo, which Lisbon has replaced: its memory and the one that stands."""
    old = store.add("Alice lives in Oslo", key="home")
    clock.advance(days=1)
    new = store.add("Alice lives in Lisbon", key="home")
    clock.advance(days=1)
    return old, new


@pytest.mark.parametrize(
    "again", ["Alice lives in Oslo", "ALICE lives in OSLO!", " alice lives in oslo"]
)
@pytest.mark.parametrize("said", [{}, *({"origin": o} for o in OTHERS), {"role": "assistant"}])
def test_an_echo_writes_nothing_and_returns_what_stands(store, corrected, again, said):
    old, new = corrected

    back = store.add(again, **said)

    assert (back.id, back.text, back.echo_of) == (new.id, "Alice lives in Lisbon", old.id)
    assert (store.get(new.id).echo_of, store.get(old.id).affirmed) == (None, 0)
    assert len(store) == 2
    assert current(store) == {"Alice lives in Lisbon"}


@pytest.mark.parametrize("origin", OTHERS)
@pytest.mark.parametrize("since", [None, "2030-01-01"])
def test_nobody_else_brings_back_what_the_user_has_replaced(store, corrected, origin, since):
    """By its slot, from a later moment on, under an id, in a batch, or in the place of it."""
    _, new = corrected
    told = {"origin": origin, "valid_from": since}
    assert store.add("Alice lives in Oslo", key="home", **told).id == new.id
    store.supersede(new.id, "Alice lives in Oslo", **told)
    batch = store.add_many([{"text": "Alice lives in Oslo", "id": "line 1", **told}])

    assert batch[0].id == "line 1"
    assert not any(hit.memory.text == "Alice lives in Oslo" for hit in store.search("Oslo", k=9))
    assert store.get(new.id).superseded_by == ()


def test_an_echo_with_an_id_keeps_its_row_and_is_withheld_until_the_old_value_holds(
    store, corrected
):
    old, new = corrected

    said = store.add("Alice lives in Oslo.", id="line 7", origin="import")

    assert (said.id, said.text, said.manner) == ("line 7", "Alice lives in Oslo.", "echo")
    assert [(e.type, e.target) for e in store.edges("line 7")] == [("derived_from", old.id)]
    assert current(store) == {"Alice lives in Lisbon"}
    assert [memory.id for memory in store.history(new.id)] == [old.id, new.id]
    store.unsupersede(old.id, new.id)
    assert current(store) == {
        "Alice lives in Lisbon",
        "Alice lives in Oslo",
        "Alice lives in Oslo.",
    }


def test_an_echo_with_something_to_say_of_itself_keeps_its_row_and_is_withheld(store, corrected):
    """Such as the answer of a conversation, whose place in it is in its metadata."""
    said = store.add("Alice lives in Oslo", origin="assistant", metadata={"turn": 3})

    assert (said.manner, said.echo_of, said.metadata) == ("echo", None, {"turn": 3})
    assert current(store) == {"Alice lives in Lisbon"}


@pytest.mark.parametrize(
    "anew",
    [
        lambda s, new, at: s.add("Alice lives in Oslo", key="home"),
        lambda s, new, at: s.add("Alice lives in Oslo", key="home", role="user", session="s"),
        lambda s, new, at: s.add("Alice lives in Oslo", valid_from=at),
        lambda s, new, at: s.add("Alice lives in Oslo", reaffirm=True),
        lambda s, new, at: s.add_many([{"text": "Alice lives in Oslo", "reaffirm": True}])[0],
        lambda s, new, at: s.supersede(new.id, "Alice lives in Oslo"),
    ],
    ids=["slot", "slot and session", "since later", "reaffirmed", "in a batch", "in its place"],
)
def test_what_the_user_says_anew_holds_again(store, clock, corrected, anew):
    old, new = corrected

    back = anew(store, new, clock())

    assert (back.echo_of, back.key, back.supersedes) == (None, "home", (new.id,))
    assert current(store) == {"Alice lives in Oslo"}
    assert [memory.id for memory in store.history(back.id)] == [old.id, new.id, back.id]


def test_under_an_id_of_its_own_the_users_word_is_a_memory(store, corrected):
    _, new = corrected

    said = store.add("Alice lives in Oslo", id="turn 9", role="user")

    assert (said.id, said.manner, said.valid_to) == ("turn 9", "statement", None)
    assert store.get(new.id).superseded_by == ()


def test_before_the_change_holds_saying_it_again_is_no_echo(store, clock):
    old = store.add("Alice lives in Oslo", key="home")
    store.add("Alice lives in Lisbon", key="home", valid_from=clock() + 1e6)

    said = store.add("Alice lives in Oslo", origin="assistant")
    assert (said.id, said.echo_of) == (old.id, None)
    clock.advance(seconds=2e6)
    assert store.add("Alice lives in Oslo", origin="tool").echo_of == old.id


def test_what_was_said_before_the_change_is_no_proof_that_it_holds_again(store, clock):
    store.add("Alice lives in Oslo", id="turn 1", role="user")
    old = store.add("Alice lives in Oslo", key="home")
    clock.advance(days=1)
    store.add("Alice lives in Lisbon", key="home")

    assert store.add("Alice lives in Oslo").echo_of == old.id
    store.add("Alice lives in Oslo", id="turn 2", role="user")
    assert store.add("Alice lives in Oslo").echo_of is None, "the user has said so since"


@pytest.mark.parametrize("about", [{"id": "answer 3"}, {"metadata": {"n": 1}}, {"session": "s"}])
def test_who_repeats_what_holds_falls_with_it(store, clock, about):
    """The assistant said it after the user and before the correction."""
    old = store.add("Alice lives in Oslo", key="home")
    said = store.add("Alice lives in Oslo!", origin="assistant", **about)
    assert (said.manner, said.valid_to) == ("echo", None)
    clock.advance(days=1)

    new = store.add("Alice lives in Lisbon", key="home")

    assert current(store) == {"Alice lives in Lisbon"}
    store.unsupersede(old.id, new.id)
    assert current(store) == {m.text for m in (old, said, new)}


def test_another_persons_same_words_are_no_echo(store):
    store.add("I live in Oslo", id="a", actor="alice")
    store.supersede("a", "I live in Lisbon", actor="alice")

    said = store.add("I live in Oslo", actor="bob")

    assert (said.echo_of, said.actor) == (None, "bob")
    assert store.add("I live in Oslo", actor="alice").echo_of == "a"


def test_another_slots_same_value_is_no_echo(store):
    store.add("yes", key="tea")
    store.add("no", key="tea")

    assert store.add("yes", key="coffee", origin="tool").echo_of is None
    assert store.add("yes", key="tea", origin="tool").echo_of is not None


def test_equals_may_change_their_minds_with_a_date_and_not_by_repeating(store, clock):
    store.add("The door is open", key="door", origin="tool")
    clock.advance(seconds=9)
    shut = store.add("The door is shut", key="door", origin="tool")
    clock.advance(seconds=9)

    assert store.add("The door is open", key="door", origin="tool").id == shut.id
    again = store.add("The door is open", key="door", origin="tool", valid_from=clock())
    assert again.supersedes == (shut.id,)
    assert store.add("The door is shut", key="door", origin="tool", reaffirm=True).supersedes == (
        again.id,
    )


SUMMARIES = [
    "Summary: Alice lives in Oslo. She drinks tea.",
    "- tea\n- Alice lives in Oslo\n- a cat",
    "As I know, Alice is living in Oslo",
]


@pytest.mark.parametrize("text", SUMMARIES)
@pytest.mark.parametrize("origin", OTHERS)
def test_a_text_that_is_not_the_users_and_retells_the_past_is_written_and_withheld(
    store, corrected, text, origin
):
    old, new = corrected

    said = store.add(text, origin=origin)

    assert (said.text, said.manner, said.echo_of) == (text, "echo", None)
    assert [(e.type, e.target) for e in store.edges(said.id)] == [("derived_from", old.id)]
    assert current(store) == {"Alice lives in Lisbon"}
    assert [m.id for m in store.iterate(F("manner") == "echo")] == [said.id]
    store.unsupersede(old.id, new.id)
    assert text in current(store)


@pytest.mark.parametrize(
    "text",
    [
        "Alice moved from Oslo to Lisbon",
        "Boris has a sister in Oslo",
        "Alice lives with a cat",
        "Alice lives in Lisbon and drinks tea",
        "x " * 1_000 + "Alice lives in Oslo",
    ],
)
def test_what_tells_both_or_something_else_is_no_echo(store, corrected, text):
    said = store.add(text, origin="assistant")

    assert said.manner == "statement"
    assert text in current(store, text)


BESIDE = [
    ("Alice's flight is on May 5", "Alice's flight is on May 6",
     "Alice has a dentist appointment on May 5", "Note: May 5 is when Alice's flight is"),
    ("I prefer tea", "I prefer coffee", "They prefer tea in London", "The user prefers tea"),
    ("Alice lives in Oslo", "Alice lives in Rome", "Alice has a friend in Oslo",
     "As far as I know Alice is still living in Oslo"),
    ("Alice works as a nurse", "Alice works as a pilot", "Alice is married to a nurse",
     "By trade Alice is a nurse"),
    ("Alice works as a nurse", "Alice works as a pilot", "Alice's nurse has called",
     "Alice is still a nurse"),
    ("Anna wohnt in Ulm", "Anna wohnt in Bonn", "Anna hat eine Freundin in Ulm",
     "Noch immer wohnt Anna in Ulm"),
    ("Анна живёт в Москве", "Анна живёт в Риме", "Анна купила билет в Москве",
     "Анна пока живёт в Москве"),
    ("سارة تسكن في عمان", "سارة تسكن في دمشق", "سارة لها صديقة في عمان",
     "سارة ما زالت تسكن في عمان"),
    ("My sister lives in Oslo", "My sister lives in Rome", "Bob lives in Oslo",
     "As for my sister, she lives in Oslo"),
    ("Alice lives in Oslo", "Alice lives in Rome", "Bob lives in Oslo. Alice has a cat",
     "Alice has a cat. She lives in Oslo"),
    ("The server runs on port 8080", "The server runs on port 9090",
     "The proxy listens on port 8080", "Port 8080: the server runs there"),
    ("Anna wohnt in Ulm", "Anna wohnt in Bonn", "Jens wohnt in Ulm", "Also: in Ulm wohnt Anna"),
    ("Анна живёт в Москве", "Анна живёт в Риме", "Иван живёт в Москве",
     "Итак, Анна живёт в Москве"),
    ("田中さんは大阪に住んでいます", "田中さんは京都に住んでいます", "鈴木さんは大阪に住んでいます",
     "メモ:田中さんは大阪に住んでいます"),
    ("سارة تسكن في عمان", "سارة تسكن في دمشق", "خالد يسكن في عمان", "ملاحظة: سارة تسكن في عمان"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "beside", "again"), BESIDE)
@pytest.mark.parametrize("origin", OTHERS)
def test_the_old_value_of_something_else_is_no_echo(store, old, new, beside, again, origin):
    store.add(old, key="k")
    store.add(new, key="k")

    told = store.add_many([{"text": beside, "origin": origin}, {"text": again, "origin": origin}])

    assert [(memory.manner, memory.valid_to is None) for memory in told] == [
        ("statement", True),
        ("echo", False),
    ]


def test_the_users_own_longer_words_are_never_an_echo(store, corrected):
    text = "Summary: Alice lives in Oslo. She drinks tea."

    assert store.add(text).manner == "statement"
    assert text in current(store)


def test_a_refresh_that_writes_an_old_text_under_its_id_is_an_echo_until_it_says_something_new(
    store, corrected
):
    old, _ = corrected
    store.add("Alice has a cat", id="page", origin="document")

    assert store.add("Alice lives in Oslo", id="page", origin="document").manner == "echo"
    assert current(store) == {"Alice lives in Lisbon"}
    assert store.add("Alice drinks tea", id="page", origin="document").manner == "statement"
    assert current(store) == {"Alice lives in Lisbon", "Alice drinks tea"}
    assert [edge for edge in store.edges(old.id) if edge.type == "derived_from"] == []


def test_where_what_stood_is_forgotten_saying_it_again_is_news(store, corrected):
    _, new = corrected
    store.forget(new.id)

    assert store.add("Alice lives in Oslo").echo_of is None


@pytest.mark.parametrize("text", ["Alice lives in Oslo", "ALICE lives in Oslo!"])
@pytest.mark.parametrize("origin", OTHERS)
def test_where_what_stood_is_forgotten_nobody_but_the_user_brings_the_old_value_back(
    store, corrected, origin, text
):
    _, new = corrected
    store.forget(new.id)
    store.add("A page", id="page", origin=origin)

    first = store.add(text, origin=origin)
    again = store.add(text, origin=origin)
    for more in ({}, {"valid_from": "2030-01-01"}, {"reaffirm": True}, {"id": "page"}):
        said = store.add(text, origin=origin, metadata={"n": 1}, **more)
        assert said.manner == "echo"

    assert (first.manner, first.id, again.affirmed) == ("echo", again.id, 0)
    assert current(store) == set()
    store.add(text)
    assert current(store) == {text}


def test_what_an_equal_says_anew_holds_where_what_stood_is_forgotten(store, clock):
    store.add("The door is open", key="door", origin="tool")
    clock.advance(seconds=9)
    store.forget(store.add("The door is shut", key="door", origin="tool").id)
    assert store.add("The door is open", key="door", origin="tool").manner == "echo"

    anew = store.add("The door is open", key="door", origin="tool", reaffirm=True)

    assert (anew.manner, anew.valid_to) == ("statement", None)


LOWER = [("user", o) for o in OTHERS] + [("document", "tool"), ("import", "assistant")]


@pytest.mark.parametrize("text", ["Home is Oslo", "Дом в Осло", "家は大阪です"])
@pytest.mark.parametrize(("speaker", "lower"), LOWER)
@pytest.mark.parametrize("door", ["add", "with an id", "batch", "rewritten", "suggested"])
def test_what_only_somebody_lower_has_said_is_no_past_of_what_is_said_now(
    store, clock, speaker, lower, door, text
):
    if door == "suggested":
        store.add("Home is Bern, 京都", key="home", origin=speaker)
        store.add(text, key="home", origin=lower)
    else:
        store.add(text, key="home", origin=lower)
        clock.advance(days=1)
        store.add("Home is Bern, 京都", key="home", origin=lower)
    store.add("A page", id="page", origin=speaker)
    clock.advance(days=1)

    told = {"text": text, "origin": speaker}
    if door == "batch":
        said = store.add_many([told])[0]
    elif door in {"with an id", "rewritten"}:
        said = store.add(**told, id="new" if door == "with an id" else "page")
    else:
        said = store.add(**told)

    assert (said.text, said.manner, said.echo_of, said.origin) == (text, "statement", None, speaker)
    assert text in current(store, text)


@pytest.mark.parametrize("text", ["Alice lives in Oslo", "Summary: Alice lives in Oslo. Tea."])
def test_what_somebody_lower_has_said_and_the_user_replaced_is_past_for_all_others(store, text):
    store.add("Alice lives in Oslo", key="home", origin="assistant")
    store.add("Alice lives in Lisbon", key="home")

    store.add(text, origin="document")

    assert current(store) == {"Alice lives in Lisbon"}


def test_what_a_batch_corrects_is_corrected_for_what_comes_after_it(store):
    rows = [
        {"text": "Bob is in Paris", "key": "bob"},
        {"text": "Note: Bob is in Paris.", "origin": "document", "id": "before"},
        {"text": "Bob is in Rome", "key": "bob"},
        *({"text": f"Note {n}: Bob is in Paris.", "origin": "tool"} for n in range(3)),
        {"text": "Bob is in Quito", "key": "bob"},
        {"text": "Note: Bob is in Rome.", "origin": "document"},
        {"text": "Note: Bob is in Quito.", "origin": "document"},
    ]

    store.add_many(rows)

    assert current(store, "bob note") == {
        "Note: Bob is in Paris.",  # as alone: nothing joins it to what it said when it held
        "Bob is in Quito",
        "Note: Bob is in Quito.",
    }


@pytest.mark.parametrize("about", [{}, {"id": "t1"}, {"id": "t1", "session": "s", "role": "user"}])
@pytest.mark.parametrize("in_a_batch", [False, True])
def test_reaffirming_brings_back_whatever_else_is_given(store, corrected, about, in_a_batch):
    """And though a message that says so stands beside, which was written since."""
    _, new = corrected
    store.add("Alice lives in Oslo", id="turn 9", role="user")
    told = {"text": "Alice lives in Oslo", "reaffirm": True, **about}

    back = store.add_many([told])[0] if in_a_batch else store.add(**told)

    assert (back.supersedes, back.key) == ((new.id,), "home")
    assert "Alice lives in Lisbon" not in current(store)


def test_reaffirming_is_a_yes_or_a_no(store):
    with pytest.raises(ParameterError, match="reaffirm must be True or False"):
        store.add("tea", reaffirm="yes")
    assert len(store) == 0


# What the turn itself was shown


@pytest.fixture
def asked(store):
    """A turn that was shown where Alice lives and what she drinks."""
    home = store.add("Alice lives in Oslo", key="home", actor="alice")
    tea = store.add("Alice drinks green tea", key="drink", actor="alice")
    store.recall("Alice Oslo tea", turn="t1")
    return home, tea


@pytest.mark.parametrize("text", ["You live in Oslo.", "You live in Oslo, and drink green tea!"])
def test_an_answer_that_only_says_what_it_was_shown_is_an_echo_and_falls_with_it(
    store, clock, asked, text
):
    home, _ = asked
    said = store.add(text, id="answer", role="assistant", metadata={"turn": "t1"})
    assert said.manner == "echo"
    assert text in current(store), "it is not withheld as long as that holds"
    clock.advance(days=1)

    new = store.add("Alice lives in Lisbon", key="home")

    assert text not in current(store)
    store.unsupersede(home.id, new.id)
    assert text in current(store)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("You live in Oslo, near the harbour.", {"role": "assistant"}),
        ("You live in Oslo.", {"role": "user"}),
        ("You live in Oslo.", {"role": "assistant", "metadata": {"turn": "t2"}}),
        ("You live in Oslo.", {"role": "assistant", "metadata": {"turn": 1}}),
        ("You live in Oslo.", {"role": "assistant", "metadata": {}}),
    ],
)
def test_what_says_more_or_was_shown_nothing_is_no_echo(store, asked, text, said):
    assert store.add(text, **{"metadata": {"turn": "t1"}, **said}).manner == "statement"


@pytest.mark.parametrize("about", [{}, {"turn": "t1"}, {"turn": 1}, {"n": {"turn": "t1"}}])
def test_in_a_batch_it_is_as_alone_whatever_metadata_it_has(store, clock, asked, about):
    rows = [
        {"text": f"You live in Oslo{end}", "role": "assistant", "id": str(n), "metadata": about}
        for n, end in enumerate(["", ", near the harbour"])
    ]
    said = store.add_many(rows)

    clock.advance(days=1)
    store.add("Alice lives in Lisbon", key="home")

    assert [each.manner == "echo" for each in said] == [about == {"turn": "t1"}, False]
    assert ("You live in Oslo" in current(store)) == (about != {"turn": "t1"})


@pytest.mark.file
def test_what_is_imported_goes_in_together_whatever_metadata_it_has(store, corrected, monkeypatch):
    """One by one, a file takes twice as long."""
    inserts = []
    insert = SqliteMemories.insert
    monkeypatch.setattr(
        SqliteMemories,
        "insert",
        lambda own, rows: (inserts.append(len(rows)), insert(own, rows))[1],
    )

    store.add_many(
        [
            *({"text": f"row {n}", "origin": "import", "metadata": {"n": n}} for n in range(9)),
            {"text": "Note: Alice lives in Oslo.", "origin": "import", "metadata": {"n": 9}},
        ]
    )

    assert [each for each in inserts if each] == [9, 1]
    assert "Note: Alice lives in Oslo." not in current(store, "note")
