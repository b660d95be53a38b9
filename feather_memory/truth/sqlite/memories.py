"""Memories in the file, with the words that they are found by."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from feather_memory.checks import FIRST, LAST
from feather_memory.config import ALIKE
from feather_memory.filters.language import Filter
from feather_memory.filters.sql import to_sql
from feather_memory.model.fields import (
    DECODERS,
    FIELDS,
    UNSAID,
    Record,
    content_of,
)
from feather_memory.model.memory import Memory, shown
from feather_memory.model.spoken import Anew
from feather_memory.model.words import likeness, tokenizer
from feather_memory.truth.sqlite import changes, contexts, engagement, successors, sums, words
from feather_memory.truth.sqlite.moment import Moment
from feather_memory.truth.sqlite.shelves import UNTIE_MEMORY
from feather_memory.truth.sqlite.vectors import fits, is_first_named
from feather_memory.truth.state import Changes, DamagedRowError, State, may_be_superseded
from feather_memory.types import Seconds

_NAMES = ("row", *FIELDS)
_LISTED = ", ".join(_NAMES)  # as they are written
_SAID = {name: f"coalesce({name}, '{unsaid}')" for name, unsaid in UNSAID.items()}
_READ = ", ".join(_SAID.get(name, name) for name in _NAMES)
_VALUES, _SUMMED = attrgetter(*_NAMES), itemgetter(*map(_NAMES.index, sums.MEMORY))

_INSERT = f"""
    insert into memory ({_LISTED}, checksum, changed)
    values ({", ".join("?" for _ in _NAMES)}, ?, ?)
"""
_REPLACE = f"""
    update memory set {", ".join(f"{name} = ?" for name in _NAMES)}, checksum = ?, changed = ?
    where id = ?
"""
# Memories that are shown are decoded when somebody reads them, when it is too late to say that the
# file is damaged: SQLite looks at that, at a twentieth of what decoding takes.
_TIMES = [name for name, field in FIELDS.items() if field.kind == "time"]
_TIMELY = " and ".join(f"coalesce({name}, 0) between {FIRST} and {LAST}" for name in _TIMES)
_DECODABLE = f"json_valid(metadata) and {_TIMELY} and typeof(vector) in ('blob', 'null')"
_SOUND = _READ.replace("metadata", f"case when {_DECODABLE} then metadata end")
_ALL = f"select {_SOUND} from memory"
_BY_ID = f"{_ALL} where id = ?"
_BY_ROWS = f"{_ALL} where row in (select value from json_each(?))"
_BY_IDS = f"{_ALL} where id in (select value from json_each(?))"
_ROW_OF = "select id, row from memory where id = ?"
_ROWS_OF = "select id, row from memory where id in (select value from json_each(?))"
_IDS_OF = "select row, id from memory where row in (select value from json_each(?))"
_ARE_REPLACED = """
    select id, exists (select 1 from edge where target = memory.id and type = 'supersedes')
    from memory where id in (select value from json_each(?))
"""
_ALIKE = "select likeness, row from words where likeness in (select value from json_each(?))"
_ROWS_OF_KEYS = "select row, key from memory where key in (select value from json_each(?))"
_SUMMED_OF = f"""
    select {", ".join(sums.MEMORY)} from memory where id in (select value from json_each(?))
"""
_RECALLS = sums.MEMORY.index("recalls") - 1  # behind the row
_SEAL = "update memory set checksum = ? where row = ?"
_SET_IMPORTANCE = "update memory set importance = ?, changed = ? where id = ?"
_AFFIRM = """
    update memory set affirmed = affirmed + ?, affirmed_at = ?, affirmed_by = ?, changed = ?
    where id = ?
"""
_COUNT_RECALL = "update memory set recalls = ?, checksum = ?, changed = ? where row = ?"
_HOLDERS = """
    select id, valid_from from memory
    where key = :key and id <> :id
      and (valid_to is null or valid_to > :valid_from)
      and (:valid_to is null or valid_from < :valid_to)
      and (valid_to is null or valid_from < valid_to)
    order by valid_from, row
