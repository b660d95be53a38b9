"""Every command does what its help says, and every error is one line and a non-zero exit."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
import remains
from typer.testing import CliRunner

from feather_memory import __main__
from feather_memory.cli import app, options, pooling
from feather_memory.cli.importing import OPEN_STORES
from feather_memory.importers.intake import BATCH
from feather_memory.model.names import file_name
from feather_memory.store.store import Store
from feather_memory.tenants.pool import TenantPool
from feather_memory.testing import FrozenClock, HashEmbedder


@pytest.fixture
def call(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def call(*arguments, fails=False, typed=None):
        done = runner.invoke(app, [str(argument) for argument in arguments], input=typed)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert (done.exit_code != 0) == fails, done.output
        return done

    return call


@pytest.fixture
def path(tmp_path):
    """A store in which a fact changed, a link leads on, and somebody liked something."""
    path = tmp_path / "alice.feather"
    clock = FrozenClock(datetime(2025, 1, 1, tzinfo=UTC))
    with Store.open(path, embedder=HashEmbedder(), clock=clock) as store:
        store.add("Python version is 3.10", id="old", key="python", session="s1", actor="alice")
        clock.advance(days=90)
        store.add("Python version is 3.12", id="new", key="python", session="s2", actor="alice")
        store.add("The release needs a new wheel", id="wheel", metadata={"channel": "chat"})
        store.add("Dogs bark at [red]night[/red] \x1b[31m", id="dogs", metadata={"channel": "mail"})
        store.link("new", "wheel", "leads_to", 0.5)
        store.signal("new", "liked", event_id="e1")
    return path


def lines_of(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_search_gives_the_current_fact_and_what_it_replaced(call, path):
    out = call("search", path, "python version", "-k", 1).stdout

    assert "Python version is 3.12" in out
    assert out.index("3.12") < out.index("Python version is 3.10")


def test_search_takes_back_to_what_was_true_and_what_was_known(call, path):
    for option in ("--as-of", "--known-at"):
        out = call("search", path, "python version", "-k", 1, option, "2025-02-01").stdout

        assert "Python version is 3.10" in out
        assert "3.12" not in out


def test_search_takes_a_filter_a_session_and_hops(call, path):
    filtered = call("search", path, "python", "--where", '{"channel": "mail"}').stdout
    in_session = call("search", path, "python", "--session", "s2").stdout
    walked = call("search", path, "version is 3.12", "-k", 1, "--hops", 1).stdout

    assert "dogs" in filtered
    assert "python" not in filtered.lower()
    assert "wheel" not in in_session
    assert "wheel" in walked


def test_what_a_memory_says_cannot_drive_the_terminal(call, path):
    out = call("search", path, "dogs bark", "-k", 1).stdout

    assert "[red]night[/red]" in out
    assert "\x1b" not in out


def test_search_says_when_nothing_is_found(call, path):
    assert "Nothing found" in call("search", path, "python", "--session", "none").stderr


def test_search_by_words_alone_needs_no_embedder(call, path):
    assert "3.12" in call("search", path, "python", "--embedder", "none").stdout


def test_search_falls_back_to_words_where_the_vectors_are_of_another_embedder(call, tmp_path):
    with Store.open(tmp_path / "s.feather") as store:
        store.add("a black cat", vector=[1.0, 0.0, 0.0])

    done = call("search", tmp_path / "s.feather", "cat")

    assert "a black cat" in done.stdout
    assert "another embedder" in done.stderr


def test_show_tells_fields_edges_and_signals(call, path):
    out = call("show", path, "new").stdout

    for said in ("Python version is 3.12", "old", "leads_to", "liked", "256 numbers", "2025-04-01"):
        assert said in out
    assert '{"channel": "chat"}' in call("show", path, "wheel").stdout
    assert "source" not in call("show", path, "dogs").stdout


def test_history_tells_what_a_fact_was_oldest_first(call, path):
    out = call("history", path, "new").stdout

    assert out.index("3.10") < out.index("3.12")
    assert "2025-01-01 00:00" in out


def test_stats_counts(call, path):
    out = call("stats", path).stdout

    assert [word for word in out.split() if word.isdigit()][:2] == ["4", "3"]


def test_check_is_silent_on_a_sound_store_and_fails_on_a_damaged_one(call, path, monkeypatch):
    assert "Nothing is wrong" in call("check", path, "--fix").stdout

    monkeypatch.setattr(Store, "check", lambda self, *, fix: ["a fault"])

    assert call("check", path, fails=True).stdout == "a fault\n"


def test_backup_copies_and_never_overwrites(call, path, tmp_path):
    call("backup", path, tmp_path / "copy.feather")
    again = call("backup", path, tmp_path / "copy.feather", fails=True)

    assert_one_line(again, "copy.feather")
    with Store.open(tmp_path / "copy.feather") as copy:
        assert len(copy) == 4
        assert copy.check() == []


def test_forget_names_what_was_derived_and_takes_it_along_if_asked(call, path):
    call("link", path, "dogs", "wheel", "--type", "derived_from")

    dry = call("forget", path, "wheel", "--dry-run").stdout
    also = call("forget", path, "wheel", "--derived", "--yes").stdout

    assert "Derived from them, and stays without --derived: dogs" in dry
    assert "Forgot 2 memories" in also


def test_forget_asks_before_it_removes(call, path):
    dry = call("forget", path, "--where", '{"channel": "mail"}', "--dry-run").stdout
    call("forget", path, "dogs", typed="n\n", fails=True)
    kept = call("forget", path, "--where", '{"channel": "none"}').stdout
    with Store.open(path) as store:
        assert len(store) == 4

    call("forget", path, "dogs", typed="y\n")
    call("forget", path, "wheel", "--yes")

    assert "dogs" in dry
    assert "Would forget 0 memories" in kept
    with Store.open(path) as store:
        assert {memory.id for memory in store.iterate()} == {"old", "new"}
        assert store.check() == []


def test_export_and_import_bring_everything_back(call, path, tmp_path):
    """Also the past: the supersession, and the edges."""
    with Store.open(path) as store:
        # Written again, the old fact stands behind the new one in the file.
        store.update("old", metadata={"note": 1})
    call("export", path, "--out", tmp_path / "all.jsonl", "--vectors")
    call("import", tmp_path / "all.jsonl", "--store", tmp_path / "again.feather")
    call("import", tmp_path / "all.jsonl", "--store", tmp_path / "again.feather")

    def told(path):
        with Store.open(path) as store:
            assert store.check() == []
            return {
                memory.id: (
                    memory.text, memory.key, memory.session, memory.actor, memory.metadata,
                    memory.importance, memory.valid_from, memory.valid_to, memory.supersedes,
                    memory.superseded_by, memory.vector.tolist(),
                    sorted((e.source, e.type, e.target, e.weight) for e in store.edges(memory.id)),
                )
                for memory in store.iterate()
            }  # fmt: skip

    assert told(tmp_path / "again.feather") == told(path)


def test_a_turn_that_is_forgotten_after_an_import_is_in_no_vector_that_was_exported(call, tmp_path):
    """The control: before that its text is in the vector of the next."""
    embedder, clock = HashEmbedder(), FrozenClock()
    with Store.open(tmp_path / "a.feather", embedder=embedder, clock=clock) as store:
        store.add("the secret", id="one", session="s", actor="ann")
        store.add("I see", id="two", session="s", actor="bob")
    call("export", tmp_path / "a.feather", "--out", tmp_path / "all.jsonl", "--vectors")
    (tmp_path / "b").mkdir()
    call("import", tmp_path / "all.jsonl", "--store", tmp_path / "b" / "b.feather")
    (held,) = embedder(["ann: the secret\nbob: I see"])
    assert remains.found(tmp_path / "b", {"vector": held.tobytes()})

    with Store.open(tmp_path / "b" / "b.feather", embedder=embedder) as again:
        again.forget("one")

        assert remains.found(tmp_path / "b", {"vector": held.tobytes()}) == set()
        assert again.get("two").vector.tolist() == embedder(["bob: I see"])[0].tolist()
        assert again.check() == []


def test_what_is_exported_keeps_its_origin_and_any_other_line_is_an_import(call, tmp_path):
    with Store.open(tmp_path / "from.feather") as store:
        for origin in ("user", "assistant", "document"):
            store.add(f"by the {origin}", id=origin, origin=origin)
    call("export", tmp_path / "from.feather", "--out", tmp_path / "all.jsonl")
    chat = lines_of(tmp_path / "chat.jsonl", [{"text": "x", "id": "line", "role": "user",
                                               "origin": "user"}])  # fmt: skip
    for file in (tmp_path / "all.jsonl", chat):
        call("import", file, "--store", tmp_path / "to.feather")

    with Store.open(tmp_path / "to.feather") as store:
        assert {memory.id: memory.origin for memory in store.iterate()} == {
            "user": "user", "assistant": "assistant", "document": "document", "line": "import",
        }  # fmt: skip
        assert store.get("line").metadata == {"origin": "user"}
        assert store.check() == []


def test_an_import_neither_replaces_what_the_user_stated_nor_brings_back_what_was_replaced(
    call, tmp_path
):
    to = tmp_path / "to.feather"
    with Store.open(to) as store:
        store.add("Home is Oslo", key="home")
        new = store.add("Home is Lisbon", key="home")
    rows = [{"text": "Home is Rome", "key": "home"}, {"text": "Home is Oslo", "key": "home"},
            {"text": "home is oslo"}, {"text": "Notes: tea. Home is Oslo."}]  # fmt: skip
    for _ in range(2):
        call("import", lines_of(tmp_path / "old.jsonl", rows), "--store", to)

    with Store.open(to) as store:
        assert [hit.memory.id for hit in store.search("home", k=9)] == [new.id]
        assert len(store) == 6
        assert store.check() == []


def test_export_writes_to_standard_output_with_vectors_or_without(call, path):
    for option, has_vectors in {"--vectors": True, "--no-vectors": False}.items():
        rows = [json.loads(line) for line in call("export", path, option).stdout.splitlines()]
        memories = [row["memory"] for row in rows if "memory" in row]

        assert [memory["id"] for memory in memories] == ["old", "new", "wheel", "dogs"]
        assert all(("vector" in memory) == has_vectors for memory in memories)


def test_import_fills_one_store_and_lists_what_it_refused(call, tmp_path):
    rows = [{"said": f"line {n}", "n": n} for n in range(BATCH + 20)]
    rows += [{"said": ""}] * 12 + [{"said": "twice", "n": 3}, {"said": "x", "n": "a" * 600}]
    file = lines_of(tmp_path / "chat.jsonl", rows)
    to = tmp_path / "chat.feather"

    short = call("import", file, "--store", to, "--text-field", "said", "--id-field", "n").stdout
    long = call(
        "import", file, "--store", to, "--text-field", "said", "--id-field", "n", "--all-refused"
    ).stdout

    assert f"{BATCH + 20:,} lines remembered, 14 refused" in short
    assert "no field 'n'" in short
    assert "and 4 more" in short
    assert "the id '3' is that of line 4" in long
    with Store.open(to) as store:
        assert len(store) == BATCH + 20
        assert store.get("7").text == "line 7"
        assert store.check() == []


def test_importing_a_file_again_changes_nothing_even_without_ids(call, tmp_path):
    file = lines_of(tmp_path / "chat.jsonl", [{"text": "ok"}, {"text": "ok"}, {"text": "no"}])

    for _ in range(2):
        call("import", file, "--store", tmp_path / "s.feather", "--embedder", "none")

    with Store.open(tmp_path / "s.feather") as store:
        assert sorted(memory.text for memory in store.iterate()) == ["no", "ok", "ok"]


def test_a_line_that_the_store_refuses_takes_no_other_with_it(call, tmp_path):
    rows = [{"text": "a"}, {"text": "b", "blob": "x" * 2_000_000}, {"text": "c"}]
    file = lines_of(tmp_path / "chat.jsonl", rows)

    out = call("import", file, "--store", tmp_path / "s.feather").stdout

    assert "2 lines remembered, 1 refused" in out
    assert "metadata may have" in out


def test_import_fills_one_store_for_each_value_of_a_field(call, tmp_path):
    groups = [f"conv-{n}" for n in range(OPEN_STORES + 2)] + ["../../x", "User", "user"]
    rows = [{"text": f"hello from {group}", "conv": group} for group in groups * 2]
    file = lines_of(tmp_path / "chat.jsonl", rows)

    call("import", file, "--per", "conv", "--dir", tmp_path / "stores")

    assert len(list((tmp_path / "stores").glob("*.feather"))) == len(groups)
    for group in groups:
        with Store.open(tmp_path / "stores" / file_name(group), tenant=group) as store:
            assert {memory.text for memory in store.iterate()} == {f"hello from {group}"}
            assert store.check() == []


def test_a_pool_over_the_directory_serves_what_was_imported_for_each_tenant(call, tmp_path):
    groups = ["alice", "../../x", "User", "user", "con", "a" * 200]
    rows = [{"text": f"hello from {group}", "who": group} for group in groups]
    rows += [{"text": "refused", "who": "x" * 256}, {"text": "refused", "who": "a\0"}]
    file = lines_of(tmp_path / "chat.jsonl", rows)
    directory = tmp_path / "in" / "memories"

    out = call("import", file, "--per", "who", "--dir", directory).stdout
    one = lines_of(tmp_path / "one.jsonl", [{"text": "for her alone"}])
    call("import", one, "--tenant", "alice", "--dir", directory)

    assert "6 lines remembered, 2 refused" in out
    with TenantPool(directory) as pool:
        assert pool.tenants() == sorted(groups)
        for group in groups:
            told = {memory.text for memory in pool.get(group).iterate()}
            assert told == {f"hello from {group}"} | (
                {"for her alone"} if group == "alice" else set()
            )
            assert pool.get(group).check() == []
    assert [entry.name for entry in (tmp_path / "in").iterdir()] == ["memories"]


@pytest.fixture
def directory(tmp_path):
    """Alice's and Bob's stores, and a damaged one."""
    directory = tmp_path / "memories"
    with TenantPool(directory, embedder=HashEmbedder()) as pool:
        pool.get("alice").add("Alice deploys on Fridays", id="a")
        pool.get("user:7").add("Somebody else deploys on Mondays", id="b")
    (directory / "carol.feather").write_bytes(b"damaged")
    for age, name in enumerate(["alice", "user:7", "carol"]):
        os.utime(directory / file_name(name), (1_700_000_000 - 60 * age,) * 2)
    return directory


@pytest.mark.parametrize(
    ("command", "after", "said"),
    [
        ("search", ["who deploys?"], "Alice deploys on Fridays"),
        ("search", ["who deploys?", "--hops", 1], "Alice deploys on Fridays"),
        ("show", ["a"], "Alice deploys on Fridays"),
        ("history", ["a"], "Alice deploys on Fridays"),
        ("stats", [], "memories"),
        ("check", [], "Nothing is wrong"),
        ("backup", ["copy.feather"], "Copied to"),
        ("export", [], "Alice deploys on Fridays"),
        ("forget", ["a", "--yes"], "Forgot 1 memories"),
    ],
)
def test_a_store_can_be_named_by_its_tenant(
    call, directory, monkeypatch, tmp_path, command, after, said
):
    monkeypatch.chdir(tmp_path)
    before = call(command, "--dir", directory, "--tenant", "alice", *after).stdout
    call("backup", "--dir=memories", "--tenant=user:7", tmp_path / "bob.feather")

    assert said in before
    assert "Mondays" not in before
    with Store.open(tmp_path / "bob.feather", tenant="user:7") as copy:
        assert len(copy) == 1


def test_options_of_the_tenant_may_stand_anywhere(call, directory):
    out = call("search", "who deploys?", "--tenant", "alice", "-k", 1, "--dir", directory).stdout

    assert "Alice deploys on Fridays" in out


def test_a_store_is_named_once(call, directory, path):
    done = call("search", path, "deploys", "--dir", directory, "--tenant", "alice", fails=True)

    assert done.exit_code == 2
    assert done.stdout == ""


def test_the_file_of_another_tenant_is_refused(call, directory):
    (directory / file_name("user:7")).rename(directory / file_name("bob"))

    done = call("search", "--dir", directory, "--tenant", "bob", "x", fails=True)

    assert_one_line(done, "belongs to")


def test_tenants_lists_who_is_there_the_last_written_first(call, directory, tmp_path):
    before = sorted(path.name for path in directory.iterdir())
    lines = call("tenants", directory).stdout.splitlines()
    (tmp_path / "empty").mkdir()

    assert [line.split()[0] for line in lines] == ["tenant", "alice", "user:7", "carol"]
    assert lines[1].endswith("2023-11-14 22:13")
    assert lines[3].split()[1] == "7"
    assert sorted(path.name for path in directory.iterdir()) == before
    assert "Nobody" in call("tenants", tmp_path / "empty").stderr


def test_warm_tells_how_long_each_took_and_fails_if_one_did(call, directory, monkeypatch):
    whole = call("warm", directory, fails=True).stdout
    named = call("warm", directory, "user:7", "alice", "--workers", 2).stdout
    nobody = call("warm", directory, "nobody", fails=True).stdout

    assert "2 opened, 1 failed" in whole
    assert "not a readable Feather Memory file" in whole
    assert [line.split()[0] for line in named.splitlines()[1:3]] == ["user:7", "alice"]
    assert "2 opened, 0 failed" in named
    assert "no tenant 'nobody'" in nobody
    assert not (directory / "nobody.feather").exists()


def test_warm_opens_all_of_more_tenants_than_there_is_room_for(call, tmp_path, monkeypatch):
    with TenantPool(tmp_path / "many") as pool:
        for n in range(7):
            pool.get(f"t{n}").add("x")
    monkeypatch.setattr("feather_memory.tenants.pool.room", lambda: 3)
    monkeypatch.setattr(pooling, "_is_terminal", lambda: True)

    done = call("warm", tmp_path / "many")

    assert "7 opened, 0 failed" in done.stdout
    assert done.stderr.endswith("7 of 7\n")


def test_warm_draws_a_bar_where_somebody_looks(call, directory, monkeypatch):
    assert "warming" not in call("warm", directory, "alice").stderr

    monkeypatch.setattr(pooling, "_is_terminal", lambda: True)

    assert "warming" in call("warm", directory, "alice").stderr


def test_import_reads_csv(call, tmp_path):
    file = tmp_path / "chat.csv"
    file.write_bytes("\ufefftext,who,when\nHello,Ann,1:56 pm on 8 May, 2023\n".encode())
    file.write_bytes('\ufefftext,who,when\nHi,Ann,"1:56 pm on 8 May, 2023"\n'.encode())

    call(
        "import", file, "--store", tmp_path / "s.feather", "--actor-field", "who",
        "--time-field", "when",
    )  # fmt: skip

    with Store.open(tmp_path / "s.feather") as store:
        (memory,) = store.iterate()
    assert (memory.actor, memory.valid_from) == ("Ann", datetime(2023, 5, 8, 13, 56, tzinfo=UTC))


def test_import_fails_where_no_line_could_be_remembered(call, tmp_path):
    file = lines_of(tmp_path / "chat.jsonl", [{"tekst": "a"}])

    assert "no field 'text'" in call("import", file, "--store", tmp_path / "s", fails=True).stdout


def test_an_edge_to_a_memory_that_is_not_there_is_refused(call, tmp_path):
    row = {"feather_memory": 1, "id": "a", "text": "a", "valid_from": 0}
    file = lines_of(tmp_path / "x.jsonl", [row | {"links": [["supports", "gone"]]}])

    out = call("import", file, "--store", tmp_path / "s.feather").stdout

    assert "its edge 'supports'" in out


def test_the_callers_own_embedder_is_used(call, tmp_path, monkeypatch):
    (tmp_path / "ours.py").write_text(
        "def two(texts):\n    return [[float(len(t)), 1.0] for t in texts]\n"
        "def three(texts):\n    return [[1.0, 2.0, 3.0] for t in texts]\n"
        "from feather_memory.errors import ParameterError\n"
        "def ours(texts):\n    raise ParameterError('ours')\n"
        "def broken(texts):\n    raise KeyError('key')\nnumber = 3\n"
    )
    (tmp_path / "bad.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = lines_of(tmp_path / "chat.jsonl", [{"text": "abc", "time": 1}])
    to = tmp_path / "s.feather"

    call("import", file, "--store", to, "--embedder", "ours:two")

    assert "abc" in call("search", to, "abc", "--embedder", "ours:two").stdout
    for name, said in {
        "ours": "MODULE:NAME",
        "ours:none": "none",
        "ours:number": "an embedder is a function of texts",
        "nowhere:x": "nowhere",
        "bad:x": "ZeroDivisionError",
        "ours:broken": "KeyError",
        "ours:ours": "Error: ours",
        "ours:three": "holds vectors of 2 numbers",
    }.items():
        assert_one_line(call("search", to, "abc", "--embedder", name, fails=True), said)
    other = lines_of(tmp_path / "other.jsonl", [{"text": "new", "time": 1}])
    refused = call("import", other, "--store", to, "--embedder", "ours:three", fails=True)
    assert_one_line(refused, "holds vectors of 2 numbers")


def assert_one_line(done, said):
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "{dir}/none.feather", "x"], "no store at"),
        (["search", "{dir}", "x"], "{dir}"),
        (["search", "{junk}", "x"], "not a readable Feather Memory file"),
        (["search", "{store}", "x", "--where", "{"], "--where is not JSON"),
        (["search", "{store}", "x", "--where", "[]"], "--where takes a JSON object"),
        (["search", "{store}", "x", "--where", '{"a": {"$no": 1}}'], "$no"),
        (["search", "{store}", "x", "--as-of", "soon"], "--as-of: not a time: 'soon'"),
        (["show", "{store}", "nobody"], "no memory with id 'nobody'"),
        (["history", "{store}", "nobody"], "no memory with id 'nobody'"),
        (["stats", "{dir}/none.feather"], "no store at"),
        (["check", "{junk}"], "not a readable Feather Memory file"),
        (["backup", "{store}", "{dir}/no/where.feather"], "no such folder"),
        (["forget", "{store}"], "name the memories"),
        (["forget", "{store}", "nobody", "--yes"], "no memory with id 'nobody'"),
        (["export", "{store}", "--out", "{junk}"], "exists"),
        (["export", "{store}", "--out", "{dir}"], "{dir}"),
        (["import", "{dir}/none.jsonl", "--store", "{dir}/s"], "none.jsonl"),
        (["import", "{dir}", "--store", "{dir}/s"], "a folder of"),
        (["import", "{junk}", "--store", "{dir}/s"], "text that begins with 'junk"),
        (["import", "{chat}"], "say where to"),
        (["import", "{chat}", "--store", "{dir}/s", "--per", "x"], "say where to"),
        (["import", "{chat}", "--dir", "{dir}/s"], "say where to"),
        (["import", "{chat}", "--dir", "{junk}", "--per", "text"], "cannot use"),
        (["import", "{chat}", "--dir", "{dir}/s", "--per", "x", "--tenant", "x"], "say where to"),
        (["import", "{chat}", "--store", "{dir}/s", "--tenant", "x"], "say where to"),
        (["import", "{chat}", "--dir", "{dir}/s", "--tenant", ""], "a tenant's name"),
        (["stats", "--dir", "{dir}"], "goes with --tenant"),
        (["stats", "--tenant", "alice"], "goes with --tenant"),
        (["search", "--dir", "{dir}", "--tenant", "bob", "x"], "no store of 'bob'"),
        (["search", "--dir", "{dir}", "--tenant", "", "x"], "a tenant's name"),
        (["search", "--dir", "{dir}", "--tenant", "alice", "x"], "belongs to"),
        (["tenants", "{dir}/none"], "no directory at"),
        (["warm", "{junk}"], "no directory at"),
        (["import", "{chat}", "--store", "{junk}"], "not a readable Feather Memory file"),
        (["import", "{csv}", "--store", "{dir}/s"], "no column 'text'"),
        (["demo", "--keep", "{junk}"], "never overwrites"),
    ],
)
def test_an_error_is_one_line_and_a_non_zero_exit(call, path, tmp_path, arguments, said):
    (tmp_path / "junk.txt").write_text("junk " * 1_000)
    (tmp_path / "h.csv").write_text("a,b\n1,2\n")
    lines_of(tmp_path / "chat.jsonl", [{"text": "a", "time": 1}])
    places = {
        "{dir}": str(tmp_path),
        "{junk}": str(tmp_path / "junk.txt"),
        "{chat}": str(tmp_path / "chat.jsonl"),
        "{csv}": str(tmp_path / "h.csv"),
        "{store}": str(path),
    }
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
        said = said.replace(name, place)

    done = call(*arguments, fails=True)

    assert_one_line(done, said)
    assert (tmp_path / "junk.txt").read_text() == "junk " * 1_000
    assert not (tmp_path / "none.feather").exists()


def test_the_demo_runs_and_can_be_kept(call, tmp_path):
    assert "feather-memory demo --keep demo.feather" in call("demo").stdout
    said = call("demo", "--keep", tmp_path / "d.feather").stdout
    assert f"feather-memory search {tmp_path / 'd.feather'} 'Who is our team lead?'" in said

    out = call("search", tmp_path / "d.feather", "Who is our team lead?", "-k", 1).stdout

    assert "Tomasz is our team lead" in out


def test_every_command_has_help(call):
    out = call("--help").stdout
    names = ["demo", "import", "export", "search", "show", "history", "stats", "check", "backup"]

    for name in [*names, "forget", "tenants", "warm"]:
        assert name in out
        assert len(call(name, "--help").stdout) > 200
    assert "lexical, not semantic" in " ".join(call("search", "--help").stdout.split())


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_extra_the_command_line_says_what_to_install(monkeypatch, missing):
    for module in [name for name in sys.modules if name.startswith("feather_memory.cli")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("feather_memory.cli", raising=False)
    for module in [n for n in sys.modules if n.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(SystemExit) as stopped:
        __main__.main()

    assert stopped.value.code == f"{missing} is not installed: pip install 'feather-memory[cli]'"


def test_an_import_error_of_another_kind_is_not_hidden(monkeypatch):
    for module in [name for name in sys.modules if name.startswith("feather_memory.cli")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("feather_memory.cli", raising=False)
    monkeypatch.setitem(sys.modules, "feather_memory.importers.registry", None)

    with pytest.raises(ModuleNotFoundError, match="registry"):
        __main__.main()


def test_python_dash_m_works(path):
    command = [sys.executable, "-m", "feather_memory", "show", str(path), "new"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "Python version is 3.12" in done.stdout


def test_a_reader_that_stops_early_is_no_error(path):
    command = f"'{sys.executable}' -m feather_memory export '{path}' | true"

    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602

    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_reembed_makes_all_vectors_with_another_model(call, path, monkeypatch, tmp_path):
    (tmp_path / "models_of_mine.py").write_text(
        "from feather_memory.testing import HashEmbedder\n"
        "small = HashEmbedder(16)\n"
        "nameless = lambda texts: small(texts)\n"
    )
    monkeypatch.chdir(tmp_path)
    count = len(list(Store.open(path).iterate()))
    said = call("reembed", path, "--embedder", "models_of_mine:small").stdout
    assert said == f"{count} vectors made.\n"
    assert (
        "--name NAME"
        in call("reembed", path, "--embedder", "models_of_mine:nameless", fails=True).output
    )
    call("reembed", path, "--embedder", "models_of_mine:nameless", "--name", "mine")
    with Store.open(path, embedder_name="mine") as store:
        assert store.stats().dimension == 16
        assert store.check() == []


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_import_says_before_it_writes_that_lines_have_no_time_and_which_fields_they_have(
    call, tmp_path, kind
):
    file, path = tmp_path / f"chat.{kind}", tmp_path / "a.feather"
    rows = [{"text": f"tea {n}", "sent_at": "2024-01-01", "who": "Ada"} for n in range(3)]
    if kind == "csv":
        lines = ["text,sent_at,who", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    file.write_text("\n".join(lines))

    done = call("import", file, "--store", path)
    assert done.stderr.count("'sent_at'") == 1
    assert "dated now" in done.stderr
    assert "3 lines remembered" in done.stdout

    told = call("import", file, "--store", tmp_path / "b.feather", "--time-field", "sent_at")
    assert "dated now" not in told.stderr
    with Store.open(tmp_path / "b.feather") as store:
        assert {memory.valid_from.year for memory in store.iterate()} == {2024}
        assert store.check() == []


def test_import_says_nothing_of_time_where_our_own_export_is_read(call, path, tmp_path):
    call("export", path, "--out", tmp_path / "all.jsonl")

    assert call("import", tmp_path / "all.jsonl", "--store", tmp_path / "b.feather").stderr == ""


def test_what_is_exported_again_from_an_import_is_the_same_file(call, path, tmp_path):
    """For its owner alone, and also where it is a tenant's."""
    with Store.open(path, embedder=HashEmbedder()) as store:
        store.update("old", metadata={"note": 1})
        store.plumbing.shelf("notes")["k"] = [1]
        store.recall("python", turn="t1")
        store.feedback("t1", "copied")
    first, again, third = (tmp_path / f"{n}.jsonl" for n in range(3))
    assert "4 memories written" in call("export", path, "--out", first).stdout
    done = call("import", first, "--store", tmp_path / "b.feather")
    call("export", tmp_path / "b.feather", "--out", again)
    call("import", first, "--dir", tmp_path / "dir", "--tenant", "alice")
    call("export", "--dir", tmp_path / "dir", "--tenant", "alice", "--out", third)

    assert first.read_bytes() == again.read_bytes() == third.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
    assert "4 memories restored, 0 were there already" in done.stdout
    assert done.stderr == ""
    twice = call("import", first, "--store", tmp_path / "b.feather").stdout
    assert "0 memories restored, 4 were there already" in twice
    with Store.open(tmp_path / "b.feather") as store:
        assert store.check() == []


