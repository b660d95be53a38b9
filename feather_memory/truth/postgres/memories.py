"""Memories on the server, with the words that they are found by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any

from feather_memory.config import ALIKE
from feather_memory.filters.language import Filter
from feather_memory.model.fields import FIELDS, Record, content_of, filtered_of
from feather_memory.model.memory import Memory
from feather_memory.model.spoken import Anew
from feather_memory.model.words import likeness, tokenizer
from feather_memory.truth.postgres import (
    changes,
    contexts,
    directions,
    shelves,
    successors,
    texts,
    words,
)
from feather_memory.truth.postgres.conditions import necessary
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.postgres.rows import checksum, told_with
from feather_memory.truth.sqlite.memories import record_in, take_row, words_of
from feather_memory.truth.sqlite.vectors import fits, is_first_named
from feather_memory.truth.state import Changes
from feather_memory.types import Seconds

NAMES = ("row", *FIELDS)
"""The columns of a memory, in the order in which rows have them."""

_WRITTEN = (*NAMES, "checksum", "changed")
_INSERT = f"""
    insert into feather.memory (tenant, {", ".join(_WRITTEN)})
    values (%(tenant)s, {", ".join(f"%({name})s" for name in _WRITTEN)})
"""
_REPLACE = f"""
    update feather.memory set {", ".join(f"{name} = %({name})s" for name in _WRITTEN)}
    where tenant = %(tenant)s and id = %(id)s
"""
_MINE = "from feather.memory where tenant = %(tenant)s"
_ALL = f"select {', '.join(NAMES)} {_MINE}"
_BY_ID = f"{_ALL} and id = %(id)s"
_BY_IDS = f"{_ALL} and id = any(%(ids)s) order by id"
_BY_ROWS = f"{_ALL} and row = any(%(rows)s)"
_ROWS_OF = f"select id, row {_MINE} and id = any(%(ids)s) order by id"
_IDS_OF = f"select row, id {_MINE} and row = any(%(rows)s) order by row"
_ARE_REPLACED = f"""
    select id, exists (
        select 1 from feather.edge
        where edge.tenant = %(tenant)s and target = memory.id and type = 'supersedes')
    {_MINE} and id = any(%(ids)s) order by id
"""
_ROWS_OF_KEYS = f"select row, key {_MINE} and key = any(%(keys)s) order by row"
_COUNT = f"select count(*) {_MINE}"
_HOLDERS = f"""
    select id, valid_from {_MINE}
        and key = %(key)s and id <> %(id)s
        and (valid_to is null or valid_to > %(valid_from)s)
        and (%(valid_to)s::float8 is null or valid_from < %(valid_to)s)
        and (valid_to is null or valid_from < valid_to)
    order by valid_from, row
"""
_SUPERSEDES = """
    select source, target from feather.edge
    where tenant = %(tenant)s and type = 'supersedes' and source = any(%(ids)s)
    union
    select source, target from feather.edge
    where tenant = %(tenant)s and type = 'supersedes' and target = any(%(ids)s)
"""
_HAS_VECTORS = f"select 1 {_MINE} and vector is not null limit 1"
_SET_IMPORTANCE = """
    update feather.memory set importance = %(importance)s, changed = %(changed)s
    where tenant = %(tenant)s and id = %(id)s
"""
_AFFIRM = """
    update feather.memory set affirmed = affirmed + %(times)s, affirmed_at = %(at)s,
        affirmed_by = %(by)s, changed = %(changed)s
    where tenant = %(tenant)s and id = %(id)s
"""
_COUNT_RECALL = """
    update feather.memory set recalls = recalls + 1, changed = %(changed)s
    where tenant = %(tenant)s and id = any(%(ids)s)
"""
_NAME = "update feather.state set embedder = %(model)s where tenant = %(tenant)s"
_SPEAK = "update feather.state set language = %(language)s where tenant = %(tenant)s"
_SET_DIMENSION = """
    update feather.state set dimension = %(dimension)s, remade = %(remade)s, snapshot = null
    where tenant = %(tenant)s
"""
_BURY = """
    insert into feather.tombstone (tenant, row, generation)
    select %(tenant)s, gone, %(generation)s from unnest(%(rows)s::bigint[]) as gone
