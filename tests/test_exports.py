"""An export holds all that a store keeps, and an import makes the same store of it."""

from __future__ import annotations

import io
import itertools
import json
import random
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory import FeatherError, ParameterError, Store, WrongEmbedderError
from feather_memory.importers import exports
from feather_memory.model.fields import FIELDS
from feather_memory.model.records import RECORDS
from feather_memory.testing import FrozenClock, HashEmbedder

WORDS = ["tea", "coffee", "Oslo", "Lisbon", "home", "Ada", "deploys", "Straße", "दिल्ली", "🥳"]
COUNTS = ["memories", "current", "superseded", "edges", "signals", "recalls", "sessions"]
KINDS = ["saved", "liked", "disliked", "copied", "corrected", "repeated", "used"]


def exported(store, **options):
    stream = io.StringIO()
    exports.write(store, stream, **options)
    return stream.getvalue()


def restored(text, path, **options):
    store = Store.open(path, **options)
    exports.restore(store, io.StringIO(text))
    return store


def live(store, draw, clock, step):
    """One change that somebody might make, drawn. What it names by chance may not be there."""
    ids = [memory.id for memory in store.iterate()] or ["nobody"]
    some, other = draw.choice(ids), draw.choice(ids)
    said = " ".join(draw.choices(WORDS, k=draw.randint(1, 4)))
    now = clock()
    maybe = draw.choice([None, None, now - 40, now + 40])
    turn = f"turn-{step % 5}"
    acts = [
        lambda: store.add(
            said, id=f"m{step}", key=draw.choice([None, "home", "drink"]),
            actor=draw.choice([None, "Ada"]), session=draw.choice([None, "s1"]),
            metadata={"n": step, "at": [1.5, None, "é"]},
            importance=draw.choice([None, 0.7]), valid_from=maybe,
        ),
        lambda: store.add(said, key=draw.choice(["home", "drink"]), actor="Ada"),
        lambda: store.add("tea at home", key="tea", actor="Ada"),
        lambda: store.add(said, id=f"l{step}", vector=None, expires_at=now + 30, role="user"),
        lambda: store.add(said, id=f"r{step}", key="home", recorded_at=now - draw.randint(0, 90)),
        lambda: store.update(some, text=said, metadata={"n": -1}),
        lambda: store.update(some, valid_from=now - draw.randint(0, 50)),
        lambda: store.update(some, valid_to=now + 10),
        lambda: store.supersede(some, said, id=f"n{step}", valid_from=maybe),
        lambda: store.link(some, other, "supersedes", 0.5),
        lambda: store.unsupersede(some),
        lambda: store.link(some, other, draw.choice(["supports", "mine"]), draw.random() or 1.0),
        lambda: store.unlink(some, other, "supports"),
        lambda: store.recall(said, k=3, turn=turn),
        lambda: store.plumbing.name_turn(turn, f"message-{step}"),
        lambda: store.feedback(turn, draw.choice(["liked", "disliked", "copied"])),
        lambda: store.feedback(turn, "corrected", memory_ids=[some], correction=said),
        lambda: store.unfeedback(turn, "liked"),
        lambda: store.signal(some, draw.choice(KINDS), event_id=f"e{step}"),
        lambda: store.unsignal(f"e{step - 1}"),
        lambda: store.forget([some]),
        lambda: store.plumbing.shelf("notes").update({f"k{step % 3}": {"n": [step, 0.1]}}),
        lambda: store.plumbing.shelf("others").update({f"k{step}": "x"}),
    ]  # fmt: skip
    with suppress(FeatherError):
        draw.choice(acts)()


