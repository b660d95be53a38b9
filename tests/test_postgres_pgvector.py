"""Vectors that stay in the database, which compares them: the answers are those of any store."""

from __future__ import annotations

import pytest

servers = pytest.importorskip("servers")
psycopg = servers.psycopg

import numpy as np  # noqa: E402
from twins import Twins, replayed, told  # noqa: E402

from feather_memory import (  # noqa: E402
    F,
    NewerFormatError,
    ParameterError,
    Scoring,
    Store,
    StoreAccessError,
    TenantPool,
)
from feather_memory.config import SCALE_SAMPLE  # noqa: E402
from feather_memory.index import stored  # noqa: E402
from feather_memory.index.matrix import slack_for  # noqa: E402
from feather_memory.testing import HashEmbedder  # noqa: E402
from feather_memory.truth.postgres.directions import PostgresComparing  # noqa: E402

pytestmark = pytest.mark.skipif(not servers.has_pgvector(), reason="no pgvector on this server")

DIM = 48
COUNT = 1_500
WORDS = [
    "tea", "coffee", "river", "bridge", "garden", "winter", "Lisbon", "Porto", "Friday", "deploys",
    "editor", "theme",
]  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return servers.migrated("compares", pgvector=True)


@pytest.fixture
def url(made):
    """A database that compares vectors, with nobody in it, by a user whom its locks bind."""
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("truncate feather.state cascade")
    return servers.as_nobody_special(made)


def compared(twins, *, steps, probes):
    found = replayed(twins, steps=steps, probes=probes)
    assert twins.server.stats().index == "pgvector"
    twins.close()
    return found


def test_the_same_operations_have_the_same_answers_to_the_last_bit(path, url, clock, embedder):
    """Hits with all parts of their scores, chains, verdicts: what ranks them is the same code."""
    twins = Twins(path, url, clock, embedder, seed=3, max_vector_bytes=0)

    assert compared(twins, steps=150, probes=30) > 15


@pytest.mark.long
def test_ten_thousand_operations_have_the_same_answers(path, url, clock, embedder):
    twins = Twins(path, url, clock, embedder, seed=4, max_vector_bytes=0)

    assert compared(twins, steps=10_000, probes=1_000) > 5_000


class World:
    """Some thousand memories in a file, and at a URL whose database compares their vectors."""

    def __init__(self, path, url, clock):
        rng = self.rng = np.random.default_rng(7)
        centres = rng.standard_normal((12, DIM))
        at = rng.integers(0, 12, COUNT)
        vectors = (centres[at] + 0.3 * rng.standard_normal((COUNT, DIM))).astype(np.float32)
        vectors[100:110] = vectors[100]  # equals, which tie
        self.vectors = vectors
        self.items = [
            {
                "text": f"{WORDS[at[n]]} {WORDS[n % 11]} {n // 2}",
                "id": f"m{n}",
                "vector": vectors[n] * (1 + n % 3),
                "importance": float(rng.random()),
                "metadata": {"n": n % 10},
                "valid_from": clock() - float(rng.random()) * 1e7,
                **({"session": f"s{n // 40}", "actor": ("Ann", "Ben")[n % 2]} if n < 800 else {}),
            }
            for n in range(COUNT)
        ]
        self.file = Store.open(path, clock=clock)
        self.server = Store.open(url, tenant="large", clock=clock, max_vector_bytes=0)
        for store in (self.file, self.server):
            store.add_many(self.items)
            store.forget([f"m{n}" for n in range(0, 60, 3)])
            store.link("m7", "m400", "supersedes")
            store.add("without a vector", id="bare")

    def questions(self):
        for n in range(5):
            near = self.vectors[self.rng.integers(COUNT)] + 0.05
            yield {"vector": near, "k": 10}
            yield {"vector": near, "k": 10, "scoring": Scoring(structure=False)}
            yield {"vector": near, "k": 10, "scoring": Scoring.feather()}
            yield {"vector": near, "k": 40, "text": f"{WORDS[n]} by Ann on {WORDS[n - 3]}"}
            yield {"vector": near, "k": 5, "where": F("n") == n % 10}
            yield {"vector": near, "k": 5, "where": F("n") > 1, "min_relevance": 0.5}
            yield {"vector": near, "k": 5, "session": "s3"}
        yield {"vector": self.vectors[100], "k": 12, "distinct": False}
        yield {"vector": self.vectors[100], "k": COUNT}
        yield {"text": "tea garden", "k": 10}

    def close(self):
        for store in (self.file, self.server):
            assert store.check() == []
            store.close()


