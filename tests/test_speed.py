"""The speed benchmark measures every row, tells the truth about peers, and writes its page."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PEERS = ("feather-db", "chroma", "lancedb", "qdrant-client", "faiss-cpu", "sqlite-vec", "usearch",
         "memvara")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _found():
    """`python -m benchmarks.speed` finds the package where it stands; so do the tests."""
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))


def module(name):
    return importlib.import_module(f"benchmarks.speed.{name}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run at toy sizes: the figures, what was printed, and the page beside the figures."""
    folder = tmp_path_factory.mktemp("speed")
    random = np.random.default_rng(3)
    (folder / "some-dev").mkdir()
    vectors = random.standard_normal((400, 16)).astype(np.float16)
    np.savez(folder / "some-dev" / "minilm.npz", vectors=vectors)
    out, printed = folder / "figures.json", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *said, **_: printed.append(" ".join(map(str, said))))
        arguments = ["--toy", "--data", str(folder), "--folder", str(folder), "--out", str(out)]
        module("__main__").main(arguments)
    return json.loads(out.read_text("utf-8")), "\n".join(printed), out.with_suffix(".md")


def of_row(figures, row):
    return [one for one in figures["rows"] if one["row"] == row]


def test_every_row_is_measured_of_our_store(run):
    figures, _, _ = run

    for row in module("plan").TITLES:
        measured = of_row(figures, row)
        assert measured, row
        for one in measured:
            ours = one["figures"]["feather-memory"]
            assert ours["times"] >= 1
            assert 0 < ours["wall"] <= ours["p99"] * 1.001


def test_every_row_of_the_bars_is_judged(run):
    figures, _, _ = run

    judged = {one["row"] for one in figures["rows"] if one["bars"]}
    promised = {
        "dense", "hybrid", "common", "frameworks", "filtered", "first filter", "chain", "known_at",
        "why_not", "forget", "open after forget", "open", "tenants", "small tenants", "add",
        "add_many", "import", "memory", "processes",
    }  # fmt: skip
    assert judged == promised


def test_the_terminal_shows_every_row_and_every_verdict(run):
    figures, printed, _ = run

    for title in module("plan").TITLES.values():
        assert title in printed
    for one in figures["rows"]:
        for bar in one["bars"]:
            assert f"bar {bar['says']}: {bar['met']}" in printed


def test_real_sentences_are_measured_as_well_as_synthetic_ones(run):
    figures, _, _ = run

    assert [one["kind"] for one in of_row(figures, "dense")].count("of sentences") == 1
    assert figures["about"]["sentences"] == 100  # of 400, the rest are asked with


def test_a_store_of_vectors_that_no_sketch_tells_apart_is_measured_too(run):
    """Where reading less does not pay, the whole scan is what is left."""
    figures, _, _ = run
    widths = np.linalg.svd(module("corpus").Noise(64, 1).vectors(500), compute_uv=False)

    assert [one["kind"] for one in of_row(figures, "dense")].count("of noise") == 1
    assert widths[-1] > 0.4 * widths[0]


def test_without_sentences_it_says_so(run):
    figures, _, _ = run
    about = figures["about"] | {"sentences": 0}

    page = module("page").rendered({"about": about, "rows": figures["rows"]}, [], "performance")

    assert "synthetic only" in page


def test_a_peer_that_is_not_here_is_named_with_the_reason(run):
    figures, printed, page = run
    here, absent = module("peers").present()

    assert {one.name for one in here} | absent.keys() == set(PEERS)
    for name in absent:
        assert f"{name} takes no part" in printed
        assert f"| {name} |" in page.read_text("utf-8")
    assert figures["about"]["absent"] == absent


def test_a_peer_that_pip_refuses_is_told_in_its_words(tmp_path, monkeypatch):
    """Asked for a place where there is nothing, pip needs no network to refuse."""
    environment, peers = module("environment"), module("peers")
    said = environment.install(Path(sys.executable), [str(tmp_path / "nowhere")])
    (tmp_path / "refused.json").write_text(json.dumps({"usearch": said}), "utf-8")
    monkeypatch.setattr(peers.sys, "prefix", str(tmp_path))
    monkeypatch.setitem(peers.MODULES, "usearch", "nowhere")

    assert said
    assert peers.present()[1]["usearch"] == said