def told(store, moments):
    """All that anybody can ask of it, at all of these moments."""
    memories = list(store.iterate())
    hits = {
        (as_of, known_at): [
            (hit.memory, hit.score.value)
            for hit in store.search("tea home Ada", k=50, as_of=as_of, known_at=known_at)
        ]
        for as_of, known_at in itertools.product([None, *moments], repeat=2)
    }
    shelf = store.plumbing.shelf
    return {
        "memories": memories,
        "vectors": [None if m.vector is None else m.vector.tobytes() for m in memories],
        "edges": [store.edges(m.id) for m in memories],
        "signals": [store.signals(m.id) for m in memories],
        "history": [store.history(m.id) for m in memories],
        "shelves": {name: list(shelf(name).items()) for name in store.plumbing.shelves()},
        "counts": [getattr(store.stats(), name) for name in COUNTS],
        "hits": hits,
    }


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32))
def test_a_copy_answers_as_the_original_at_every_moment_and_is_exported_alike(
    tmp_path_factory, seed
):
    """And lives on alike: what is logged, linked and earned is tied as it was."""
    draw, folder = random.Random(seed), tmp_path_factory.mktemp("copy")
    clock, other = FrozenClock(), FrozenClock()
    model = HashEmbedder(dim=8)
    language = draw.choice(["english", "german", "simple"])
    with Store.open(folder / "a", embedder=model, clock=clock, language=language) as store:
        moments = []
        for step in range(40):
            live(store, draw, clock, step)
            clock.advance(seconds=draw.choice([0, 0.001, 7]))
            if step % 8 == 0:
                moments.append(clock())
        text = exported(store)
        other.advance(seconds=clock() - other())
        with restored(text, folder / "b", clock=other) as copy:
            assert exported(copy) == text
            assert copy.check() == []
        with Store.open(folder / "b", embedder=model, clock=other) as copy:
            assert told(copy, moments) == told(store, moments)
            lives = random.Random(seed + 1), random.Random(seed + 1)
            for step in range(40, 60):
                live(store, lives[0], clock, step)
                live(copy, lives[1], other, step)
                clock.advance(seconds=1)
                other.advance(seconds=1)
            assert unnamed(exported(copy)) == unnamed(exported(store))
            assert store.check() == copy.check() == []


def unnamed(text):
    """The lines of an export in any order, with places for the ids that are drawn."""
    rows = [json.loads(line) for line in text.splitlines()]
    ids = [row["memory"]["id"] for row in rows if "memory" in row]
    places = {id_: f"#{at}" for at, id_ in enumerate(ids)}
    for row in rows:
        for said in row.values():
            if isinstance(said, dict):
                said.pop("event_id", None)
                said.update({k: places.get(v, v) for k, v in said.items() if isinstance(v, str)})
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.fixture
def rich(store, clock):
    """A store in which something of every kind is kept."""
    store.add("Ada lives in Oslo", id="old", key="home", importance=0.6)
    clock.advance(days=1)
    store.add("Ada lives in Lisbon", id="new", key="home")
    store.add("ada lives in lisbon", key="home", actor="Ada")
    store.add("Ada drinks tea", id="tea", session="s1", role="user", expires_at=clock() + 1e6,
              metadata={"from": ["chat", 1.5]})  # fmt: skip
    store.add("Ada drank coffee", id="gone")
    store.add("Ada drank water", id="water")
    store.supersede("water", "Ada drinks juice", id="juice")
    store.forget("juice")
    store.link("new", "tea", "supports", 0.5)
    store.recall("where does Ada live?", turn="run-1")
    store.plumbing.name_turn("run-1", "message-1")
    store.feedback("run-1", "liked")
    store.signal("tea", "saved", event_id="e1")
    store.signal("tea", "copied", event_id="e2")
    clock.advance(hours=1)
    store.unsignal("e1")
    shelf = store.plumbing.shelf("hashes")
    shelf["doc"] = {"hash": "é", "n": [1, None]}
    shelf.tie({"doc": ["gone-since"]}, is_whole=False)
    return store


def test_every_kind_is_in_an_export_each_after_what_it_names(rich):
    rows = [json.loads(line) for line in exported(rich).splitlines()]
    kinds = [kind for row in rows for kind in row if kind != "feather_memory"]

    assert [kind for kind, _ in itertools.groupby(kinds)] == [*RECORDS, "end"]
    fields = {field for row in rows if "memory" in row for field in row["memory"]}
    assert fields <= FIELDS.keys()
    assert {"prior", "recalls", "affirmed", "affirmed_by", "created_at", "vector"} <= fields


