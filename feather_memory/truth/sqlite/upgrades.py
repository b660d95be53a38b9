"""How a file of an earlier release is brought to this one's format: all of it, or nothing.

What an older release's statements were is history: it stands here as it was, and never changes.
"""

from __future__ import annotations

import sqlite3

from feather_memory.model.manner import STATEMENT, manner_of
from feather_memory.model.origin import USER, of_role
from feather_memory.model.words import VERSION
from feather_memory.truth.sqlite import sums, words
from feather_memory.truth.sqlite.schema import FORMAT
from feather_memory.truth.sqlite.tables import SUCCESSORS, TIES, WORDS

_TO_2 = """
    create table turn_name (
        name text primary key,
        turn integer not null references turn (row) on delete cascade
    ) strict, without rowid;
    create index turn_name_turn on turn_name (turn);
    create table shelf (
        row   integer primary key,
        name  text not null,
        key   text not null,
        value text not null,
        unique (name, key)
    ) strict;
    create index signal_turn on signal (turn) where turn is not null
"""

_CHECKED = (
    "state edge supersession signal retraction turn turn_name shown shelf".split()  # noqa: SIM905
)
_TO_3 = f"""
    {"; ".join(f"alter table {table} add column checksum integer" for table in _CHECKED)};
    alter table state add column language text not null default 'english';
    alter table state add column tokenizer integer not null default 0;
    alter table state add column embedder text;
    alter table state add column remade integer not null default 0;
    alter table state add column successor text;
    alter table state add column latest real not null default 0;
    alter table state add column owed integer not null default 0;
    alter table state add column tidy integer;
    alter table state add column is_gone integer not null default 0;
    alter table memory add column origin text;
    alter table memory add column manner text;
    alter table memory add column affirmed integer not null default 0;
    alter table memory add column affirmed_at real;
    alter table memory add column affirmed_by text;
    alter table memory add column context integer;
    drop index memory_session;
    create index memory_session on memory (session, valid_from) where session is not null;
    create index memory_context on memory (context) where context is not null;
    alter table turn add column vector blob;
    update state set latest = (
        select max(0, coalesce(max(moment), 0)) from (
            select max(created_at, updated_at) as moment from memory
            union all select recorded_at from supersession
            union all select at from signal
            union all select at from turn
        )
    );
    drop table lexical;
    {TIES};
    {WORDS};
    {SUCCESSORS}
"""

_SPEAK = """
    update state set language = coalesce(?, language), tokenizer = ?,
        generation = generation + 1
"""


def speaks(connection: sqlite3.Connection, language: str | None) -> bool:
    """Whether the words in a file of this format are what this release makes in a language.

    Args:
        connection: To the file.
        language: None for the file's own.
    """
    kept, version = connection.execute("select language, tokenizer from state").fetchone()
    return version >= VERSION and language in {None, kept}


def upgrade(connection: sqlite3.Connection, language: str | None) -> None:
    """Bring the file to this release's format and words, unless somebody else just has.

    Args:
        connection: Outside a transaction.
        language: In which its words are stemmed; None for the file's own, which is English where
            the release that wrote it knew no other.
    """
    connection.execute("begin immediate")
    try:
        (version,) = connection.execute("pragma user_version").fetchone()
        if version < 2:
            _run(connection, _TO_2)
        if version < 3:
            _run(connection, _TO_3)
            _say_whose(connection)
        if not speaks(connection, language):
            _speak(connection, language)
        if not sums.is_sealed(connection):
            sums.seal_all(connection)
        connection.execute(f"pragma user_version = {max(version, FORMAT)}")
        connection.execute("commit")
    except BaseException:
        connection.rollback()
        raise


def _speak(connection: sqlite3.Connection, language: str | None) -> None:
    """Derive every memory's words anew, and tell readers that all of them changed."""
    connection.execute(_SPEAK, (language, VERSION))
    words.rebuild(connection)


def _say_whose(connection: sqlite3.Connection) -> None:
    """Say of every memory who it comes from and how it is said, as its write would have."""
    said = connection.execute("select row, text, key, role from memory")
    told = []
    for row, text, key, role in said:
        manner = STATEMENT if key is not None else manner_of(text)
        told.append((of_role(role or USER), manner, row))
    connection.executemany("update memory set origin = ?, manner = ? where row = ?", told)


def _run(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):  # `executescript` would commit first
        connection.execute(statement)
