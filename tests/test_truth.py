"""The truth in a SQLite file keeps the contract of truths."""

from __future__ import annotations

import pytest

from feather_memory.config import BATCH_CACHE_KIB, BATCH_ROWS, CACHE_KIB
from feather_memory.errors import CorruptStoreError
from feather_memory.testing.replay import NOW, Replayed, record, told
from feather_memory.testing.truth import TruthContract
from feather_memory.truth.sqlite.file import SqliteTruth


class TestSqliteTruth(TruthContract):
    def open_truth(self, place, clock, tenant=None):
        return SqliteTruth(place / "alice.feather", clock=clock, tenant=tenant)


def test_the_contract_notices_changes_that_are_not_told(tmp_path, monkeypatch):
    """The negative control: a truth that forgets to tell what is gone."""
    truth = SqliteTruth(tmp_path / "alice.feather", clock=lambda: NOW)
    knows = Replayed()
    with truth.writing() as transaction:
        transaction.memories.insert([record("a"), record("b")])
    with truth.reading() as moment:
        knows.catch_up(moment)
    monkeypatch.setattr("feather_memory.truth.sqlite.changes.BURY", "select ?, ?")
    with truth.writing() as transaction:
        transaction.memories.delete(list(transaction.memories.by_ids(["a"]).values()))

    with truth.reading() as moment:
        knows.catch_up(moment)
        assert knows.known != told(moment)
    truth.close()


def test_the_pages_that_a_batch_needs_are_held_until_the_log_is_folded(tmp_path):
    def held():
        (size,) = truth.writer.execute("pragma cache_size").fetchone()
        return -size

    truth = SqliteTruth(tmp_path / "alice.feather", clock=lambda: NOW)
    with truth.writing() as transaction:
        transaction.memories.insert([record(f"few{number}") for number in range(10)])
    few = held()
    with truth.writing() as transaction:
        transaction.memories.insert([record(f"m{number}") for number in range(BATCH_ROWS)])
    many = held()

    assert truth.fold()

    assert (few, many, held()) == (CACHE_KIB, BATCH_CACHE_KIB, CACHE_KIB)
    with truth.reading() as moment:
        assert moment.audit.structure() == moment.audit.rows() == moment.audit.relations() == []
    truth.close()


def test_a_file_that_says_nothing_of_itself_is_refused(tmp_path):
    truth = SqliteTruth(tmp_path / "alice.feather", clock=lambda: NOW)
    with truth.writing() as transaction:
        transaction._moment.connection.execute("delete from state")
    with (
        pytest.raises(CorruptStoreError, match="says nothing of itself"),
        truth.reading() as moment,
    ):
        _ = moment.state
    truth.close()