"""
_HAS_VECTORS = "select 1 from memory where vector is not null limit 1"
_SET_DIMENSION = "update state set dimension = ?, embedder = ?, remade = ?, snapshot = null"
_REPLACED_BY = "select rowid from supersession where new_id = ?"
_PAGE = 500
_MOST = 1 << 62  # SQLite counts to 2^63


def record_in(row: tuple[Any, ...]) -> Record:
    """The record of a row that was selected with `listed`.

    Raises:
        DamagedRowError: Its metadata was found to be no JSON, or a time or the vector none.
    """
    record = Record(**dict(zip(_NAMES, row, strict=True)))
    if record.metadata is None:
        raise DamagedRowError(f"metadata of {record.id!r} is no JSON, or a time or vector is none")
    return record


def words_of(records: Sequence[Record], language: str) -> list[tuple[int, bytes]]:
    """The likeness and the words of each, made once."""
    keep, kept = tokenizer(language).kept, []
    for each in records:
        if (told := each.words) is None:
            told = each.words = keep(each.text, each.actor)
        kept.append(told)
    return kept


def listed() -> str:
    """The columns of `record_in`, in their order."""
    return _READ


def _condition(where: Filter | None) -> tuple[str, Sequence[object]]:
    return ("1", ()) if where is None else to_sql(where)


def take_row(state: State) -> int:
    """The next row there is, which nothing else will ever have."""
    state.next_row += 1
    return state.next_row - 1


@dataclass(frozen=True, slots=True)
class SqliteMemories:
    """The memory table, its words, and what it says of supersessions."""

    moment: Moment

    def find(self, memory_id: str) -> Record | None:
        """The one with that id."""
        row = self.moment.connection.execute(_BY_ID, (memory_id,)).fetchone()
        return None if row is None else record_in(row)

    def by_ids(self, ids: Iterable[str]) -> dict[str, Record]:
        """Those that exist, by id."""
        rows = self.moment.connection.execute(_BY_IDS, (json.dumps(list(ids)),))
        return {record.id: record for record in map(record_in, rows)}

    def by_rows(self, rows: Sequence[int]) -> list[Record]:
        """Those in these rows, which exist, in the order asked for."""
        asked = self.moment.connection.execute(_BY_ROWS, (json.dumps(rows),))
        found = {row[0]: row for row in asked}
        return [record_in(found[row]) for row in rows]

    def rows_of(self, ids: Iterable[str]) -> dict[str, int]:
        """The rows of those that exist, by id."""
        asked = list(ids)
        told = (_ROW_OF, asked) if len(asked) == 1 else (_ROWS_OF, (json.dumps(asked),))
        return dict(self.moment.connection.execute(*told).fetchall())

    def ids_of(self, rows: Sequence[int]) -> dict[int, str]:
        """The ids of those in these rows, which exist, by row."""
        return dict(self.moment.connection.execute(_IDS_OF, (json.dumps(rows),)).fetchall())

    def known(self, ids: Iterable[str]) -> dict[str, bool]:
        """Whether something has replaced it, by id, for those that exist."""
        rows = self.moment.connection.execute(_ARE_REPLACED, (json.dumps(list(ids)),))
        return {id_: bool(is_replaced) for id_, is_replaced in rows}

    def rows_of_keys(self, keys: Iterable[str]) -> dict[int, str]:
        """The slots of those, past ones too, that have one of these, by row."""
        asked = self.moment.connection.execute(_ROWS_OF_KEYS, (json.dumps(list(keys)),))
        return dict(asked.fetchall())

    def rows_holding(self, text: str) -> list[int]:
        """Rows of all with this text, and of others that differ in case or punctuation."""
        rows = self.moment.connection.execute(words.LIKE, (likeness(text),))
        return [row for _, row in rows]

    def alike(self, records: Sequence[Record]) -> dict[int, list[Record]]:
        """What says what one of these says, by its likeness. They have their words then."""
        asked, one = [same for same, _ in words_of(records, self.moment.state.language)], words.LIKE
        told = (one, (asked[0],)) if len(asked) == 1 else (_ALIKE, (json.dumps(asked),))
        rows: dict[int, list[int]] = {}
        for same, row in sorted(self.moment.connection.execute(*told), key=itemgetter(1)):
            rows.setdefault(same, []).append(row)
        return {same: self.by_rows(each[-ALIKE:]) for same, each in rows.items()}

    def page(self, *, after: int, where: Filter | None) -> list[Record]:
        """Some hundreds that a filter lets through, from the row after `after` on."""
        condition, values = _condition(where)
        rows = self.moment.connection.execute(
            f"{_ALL} where row > ? and {condition} order by row limit {_PAGE}", (after, *values)
        )
        return [record_in(row) for row in rows]

    def stream(self, where: Filter | None = None) -> Iterator[Record]:
        """All that a filter lets through, oldest row first, as they are needed."""
        condition, values = _condition(where)
        rows = self.moment.connection.execute(f"{_ALL} where {condition} order by row", values)
        return map(record_in, rows)

    def latest(self, count: int, where: Filter | None, *, offset: int = 0) -> list[Record]:
        """The `count` written last that a filter lets through, after the first `offset` of them."""
        condition, values = _condition(where)
        rows = self.moment.connection.execute(
            f"{_ALL} where {condition} order by row desc limit ? offset ?",
            (*values, min(count, _MOST), min(offset, _MOST)),
        )
        return [record_in(row) for row in rows]

    def count(self) -> int:
        """How many there are."""
        counted: int = self.moment.connection.execute("select count(*) from memory").fetchone()[0]
        return counted

    def has_vectors(self) -> bool:
        """Whether any has a vector."""
        return self.moment.connection.execute(_HAS_VECTORS).fetchone() is not None

    def holders(self, record: Record) -> list[tuple[str, Seconds]]:
        """(id, valid_from) of the others that hold the record's key while it is valid."""
        asked = {name: getattr(record, name) for name in ("key", "id", "valid_from", "valid_to")}
        return self.moment.connection.execute(_HOLDERS, asked).fetchall()

    def last_turns(
        self, session: str, *, since: Seconds, until: Seconds, without: Collection[int] = ()
    ) -> list[Record]:
        """A session's last turn that is valid from `since` or before, and those until `until`."""
        at = self.moment.connection
        rows = contexts.last(at, session, since=since, until=until, without=without)
        return sorted(self.by_rows(rows), key=attrgetter("valid_from", "row"))

    def turns_before(
        self, rows: Collection[int], *, without: Collection[int] = ()
    ) -> dict[int, Record]:
        """The turn before each of those in these rows that is a turn and has one, by row."""
        found = contexts.before(self.moment.connection, rows, without=without)
        earlier = self.by_rows(list(found.values()))
        return dict(zip(found, earlier, strict=True))

    def made_with(self, digests: Collection[int]) -> list[Record]:
        """Those whose vectors were made with the text of a turn with one of these digests, too."""
        return self.by_rows(contexts.made_with(self.moment.connection, digests))

    def shown(self, records: Collection[Record]) -> list[Memory]:
        """The records as callers see them, with what they replaced and what replaced them."""
        if not records:
            return []
        new: dict[str, tuple[str, ...]] = {}
        old: dict[str, tuple[str, ...]] = {}
        ids = json.dumps([record.id for record in records])
        for source, target in sorted(
            self.moment.connection.execute(changes.SUPERSEDES, {"ids": ids})
        ):
            new[source] = (*new.get(source, ()), target)
            old[target] = (*old.get(target, ()), source)
        told = [(each, new.get(each.id, ()), old.get(each.id, ())) for each in records]
        return shown(told, DECODERS)

    def changes(self, *, since: int, next_row: int) -> Changes:
        """What a reader must learn that has all rows below `next_row` as of generation `since`."""
        asked, known = self.moment.connection.execute, (since, next_row)
        appended = asked(changes.APPENDED, known).fetchall()
        touched = asked(changes.TOUCHED, known).fetchall() if since else []
        gone = self.buried(since=since) if since else []
        if not may_be_superseded(appended, touched, gone):  # to ask costs as much as all the others
            return Changes(appended, touched, gone, [])
        told = (changes.SUPERSEDED_SINCE, {"since": since}) if since else (changes.SUPERSEDED,)
        return Changes(appended, touched, gone, asked(*told).fetchall())

    def buried(self, *, since: int) -> list[int]:
        """Rows that nothing has any more since a generation."""
        return [row for (row,) in self.moment.connection.execute(changes.GONE, (since,))]

    def values_of(self, *names: str, from_row: int) -> list[tuple[Any, ...]]:
        """(row, value of each field), `metadata` as JSON, of all from a row on."""
        if unknown := set(names) - FIELDS.keys():
            raise KeyError(min(unknown))
        columns = ", ".join(_SAID.get(name, name) for name in names)
        return self.moment.connection.execute(
            f"select row, {columns} from memory where row >= ? order by row", (from_row,)
        ).fetchall()

    # Writing

    def insert(self, records: Sequence[Record]) -> None:
        """Add records whose ids are new, giving each its row."""
        first: Record | None = None
        for record in records:
            if record.vector is not None:
                first = first or record
                self._check_dimension(record, beside=first)
            record.row = take_row(self.moment.state)
        connection = self.moment.connection
        connection.executemany(_INSERT, map(self._values, records))
        self._keep_words(records)

    def replace(self, old: Record, new: Record) -> None:
        """Put `new` in the place of `old`, of the same id: in a new row if its content differs."""
        if new.vector is not None:
            self._check_dimension(new, beside=new)
        connection = self.moment.connection
        is_same = content_of(new) == content_of(old)
        new.row = old.row if is_same else take_row(self.moment.state)
        if not is_same:
            connection.execute(changes.BURY, (old.row, self.moment.generation))
        connection.execute(_REPLACE, (*self._values(new), new.id))
        if not is_same:
            connection.execute(words.REMOVE, (old.row,))
            connection.execute(successors.REMOVE, (old.row,))
            self._keep_words([new])

    def made_by(self, model: str) -> None:
        """See that vectors are by the model of that name, from the first that is named on."""
        state = self.moment.state
        if state.embedder == model:
            return
        if is_first_named(state, model, has_vectors=self.has_vectors()):
            self.moment.connection.execute("update state set embedder = ?", (model,))
            sums.seal_state(self.moment.connection)

    def without_successor(self, model: str, count: int) -> list[int]:
        """Rows of some that have no vector by the model yet that is to make all anew."""
        return successors.missing(self.moment.connection, model, count)

    def keep_successors(self, model: str, made: Iterable[Anew]) -> bool:
        """Keep vectors by the model that is to make all anew; of what is gone since, none."""
        return successors.keep(self.moment.connection, model, made)

    def drop_successors(self, digests: Collection[int]) -> None:
        """Drop those that were made with the text of a turn with one of these digests, too."""
        successors.drop(self.moment.connection, digests)

    def succeed(self, model: str) -> None:
        """Put the model's vectors in the place of all there were. None may lack one."""
        state = self.moment.state
        made = successors.succeed(self.moment.connection, model)
        state.dimension = made or state.dimension
        state.embedder, state.remade = model, state.remade + 1

    def speak(self, language: str) -> None:
        """Stem the words of what is written from now on in a language. None may be there yet."""
        state = self.moment.state
        state.language = tokenizer(language).language
        self.moment.connection.execute("update state set language = ?", (state.language,))
        sums.seal_state(self.moment.connection)

    def set_importance(self, importance: Mapping[str, float]) -> None:
        """Write folded importances, by id."""
        generation = self.moment.generation
        rows = [(value, generation, id_) for id_, value in importance.items()]
        self.moment.connection.executemany(_SET_IMPORTANCE, rows)

    def affirm(self, memory_id: str, by: str | None, at: Seconds | None, times: int = 1) -> None:
        """Count that the same was said again, by whom and when last; −1 takes one time back."""
        said = (times, at, by, self.moment.generation, memory_id)
        self.moment.connection.execute(_AFFIRM, said)
        self._seal([memory_id])

    def count_recall(self, ids: Iterable[str]) -> None:
        """Count one more turn in which each was shown."""
        connection, generation, counted = self.moment.connection, self.moment.generation, []
        for row, *said in connection.execute(_SUMMED_OF, (json.dumps(list(ids)),)):
            said[_RECALLS] += 1
            counted.append((said[_RECALLS], sums.row_sum([row, *said]), generation, row))
        connection.executemany(_COUNT_RECALL, counted)

    def delete(self, records: Sequence[Record]) -> None:
        """Remove them, and by foreign key all that hangs on them; to erase them is owed then."""
        connection = self.moment.connection
        generation = self.moment.generation
        for record in records:
            connection.execute(words.REMOVE, (record.row,))
            connection.execute(successors.REMOVE, (record.row,))
            connection.execute(UNTIE_MEMORY, {"id": record.id})
            engagement.forget_questions(connection, record.id)
            connection.execute(changes.TOUCH_REPLACED, (generation, record.id))
            connection.execute(changes.BURY, (record.row, generation))
            left = connection.execute(_REPLACED_BY, (record.id,)).fetchall()
            connection.execute("delete from memory where row = ?", (record.row,))
            for rowid in left:  # what it replaced stays so, by nothing that is there
                sums.seal(connection, "supersession", "rowid = ?", rowid)
        self.moment.state.owed += 1

    def _seal(self, ids: Collection[str]) -> None:
        asked = self.moment.connection.execute(_SUMMED_OF, (json.dumps(ids),)).fetchall()
        self.moment.connection.executemany(_SEAL, [(row[-1], row[0]) for row in sums.summed(asked)])

    def _keep_words(self, records: Sequence[Record]) -> None:
        kept = zip(records, words_of(records, self.moment.state.language), strict=True)
        words.add(self.moment.connection, [(each.row, *told) for each, told in kept])

    def _values(self, record: Record) -> tuple[object, ...]:
        values = _VALUES(record)
        return (*values, sums.row_sum(_SUMMED(values)), self.moment.generation)

    def _check_dimension(self, record: Record, *, beside: Record) -> None:
        state = self.moment.state
        if len(record.vector or b"") // 4 == state.dimension:
            return
        if not fits(state, record, beside=beside, has_vectors=self.has_vectors()):
            said = (state.dimension, state.embedder, state.remade)
            self.moment.connection.execute(_SET_DIMENSION, said)
            sums.seal_state(self.moment.connection)
