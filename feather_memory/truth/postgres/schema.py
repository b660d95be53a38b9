"""The tables: made and brought up to date by whoever says so, never by a reader.

Every key begins with the tenant, so that the tables can be distributed by it. A second lock stands
behind the first: a row is there only for a transaction that has said it is its tenant's, also where
a statement forgot to name one. It binds the tables' owner, too, but no superuser.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql

from feather_memory.config import SERVER_PARTITIONS
from feather_memory.errors import NewerFormatError, ParameterError, StoreAccessError
from feather_memory.truth.postgres import directions
from feather_memory.truth.postgres.faults import translated
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.sqlite.moment import UNREAD

FORMAT: Final = 1
"""Counts changes of the tables that older releases could not read, or write."""

COMPARING: Final = 2
"""The same tables, and pgvector's vectors beside: who knows nothing of these may not write."""

FORMATS: Final = (FORMAT, COMPARING)
"""Those that this release reads and writes."""

LEAST: Final = 150_000
"""PostgreSQL 15: before it, no foreign key forgets only a part of itself."""

_LOCK: Final = 0x46544852  # `FTHR`, of those who migrate

_TABLES: Final = """
create schema if not exists feather;

create table feather.release (          -- exactly one row, of all tenants
    one    integer primary key check (one = 1),
    format integer not null
);

create table feather.state (            -- one row a tenant, which whoever writes holds
    tenant     text collate "C" primary key,
    store_id   text    not null,
    dimension  bigint,                  -- fixed by the first vector
    generation bigint  not null,        -- committed writes so far
    next_row   bigint  not null,        -- rows are numbered upwards and never again
    snapshot   text,
    language   text    not null,        -- of the stems
    tokenizer  bigint  not null,        -- which release of it made the words
    embedder   text,                    -- the name of the model that made the vectors
    remade     bigint  not null default 0,
    successor  text,                    -- the name of the model that is to make them anew
    latest     double precision not null default 0,
    owed       bigint  not null default 0,
    is_gone    bigint  not null default 0
) with (fillfactor = 50);

create table feather.memory (
    tenant     text   collate "C" not null references feather.state on delete cascade,
    "row"      bigint not null,
    id         text   collate "C" not null,
    text       text   not null,         -- as `texts` keeps it
    metadata   text   not null,         -- a JSON object, character for character
    key        text   collate "C",
    session    text   collate "C",
    actor      text   collate "C",
    role       text   collate "C",
    origin     text   not null,
    manner     text   not null,
    prior      double precision not null,
    importance double precision not null,
    recalls    bigint not null,
    created_at double precision not null,
    updated_at double precision not null,
    valid_from double precision not null,
    stated_to  double precision,
    valid_to   double precision,
    expires_at double precision,
    affirmed   bigint not null,
    affirmed_at double precision,
    affirmed_by text,
    vector     bytea,                   -- little-endian float32, as given
    context    bigint,
    checksum   bigint not null,
    changed    bigint not null,         -- generation of its last change
    primary key (tenant, "row"),
    unique (tenant, id)
);
alter table feather.memory alter column vector set storage external;  -- it does not compress
create index memory_changed on feather.memory (tenant, changed);
create index memory_key     on feather.memory (tenant, key) where key is not null;
create index memory_session on feather.memory (tenant, session, valid_from)
    where session is not null;
create index memory_context on feather.memory (tenant, context) where context is not null;

create table feather.edge (
    tenant     text collate "C" not null,
    source     text collate "C" not null,
    target     text collate "C" not null,
    type       text collate "C" not null,
    weight     double precision not null,
    created_at double precision not null,
    primary key (tenant, source, target, type),
    foreign key (tenant, source) references feather.memory (tenant, id) on delete cascade,
    foreign key (tenant, target) references feather.memory (tenant, id) on delete cascade
);
create index edge_target on feather.edge (tenant, target);

create table feather.supersession (
    tenant      text   collate "C" not null,
    "row"       bigint not null,        -- in the order in which they were recorded
    old_id      text   collate "C" not null,
    new_id      text   collate "C",     -- a stale fact stays retired when this is forgotten
    holds_from  double precision not null,
    recorded_at double precision not null,
    primary key (tenant, "row"),
    foreign key (tenant, old_id) references feather.memory (tenant, id) on delete cascade,
    foreign key (tenant, new_id) references feather.memory (tenant, id) on delete set null (new_id)
);
create index supersession_old on feather.supersession (tenant, old_id);
create index supersession_new on feather.supersession (tenant, new_id);

create table feather.signal (
    tenant    text collate "C" not null,
    event_id  text collate "C" not null,
    memory_id text collate "C" not null,
    kind      text not null,
    at        double precision not null,
    strength  double precision not null,
    turn      text collate "C",
    primary key (tenant, event_id),
    foreign key (tenant, memory_id) references feather.memory (tenant, id) on delete cascade
);
create index signal_memory on feather.signal (tenant, memory_id);
create index signal_turn   on feather.signal (tenant, turn) where turn is not null;

create table feather.retraction (
    tenant   text collate "C" not null,
    event_id text collate "C" not null,
    at       double precision not null,
    primary key (tenant, event_id),
    foreign key (tenant, event_id) references feather.signal on delete cascade
);

create table feather.turn (
    tenant text   collate "C" not null references feather.state on delete cascade,
    "row"  bigint not null,
    name   text   collate "C" not null,
    at     double precision not null,
    vector bytea,
    primary key (tenant, "row"),
    unique (tenant, name)
);

create table feather.turn_name (
    tenant text   collate "C" not null,
    name   text   collate "C" not null,
    turn   bigint not null,
    primary key (tenant, name),
    foreign key (tenant, turn) references feather.turn (tenant, "row") on delete cascade
);
create index turn_name_turn on feather.turn_name (tenant, turn);

create table feather.shown (
    tenant    text   collate "C" not null,
    turn      bigint not null,
    memory_id text   collate "C" not null,
    rank      bigint not null,
    score     double precision not null,
    primary key (tenant, turn, memory_id),
    foreign key (tenant, turn) references feather.turn (tenant, "row") on delete cascade,
    foreign key (tenant, memory_id) references feather.memory (tenant, id) on delete cascade
);
create index shown_memory on feather.shown (tenant, memory_id);

create table feather.tombstone (
    tenant     text   collate "C" not null references feather.state on delete cascade,
    "row"      bigint not null,
    generation bigint not null,
    primary key (tenant, "row")
);
create index tombstone_generation on feather.tombstone (tenant, generation);

create table feather.shelf (
    tenant text   collate "C" not null references feather.state on delete cascade,
    "row"  bigint not null,             -- in the order of insertion
    name   text   collate "C" not null,
    key    text   collate "C" not null,
    value  text   not null,             -- JSON
    primary key (tenant, "row"),
    unique (tenant, name, key)
);

create table feather.tie (
    tenant    text    collate "C" not null references feather.state on delete cascade,
    memory_id text    collate "C" not null,     -- of a memory, which may be there later
    shelf     text    collate "C" not null,     -- of a value, empty for a memory
    key       text    collate "C" not null,
    is_whole  boolean not null,
    primary key (tenant, memory_id, shelf, key)
);
create index tie_key on feather.tie (tenant, key, shelf);

create table feather.words (
    tenant   text   collate "C" not null references feather.state on delete cascade,
    "row"    bigint not null,
    likeness bigint not null,
    compact  bytea  not null,
    primary key (tenant, "row")
);
create index words_likeness on feather.words (tenant, likeness);

create table feather.successor (
    tenant  text   collate "C" not null references feather.state on delete cascade,
    "row"   bigint not null,
    vector  bytea  not null,
    context bigint,
    primary key (tenant, "row")
)
"""

