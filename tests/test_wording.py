"""The command line speaks of what one types, never of what the library is called with."""

import ast
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import feather_memory
from feather_memory import Store
from feather_memory.cli import app
from feather_memory.cli.wording import SPELLED, spelled
from feather_memory.testing import FrozenClock, HashEmbedder

ROOT = Path(feather_memory.__file__).parent

# How a message tells how the library is called: keyword=…, a call, a method of a class or object.
IDIOM = re.compile(
    r"\b[a-z_]+=…|\b[a-z_]+=(?:True|False|None)\b|\w+\.\w+\([^)]*\)|(?<![\w.])check\("
    r"|\b(?:Store|TenantPool|ContextLayers|store|pool)\.[a-z]\w*|(?<!\w)F\(['\"]"
)

UNREACHABLE = {
    "vector=…": "no command takes a vector where a text is expected",
    "it again with Store.open()": "no command closes a store and goes on",
    "a store is opened, not made: Store.open(": "no command makes one otherwise",
    'a field is F("a.b") or F(path=("a", "b"))': "a filter comes as JSON, whose keys are strings",
    ".exists()": "translated by its pattern, see below",
    "Store.plumbing": "the name of a verb",
    "import sys; sys.path.append": "a program",
    "Store.open of the same place": "pickling",
    "wal_checkpoint": "SQL",
    "feather.direction": "SQL",
}


def messages():
    """Every string of the library that is no docstring and no SQL, by where it is."""
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] in {"cli", "demo", "testing", "display.py"}:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            is_said = isinstance(node, ast.Constant) and id(node) not in docs
            if is_said and isinstance(node.value, str):
                yield f"{path.name}:{node.lineno}", node.value


def test_whatever_says_how_the_library_is_called_is_put_into_the_command_lines_words():
    found = {said: place for place, said in messages() if IDIOM.search(said)}

    left = {
        said: place
        for said, place in found.items()
        if not any(key in said for key in UNREACHABLE) and IDIOM.search(spelled(said))
    }
    assert left == {}
    assert len(found) > 5  # the control: there are some


def test_every_translation_is_of_something_that_the_library_says():
    whole = "\n".join(said for _, said in messages())
    assert [key for key in SPELLED if key not in whole] == []
    assert [key for key in UNREACHABLE if key not in whole] == []
    assert not any(IDIOM.search(line) for line in SPELLED.values())


@pytest.fixture
def call(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 1, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.stderr + done.stdout

    return call


def test_reembed_asks_for_its_own_option(call, path, tmp_path, monkeypatch):
    (tmp_path / "some_models.py").write_text("nameless = lambda texts: [[1.0]] * len(texts)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with Store.open(path) as store:
        store.add("tea")

    said = call("reembed", path, "--embedder", "some_models:nameless")
    assert said == "Error: say what the model is called: --name NAME\n"
    long = call("reembed", path, "--embedder", "some_models:nameless", "--name", "x" * 600)
    assert long == "Error: --name must have 1 to 512 characters, got 600\n"


def test_another_model_is_to_be_named_by_an_option_or_remade_by_a_command(call, path, tmp_path):
    with Store.open(path, embedder=HashEmbedder(256), embedder_name="big") as store:
        store.add("tea")
    (tmp_path / "chat.jsonl").write_text(json.dumps({"text": "a", "time": 1}))

    for said in (
        call("search", path, "tea", "--embedder", "hash:"),
        call("import", tmp_path / "chat.jsonl", "--store", path, "--embedder", "hash:"),
    ):
        assert "name that model with --embedder, or let `feather-memory reembed`" in said
        assert not IDIOM.search(said)


def test_arguments_are_named_as_they_are_typed(call, path):
    with Store.open(path) as store:
        store.add("tea")

    assert call("search", path, "x", "--session", "").startswith("Error: --session must have 1")
    assert call("show", path, "").startswith("Error: ID must have 1 to 512")
    assert call("forget", path, "", "--yes").startswith("Error: ID must have 1 to 512")
    assert "TemporaryDirectory" not in call("import", __file__, "--store", ":memory:")
    where = json.dumps({"importance": {"$gte": "0.3"}})
    assert "Error: 'importance' >= '0.3' (str) never" in call("search", path, "x", "--where", where)
    null = call("search", path, "x", "--where", '{"session": null}')
    assert '{"session": {"$exists": false}}' in null
    assert "F(" not in null


def test_a_store_that_was_ahead_of_the_clock_is_mended_by_a_command(path, call):
    clock = FrozenClock()
    clock.advance(days=40_000)
    with Store.open(path, clock=clock) as store:
        store.add("tea")

    said = call("check", path)

    assert said.count("`feather-memory check --fix` dates it back") == 2  # warned of, and found
    assert not IDIOM.search(said)
    with Store.open(path) as store:
        store.check(fix=True)
        assert store.check() == []


def test_a_file_of_nobody_is_claimed_by_a_command(call, tmp_path):
    with Store.open(tmp_path / "alice.feather") as store:
        store.add("tea")

    said = call("stats", "--dir", tmp_path, "--tenant", "alice")

    assert "`feather-memory claim` makes it theirs" in said
    assert not IDIOM.search(said)