def test_without_its_supersessions_recorded_times_a_copy_would_answer_otherwise(
    rich, tmp_path, clock
):
    """The negative control of the property above."""
    text = exported(rich)
    rows = [json.loads(line) for line in text.splitlines()]
    (row,) = [row for row in rows if row.get("supersession", {}).get("new") == "new"]
    closed = datetime.fromisoformat(row["supersession"]["recorded_at"])
    row["supersession"]["recorded_at"] = (closed - timedelta(hours=20)).isoformat()
    lines = [json.dumps(row) + "\n" for row in rows]
    probe = closed - timedelta(hours=1)
    asked = {"as_of": clock(), "known_at": probe, "k": 9}
    with restored("".join(lines), tmp_path / "b") as copy, restored(text, tmp_path / "c") as right:
        ids = [[h.memory.id for h in s.search("Ada lives", **asked)] for s in (rich, right, copy)]
        assert ids[0] == ids[1] != ids[2]
        assert copy.check() == right.check() == []


def test_an_export_is_as_of_one_moment(rich):
    class Meanwhile(io.StringIO):
        def write(self, text):
            if text.startswith('{"memory"'):
                rich.add("written meanwhile", id=f"w{self.tell()}")
            return super().write(text)

    stream = Meanwhile()
    before = exported(rich)
    exports.write(rich, stream)

    assert stream.getvalue() == before
    assert exported(rich) != before


def test_without_vectors_memories_are_found_by_their_words_until_they_are_made_anew(
    rich, tmp_path, clock, embedder
):
    text = exported(rich, vectors=False)

    assert "vector" not in text.replace('"vectors": false', "")
    with restored(text, tmp_path / "b", clock=clock) as copy:
        assert copy.get("tea").vector is None
        assert copy.search("tea")[0].memory.id == "tea"
        assert copy.reembed(embedder) == len(copy)
        assert exported(copy) == without_questions(exported(rich))
        exports.restore(copy, io.StringIO(text))
        assert exported(copy) == without_questions(exported(rich))
        assert copy.check() == []


def without_questions(text):
    """An export whose turns have lost the vectors of their questions, of which no text is kept."""
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        row.get("turn", {}).pop("vector", None)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# Into a store that holds something


def test_the_same_import_again_changes_nothing_also_when_the_copy_has_lived_on(
    rich, tmp_path, clock
):
    text = exported(rich)
    with restored(text, tmp_path / "b", clock=clock) as copy:
        clock.advance(days=1)
        copy.add("Ada moved to Rome", key="home", id="rome")
        copy.recall("tea", turn="run-1")
        copy.recall("tea", turn="run-2")
        copy.signal("tea", "liked", event_id="mine")
        copy.unsignal("e2")
        copy.unlink("new", "tea", "supports")
        before = exported(copy)

        again = exports.restore(copy, io.StringIO(text))

        assert again.added == {"edge": 1} | dict.fromkeys(again.added.keys() - {"edge"}, 0)
        copy.unlink("new", "tea", "supports")
        assert exported(copy) == before
        assert copy.check() == []


def test_two_stores_become_one_and_a_slot_that_both_hold_has_one_holder(
    rich, tmp_path, clock, embedder
):
    """The later fact holds it, whichever store it was in; the other is its past."""
    text = exported(rich)
    start = clock()
    for name, when, holder in (("late", start, "own"), ("early", start - 1e6, "new")):
        with Store.open(tmp_path / name, clock=clock, embedder=embedder) as other:
            other.add("Ada lives in Rome", id="own", key="home", valid_from=when, recorded_at=start)
            other.add("Bob drinks milk", id="milk")
            other.recall("milk", turn="theirs")

            done = exports.restore(other, io.StringIO(text))

            assert done.added["memory"] == len(rich)
            found = other.search("who lives where?", k=9, where={"key": "home"})
            assert [hit.memory.id for hit in found] == [holder]
            history = [memory.id for memory in other.history("new")]
            assert history == (["old", "new", "own"] if name == "late" else ["own", "old", "new"])
            assert [m.id for m in other.plumbing.shown("message-1")] == [
                m.id for m in rich.plumbing.shown("run-1")
            ]
            assert other.check() == []


