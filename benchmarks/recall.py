"""How often a search finds what a question needs, on LoCoMo and BEAM.

    python benchmarks/recall.py DATA_DIR

DATA_DIR holds `locomo-dev/` and `beam-dev/`; it is no part of this repository. Every figure comes
from the public Store. Other ways to fuse the two halves are computed here from the hits' parts.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feather_memory import Scoring, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Row = dict[str, Any]

DAY = 86_400.0
K = 10
DENSE_WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7)
TIME_WEIGHTS = (0.0, 0.02, 0.05, 0.1)
SHIFTS = (30, 242, 1_000)  # days between a conversation's last turn and the question
ADVERSARIAL = 5
FORMS = ("raw", "max", "min-max")
RELEVANCE = Scoring(time_weight=0, importance_weight=0)


class Vectors:
    """An embedder that looks texts up in a file of vectors."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self._vectors = file["vectors"].astype(np.float32)
            self._at = {key: at for at, key in enumerate(file["keys"].tolist())}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        keys = (hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts)
        return self._vectors[[self._at[key] for key in keys]]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a store says of every memory for one question."""

    category: int
    evidence: frozenset[str]
    ids: np.ndarray
    cosine: np.ndarray
    similarity: np.ndarray  # max(0, cosine), as the store has it
    lexical: np.ndarray
    age: np.ndarray  # days before the last turn of the conversation

    def recall(self, scores: np.ndarray) -> float:
        best = np.argsort(-scores, kind="stable")[:K]
        return len(self.evidence & set(self.ids[best])) / len(self.evidence)


def rows_of(path: Path) -> list[Row]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


# LoCoMo


def date_of(turn: Row) -> datetime:
    return datetime.strptime(turn["date"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)


def plain(turn: Row) -> str:
    return turn["text"] + (f" [image: {turn['caption']}]" if turn["caption"] else "")


def named(turn: Row) -> str:
    return f"{turn['speaker']}: {plain(turn)}"


def fill(
    store: Store,
    turns: Iterable[Row],
    vectors: Vectors,
    text: Callable[[Row], str],
    embedded: Callable[[Row], str],
) -> datetime:
    """Remember a conversation: `text` is searched for words, `embedded` by meaning."""
    turns = list(turns)
    store.add_many(
        {
            "id": turn["turn"],
            "text": text(turn),
            "vector": vector,
            "actor": turn["speaker"],
            "session": str(turn["session"]),
            # a session has one date: seconds keep its turns in order
            "valid_from": date_of(turn) + timedelta(seconds=at),
        }
        for at, (turn, vector) in enumerate(
            zip(turns, vectors([embedded(turn) for turn in turns]), strict=True)
        )
    )
    return max(map(date_of, turns)) + timedelta(seconds=len(turns))


@dataclass(frozen=True, slots=True)
class Conversation:
    store: Store
    last: datetime
    questions: list[Row]


def conversations(
    data: Path,
    folder: Path,
    vectors: Vectors,
    text: Callable[[Row], str] = plain,
    embedded: Callable[[Row], str] = plain,
    limit: int | None = None,
) -> Iterator[Conversation]:
    """One store per conversation, and its questions that name their evidence."""
    asked = [q for q in rows_of(data / "questions.jsonl") if q["evidence"]]
    turns = sorted(rows_of(data / "turns.jsonl"), key=lambda turn: turn["conversation"])
    for name, own in groupby(turns, key=lambda turn: turn["conversation"]):
        path = folder / f"{name}.feather"
        path.unlink(missing_ok=True)
        with Store.open(path, embedder=vectors) as store:
            last = fill(store, own, vectors, text, embedded)
            questions = [q for q in asked if q["conversation"] == name][:limit]
            yield Conversation(store, last, questions)


def every_answer(conversation: Conversation, vectors: Vectors) -> Iterator[Answers]:
    """All memories of the conversation with their parts, for each of its questions."""
    store, last = conversation.store, conversation.last
    everything = len(store)
    for question in conversation.questions:
        hits = store.search(question["question"], k=everything, scoring=RELEVANCE, now=last)
        (asked,) = vectors([question["question"]])
        yield Answers(
            category=question["category"],
            evidence=frozenset(map(str, question["evidence"])),
            ids=np.array([hit.memory.id for hit in hits]),
            cosine=np.array([hit.memory.vector for hit in hits]) @ asked,
            similarity=np.array([hit.score.similarity for hit in hits]),
            lexical=np.array([hit.score.lexical for hit in hits]),
            age=np.array([(last - hit.memory.valid_from).total_seconds() / DAY for hit in hits]),
        )


def dense(answers: Answers, form: str) -> np.ndarray:
    """The dense half: max(0, cosine), that over the best, or cosine from worst to best."""
    if form == "raw":
        return answers.similarity
    values = answers.similarity if form == "max" else answers.cosine
    worst = 0.0 if form == "max" else values.min()
    return (values - worst) / max(values.max() - worst, 1e-9)


def fused(answers: Answers, form: str, dense_weight: float) -> np.ndarray:
    return dense_weight * dense(answers, form) + (1 - dense_weight) * answers.lexical


def aged(answers: Answers, relevance: np.ndarray, time_weight: float, shift: float) -> np.ndarray:
    half_life = Scoring().half_life / DAY
    recency = np.exp2(-(answers.age + shift) / half_life)
    return (1 - time_weight) * relevance + time_weight * recency


def means(answers: Sequence[Answers], score: Callable[[Answers], np.ndarray]) -> tuple[str, ...]:
    """Recall@10 in per cent: of categories 1–4, and of all."""
    found = np.array([one.recall(score(one)) for one in answers])
    core = np.array([one.category != ADVERSARIAL for one in answers])
    return f"{100 * found[core].mean():5.1f}", f"{100 * found.mean():5.1f}"


def report_fusion(answers: Sequence[Answers]) -> None:
    print(f"{'':24}cats 1-4    all")
    for name, score in (("text only", "lexical"), ("vector only", "similarity")):
        print(f"{name:24}{'   '.join(means(answers, lambda a, s=score: getattr(a, s)))}")
    for form in FORMS:
        for d in DENSE_WEIGHTS:
            both = means(answers, lambda a, f=form, d=d: fused(a, f, d))
            print(f"{f'{form} d={d}':24}{'   '.join(both)}")


def report_decay(answers: Sequence[Answers], dense_weight: float) -> None:
    """The aged-corpus gate for other weights than the default, from the parts."""
    print("recall@10 of all categories, by days since the last turn")
    print(f"{'':24}" + "".join(f"{shift:>8}" for shift in (0, *SHIFTS)))
    for form in FORMS:
        for w in TIME_WEIGHTS:
            row = [
                means(
                    answers,
                    lambda a, f=form, w=w, s=s: aged(a, fused(a, f, dense_weight), w, s),
                )[1]
                for s in (0, *SHIFTS)
            ]
            print(f"{f'{form} w={w}':24}" + "".join(f"{value:>8}" for value in row))


def recall_of(hits: Iterable[Any], question: Row) -> float:
    evidence = set(question["evidence"])
    return len(evidence & {hit.memory.id for hit in hits}) / len(evidence)


def gate(conversation: Conversation) -> Iterator[tuple[int, list[float]]]:
    """(category, recall@10) of a plain `search`, with decay off and then after each shift."""
    store, last = conversation.store, conversation.last
    off = Scoring().replace(time_weight=0, importance_weight=0)
    for question in conversation.questions:
        asked = question["question"]
        found = [recall_of(store.search(asked, k=K, now=last, scoring=off), question)]
        for shift in (0, *SHIFTS):
            hits = store.search(asked, k=K, now=last + timedelta(days=shift))
            found.append(recall_of(hits, question))
        yield question["category"], found


def locomo(data: Path, folder: Path, limit: int | None) -> None:
    vectors = Vectors(data / "minilm.npz")
    variants = (
        ("turn as text and vector", plain, plain),
        ("speaker in the text, turn as vector", named, plain),
        ("speaker in both", named, named),
    )
    for title, text, embedded in variants:
        answers: list[Answers] = []
        gated: list[tuple[int, list[float]]] = []
        for talk in conversations(data, folder, vectors, text, embedded, limit):
            answers.extend(every_answer(talk, vectors))
            if text is plain:
                gated.extend(gate(talk))
        heading(f"LoCoMo recall@10, {title} ({len(answers)} questions)")
        report_fusion(answers)
        if text is plain:
            heading("Aged corpus, from the parts, d = 0.5")
            report_decay(answers, 0.5)
            heading(f"Aged corpus, Store.search with {Scoring()}")
            report_gate(gated)


def report_gate(gated: Sequence[tuple[int, list[float]]]) -> None:
    names = ("decay off", *(f"after {shift} days" for shift in (0, *SHIFTS)))
    categories = np.array([category for category, _ in gated])
    found = 100 * np.array([values for _, values in gated])
    for name, column in zip(names, found.T, strict=True):
        print(f"{name:24}{column[categories != ADVERSARIAL].mean():5.1f}   {column.mean():5.1f}")


# BEAM


def chat_store(path: Path, messages: Iterable[Row], vectors: Vectors) -> Store:
    """A chat's user messages, an hour apart from its first date: most carry no date."""
    store = Store.open(path, embedder=vectors)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    store.add_many(
        {
            "id": str(message["id"]),
            "text": message["text"],
            "role": "user",
            "valid_from": start + timedelta(hours=at),
        }
        for at, message in enumerate(messages)
    )
    return store


