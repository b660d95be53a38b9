"""The command line is of one piece: one way to name a store, one shape of JSON, help that fits."""

import importlib.metadata
import json
import re
from pathlib import Path

import exports
import pytest
import typer
from typer.testing import CliRunner

from feather_memory import HashEmbedder, Store
from feather_memory.cli import app
from feather_memory.testing import FrozenClock

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
SERVERS = {"mcp", "serve", "window"}  # which answer elsewhere
OF_A_DATABASE = {"migrate"}  # asked by the tests of one


def every_command():
    """By what is typed: those of a group each by itself."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        under = {f"{name} {each}": one for each, one in getattr(command, "commands", {}).items()}
        found |= under or {name: command}
    return found


COMMANDS = every_command()


def called(*arguments, code=0, columns=80, typed=None):
    done = CliRunner().invoke(
        app, [str(word) for word in arguments], input=typed, env={"COLUMNS": str(columns)}
    )
    assert done.exit_code == code, done.output
    return done


def answer(*arguments, code=0):
    """What a command says with --json, which is all that it says."""
    return json.loads(called(*arguments, "--json", code=code).stdout)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "alice.feather"
    with Store.open(path, embedder=HashEmbedder(), clock=FrozenClock()) as store:
        store.add("Alice deploys on Fridays", id="old", key="day")
        store.add("Alice deploys on Tuesdays", id="new", key="day", session="s")
        store.add("A deploy broke the site", id="outage")
    return path


def documented():
    """By command, the names that its JSON has."""
    rows = re.findall(r"^\| `([a-z -]+)` \|.*\| ([^|]*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {command: set(re.findall(r"`(\w+)`", names)) for command, names in rows}


ASKED = {
    "demo": [],
    "import": ["{chat}", "--store", "{dir}/new.feather"],
    "add": ["{store}", "Ada rows"],
    "supersede": ["{store}", "outage", "A deploy broke nothing"],
    "link": ["{store}", "new", "outage", "--type", "caused_by"],
    "like": ["{store}", "new", "outage"],
    "dislike": ["{store}", "new"],
    "correct": ["{store}", "new", "Alice deploys on Mondays"],
    "search": ["{store}", "deploys"],
    "recall": ["{store}", "deploys", "--turn", "t"],
    "why-not": ["{store}", "deploys", "old"],
    "show": ["{store}", "new"],
    "history": ["{store}", "new"],
    "export": ["{store}"],
    "stats": ["{store}"],
    "check": ["{store}"],
    "backup": ["{store}", "{dir}/copy.feather"],
    "restore": ["{store}", "{dir}/there.feather"],
    "reembed": ["{store}", "--embedder", "hash:64"],
    "forget": ["{store}", "outage", "--yes"],
    "tenants": ["{pool}"],
    "claim": ["{store}", "--dir", "{pool}", "--tenant", "bob"],
    "warm": ["{pool}"],
    "copy": ["--from", "{store}", "--to", "{pool}", "--tenant", "bob"],
    "keys add": ["laptop", "--dir", "{pool}", "--tenant", "bob"],
    "keys list": ["--dir", "{pool}"],
    "keys revoke": ["laptop", "--dir", "{pool}"],
}


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - SERVERS - OF_A_DATABASE))
def test_every_command_answers_with_the_json_that_is_documented(command, path, tmp_path):
    exports.jsonl(tmp_path)
    (tmp_path / "pool").mkdir()
    places = {
        "{store}": path,
        "{dir}": tmp_path,
        "{chat}": tmp_path / "chat.jsonl",
        "{pool}": tmp_path / "pool",
    }
    words = ASKED[command]
    for name, place in places.items():
        words = [word.replace(name, str(place)) for word in words]

    if command == "keys revoke":
        answer("keys", "add", *words, "--tenant", "bob")
    said = answer(*command.split(), *words)

    assert said.keys() == documented()[command]


def test_every_command_that_is_documented_exists():
    assert documented().keys() == COMMANDS.keys() - SERVERS


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_fits_80_columns_and_nothing_in_it_is_cut(command):
    words = ["-h"] if command is None else [*command.split(), "-h"]
    said = called(*words).stdout

    assert called(*[word.replace("-h", "--help") for word in words]).stdout == said
    assert max(map(len, said.splitlines())) <= 80
    assert "..." not in re.sub(r"\[\w+\]\.\.\.|\.\.\.(?=\s|\])", "", said.split("Options:")[0])
    if command is None:
        assert {name.split()[0] for name in COMMANDS} <= set(said.split())
        for line in said.split("Commands:")[1].strip().splitlines():
            assert line.rstrip().endswith("."), line
            assert not line.rstrip().endswith("..."), line


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_each_argument_is_by_a_name_in_capitals(command):
    said = called(*command.split(), "-h").stdout

    usage = said.partition("\n\n")[0].partition(f"{command} [OPTIONS]")[2]
    told = said.partition("Arguments:")[2].partition("Options:")[0]
    names = re.findall(r"\w+", usage)
    assert names == re.findall(r"^  \[?(\w+)", told, re.MULTILINE)
    for name in names:
        assert name.isupper()
        assert re.search(rf"^  \[?{name}\]?(?: <\S+>)? {{2,}}(?!\W*required)\S", told, re.MULTILINE)


def test_the_version_is_that_of_the_distribution():
    assert called("--version").stdout.strip() == importlib.metadata.version("feather-memory")


def test_a_store_is_named_alike_in_every_command_that_is_about_one():
    for name, command in COMMANDS.items():
        options = {option for parameter in command.params for option in parameter.opts}
        is_about_one = command.params[0].name == "store" and name not in {"claim", *SERVERS}
        if is_about_one:
            assert {"--dir", "--tenant"} <= options, name


def test_what_is_added_is_found_and_its_slot_taken_over(tmp_path):
    path = tmp_path / "me.feather"

    first = answer("add", path, "Ada lives in Oslo", "--key", "home", "--metadata", '{"n": 1}',
                   "--valid-from", "2023-01-02")  # fmt: skip
    second = answer("add", path, "Ada lives in Lisbon", "--key", "home", "--session", "s",
                    "--actor", "ada", "--importance", "0.8",
                    "--valid-from", "2024-01-02")  # fmt: skip

    assert second["memory"]["supersedes"] == [first["memory"]["id"]]
    assert second["memory"]["valid_from"] == "2024-01-02T00:00:00+00:00"
    assert first["memory"]["metadata"] == {"n": 1}
    hits = answer("search", path, "where does Ada live?")["hits"]
    assert [hit["memory"]["text"] for hit in hits] == ["Ada lives in Lisbon"]
    assert hits[0]["score"]["value"] == pytest.approx(sum(hits[0]["score"]["parts"].values()))
    assert "vector" not in hits[0]["memory"]
    with Store.open(path) as store:
        assert store.stats().embedder == "hash:256"
        assert store.check() == []


def test_a_tenants_store_is_made_in_a_directory(tmp_path):
    called("add", "--dir", tmp_path, "--tenant", "alice", "Ada rows")

    assert "Ada rows" in called("search", "--dir", tmp_path, "--tenant", "alice", "rows").stdout
    assert answer("tenants", tmp_path)["tenants"][0]["tenant"] == "alice"


def test_a_fact_is_superseded_and_linked(path):
    said = called("supersede", path, "outage", "A deploy broke nothing").stdout
    called("link", path, "new", "outage", "--type", "caused_by", "--weight", "0.5")

    assert "in the place of outage" in said
    with Store.open(path) as store:
        assert [m.text for m in store.history("outage")][-1] == "A deploy broke nothing"
        edge = next(edge for edge in store.edges("new") if edge.type == "caused_by")
        assert (edge.target, edge.weight) == ("outage", 0.5)
        assert store.check() == []


def test_likes_and_dislikes_are_about_memories_or_about_what_a_turn_showed(path):
    liked = answer("like", path, "new")["importance"]["new"]
    shown = answer("recall", path, "deploys", "-k", 1, "--turn", "message-1")
    disliked = answer("dislike", path, "--turn", "message-1")

    assert liked > 0.4
    (hit,) = shown["hits"]
    assert list(disliked["importance"]) == [hit["memory"]["id"]]
    assert "say what" in called("like", path, code=1).stderr
    with Store.open(path) as store:
        assert store.check() == []


def test_what_is_corrected_gives_way_to_what_is_true(path):
    answer("correct", path, "new", "Alice deploys on Mondays")

    (hit,) = answer("search", path, "when does Alice deploy?", "-k", 1)["hits"]
    assert hit["memory"]["text"] == "Alice deploys on Mondays"
    with Store.open(path) as store:
        assert store.get("new").importance < 0.4
        assert store.check() == []


def test_why_not_says_the_gate(path):
    assert answer("why-not", path, "when does Alice deploy?", "old")["verdict"]["gate"] == (
        "superseded"
    )
    said = called("why-not", path, "deploys?", "old").stdout
    assert said == "Another memory replaced it from 2026-01-01 00:00 UTC on.\n"


def test_a_question_of_forget_is_no_part_of_the_json(path):
    done = called("forget", path, "outage", "--json", typed="y\n")

    assert json.loads(done.stdout.splitlines()[-1])["is_done"]  # the runner shows what is typed
    assert "for good?" in done.stderr
    assert answer("forget", path, "new", "--dry-run")["is_done"] is False


def test_an_audit_that_finds_something_says_so_and_fails(path, monkeypatch):
    monkeypatch.setattr(Store, "check", lambda self, *, fix: ["something is wrong"])

    assert answer("check", path, code=1) == {"faults": ["something is wrong"]}


def test_an_import_says_what_became_of_it(tmp_path):
    rows = [{"text": "Ada rows", "time": 1}, {"text": ""}]
    said = answer("import", exports.lines(tmp_path / "a.jsonl", rows), "--store", tmp_path / "s")

    assert (said["format"], said["refused"], said["edges"]) == ("jsonl", 1, 0)
    assert said["remembered"] == {str(tmp_path / "s"): 1}
    assert said["refusals"] == [{"line": 2, "reason": "the text is empty"}]


def test_an_export_to_standard_output_counts_where_json_is_asked_for(path):
    assert answer("export", path)["counts"]["memory"] == 3
    assert len(called("export", path).stdout.splitlines()) > 3


def test_a_table_that_is_piped_is_neither_folded_nor_cut(path):
    long = "Ada " + "rows and " * 60 + "walks"
    called("add", path, long)

    assert any(long in line for line in called("search", path, "rows walks").stdout.splitlines())
    assert len(called("show", path, "new").stdout.splitlines()) > 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "{store}", "x", "--metadata", "{"], "--metadata is not JSON"),
        (["add", "{store}", "x", "--metadata", "[]"], "--metadata takes a JSON object"),
        (["add", "{store}", " "], "TEXT must"),
        (["add", "{store}", "x", "--importance", "7"], "--importance must"),
        (["supersede", "{store}", "nobody", "x"], "no memory with id 'nobody'"),
        (["link", "{store}", "new", "nobody"], "no memory with id 'nobody'"),
        (["link", "{store}", "new", "old", "--weight", "7"], "--weight must"),
        (["like", "{store}", "nobody"], "no memory with id 'nobody'"),
        (["like", "{store}", "--turn", "never"], "never"),
        (["correct", "{store}", "nobody", "x"], "no memory with id 'nobody'"),
        (["recall", "{store}", "x", "--turn", ""], "--turn must"),
        (["why-not", "{store}", "x", ""], "ID must"),
    ],
)
def test_an_error_is_one_line_in_the_command_lines_words(path, words, said):
    done = called(*[word.replace("{store}", str(path)) for word in words], code=1)

    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr


# What people see


def seen(*arguments, monkeypatch):
    """What a terminal of 80 columns shows, without its colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    return re.sub(r"\x1b\[[\d;]*m", "", called(*arguments).stdout)


