"""Every tunable number, with its unit and its reason. There is no second place."""

from __future__ import annotations

DAY = 86_400.0
"""Seconds."""

# What may be written

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Bytes of UTF-8 in one memory. A memory is a remembered text, not a file store; 10 MB passes."""

MAX_ID_LENGTH = 512
"""Characters of an id, a key, a session, an actor or a role: each is an index entry."""

MAX_METADATA_BYTES = 1024 * 1024
"""Bytes of one memory's metadata as JSON."""

MAX_JSON_DEPTH = 64
"""Dicts and lists inside each other, in metadata and on a shelf. Python's and SQLite's readers of
JSON each give up at a depth of their own, which changes from release to release."""

MAX_DIMENSION = 65_536
"""Numbers in one vector. No published embedding comes near; a larger one is a mistake."""

CONTEXT_CHARACTERS = 200
"""Of the turn before that are embedded with a turn of a conversation: a sentence or two, by which
an answer is found. LoCoMo's dev conversations, MiniLM: R@10 84.3 instead of 83.4, R@1 46.8 instead
of 44.9."""

# What may be asked

MAX_QUERY_LENGTH = 1024 * 1024
"""Characters of what is searched for: a few seconds. A longer one is a file by mistake."""

# How files behave

BUSY_SECONDS = 10.0
"""How long a write waits for another process's write before it gives up."""

CHECKPOINT_PAGES = 8_000
"""4 KiB pages in the write-ahead log before SQLite folds it into the file. Its own 1,000 put a
3 to 7 ms fold under every 160th add; at 8,000 it is under fewer than one add in a thousand."""

FOLD_SECONDS = 1.0
"""How long nobody has written before the log is folded into the file: so the file alone is the
memory. It costs two fsyncs; what is written to more often is folded at the end."""

LOG_BYTES = 40 * 1024 * 1024
"""Length of the write-ahead log from which a writer waits for readers, to have it begun anew:
where somebody always reads, SQLite by itself never does that. It leaves room for six more tries
below 64 MiB, a step apart, where the first meets somebody who reads for long."""

LOG_SECONDS = 2.0
"""How long that writer waits at most. Readers go on meanwhile. Beside two whose reads of 0.13 s
overlap all the time it took 0.5 to 0.65 s, once in some 1,200 writes of 40 KB."""

LOG_STEP_BYTES = 4 * 1024 * 1024
"""How much longer the log has to grow before it is tried again after somebody has read for long."""

LOG_KEPT_BYTES = 32 * 1024 * 1024
"""Length that the log is cut to when it is begun anew: it is that long after `CHECKPOINT_PAGES`."""

CACHE_KIB = 2_000
"""Of the file's pages that a connection holds, at most: SQLite's own number."""

BATCH_CACHE_KIB = 12_000
"""The same while batches are written, until nobody has written for a moment. 2,000 lines touch as
many pages of an index without order: in a file of two million memories an import of 100,000 lines
reads 490 MB of pages instead of 1,080, and takes some 3 % less of the processor. 64 MiB bring
hardly more, and sixteen stores may be filled at once."""

BATCH_ROWS = 1_000
"""Memories that are written together from which that pays."""

IDLE_READERS = 4
"""Read connections kept open for reuse. Each is some 150 KiB."""

POOL_BYTES = 1 << 30
"""What the arrays of a pool's stores may take in memory: some 60 tenants of 10,000 × 384 on a
server. Of a directory's large tenants they are mapped, and take next to nothing."""

SERVER_CONNECTIONS = 8
"""Of a process to one PostgreSQL database, whatever the number of its stores: a server has a
hundred by default, and each takes it some megabytes."""

SERVER_WRITERS = 4
"""Of those, how many may write at once. Who is amid a block of writes reads by another connection,
what was committed: so some are left to read by, and no block waits for what other blocks hold."""

SERVER_PARTITIONS = 8
"""Of each table, by the tenant's hash, where nobody says how many. At 10,000 × 384, quiet, with
none, 8 and 16: `add` 1.6, 1.8 and 1.7 ms, search 1.2, 1.3 and 1.2, first answer 106, 90 and 98; of
8 workers on 200 tenants 540, 490 and 460 operations a second."""

# How search behaves

SNAPSHOT_ROWS = 5_000
"""Memories from which the vectors are also kept in a mapped file. Ten stores of 10,000 × 768
open and answer in 96 ms with it, and in over 900 ms without (two busy cores)."""

SNAPSHOT_TAIL = 0.1
"""Share of memories missing from the mapped file that makes closing write a new one."""

