"""A scan of sketches rules out only what cannot be among the best, whatever the vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_best, scores, settled

from feather_memory import F, Scoring, Store, config
from feather_memory.config import DAY
from feather_memory.index import beside, sketch
from feather_memory.index import mapped as snapshot
from feather_memory.index.matrix import Matrix, Rows, unit
from feather_memory.index.sketch import Drawn, Sketch
from feather_memory.search.certified import CertifiedRanking
from feather_memory.testing import FrozenClock

DIM, WIDTH, COUNT = 96, 32, 3_000
WORDS = ["bab", "dod", "kek", "lil", "mum", "nan", "pap", "tet"]
SCORINGS = {
    "default": Scoring(),
    "feather": Scoring.feather(),
    "all recency": Scoring(time_weight=1.0, importance_weight=0.0, half_life=DAY),
    "similarity": Scoring(time_weight=0.0, importance_weight=0.0, dense_weight=0.9),
}


# Vectors, friendly and not


def clustered(random, count, dim=DIM):
    """As embeddings are: centres, and a spectrum that falls off."""
    spectrum = np.arange(1, dim + 1) ** -0.8
    centres = random.normal(size=(40, dim)) * spectrum
    return (
        centres[random.integers(0, 40, count)] + 0.5 * random.normal(size=(count, dim)) * spectrum
    )


def noise(random, count, dim=DIM):
    """The same in every direction: no few axes hold anything."""
    return random.normal(size=(count, dim))


def spike(random, count, dim=DIM):
    """All but a thousandth along one axis, and what tells them apart along the others."""
    rows = 1e-3 * random.normal(size=(count, dim))
    rows[:, 7] += 1
    return rows


def flat(random, count, dim=DIM):
    """Nothing at all outside of five axes."""
    rows = np.zeros((count, dim))
    rows[:, 3:8] = random.normal(size=(count, 5))
    return rows


def hollow(random, count, dim=DIM):
    """Every third is zero."""
    rows = clustered(random, count, dim)
    rows[::3] = 0
    return rows


def twins(random, count, dim=DIM):
    """Most are the same vector."""
    rows = clustered(random, count, dim)
    rows[count // 5 :] = rows[0]
    return rows


def hidden(random, count, dim=DIM):
    """Most lie on a few axes; the few that a question is about do not touch them."""
    rows = flat(random, count, dim)
    rows[::100] = 0
    rows[::100, 50:] = random.normal(size=(len(rows[::100]), dim - 50))
    return rows


KINDS = [clustered, noise, spike, flat, hollow, twins, hidden]


def questions(random, rows, count=4):
    """Near a memory, far from all, and one of them exactly."""
    far = random.normal(size=(count, rows.shape[1]))
    near = rows[random.integers(0, len(rows), count)] + 0.02 * far
    return [*far, *near, rows[0] if rows[0].any() else rows[1]]


# The bound


def drawn(rows, axes):
    matrix = Matrix(rows.shape[1])
    matrix.append(rows)
    made = Drawn(axes, Rows(axes.shape[1] + 1))
    made.append(matrix, len(matrix))
    return matrix, made


def exactly(matrix, query):
    """The cosines in more than double precision."""
    rows = matrix.take(np.arange(len(matrix))).astype(np.longdouble)
    query = query.astype(np.longdouble)
    lengths = np.sqrt((rows * rows).sum(axis=1)) * np.sqrt((query * query).sum())
    return (rows * query).sum(axis=1) / np.where(lengths > 0, lengths, 1)


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.integers(1, 60), st.booleans())
def test_no_cosine_exceeds_its_bound(kind, seed, count, by_chance):
    """On the axes of the rows, and on any others."""
    random = np.random.default_rng(seed)
    rows = kind(random, 200)
    axes = np.linalg.qr(random.normal(size=(DIM, count)))[0]
    if not by_chance:
        axes = sketch._axes_of(unit(rows), count)
    matrix, made = drawn(rows, axes)
    for question in questions(random, rows):
        query = unit(question)

        bounds = made.bounds(query, 200).astype(np.longdouble)

        assert (exactly(matrix, query) <= bounds + made.slack / 2).all()


def test_without_the_slack_rounding_puts_bounds_below_cosines():
    """The control: float32 does that, if seldom."""
    random = np.random.default_rng(0)
    rows = flat(random, 2_000)
    matrix, made = drawn(rows, sketch._axes_of(unit(rows), 5))

    below = [
        (made.bounds(query, 2_000) < exactly(matrix, query)).sum()
        for query in matrix.take(np.arange(100))
    ]

    assert sum(below) > 0


@pytest.mark.parametrize("most", [1, 5, 31])
@pytest.mark.parametrize("kind", KINDS)
def test_axes_are_orthonormal_whatever_they_are_of(kind, most):
    axes = sketch._axes_of(unit(kind(np.random.default_rng(most), 300)), most)

    assert axes.shape == (DIM, most)
    assert np.allclose(axes.T @ axes, np.eye(most), atol=1e-14)


def test_axes_hold_as_much_as_the_best_do():
    rows = unit(clustered(np.random.default_rng(0), 2_000))
    best = np.linalg.eigvalsh(rows.T.astype(np.float64) @ rows)[::-1]

    for most in (4, 16, 31):
        held = ((rows @ sketch._axes_of(rows, most)) ** 2).sum()
        assert held >= 0.99 * best[:most].sum()


# Whether there are any


def sketched(rows, n=None):
    matrix = Matrix(rows.shape[1])
    matrix.append(rows)
    made = Sketch()
    made.follow(matrix, n or len(matrix))
    return made


def test_vectors_are_sketched_where_that_pays():
    random = np.random.default_rng(0)

    for dim in (96, 192):
        assert sketched(clustered(random, COUNT, dim)).drawn.rows.dim <= dim // 3
        assert sketched(noise(random, COUNT, dim)).drawn is None
    assert sketched(clustered(random, COUNT, 24)).drawn is None, "a line of memory holds them whole"
    assert sketched(np.zeros((COUNT, DIM))).drawn is None


def test_axes_are_chosen_anew_when_the_rows_have_doubled():
    random = np.random.default_rng(0)
    matrix, made, judged = Matrix(DIM), Sketch(), []
    for count in (1_000, 500, 499, 1, 1_000, 999, 1):
        matrix.append(clustered(random, count))
        made.follow(matrix, len(matrix))
        assert len(made.drawn.rows) == len(matrix)
        judged.append(made.judged)

    assert judged == [1_000, 1_000, 1_000, 2_000, 2_000, 2_000, 4_000]


def test_rows_are_sketched_alike_one_by_one_and_all_at_once():
    rows = clustered(np.random.default_rng(0), 1_300)
    matrix = Matrix(DIM)
    matrix.append(rows[:1_000])
    bit_by_bit = Sketch()
    bit_by_bit.follow(matrix, 1_000)
    axes = bit_by_bit.drawn.axes
    for start in range(1_000, 1_300, 7):
        matrix.append(rows[start : start + 7])
        bit_by_bit.follow(matrix, len(matrix))
    _, at_once = drawn(rows[: len(matrix)], axes)

    at = np.arange(len(matrix))
    assert np.allclose(bit_by_bit.drawn.rows.take(at), at_once.rows.take(at), atol=1e-6)


# What a search answers


class World:
    """A store of these vectors, and the same as plain lists."""

    def __init__(self, path, vectors, seed=0):
        self.random = random = np.random.default_rng(seed)
        self.path, self.vectors, count = path, vectors, len(vectors)
        self.clock = FrozenClock()
        self.facts = {
            "texts": [" ".join(random.choice(WORDS, 3)) for _ in range(count)],
            "vectors": vectors,
            "valid_from": np.round(self.clock() - 60 * np.exp(random.uniform(0, 15, count)), 6),
            "importance": random.random(count),
            "recalls": np.zeros(count),
        }
        self.ids = [f"m{at}" for at in range(count)]

    def records(self, start=0, stop=None):
        parts = (self.ids, *(self.facts[name] for name in ("texts", "valid_from", "importance")))
        return [
            {"id": id_, "text": text, "valid_from": since, "importance": importance,
             "vector": vector, "metadata": {"at": at % 100}}
            for at, (id_, text, since, importance, vector) in enumerate(
                zip(*parts, self.vectors, strict=True)
            )
        ][start:stop]  # fmt: skip

    def open(self):
        return Store.open(self.path, clock=self.clock)

    def assert_answers(self, store, ks=(10,), scorings=SCORINGS, part=100, is_of_today=False):
        """Dense and hybrid, with a filter and without, are the formula over all."""
        n = len(store)
        facts = {name: values[:n] for name, values in self.facts.items()}
        eligible = np.arange(n) % 100 < part
        where = None if part == 100 else F("at") < part
        for vector in questions(self.random, self.vectors[:n], 1):
            for words in (None, self.random.choice(WORDS, 2, replace=False).tolist()):
                if is_of_today and words:
                    words.append("today")
                day = self.clock() // 86_400 * 86_400
                period = (day, day + 86_400) if is_of_today and words else (0, 0)
                for scoring in scorings.values():
                    asked = {"words": words, "vector": vector, "period": period}
                    values = scores(facts, eligible, scoring, self.clock(), **asked)
                    for k in ks:
                        text = words and " ".join(words)
                        asked_for = {"where": where, "scoring": scoring, "distinct": False}
                        hits = store.search(text, k, vector=vector, **asked_for)
                        expected = settled(values, facts, scoring, **asked)
                        assert_best(hits, self.ids[:n], expected, k)


def sketch_of(store):
    return store._core.columns.view.lineage.sketch


@pytest.fixture
def small(monkeypatch):
    """Stores of a thousand vectors are sketched, and mapped when they are closed."""
    monkeypatch.setattr(config, "SKETCH_ROWS", 1_000)
    monkeypatch.setattr(config, "SNAPSHOT_ROWS", 1_000)


@pytest.fixture
def forced(small, monkeypatch):
    """They are, also where it does not pay."""
    monkeypatch.setattr(sketch, "_width_for", lambda *_: WIDTH)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_by_sketches_is_the_formula_over_all(tmp_path, forced, monkeypatch, kind):
    world = World(tmp_path / "a.feather", kind(np.random.default_rng(1), 1_500))
    with world.open() as store:
        store.add_many(world.records())
        world.assert_answers(store, ks=(1, 10, 70))
        for part in (50, 2):
            world.assert_answers(store, part=part, scorings={"default": Scoring()})
        world.assert_answers(store, ks=(1, 10), is_of_today=True)
        monkeypatch.setattr("feather_memory.search.certified.SKETCH_RIVALS", 1.0)
        monkeypatch.setattr(
            CertifiedRanking, "_scanned", lambda *_: pytest.fail("all were scanned")
        )
        world.assert_answers(store, ks=(1, 10, 300))
        world.assert_answers(store, ks=(1, 10), is_of_today=True)

        assert sketch_of(store).drawn.rows.dim == WIDTH
        assert store.check() == []


def test_what_is_like_embeddings_is_not_scanned_whole(tmp_path, small, monkeypatch):
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), COUNT))
    with world.open() as store:
        store.add_many(world.records())
        monkeypatch.setattr(Matrix, "products", lambda *_: pytest.fail("all were scanned"))

        for at in range(0, COUNT, 100):
            ((memory, cosine),) = store.nearest(world.vectors[at], 1)
            assert (memory.id, round(cosine, 6)) == (f"m{at}", 1.0)
        assert store.check() == []


def test_noise_is_scanned_whole(tmp_path, small):
    world = World(tmp_path / "a.feather", noise(np.random.default_rng(1), COUNT))
    with world.open() as store:
        store.add_many(world.records())

        world.assert_answers(store)

        assert sketch_of(store).drawn is None
        assert store.check() == []


def test_one_vector_ten_thousand_times_is_ordered_by_what_else_is_known(tmp_path, forced):
    rows = clustered(np.random.default_rng(1), 11_000)
    rows[1_000:] = rows[0]
    world = World(tmp_path / "a.feather", rows)
    with world.open() as store:
        store.add_many(world.records())

        world.assert_answers(store, ks=(1, 50), scorings={"feather": Scoring.feather()})

        assert sketch_of(store).drawn is not None
        assert store.check() == []


@pytest.mark.parametrize("kind", [noise, spike])
def test_without_the_bound_on_the_rest_answers_are_wrong(tmp_path, forced, monkeypatch, kind):
    """The control: the first numbers alone, as they stand, do not do."""
    whole = Drawn._of
    world = World(tmp_path / "a.feather", kind(np.random.default_rng(1), COUNT))

    def without_the_rest(self, vectors):
        made = whole(self, vectors)
        made[:, -1] = 0
        return made

    monkeypatch.setattr(Drawn, "_of", without_the_rest)
    with world.open() as store:
        store.add_many(world.records())
        with pytest.raises(AssertionError):
            world.assert_answers(store, scorings={"similarity": SCORINGS["similarity"]})

        assert store.check() == []


def test_without_the_rivals_of_what_is_seen_first_answers_are_wrong(tmp_path, small, monkeypatch):
    """The control: what has the highest bounds is not yet what scores best."""
    monkeypatch.setattr("feather_memory.search.certified._SEEDS", 10)
    monkeypatch.setattr(
        CertifiedRanking,
        "_certified",
        lambda self, seen, possible, k, *_: self._contenders(seen, k),
    )
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), COUNT))
    with world.open() as store:
        store.add_many(world.records())
        with pytest.raises(AssertionError):
            world.assert_answers(store, ks=(3,))

        assert store.check() == []


def test_the_nearest_are_the_nearest_also_where_they_point_away(tmp_path, forced):
    world = World(tmp_path / "a.feather", hollow(np.random.default_rng(1), 1_500))
    with world.open() as store:
        store.add_many(world.records())
        rows = world.vectors / np.maximum(np.linalg.norm(world.vectors, axis=1), 1e-9)[:, None]
        for vector in (rows[1], -rows[1], -rows.sum(axis=0)):
            cosines = rows @ vector / np.linalg.norm(vector)
            for k in (1, 10, 1_000):
                found = store.nearest(vector, k)

                best = np.sort(cosines)[::-1][:k]
                assert np.allclose([cosine for _, cosine in found], best, atol=1e-6)
        assert store.check() == []


@pytest.mark.parametrize(("most", "index"), [(1_200 * WIDTH, "hnsw"), (1_200 * WIDTH + 1, "exact")])
def test_an_index_is_built_from_where_a_scan_of_sketches_reads_so_much(
    tmp_path, forced, monkeypatch, most, index
):
    pytest.importorskip("hnswlib")
    monkeypatch.setattr(config, "HNSW_FLOATS", most)
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), 1_200))
    with world.open() as store:
        store.add_many(world.records())
        store.search(vector=world.vectors[0])
        store._core.columns.view.lineage.approximation.wait()
        assert store.stats().index == index

    with world.open() as store:
        store.search(vector=world.vectors[0])
        assert store.stats().index == index, "also when it is opened again"
        assert store.check() == []


# In step with the vectors, and beside them in the file


def test_what_is_written_after_the_mapped_file_is_found(tmp_path, small):
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), COUNT))
    with world.open() as store:
        store.add_many(world.records(stop=2_000))

    with world.open() as store:
        world.assert_answers(store)
        assert len(sketch_of(store).drawn.rows.blocks(2_000)[0]) == 2_000, "it is mapped"
        for start in range(2_000, 2_050):
            store.add(**world.records()[start])
        world.assert_answers(store)
        store.add_many(world.records(start=2_050))
        world.assert_answers(store)
        store.forget("m5")
        store.add(**world.records()[5])
        assert {hit.memory.id for hit in store.search(vector=world.vectors[5], k=3)} >= {"m5"}
        assert store.check() == []


def test_a_store_without_its_mapped_file_answers_alike(tmp_path, small):
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), COUNT))
    with world.open() as store:
        store.add_many(world.records())
    beside.discard(world.path)

    with world.open() as store:
        world.assert_answers(store)
        assert store.check() == []


def rewritten(world, **changes):
    """The mapped file with other columns or large arrays; None takes one away."""
    with world.open() as store, store._core.truth.reading() as moment:
        mark = moment.state.snapshot
    path = beside.vectors_path(world.path)
    found = snapshot.read(path, store_id=mark)
    kept = {name: value for name, value in changes.items() if value is not None}
    arrays = [
        {
            name: array
            for name, array in {**held, **kept}.items()
            if name in held and name not in changes.keys() - kept.keys()
        }
        for held in (found.columns, found.large)
    ]
    snapshot.write(
        path,
        store_id=mark,
        generation=found.generation,
        columns=arrays[0],
        large={name: [array] for name, array in arrays[1].items()},
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"sketch": None},
        {"sketch_axes": None},
        {"sketch_judged": None},
        {"sketch": np.zeros((1_199, WIDTH), np.float32)},
        {"sketch": np.zeros((1_200, WIDTH - 1), np.float32)},
        {"sketch": np.zeros((1_200, WIDTH))},
        {"sketch_axes": np.eye(DIM - 1, WIDTH - 1)},
        {"sketch_axes": np.zeros(DIM)},
        {"sketch_judged": np.zeros(0, np.int64)},
    ],
    ids=[
        "no sketch",
        "no axes",
        "not judged",
        "one short",
        "narrower",
        "double precision",
        "other axes",
        "a single axis",
        "judged of nothing",
    ],
)
def test_a_mapped_file_whose_sketch_is_not_of_its_vectors_changes_no_answer(
    tmp_path, forced, changes
):
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), 1_201))
    with world.open() as store:
        store.add_many(world.records(stop=1_200))
    rewritten(world, **changes)

    with world.open() as store:
        world.assert_answers(store)
        store.add_many(world.records(start=1_200))
        world.assert_answers(store)
        assert store.check() == []


def test_a_flipped_bit_of_a_sketch_is_named_and_mended(tmp_path, forced):
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), 1_200))
    with world.open() as store:
        store.add_many(world.records())
    path = beside.vectors_path(world.path)
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 0x40
    path.write_bytes(whole)

    with world.open() as store:
        assert any("sketch" in fault for fault in store.check())
        assert store.check(fix=True) == []
        world.assert_answers(store)


def test_that_sketches_do_not_pay_is_remembered_in_the_file(tmp_path, small, monkeypatch):
    """Else every opening would look for axes again."""
    world = World(tmp_path / "a.feather", noise(np.random.default_rng(1), 1_201))
    with world.open() as store:
        store.add_many(world.records(stop=1_200))
    monkeypatch.setattr(sketch, "_axes_of", lambda *_: pytest.fail("axes are sought"))

    with world.open() as store:
        store.add_many(world.records(start=1_200))
        world.assert_answers(store)
        assert store.check() == []


def test_a_fork_begins_anew_from_whole_sketches(tmp_path, small):
    """Also where the fork came while another thread was half way further."""
    world = World(tmp_path / "a.feather", clustered(np.random.default_rng(1), 1_500))
    with world.open() as store:
        store.add_many(world.records(stop=1_200))
        world.assert_answers(store)
        columns = store._core.columns
        columns.view.matrix.append(np.ones((5, DIM)))  # as half an advance leaves them
        sketch_of(store).drawn.append(columns.view.matrix, 1_203)

        columns.start_over()

        assert len(sketch_of(store).drawn.rows) == 1_200
        store.add_many(world.records(start=1_200))
        world.assert_answers(store)
        assert store.check() == []