def standing(store: Store, question: Row, now: datetime) -> list[bool]:
    """Stale at rank 1, stale in the top 5, new at rank 1, new in the top 5."""
    old, new = ({str(id_) for id_ in question["update"][side]} for side in ("old", "new"))
    hits = store.search(question["question"], k=5, now=now)
    found = [hit.memory.id for hit in hits]
    return [
        bool(side & set(top))
        for side, top in ((old, found[:1]), (old, found), (new, found[:1]), (new, found))
    ]


def beam(data: Path, folder: Path, limit: int | None) -> None:
    vectors = Vectors(data / "minilm.npz")
    messages = [m for m in rows_of(data / "messages.jsonl.gz") if m["role"] == "user"]
    questions = rows_of(data / "questions.jsonl")
    now = datetime(2024, 6, 1, tzinfo=UTC)
    answers: list[Answers] = []
    for chat, own in groupby(messages, key=lambda message: message["chat"]):
        asked = [q for q in questions if q["chat"] == chat and q["evidence"]][:limit]
        with chat_store(folder / f"chat-{chat}.feather", own, vectors) as store:
            answers.extend(every_answer(Conversation(store, now, asked), vectors))
    heading(f"BEAM recall@10 of user messages ({len(answers)} questions)")
    report_fusion(answers)
    updates = [q for q in questions if q["update"]][:limit]
    heading(f"BEAM knowledge updates ({len(updates)} questions), per cent")
    report_updates(folder, messages, updates, vectors)