FIELD_BYTES = 64
"""Of a field's distinct values as JSON, for each memory, up to which they stand in the mapped file.
Ids, times and labels do, each value once; prose does not, and a filter by it reads the truth."""

HNSW_FLOATS = 40_000_000
"""Numbers a scan reads from which an approximate index proposes candidates: n × dim, or × those of
a sketch where there are sketches. 312,000 × 384 with sketches of 128, 104,000 × 384 without.
At 400,000 × 384, clustered, one core, CPU ms, scan of sketches against index: by vector 10.2 and
4.7, with words 10.1 and 8.2, with Feather's weights 10.6 and 8.4 (a plain scan: 22); 13 of 100
answers by vector were not the exact ones, and the index took 450 s to build. Below, less is won."""

HNSW_RIVALS = 0.05
"""Share of all memories up to which looking at them beats a scan, after an index proposed some."""

SCAN_FLOATS = 8_000_000
"""n × dim for each core that takes part in a scan: 32 MB, some 2 ms, beside which the 0.1 ms to
start a thread is little. 100,000 × 384 on two cores: 4.6 ms instead of 10.4."""

SKETCH_ROWS = 5_000
"""Vectors from which they are sketched, where that pays; from here on the mapped file keeps it.
Ranking by vector, × 384, CPU ms, plain and sketched: of clustered vectors 0.29 and 0.25 at 3,000,
0.52 and 0.30 at 5,000, 0.77 and 0.43 at 10,000; of LoCoMo's 0.40 and 0.29, 0.81 and 0.55."""

SKETCH_ROWS_UNKEPT = 100_000
"""The same where there is no mapped file to keep it, as on a server: each process that opens the
store draws it anew, amid its first answer. At 10,000 × 384 that answer took 1.9 s, 1.4 of them for
the axes, on two busy cores; without, a scan of 100,000 reads 40 MB a core."""

SKETCH_SAMPLE = (1_000, 4_000)
"""At least and at most so many vectors are what the axes of sketches are chosen by. Choosing takes
0.1 to 0.5 s, drawing 100,000 × 384 some 0.7 s more; both are done again when the vectors have
doubled in number."""

SKETCH_FLOATS = 1_600_000
"""Numbers that those vectors have together, between these bounds."""

SKETCH_RESCORING = 4.0
"""What a number of a vector that is gathered costs, in numbers of one that is scanned: 245 ns for
384 that are in no cache, against 61."""

SKETCH_COST = 0.7
"""Share of a plain scan's cost that a scan of sketches may be expected to have: the estimate leaves
out some 0.1 ms for bounds."""

SKETCH_RIVALS = 0.2
"""Share of all memories that are looked at whole after a scan of sketches, before that costs as
much as a plain scan."""

SCALE_SAMPLE = 1_024
"""Memories, the first that are there, whose cosines tell what is usual in a store: 30 µs × 384."""

RECENT_BYTES = 4 * 1024 * 1024
"""Of records that were read last, kept for the next search. One of 384 numbers takes 2.5 KB: a
store of a thousand is held whole. Reading ten costs 40 to 75 µs, taking them from here two."""

BM25_SATURATION = 1.2
"""k₁: how soon a word that occurs again adds nothing more."""

BM25_LENGTH_SHARE = 0.3
"""b: how far a word counts for less in a text that is longer than the mean. 0.75, which is usual
for articles, costs 1.2 points of recall@10 on LoCoMo's turns."""

LONG_WORDS = 75
"""Words, some 400 characters, beyond which a text's BM25 is divided by √(length ÷ 75): an answer
of pages holds a few of any question's words. On BEAM, where such answers are stored beside what
the user said, recall@10 of the latter rises by 4 points."""

GATHER_SHARE = 0.25
"""Below this share of eligible memories their vectors are gathered, above it all are scanned. Of a
scan of sketches, which is shorter, it is as much less: 1/16 where they have a quarter of a vector's
numbers. At 100,000 × 384 gathering 5 % takes 1.6 ms and 10 % 2.9, sketches 2.5 and 2.8."""

FILTER_FIELDS = 64
"""Fields of which codes are held for filters, four bytes a memory each: whoever lets users filter
by names of their own fills no memory with them."""

BURIED_ROWS = 5_000
"""Rows that are gone, and still in the arrays, before these are read anew; at least half of all,
too. So a store in which the same is written again and again takes no more memory in the end."""

# The recall log

RECALL_TURNS = 1_000
"""Turns the recall log remembers; the oldest are dropped first."""