def test_turns_of_an_import_are_dropped_from_the_log_before_those_of_the_store(
    rich, tmp_path, clock, monkeypatch
):
    text = exported(rich)
    monkeypatch.setattr("feather_memory.config.RECALL_TURNS", 3)
    with Store.open(tmp_path / "b", clock=clock) as other:
        other.recall("tea", turn="a")
        other.recall("tea", turn="b")
        exports.restore(other, io.StringIO(text))
        other.recall("tea", turn="c")
        rows = [json.loads(line) for line in exported(other).splitlines()]
        assert [row["turn"]["name"] for row in rows if "turn" in row] == ["a", "b", "c"]
        assert other.check() == []


CONTRADICTIONS = {
    "'text' of memory 'tea'": lambda store: store.update("tea", text="Ada drinks mate"),
    "'importance' of memory 'tea'": lambda store: store.update("tea", importance=0.9),
    "'metadata' of memory 'tea'": lambda store: store.update("tea", metadata={"n": 1}),
    "'valid_to' of memory 'tea'": lambda store: store.update("tea", valid_to=4e9),
    "'weight' of the edge": lambda store: store.link("new", "tea", "supports", 0.75),
    "'value' of 'doc'": lambda store: store.plumbing.shelf("hashes").update({"doc": 1}),
}


@pytest.mark.parametrize("said", CONTRADICTIONS)
def test_what_contradicts_the_store_is_refused_by_line_and_field_and_nothing_comes_in(
    rich, tmp_path, clock, said
):
    text = exported(rich)
    with restored(text, tmp_path / "b", clock=clock, embedder=HashEmbedder(dim=64)) as copy:
        CONTRADICTIONS[said](copy)
        copy.forget("gone")
        before = exported(copy)

        with pytest.raises(ParameterError, match=rf"^line \d+: {said}.* is another in this store"):
            exports.restore(copy, io.StringIO(text))

        assert exported(copy) == before
        assert copy.check() == []


def test_vectors_of_two_models_are_not_mixed(rich, tmp_path, clock):
    text = exported(rich)
    with Store.open(tmp_path / "b", clock=clock, embedder=HashEmbedder(dim=16)) as other:
        other.add("tea", id="own")
        before = exported(other)

        with pytest.raises(WrongEmbedderError):
            exports.restore(other, io.StringIO(text))
        with Store.open(tmp_path / "c", clock=clock) as unnamed:
            unnamed.add("tea", vector=[1.0, 0.0])
            with pytest.raises(ParameterError, match=r"^line 2: .* of 2 numbers, got one of 64"):
                exports.restore(unnamed, io.StringIO(text))
            assert (len(unnamed), unnamed.check()) == (1, [])

        assert exported(other) == before
        assert other.check() == []


# What is damaged


