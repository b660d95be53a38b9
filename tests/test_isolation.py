"""Isolation: importing does nothing, and a store writes beside its path and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import feather_memory

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}

# Tells, as JSON, every audited event that reaches outside; what comes after runs under it.
WATCH = """
import json, os, sys
EVENTS = []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
CHANGES = {"os.remove", "os.rename", "os.link", "os.mkdir", "os.rmdir", "os.symlink",
           "os.truncate", "os.chmod", "os.chown", "shutil.move", "shutil.rmtree",
           "shutil.copyfile", "tempfile.mkstemp", "tempfile.mkdtemp"}
PROCESSES = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen",
             "_thread.start_new_thread", "signal.signal"}
def hook(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "smtplib.")):
        EVENTS.append(["network", event])
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
        EVENTS.append(["write", str(arguments[0])])
    elif event in CHANGES:
        EVENTS.append(["write", str(arguments[0])])
        if event in {"os.rename", "os.link"}:
            EVENTS.append(["write", str(arguments[1])])
    elif event == "sqlite3.connect":
        EVENTS.append(["sqlite", str(arguments[0])])
    elif event in PROCESSES:
        EVENTS.append(["process", f"{event} {arguments[0]}"])
sys.dont_write_bytecode = True
sys.addaudithook(hook)
"""
TELL = "\nprint(json.dumps({'events': EVENTS, 'modules': sorted(sys.modules)}))\n"

SESSION = """
import sys
from feather_memory import F, Store, config
from feather_memory.testing import HashEmbedder
config.SNAPSHOT_ROWS = 20
path = sys.argv[1]
for _ in range(2):
    with Store.open(path, embedder=HashEmbedder(16)) as store:
        store.add_many({"id": f"m{n}", "text": f"fact{n} of topic{n % 3}"} for n in range(60))
        new = store.supersede("m1", "a newer fact1")
        store.update("m2", text="another fact2", metadata={"tag": "x"})
        store.link("m3", "m4", "supports")
        store.signal("m3", "liked")
        store.search("topic1", where=F("metadata.tag") == "x")
        store.recall("topic1", turn="t")
        store.context_chain("topic1")
        store.why_not("topic1", "m9")
        store.history(new.id)
        list(store.iterate())
        store.stats()
        store.check()
        store.forget(["m5", new.id])
        store.check(fix=True)
        target = path + ".copy"
        import os
        if not os.path.exists(target):
            store.backup(target)
"""


def watched(script: str, *arguments: str, cwd: Path) -> dict:
    run = subprocess.run(
        [sys.executable, "-c", WATCH + script + TELL, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    *said, told = run.stdout.splitlines()
    assert said == []
    return json.loads(told)


def test_the_watch_sees_what_it_must(tmp_path):
    script = (
        "import socket, sqlite3\nsocket.socket().close()\nopen('x', 'w').close()\n"
        "sqlite3.connect(':memory:').close()\nos.rename('x', 'y')\n"
    )
    kinds = [kind for kind, _ in watched(script, cwd=tmp_path)["events"]]
    assert kinds == ["network", "write", "sqlite", "write", "write"]


def test_importing_touches_no_network_no_file_and_no_process(tmp_path):
    told = watched("import feather_memory", cwd=tmp_path)
    assert told["events"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "module",
    [
        "pydantic",
        "hnswlib",
        "typer",
        "rich",
        "networkx",
        "matplotlib",
        "pytest",
        "asyncio",
        "mcp",
        "anyio",
        "fastapi",
        "starlette",
        "uvicorn",
        "feather_memory.doors",
    ],
)
def test_importing_does_not_load(tmp_path, module):
    loaded = watched("import feather_memory", cwd=tmp_path)["modules"]
    assert module not in loaded


def test_importing_changes_no_logging_warnings_or_random_state(tmp_path):
    script = """
import logging, random, warnings
import numpy as np
before = (logging.getLogger().handlers[:], logging.getLogger().level, warnings.filters[:],
          random.getstate(), np.random.get_state()[1].tolist(), np.geterr(), dict(os.environ))
import feather_memory
assert not logging.getLogger("feather_memory").handlers
after = (logging.getLogger().handlers[:], logging.getLogger().level, warnings.filters[:],
         random.getstate(), np.random.get_state()[1].tolist(), np.geterr(), dict(os.environ))
assert before == after
"""
    watched(script, cwd=tmp_path)


def test_a_session_of_use_writes_only_beside_its_path(tmp_path):
    folder, elsewhere = tmp_path / "memories", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    told = watched(SESSION, str(folder / "alice.feather"), cwd=elsewhere)
    outside = [
        (kind, what)
        for kind, what in told["events"]
        if kind != "sqlite"
        and not (kind == "write" and Path(what).parent == folder)
        and (kind, what) != ("process", f"os.posix_spawn {sys.executable}")  # what wipes the file
    ]
    assert outside == []
    assert any(kind == "write" and what.endswith(".tmp") for kind, what in told["events"])
    for kind, what in told["events"]:
        if kind == "sqlite" and what != ":memory:":
            assert what.removeprefix("file://").startswith(str(folder))
    assert list(elsewhere.iterdir()) == []
    assert set(tmp_path.iterdir()) == {folder, elsewhere}
    assert {path.name for path in folder.iterdir()} <= {
        "alice.feather",
        "alice.feather.vectors",
        "alice.feather.lists",
        "alice.feather.copy",
    }


def test_a_session_of_use_loads_no_optional_dependency(tmp_path):
    loaded = set(watched(SESSION, str(tmp_path / "alice.feather"), cwd=tmp_path)["modules"])
    assert loaded.isdisjoint({"hnswlib", "typer", "rich", "networkx", "matplotlib", "requests"})