@pytest.fixture
def world(path, url, clock, monkeypatch):
    monkeypatch.setattr(stored, "_FEW", 64)  # of more the database tells the products
    monkeypatch.setattr(stored, "_KEPT", 256)
    made = World(path, url, clock)
    yield made
    made.close()


def test_many_memories_are_ranked_as_if_their_vectors_were_here(world):
    for asked in world.questions():
        answers = [told(store.search(**asked)) for store in (world.file, world.server)]
        assert answers[0] == answers[1], asked
    near = world.vectors[5] + 0.1
    for verb, asked in (
        ("nearest", {"vector": near, "k": 20}),
        ("nearest", {"vector": -near, "k": 20, "where": F("n") == 3}),
        ("context_chain", {"vector": near, "k": 3, "hops": 2}),
        ("why_not", {"text": None, "vector": near, "id": "m1100", "k": 5}),
        ("why_not", {"text": "tea", "vector": near, "id": "m17", "k": 5}),
        ("recall", {"vector": near, "text": "river", "k": 5, "turn": "t"}),
    ):
        answers = [told(getattr(store, verb)(**asked)) for store in (world.file, world.server)]
        assert answers[0] == answers[1], verb
    assert [s.stats().index for s in (world.file, world.server)] == ["exact", "pgvector"]


def test_however_a_server_rounds_the_answers_are_the_same(world, monkeypatch):
    """What it tells may be off by all that single precision may be; and by more it would show."""
    tells = PostgresComparing.products

    def rounding(off):
        def rounded(self, query, rows):
            which, products = tells(self, query, rows)
            return which, products + off * np.where(which % 2, 1, -1).astype(np.float32)

        return rounded

    differ = []
    for off in (0.45 * slack_for(DIM), 0.05):
        monkeypatch.setattr(PostgresComparing, "products", rounding(off))
        questions = [q for q in world.questions() if "min_relevance" not in q]
        differ.append(
            sum(told(world.file.search(**q)) != told(world.server.search(**q)) for q in questions)
        )

    assert differ[0] == 0
    assert differ[1] > 0  # the negative control


def test_the_vectors_of_a_large_tenant_take_no_memory_here(world, url, clock):
    with TenantPool(url, clock=clock, max_vector_bytes=0) as pool:
        pool.get("large").search(vector=world.vectors[0])
        without = pool.stats().bytes
    with TenantPool(url, clock=clock) as pool:
        pool.get("large").search(vector=world.vectors[0])
        assert pool.get("large").stats().index == "exact"
        whole = pool.stats().bytes

    sampled = (4 * DIM + 8) * SCALE_SAMPLE  # and where they are
    assert whole - without > 4 * DIM * (COUNT - 100) - sampled


def test_a_tenant_that_outgrows_the_budget_is_compared_in_the_database_from_then_on(
    path, url, clock
):
    embedder = HashEmbedder(DIM)
    with (
        Store.open(
            url, tenant="a", clock=clock, embedder=embedder, max_vector_bytes=4 * DIM * 20
        ) as growing,
        Store.open(path, clock=clock, embedder=embedder) as file,
    ):
        for n in range(30):
            for store in (growing, file):
                store.add(f"{WORDS[n % 12]} and {WORDS[n % 5]} {n}", id=f"m{n}")
            assert told(growing.search("tea garden")) == told(file.search("tea garden"))
            assert growing.stats().index == ("exact" if n < 20 else "pgvector"), n
        assert growing.check() == []


