"""The same answers everywhere: one story, told through every way in, ends in the same memories."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("mcp")
pytest.importorskip("langchain_feather_memory")
pytest.importorskip("llama_index.memory.feather")

from cases.told import PEOPLE, STORIES, cases
from cases.ways import WAYS

CASES = {case.name: case for case in cases()}
QUICK = {"alice", "hostile"}
"""Whose stories `make test` tells; the others' take minutes."""


async def played(way, case):
    """What is told at the end of the story, question by question, and what it is worth.

    None where that cannot be asked.
    """
    if case.as_of is not None and not way.takes_back:
        return None
    async with way.opened():
        for step in case.steps:
            await taken(way, step)
            way.clock.advance(seconds=60)
        told = [(await way.recall(question, case.as_of))[0] for question, _ in case.answers]
        return told, {memory.text: memory.importance for memory in way.own.iterate()}


async def taken(way, step):
    match step["do"], step.get("layer"):
        case "remember", None:
            await way.remember(step["text"], step["key"], step.get("since"))
        case "remember", layer:  # somebody else's, or the user's own
            store = way.own if layer == "own" else way.pool.get(layer)
            store.add(step["text"], key=step["key"], origin="user")
        case "correct", _:
            await way.correct(way.id_of(step["wrong"]), step["text"])
        case "feedback", _:
            _, turn = await way.recall(step["question"])
            await way.feedback(turn, step["kind"], way.id_of(step["about"]))
        case "forget", _:
            await way.forget([way.id_of(text) for text in step["texts"]])


def marked(name):
    return () if name.rpartition(" ")[2] in QUICK else (pytest.mark.long,)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marked(name)) for name in CASES])
async def test_a_story_ends_in_the_same_memories_whichever_way_it_is_told(tmp_path, name):
    case = CASES[name]
    ends = {kind: await played(way(tmp_path / kind, case), case) for kind, way in WAYS.items()}

    told, worth = ends["Library"]
    for texts, (_, expected) in zip(told, case.answers, strict=True):
        assert type(expected)(texts) == expected
    for kind, end in ends.items():
        assert end in (None, (told, worth)), kind


def pytest_generate_tests(metafunc):
    if "over_a_server" in metafunc.fixturenames:
        names = [name for name in CASES if not marked(name)]
        all_ = metafunc.config.getoption("--servers")
        metafunc.parametrize("over_a_server", names if all_ else names[:1])


async def test_a_story_ends_alike_over_a_server(tmp_path, over_a_server):
    """`make test-postgres` tells all that `make test` tells over files."""
    servers, case = pytest.importorskip("servers"), CASES[over_a_server]
    in_files = await played(WAYS["Library"](tmp_path / "files", case), case)

    for kind, way in WAYS.items():
        there = way(servers.emptied("cases"), case, tmp_path / kind)
        assert await played(there, case) in (None, in_files), kind


def test_there_are_a_hundred_cases_and_each_verb_is_in_them():
    verbs = {step["do"] for case in CASES.values() for step in case.steps}

    assert len(CASES) == len(PEOPLE) * len(STORIES) >= 100
    assert verbs == {"remember", "correct", "feedback", "forget"}
    assert any(case.as_of for case in CASES.values())
    assert any(case.layers for case in CASES.values())