def changed(text, kind, fields):
    """The export with other fields in the first line of a kind; None takes a field away."""
    lines = text.splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if kind in json.loads(line))
    row = json.loads(lines[at])
    row[kind] = {k: v for k, v in {**row[kind], **fields}.items() if v is not None}
    lines[at] = json.dumps(row) + "\n"
    return "".join(lines), at + 1


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("store", {"language": "klingon"}, "klingon"),
        ("store", {"latest": "soon"}, "'latest'"),
        ("store", {"latest": "2020-01-01T00:00:00+00:00"}, "'latest'"),
        ("store", {"vectors": "no"}, "'vectors'"),
        ("memory", {"text": " "}, "'text'"),
        ("memory", {"text": None}, "'text' is missing"),
        ("memory", {"id": 7}, "'id'"),
        ("memory", {"importance": "high"}, "'importance'"),
        ("memory", {"importance": 0.9}, "'importance'"),
        ("memory", {"prior": 1.5}, "'prior'"),
        ("memory", {"recalls": -1}, "'recalls'"),
        ("memory", {"affirmed": 0.5}, "'affirmed'"),
        ("memory", {"created_at": "2026-01-01"}, ""),
        ("memory", {"created_at": "yesterday"}, "'created_at'"),
        ("memory", {"created_at": "2036-01-01T00:00:00+00:00"}, "'created_at'"),
        ("memory", {"valid_from": "2026-01-01T00:00:00"}, "'valid_from'"),
        ("memory", {"valid_to": "2027-01-01T00:00:00+00:00"}, "'valid_to'"),
        ("memory", {"metadata": [1]}, "'metadata'"),
        ("memory", {"vector": "AAAA!"}, "'vector'"),
        ("memory", {"vector": "AAAAAA=="}, "64"),
        ("memory", {"vector": "AADAfw=="}, "'vector'"),
        ("memory", {"colour": "red"}, "'colour'"),
        ("supersession", {"new": "nobody"}, "'new'"),
        ("supersession", {"old": "nobody"}, "'old'"),
        ("supersession", {"old": "new"}, "itself"),
        ("supersession", {"recorded_at": "2036-01-01"}, "'recorded_at'"),
        ("supersession", {"weight": 0}, "'weight'"),
        ("edge", {"target": "nobody"}, "'target'"),
        ("edge", {"target": "new"}, "twice"),
        ("edge", {"type": "supersedes"}, "'type'"),
        ("edge", {"weight": 2}, "'weight'"),
        ("turn", {"name": ""}, "'name'"),
        ("turn_name", {"turn": "other"}, "'name'"),
        ("shown", {"turn": "other"}, "'turn'"),
        ("shown", {"memory_id": "nobody"}, "'memory_id'"),
        ("shown", {"score": True}, "'score'"),
        ("signal", {"kind": "loved"}, "'kind'"),
        ("signal", {"memory_id": "nobody"}, "'memory_id'"),
        ("signal", {"strength": 0}, "'strength'"),
        ("shelf", {"key": None}, "'key' is missing"),
        ("end", {"lines": 5}, "'end'"),
    ],
)
def test_a_damaged_export_is_refused_by_line_and_field_and_nothing_comes_in(
    rich, tmp_path, clock, kind, fields, said
):
    text, line = changed(exported(rich), kind, fields)
    with Store.open(tmp_path / "b", clock=clock) as copy:
        if (
            not said
        ):  # the control: a line that says the same moment otherwise is none that is damaged
            exports.restore(copy, io.StringIO(text))
            assert copy.check() == []
            return
        with pytest.raises(ParameterError) as refused:
            exports.restore(copy, io.StringIO(text))

        message = str(refused.value)
        assert said in message
        derived = "other lines say" in message  # only all lines together tell
        assert derived or message.startswith("line "), message
        if "latest" not in said and not derived and said != "64":
            assert message.startswith(f"line {line}: ")
        assert (len(copy), copy.check()) == (0, [])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: lines[1:], "'feather_memory': an export of version None"),
        (lambda lines: ['{"feather_memory": 3, "store": {}}', *lines[1:]], "version 3"),
        (lambda lines: ["", *lines[:3], "{", *lines[3:]], "line 5: it is not JSON"),
        (lambda lines: [*lines[:3], "[1]", *lines[3:]], "line 4: it is no JSON object"),
        (lambda lines: [*lines[:3], '{"dog": {}}', *lines[3:]], "line 4: an export has no 'dog'"),
        (lambda lines: [*lines[:3], '{"a": 1, "b": 2}', *lines[3:]], "line 4: a line says one"),
        (lambda lines: [*lines[:3], '{"memory": 1}', *lines[3:]], "line 4: 'memory' must be an"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2: "),
        (lambda lines: [*lines[:2], *lines[1:-1], lines[-1]], "line 3: the id 'old' is that of an"),
        (lambda lines: [lines[0], *lines[-2:-1], *lines[1:]], "line 3: 'memory' must stand before"),
        (lambda lines: [*lines, lines[1]], "nothing may stand after the last"),
        (lambda lines: [], "line 1: the export ends without its last line"),
    ],
)
def test_a_file_that_is_no_whole_export_is_refused(rich, tmp_path, clock, damage, said):
    text = "\n".join(damage(exported(rich).splitlines()))
    with Store.open(tmp_path / "b", clock=clock) as copy:
        with pytest.raises(ParameterError) as refused:
            exports.restore(copy, io.StringIO(text))

        assert said in str(refused.value)
        assert (len(copy), copy.check()) == (0, [])