def test_a_database_learns_to_compare_while_its_stores_are_open(clock):
    """Those that are open keep what they write in step, and nothing that was there is missing."""
    url, embedder = servers.migrated("learns", partitions=2), HashEmbedder(DIM)
    place = servers.server_place(url)
    plain = servers.as_nobody_special(url)
    with TenantPool(plain, clock=clock, embedder=embedder) as pool:
        for name in ("alice", "bob"):
            pool.get(name).add_many({"text": f"{name} {n}", "id": f"m{n}"} for n in range(30))
        with pytest.raises(ParameterError, match="--pgvector"):
            Store.open(plain, tenant="alice", max_vector_bytes=0)

        found = [servers.migrate(url, place, pgvector=True) for _ in range(2)]
        servers.as_nobody_special(url)
        pool.get("alice").add("alice later", id="later")
        pool.get("alice").update("m1", text="alice once more")
        pool.get("alice").forget(["m2"])
        pool.get("alice").update("m3", metadata={"n": 1})

        assert found == [1, 2]
        assert all(pool.get(name).check() == [] for name in ("alice", "bob"))
        with Store.open(
            plain, tenant="alice", clock=clock, embedder=embedder, max_vector_bytes=0
        ) as store:
            here = told(pool.get("alice").search("alice later", k=50))
            assert told(store.search("alice later", k=50)) == here
            assert len(here) == 30
    keys = """
        select count(*) filter (where tenant = ''), count(*) from feather.direction
    """
    with psycopg.connect(plain) as forgetful:  # the second lock
        assert forgetful.execute(keys).fetchone() == (0, 0)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            forgetful.execute("select * from feather_parts.direction_0")
    with psycopg.connect(url) as owner:
        assert owner.execute(keys).fetchone() == (0, 60)


def test_what_the_server_compares_is_in_step_with_what_is_kept(url, clock):
    """After a new model, too; and what was tampered with is told, and mended."""
    with Store.open(url, tenant="a", clock=clock, embedder=HashEmbedder(DIM)) as store:
        store.add_many({"text": f"{WORDS[n % 12]} {n}", "id": f"m{n}"} for n in range(20))
        store.reembed(HashEmbedder(DIM + 8))
        store.add("tea at last", id="last")
        assert store.check() == []
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("select set_config('feather.tenant', 'a', false)")
            change = "update feather.direction set unit = unit + unit where row = (select max(row)"
            connection.execute(f"{change} from feather.direction)")
            connection.execute(
                "delete from feather.direction where row = (select min(row) from feather.direction)"
            )
        assert len(store.check()) == 2
        assert store.check(fix=True) == []
        with Store.open(
            url, tenant="a", clock=clock, embedder=HashEmbedder(DIM + 8), max_vector_bytes=0
        ) as other:
            assert told(other.search("tea")) == told(store.search("tea"))


def test_where_nobody_can_compare_it_is_refused_and_not_ignored(path, monkeypatch):
    with pytest.raises(ParameterError, match="max_vector_bytes"):
        Store.open(path, max_vector_bytes=0)
    pool = TenantPool(path.parent / "pool", max_vector_bytes=1)
    with pool, pytest.raises(ParameterError, match="max_vector_bytes"):
        pool.get("alice")
    with pytest.raises(ParameterError, match="max_vector_bytes"):
        TenantPool(path.parent / "other", max_vector_bytes=-1)
    bare = servers.bare("no_pgvector")
    monkeypatch.setattr(
        "feather_memory.truth.postgres.schema._HAS_PGVECTOR", "select 1 where false"
    )
    with pytest.raises(StoreAccessError, match="pgvector"):
        servers.migrate(bare, "there", pgvector=True)
    with pytest.raises(StoreAccessError, match="no tables"):
        Store.open(bare, tenant="alice")


def test_a_release_that_keeps_no_vectors_for_the_server_does_not_write_there(url, monkeypatch):
    monkeypatch.setattr("feather_memory.truth.postgres.tenancy.FORMATS", (1,))
    with pytest.raises(NewerFormatError):
        Store.open(url, tenant="alice")
