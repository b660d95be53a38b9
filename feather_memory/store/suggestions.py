"""The part of a store that says what a memory may replace, and replaces nothing."""

from __future__ import annotations

from collections.abc import Callable

from feather_memory.checks import label, whole
from feather_memory.errors import ParameterError, quoted
from feather_memory.model.hits import Suggestion
from feather_memory.model.memory import Memory
from feather_memory.model.origin import outranks
from feather_memory.model.rivals import Rival, rivals
from feather_memory.model.scoring import Scoring
from feather_memory.model.words import tokenizer
from feather_memory.store.reads import Reads
from feather_memory.store.searches import Searches

_LOOKED_AT = 100
"""Memories that are compared word by word."""

_BY_WORDS = Scoring(time_weight=0, importance_weight=0, dense_weight=0)

_NAMED = 4
"""Shared words that a reason names."""


class Suggestions(Searches, Reads):
    """What a new memory may be the new state of."""

    def suggest_supersedes(
        self,
        memory_id: str,
        k: int = 3,
        *,
        judge: Callable[[Memory, Memory], bool] | None = None,
    ) -> list[Suggestion]:
        """Which older memories a memory may replace, the likeliest first. Nothing is replaced.

        Looked at are current memories that hold since before it does, that it did not replace
        and that its origin may. How much they say of the same decides, by words alone; what was
        right is then told with `supersede` or a `supersedes` edge.

        Args:
            memory_id: Of the memory that may be news.
            k: At most so many, at least 1.
            judge: (the memory, an older one) → whether it replaces that one. Asked of each that
                would be suggested, the likeliest first; only those are returned.

        Raises:
            UnknownMemoryError: No memory has that id.
        """
        count = whole(k, "k", 1)
        if judge is not None and not callable(judge):
            raise ParameterError(f"judge must be a function of two memories, got {quoted(judge)}")
        new = self.get(label(memory_id, "memory_id"))
        older = self._older(new)
        with self._core.truth.reading() as moment:
            speaks = tokenizer(moment.state.language)
        found = [
            Suggestion(memory=old, score=rival.score, reasons=_reasons(new, old, rival))
            for old, rival in zip(
                older, rivals(new.text, [old.text for old in older], speaks), strict=True
            )
            if rival.score > 0
        ]
        found.sort(key=lambda each: -each.score)
        likely = found[:count]
        return likely if judge is None else [s for s in likely if judge(new, s.memory)]

    def _older(self, new: Memory) -> list[Memory]:
        """What is current, is found by the memory's own words, and may be replaced by it."""
        versions = {memory.id for memory in self.history(new.id)}
        return [
            hit.memory
            for hit in self.search(new.text, _LOOKED_AT + len(versions), scoring=_BY_WORDS)
            if hit.memory.id not in versions
            and (hit.memory.valid_from, hit.memory.created_at) < (new.valid_from, new.created_at)
            and not outranks(hit.memory.origin, new.origin)
        ]


def _reasons(new: Memory, old: Memory, rival: Rival) -> tuple[str, ...]:
    said = [f"both say {', '.join(rival.shared[:_NAMED])}"]
    mine, yours = rival.numbers
    if mine and yours:
        said.append(f"it says {', '.join(mine)} where the older one says {', '.join(yours)}")
    if new.actor is not None and new.actor == old.actor:
        said.append(f"both are by {new.actor}")
    if new.session is not None and new.session == old.session:
        said.append("both are of one session")
    return tuple(said)
