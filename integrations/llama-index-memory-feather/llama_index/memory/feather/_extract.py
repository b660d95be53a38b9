"""What takes facts from what was said: a function or an LLM, and where a handle finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage
from llama_index.memory.feather._prompt import report
from llama_index.memory.feather._source import Bound

from feather_memory import Memory, ParameterError
from feather_memory.agent import INSTRUCTIONS, Extract, Extraction, request_of

Extracting = Callable[[Memory, Sequence[str]], object] | BaseLLM
"""What is given to take facts: a function of what was said and the keys in use, or an LLM."""

# As models are kept for handles that come back from a workflow's context: by file or directory.
_extractions: dict[str, Extraction] = {}


class TakingFacts:
    """A memory that may have facts taken from what it saves."""

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the facts of what was said are taken; those that failed are tried again.

        In async code call it by `asyncio.to_thread`.

        Args:
            timeout: Seconds; without it, as long as it takes.

        Returns:
            False if not all are taken.
        """
        extraction = self._extraction()
        return extraction is None or extraction.flush(timeout)

    def _extraction(self) -> Extraction | None:
        """What takes them; None where none are taken."""
        raise NotImplementedError

    def _offer(self, tenant: str | None, bound: Bound, written: Sequence[Memory]) -> None:
        """Have facts taken from what the user said. What the model says is no evidence of any."""
        if (extraction := self._extraction()) is not None:
            said = [memory for memory in written if memory.role == "user"]
            extraction.offer(tenant, lambda: bound.opened().writes, said, bound.vectors)


def extraction_of(given: Extracting, save: str) -> Extraction:
    """Takes facts by what is given, and tells LlamaIndex's instrumentation of what fails.

    Args:
        given: As `extract=`.
        save: What is saved of a conversation.

    Raises:
        ParameterError: It is something else, or nothing is saved that facts could be of.
    """
    if save == "none":
        raise ParameterError("extract= takes facts from what is saved, and save='none' is none")
    if isinstance(given, BaseLLM):
        return Extraction(_asking(given), report)
    if callable(given):
        return Extraction(given, report)
    raise ParameterError(f"extract= is a function or an LLM, got {given!r:.80}")


def keep_extraction(name: str, extraction: Extraction) -> None:
    """Let the handles of this store or directory use it that say they do; the latest wins.

    Args:
        name: As `name_of` has it.
        extraction: Takes the facts.
    """
    _extractions[name] = extraction


def extraction_for(name: str) -> Extraction | None:
    """What this process has for the handles of that name; None for nothing."""
    return _extractions.get(name)


def _asking(llm: BaseLLM) -> Extract:
    def ask(turn: Memory, keys: Sequence[str]) -> object:
        asked = [
            ChatMessage(role="system", content=INSTRUCTIONS),
            ChatMessage(role="user", content=request_of(turn, keys)),
        ]
        return llm.chat(asked).message.content or ""

    return ask