def test_an_export_that_was_cut_off_anywhere_is_refused(rich, tmp_path, clock):
    text = exported(rich)
    ends = [at for at, sign in enumerate(text) if sign == "\n"]
    with Store.open(tmp_path / "b", clock=clock) as copy:
        for at in (*ends[:-1], *range(1, len(text) - 1, 97)):
            with pytest.raises(ParameterError, match=r"^line \d+: "):
                exports.restore(copy, io.StringIO(text[:at]))
        assert (len(copy), copy.check()) == (0, [])


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_a_line_says_a_store_is_sound_afterwards(tmp_path_factory, data):
    """One line is repeated, taken away, or has a value of another line."""
    folder = tmp_path_factory.mktemp("damaged")
    clock = FrozenClock()
    with Store.open(folder / "a", clock=clock, embedder=HashEmbedder(dim=4)) as store:
        draw = random.Random(data.draw(st.integers(0, 20)))
        for step in range(30):
            live(store, draw, clock, step)
            clock.advance(seconds=3)
        rows = [json.loads(line) for line in exported(store).splitlines()]
    at, other = (data.draw(st.integers(0, len(rows) - 2)) for _ in range(2))
    said = list(rows[at].values())[-1]
    name = data.draw(st.sampled_from(sorted(said) or ["x"]))
    values = [value for row in rows for value in list(row.values())[-1].values()]
    match data.draw(st.integers(0, 3)):
        case 0:
            said[name] = data.draw(st.sampled_from(values))
        case 1:
            said.pop(name, None)
        case 2:
            rows.insert(at, rows[other])
        case _:
            rows.pop(at)
    rows[-1]["end"]["lines"] = len(rows) - 1
    with Store.open(folder / "b", clock=clock) as copy:
        with suppress(ParameterError):
            exports.restore(copy, io.StringIO("\n".join(map(json.dumps, rows))))
        assert copy.check() == []


def test_supersessions_that_would_go_round_in_a_circle_are_refused(store, tmp_path, clock):
    store.add("one", id="a")
    store.supersede("a", "two", id="b")
    lines = exported(store).splitlines()
    at = next(n for n, line in enumerate(lines) if "supersession" in json.loads(line))
    said = json.loads(lines[at])["supersession"]
    back = {"supersession": {**said, "new": "a", "old": "b"}}
    lines[at + 1 :] = [json.dumps(back), json.dumps({"end": {"lines": len(lines)}})]
    with Store.open(tmp_path / "b", clock=clock) as copy:
        with pytest.raises(ParameterError, match=rf"^line {at + 2}: 'a' and 'b' would supersede"):
            exports.restore(copy, io.StringIO("\n".join(lines)))
        assert (len(copy), copy.check()) == (0, [])


# Size, and kills


def many(count):
    """The lines of an export, as they are needed."""
    at = "2026-01-01T00:00:00+00:00"
    head = {"feather_memory": 2, "store": {"language": "english", "latest": at}}
    yield json.dumps(head) + "\n"
    times = {"created_at": at, "updated_at": at, "valid_from": at}
    for n in range(count):
        said = {"id": f"m{n}", "text": f"tea {n % 9}", "prior": 0.4, "importance": 0.4, **times}
        yield json.dumps({"memory": said}) + "\n"
    yield json.dumps({"end": {"lines": count + 1}}) + "\n"


class Nowhere(io.StringIO):
    def write(self, text):
        return len(text)


def test_an_import_and_an_export_take_no_more_memory_for_more_memories(tmp_path):
    peaks = {}
    for count in (2_000, 8_000):
        with Store.open(tmp_path / f"{count}") as store:
            exports.restore(store, many(100))
            store.forget(where={"id": "m0"})
            tracemalloc.start()
            exports.restore(store, many(count))
            exports.write(store, Nowhere())
            peaks[count] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert len(store) == count
            assert store.check() == []
    assert peaks[8_000] < peaks[2_000] + 200_000


IMPORT = """
import sys
from feather_memory import Store
from feather_memory.importers import exports

def told():
    for number, line in enumerate(sys.stdin):
        if number == 1_200:
            print("amid", flush=True)
        yield line

with Store.open(sys.argv[1]) as store:
    exports.restore(store, told())
"""


