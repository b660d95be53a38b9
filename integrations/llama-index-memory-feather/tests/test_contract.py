"""The promises that every agent's adapter keeps, at each way into this one."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any
from xml.etree import ElementTree as ET

from llama_index.core.base.llms.types import ChatMessage
from llama_index.memory.feather import (
    FeatherMemory,
    FeatherMemoryBlock,
    FeatherRetriever,
    MemoryFeedback,
    feather_tools,
    feather_turn,
)

from feather_memory.testing.adapters import AdapterContract
from feather_memory.testing.doors import AgentDoor, Shown

from .conversation import assistant, user


class Door(AgentDoor):
    """What users do and what the model corrects, over one source; a subclass is asked."""

    def __init__(self, place: dict[str, Any]) -> None:
        self._feedback = MemoryFeedback(**place)
        (self._correct,) = feather_tools(**place, names=["correct"], origin="user")
        self._turns = count()

    def _turn(self) -> str:
        return f"turn {next(self._turns)}"

    def act(self, name, turn, *, memory_ids=None, text=None):
        given = {} if text is None else {"text": text}
        getattr(self._feedback, name)(turn, memory_ids=memory_ids, **given)

    def take_back(self, turn, kind):
        self._feedback.take_back(turn, kind)

    def correct(self, memory_id, text):
        self._correct.call(memory_id=memory_id, text=text)


class MemoryDoor(Door):
    """A FeatherMemory, asked as chat engines ask."""

    def __init__(self, *, max_tokens: int | None = None, **place: Any) -> None:
        self._fields = {**place, "max_tokens": max_tokens, "max_chars": 99_999}
        self._asked = self._of("asked")
        super().__init__(place)

    def _of(self, session: str) -> FeatherMemory:
        return FeatherMemory.from_defaults(
            **self._fields, session_id=session, similarity_top_k=20, save="all"
        )

    def recall(self, question):
        with feather_turn(self._turn()) as turn:
            messages = self._asked.get(input=question)
        return _shown(turn, messages[0].blocks[0].text if messages else "")

    def remember(self, user, assistant, *, session, message_ids, turn=None):
        messages = _exchange(user, assistant)
        if turn is None:
            self._of(session).put_messages(messages)
        else:
            with feather_turn(turn):
                self._of(session).put_messages(messages)


class BlockDoor(Door):
    """A FeatherMemoryBlock. It is shown whole conversations, and knows no turn of what is said."""

    def __init__(self, *, max_tokens: int | None = None, **place: Any) -> None:
        self._block = FeatherMemoryBlock(
            save="all", **place, max_tokens=max_tokens, max_chars=99_999, similarity_top_k=20
        )
        self._said: dict[str, list[ChatMessage]] = {}
        super().__init__(place)

    def remember(self, user, assistant, *, session, message_ids, turn=None):
        said = self._said.setdefault(session, [])
        said += _exchange(user, assistant)
        asyncio.run(self._block.aput(said, session_id=session))

    def recall(self, question):
        with feather_turn(self._turn()) as turn:
            prompt = asyncio.run(self._block.aget([user(question)], session_id="asked"))
        return _shown(turn, prompt)


class RetrieverDoor(Door):
    """A FeatherRetriever, which makes no prompt."""

    def __init__(self, *, max_tokens: int | None = None, **place: Any) -> None:
        self._retriever = FeatherRetriever(**place, similarity_top_k=20)
        super().__init__(place)

    def recall(self, question):
        with feather_turn(self._turn()) as turn:
            nodes = self._retriever.retrieve(question)
        return Shown(turn=turn, texts=[node.text for node in nodes])


class ToolDoor(Door):
    """The model's own tools: it is shown what the tool returns."""

    def __init__(self, *, max_tokens: int | None = None, **place: Any) -> None:
        (self._recall,) = feather_tools(
            **place, names=["recall"], similarity_top_k=20, max_tokens=max_tokens
        )
        super().__init__(place)

    def recall(self, question):
        with feather_turn(self._turn()) as turn:
            output = self._recall.call(query=question)
        return _shown(turn, output.content if output.raw_output else "")


ACTS = {"act", "take_back", "correct"}


class Promises(AdapterContract):
    layers = "read"

    def count_tokens(self, text):
        return len(text.split())


class TestMemory(Promises):
    can = ACTS | {"remember", "prompt", "budget", "retry", "turn"}

    def open(self, **place):
        return MemoryDoor(**place)


class TestBlock(Promises):
    can = ACTS | {"remember", "prompt", "budget", "retry"}

    def open(self, **place):
        return BlockDoor(**place)

    def test_a_correction_retires_the_answer_that_was_given_too(self, store, door):
        """It does not here: a history that is shown again says nothing of the turns it was in."""
        turn = door.recall("when are deploys?").turn
        said = "They are on Monday, these deploys"
        ids = ("q1", "a1")
        door.remember("when are deploys?", said, session="s", message_ids=ids, turn=turn)

        door.act("corrected", turn, memory_ids=["deploys"], text="Deploys are on Friday")

        days = {m.text for m in store.iterate() if "day" in m.text and not m.superseded_by}
        assert days == {said, "Deploys are on Friday"}


class TestRetriever(Promises):
    can = ACTS

    def open(self, **place):
        return RetrieverDoor(**place)


class TestTools(Promises):
    can = ACTS | {"prompt"}

    def open(self, **place):
        return ToolDoor(**place)


def _exchange(question: str, answer: str) -> list[ChatMessage]:
    return [user(question), assistant(answer)]


def _shown(turn: str, prompt: str) -> Shown:
    fence = prompt[prompt.index("<memories>") :] if prompt else "<memories/>"
    texts = [memory.text or "" for memory in ET.fromstring(fence)]  # noqa: S314  our own
    return Shown(turn=turn, texts=texts, prompt=prompt)
