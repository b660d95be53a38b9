"""Keys: told once, kept as digests, and what each opens is what it was made for."""

from __future__ import annotations

import itertools
import json
import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from feather_memory import ParameterError, TenantNameError
from feather_memory.cli import app
from feather_memory.doors import keys
from feather_memory.doors.keys import Grant, KeyRing


@pytest.fixture
def ring(tmp_path):
    return KeyRing(tmp_path / "memories")


def test_a_key_opens_what_it_was_made_for_until_it_is_revoked(ring):
    grant = Grant(name="laptop", tenant="alice", may_write=False, made="2026-01-01T00:00Z")
    key = ring.add(grant)

    assert ring.opened_by(key) == grant
    assert ring.grants() == [grant]
    ring.revoke("laptop")
    assert ring.opened_by(key) is None
    assert ring.grants() == []


@pytest.fixture(params=[0.0, 60.0], ids=["at once", "a minute later each time"])
def pause(request, monkeypatch):
    """How long it is from one call to the next."""
    calls = itertools.count()
    monkeypatch.setattr(keys, "monotonic", lambda: next(calls) * request.param)
    return request.param


def test_a_key_that_was_used_opens_nothing_once_it_is_revoked_changed_or_made_anew(ring, pause):
    """By another ring, as another process has it."""
    others, alices, bobs = (
        KeyRing(ring._folder.parent),
        *(Grant(name="laptop", tenant=tenant) for tenant in ("alice", "bob")),
    )
    first = others.add(alices)
    assert [ring.opened_by(first) for _ in range(4)] == [alices] * 4

    others.revoke("laptop")
    assert ring.opened_by(first) is None
    second = others.add(bobs)
    assert ring.opened_by(first) is None
    assert [ring.opened_by(second) for _ in range(4)] == [bobs] * 4
    (file,) = ring._folder.glob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "may_write": False}))
    assert not ring.opened_by(second).may_write
    file.write_text("{}")
    assert ring.opened_by(second) is None


def test_a_key_whose_file_lies_there_as_it_was_is_read_twice(ring, pause, monkeypatch):
    """The second time because it could have changed while the file system's clock stood."""
    read, told = [], keys._read
    monkeypatch.setattr(keys, "_read", lambda path: read.append(path) or told(path))
    key = ring.add(Grant(name="laptop", tenant="alice"))

    assert [ring.opened_by(key).tenant for _ in range(5)] == ["alice"] * 5
    assert len(read) == (2 if pause else 5)


def test_of_a_key_only_its_digest_is_kept_and_only_for_its_owner(ring, tmp_path):
    key = ring.add(Grant(name="laptop", tenant="alice"))
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]

    secret = key.rpartition("_")[2]
    assert re.fullmatch(r"fm_laptop_[0-9a-f]{64}", key)
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in file.parents if each > tmp_path} == {
        0o700
    }


def test_a_name_is_given_once(ring):
    first = ring.add(Grant(name="laptop", tenant="alice"))

    with pytest.raises(ParameterError, match="already"):
        ring.add(Grant(name="laptop", tenant="bob"))
    assert ring.opened_by(first).tenant == "alice"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tenant": "alice", "prefix": ""},
        {"tenant": "alice", "name": "../x"},
        {"tenant": "alice", "name": ""},
        {"tenant": "alice", "name": "UPPER"},
    ],
)
def test_a_key_for_nobody_or_without_a_name_is_refused(fields):
    with pytest.raises(ParameterError):
        Grant(**{"name": "laptop", **fields})


def test_a_key_is_for_what_a_tenant_can_be_called(ring):
    with pytest.raises(TenantNameError):
        Grant(name="laptop", tenant="a\0b")


def test_one_tenants_key_is_nobody_elses_and_a_prefix_is_one():
    one, team = Grant(name="a", tenant="user:a"), Grant(name="b", prefix="team:")
    all_ = Grant(name="c", prefix="")

    assert [one.allows(name) for name in ("user:a", "user:ab", "user:", "USER:A")] == [
        True, False, False, False,
    ]  # fmt: skip
    assert [team.allows(name) for name in ("team:x", "team", "user:team:x")] == [True, False, False]
    assert all_.allows("anybody")


@given(st.text(max_size=120))
def test_no_other_text_opens_anything(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("ring")
    key = KeyRing(folder).add(Grant(name="laptop", tenant="alice"))

    assert KeyRing(folder).opened_by(text) is None
    assert KeyRing(folder).opened_by(key + text) is None or not text


def test_a_file_that_is_no_keys_opens_nothing(ring, tmp_path):
    key = ring.add(Grant(name="laptop", tenant="alice"))
    file = tmp_path / "memories" / "keys" / "laptop.json"
    kept = file.read_text()
    for damaged in ("", "[]", "{}", kept[:-5], kept.replace("laptop", "others")):
        file.write_text(damaged)
        assert ring.opened_by(key) is None

    file.write_text(kept)
    assert ring.opened_by(key) is not None


def test_the_command_line_makes_lists_and_revokes_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    runner, folder = CliRunner(), str(tmp_path / "memories")

    def call(*words):
        return runner.invoke(app, ["keys", *words, "--dir", folder])

    key = call("add", "laptop", "--tenant", "alice", "--read-only").stdout.strip()
    call("add", "service", "--prefix", "")
    listed = call("list").stdout

    assert KeyRing(tmp_path / "memories").opened_by(key).may_write is False
    assert re.search(r"laptop +alice +read +20", listed)
    assert re.search(r"service +\* +read and write", listed)
    assert key not in listed
    assert call("revoke", "laptop").exit_code == 0
    assert call("revoke", "laptop").exit_code == 1
    assert call("add", "nobody").exit_code == 1
    assert KeyRing(tmp_path / "memories").opened_by(key) is None