KEPT: Final = (
    "state", "memory", "edge", "supersession", "signal", "retraction", "turn", "turn_name", "shown",
    "tombstone", "shelf", "tie", "words", "successor",
)  # fmt: skip
"""The tables of tenants, each after those that it refers to."""

_SECOND_LOCK: Final = """
    alter table feather.{table} enable row level security;
    alter table feather.{table} force row level security;
    create policy tenant on feather.{table}
        using (tenant = current_setting('feather.tenant', true))
"""
_LISTING: Final = """
    create policy listing on feather.state for select
        using (current_setting('feather.listing', true) = 'on')
"""
_FILL: Final = " with (fillfactor = 50)"  # of what is written with every write, in its place
PARTS: Final = "feather_parts"
"""The schema of partitions, each called after its table and its remainder; all are of one count."""
_PARTITION: Final = """
    create table feather_parts.{part} partition of feather.{table}
        for values with (modulus {count}, remainder {number}){fill};
    alter table feather_parts.{part} enable row level security;
    alter table feather_parts.{part} force row level security;
    create policy tenant on feather_parts.{part}
        using (tenant = current_setting('feather.tenant', true))
"""
_PARTS: Final = "select count(*) from pg_inherits where inhparent = 'feather.state'::regclass"
_HAS_PGVECTOR: Final = "select 1 from pg_available_extensions where name = 'vector'"
_SCHEMA_OF_PGVECTOR: Final = """
    select nspname from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
    where extname = 'vector'
"""
_IS_THERE: Final = "select to_regclass('feather.release') is not null"


