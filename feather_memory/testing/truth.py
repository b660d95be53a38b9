"""What every truth promises, as tests to subclass.

class TestMyTruth(TruthContract):
    def open_truth(self, place, clock, tenant=None):
        return MyTruth(place / "alice", clock=clock, tenant=tenant)
"""
# ruff: noqa: S101, S311 -- these are tests, which run under pytest

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from feather_memory.checks import when
from feather_memory.errors import ClosedStoreError, DimensionError, WrongTenantError
from feather_memory.filters.language import F
from feather_memory.model.fields import Record
from feather_memory.model.memory import EdgeType, Signal, SignalKind
from feather_memory.testing.clock import FrozenClock
from feather_memory.testing.copies import CopyContract
from feather_memory.testing.replay import (
    NOW,
    Replayed,
    do_something,
    linked,
    record,
    said,
    superseded,
    told,
    vector,
)
from feather_memory.testing.truth_turns import TurnsContract
from feather_memory.truth.contract import Truth, WriteTransaction


class TruthContract(CopyContract, TurnsContract):
    """Tests of a Truth. Each has one of its own, at a place that is empty."""

    def open_truth(self, place: Path, clock: FrozenClock, tenant: str | None = None) -> Truth:
        """The truth at a place, a folder of its own; made if there is none."""
        raise NotImplementedError

    @pytest.fixture
    def truth(self, tmp_path: Path) -> Iterator[Truth]:
        """An empty one, whose audit finds nothing afterwards."""
        opened = self.open_truth(tmp_path, FrozenClock(NOW))
        yield opened
        if opened.is_open:
            with opened.reading() as moment:
                assert moment.audit.structure() == []
                assert moment.audit.relations() == []
                assert moment.audit.rows() == []
            opened.close()

    # Opened, rested, woken, closed

    def test_what_was_written_is_there_when_it_is_opened_again(
        self, truth: Truth, tmp_path: Path
    ) -> None:
        """And by another that is open at the same time."""
        other = self.open_truth(tmp_path, FrozenClock(NOW))
        with truth.writing() as transaction:
            transaction.memories.insert([record("a", vector=vector(1, 2))])
        with other.reading() as moment:
            assert moment.memories.find("a") == record("a", vector=vector(1, 2))
        other.close()
        truth.close()
        again = self.open_truth(tmp_path, FrozenClock(NOW))
        with again.reading() as moment:
            assert [each.id for each in moment.memories.stream()] == ["a"]
            assert (moment.state.generation, moment.state.dimension) == (1, 2)
        again.close()

    def test_one_that_rests_wakes_at_its_next_use_and_one_that_is_closed_does_not(
        self, truth: Truth
    ) -> None:
        """Both may be said twice."""
        truth.rest()
        truth.rest()
        assert [truth.is_open, truth.is_resting] == [True, True]
        with truth.writing() as transaction:
            transaction.memories.insert([record("a")])
        assert not truth.is_resting
        truth.close()
        truth.close()
        assert not truth.is_open
        with pytest.raises(ClosedStoreError), truth.reading():
            pass

    def test_it_belongs_to_the_tenant_it_was_made_for(self, tmp_path: Path) -> None:
        """And is opened for no other: they are refused, or have an empty one of their own."""
        made = self.open_truth(tmp_path, FrozenClock(NOW), "alice")
        assert made.tenant == "alice"
        with made.writing() as transaction:
            transaction.memories.insert([record("a")])
        made.close()
        with suppress(WrongTenantError):
            other = self.open_truth(tmp_path, FrozenClock(NOW), "bob")
            with other.reading() as moment:
                assert (other.tenant, moment.memories.count()) == ("bob", 0)
            other.close()

    # Transactions

    def test_a_write_that_fails_leaves_no_trace(self, truth: Truth) -> None:
        """Neither a row nor a dimension, nor a generation."""

        def fail(transaction: WriteTransaction) -> None:
            transaction.memories.insert([record("a", vector=vector(1, 2, 3))])
            transaction.shelves.put("notes", [("k", "1")])
            raise KeyError("on purpose")

        with pytest.raises(KeyError), truth.writing() as transaction:
            fail(transaction)
        with truth.reading() as moment:
            assert moment.memories.count() == 0
            assert moment.shelves.names() == []
            assert (moment.state.generation, moment.state.dimension) == (0, None)
        with truth.writing() as transaction:
            transaction.memories.insert([record("a", vector=vector(1, 2))])
        with truth.reading() as moment:
            assert moment.state.dimension == 2

    def test_a_part_that_fails_takes_nothing_else_with_it(self, truth: Truth) -> None:
        """A write within a write of the same thread is a part of it."""

        def fail(part: WriteTransaction) -> None:
            part.memories.insert([record("b", vector=vector(1))])
            raise KeyError("on purpose")

        with truth.writing() as whole:
            whole.memories.insert([record("a")])
            with pytest.raises(KeyError), truth.writing() as part:
                fail(part)
            whole.memories.insert([record("c", vector=vector(1, 2))])
        with truth.reading() as moment:
            assert [each.id for each in moment.memories.stream()] == ["a", "c"]
            assert (moment.state.generation, moment.state.dimension) == (1, 2)

    def test_a_reader_sees_one_moment_until_it_is_moved_to_the_present(self, truth: Truth) -> None:
        """Whatever others write meanwhile."""
        with truth.reading() as moment:
            before = moment.state.generation
            assert moment.memories.count() == 0
            with truth.writing() as transaction:
                transaction.memories.insert([record("a")])
            assert (moment.memories.count(), moment.state.generation) == (0, before)
            moment.refresh()
            assert (moment.memories.count(), moment.state.generation) == (1, before + 1)

    def test_what_is_written_is_dated_by_the_clock(self, tmp_path: Path) -> None:
        """The one it was opened with."""
        clock = FrozenClock(NOW)
        truth = self.open_truth(tmp_path, clock)
        with truth.writing() as transaction:
            assert transaction.now == truth.now() == NOW
        clock.advance(seconds=60)
        with truth.writing() as transaction:
            assert transaction.now == NOW + 60
        truth.close()

    # Memories

    def test_rows_go_up_and_none_is_used_twice(self, truth: Truth) -> None:
        """New content is a new row; other news of a memory is not."""
        old, new = record("a"), record("a", "coffee")
        with truth.writing() as transaction:
            transaction.memories.insert([old, record("b")])
            transaction.memories.delete([transaction.memories.by_ids(["b"])["b"]])
        with truth.writing() as transaction:
            transaction.memories.replace(old, new)
            assert new.row > old.row + 1
            more = record("a", "coffee", prior=0.9, importance=0.9)
            transaction.memories.replace(new, more)
            assert more.row == new.row
        with truth.reading() as moment:
            assert moment.memories.rows_of(["a", "b"]) == {"a": new.row}
            assert moment.memories.rows_holding("tea") == []
            assert moment.memories.rows_holding("coffee") == [new.row]

    def test_a_vector_of_another_length_is_refused(self, truth: Truth) -> None:
        """By whoever writes it, with both numbers."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("a", vector=vector(1, 2))])
        with pytest.raises(DimensionError, match=r"2 .* 3"), truth.writing() as transaction:
            transaction.memories.insert([record("b", vector=vector(1, 2, 3))])

    def test_whoever_asks_for_changes_knows_all_that_there_is(self, truth: Truth) -> None:
        """Whatever was done, and however often they asked."""
        draw, knows, seldom = random.Random(7), Replayed(), Replayed()
        held: dict[str, Record] = {}
        for step in range(120):
            with truth.writing() as transaction:
                do_something(transaction, draw, held, step)
            with truth.reading() as moment:
                for each in (knows, seldom) if step % 17 == 0 else (knows,):
                    each.catch_up(moment)
                    assert each.known == told(moment)
                    assert each.words == said(moment)
                    assert each.superseded == superseded(moment)
                    assert each.edges == linked(moment) == {*moment.edges.every()}

    def test_filters_let_through_what_they_match(self, truth: Truth) -> None:
        """In pages, all at once, and the latest first."""
        where = (F("n") > 3) | (F("session") == "s1")
        with truth.writing() as transaction:
            transaction.memories.insert(
                [
                    record(f"m{n}", metadata=f'{{"n":{n}}}', session="s1" if n == 1 else None)
                    for n in range(8)
                ]
            )
        expected = ["m1", "m4", "m5", "m6", "m7"]
        with truth.reading() as moment:
            memories = moment.memories
            assert [each.id for each in memories.stream(where)] == expected
            assert [each.id for each in memories.latest(2, where)] == ["m7", "m6"]
            assert [each.id for each in memories.latest(2, where, offset=1)] == ["m6", "m5"]
            page = memories.page(after=0, where=where)
            assert [each.id for each in page] == expected
            assert memories.page(after=page[-1].row, where=where) == []
            assert memories.values_of("metadata", from_row=page[-1].row) == [
                (page[-1].row, '{"n":7}')
            ]

    # Edges and supersessions

    def test_what_replaces_closes_and_what_is_undone_never_was(self, truth: Truth) -> None:
        """The edge, the supersession and the end go together."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("a"), record("b"), record("c")])
            transaction.edges.supersede("b", "a", holds_from=NOW + 5, recorded_at=NOW)
            transaction.edges.supersede("c", "b", holds_from=NOW + 9, recorded_at=NOW)
        with truth.reading() as moment:
            edges = moment.edges
            assert sorted(edges.chain("b")) == ["a", "b", "c"]
            assert edges.replaces("c", "a")
            assert not edges.replaces("a", "c")
            assert edges.end_of("a") == NOW + 5
            assert edges.closings("a") == [(NOW, NOW + 5)]
            assert edges.standing("a", NOW + 6) == ["b"]
            assert edges.successors(["b"], NOW + 6) == ["c"]
            (shown,) = moment.memories.shown(list(moment.memories.by_ids(["b"]).values()))
            assert (shown.supersedes, shown.superseded_by) == (("a",), ("c",))
        with truth.writing() as transaction:
            assert transaction.edges.unsupersede("a", "b")
            assert not transaction.edges.unsupersede("a", None)
        with truth.reading() as moment:
            assert moment.edges.end_of("a") is None
            assert not moment.edges.is_superseded("a")
            assert moment.edges.find("b", "a", EdgeType.SUPERSEDES) is None

    def test_what_is_withheld_holds_no_more_until_it_is_released(self, truth: Truth) -> None:
        """Nothing has replaced it; and it is found by what its text is like."""
        with truth.writing() as write:
            write.memories.insert([record("a", "Tea!")])
            write.edges.withhold("a", holds_from=NOW + 5, recorded_at=NOW)
            ended = write.edges.end_of("a"), write.edges.release("a", holds_from=0, recorded_at=NOW)
            assert (*ended, write.edges.end_of("a")) == (NOW + 5, True, None)

    def test_linking_again_changes_the_weight(self, truth: Truth) -> None:
        """There is one edge a type between two memories."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("a"), record("b")])
            transaction.edges.put("a", "b", "next", 0.5, NOW)
            again = transaction.edges.put("a", "b", "next", 0.25, NOW + 1)
            assert (again.weight, again.created_at) == (0.25, when(NOW))
        with truth.reading() as moment:
            assert [edge.weight for edge in moment.edges.touching(["b"])] == [0.25]

    def test_what_is_deleted_takes_all_with_it_but_what_it_had_replaced(self, truth: Truth) -> None:
        """A stale fact stays retired."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("old"), record("new"), record("other")])
            transaction.edges.supersede("new", "old", holds_from=NOW, recorded_at=NOW)
            transaction.edges.put("other", "new", "supports", 1.0, NOW)
            transaction.engagement.log("t1", NOW, [("new", 1.0), ("other", 0.5)])
            transaction.engagement.append([_liked("e1", "new")])
            assert transaction.engagement.count(["new"]) == (1, 1)
        with truth.writing() as transaction:
            transaction.memories.delete(list(transaction.memories.by_ids(["new"]).values()))
        with truth.reading() as moment:
            assert moment.edges.touching(["old", "other"]) == []
            assert moment.engagement.signal("e1") is None
            assert moment.engagement.recalled("t1") == ("t1", ["other"])
            assert moment.edges.is_superseded("old")
            assert moment.edges.end_of("old") == NOW

    # Recall log, signals, shelves

    def test_a_delete_is_owed_to_be_erased_until_it_is(self, truth: Truth) -> None:
        """And says which rows are gone."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("a"), record("b")])
            transaction.shelves.put("s", [("k", "1")])
        with truth.writing() as transaction:
            since = transaction.state.generation
            gone = transaction.memories.by_ids(["a"])["a"]
            transaction.memories.delete([gone])
            assert transaction.state.owed == 1
            transaction.shelves.discard("s", ["k", "other"])
            assert transaction.state.owed == 2
        truth.erase()
        with truth.reading() as moment:
            assert moment.state.owed == 0
            assert moment.memories.buried(since=since) == [gone.row]
            assert moment.memories.buried(since=moment.state.generation) == []

    def test_a_turn_is_known_by_all_its_names_and_shows_each_memory_once(
        self, truth: Truth
    ) -> None:
        """What a later recall of it shows comes after."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("a"), record("b"), record("c")])
            engagement = transaction.engagement
            assert engagement.log("t1", NOW, [("b", 1.0), ("a", 0.5)]) == ["b", "a"]
            assert engagement.rename("t1", "message")
            assert engagement.log("message", NOW, [("a", 1.0), ("c", 0.1)]) == ["c"]
            assert engagement.log("t2", NOW, []) == []
            assert not engagement.rename("t2", "message")
            assert not engagement.rename("nothing", "name")
        with truth.reading() as moment:
            assert moment.engagement.recalled("message") == ("t1", ["b", "a", "c"])
            assert moment.engagement.turn("message") == "t1"
            assert moment.engagement.recalled("nothing") is None

    def test_a_signal_counts_once_and_what_is_taken_back_stays_in_the_log(
        self, truth: Truth
    ) -> None:
        """By its event."""
        first, second = _liked("e:a", "a", turn="t1"), _liked("e:b", "b")
        with truth.writing() as transaction:
            transaction.memories.insert([record("a"), record("b")])
            assert transaction.engagement.append([first, second]) == [first, second]
            assert transaction.engagement.append([first]) == []
            assert transaction.engagement.retract("e:a", NOW)
            assert not transaction.engagement.retract("e:a", NOW)
        with truth.reading() as moment:
            engagement = moment.engagement
            assert engagement.signals_of(["a", "b"])["b"] == [second]
            assert [each.retracted for each in engagement.signals_of_event("e")] == [True, False]
            assert [s.event_id for s in engagement.signals_of_turn("t1", SignalKind.LIKED)] == [
                "e:a"
            ]

    def test_shelves_keep_the_order_of_insertion(self, truth: Truth) -> None:
        """What replaces another value keeps its place."""
        with truth.writing() as transaction:
            transaction.shelves.put("notes", [("b", "1"), ("a", "2"), ("c", "3")])
            transaction.shelves.put("notes", [("b", "4")])
            assert transaction.shelves.discard("notes", ["c", "gone"]) == 1
        with truth.reading() as moment:
            assert moment.shelves.every("notes") == [("b", "4"), ("a", "2")]
            assert moment.shelves.keys("notes") == ["b", "a"]
            assert moment.shelves.last("notes", 1) == [("a", "2")]
            assert moment.shelves.last("notes", 9) == [("a", "2"), ("b", "4")]
            assert (moment.shelves.find("notes", "a"), moment.shelves.count("notes")) == ("2", 2)
            assert moment.shelves.names() == ["notes"]

    # The whole

    def test_it_says_how_much_was_written(self, truth: Truth, tmp_path: Path) -> None:
        """Whoever wrote it, and as soon as it is committed."""
        other = self.open_truth(tmp_path, FrozenClock(NOW))
        assert truth.generation() == 0
        with other.writing() as transaction:
            transaction.memories.insert([record("a")])
            assert truth.generation() == 0
        assert truth.generation() == other.generation() == 1
        other.close()
        with pytest.raises(ClosedStoreError):
            other.generation()

    def test_it_counts_what_it_holds(self, truth: Truth) -> None:
        """Current is what holds now."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("a", session="s1"), record("b", session="s1")])
            transaction.edges.supersede("b", "a", holds_from=NOW, recorded_at=NOW)
        expected: Mapping[str, int] = {
            "memories": 2, "current": 1, "superseded": 1, "edges": 1, "signals": 0, "recalls": 0,
            "sessions": 1,
        }  # fmt: skip
        with truth.reading() as moment:
            assert moment.audit.counts(NOW) == expected


def _liked(event_id: str, memory_id: str, turn: str | None = None) -> Signal:
    kind, at = SignalKind.LIKED, when(NOW)
    return Signal(event_id=event_id, memory_id=memory_id, kind=kind, at=at, turn=turn)
