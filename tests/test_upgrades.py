"""Files that an earlier release wrote: brought up to date in one step, by whoever opens them."""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import pytest

import feather_memory
from feather_memory import F, ParameterError, Store, TenantPool, WrongTenantError
from feather_memory.truth.sqlite.schema import FORMAT

OLD = Path(__file__).parent / "data" / "format-2.feather.gz"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(feather_memory.__file__).parents[1])}


def of_format_2(file):
    """What the first release that had shelves wrote: 43 memories of alice, links, feedback."""
    file.write_bytes(gzip.decompress(OLD.read_bytes()))


def of_format_1(file):
    """The same without what the second format added."""
    of_format_2(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("drop table turn_name")
        connection.execute("drop table shelf")
        connection.execute("drop index signal_turn")
        connection.execute("pragma user_version = 1")


@pytest.fixture(params=[of_format_1, of_format_2])
def old(request, tmp_path):
    file = tmp_path / "alice.feather"
    request.param(file)
    return file


def version(file):
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("pragma user_version").fetchone()[0]


def shape(file):
    """Tables and their columns; where a column stands does not matter."""
    with closing(sqlite3.connect(file)) as connection:
        names = connection.execute("select name from sqlite_schema where type = 'table'")
        return {
            name: sorted(
                (column[1], column[2].lower(), column[3], column[5])
                for column in connection.execute(f"pragma table_info({name})")
            )
            for (name,) in names.fetchall()
        }


def test_an_old_file_is_brought_up_to_date_when_it_is_opened(old):
    with Store.open(old) as store:
        assert store.check() == []
        assert store.stats().memories == 43
        assert store.tenant == "alice"
        assert [each.text for each in store.history("home-2")] == [
            "Alice lives in Oslo",
            "Alice lives in Lisbon",
        ]
        assert [edge.type for edge in store.edges("n1")] == ["caused_by", "refines"]
        assert store.signals("n3")[0].retracted
        assert [each.id for each in store.plumbing.shown("t1")][:1] == ["home-2"]
        store.plumbing.name_turn("t1", "another")
        store.plumbing.shelf("notes")["new"] = 1
    assert version(old) == FORMAT


def test_memories_of_an_old_file_have_the_origin_and_manner_of_their_writing(old, tmp_path):
    with Store.open(old) as store, Store.open(tmp_path / "new.feather") as new:
        for memory in store.iterate():
            written = new.add(memory.text, id=memory.id, key=memory.key, role=memory.role)
            assert (memory.origin, memory.manner) == (written.origin, written.manner)
        assert len([*store.iterate(F("origin") == "user")]) > 0


def test_what_a_row_does_not_say_reads_as_a_users_statement(tmp_path):
    file = tmp_path / "a.feather"
    with Store.open(file) as store:
        store.add("Home is Oslo?", id="a", origin="tool")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("update memory set origin = null, manner = null")
        connection.execute("update state set checksum = null")  # nor did it keep one of each row
    is_users = (F("origin") == "user") & (F("manner") == "statement")
    with Store.open(file) as store:
        assert (store.get("a").origin, store.get("a").manner) == ("user", "statement")
        assert [hit.memory.id for hit in store.search("Oslo", where=is_users)] == ["a"]
        assert [memory.id for memory in store.iterate(is_users)] == ["a"]
        assert store.search("Oslo", where=F("manner") == "question") == []
        assert store.check() == []


def test_an_upgraded_file_has_the_tables_of_a_new_one(old, tmp_path):
    Store.open(old).close()
    Store.open(tmp_path / "new.feather").close()

    assert shape(old) == shape(tmp_path / "new.feather")


def test_what_was_in_an_old_file_is_found_by_its_words(old):
    with Store.open(old) as store:
        assert store.search("where does Alice live", k=1)[0].memory.id == "home-2"
        assert store.search("データ", k=1)[0].memory.id == "jp"
        assert store.search("number 7", k=1)[0].memory.id == "n7"
        now = store.get("mixed").created_at
        found = store.search("strasse thanks izmir", k=1, as_of=now, now=now)
        assert found[0].memory.id == "mixed"
        assert store.check() == []


def test_time_goes_on_from_what_an_old_file_has_recorded(old):
    with closing(sqlite3.connect(old)) as connection:
        (last,) = connection.execute("select max(updated_at) from memory").fetchone()
    with Store.open(old, clock=lambda: last - 60) as store:
        said = store.add("Alice lives in Rome", key="home")
        assert said.created_at.timestamp() > last
        assert store.search("where does Alice live", k=1)[0].memory.id == said.id
        assert store.check() == []


def test_the_old_index_of_words_is_gone(old):
    Store.open(old).close()

    with closing(sqlite3.connect(old)) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_schema")]
    assert not [name for name in names if name.startswith("lexical")]


def test_many_that_open_an_old_file_at_once_bring_it_up_to_date_once(old):
    stores = []

    threads = [threading.Thread(target=lambda: stores.append(Store.open(old))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [store.get("jp").id for store in stores] == ["jp"] * 8
    assert {store.stats().generation for store in stores} == {stores[0].stats().generation}
    for store in stores:
        assert store.check() == []
        store.close()


def test_an_old_file_that_is_another_tenants_is_left_as_it_is(old):
    before = old.read_bytes()

    with pytest.raises(WrongTenantError):
        Store.open(old, tenant="bob")

    assert old.read_bytes() == before


KILLED = """
    import os, sqlite3, sys
    from feather_memory.truth.sqlite import upgrades

    class Dying:
        def __init__(self, connection, steps):
            self.connection, self.steps = connection, steps

        def __getattr__(self, name):
            if name.startswith("execute"):
                if not self.steps:
                    os._exit(9)
                self.steps -= 1
            return getattr(self.connection, name)

    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    upgrades.upgrade(Dying(connection, int(sys.argv[2])), None)
"""


def test_an_upgrade_that_is_killed_has_not_begun(old):
    """At every few of its statements. The control: it dies, until it is allowed all of them."""
    before = version(old)
    for steps in range(1, 200, 6):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(old), str(steps)],
            env=ENVIRONMENT, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == 9
        assert version(old) == before
    else:
        pytest.fail("it never came to its end")
    assert steps > 20
    with Store.open(old) as store:
        assert store.stats().memories == 43
        assert store.check() == []


# Languages


def test_a_store_stems_in_the_language_it_was_made_in(tmp_path):
    with Store.open(tmp_path / "a.feather", language="german") as store:
        store.add("Die Häuser am See", id="a")
    with Store.open(tmp_path / "a.feather") as store:
        assert store.search("Haus", k=1)[0].score.lexical == 1
        assert store.check() == []
    with Store.open(tmp_path / "b.feather") as store:  # the control: in English they are two words
        store.add("Die Häuser am See", id="a")
        assert store.search("Haus", k=1)[0].score.lexical == 0
        assert store.check() == []


def test_another_language_derives_all_words_anew_also_for_who_had_it_open(tmp_path):
    file = tmp_path / "a.feather"
    with Store.open(file) as reader:
        reader.add("Die Häuser am See", id="a")
        assert reader.search("Haus", k=1)[0].score.lexical == 0
        with Store.open(file, language="german") as store:
            assert store.search("Haus", k=1)[0].score.lexical == 1
        assert reader.search("Haus", k=1)[0].score.lexical == 1
        reader.add("Ein Haus im Wald", id="b")
        assert {hit.memory.id for hit in reader.search("Häuser") if hit.score.lexical} == {"a", "b"}
        assert reader.check() == []


def test_a_language_nobody_knows_is_refused_and_makes_no_file(tmp_path):
    with pytest.raises(ParameterError, match=r"simple.*got 'klingon'"):
        Store.open(tmp_path / "a.feather", language="klingon")
    with pytest.raises(ParameterError, match="klingon"):
        TenantPool(tmp_path / "pool", language="klingon")

    assert not list(tmp_path.iterdir())


def test_a_pool_makes_its_stores_in_its_language(tmp_path):
    with TenantPool(tmp_path, language="simple") as pool:
        pool.get("alice").add("deploying databases")
        assert pool.get("alice").search("database")[0].score.lexical == 0
        assert pool.get("alice").search("databases")[0].score.lexical == 1
        assert pool.get("alice").check() == []