def migrate(url: str, place: str, *, partitions: int | None = None, pgvector: bool = False) -> int:
    """Make the tables of a database, or bring them to this release's format; the one they had.

    Once they are, it does nothing. Of several who begin at once, one does it.

    Args:
        url: Of the database, by somebody who may make tables in it.
        place: What errors call it.
        partitions: Of how many, by the tenant's hash, each table is to be made; 0 for none. Unless
            given those that there are, and `SERVER_PARTITIONS` of new tables.
        pgvector: Keep each vector once more as pgvector's, so that the server can compare them.
            Writers wait until all that are there are kept so.

    Raises:
        ParameterError: There are tables, of another number of partitions.
        StoreAccessError: The server is before PostgreSQL 15, or has no pgvector.
        NewerFormatError: A later release made them.
    """
    try:
        with psycopg.connect(url) as connection:
            if connection.info.server_version < LEAST:
                raise StoreAccessError(f"{place!r} is older than PostgreSQL 15, which it has to be")
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            found = _format_in(connection)
            if found > max(FORMATS):
                raise NewerFormatError(place, found=found, known=max(FORMATS))
            if found < 1:
                _make(connection, SERVER_PARTITIONS if partitions is None else partitions)
            elif partitions is not None:
                _refuse_others(connection, partitions)
            if pgvector and found < COMPARING:
                _compare(connection, place)
            return found
    except psycopg.Error as error:
        raise translated(error, place) or error from error


def _format_in(connection: psycopg.Connection) -> int:
    if connection.execute(_IS_THERE).fetchone() != (True,):
        return 0
    (found,) = connection.execute("select format from feather.release").fetchone() or (0,)
    return int(found)


def _refuse_others(connection: psycopg.Connection, partitions: int) -> None:
    (there,) = connection.execute(_PARTS).fetchone() or (0,)
    if there != partitions:
        raise ParameterError(
            f"the tables are of {there} partitions, and do not become of {partitions}: copy the "
            "tenants into another database"
        )


def _partitioned(tables: str) -> str:
    """The statements that make the same tables, of partitions that are still to be made."""
    made = []
    for statement in tables.replace(_FILL, "").split(";"):
        is_tenants = "create table" in statement and "feather.release" not in statement
        made.append(f"{statement} partition by hash (tenant)" if is_tenants else statement)
    return ";".join(made)


def _make(connection: psycopg.Connection, partitions: int) -> None:
    connection.execute(_partitioned(_TABLES) if partitions else _TABLES)
    if partitions:  # elsewhere, so that rights on the tables are none on parts of them
        connection.execute("create schema feather_parts")
    for table in KEPT:
        _lock(connection, table, partitions)
    connection.execute("insert into feather.release (one, format) values (1, %s)", (FORMAT,))
    connection.execute(_LISTING)  # who asks for the names of all tenants has to say so


def _lock(connection: psycopg.Connection, table: str, partitions: int) -> None:
    """Put the second lock before a table that was just made, and make its partitions."""
    for number in range(partitions):
        said = {"part": f"{table}_{number}", "table": table, "count": partitions}
        fill = _FILL if table == "state" else ""
        connection.execute(_PARTITION.format(**said, number=number, fill=fill))
    connection.execute(sql.SQL(_SECOND_LOCK).format(table=sql.Identifier(table)))


def _compare(connection: psycopg.Connection, place: str) -> None:
    """Make the table of pgvector's vectors, of all that are there, while nobody writes."""
    if connection.execute(_HAS_PGVECTOR).fetchone() is None:
        raise StoreAccessError(
            f"{place!r} has no pgvector: the server needs the extension `vector` to be installed"
        )
    connection.execute("create extension if not exists vector")
    (schema,) = connection.execute(_SCHEMA_OF_PGVECTOR).fetchone() or ("public",)
    (partitions,) = connection.execute(_PARTS).fetchone() or (0,)
    connection.execute("lock table feather.state in exclusive mode")
    made = directions.MADE.format(schema=sql.Identifier(schema).as_string())
    connection.execute(_partitioned(made) if partitions else made)
    _lock(connection, directions.TABLE, partitions)
    connection.execute("set local feather.listing = 'on'")
    for (tenant,) in connection.execute("select tenant from feather.state").fetchall():
        whose = sql.SQL("set local feather.tenant = {}").format(sql.Literal(tenant))
        connection.execute(whose)
        directions.rebuild(Moment(connection, tenant, UNREAD, 0))
    connection.execute("update feather.release set format = %s", (COMPARING,))