def test_an_export_says_itself_how_it_is_read(call, path, tmp_path):
    file, to = tmp_path / "all.jsonl", tmp_path / "b.feather"
    call("export", path, "--out", file)
    for option in (["--text-field", "x"], ["--time-field", "x"], ["--embedder", "json:dumps"]):
        assert_one_line(
            call("import", file, "--store", to, *option, fails=True), "an export of ours"
        )
    per = ["--dir", tmp_path / "d", "--per", "x"]
    assert_one_line(call("import", file, *per, fails=True), "no --per")
    assert not to.exists()

    call("import", file, "--store", to, "--embedder", "none")


def test_a_damaged_export_is_one_line_that_says_where(call, path, tmp_path):
    file = tmp_path / "all.jsonl"
    lines = call("export", path).stdout.splitlines()
    lines[2] = lines[2].replace('"prior": 0.4', '"prior": 4')
    file.write_text("\n".join(lines))

    done = call("import", file, "--store", tmp_path / "b.feather", fails=True)
    assert_one_line(done, "line 3: 'prior' must be a number in [0, 1], got 4")
    file.write_text("\n".join(lines[:2]))
    cut = call("import", file, "--store", tmp_path / "b.feather", fails=True)
    assert_one_line(cut, "line 3: the export ends without its last line")
    with Store.open(tmp_path / "b.feather") as store:
        assert (len(store), store.check()) == (0, [])