def test_the_page_says_what_the_figures_say(run):
    figures, _, page = run
    text = page.read_text("utf-8")
    amount = module("report").amount

    for one in figures["rows"]:
        assert amount(one["figures"]["feather-memory"]["wall"]) in text
    for line in text.splitlines():
        if line.startswith("!["):
            plot = page.parent / re.search(r"\((.+)\)", line)[1]
            assert plot.stat().st_size < 100_000


def test_no_path_of_the_machine_is_in_the_page_or_the_figures(run):
    figures, _, page = run
    text = page.read_text("utf-8") + json.dumps(figures["about"])

    assert str(page.parent) not in text
    assert str(Path.home()) not in text


def tiny(**changes):
    """A row as the figures have it."""
    each = {"wall": 2.0, "cpu": 1.5, "p99": 3.0, "times": 9, "ratio": 1.0, "found": None}
    row = {
        "row": "dense", "n": 10, "dim": 4, "kind": "", "variant": "", "unit": "ms",
        "beside": "", "limit": {"ms": 0.5, "of": "the vectors once"}, "bars": [], "faster": [],
        "figures": {"feather-memory": each, "other": each | {"wall": 1.0, "ratio": 0.5}},
    }  # fmt: skip
    return row | changes


def test_a_peer_that_lacks_a_row_is_shown_with_a_dash():
    rows = [tiny(), tiny(n=20, figures={"feather-memory": tiny()["figures"]["feather-memory"]})]

    table = "\n".join(module("page").tables(rows))

    assert "| other | 1.00 / 1.50 / 3.00 (0.50) | – |" in table
    assert "| *the machine, plainly: the vectors once* | 0.50 | 0.50 |" in table


def test_a_faster_peer_is_named_with_the_reason_or_without_one():
    reasons = ["approximate", ""]
    rows = [
        tiny(faster=[{"who": "other", "times": 2.0, "because": because}]) for because in reasons
    ]

    table = module("page").peers(rows)

    assert "| other | 1.00 | 2.00 | 2.0 | approximate |" in table
    assert "| other | 1.00 | 2.00 | 2.0 | – |" in table
    assert module("page").peers([tiny()]).startswith("Nowhere")


def measured(**taken):
    stand, measure = module("stand"), module("measure")
    times = {
        name.replace("_", "-"): measure.Taken([wall], [cpu]) for name, (wall, cpu) in taken.items()
    }
    return stand.Measured("dense", 1_000, 384, times)


@pytest.mark.parametrize(
    ("wall", "cpu", "met"), [(0.1, 0.1, "yes"), (0.9, 0.1, "by CPU time"), (0.9, 0.9, "no")]
)
def test_a_bar_is_met_by_wall_time_or_by_cpu_time_or_not(wall, cpu, met):
    """A busy machine lengthens what a caller waits, and says nothing of the code."""
    stand, bars = module("stand"), module("bars")
    limits = module("machine").Limits(mib=1, commit=1, inserts=1, fault=1, opening=1)

    judged = bars.judged(measured(feather_memory=(wall, cpu)), stand.Sizes(), limits, {})

    assert [bar["met"] for bar in judged["bars"]] == [met]


def test_a_peer_is_faster_only_by_more_than_a_fifth_in_wall_and_in_cpu_time():
    stand, bars = module("stand"), module("bars")
    limits = module("machine").Limits(mib=1, commit=1, inserts=1, fault=1, opening=1)
    one = measured(feather_memory=(1.2, 1.2), near=(1.1, 1.1), lucky=(0.5, 1.2), quick=(0.5, 0.5))

    judged = bars.judged(one, stand.Sizes(), limits, {})

    assert [each["who"] for each in judged["faster"]] == ["quick"]


def test_contenders_take_turns_and_who_fails_ends_nobody_else():
    calls = []

    def fails(number):
        if number == 2:
            raise ValueError("no more")
        calls.append(("fails", number))

    taken, failures = module("measure").round_robin(
        {"works": lambda number: calls.append(("works", number)), "fails": fails},
        module("measure").Effort(rounds=4, seconds=9), warming=1,
    )  # fmt: skip

    assert failures == {"fails": "ValueError: no more"}
    assert {name: len(each) for name, each in taken.items()} == {"works": 4}
    assert sorted(calls) == [("fails", 0), ("fails", 1), *(("works", n) for n in range(5))]


