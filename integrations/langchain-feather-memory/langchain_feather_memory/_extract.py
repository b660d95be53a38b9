"""What takes facts from what was said: a function, a chat model, or whatever is invoked as one."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable

from feather_memory import Memory, ParameterError
from feather_memory.agent import INSTRUCTIONS, Extract, request_of


def extract_of(given: object) -> Extract:
    """What takes the facts.

    Args:
        given: A function of what was said and the keys in use; or a chat model, or another
            Runnable that answers messages, such as one `with_structured_output`.

    Raises:
        ParameterError: It is something else.
    """
    if isinstance(given, Runnable):
        return _Asking(given)
    if callable(given):
        return given
    raise ParameterError(f"extract= is a function or a chat model, got {given!r:.80}")


class _Asking:
    """Asks a chat model for the facts. Nobody waits, so it is asked as it is, in a thread."""

    def __init__(self, model: Runnable[list[BaseMessage], object]) -> None:
        self._model = model

    def __call__(self, turn: Memory, keys: Sequence[str]) -> object:
        asked = [SystemMessage(INSTRUCTIONS), HumanMessage(request_of(turn, keys))]
        answer = self._model.invoke(asked)
        return str(answer.text) if isinstance(answer, BaseMessage) else answer
