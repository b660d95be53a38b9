"""What is embedded for a turn of a conversation, and what of that is left when one goes."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest
from remains import found

from feather_memory import F, Store, UnknownMemoryError, config
from feather_memory.index.matrix import unit
from feather_memory.testing import FrozenClock
from feather_memory.truth.sqlite import sums
from feather_memory.write import turns

DIM = 24
START = 1_800_000_000.0


class Parrot:
    """An embedder that can say what every vector was made of."""

    model_name = "parrot"

    def __init__(self):
        self.asked = []
        self._of = {}

    def __call__(self, texts):
        self.asked += texts
        made = [self.vector(text) for text in texts]
        self._of |= {made.tobytes(): text for made, text in zip(made, texts, strict=True)}
        return made

    @staticmethod
    def vector(text):
        seed = int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
        return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)

    def said(self, memory):
        """What the memory's vector was made of; None where it has none."""
        return None if memory.vector is None else self._of[memory.vector.tobytes()]


@pytest.fixture
def embedder():
    return Parrot()


def talk(store, *lines, session="s", **more):
    """Remember lines like "a: hello", each in a second of its own; their ids are its words."""
    for line in lines:
        actor, text = line.split(": ", 1)
        store.add(text, id=text, session=session, actor=actor, **more)


def made_of(store, embedder):
    return {memory.id: embedder.said(memory) for memory in store.iterate()}


# What is embedded


def test_a_turn_is_embedded_with_its_speaker_after_the_turn_before(store, embedder):
    talk(store, "ann: tea?", "bob: yes", "ann: green?")

    assert embedder.asked == ["ann: tea?", "ann: tea?\nbob: yes", "bob: yes\nann: green?"]


def test_who_has_no_name_speaks_by_the_role(store, embedder):
    store.add("tea?", session="s", role="user")
    store.add("yes", session="s", actor="bob", role="assistant")

    assert embedder.asked == ["user: tea?", "user: tea?\nbob: yes"]


def test_what_is_no_turn_is_embedded_as_its_text(store, embedder):
    """Without a session or a speaker, or as the value of a slot; and so is a question."""
    talk(store, "ann: tea?")
    del embedder.asked[:]
    store.add("a", actor="ann")
    store.add("b", session="s")
    store.add("c", session="s", actor="ann", key="k")
    store.search("d", session="s")

    assert embedder.asked == ["a", "b", "c", "d"]


def test_what_is_no_turn_and_what_others_talk_of_is_not_before_it(store, embedder):
    talk(store, "ann: tea?")
    talk(store, "eve: milk?", session="another")
    store.add("kept", session="s", actor="ann", key="k")
    store.add("noted", session="s")
    talk(store, "bob: yes")

    assert embedder.asked[-1] == "ann: tea?\nbob: yes"


def test_of_a_long_turn_the_beginning_is_embedded_with_the_next(store, embedder):
    long = "x" * config.CONTEXT_CHARACTERS + "y"
    talk(store, f"ann: {long}", "bob: yes")

    assert embedder.asked == [f"ann: {long}", f"ann: {long[:-1]}\nbob: yes"]