@pytest.mark.parametrize(("each", "kept"), [(0.0, True), (6.0, False)])
def test_who_would_take_too_long_to_be_filled_is_dropped_by_the_second_tenth(
    tmp_path, monkeypatch, each, kept
):
    stands, contender, clock, filled = module("stand"), module("contender"), [0.0], []

    class Slow(contender.Contender):
        name = "slow"

        def __init__(self, path, dim):
            pass

        def add_many(self, records):
            filled.append(len(records))
            clock[0] += each

    perf_counter = lambda: int(clock[0] * 1e9)  # noqa: E731
    monkeypatch.setattr(module("measure").time, "perf_counter_ns", perf_counter)
    sizes = stands.Sizes(fill_seconds=30.0)
    stand = stands.Stand(
        shape=stands.Shape(100, 8), corpus=module("corpus").Corpus(8, 2), folder=tmp_path,
        effort=module("measure").Effort(rounds=1), sizes=sizes, failed={},
    )  # fmt: skip

    stand.fill([Slow])

    assert ("slow" in stand.held) == kept
    assert filled == [10] * (10 if kept else 2)
    assert list(stand.failed.values()) == ([] if kept else ["to fill it takes over 30 s"])


def test_a_failure_of_ours_ends_the_run():
    """The negative control: only a peer's failure is set aside."""
    effort = module("measure").Effort(rounds=1)

    with pytest.raises(ZeroDivisionError):
        module("measure").round_robin({"ours": lambda _: 1 / 0}, effort, never_fails={"ours"})


def test_our_answers_are_the_ones_of_a_sort_of_everything(tmp_path):
    """So what is measured is a search, and `found` counts what it says."""
    corpus = module("corpus").Corpus(16, 4)
    records = corpus.records(80)
    rows = np.stack([record.vector for record in records])
    query = corpus.queries(1)[0]
    ours = module("ours")
    store, scan = ours.Feather(tmp_path / "a.feather", 16), ours.Scan(tmp_path / "b", 16)
    store.add_many(records)
    scan.add_many(records)

    nearest = [f"m{row}" for row in np.argsort(-(rows @ query))[:10]]

    assert scan.exact(query) == nearest
    assert store.search(query) == nearest
    assert (
        all(int(id_[1:]) for id_ in store.filtered(query, 50) if records[int(id_[1:])].share >= 50)
        is True
    )
    assert store.store.check() == []
    store.close()


def test_synthetic_vectors_are_as_close_to_each_other_as_real_embeddings():
    """Mean cosine .19, nearest .68 for turns of real conversations."""
    rows = module("corpus").Corpus(384, 20).vectors(2_000)

    cosine = rows @ rows.T
    np.fill_diagonal(cosine, np.nan)
    assert np.nanmean(cosine) == pytest.approx(0.19, abs=0.08)
    assert np.nanmean(np.nanmax(cosine, axis=1)) == pytest.approx(0.68, abs=0.1)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_finds_what_a_sort_of_everything_finds(tmp_path, name):
    """Run by `make bench`'s environment; elsewhere the peers are not installed."""
    here = {one.name: one for one in module("peers").present()[0]}
    if name not in here:
        pytest.skip(f"{name} is not installed")
    corpus = module("corpus").Corpus(16, 4)
    records = corpus.records(80)
    rows = np.stack([record.vector for record in records])
    query = corpus.queries(1)[0]
    peer = here[name](tmp_path / "peer", 16)
    peer.add_many(records)

    found = peer.answer("", query) if peer.has("search") else peer.hybrid(records[0].text, query)

    nearest = [f"m{row}" for row in np.argsort(-(rows @ query))[:10]]
    assert len(found) == 10
    assert len(set(found) & set(nearest)) >= (8 if peer.has("search") else 1)
    peer.close()


def test_the_committed_page_is_made_of_the_committed_figures():
    """Nobody has written into it by hand."""
    figures, page = ROOT / "docs" / "performance.json", ROOT / "docs" / "performance.md"
    whole = json.loads(figures.read_text("utf-8"))
    plots = module("plots").PLOTS
    drawn = [(name, caption) for name, caption, row, _ in plots if of_row(whole, row)]

    assert page.read_text("utf-8") == module("page").rendered(whole, drawn, "performance")
