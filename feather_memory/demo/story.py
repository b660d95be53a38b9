"""The demo's story, told on a rich console. Nothing in it is real but the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from feather_memory.config import DAY
from feather_memory.model.hits import ContextChain, Hit
from feather_memory.model.memory import Memory, SignalKind
from feather_memory.store.store import Store
from feather_memory.testing import FrozenClock, HashEmbedder

PYTHON = "Which Python version does Larkspur run on?"
DEPLOY = "On which day do we deploy?"
INCIDENT = "How did the double booking happen?"
RIGHT = "We deploy on Tuesday, the Wednesday in the calendar was the rehearsal."


def history() -> Iterator[dict[str, Any]]:
    """The lines of the conversation, oldest first."""
    source = resources.files("feather_memory.demo") / "history.jsonl"
    yield from map(json.loads, source.read_text(encoding="utf-8").splitlines())


def run(console: Console, path: Path) -> None:
    """Tell the story, in a store at `path` that does not exist yet.

    Time in it is the conversation's, so that every run says the same.
    """
    story = _Story(console, path)
    story.open()
    try:
        for chapter in (
            story.remember, story.ask, story.like_and_correct, story.take_apart,
            story.walk, story.travel_back, story.reopen,
        ):  # fmt: skip
            chapter()
    finally:
        story.store.close()


@dataclass
class _Story:
    console: Console
    path: Path
    clock: FrozenClock = field(default_factory=FrozenClock)
    chapter: int = 0
    store: Store = field(init=False)

    def open(self) -> None:
        self.store = Store.open(self.path, embedder=HashEmbedder(), clock=self.clock)

    def title(self, title: str) -> None:
        self.chapter += 1
        self.console.print()
        self.console.rule(f"[bold]{self.chapter}. {title}", align="left")

    def say(self, sentence: str) -> None:
        self.console.print(sentence, highlight=False)

    def quote(self, memory: Memory) -> None:
        line = Text.assemble(
            (f"{memory.valid_from:%d %b}  ", "dim"),
            (f"{memory.actor or 'you'}: ", "cyan"),
            memory.text,
        )
        self.console.print(line)

    def remember(self) -> None:
        self.title("Remember")
        links = []
        spent = 0.0
        lines = list(history())
        for line in lines:
            moment = datetime.fromisoformat(line.pop("time"))
            links += [(line["id"], *link) for link in line.pop("links", [])]
            self.clock.set(moment)
            before = time.perf_counter()
            self.store.add(**line)
            spent += time.perf_counter() - before
        for source, kind, target in links:
            self.store.link(source, target, kind)
        self.clock.advance(days=3)
        for memory in self.store.get_many([lines[0]["id"], "slow", lines[-1]["id"]]):
            self.quote(memory)
        stats = self.store.stats()
        self.say(
            f"[dim]… {stats.memories} lines from {stats.sessions} sessions, {stats.edges} edges, "
            f"{spent / len(lines) * 1e3:.1f} ms a line, each safe on disk before the next.[/]"
        )
        self.say(
            f"[dim]{stats.superseded} facts were replaced on the way. It is {self._today()}.[/]"
        )

    def ask(self) -> None:
        self.title("Ask")
        hits = self.store.search(PYTHON, k=3)
        self._answers(PYTHON, hits)
        current = hits[0].memory
        older = self.store.history(current.id)[:-1]
        lines = [
            f"[bold]{current.text}[/]",
            f"true since {current.valid_from:%d %B %Y}, and it replaced",
        ]
        lines += [
            f"  {memory.text}  [dim]({memory.valid_from:%b} to {memory.valid_to:%b})[/]"
            for memory in reversed(older)
        ]
        self.console.print(Panel("\n".join(lines), title="the current fact", border_style="green"))
        gone = older[0].text.split(",")[0]
        verdict = self.store.why_not(PYTHON, older[0].id)
        self.say(f"Why is “{gone}” not among the answers?  [yellow]{verdict.reason}[/]")

    def like_and_correct(self) -> None:
        self.title("Like one answer, correct another")
        liked = self.store.recall("the lesson about queries of a page", k=1)
        before = liked[0].memory.importance
        self.store.feedback(_turn(liked), SignalKind.LIKED)
        after = self.store.get(liked[0].memory.id).importance
        self.quote(liked[0].memory)
        self.say(f"  [green]liked[/]: its importance went from {before:.2f} to {after:.2f}.")
        wrong = self.store.recall(DEPLOY, k=1)
        self._answers(DEPLOY, wrong)
        mistaken = wrong[0].memory
        self.clock.advance(hours=1)
        self.store.feedback(
            _turn(wrong), SignalKind.CORRECTED, memory_ids=[mistaken.id], correction=RIGHT
        )
        lowered = self.store.get(mistaken.id).importance
        self.say(
            f"  [red]corrected[/]: its importance went from {mistaken.importance:.2f} "
            f"to {lowered:.2f}, and what Maya said takes its place."
        )
        self._answers("Asked again: " + DEPLOY, self.store.search(DEPLOY, k=1))

    def take_apart(self) -> None:
        self.title("Take a score apart")
        hits = self.store.search(PYTHON, k=3)
        table = Table(expand=True, box=None, pad_edge=False, header_style="dim")
        table.add_column("memory", ratio=1, no_wrap=True, overflow="ellipsis")
        parts = [hit.score.parts for hit in hits]
        # Those that say something: all of them are wider than a terminal.
        names = [name for name in parts[0] if any(f"{each[name]:.3f}" != "0.000" for each in parts)]
        for name in (*names, "= score"):
            table.add_column(name, justify="right", no_wrap=True, min_width=max(6, len(name)))
        for hit in hits:
            shares = [f"{hit.score.parts[name]:+.3f}" for name in names]
            table.add_row(Text(hit.memory.text), *shares, f"[bold]{hit.score.value:.3f}")
        self.console.print(table)
        self.say(
            "[dim]The parts add up to the score, exactly. Similarity here is letters, not meaning: "
            "the demo's embedder hashes words. Bring your own model to a real store.[/]"
        )

    def walk(self) -> None:
        self.title("Walk the graph")
        chain = self.store.context_chain(INCIDENT, k=1, hops=3)
        self.say(f"[bold]{INCIDENT}[/]")
        self.console.print(*trees(chain))

    def travel_back(self) -> None:
        self.title("Travel back")
        topics = {
            "Python": PYTHON,
            "home": "Where is my home, where do I live?",
            "lead": "Who is our team lead?",
        }
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("as of")
        for topic in topics:
            table.add_column(topic, ratio=1)
        for moment in (datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 5, 1, tzinfo=UTC), None):
            answers = [
                self.store.search(question, k=1, as_of=moment)[0].memory.text
                for question in topics.values()
            ]
            table.add_row(f"{moment:%d %b}" if moment else "now", *map(Text, answers))
        self.console.print(table)
        noon = self.store.search(DEPLOY, k=1, known_at=self.clock() - 2 * 3_600)[0].memory.text
        self.say(f"And two hours ago, before the correction, we believed: [italic]{noon}[/]")

    def reopen(self) -> None:
        self.title("Close, reopen, audit")
        self.store.close()
        size = self.path.stat().st_size // 1024
        before = time.perf_counter()
        self.open()
        first = self.store.search(DEPLOY, k=1)[0].memory
        spent = (time.perf_counter() - before) * 1e3
        self.quote(first)
        self.say(
            f"[dim]opened and answered in {spent:.0f} ms; "
            f"the whole memory is one file of {size} KiB[/]"
        )
        faults = self.store.check()
        self.say(f"store.check() == {faults}" + ("" if faults else "  [green]nothing is wrong[/]"))

    def _today(self) -> str:
        return f"{datetime.fromtimestamp(self.clock(), UTC):%d %B %Y}"

    def _answers(self, question: str, hits: Iterable[Hit]) -> None:
        self.say(f"[bold]{question}[/]")
        for hit in hits:
            days = (self.clock() - hit.memory.valid_from.timestamp()) / DAY
            age = f"{days:.0f} days old" if days >= 1 else "new"
            self.console.print(
                Text.assemble(
                    (f"  {hit.score.value:.3f}  ", "green"), hit.memory.text, (f"  {age}", "dim")
                )
            )


def _turn(hits: Any) -> str:
    return str(hits.turn)


def trees(chain: ContextChain, shown: Callable[[str], str] = str) -> Iterator[Tree]:
    """A tree for each memory that the query found: below each what was reached from it first.

    Args:
        chain: The walk.
        shown: Makes of a text what a terminal may be given.
    """
    hits = {hit.memory.id: hit for hit in chain}
    placed: dict[str, Tree] = {}
    roots = [hit.memory for hit in chain.hits if hit.hop == 0]
    for root in roots:
        placed[root.id] = Tree(Text(shown(root.text), style="bold"), guide_style="dim")
    for hop in range(1, max((hit.hop for hit in chain), default=0) + 1):
        for edge in chain.edges:
            for near, far, says in (
                (edge.source, edge.target, f"{shown(edge.type)} → "),
                (edge.target, edge.source, f"← {shown(edge.type)} "),
            ):
                if near in placed and far not in placed and hits[far].hop == hop:
                    placed[far] = placed[near].add(
                        Text.assemble((says, "magenta"), shown(hits[far].memory.text))
                    )
    yield from (placed[root.id] for root in roots)
