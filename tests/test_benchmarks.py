"""The benchmarks run, at sizes that say nothing about speed."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def evaluation_data(tmp_path):
    """Two made-up conversations, one of each benchmark, with vectors of chance."""
    turns = [
        {"conversation": "c", "session": 1, "turn": f"D1:{n}", "speaker": speaker,
         "date": "1:56 pm on 8 May, 2023", "text": text, "caption": caption}
        for n, (speaker, text, caption) in enumerate(
            [("Ada", "I bought a kayak", None), ("Bo", "Look at this", "a red kite"),
             ("Ada", "Rain again", None)], start=1)
    ]  # fmt: skip
    asked = [
        {"conversation": "c", "question": "What did Ada buy?", "category": 4,
         "evidence": ["D1:1"], "answer": "a kayak"},
        {"conversation": "c", "question": "What flew?", "category": 5,
         "evidence": ["D1:2"], "answer": ""},
        {"conversation": "c", "question": "Nobody knows", "category": 1,
         "evidence": [], "answer": ""},
    ]  # fmt: skip
    messages = [
        {"chat": "1", "id": n, "role": role, "time": None, "text": text}
        for n, (role, text) in enumerate(
            [("user", "The limit is 20 requests"), ("assistant", "Noted"),
             ("user", "The limit is now 50 requests")]
        )
    ]  # fmt: skip
    updates = [
        {"chat": "1", "category": "knowledge_update", "question": "What is the limit?",
         "answer": "50", "evidence": [0, 2], "update": {"new": [2], "old": [0]}}
    ]  # fmt: skip
    plain = [t["text"] + (f" [image: {t['caption']}]" if t["caption"] else "") for t in turns]
    named = [f"{t['speaker']}: {text}" for t, text in zip(turns, plain, strict=True)]
    put = ["What did I buy?"]  # as the one who is asked about would put it
    # A store embeds a turn below the one before it.
    put += [named[0], f"{named[0]}\n{named[1]}", f"{named[1]}\n{named[2]}"]
    put += (q["question"] for q in asked)
    said = [f"{m['role']}: {m['text']}" for m in messages]
    said += [said[0], f"{said[0]}\n{said[1]}", f"{said[1]}\n{said[2]}", f"{said[0]}\n{said[2]}"]
    for folder, first, second, texts in (
        (
            "locomo-dev",
            turns,
            asked,
            [*plain, *named, *put],
        ),
        (
            "beam-dev",
            messages,
            updates,
            [*said, *(m["text"] for m in messages), "What is the limit?"],
        ),
    ):
        (tmp_path / folder).mkdir()
        random = np.random.default_rng(3)
        vectors = random.standard_normal((len(texts), 8))
        np.savez(
            tmp_path / folder / "minilm.npz",
            keys=np.array([hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]),
            vectors=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16),
        )
        lines = "".join(json.dumps(row) + "\n" for row in first)
        if folder == "locomo-dev":
            (tmp_path / folder / "turns.jsonl").write_text(lines)
        else:
            (tmp_path / folder / "messages.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
        (tmp_path / folder / "questions.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in second)
        )
    return tmp_path


def test_the_langchain_benchmark_measures_every_adapter_beside_the_store(capsys):
    load("langchain_overhead").main(["--small"])

    printed = capsys.readouterr().out
    for name in ("Store.search", "FeatherVectorStore", "Store.recall", "FeatherRetriever"):
        assert name in printed


def test_the_langgraph_benchmark_measures_every_call(capsys):
    pytest.importorskip("langgraph.store.base")
    load("langgraph_store").main(["--small"])

    printed = capsys.readouterr().out
    for name in ("get", "list_namespaces", "filter by order", "delete", "mixed"):
        assert name in printed


def test_the_llama_index_benchmark_measures_turns_and_documents(capsys):
    pytest.importorskip("llama_index.core")
    load("llama_index_memory").main(["--small"])

    printed = capsys.readouterr().out
    for name in ("20 messages", "of 100 words", "30 nodes", "delete"):
        assert name in printed


@pytest.fixture
def recall(tmp_path, monkeypatch):
    """Runs the recall benchmark: its figures, what was printed, and its page."""
    monkeypatch.syspath_prepend(str(ROOT))
    out, printed = tmp_path / "figures.json", []
    monkeypatch.setattr("builtins.print", lambda *said, **_: printed.append(" ".join(said)))

    def run(*arguments):
        main = importlib.import_module("benchmarks.recall.__main__").main
        main([*arguments, "--out", str(out), "--cache", str(tmp_path / "cache.npz")])
        figures = json.loads(out.read_text("utf-8"))
        return figures, "\n".join(printed), out.with_suffix(".md").read_text("utf-8")

    return run


def lines_of(figures, title):
    (table,) = [one for one in figures["tables"] if one["title"].startswith(title)]
    heads = table["heads"]
    return {name: dict(zip(heads, cells, strict=True)) for name, cells in table["lines"].items()}


def test_the_recall_benchmark_finds_the_only_evidence_there_is(recall, evaluation_data):
    figures, printed, page = recall("--data", str(evaluation_data), "--only", "locomo")

    default = lines_of(figures, "LoCoMo: what the default finds")["default"]
    assert default["R@10"] == 100  # three turns, ten are returned
    assert default["1–4"] == 100
    by_talk = lines_of(figures, "LoCoMo: by conversation")["c"]
    assert by_talk["questions"] == 2  # the one without evidence is not scored
    assert by_talk["adversarial"] == 100
    assert "LoCoMo: what each part is worth" in printed
    assert "| default | 100.0 |" in page
    met = {bar["says"]: bar["met"] for bar in figures["bars"]}
    assert met["LoCoMo R@10 ≥ 84"] is True
    assert met["superseded: stale@5 = 0"] is None  # not asked for


def test_the_committed_page_about_recall_is_made_of_the_committed_figures(monkeypatch):
    """Nobody has written into it by hand, and it has no path of a machine."""
    monkeypatch.syspath_prepend(str(ROOT))
    rendered = importlib.import_module("benchmarks.recall.page").rendered
    figures, page = ROOT / "docs" / "recall.json", ROOT / "docs" / "recall.md"

    assert page.read_text("utf-8") == rendered(json.loads(figures.read_text("utf-8")))
    assert "--data FOLDER" in page.read_text("utf-8")


def test_an_update_that_is_told_to_the_store_is_never_stale(recall, evaluation_data):
    figures, _, _ = recall("--data", str(evaluation_data), "--only", "beam")

    told = lines_of(figures, "BEAM: what has changed")
    after = {"stale@1": 0, "stale@5": 0, "new@1": 100, "new@5": 100, "old suggested": None}
    assert told["superseded"] == after
    assert told["not superseded"]["stale@5"] == told["not superseded"]["old suggested"] == 100
    stored = lines_of(figures, "BEAM: messages of the user")
    assert stored["user's stored"]["R@10"] == stored["the assistant's stored, too"]["R@10"] == 100


def test_age_and_likes_are_measured_through_every_door(recall, evaluation_data):
    data = str(evaluation_data)
    figures, _, _ = recall("--data", data, "--only", "aged", "--only", "likes")

    aged = lines_of(figures, "LoCoMo, asked later")
    doors = {"Store", "ContextLayers", "LangChain's retriever", "LlamaIndex's retriever"}
    assert doors < set(aged)
    assert all(aged[door]["1,000 days"] == 100 for door in doors)
    likes = lines_of(figures, "LoCoMo, after feedback")
    assert {"evidence liked", "all liked", "one of ten clicked"} < set(likes)


def test_the_recall_benchmark_says_what_it_could_not_measure(recall):
    """`make bench` runs every benchmark, and the data is no part of the repository."""
    figures, printed, page = recall("--only", "locomo", "--only", "beam", "--only", "weights")

    assert figures["tables"] == []
    assert {bar["met"] for bar in figures["bars"]} == {None}
    for name in ("locomo-dev", "beam-dev"):
        assert f"skipped what needs {name}" in printed
        assert f"Without `{name}`" in page


def test_a_text_that_no_file_has_a_vector_of_is_named(recall, evaluation_data):
    vectors = importlib.import_module("benchmarks.recall.vectors")
    known = vectors.Vectors(sorted(evaluation_data.glob("*/minilm.npz")))
    if vectors.installed():
        pytest.skip("the model embeds it")

    assert known.has(["Rain again"])
    assert not known.has(["Sun again"])
    assert known.is_lacking
    with pytest.raises(vectors.MissingVectorError, match="Sun again"):
        known(["Rain again", "Sun again"])


def test_a_model_embeds_what_no_file_has_once_and_for_all(recall, evaluation_data, tmp_path):
    vectors = importlib.import_module("benchmarks.recall.vectors")
    files, cache = sorted(evaluation_data.glob("*/minilm.npz")), tmp_path / "kept.npz"
    calls = []

    def model(texts):
        calls.append(texts)
        return np.eye(8)[: len(texts)]

    first = vectors.Vectors(files, cache, model)
    assert first(["Sun again", "Rain again"]).shape == (2, 8)
    first.keep()
    second = vectors.Vectors(files, cache, model)

    assert second(["Sun again"]).tolist() == np.eye(8)[:1].tolist()
    assert calls == [["Sun again"]]


def test_an_interval_is_of_conversations_and_narrows_with_them(recall):
    measures = importlib.import_module("benchmarks.recall.measures")
    values = np.array([0.0, 100.0] * 50)

    apart = measures.interval(values, ["a", "b"] * 50)
    mixed = measures.interval(values, ["a"] * 50 + ["b"] * 50)

    assert apart == (0.0, 100.0)  # one of the two may be drawn twice
    assert 30 < mixed[0] < 50 < mixed[1] < 70
    assert measures.interval(np.full(6, 7.0), ["a", "b"] * 3) == (7.0, 7.0)


def test_the_measures_are_those_of_the_textbook(recall):
    measures = importlib.import_module("benchmarks.recall.measures")
    found, evidence = ["x", "a", "y", "b"], frozenset("abc")

    assert measures.recall(found, evidence, 2) == pytest.approx(1 / 3)
    assert measures.reciprocal_rank(found, evidence) == 0.5
    assert measures.reciprocal_rank(found, frozenset("z")) == 0
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert measures.ndcg(found, evidence) == pytest.approx(
        (1 / np.log2(3) + 1 / np.log2(5)) / ideal
    )


@pytest.mark.long
def test_the_import_benchmark_measures_a_process_and_that_again_changes_nothing(tmp_path, capsys):
    load("imports").main(["--megabytes", "0.2", "--folder", str(tmp_path)])

    printed = capsys.readouterr().out
    assert printed.count("lines/s (") == 2
    assert "met: at most 300 MB" in printed
    assert "the second import changed nothing" in printed
    assert list(tmp_path.iterdir()) == []


def test_the_tenants_benchmark_tells_of_every_bar(capfd, monkeypatch):
    tenants = load("tenants")
    for name in ("LARGE", "SMALL", "HELD"):
        monkeypatch.setattr(tenants, name, 3)
    for name in ("ROWS", "HELD_ROWS"):
        monkeypatch.setattr(tenants, name, 20)

    tenants.main()

    printed = capfd.readouterr().out
    for bar in ("(bar 100)", "(bar 5)", "(bar 1.2)", "3 of 20 x 384, max_open=5: +"):
        assert bar in printed


# Two thirds, at most, of what each walked before the core had rooms. A search did so until it
# weighed conversations: it asks who is named before it embeds, measures by a scale, and chooses
# among what says the same; that is two files and eighteen returns more. What an agent is given is
# let through by who said it and how, which walks into the filters: five files and eleven returns.
# A row's checksum is a step of a write: one return of feedback, three of the retriever's recall.
# A message is tied to its memory, with which it goes: eight returns; a shelf has a file of its own.
# A vector says by which model it is: a file each, and three returns of a put. A question is taken
# to its moment in a file of its own, what is new is asked for its likes, and a mask is kept.
# Who draws an edge has a standing, and what waits is of one conversation: two files and seven
# returns of a put.
MOST = {
    "add": (13, 9),
    "search after a write": (22, 38),
    "feedback": (9, 14),
    "LangChain's retriever": (33, 77),
    "LlamaIndex's put": (25, 91),
}


@pytest.mark.parametrize("name", MOST)
def test_a_call_is_easy_to_follow_through_the_files(tmp_path, name):
    walks = load("walks")

    files, returns = walks.counted(walks.walked(walks.calls(tmp_path)[name]))

    assert files <= MOST[name][0]
    assert returns <= MOST[name][1]


def test_a_walk_counts_what_it_goes_into_again(tmp_path):
    walks = load("walks")

    assert walks.counted(["a", "b", "a", "c", "a"]) == (3, 2)
    assert len(walks.walked(lambda: Path(tmp_path).exists())) == 0