def test_the_turn_before_is_the_last_that_is_valid_by_then(store, embedder):
    """However late it is written."""
    store.add("noon", session="s", actor="a", valid_from=START + 12)
    store.add("six", session="s", actor="a", valid_from=START + 6)
    store.add("nine", session="s", actor="a", valid_from=START + 9)
    store.add("noon again", session="s", actor="a", valid_from=START + 12)

    assert embedder.asked == [
        "a: noon", "a: six", "a: six\na: nine", "a: noon\na: noon again",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_turns_come_in_the_order_of_their_time_whoever_writes_them_together(store, embedder, seed):
    """By an oracle that knows all that was written: the last by time, then by writing."""
    draw, written = random.Random(seed), []
    for _ in range(6):
        batch = [
            {
                "text": f"t{len(written)}.{n}.{draw.random()}",
                "session": draw.choice("pq"),
                "actor": "a",
                "valid_from": START + draw.randrange(8),
            }
            for n in range(draw.randrange(1, 6))
        ]
        store.add_many(batch)
        known = written + batch
        for each in batch:
            lines = sorted(
                (one for one in known if one["session"] == each["session"]),
                key=lambda one: one["valid_from"],
            )
            before = dict(zip(map(id, lines[1:]), lines, strict=False)).get(id(each))
            said = f"a: {each['text']}"
            assert (f"a: {before['text']}\n{said}" if before else said) in embedder.asked
        written = known

    assert len(embedder.asked) == len(written)


def test_a_turn_that_comes_again_embeds_nothing(store, embedder):
    talk(store, "ann: tea?", "bob: yes")
    before = [*store.iterate()]
    del embedder.asked[:]

    talk(store, "ann: tea?", "bob: yes")
    store.add_many([{"id": each.id, "text": each.text} for each in before])

    assert embedder.asked == []
    assert [*store.iterate()] == before
    assert made_of(store, embedder)["yes"] == "ann: tea?\nbob: yes"


def test_a_vector_that_is_given_is_of_the_text_alone(store, embedder):
    """What goes before it has nothing to do with it."""
    talk(store, "ann: tea?")
    given = Parrot.vector("given")
    store.add("yes", id="yes", session="s", actor="bob", vector=given)
    store.forget("tea?")

    assert store.get("yes").vector.tobytes() == given.tobytes()
    assert embedder.asked == ["ann: tea?"]


# Forgotten


def canaries(*texts):
    """The bytes by which the vectors of these texts would be found, as given and as scaled."""
    made = {text: Parrot.vector(text) for text in texts}
    return {f"of {text}": vector.tobytes() for text, vector in made.items()} | {
        f"unit of {text}": unit(vector).tobytes() for text, vector in made.items()
    }


@pytest.mark.file
def test_no_vector_that_holds_a_forgotten_turn_is_left(path, monkeypatch):
    """Neither in the file nor in a mapped one. The control: both were there before."""
    monkeypatch.setattr(config, "SNAPSHOT_ROWS", 10)
    embedder, needles = Parrot(), canaries("ann: the secret\nbob: I see")
    with Store.open(path, embedder=embedder, clock=FrozenClock()) as store:
        talk(store, *(f"ann: line {n}" for n in range(20)), "ann: the secret", "bob: I see")
        talk(store, "ann: good")
        store.search("line")
        store.close()
    with Store.open(path, embedder=embedder, clock=FrozenClock()) as store:
        store.search("line")
        assert {what for _, what in found(path.parent, needles)} == set(needles)

        store.forget("the secret")

        assert found(path.parent, needles) == set()
        assert found(path.parent, {"text": b"the secret"}) == set()
        assert embedder.said(store.get("I see")) == "ann: line 19\nbob: I see"
        assert embedder.said(store.get("good")) == "bob: I see\nann: good"
        assert store.check() == []


@pytest.mark.file
def test_if_nobody_let_go_of_it_it_would_be_left(path, monkeypatch):
    """The negative control."""
    monkeypatch.setattr(turns, "let_go", lambda *_: None)
    with Store.open(path, embedder=Parrot()) as store:
        talk(store, "ann: the secret", "bob: I see")
        store.forget("the secret")

        assert found(path.parent, canaries("ann: the secret\nbob: I see")) != set()


class FailsLater(Parrot):
    fails = False

    def __call__(self, texts):
        if self.fails:
            raise ConnectionError("on purpose")
        return super().__call__(texts)


def test_where_the_embedder_fails_the_vector_goes_and_the_forgetting_does_not_fail(path, caplog):
    embedder = FailsLater()
    with Store.open(path, embedder=embedder) as store:
        talk(store, "ann: the secret", "bob: I see")
        embedder.fails = True

        store.forget("the secret")

        assert store.get("I see").vector is None
        assert "1 memories lose their vectors" in caplog.text
        assert found(path.parent, canaries("ann: the secret\nbob: I see")) == set()
        assert store.check() == []


def test_without_an_embedder_the_vector_goes(path):
    with Store.open(path, embedder=Parrot()) as store:
        talk(store, "ann: the secret", "bob: I see")
    with Store.open(path) as store:
        store.forget(where=F("actor") == "ann")

        assert store.get("I see").vector is None
        assert found(path.parent, canaries("ann: the secret\nbob: I see")) == set()
        assert store.check() == []


def test_where_another_model_made_the_vectors_since_none_of_this_one_is_added(path):
    class Other(Parrot):
        model_name = "other"

    with Store.open(path, embedder=Parrot()) as late, Store.open(path, embedder=Parrot()) as first:
        talk(late, "ann: the secret", "bob: I see")
        first.reembed(Other())
        late.forget("the secret")

        assert late.get("I see").vector is None
        assert first.check() == []


def test_who_follows_another_turn_of_the_same_words_keeps_the_vector(store, embedder):
    """In the same session and in another one."""
    for session in ("s", "t"):
        store.add("yes", id=f"yes {session}", session=session, actor="ann")
        store.add("good", id=f"good {session}", session=session, actor="bob")
    store.add("yes", id="yes again", session="s", actor="ann")
    store.add("fine", id="fine", session="s", actor="bob")
    before = {memory.id: memory.vector for memory in store.iterate()}
    del embedder.asked[:]

    store.forget("yes s")

    assert embedder.asked == ["bob: good"]
    assert made_of(store, embedder) == {
        "good s": "bob: good", "yes again": "bob: good\nann: yes", "fine": "ann: yes\nbob: fine",
        "yes t": "ann: yes", "good t": "ann: yes\nbob: good",
    }  # fmt: skip
    for name in ("yes t", "good t", "fine"):
        assert store.get(name).vector.tobytes() == before[name].tobytes()
    assert store.get("good s").updated_at == store.get("good s").created_at


def test_a_session_that_is_forgotten_embeds_nothing(store, embedder):
    talk(store, *(f"ann: line {n}" for n in range(9)))
    del embedder.asked[:]

    store.forget(where=F("session") == "s")

    assert embedder.asked == []


def test_a_turn_is_let_go_of_by_who_has_moved_to_another_session(store, embedder):
    """And by who follows a turn that has."""
    talk(store, "ann: the secret", "bob: I see", "ann: good")
    store.update("I see", session="another")
    assert made_of(store, embedder)["good"] == "ann: the secret\nann: good"
    store.forget("the secret")

    assert made_of(store, embedder) == {"I see": "bob: I see", "good": "ann: good"}


# Written again


def test_who_follows_a_turn_whose_text_changes_is_embedded_after_the_new_one(store, embedder):
    talk(store, "ann: tea?", "bob: yes", "ann: green?")
    del embedder.asked[:]

    store.update("tea?", text="coffee?")

    assert sorted(embedder.asked) == ["ann: coffee?", "ann: coffee?\nbob: yes"]
    assert made_of(store, embedder)["yes"] == "ann: coffee?\nbob: yes"
    assert made_of(store, embedder)["green?"] == "bob: yes\nann: green?"

    store.add("milk?", id="tea?")
    assert made_of(store, embedder)["yes"] == "ann: milk?\nbob: yes"

    store.update("tea?", actor="eve")
    assert made_of(store, embedder)["yes"] == "eve: milk?\nbob: yes"

    store.update("tea?", vector=embedder(["given"])[0], importance=0.5)
    assert made_of(store, embedder)["yes"] == "eve: milk?\nbob: yes"


def test_a_history_that_is_written_again_with_other_words_holds_none_of_the_old(store, embedder):
    lines = [
        {
            "id": f"m{n}",
            "text": f"line {n}",
            "session": "s",
            "actor": "ann",
            "valid_from": START + n,
        }
        for n in range(6)
    ]
    store.add_many(lines)
    lines[2]["text"], lines[3]["text"] = "two", "three"
    del embedder.asked[:]
    store.add_many(lines)

    assert set(embedder.asked) == {
        "ann: line 1\nann: two", "ann: two\nann: three", "ann: three\nann: line 4",
    }  # fmt: skip
    assert list(made_of(store, embedder).values()).count("ann: three\nann: line 4") == 1
    for earlier, later in pairwise(lines):
        said = f"ann: {earlier['text']}\nann: {later['text']}"
        assert embedder.said(store.get(later["id"])) == said


def test_without_an_embedder_who_follows_a_changed_turn_loses_the_vector(path):
    """So does that turn itself."""
    with Store.open(path, embedder=Parrot()) as store:
        talk(store, "ann: tea?", "bob: yes", "ann: green?")
    with Store.open(path) as store:
        store.update("tea?", text="coffee?")

        assert [m.id for m in store.iterate() if m.vector is None] == ["tea?", "yes"]
        assert store.check() == []


def test_a_turn_that_does_not_exist_is_not_updated(store):
    with pytest.raises(UnknownMemoryError):
        store.update("nothing", session="s", actor="ann")


def test_a_turn_that_is_superseded_is_still_there_and_keeps_what_follows(store, embedder):
    talk(store, "ann: tea?", "bob: yes")
    store.supersede("tea?", "coffee?", id="coffee?")

    assert made_of(store, embedder)["yes"] == "ann: tea?\nbob: yes"
    store.forget("tea?")
    assert made_of(store, embedder)["yes"] == "bob: yes"


# While others write


def meanwhile(embedder, text, do):
    """Have something done while the text is embedded, the first time."""
    done = []

    def embed(texts):
        if not done and any(text in each for each in texts):
            done.append(True)
            do()
        return embedder(texts)

    return embed


@pytest.mark.parametrize("change", ["forget", "update"])
def test_what_goes_while_the_next_is_embedded_is_not_in_its_vector(path, embedder, change):
    """By another who has the store open."""
    with Store.open(path, embedder=embedder) as other:
        talk(other, "ann: the secret")

        def do():
            if change == "forget":
                other.forget("the secret")
            else:
                other.update("the secret", text="nothing")

        with Store.open(path, embedder=meanwhile(embedder, "I see", do)) as store:
            talk(store, "bob: I see")
            assert embedder.said(store.get("I see")) == "bob: I see"
            assert store.check() == []


def test_if_nobody_looked_whether_it_is_there_it_would_be_in_the_vector(
    path, embedder, monkeypatch
):
    """The negative control."""
    monkeypatch.setattr(turns, "are_there", lambda *_: True)
    with Store.open(path, embedder=embedder) as other:
        talk(other, "ann: the secret")
        slow = meanwhile(embedder, "I see", lambda: other.forget("the secret"))
        with Store.open(path, embedder=slow) as store:
            talk(store, "bob: I see")

            assert "the secret" in embedder.said(store.get("I see"))


def test_what_goes_while_a_vector_is_made_without_another_is_not_in_it_either(path, embedder):
    with Store.open(path, embedder=embedder) as other:
        talk(other, "ann: first secret", "ann: second secret", "bob: I see")
        slow = meanwhile(embedder, "I see", lambda: other.forget("first secret"))
        with Store.open(path, embedder=slow) as store:
            store.forget("second secret")

            assert store.get("I see").vector is None
            assert store.check() == []


def test_a_block_that_forgets_a_turn_and_writes_the_next_keeps_nothing_of_it(store, embedder):
    talk(store, "ann: the secret")
    with store.transaction():
        store.forget("the secret")
        talk(store, "bob: I see")

    assert made_of(store, embedder) == {"I see": "bob: I see"}


def test_a_block_that_writes_a_text_back_has_its_vector(store, embedder):
    talk(store, "ann: tea?", "bob: yes")
    with store.transaction():
        store.update("yes", text="no")
        store.update("yes", text="yes")

    assert made_of(store, embedder)["yes"] in {"bob: yes", "ann: tea?\nbob: yes"}


# All made anew


class New(Parrot):
    model_name = "new"


def test_reembedding_makes_of_turns_what_their_writing_would(path):
    """Those that had no vectors, too."""
    with Store.open(path) as store:
        talk(store, "ann: tea?", "bob: yes", "ann: green?")
        store.add("note", id="note")
        new = New()
        store.reembed(new)

        assert made_of(store, new) == {
            "tea?": "ann: tea?", "yes": "ann: tea?\nbob: yes", "green?": "bob: yes\nann: green?",
            "note": "note",
        }  # fmt: skip
        store.forget("tea?")
        assert new.said(store.get("yes")) == "bob: yes"
        assert found(path.parent, canaries("ann: tea?\nbob: yes")) == set()
        assert store.check() == []


@pytest.mark.file
@pytest.mark.parametrize("text", ["I see", "the last"])
def test_what_is_forgotten_while_all_is_made_anew_is_in_no_new_vector(path, text):
    """Neither where that vector is only being made, nor where it is made already."""
    held, seen = canaries("ann: the secret\nbob: I see"), set()

    def do():
        seen.update(found(path.parent, held))
        other.forget("the secret")

    with Store.open(path, embedder=Parrot()) as store, Store.open(path) as other:
        talk(store, "ann: the secret", "bob: I see")
        store.add_many({"text": f"note {n}"} for n in range(600))
        talk(store, "eve: the last")
        new = New()
        store.reembed(meanwhile(new, text, do), embedder_name="new")

        assert seen, "it was there before"
        assert new.said(store.get("I see")) == "bob: I see"
        assert found(path.parent, held) == set()
        assert store.check() == []


# Whatever happens


@pytest.mark.parametrize("seed", range(8))
def test_no_vector_ever_holds_what_no_turn_says(path, seed):
    """Whatever is written, corrected, moved and forgotten, with an embedder at hand or without.

    The oracle reads the texts that the vectors were made of, and knows nothing of digests.
    """
    draw, clock, embedder = random.Random(seed), FrozenClock(), Parrot()
    names, words = [f"m{n}" for n in range(12)], ["yes", "no", "tea", "milk", "x" * 300]
    for step in range(40):
        with Store.open(path, embedder=embedder if draw.random() < 0.8 else None,
                        clock=clock) as store:  # fmt: skip
            clock.advance(seconds=draw.randrange(2))
            _do_something(store, draw, names, words, step)
            memories = [*store.iterate()]
            said = {
                f"{m.actor}: {m.text[: config.CONTEXT_CHARACTERS]}" for m in memories if m.actor
            }
            for memory in memories:
                if (of := embedder.said(memory)) is not None and "\n" in of:
                    before, own = of.split("\n")
                    assert before in said
                    assert own.endswith(f": {memory.text}")
    with Store.open(path) as store:
        assert store.check() == []


def _do_something(store, draw, names, words, step):
    held = [memory.id for memory in store.iterate()]
    some = draw.choice(held) if held else None
    line = lambda: {  # noqa: E731
        "id": draw.choice(names), "text": f"{draw.choice(words)}", "session": draw.choice("st"),
        "actor": draw.choice("ab"),
    }  # fmt: skip
    match draw.randrange(8) if some else 0:
        case 0 | 1 | 2:
            store.add_many([line() for _ in range(draw.randrange(1, 5))])
        case 3:
            store.update(some, text=draw.choice(words))
        case 4:
            store.update(some, session=draw.choice("st"), actor=draw.choice("ab"))
        case 5:
            store.supersede(some, draw.choice(words), session="s", actor="a")
        case 6:
            with store.transaction():
                store.forget(some)
                store.add(**line())
        case _:
            store.forget(draw.sample(held, min(len(held), 2)))


# The audit


@pytest.mark.file
def test_a_memory_that_says_what_its_vector_was_made_with_and_has_none_is_told(path, embedder):
    with Store.open(path, embedder=embedder) as store:
        talk(store, "ann: tea?", "bob: yes")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update memory set context = 7 where id = 'tea?'")
        connection.execute("update memory set vector = null where id = 'yes'")
        sums.seal(connection, "memory")
    with Store.open(path, embedder=embedder) as store:
        assert [fault for fault in store.check() if "made with" in fault] == [
            "memory 'yes': it says what its vector was made with, and has none"
        ]
        assert store.check(fix=True) == []
        assert store.check() == []