"""
_TOUCH_REPLACED = """
    update feather.memory set changed = %(changed)s
    where tenant = %(tenant)s and id in (
        select old_id from feather.supersession
        where tenant = %(tenant)s and new_id = any(%(ids)s))
"""
_FORGET_QUESTIONS = """
    update feather.turn set vector = null
    where tenant = %(tenant)s and vector is not null and (name = any(%(ids)s) or row in (
        select turn from feather.shown where tenant = %(tenant)s and memory_id = any(%(ids)s)
        union select turn from feather.turn_name where tenant = %(tenant)s and name = any(%(ids)s)))
"""
_DELETE = "delete from feather.memory where tenant = %(tenant)s and row = any(%(rows)s)"
_PAGE = 500
_MOST = 1 << 61


def record_of(row: tuple[Any, ...]) -> Record:
    """The record of a row of `NAMES`, as it is kept here."""
    record = record_in(row)
    record.text = texts.said(record.text)
    return record


@dataclass(frozen=True, slots=True)
class PostgresMemories:
    """The memory table, its words, and what it says of supersessions."""

    moment: Moment

    def find(self, memory_id: str) -> Record | None:
        """The one with that id."""
        row = self.moment.one(_BY_ID, id=memory_id)
        return None if row is None else record_of(row)

    def by_ids(self, ids: Iterable[str]) -> dict[str, Record]:
        """Those that exist, by id."""
        rows = self.moment.asked(_BY_IDS, ids=list(ids))
        return {record.id: record for record in map(record_of, rows)}

    def by_rows(self, rows: Sequence[int]) -> list[Record]:
        """Those in these rows, which exist, in the order asked for."""
        asked = self.moment.asked(_BY_ROWS, rows=_plain(rows)) if len(rows) else []
        found = {row[0]: row for row in asked}
        return [record_of(found[row]) for row in rows]

    def rows_of(self, ids: Iterable[str]) -> dict[str, int]:
        """The rows of those that exist, by id."""
        return dict(self.moment.asked(_ROWS_OF, ids=list(ids)))

    def ids_of(self, rows: Sequence[int]) -> dict[int, str]:
        """The ids of those in these rows, which exist, by row."""
        return dict(self.moment.asked(_IDS_OF, rows=_plain(rows)))

    def known(self, ids: Iterable[str]) -> dict[str, bool]:
        """Whether something has replaced it, by id, for those that exist."""
        return dict(self.moment.asked(_ARE_REPLACED, ids=list(ids)))

    def rows_of_keys(self, keys: Iterable[str]) -> dict[int, str]:
        """The slots of those, past ones too, that have one of these, by row."""
        return dict(self.moment.asked(_ROWS_OF_KEYS, keys=list(keys)))

    def rows_holding(self, text: str) -> list[int]:
        """Rows of all with this text, and of others that differ in case, marks or punctuation."""
        return [row for _, row in self.moment.asked(words.LIKE, likeness=[likeness(text)])]

    def alike(self, records: Sequence[Record]) -> dict[int, list[Record]]:
        """What says what one of these says, by its likeness. They have their words then."""
        asked = [same for same, _ in words_of(records, self.moment.state.language)]
        rows: dict[int, list[int]] = {}
        for same, row in self.moment.asked(words.LIKE, likeness=asked):
            rows.setdefault(same, []).append(row)
        return {same: self.by_rows(each[-ALIKE:]) for same, each in rows.items()}

    def page(self, *, after: int, where: Filter | None) -> list[Record]:
        """Some hundreds that a filter lets through, from the row after `after` on."""
        return list(islice(self._matching(where, after=after), _PAGE))

    def stream(self, where: Filter | None = None) -> Iterator[Record]:
        """All that a filter lets through, oldest row first, as they are needed."""
        return self._matching(where, after=-1)

    def latest(self, count: int, where: Filter | None, *, offset: int = 0) -> list[Record]:
        """The `count` written last that a filter lets through, after the first `offset` of them."""
        first, count = min(offset, _MOST), min(count, _MOST)
        found = self._matching(where, before=_MOST, page=min(first + count, _PAGE))
        return list(islice(found, first, first + count))

    def count(self) -> int:
        """How many there are."""
        counted: int = self.moment.one(_COUNT)[0]
        return counted

    def has_vectors(self) -> bool:
        """Whether any has a vector."""
        return self.moment.one(_HAS_VECTORS) is not None

    def holders(self, record: Record) -> list[tuple[str, Seconds]]:
        """(id, valid_from) of the others that hold the record's key while it is valid."""
        asked = {name: getattr(record, name) for name in ("key", "id", "valid_from", "valid_to")}
        return self.moment.asked(_HOLDERS, **asked)

    def last_turns(
        self, session: str, *, since: Seconds, until: Seconds, without: Collection[int] = ()
    ) -> list[Record]:
        """A session's last turn that is valid from `since` or before, and those until `until`."""
        rows = contexts.last(self.moment, session, since=since, until=until, without=without)
        return sorted(self.by_rows(rows), key=attrgetter("valid_from", "row"))

    def turns_before(
        self, rows: Collection[int], *, without: Collection[int] = ()
    ) -> dict[int, Record]:
        """The turn before each of those in these rows that is a turn and has one, by row."""
        found = contexts.before(self.moment, rows, without=without)
        earlier = self.by_rows(list(found.values()))
        return dict(zip(found, earlier, strict=True))

    def made_with(self, digests: Collection[int]) -> list[Record]:
        """Those whose vectors were made with the text of a turn with one of these digests, too."""
        return self.by_rows(contexts.made_with(self.moment, digests))

    def shown(self, records: Collection[Record]) -> list[Memory]:
        """The records as callers see them, with what they replaced and what replaced them."""
        if not records:
            return []
        ids = [record.id for record in records]
        return told_with(records, self.moment.asked(_SUPERSEDES, ids=ids))

    def changes(self, *, since: int, next_row: int) -> Changes:
        """What a reader must learn that has all rows below `next_row` as of generation `since`."""
        return changes.told(self.moment, since=since, next_row=next_row)

    def buried(self, *, since: int) -> list[int]:
        """Rows that nothing has any more since a generation."""
        return changes.gone(self.moment, since)

    def values_of(self, *names: str, from_row: int) -> list[tuple[Any, ...]]:
        """(row, value of each field), `metadata` as JSON, of all from a row on."""
        if unknown := set(names) - FIELDS.keys():
            raise KeyError(min(unknown))
        told = self.moment.asked(
            f"select {', '.join(('row', *names))} {_MINE} and row >= %(first)s order by row",
            first=from_row,
        )
        if "text" in names:
            at = names.index("text") + 1
            return [(*row[:at], texts.said(row[at]), *row[at + 1 :]) for row in told]
        return told

    # Writing

    def insert(self, records: Sequence[Record]) -> None:
        """Add records whose ids are new, giving each its row."""
        first: Record | None = None
        for record in records:
            if record.vector is not None:
                first = first or record
                self._check_dimension(record, beside=first)
            record.row = take_row(self.moment.state)
        self.moment.each(_INSERT, map(self._values, records))
        self._keep_words(records)
        if self.moment.compares:
            directions.add(self.moment, records)

    def replace(self, old: Record, new: Record) -> None:
        """Put `new` in the place of `old`, of the same id: in a new row if its content differs."""
        if new.vector is not None:
            self._check_dimension(new, beside=new)
        is_same, moment = content_of(new) == content_of(old), self.moment
        new.row = old.row if is_same else take_row(moment.state)
        if not is_same:
            moment.done(_BURY, rows=[old.row], generation=moment.generation)
            if moment.compares:
                moment.done(directions.REMOVE, rows=[old.row])
        moment.done(_REPLACE, **self._values(new))
        if not is_same:
            moment.done(words.REMOVE, rows=[old.row])
            moment.done(successors.REMOVE, rows=[old.row])
            self._keep_words([new])
            if moment.compares:
                directions.add(moment, [new])

    def made_by(self, model: str) -> None:
        """See that vectors are by the model of that name, from the first that is named on."""
        state = self.moment.state
        if state.embedder == model:
            return
        if is_first_named(state, model, has_vectors=self.has_vectors()):
            self.moment.done(_NAME, model=model)

    def without_successor(self, model: str, count: int) -> list[int]:
        """Rows of some that have no vector by the model yet that is to make all anew."""
        return successors.missing(self.moment, model, count)

    def keep_successors(self, model: str, made: Iterable[Anew]) -> bool:
        """Keep vectors by the model that is to make all anew; of what is gone since, none."""
        return successors.keep(self.moment, model, made)

    def drop_successors(self, digests: Collection[int]) -> None:
        """Drop those that were made with the text of a turn with one of these digests, too."""
        successors.drop(self.moment, digests)

    def succeed(self, model: str) -> None:
        """Put the model's vectors in the place of all there were. None may lack one."""
        state = self.moment.state
        state.dimension = successors.succeed(self.moment, model) or state.dimension
        if self.moment.compares:
            directions.rebuild(self.moment)
        state.embedder, state.remade = model, state.remade + 1

    def speak(self, language: str) -> None:
        """Stem the words of what is written from now on in a language. None may be there yet."""
        state = self.moment.state
        state.language = tokenizer(language).language
        self.moment.done(_SPEAK, language=state.language)

    def set_importance(self, importance: Mapping[str, float]) -> None:
        """Write folded importances, by id."""
        changed = self.moment.generation
        self.moment.each(
            _SET_IMPORTANCE,
            (
                {"id": id_, "importance": value, "changed": changed}
                for id_, value in importance.items()
            ),
        )

    def affirm(self, memory_id: str, by: str | None, at: Seconds | None, times: int = 1) -> None:
        """Count that the same was said again, by whom and when last; −1 takes one time back."""
        changed = self.moment.generation
        self.moment.done(_AFFIRM, id=memory_id, by=by, at=at, times=times, changed=changed)

    def count_recall(self, ids: Iterable[str]) -> None:
        """Count one more turn in which each was shown."""
        self.moment.done(_COUNT_RECALL, ids=list(ids), changed=self.moment.generation)

    def delete(self, records: Sequence[Record]) -> None:
        """Remove them, and by foreign key all that hangs on them; to erase them is owed then."""
        moment = self.moment
        rows, ids = [each.row for each in records], [each.id for each in records]
        moment.done(words.REMOVE, rows=rows)
        moment.done(successors.REMOVE, rows=rows)
        moment.done(shelves.UNTIE_MEMORIES, ids=ids)
        moment.done(_FORGET_QUESTIONS, ids=ids)
        moment.done(_TOUCH_REPLACED, ids=ids, changed=moment.generation)
        moment.done(_BURY, rows=rows, generation=moment.generation)
        moment.done(_DELETE, rows=rows)
        moment.state.owed += 1

    def _matching(
        self, where: Filter | None, *, after: int = -1, before: int | None = None, page: int = _PAGE
    ) -> Iterator[Record]:
        """What a filter lets through: upwards from a row, or downwards from another."""
        condition, values = necessary(where)
        begun, order = ("row > %(at)s", "") if before is None else ("row < %(at)s", "desc")
        at, size = after if before is None else before, page
        while True:
            rows = self.moment.asked(
                f"{_ALL} and {begun} and {condition} order by row {order} limit {size}",
                at=at,
                **values,
            )
            for record in map(record_of, rows):
                if where is None or where.matches(filtered_of(record)):
                    yield record
            if len(rows) < size:
                return
            at, size = rows[-1][0], _PAGE

    def _keep_words(self, records: Sequence[Record]) -> None:
        kept = zip(records, words_of(records, self.moment.state.language), strict=True)
        self.moment.each(words.ADD, (words.told(each.row, told) for each, told in kept))

    def _values(self, record: Record) -> dict[str, object]:
        values: dict[str, object] = {name: getattr(record, name) for name in NAMES}
        values["text"] = texts.kept(record.text)
        values["checksum"] = checksum(record.text, record.metadata, record.vector)
        values["changed"] = self.moment.generation
        return values

    def _check_dimension(self, record: Record, *, beside: Record) -> None:
        state = self.moment.state
        if len(record.vector or b"") // 4 == state.dimension:
            return
        if not fits(state, record, beside=beside, has_vectors=self.has_vectors()):
            self.moment.done(_SET_DIMENSION, dimension=state.dimension, remade=state.remade)


def _plain(rows: Iterable[int]) -> list[int]:
    """As Python's own numbers: some are numpy's."""
    return list(map(int, rows))
