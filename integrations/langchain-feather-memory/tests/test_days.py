"""Ninety days of raw turns through the middleware, with its defaults."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_feather_memory import FeatherMemoryMiddleware

from feather_memory import Store
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.testing.days import BEGIN, END, Line, Script, carried, judged, lines_in, script
from feather_memory.testing.life import FACTS

from .agents import ScriptedModel

if TYPE_CHECKING:
    from feather_memory.testing.days import Judgement

TOLD = {
    value.told: {"key": f"fact-{number}", "text": fact.answer.format(value.word)}
    for number, fact in enumerate(FACTS)
    for value in fact.values
}


def texts_of(show):
    return lambda question: [line.text for line in show(question)]


def taking(turn, _):
    """The scripted extractor: a sentence that stands by itself for what tells a value."""
    return [TOLD[turn.text]] if turn.text in TOLD else []


def agent_of(store: Store, clock: FrozenClock, said: Script, extract=None):
    """An agent that was told the script, a thread a day; what it shows for a question."""
    model = ScriptedModel()
    told = FeatherMemoryMiddleware(store=store, extract=extract)
    agent = create_agent(model, [], middleware=[told])
    for each in said.exchanges:
        clock.set(each.at)
        model.script.append(AIMessage(each.assistant))
        run(agent, each.user, each.session)
    assert told.flush()
    clock.set(END)
    asked = create_agent(model, [], middleware=[FeatherMemoryMiddleware(store=store, save="none")])

    def show(question: str) -> list[Line]:
        run(asked, question, "after")
        return lines_in(model.prompts[-1])

    return show


def run(agent, text: str, thread: str) -> None:
    agent.invoke({"messages": [HumanMessage(text)]}, {"configurable": {"thread_id": thread}})


@pytest.fixture(scope="module", params=[HashEmbedder(), None], ids=["hashed words", "no embedder"])
def outcome(request, tmp_path_factory) -> tuple[Judgement, tuple[int, int]]:
    path, clock, said = tmp_path_factory.mktemp("days") / "a.feather", FrozenClock(BEGIN), script()
    with Store.open(path, embedder=request.param, clock=clock, tenant="alice") as store:
        show = cache(agent_of(store, clock, said))
        outcome = judged(said, texts_of(show)), carried(said, show)
        assert store.check() == []
    return outcome


@pytest.fixture(scope="module")
def found(outcome) -> Judgement:
    return outcome[0]


def test_what_holds_is_among_five(found):
    assert found.current_shown >= 17, found


def test_no_text_is_shown_twice(found):
    assert found.duplicates == 0, found


def test_what_holds_is_shown_before_what_no_longer_does(found):
    assert found.current_first >= 12, found


def test_a_question_is_no_memory_to_be_shown(found):
    assert found.questions == 0, found


def test_nothing_is_shown_for_what_nobody_said(found):
    assert found.silent >= 16, found


def test_what_no_longer_holds_says_what_followed_wherever_words_can_tell(outcome):
    """Of one no word does: "Marta looks after the children", "our babysitter is Yusuf"."""
    does, does_not = outcome[1]

    assert does >= 13
    assert does_not <= 1


def test_with_facts_taken_from_the_turns_what_holds_comes_first_and_nothing_stale(tmp_path):
    clock, said = FrozenClock(BEGIN), script()
    with Store.open(
        tmp_path / "a.feather", embedder=HashEmbedder(), clock=clock, tenant="alice"
    ) as store:
        found = judged(said, texts_of(agent_of(store, clock, said, extract=taking)))
        assert (found.stale_first, found.stale_shown) == (0, 0), found
        assert found.current_first >= 19, found
        assert (found.duplicates, found.questions) == (0, 0), found
        assert found.silent >= 16, found
        assert store.check() == []