def test_an_export_that_fails_leaves_no_file(call, path, tmp_path, monkeypatch):
    def fails(store, stream, **_):
        stream.write("half")
        raise OSError("no space left")

    monkeypatch.setattr("feather_memory.importers.exports.write", fails)
    before = sorted(tmp_path.iterdir())

    assert_one_line(call("export", path, "--out", tmp_path / "x", fails=True), "no space left")
    assert sorted(tmp_path.iterdir()) == before


def test_an_export_of_the_first_version_is_read_as_far_as_it_goes(call, tmp_path):
    """What was learned when is in it; recalls, signals and the log are not."""
    day = "2025-0{}-01T00:00:00+00:00"
    rows = [
        {"feather_memory": 1, "id": "old", "text": "Oslo", "key": "home", "importance": 0.9,
         "created_at": day.format(1), "valid_from": day.format(1)},
        {"feather_memory": 1, "id": "new", "text": "Lisbon", "key": "home", "links":
         [["supersedes", "old", 1.0]], "created_at": day.format(3), "valid_from": day.format(3)},
    ]  # fmt: skip
    path = tmp_path / "b.feather"
    call("import", lines_of(tmp_path / "v1.jsonl", rows), "--store", path)

    then = call(
        "search", path, "where?", "--known-at", "2025-02-01", "--as-of", "2025-06-01"
    ).stdout
    assert "Oslo" in then
    assert "Lisbon" not in then
    with Store.open(path) as store:
        assert store.get("old").created_at == datetime(2025, 1, 1, tzinfo=UTC)
        assert store.get("new").supersedes == ("old",)
        assert store.check() == []