def test_a_search_has_a_bar_of_each_score_where_somebody_looks(path, monkeypatch):
    screen = seen("search", path, "deploys on Tuesdays", monkeypatch=monkeypatch)

    best, *_ = rows = [line for line in screen.splitlines() if "█" in line]
    assert re.match(r"\d\.\d{3}  ████████  Alice deploys on Tuesdays +2026-01-01$", best)
    assert len(rows) == 2
    assert "replaces Alice deploys on Fridays" in screen
    assert max(map(len, screen.splitlines())) <= 80


def test_a_walk_is_a_tree_where_somebody_looks(path, monkeypatch):
    called("link", path, "new", "outage", "--type", "caused_by")

    screen = seen("search", path, "Tuesdays", "-k", 1, "--hops", 1, monkeypatch=monkeypatch)

    assert screen.splitlines()[-2:] == [
        "Alice deploys on Tuesdays",
        "└── caused_by → A deploy broke the site",
    ]


def test_a_history_is_a_fact_and_what_it_replaced_where_somebody_looks(path, monkeypatch):
    screen = seen("history", path, "new", monkeypatch=monkeypatch)

    lines = [line.strip("│ ") for line in screen.splitlines()[:5]]
    assert "the current fact" in lines[0]
    assert lines[1:4] == [
        "Alice deploys on Tuesdays",
        "true since 01 January 2026, and it replaced",
        "Alice deploys on Fridays  (Jan 2026 to Jan 2026)",
    ]


def test_nothing_in_a_memory_is_read_as_markup_or_drives_the_terminal(tmp_path, monkeypatch):
    with Store.open(tmp_path / "s") as store:
        store.add("Dogs bark at [red]night[/red] \x1b[31m", id="dogs")
        store.add("Cats do not \x1b[31m", id="cats")
        store.link("dogs", "cats", "un\x1b[31mlike")

    for words in (
        ["search", tmp_path / "s", "dogs"],
        ["search", tmp_path / "s", "dogs", "-k", 1, "--hops", 1],
        ["history", tmp_path / "s", "dogs"],
    ):
        monkeypatch.setenv("FORCE_COLOR", "1")
        screen = called(*words).stdout

        assert "[red]night[/red]" in screen
        assert "\x1b[31m" not in screen
