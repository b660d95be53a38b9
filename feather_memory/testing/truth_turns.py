"""What every truth promises of conversations: a part of its contract."""
# ruff: noqa: S101 -- these are tests, which run under pytest

from __future__ import annotations

from typing import Any

from feather_memory.model.fields import Record
from feather_memory.model.spoken import Anew
from feather_memory.testing.replay import NOW, record, vector
from feather_memory.truth.contract import Truth


class TurnsContract:
    """Tests of turns; `TruthContract` has them, and the fixture."""

    def test_the_turn_before_is_the_last_of_its_session_by_time_then_by_writing(
        self, truth: Truth
    ) -> None:
        """What has a key, or nobody speaks, is no turn."""
        with truth.writing() as transaction:
            transaction.memories.insert(
                [
                    _turn("c", 3),
                    _turn("a", 1),
                    _turn("b", 3),
                    _turn("other", 2, session="t"),
                    _turn("kept", 2, key="k"),
                    _turn("noted", 2, actor=None),
                    _turn("d", 4, actor=None, role="user"),
                ]
            )
        with truth.reading() as moment:
            memories, rows = moment.memories, moment.memories.rows_of("abcd")

            def last(since: float, until: float, *without: str) -> list[str]:
                told = memories.last_turns(
                    "s", since=NOW + since, until=NOW + until, without=[rows[x] for x in without]
                )
                return [each.id for each in told]

            def before(*without: str) -> dict[str, str]:
                told = memories.turns_before(
                    list(memories.rows_of(["a", "b", "c", "d", "other", "kept"]).values()),
                    without=[rows[x] for x in without],
                )
                return {memories.ids_of([row])[row]: each.id for row, each in told.items()}

            assert last(0, 0) == []
            assert last(2, 2) == ["a"]
            assert last(3, 3) == ["b"]
            assert last(1, 4) == ["a", "c", "b", "d"]
            assert last(3, 4, "b", "a") == ["c", "d"]
            assert before() == {"c": "a", "b": "c", "d": "b"}
            assert before("c", "a") == {"d": "b"}

    def test_vectors_that_hold_a_turn_are_found_by_its_digest(self, truth: Truth) -> None:
        """Those that another model made of it are dropped, and of what is gone none is kept."""
        one, other = -(2**63), 2**63 - 1
        with truth.writing() as transaction:
            memories = transaction.memories
            memories.insert([record("a"), record("b"), record("c"), record("d")])
            for id_, digest in (("b", one), ("c", other)):
                old = memories.by_ids([id_])[id_]
                memories.replace(old, record(id_, vector=vector(1, 2), context=digest))
            assert [each.id for each in memories.made_with([one])] == ["b"]
            assert [each.id for each in memories.made_with([one, other, 0])] == ["b", "c"]
            rows = memories.rows_of("abcd")
            assert sorted(memories.without_successor("new", 9)) == sorted(rows.values())
            made = [
                Anew(row=rows["a"], spoken="", vector=vector(1)),
                Anew(row=rows["b"], spoken="", vector=vector(2), context=one),
                Anew(row=rows["c"], spoken="", vector=vector(3), context=other),
                Anew(row=rows["d"], spoken="", vector=vector(4), context=other, follows=10**6),
            ]
            assert memories.keep_successors("new", made)
            assert memories.without_successor("new", 9) == [rows["d"]]
            memories.drop_successors([one])
            assert sorted(memories.without_successor("new", 9)) == sorted([rows["b"], rows["d"]])
            again = [Anew(row=rows[id_], spoken="", vector=vector(5)) for id_ in "bd"]
            assert memories.keep_successors("new", again)
            memories.succeed("new")
        with truth.reading() as moment:
            found = moment.memories.by_ids("abcd")
            assert [found[id_].context for id_ in "abcd"] == [None, None, other, None]
            assert [found[id_].vector for id_ in "abcd"] == [vector(n) for n in (1, 5, 3, 5)]


def _turn(id_: str, after: float, **fields: Any) -> Record:
    said = {"session": "s", "actor": "ann", "valid_from": NOW + after}
    return record(id_, **{**said, **fields})