# Embedding

ALIKE = 64
"""Of memories that say the same, so many of the last are looked at when it is said again: where a
thousand are kept, each with an id or a vector of its own, writing another takes no longer."""

WHOLE_CHARACTERS = 200
"""Beyond which a turn is embedded without the one before it: it says itself what it is about. With
BEAM's messages of some 400, each chat one session, and neighbours weighed by `BRIEF_WORDS`,
recall@10 is 66.9 instead of 64.8; on LoCoMo, whose turns have some 120, 84.5."""

BRIEF_WORDS = 30
"""Up to which a turn is lifted wholly towards its neighbours, and beyond by 30 ÷ words."""

EMBED_BATCH = 256
"""Texts handed to an Embedder at once by `add_many`."""

EMBED_CHARACTERS = 200_000
"""Characters sent to a service at once: OpenAI takes 300,000 tokens, of one character at least."""

# Echoes

ECHO_CORRECTIONS = 500
"""The latest corrections, for which a text that is not the user's is looked through when it is
written: some 4 µs each. Equal texts are found however long ago they were corrected; this is for
summaries and paraphrases."""

# Tenants

MAX_TENANT_LENGTH = 255
"""Characters of a tenant's name."""

TENANT_STEM_LENGTH = 120
"""Characters of its file's name before the suffix: what lies beside a file adds up to some 40 to
its name, file systems allow 255 bytes, and Windows has 260 for the whole path."""

WARM_WORKERS = 8
"""Threads of a warm start. Source: published Feather DB context-engine patterns."""

STORE_HANDLES = 5
"""File handles of an open store that reads and writes: two files twice, and the log's index."""

HANDLE_SHARE = 0.5
"""Share of the handles a process may have that a pool's stores may take. The rest is for sockets,
and for stores in which several threads read at once. Of the usual 1,024 it leaves 102 stores."""

# The doors

DOOR_QUESTION_CHARACTERS = 8_000
"""In a question that comes in by a door. A search looks at each word: 60,000 of them cost seconds,
and who pays for them is the server."""

DOOR_BODY_BYTES = 1024 * 1024
"""Of a request that comes in by HTTP, read before anything is made of it."""

DOOR_BODY_SECONDS = 30.0
"""How long the body of a request may take to arrive."""

DOOR_HEAD_SECONDS = 10.0
"""How long a connection may be silent, or send no more than a part of a request's head."""

DOOR_STOP_SECONDS = 10
"""How long a door that is told to stop waits for calls under way."""

SERVICE_OPEN = 256
"""Stores that a process of the service holds open."""

SERVICE_WARMED = 100
"""Tenants that a process of the service opens before its first answer."""

SERVICE_LANES = 4
"""Calls for one tenant that a process runs at once: one whose file is locked for seconds takes four
of its threads and no more, and nobody else waits for it."""

SERVICE_THREADS = 64
"""Of a process of the service: sixteen tenants' worth of lanes."""

SERVICE_AT_ONCE = 1
"""Calls that a process of the service runs at once while each is short. Python runs one at a time:
those that take turns all end late. At 50 clients and two workers 99 of 100 end within some 120 ms,
with three at once 150, with sixty-four 195."""

SERVICE_PATIENCE = 0.01
"""Seconds after which a call is not short: it waits, for a lock or a model, and another may run."""

SERVICE_WAITING = 64
"""Calls for one tenant that wait for its lanes."""

SERVICE_RATE = 100.0
"""Calls a second that a process takes from one key for one tenant; twice as many at once."""

SERVICE_TENANTS = 100_000
"""Tenants in a directory. Each costs 180 KB of disk, however little it holds."""

SERVICE_HITS = 50
"""Memories that a recall over HTTP may ask for."""

SERVICE_BUDGET = 32_000
"""Tokens of memories that it may ask for."""

ABANDONED_SECONDS = 3_600.0
"""A file that is being made, and that nobody has written to for so long, was left by a process that
was killed. A backup writes all the time, however long it takes."""

WINDOW_LINKS = 60
"""Links of a memory that a walk through the window follows: more can neither be drawn nor read."""

WINDOW_NODES = 40
"""Memories that a walk through the window draws."""

WINDOW_USES = 20
"""Turns that the window names of those that a memory was shown in; all stand in the log."""

WINDOW_GIST = 600
"""Characters of a memory that a list in the window is told: nobody reads more of it there, and a
hundred texts may have a megabyte each."""

WINDOW_UNDOS = 200
"""Changes that a window can still undo."""
