"""Types that a program can read: what builds a schema of our names finds all it needs."""

from __future__ import annotations

import inspect
import typing
from dataclasses import asdict

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import TypeAdapter, ValidationError

import feather_memory
from feather_memory import (
    ContextChain,
    F,
    Filter,
    Hit,
    Hits,
    Memory,
    Store,
    Verdict,
    WarmReport,
    agent,
)
from feather_memory.testing import FrozenClock, HashEmbedder


def annotated():
    """Every public class, method and function of the core and of the agent's room."""
    for module in (feather_memory, agent):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                yield name, value
                for inner, member in inspect.getmembers(value):
                    function = member.fget if isinstance(member, property) else member
                    if not inner.startswith("_") and inspect.isroutine(function):
                        yield f"{name}.{inner}", function
            elif inspect.isfunction(value):
                yield name, value


ANNOTATED = {
    name: value
    for name, value in annotated()
    if inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value))  # or a parent's of C
}


@pytest.mark.parametrize("name", ANNOTATED)
def test_every_annotation_resolves_at_run_time(name):
    typing.get_type_hints(ANNOTATED[name], include_extras=True)


def test_an_annotation_that_does_not_resolve_would_be_found():
    """The negative control."""

    def verb(text: Nowhere): ...  # noqa: F821

    with pytest.raises(NameError):
        typing.get_type_hints(verb)


@pytest.fixture
def store(tmp_path):
    embedder = HashEmbedder(dim=8)
    with Store.open(tmp_path / "a.feather", embedder=embedder, clock=FrozenClock()) as opened:
        first = opened.add("Alice drinks tea", id="tea", metadata={"n": 1})
        opened.link(first.id, opened.add("Tea is green", id="green").id)
        yield opened
        assert opened.check() == []


@pytest.mark.parametrize("kind", [Hit, list[Hit], Hits, Memory, ContextChain, Verdict, WarmReport])
def test_what_a_store_answers_with_has_a_schema(kind):
    assert TypeAdapter(kind).json_schema(mode="serialization")


def test_hits_survive_json_and_come_back_as_they_were(store):
    hits, adapter = store.search("tea"), TypeAdapter(list[Hit])

    back = adapter.validate_json(adapter.dump_json(hits))

    assert back == list(hits)
    assert [hit.score.parts for hit in back] == [hit.score.parts for hit in hits]
    assert [float(hit.score) for hit in back] == [hit.score.value for hit in hits]
    assert [hit.memory.vector.tolist() for hit in back] == [
        hit.memory.vector.tolist() for hit in hits
    ]
    assert isinstance(TypeAdapter(Hits).validate_python(hits), Hits)


@pytest.mark.file
def test_a_chain_and_an_error_are_json_too(store):
    chain = TypeAdapter(ContextChain).dump_python(store.context_chain("tea"), mode="json")
    assert {edge["type"] for edge in chain["edges"]} == {"related_to"}
    with feather_memory.TenantPool(store.path.parent / "pool") as pool:
        report = TypeAdapter(WarmReport).dump_python(pool.warm(["nobody"]), mode="json")
    assert "no tenant 'nobody'" in report["tenants"][0]["failure"]


def test_a_filter_is_taken_as_it_is_and_read_out_of_json_as_a_mapping():
    where, adapter = F("n") == 1, TypeAdapter(Filter)

    assert adapter.validate_python(where) is where
    assert adapter.validate_json('{"n": 1}') == {"n": 1}
    with pytest.raises(ValidationError):
        adapter.validate_python("n = 1")


def test_a_service_answers_with_hits(store):
    app = FastAPI()

    @app.get("/search")
    def search(text: str) -> list[Hit]:
        return store.search(text)

    with TestClient(app) as client:
        found = client.get("/search", params={"text": "tea"}).json()
        described = client.get("/openapi.json").json()

    assert [hit["memory"]["id"] for hit in found] == [h.memory.id for h in store.search("tea")]
    assert found[0]["score"] == asdict(store.search("tea")[0].score)
    assert {"Hit", "Memory", "Score"} <= described["components"]["schemas"].keys()