def test_a_line_that_says_when_it_was_learned_is_known_from_then_on(call, tmp_path):
    path = tmp_path / "b.feather"
    rows = [
        {"text": "likes tea", "time": "2024-01-01", "recorded_at": "2025-01-01"},
        {"text": "likes mate", "recorded_at": "2999-01-01"},
    ]
    done = call("import", lines_of(tmp_path / "chat.jsonl", rows), "--store", path)
    assert "1 line remembered, 1 refused" in done.stdout
    assert "recorded_at must not be later than now" in done.stdout
    assert done.stderr == ""
    rows = [{"text": "hikes", "seen": "2025-02-01"}]
    file = lines_of(tmp_path / "other.jsonl", rows)
    call("import", file, "--store", path, "--recorded-field", "seen")

    for known, found in {"2024-06-01": 0, "2025-01-02": 1, "2025-02-02": 2}.items():
        out = call("search", path, "likes tea hikes", "--known-at", known).stdout
        assert ("likes tea" in out) + ("hikes" in out) == found
    with Store.open(path) as store:
        assert store.check() == []


def test_a_terminal_is_not_driven_by_a_tenants_name(monkeypatch):
    name = "eve\x1b[2J\u202e"
    assert options.line(name) == name  # a program is told it as it is
    monkeypatch.setattr(sys, "stdout", Mock(isatty=lambda: True))

    assert options.line(name) == "eve\ufffd[2J\ufffd"
