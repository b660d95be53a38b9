"""What every truth promises of its copies and of equal texts; `TruthContract` has these tests."""
# ruff: noqa: S101, S311 -- these are tests, which run under pytest

from __future__ import annotations

import random
from pathlib import Path

from feather_memory.model.fields import Record
from feather_memory.model.records import TieRecord
from feather_memory.testing.clock import FrozenClock
from feather_memory.testing.replay import NOW, do_something, record, told
from feather_memory.truth.contract import Truth
from feather_memory.write.copying import everything, restore

_TIED = TieRecord(memory_id="later", shelf="notes", key="b", is_whole=False)


class CopyContract:
    """Tests of a Truth's streams, and of what makes the same truth of them."""

    def open_truth(self, place: Path, clock: FrozenClock, tenant: str | None = None) -> Truth:
        """The truth at a place, a folder of its own; made if there is none."""
        raise NotImplementedError

    def open_backup(self, path: Path, clock: FrozenClock) -> Truth:
        """What was backed up to a file."""
        return self.open_truth(path.parent, clock)

    def test_what_it_streams_makes_the_same_of_another(self, truth: Truth, tmp_path: Path) -> None:
        """Memories in their order, supersessions with their times, the log and the shelves."""
        held: dict[str, Record] = {}
        draw = random.Random(5)
        for step in range(60):
            with truth.writing() as transaction:
                do_something(transaction, draw, held, step)
        with truth.writing() as transaction:
            for id_ in held:
                transaction.edges.refresh_end(id_)
                transaction.edges.remove(id_, id_, "next")  # no caller can have made it
            records = transaction.memories.by_ids(held)
            transaction.memories.set_importance({r.id: r.prior for r in records.values()})
            transaction.engagement.log("t1", NOW, [(min(held), 0.5), (max(held), 0.25)])
            transaction.engagement.log("t0", NOW, [])
            transaction.engagement.rename("t1", "message")
            transaction.now = NOW + 100
            transaction.shelves.put("notes", [("b", "1"), ("a", '{"é": 0.1}')])
            transaction.shelves.tie([_TIED, TieRecord(memory_id=min(held), key="later")])
        with truth.reading() as moment:
            kept = list(everything(moment))
            numbers = [row for _, row in sorted(told(moment).items())]
        (tmp_path / "copy").mkdir()
        copy = self.open_truth(tmp_path / "copy", FrozenClock(NOW))
        with copy.writing() as transaction:
            restore(transaction, enumerate(kept, 1))
        with copy.reading() as moment:
            assert list(everything(moment)) == kept
            assert [row for _, row in sorted(told(moment).items())] == numbers
            assert moment.engagement.recalled("message") == ("t1", [min(held), max(held)])
            assert moment.audit.relations() == []
        with copy.writing() as transaction:
            again = restore(transaction, enumerate(kept, 1))
            assert not again.added.total()
            assert transaction.engagement.log("t2", NOW, []) == []
        with copy.reading() as moment:
            assert [turn.name for turn in moment.engagement.turns()] == ["t1", "t0", "t2"]
        copy.close()

    def test_a_backup_is_the_truth_of_one_moment(self, truth: Truth, tmp_path: Path) -> None:
        """Opened as any other."""
        with truth.writing() as transaction:
            transaction.memories.insert([record("a", created_at=transaction.now)])
        (tmp_path / "copy").mkdir()
        truth.backup(path := tmp_path / "copy" / "alice.feather")
        with truth.writing() as transaction:
            transaction.memories.insert([record("b")])
        copy = self.open_backup(path, FrozenClock(NOW))
        with copy.reading() as moment:
            assert [each.id for each in moment.memories.stream()] == ["a"]
        copy.close()

    def test_what_is_held_is_found_by_what_its_text_is_like(self, tmp_path: Path) -> None:
        """Equal but for case and punctuation."""
        truth = self.open_truth(tmp_path, FrozenClock(NOW))
        with truth.writing() as write:
            write.memories.insert([tea := record("a", "Tea!"), record("b", "green tea")])
            assert list(write.memories.alike([record("c", "tea")]).values()) == [[tea]]
            assert write.memories.alike([record("c", "coffee")]) == {}
        truth.close()
