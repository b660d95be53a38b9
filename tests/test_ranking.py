"""Ranking, against the formula computed in double precision over every memory."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from oracle import assert_best, scores, settled

from feather_memory import DimensionError, F, Scoring, Store, config
from feather_memory.config import DAY
from feather_memory.index import beside
from feather_memory.testing import FrozenClock
from feather_memory.truth.sqlite import sums

COUNT = 5_000
DIM = 32
# Snowball leaves these as they are, and none is a stop word.
WORDS = [c + v + d for c in "bdfgklmnprt" for v in "aeiou" for d in "kmnpt" if c + v + d != "but"]
SCORINGS = {
    "default": Scoring(),
    "feather": Scoring.feather(),
    "all recency": Scoring(time_weight=1.0, importance_weight=0.0, half_life=DAY),
    "fast decay": Scoring(time_weight=0.5, importance_weight=1.0, half_life=DAY / 24),
    "no time": Scoring(time_weight=0.0, importance_weight=0.0, dense_weight=0.2),
    "no sessions": Scoring(structure=False),
    "raw cosines": Scoring(scaled=False),
}
FILTERS = {
    "none": (None, lambda _: True),
    "half": (F("channel") == "chat", lambda r: r["metadata"]["channel"] == "chat"),
    "one in a hundred": (F("bucket") == 7, lambda r: r["metadata"]["bucket"] == 7),
    "built in": (
        (F("importance") > 0.5) & ~(F("session") == "s1"),
        lambda r: r["importance"] > 0.5 and r["session"] != "s1",
    ),
}


class World:
    """A store of random memories, and the same as plain lists."""

    def __init__(self, path, seed):
        self.rng = np.random.default_rng(seed)
        self.clock = FrozenClock()
        self.now = self.clock()
        self.records = [self.record(at) for at in range(COUNT)]
        with Store.open(path, clock=self.clock) as store:
            store.add_many(self.records)
            replaced = self.rng.choice(COUNT, 200, replace=False).reshape(100, 2)
            for new, old in replaced.tolist():
                store.link(f"m{new}", f"m{old}", "supersedes")
            self.replaced = {f"m{old}": self.records[new]["valid_from"] for new, old in replaced}
        recalls = np.floor(np.exp(self.rng.uniform(0, 8, COUNT))).astype(int) - 1
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executemany(
                "update memory set recalls = ? where id = ?",
                [(count, f"m{at}") for at, count in enumerate(recalls.tolist())],
            )
            sums.seal_all(connection)
        beside.discard(path)  # it knows nothing of recalls that no Store wrote
        self.store = Store.open(path, clock=self.clock)
        self.facts = {
            "texts": [record["text"] for record in self.records],
            "vectors": [record.get("vector") for record in self.records],
            "valid_from": np.array([record["valid_from"] for record in self.records]),
            "importance": np.array([record["importance"] for record in self.records]),
            "recalls": recalls.astype(np.float64),
            "turns": [
                {"session": record["session"], "at": record["valid_from"]}
                for record in self.records
            ],
        }
        self.ids = [record["id"] for record in self.records]

    def record(self, at):
        rng = self.rng
        age = 60 * np.exp(rng.uniform(0, 15.5))  # a minute to ten years
        record = {
            "id": f"m{at}",
            "text": " ".join(
                WORDS[int(len(WORDS) * u**3)] for u in rng.random(rng.integers(3, 30))
            ),
            "importance": float(rng.random()),
            "session": f"s{rng.integers(5)}",
            "metadata": {"channel": ["chat", "mail"][at % 2], "bucket": int(rng.integers(100))},
            "valid_from": round(self.now - age if rng.random() < 0.97 else self.now + age, 6),
        }
        if rng.random() < 0.95:
            record["vector"] = (rng.normal(size=DIM) + 0.7).astype(np.float32) * rng.uniform(0.1, 9)
        if rng.random() < 0.05:
            record["valid_to"] = record["valid_from"] + age * rng.uniform(0, 2)
        if rng.random() < 0.05:
            record["expires_at"] = record["valid_from"] + age * rng.uniform(0, 2)
        return record

    def eligible(self, as_of, lets_through):
        return np.array(
            [
                record["valid_from"] <= as_of
                and as_of < record.get("valid_to", np.inf)
                and as_of < record.get("expires_at", np.inf)
                and as_of < self.replaced.get(record["id"], np.inf)
                and bool(lets_through(record))
                for record in self.records
            ]
        )

    def question(self, kind):
        """Arguments of a search, and the same for the oracle."""
        words = self.rng.choice(WORDS, 4, replace=False).tolist()
        vector = self.rng.normal(size=DIM) + 0.3
        return {
            "dense": ({"vector": vector}, {"vector": vector}),
            "text": ({"text": " ".join(words).upper() + "?"}, {"words": words}),
            "hybrid": (
                {"text": " ".join(words), "vector": vector},
                {"words": words, "vector": vector},
            ),
        }[kind]


@pytest.fixture(scope="module", params=[(1, "exact"), (2, "exact"), (1, "hnsw")], ids=str)
def filled(request, tmp_path_factory):
    seed, index = request.param
    world = World(tmp_path_factory.mktemp("ranking") / "w.feather", seed)
    with pytest.MonkeyPatch.context() as patch:  # gone before a test without a world runs
        if index == "hnsw":
            pytest.importorskip("hnswlib")
            patch.setattr(config, "HNSW_FLOATS", 1)
        world.store.search(vector=np.ones(DIM))
        world.store._core.columns.view.lineage.approximation.wait()
    assert world.store.stats().index == index
    yield world
    assert world.store.check() == []
    world.store.close()


@pytest.fixture
def world(filled):
    """Nobody writes to it, and what one test draws is not for another to miss."""
    filled.rng = np.random.default_rng(0)
    return filled


@pytest.mark.parametrize("where", FILTERS)
@pytest.mark.parametrize("kind", ["dense", "text", "hybrid"])
def test_a_search_is_the_formula_over_all_that_may_be_returned(world, kind, where):
    condition, lets_through = FILTERS[where]
    eligible = world.eligible(world.now, lets_through)
    for scoring in SCORINGS.values():
        asked, told = world.question(kind)
        values = scores(world.facts, eligible, scoring, world.now, **told)
        for k in (10, 1, 300):
            hits = world.store.search(k=k, where=condition, scoring=scoring, **asked)
            assert_best(hits, world.ids, settled(values, world.facts, scoring, **told), k)


@pytest.mark.parametrize("kind", ["dense", "text", "hybrid"])
def test_a_search_of_another_time_is_ranked_among_what_is_true_then(world, kind):
    for years in (0.1, 1, 4, -0.1, -10):
        then = world.now - years * 365 * DAY
        eligible = world.eligible(then, lambda _: True)
        asked, told = world.question(kind)
        for scoring in (SCORINGS["default"], SCORINGS["all recency"]):
            values = scores(world.facts, eligible, scoring, world.now, **told)
            asked |= {"as_of": then, "scoring": scoring}
            for known_at in (None, world.now + 1):  # all was recorded within a second
                hits = world.store.search(k=10, known_at=known_at, **asked)
                assert_best(hits, world.ids, settled(values, world.facts, scoring, **told), 10)


def test_a_fact_of_the_future_is_as_fresh_as_one_of_now(store, clock):
    half_life = 10 * DAY
    store.add("tea", id="old", valid_from=clock() - half_life)
    store.add("tea", id="now", valid_from=clock())
    store.add("tea", id="soon", valid_from=clock() + 30 * DAY)
    scoring = Scoring(time_weight=0.5, importance_weight=0.0, half_life=half_life)

    hits = store.search(
        "tea", as_of=clock() + 60 * DAY, scoring=scoring, now=clock(), distinct=False
    )

    assert [(hit.memory.id, hit.score.recency) for hit in hits] == [
        ("soon", 1.0), ("now", 1.0), ("old", 0.5),
    ]  # fmt: skip
    assert [hit.score.parts["recency"] for hit in hits] == [0.5, 0.5, 0.25]
    assert hits[0].score.value == hits[1].score.value <= 1


def test_a_fact_of_the_future_takes_no_place_by_being_far_off(store, clock):
    store.add("green tea in the morning", id="near")
    store.add("tea for somebody else at some other place", id="far", valid_from=clock() + 90 * DAY)
    scoring = Scoring(time_weight=0.5, half_life=DAY)

    for k in (1, 2):
        hits = store.search(
            "green tea in the morning", k, as_of=clock() + 100 * DAY, scoring=scoring
        )
        assert [hit.memory.id for hit in hits] == ["near", "far"][:k]


# Ties


TIED = 9
SHOWN = [f"m{at}" for at in reversed(range(TIED))]


@pytest.fixture
def tied(store, clock):
    """Memories that nothing but their age in the file tells apart, among others that differ."""
    for at in range(TIED):
        store.add("tea time", id=f"m{at}", metadata={"kind": "tied"}, valid_from=clock())
    store.add_many({"text": f"tea number {at}", "importance": 0.1} for at in range(6 * TIED))
    return store


@pytest.mark.parametrize("where", [None, F("kind") == "tied"], ids=["scanned", "gathered"])
@pytest.mark.parametrize("k", range(1, TIED + 1))
def test_of_equal_scores_the_memory_written_last_comes_first(tied, where, k):
    asked = [{"text": "tea time"}, {"vector": tied.plumbing.embed_query("tea time")}]

    for one in asked:
        hits = tied.search(k=k, where=where, distinct=False, **one)
        assert [hit.memory.id for hit in hits] == SHOWN[:k]


@pytest.mark.parametrize("k", range(1, TIED + 1))
@pytest.mark.parametrize("sign", [1, -1, 0], ids=["towards", "away", "aside"])
def test_of_equally_near_memories_the_one_written_last_comes_first(tied, sign, k):
    query = sign * tied.plumbing.embed_query("tea time") if sign else aside(tied)

    near = tied.nearest(query, k, where=F("kind") == "tied")

    assert [memory.id for memory, _ in near] == SHOWN[:k]
    assert len({cosine for _, cosine in near}) == 1


def aside(store):
    """A vector at a right angle to that of the tied."""
    query = store.plumbing.embed_query("tea time")
    other = np.random.default_rng(1).normal(size=len(query))
    return other - (other @ query) / (query @ query) * query


def test_a_memory_with_new_content_is_the_one_written_last(tied):
    tied.update("m3", metadata={"kind": "tied", "n": 1})
    tied.link("m1", "m2")

    hits = tied.search("tea time", k=3, distinct=False)

    assert [hit.memory.id for hit in hits] == ["m3", "m8", "m7"]


@pytest.mark.parametrize("where", FILTERS)
def test_the_nearest_are_ordered_by_cosine_also_where_they_point_away(world, where):
    condition, lets_through = FILTERS[where]
    eligible = world.eligible(world.now, lets_through)
    ids = {id_: at for at, id_ in enumerate(world.ids)}
    rows = np.array([np.zeros(DIM) if v is None else v for v in world.facts["vectors"]], np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    for sign in (1, -1):
        query = sign * (np.random.default_rng(0).normal(size=DIM) * 0.1 + 0.7)
        cosines = rows @ query / np.where(lengths > 0, lengths, 1) / np.linalg.norm(query)
        best = np.sort(cosines[eligible])[::-1]
        for k in (1, 10, 2 * COUNT):
            found = world.store.nearest(query, k, where=condition)

            assert np.allclose([cosine for _, cosine in found], best[:k], atol=1e-6)
            assert np.allclose(cosines[[ids[m.id] for m, _ in found]], best[:k], atol=1e-6)
            assert len({memory.id for memory, _ in found}) == len(found)


def test_the_nearest_of_a_store_without_vectors_are_its_memories_at_zero(path):
    with Store.open(path) as store:
        store.add("Alice likes tea", id="a")

        assert [(memory.id, cosine) for memory, cosine in store.nearest([1.0, 0.0])] == [("a", 0.0)]
        assert store.check() == []


def test_a_search_by_words_alone_embeds_nothing(path):
    calls = []
    words_alone = Scoring(dense_weight=0)

    with Store.open(path, query_embedder=calls.append) as store:
        store.add("Alice likes tea", id="a")
        (hit,) = store.search("tea", scoring=words_alone)

        assert (hit.memory.id, hit.score.lexical, calls) == ("a", 1.0, [])
        assert store.check() == []


@pytest.mark.parametrize("kind", ["dense", "text", "hybrid"])
def test_the_parts_sum_to_the_score(world, kind):
    for scoring in SCORINGS.values():
        asked, _ = world.question(kind)
        for hit in world.store.search(k=200, scoring=scoring, **asked):
            assert abs(sum(hit.score.parts.values()) - hit.score.value) <= 1e-9
            assert hit.score.value == float(hit.score)
            assert 0 <= hit.score.value <= 1


def test_all_that_may_be_returned_is_returned_when_k_is_larger(world):
    asked, _ = world.question("hybrid")
    hits = world.store.search(k=2 * COUNT, **asked)
    eligible = world.eligible(world.now, lambda _: True)
    assert {h.memory.id for h in hits} == {i for i, e in zip(world.ids, eligible, strict=True) if e}


def lifted(store, verdict, memory_id, asked):
    """The search with the gate that the verdict names taken away."""
    memory, asked = store.get(memory_id), dict(asked)
    start = memory.valid_from.timestamp()
    match verdict.gate:
        case "superseded":
            assert memory.superseded_by
            asked["as_of"] = start
        case "ended" | "expired" | "not_yet_valid":
            asked["as_of"] = start
        case "filtered":
            asked.pop("where")
        case "not_yet_recorded":
            asked.pop("known_at")
        case None:
            asked["k"] = verdict.rank
        case other:
            raise AssertionError(other)
    return asked


def test_lifting_the_gate_that_why_not_names_lets_the_memory_in(world):
    seen = set()
    chosen = world.rng.choice(COUNT, 18, replace=False).tolist()
    chosen += [at for at, r in enumerate(world.records) if r["valid_from"] > world.now][:6]
    chosen += [int(id_[1:]) for id_ in list(world.replaced)[:10]]
    chosen += [at for at, r in enumerate(world.records) if "valid_to" in r][:6]
    chosen += [at for at, r in enumerate(world.records) if "expires_at" in r][:6]
    for turn, at in enumerate(chosen):
        id_ = f"m{at}"
        asked = {**world.question("hybrid")[0], "k": 10, "distinct": False}
        if turn % 3 == 1:
            asked["where"] = F("bucket") == 7
        if turn % 17 == 2:
            asked["known_at"] = world.now - 1
        for _ in range(6):  # a memory may be kept out by several gates, one after another
            answer = world.store.search(**asked)
            verdict = world.store.why_not(id=id_, text=asked["text"], **without(asked, "text"))
            is_in = id_ in {hit.memory.id for hit in answer}
            assert verdict.is_returned == is_in
            if is_in:
                break
            seen.add(verdict.gate)
            assert verdict.reason
            asked = lifted(world.store, verdict, id_, asked)
            if starts_ended(world, id_, asked):
                break  # replaced from before it began: true at no moment
        else:
            raise AssertionError(f"{id_} is still kept out: {verdict}")
    assert seen >= {
        "superseded", "filtered", "ended", "expired", "not_yet_valid", "not_yet_recorded", None,
    }  # fmt: skip


def without(asked, name):
    return {key: value for key, value in asked.items() if key != name}


def starts_ended(world, id_, asked):
    start = world.records[int(id_[1:])]["valid_from"]
    return asked.get("as_of") == start and world.replaced.get(id_, np.inf) <= start


def test_why_not_tells_the_rank_and_the_margin(world):
    asked, _ = world.question("hybrid")
    ranking = world.store.search(k=COUNT, distinct=False, **asked)
    for place in (0, 4, 9, 10, 11, 500):
        verdict = world.store.why_not(
            asked["text"], ranking[place].memory.id, k=10, vector=asked["vector"], distinct=False
        )
        assert verdict.rank == place + 1
        assert verdict.score == ranking[place].score
        assert verdict.margin == ranking[place].score.value - ranking[9].score.value
        assert verdict.is_returned == (place < 10)


def test_why_not_of_a_tie_that_just_missed_says_it_is_not_returned(store):
    for id_ in ("a", "b", "c"):
        store.add("the same words", id=id_)
    returned = {hit.memory.id for hit in store.search("words", k=2)}
    for id_ in ("a", "b", "c"):
        assert store.why_not("words", id_, k=2).is_returned == (id_ in returned)


@pytest.mark.parametrize("share", [1, 5])
def test_why_not_counts_as_sorting_all_does_whatever_ties(path, clock, share):
    """Of 60 memories only seven differ: places are told apart by when they were written.

    Once among all, once where few may be returned and only those are looked at.
    """
    random = np.random.default_rng(3)
    vectors = random.standard_normal((7, 8)).astype(np.float32)
    vectors[1] = np.nextafter(vectors[0], 2)  # within what rounding hides
    with Store.open(path, clock=clock) as store:
        store.add_many(
            {"text": "tea", "id": f"m{n}", "vector": vectors[n % 7], "metadata": {"n": n % share}}
            for n in range(60)
        )
        asked = {"vector": vectors[0], "where": F("n") == 0, "distinct": False}
        ranked = [hit.memory.id for hit in store.search(k=60, **asked)]
        scores = [hit.score for hit in store.search(k=60, **asked)]

        assert len(ranked) == 60 // share
        for place, id_ in enumerate(ranked):
            verdict = store.why_not(None, id_, k=5, **asked)
            assert (verdict.rank, verdict.score) == (place + 1, scores[place])
            assert verdict.margin == scores[place].value - scores[4].value
        last = store.why_not(None, ranked[-1], k=1_000, **asked)
        assert (last.margin, last.is_returned) == (0.0, True)
        assert store.check() == []


def test_why_not_of_a_stranger_says_so(store):
    assert store.why_not("words", "nobody").gate == "unknown"


def test_a_search_writes_nothing(store):
    store.add("Alice likes tea", id="a")
    store.add("Bob likes coffee", id="b")
    store.link("a", "b")
    before = store.stats()
    store.search("tea", k=2)
    store.search(vector=np.ones(64), where=F("id") == "a")
    store.context_chain("tea")
    store.why_not("tea", "b")
    assert store.stats() == before


def test_importance_and_recency_reorder_equals(store, clock):
    store.add("tea time", id="old", valid_from=clock() - 90 * DAY)
    store.add("tea time", id="new")
    store.add("tea time", id="loved", importance=1.0)
    assert [hit.memory.id for hit in store.search("tea", distinct=False)] == ["loved", "new", "old"]
    frozen = Scoring(time_weight=0, importance_weight=0)
    assert (
        len({hit.score.value for hit in store.search("tea", scoring=frozen, distinct=False)}) == 1
    )


def test_recalls_slow_the_decay(store, clock):
    store.add("tea time", id="shown")
    store.add("tea time", id="hidden")
    for turn in range(5):
        store.recall("tea", where=F("id") == "shown", turn=f"t{turn}")
    clock.advance(days=30)
    parts = {hit.memory.id: hit.score.recency for hit in store.search("tea", distinct=False)}
    assert abs(parts["hidden"] - 0.5) < 1e-9
    assert abs(parts["shown"] - 2 ** (-1 / (1 + np.log(6)))) < 1e-9


def test_the_best_words_count_among_those_that_may_be_returned(store):
    store.add("zebra zebra zebra", id="gone", metadata={"in": "zoo"})
    store.add("a zebra among many other animals of the steppe", id="kept", metadata={"in": "wild"})
    (hit,) = store.search("zebra", where=F("in") == "wild")
    assert hit.score.lexical == 1.0


def test_japanese_is_found_by_its_characters(path, clock):
    with Store.open(path, clock=clock) as store:
        store.add("私は日本語を勉強しています", id="ja")
        store.add("I am learning Spanish", id="es")
        for asked in ("日本語", "日本", "語"):
            best = store.search(asked, k=2)[0]
            assert (best.memory.id, best.score.lexical) == ("ja", 1.0)


def test_a_query_of_another_length_is_refused_whatever_is_asked(tied):
    """Also about a memory that no search would reach."""
    for ask in (tied.search, tied.context_chain, tied.recall):
        with pytest.raises(DimensionError):
            ask(vector=[1.0, 2.0])
    with pytest.raises(DimensionError):
        tied.why_not(None, "nobody", vector=[1.0, 2.0])
    with pytest.raises(DimensionError):
        tied.nearest([1.0, 2.0])