def test_of_an_import_that_was_killed_nothing_is_there(tmp_path):
    """And the next goes through."""
    path = tmp_path / "a.feather"
    with Store.open(path) as store:
        store.add("there before", id="own")
    lines = list(many(2_000))
    with subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as child:  # fmt: skip
        child.stdin.writelines(lines[:1_500])
        child.stdin.flush()
        assert child.stdout.readline() == "amid\n"
        with Store.open(path) as store:
            assert [memory.id for memory in store.iterate()] == ["own"]
        child.kill()
    with Store.open(path) as store:
        assert [memory.id for memory in store.iterate()] == ["own"]
        assert store.check() == []
        exports.restore(store, lines)
        assert len(store) == 2_001
        assert store.check() == []


# What was learned elsewhere


def test_what_is_said_to_have_been_recorded_then_is_known_from_then_on(store, clock):
    day = timedelta(days=1)
    now = datetime.fromtimestamp(clock(), UTC)
    store.add_many(
        {
            "text": f"Ada lives in {place}",
            "key": "home",
            "id": place,
            "recorded_at": now - ago * day,
        }
        for place, ago in {"Oslo": 30, "Lisbon": 20, "Rome": 10}.items()
    )

    def known(at, **asked):
        return [hit.memory.id for hit in store.search("Ada lives", known_at=at, **asked)]

    assert known(now - 31 * day, as_of=now) == []
    assert known(now - 25 * day, as_of=now) == ["Oslo"]
    assert known(now - 15 * day, as_of=now) == ["Lisbon"]
    assert known(now, as_of=now) == ["Rome"]
    assert known(now, as_of=now - 25 * day) == ["Oslo"]
    assert store.get("Oslo").created_at == store.get("Oslo").valid_from == now - 30 * day


def test_what_was_learned_late_supersedes_nothing_before_both_were_known(store, clock):
    """A fact of last year that was learned a month ago, while today's is known since today."""
    now, day = clock(), 86_400
    store.add("Ada lives in Rome", id="rome", key="home")
    store.add("Ada lived in Oslo", id="oslo", key="home", valid_from=now - 300 * day,
              recorded_at=now - 30 * day)  # fmt: skip
    (then,) = store.search("Ada", known_at=now - 10 * day, as_of=now)
    (hit,) = store.search("Ada")

    assert (then.memory.id, hit.memory.id) == ("oslo", "rome")
    assert store.get("oslo").superseded_by == ("rome",)


def test_nothing_was_recorded_later_than_now(store, clock):
    later = clock() + 60
    with pytest.raises(ParameterError, match="recorded_at must not be later than now"):
        store.add("tea", recorded_at=later)
    with pytest.raises(ParameterError, match=r"record 1 \(id 'b'\): recorded_at must not be later"):
        store.add_many([{"text": "a", "id": "a"}, {"text": "b", "id": "b", "recorded_at": later}])
    with pytest.raises(ParameterError, match="recorded_at must not be later"):
        store.add("tea", key="home", recorded_at=later)
    assert len(store) == 0
    store.add("tea", recorded_at=clock())


def test_an_id_that_exists_was_learned_when_it_was(store, clock):
    first = store.add("tea", id="a")
    clock.advance(days=1)

    assert store.add("tea", id="a", recorded_at=clock() - 5) == first
    assert store.add("coffee", id="a", recorded_at=clock() - 5).created_at == first.created_at


def test_what_is_said_again_was_said_last_when_it_was(store, clock):
    store.add("Ada lives in Oslo", key="home")
    clock.advance(days=2)
    store.add("ada lives in oslo!", key="home")
    last = store.add("Ada lives in OSLO", key="home", recorded_at=clock() - 86_400)

    assert (last.affirmed, last.affirmed_at.timestamp()) == (2, clock())


def test_what_a_terminal_would_obey_is_escaped_and_comes_back(tmp_path):
    text = "tea\u202e\u2066\x9b\U000e0041\x1b[31m"
    with Store.open(tmp_path / "a.feather") as one, Store.open(tmp_path / "b.feather") as other:
        one.add(text, id="a", metadata={"\u202e": "\x7f"})
        lines = io.StringIO()
        exports.write(one, lines)

        assert not set(lines.getvalue()) & set("\u202e\u2066\x9b\U000e0041\x1b\x7f")
        exports.restore(other, lines.getvalue().splitlines())
        assert (other.get("a").text, other.get("a").metadata) == (text, {"\u202e": "\x7f"})
        assert other.check() == []
