"""Which rows are measured at which sizes, of whom, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.speed.contender import OURS, SCAN, Contender
from benchmarks.speed.corpus import NOISE, SENTENCES
from benchmarks.speed.rows import crowd, framework, opening, past, reading, writing
from benchmarks.speed.stand import Measured, Shape, Sizes, Stand

Row = Callable[[Stand], list[Measured]]

ROWS: dict[str, tuple[Row, str]] = {
    "dense": (reading.dense, "Search by vector"),
    "hybrid": (reading.hybrid, "Search by words and vector"),
    "words": (reading.words, "Search by eight words"),
    "common": (reading.common, "Search by “the of and”"),
    "filtered": (reading.filtered, "Search by vector, filtered by a field"),
    "first filter": (opening.first_filter, "The first filtered search of a process"),
    "chain": (past.chain, "`context_chain`, k = 5, two hops, three edges a memory"),
    "known_at": (past.known_at, "Search of what was known at a moment"),
    "why_not": (past.why_not, "`why_not`"),
    "frameworks": (framework.langchain, "Search through LangChain or LlamaIndex"),
    "add": (writing.add, "Durable add of one memory"),
    "add and search": (writing.add_and_answer, "An add and the search after it"),
    "add_many": (writing.add_many, "Add of many, with their words"),
    "forget": (writing.forget, "Forget one memory"),
    "open": (opening.opens, "Open, and the first answer"),
    "open after forget": (opening.opens_after_forget, "Open after one memory was forgotten"),
    "tenants": (opening.large_tenants, "Large tenants opened and asked"),
    "small tenants": (opening.small_tenants, "Small tenants opened and asked"),
    "processes": (crowd.crowd, "Processes beside each other, a call"),
    "import": (opening.imports, "Import"),
    "dims": (reading.dims, "Search by vector, by the length of vectors"),
}
"""Every row, and its title, in the order of the page."""

TITLES = {name: title for name, (_, title) in ROWS.items()} | {
    "memory": "Memory of a process after twenty answers",
    "tenant growth": "Small tenants opened and asked, by how many there are",
}

WIDTH = 384  # numbers in the vectors of which a contender's `most` counts

EXACT = (OURS, SCAN, "faiss-cpu", "sqlite-vec")
SHARED = (OURS, "sqlite-vec", "lancedb")  # that several processes may write at once
PLAIN = (OURS, SCAN, "faiss-cpu")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stand, from its filling on: rows of open stores, of closed ones, and again of both."""

    shape: Shape
    held: Sequence[str] = ()
    closed: Sequence[str] = ()
    reopened: Sequence[str] = ()
    closed_again: Sequence[str] = ()
    is_framework: bool = False
    is_filled: bool = True
    only: Sequence[str] = ()  # contenders, or all

    def of(self, rows: Iterable[str]) -> Stage | None:
        """With those rows only, and what they need; None if it has none of them."""
        wanted = set(rows)
        kept = [
            [row for row in phase if row in wanted]
            for phase in (self.held, self.closed, self.reopened, self.closed_again)
        ]
        if not any(kept):
            return None
        if kept[3]:  # it compares with what was before, and after a forget
            kept[1:3] = ["open", *(row for row in kept[1] if row != "open")], ["forget"]
        return Stage(
            self.shape, *kept, is_framework=self.is_framework, is_filled=self.is_filled,
            only=self.only,
        )  # fmt: skip

    def takes(self, classes: Iterable[type[Contender]], *, is_quick: bool) -> list[type[Contender]]:
        """Who takes part: who is asked for, and can hold so many."""
        return [
            one
            for one in classes
            if (not self.only or one.name in self.only)
            and self.shape.n * max(1.0, self.shape.dim / WIDTH)
            <= (one.quick_most if is_quick else one.most)
        ]


def stages(sizes: Sizes, sentences: int) -> Iterator[Stage]:
    """All of them; `sentences` is how many real vectors there are."""
    n, d = sizes.narrow, sizes.wide
    past_rows = ("known_at", "why_not")
    searches = ("dense", "hybrid", "words", "common")
    adds = ("add", "add and search")
    forgetting = {
        "closed": ("open",),
        "reopened": ("forget",),
        "closed_again": ("open after forget",),
    }
    yield Stage(Shape(0, n), held=("import",), is_filled=False)
    yield Stage(Shape(sizes.small, n), held=(*searches, "filtered", *past_rows, *adds))
    yield Stage(
        Shape(sizes.middle, n),
        held=(*searches, "filtered", *past_rows, *adds, "chain"),
        **forgetting,
    )
    yield Stage(Shape(sizes.middle, n), closed=("processes",), only=SHARED)
    for size in (sizes.small, sizes.middle):
        yield Stage(Shape(size, n), held=("frameworks",), is_framework=True)
    if sentences:
        real = Shape(min(sizes.middle, sentences), n, kind=SENTENCES)
        yield Stage(real, held=("dense", "hybrid", "filtered"))
    for dim in sizes.dims:
        yield Stage(Shape(sizes.middle, dim), held=("dims",), only=EXACT)
    yield Stage(Shape(sizes.batch, n), held=("add_many",), is_filled=False)
    yield Stage(Shape(sizes.tenant_rows, n), held=("small tenants",), is_filled=False)
    yield Stage(Shape(sizes.middle, d), held=("tenants",), is_filled=False)
    yield Stage(Shape(sizes.large, n), held=(*searches, *past_rows, *adds), **forgetting)
    yield Stage(Shape(sizes.large, d), held=("filtered",), closed=("open", "first filter"))
    yield Stage(Shape(sizes.large, n, kind=NOISE), held=("dense",), only=PLAIN)
    if sizes.huge:
        yield Stage(Shape(sizes.huge, n), held=("dense",), only=PLAIN)
