"""What is no place is refused by every command, whichever of its arguments it is given as.

A URL of something else would be a folder's name, its password with it: and what was to be on a
server would be in a file.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from feather_memory import Store
from feather_memory.cli import app

URL = "mysql://alice:secret@localhost/memories"
OF_PLACES = {"STORE", "DIR", "PATH", "FILE", "PLACE", "BACKUP", "URL"}
OF_ORIGINS = {"allow_origin"}  # which are compared, and never opened

GIVEN = {
    "STORE": "a.feather", "BACKUP": "b.feather", "PATH": "chat.jsonl", "FILE": "new",
    "DIR": "new-pool", "PLACE": "a.feather", "ID": "m", "SOURCE": "m", "TARGET": "n",
    "TEXT": "tea", "QUERY": "tea", "NAME": "laptop",
}  # fmt: skip
"""What stands where the others are, by what they are called in the help."""
BESIDE = {
    ("import", "file"): ["--store", "new"],
    ("import", "folder"): ["--per", "session"],
    ("claim", "store"): ["--tenant", "bob"],
    ("claim", "directory"): ["--tenant", "bob"],
    ("mcp", "directory"): ["--tenant", "bob"],
    ("mcp", "keys"): ["--dir", "postgresql://localhost/memories", "--http"],
    ("serve", "keys"): ["--dir", "postgresql://localhost/memories"],
    ("copy", "target"): ["--tenant", "bob"],
    ("keys add", "directory"): ["--tenant", "bob"],
    ("forget", "store"): ["--yes"],
    ("reembed", "store"): ["--embedder", "hash:64"],
}
"""Options without which a command would be refused for another reason."""


def every_command():
    """By what is typed: those of a group each by itself."""
    for name, command in typer.main.get_command(app).commands.items():
        yield from [
            (f"{name} {each}", one) for each, one in getattr(command, "commands", {}).items()
        ] or [(name, command)]


PLACES = {
    (name, each.name): (command, each)
    for name, command in every_command()
    for each in command.params
    if each.metavar in OF_PLACES and each.name not in OF_ORIGINS
}


def asked(name, command, asked_of, place):
    """What is typed to give a place as one argument, with all that is asked for beside it."""
    words, options = name.split(), []
    is_of_tenant = asked_of.name == "folder" and name != "import"
    if is_of_tenant:
        options = ["--tenant", "bob"]
    for each in command.params:
        if each.name == "store" and each.param_type_name == "argument" and is_of_tenant:
            continue  # --dir and --tenant instead of it
        value = place if each.name == asked_of.name else GIVEN.get(each.metavar)
        if each.param_type_name == "argument":
            words.append(value)
        elif each.name == asked_of.name or (each.required and each.name != "tenant"):
            options += [each.opts[0], value]
    return [*words, *options, *BESIDE.get((name, asked_of.name), [])]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled") / "given"
    folder.mkdir()
    with Store.open(folder / "a.feather") as store:
        store.add("tea", id="m")
        store.backup(folder / "b.feather")
        assert store.check() == []
    line = json.dumps({"text": "tea", "session": "s"})
    (folder / "chat.jsonl").write_text(line, encoding="utf-8")
    return folder


@pytest.fixture
def folder(filled, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(filled, tmp_path / "given"))
    return Path.cwd()


def told(words):
    done = CliRunner().invoke(app, words, env={"COLUMNS": "1000"})
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1, done.output
    return done.output


@pytest.mark.file
@pytest.mark.parametrize(("name", "of"), PLACES, ids=map(" ".join, PLACES))
def test_a_url_of_something_else_is_refused_at_once_and_its_password_told_to_nobody(
    folder, monkeypatch, name, of
):
    def served(*_, **__):
        raise AssertionError("it is served")

    for each in ("listen", "listen_at"):
        monkeypatch.setattr(f"feather_memory.doors.listening.{each}", served)

    said = told(asked(name, *PLACES[name, of], URL))

    assert "a URL of mysql" in said
    assert "secret" not in said
    assert {each.name for each in folder.iterdir()} == {"a.feather", "b.feather", "chat.jsonl"}
    with Store.open("a.feather") as store:
        assert [each.text for each in store.iterate()] == ["tea"]
        assert store.check() == []


@pytest.mark.file
@pytest.mark.parametrize(
    ("name", "of"), [("import", "store"), ("backup", "dest"), ("demo", "keep")]
)
def test_what_is_a_place_is_taken_there(folder, name, of):
    """The negative control: the same words with a path."""
    words = asked(name, *PLACES[name, of], "made.feather")

    done = CliRunner().invoke(app, words)

    assert done.exit_code == 0, done.output
    with Store.open(folder / "made.feather") as store:
        assert len(store) > 0
        assert store.check() == []