def report_updates(
    folder: Path, messages: Sequence[Row], updates: Sequence[Row], vectors: Vectors
) -> None:
    """Before and after the updates of a chat are told to its store, one question at a time."""
    before: list[list[bool]] = []
    after: list[list[bool]] = []
    now = datetime(2024, 6, 1, tzinfo=UTC)
    for number, question in enumerate(updates):  # a store each: one update never hides another
        own = [m for m in messages if m["chat"] == question["chat"]]
        with chat_store(folder / f"update-{number}.feather", own, vectors) as store:
            before.append(standing(store, question, now))
            for new in question["update"]["new"]:
                for old in question["update"]["old"]:
                    store.link(str(new), str(old), "supersedes")
            after.append(standing(store, question, now))
    print(f"{'':24}{'stale@1':>9}{'stale@5':>9}{'new@1':>9}{'new@5':>9}")
    for name, found in (("never superseded", before), ("superseded", after)):
        print(f"{name:24}" + "".join(f"{value:9.1f}" for value in 100 * np.mean(found, axis=0)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="the folder of evaluation data")
    parser.add_argument("--limit", type=int, help="questions of each conversation, and of BEAM")
    asked = parser.parse_args(arguments)
    if asked.data is None:  # `make bench` runs every benchmark, and this one needs data
        print("skipped: give it the folder of evaluation data")
        return
    with tempfile.TemporaryDirectory() as folder:
        locomo(asked.data / "locomo-dev", Path(folder), asked.limit)
        beam(asked.data / "beam-dev", Path(folder), asked.limit)


if __name__ == "__main__":
    main()
