"""Sixty turns through the middleware as people drop it in: what the model is shown is worth it."""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("langchain")

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_feather_memory import FeatherMemoryMiddleware

from feather_memory import F, Store
from feather_memory.agent import approximate_tokens
from feather_memory.testing import HashEmbedder

from .agents import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feather_memory import Filter

FACTS = {
    "car": ("I drive a {} car", "What car do I drive?", ["red", "blue"]),
    "tea": ("My favourite tea is {}", "Which tea is my favourite?", ["sencha", "rooibos"]),
    "dog": ("My dog is called {}", "How is my dog called?", ["Rex"]),
    "office": ("Our office is in {} street", "In which street is our office?", ["Hill", "Mill"]),
    "deploys": ("We deploy every {}", "On which day do we deploy?", ["Monday", "Friday"]),
    "sister": ("My sister lives in {}", "Where does my sister live?", ["Oslo"]),
    "editor": ("I write code with {}", "What do I write code with?", ["vim", "emacs"]),
    "shoes": ("My shoes have size {}", "Which size have my shoes?", ["43"]),
}
CHATTER = [
    "ok",
    "Thanks!",
    "Good morning",
    "It rains again today.",
    "That was a long meeting.",
    "bye",
]


def sixty_turns(seed: int) -> list[tuple[str, str | None]]:
    """What the user says in each turn, and what a question is about."""
    random = Random(seed)
    told = [(name, at) for name, (_, _, values) in FACTS.items() for at in range(len(values))]
    told.sort(key=lambda each: (each[1], random.random()))
    turns: list[tuple[str, str | None]] = []
    for number, (name, at) in enumerate(told):
        said, _, values = FACTS[name]
        turns.append((f"{said.format(values[at])}.", None))
        known = [name for name, _ in told[: number + 1]]
        for _ in range(2):
            asked = random.choice(known)
            turns.append((FACTS[asked][1], asked))
        turns.append((random.choice(CHATTER), None))
    while len(turns) < 60:
        asked = random.choice(list(FACTS))
        turns.append((FACTS[asked][1], asked))
    return turns[:60]


def shown_in(prompt: str) -> list[str]:
    return re.findall(r"<memory[^>]*>([^<]*)</memory>", prompt)


class Talk:
    """Sixty turns, each in a thread of its own, and what was shown for the questions among them."""

    def __init__(self, store: Store, seed: int, **options: str) -> None:
        self.right, self.asked, self.shown, self.tokens, self.plain_tokens = 0, 0, 0, 0, 0
        self.told: list[list[str]] = []
        self.stale: list[str] = []
        current: dict[str, str] = {}
        for number, (text, about) in enumerate(sixty_turns(seed)):
            plain = [hit.memory.text for hit in store.search(text, 5)]  # of a store used as it is
            model = ScriptedModel(script=[AIMessage(f"Noted: {text}")])
            memory = FeatherMemoryMiddleware(store=store, **options)
            config = {"configurable": {"thread_id": f"thread-{number}"}}
            create_agent(model, middleware=[memory]).invoke(
                {"messages": [HumanMessage(text)]}, config
            )
            correct(store, current, text)
            told = shown_in(model.prompts[0])
            self.plain_tokens += sum(map(approximate_tokens, plain))
            self.tokens += sum(map(approximate_tokens, told))
            if about is not None:
                self.told.append(told)
                self.asked, self.shown = self.asked + 1, self.shown + len(told)
                self.right += current[about] in told
                self.stale += [each for each in told if is_past(each, current)]


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with Store.open(tmp_path / "a.feather", embedder=HashEmbedder(256)) as store:
        yield store
        assert store.check() == []


@pytest.mark.parametrize("seed", range(3))
def test_most_of_what_sixty_turns_are_shown_is_what_they_ask_for(store, seed):
    """No question, thanks or greeting, nothing twice and nothing stale, in half the tokens."""
    talk = Talk(store, seed)

    assert talk.right == talk.asked >= 30
    assert talk.right / talk.shown >= 0.6
    assert talk.stale == []
    assert all(len(set(told)) == len(told) for told in talk.told)
    assert not [each for told in talk.told for each in told if each.endswith("?")]
    assert not {each for told in talk.told for each in told} & set(CHATTER)
    assert talk.tokens <= talk.plain_tokens / 2


def test_who_saves_what_the_assistant_repeats_is_shown_it(store):
    """The control: of what is shown then, most is the assistant's."""
    talk = Talk(store, 0, save="all")

    assert talk.right / talk.shown < 0.6


def correct(store: Store, current: dict[str, str], said: str) -> None:
    """Note what the user has said, and what it replaces, as an application that knows it does."""
    for name, (text, _, values) in FACTS.items():
        if said not in {f"{text.format(value)}." for value in values}:
            continue
        if (old := current.get(name)) is not None:
            (was,), (now,) = ([*store.iterate(is_users(each))] for each in (old, said))
            store.link(now.id, was.id, "supersedes")
        current[name] = said


def is_users(text: str) -> Filter:
    return (F("text") == text) & (F("role") == "user")


def is_past(text: str, current: dict[str, str]) -> bool:
    """Whether it says a value that a fact no longer has."""
    ever = {f"{said.format(v)}." for said, _, values in FACTS.values() for v in values}
    return text in ever - set(current.values())
