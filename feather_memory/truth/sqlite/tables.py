"""The tables of a file."""

SUCCESSORS = """
create table successor (                -- vectors of another model, until all are there
    row     integer primary key,        -- the memory's
    vector  blob not null,
    context integer,                    -- as the memory's will be
    checksum integer
) strict
"""

WORDS = """
create table words (                    -- what memories are found by, derived from their texts
    row      integer primary key,       -- the memory's
    likeness integer not null,          -- the same for texts that say the same
    compact  blob    not null           -- of each distinct word its digest and its count
) strict;
create index words_likeness on words (likeness)
"""

TIES = """
create table tie (                      -- what says the same as a memory, and goes with it
    memory_id text    not null,         -- which may be there later
    shelf     text    not null,         -- of a value, empty for a memory
    key       text    not null,         -- of the value, or the memory's id
    is_whole  integer not null,         -- 0: the value loses the memory's words alone
    checksum  integer,
    primary key (memory_id, shelf, key)
) strict, without rowid;
create index tie_key on tie (key, shelf)
"""

TABLES = f"""
create table state (                    -- exactly one row
    only       integer primary key check (only = 1),
    store_id   text    not null,        -- drawn at birth, and anew for a copy
    tenant     text,                    -- whose file this is
    dimension  integer,                 -- fixed by the first vector
    generation integer not null,        -- committed writes so far
    next_row   integer not null,        -- rows are numbered upwards and never again
    snapshot   text,                    -- mark of the mapped file that belongs to this history
    language   text    not null,        -- of the stems
    tokenizer  integer not null,        -- which release of it made the words
    embedder   text,                    -- the name of the model that made the vectors
    remade     integer not null default 0,  -- how often all words or vectors were made anew
    successor  text,                    -- the name of the model that is to make them anew
    latest     real    not null default 0,  -- the last recorded moment: time never goes back
    owed       integer not null default 0,  -- deletes that are not erased yet
    tidy       integer,                 -- generation as of which nothing deleted was left behind
    is_gone    integer not null default 0,  -- 1 once its tenant was forgotten
    checksum   integer
) strict;

create table memory (
    row        integer primary key,     -- a new one whenever what a search reads is replaced
    id         text    not null unique,
    text       text    not null,
    metadata   text    not null,        -- a JSON object
    key        text,
    session    text,
    actor      text,
    role       text,
    prior      real    not null,        -- importance as the caller gave it
    importance real    not null,        -- prior folded with the signals
    recalls    integer not null,        -- turns in which it was shown
    created_at real    not null,        -- all times: Unix seconds, UTC
    updated_at real    not null,
    valid_from real    not null,
    stated_to  real,                    -- end of validity as the caller gave it
    valid_to   real,                    -- the earliest of stated_to and the supersessions
    expires_at real,
    vector     blob,                    -- little-endian float32, as given
    checksum   integer not null,        -- crc32 of text, metadata and vector
    changed    integer not null,        -- generation of its last change
    origin     text,                    -- who it comes from
    manner     text,                    -- one of model/manner.py's
    affirmed   integer not null default 0,  -- how often it was said again
    affirmed_at real,                   -- when last
    affirmed_by text,                   -- and by whom
    context    integer                  -- digest of the turn that its vector was made with, too
) strict;
create index memory_changed on memory (changed);
create index memory_key     on memory (key)     where key is not null;
create index memory_session on memory (session, valid_from) where session is not null;
create index memory_context on memory (context) where context is not null;

create table edge (
    source     text not null references memory (id) on delete cascade,
    target     text not null references memory (id) on delete cascade,
    type       text not null,
    weight     real not null,
    created_at real not null,
    checksum   integer,
    primary key (source, target, type)
) strict, without rowid;
create index edge_target on edge (target);

create table supersession (             -- outlives the forgetting of the memory that replaced:
    old_id      text not null references memory (id) on delete cascade,
    new_id      text references memory (id) on delete set null,   -- a stale fact stays retired
    holds_from  real not null,
    recorded_at real not null,
    checksum    integer
) strict;
create index supersession_old on supersession (old_id);
create index supersession_new on supersession (new_id);

create table signal (
    event_id  text primary key,
    memory_id text not null references memory (id) on delete cascade,
    kind      text not null,
    at        real not null,
    strength  real not null,
    turn      text,
    checksum  integer
) strict, without rowid;
create index signal_memory on signal (memory_id);
create index signal_turn   on signal (turn) where turn is not null;

create table retraction (
    event_id text primary key references signal (event_id) on delete cascade,
    at       real not null,
    checksum integer
) strict, without rowid;

create table turn (
    row    integer primary key,
    name   text not null unique,
    at     real not null,
    vector blob,                        -- of the question, in single precision
    checksum integer
) strict;

create table turn_name (                -- further names of turns
    name text primary key,
    turn integer not null references turn (row) on delete cascade,
    checksum integer
) strict, without rowid;
create index turn_name_turn on turn_name (turn);

create table shown (
    turn      integer not null references turn (row) on delete cascade,
    memory_id text    not null references memory (id) on delete cascade,
    rank      integer not null,
    score     real    not null,
    checksum  integer,
    primary key (turn, memory_id)
) strict, without rowid;
create index shown_memory on shown (memory_id);

create table tombstone (                -- rows that are gone, for readers who still hold them
    row        integer primary key,
    generation integer not null
) strict;
create index tombstone_generation on tombstone (generation);

create table shelf (                    -- what adapters keep beside the memories; never searched
    row   integer primary key,          -- in the order of insertion
    name  text not null,
    key   text not null,
    value text not null,                -- JSON
    checksum integer,
    unique (name, key)
) strict;

{TIES};
{WORDS};
{SUCCESSORS};

create view readable as                 -- for people with the sqlite3 shell
    select id, text, key, session, actor, importance,
           datetime(created_at, 'unixepoch') as created,
           datetime(valid_from, 'unixepoch') as since,
           datetime(valid_to, 'unixepoch')   as until
    from memory order by row;
"""
