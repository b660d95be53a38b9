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
    for folder, first, second, texts in (
        ("locomo-dev", turns, asked, [*plain, *named, *(q["question"] for q in asked)]),
        ("beam-dev", messages, updates, [*(m["text"] for m in messages), "What is the limit?"]),
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


def test_the_recall_benchmark_finds_the_only_evidence_there_is(capsys, evaluation_data):
    load("recall").main([str(evaluation_data)])

    printed = capsys.readouterr().out
    assert "(2 questions)" in printed  # the one without evidence is not scored
    assert "vector only             100.0   100.0" in printed  # three turns, ten are returned


def test_an_update_that_is_told_to_the_store_is_never_stale(capsys, evaluation_data):
    load("recall").main([str(evaluation_data)])

    told = capsys.readouterr().out.splitlines()[-1].split()
    assert told == ["superseded", "0.0", "0.0", "100.0", "100.0"]


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


def test_the_recall_benchmark_is_skipped_without_data(capsys):
    """`make bench` runs every benchmark, and the data is no part of the repository."""
    load("recall").main([])

    assert capsys.readouterr().out.startswith("skipped")


# Two thirds, at most, of what each walked before the core had rooms.
MOST = {
    "add": (10, 9),
    "search after a write": (13, 20),
    "feedback": (8, 12),
    "LangChain's retriever": (17, 34),
    "LlamaIndex's put": (16, 60),
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
