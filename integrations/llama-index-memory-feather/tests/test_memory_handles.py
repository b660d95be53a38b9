"""A FeatherMemory is plain data that means a file."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import subprocess
import sys

import pytest
from llama_index.core import Settings
from llama_index.memory.feather import FeatherMemory
from pydantic import ValidationError

from feather_memory import (
    ContextLayers,
    Layer,
    MissingEmbedderError,
    ParameterError,
    Scoring,
    Store,
    TenantNameError,
    TenantPool,
    WrongTenantError,
)
from feather_memory.testing import HashEmbedder

from .conversation import texts, user

CARRIED = (
    lambda m: FeatherMemory.from_dict(json.loads(json.dumps(m.to_dict()))),
    lambda m: FeatherMemory.from_json(m.to_json()),
    lambda m: pickle.loads(pickle.dumps(m)),
    copy.copy,
    copy.deepcopy,
    lambda m: m.model_copy(deep=True),
)
"""The ways in which a memory is copied, or written down and restored."""


class TestHandle:
    def test_it_is_neither_empty_nor_sized(self, session):
        """`memory or ChatMemoryBuffer()`, as agents write, must not replace an empty one."""
        memory = session("monday")

        assert memory
        assert not hasattr(memory, "__len__")
        assert memory.get_all() == []

    @pytest.mark.parametrize("carried", CARRIED)
    def test_it_comes_back_equal_and_means_the_same_conversation(self, session, carried):
        memory = session("monday", scoring=Scoring(time_weight=0.3), max_tokens=90)
        memory.put(user("I drink green tea"))

        again = carried(memory)

        assert again == memory
        assert again.scoring == Scoring(time_weight=0.3)
        again.put(user("And coffee"))
        assert texts(memory.get_all()) == ["I drink green tea", "And coffee"]

    @pytest.mark.file
    def test_it_needs_a_tenant_and_one_place(self, tmp_path, store):
        path = tmp_path / "a.feather"
        with pytest.raises(ParameterError, match="tenant"):
            FeatherMemory.from_defaults(path=path)
        with pytest.raises(ParameterError, match="tenant"):
            FeatherMemory.from_defaults(store=store)
        with pytest.raises(ParameterError):
            FeatherMemory.from_defaults(path=path, directory=tmp_path, tenant="alice")
        with pytest.raises(ParameterError):
            FeatherMemory.from_defaults(tenant="alice")
        for wrong in ({}, {"path": "a", "directory": "b"}, {"path": "a", "k": 3}):
            with pytest.raises((ValidationError, ParameterError)):
                FeatherMemory(tenant="alice", session_id="s", **wrong)
        with pytest.raises(ValidationError):
            FeatherMemory(path="a", session_id="s")
        with pytest.raises(TenantNameError):
            FeatherMemory.from_defaults(directory=tmp_path / "d", tenant="a" * 256)

    @pytest.mark.parametrize("name", ["path", "directory"])
    def test_what_is_open_is_no_path(self, alice, tmp_path, name, monkeypatch):
        """A file named after an object would have been made, and remembered into."""
        monkeypatch.chdir(tmp_path)
        with TenantPool(tmp_path / "pool") as pool:
            before = sorted(tmp_path.iterdir())
            for wrong in (ContextLayers(user=alice), pool, alice):
                with pytest.raises(ParameterError, match="path"):
                    FeatherMemory.from_defaults(**{name: wrong}, tenant="alice")

            assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.file
    def test_another_tenant_s_file_is_refused(self, alice, store):
        with pytest.raises(WrongTenantError):
            FeatherMemory.from_defaults(store=alice, tenant="bob")
        with pytest.raises(WrongTenantError):
            FeatherMemory.from_defaults(path=alice.path, tenant="bob")
        with pytest.raises(WrongTenantError):
            FeatherMemory(path=str(alice.path), tenant="bob", session_id="s").get()
        with pytest.raises(WrongTenantError):
            FeatherMemory.from_defaults(store=store, tenant="alice")

    def test_tenants_of_a_directory_have_a_file_each(self, tmp_path):
        alice, bob = (
            FeatherMemory.from_defaults(directory=tmp_path, tenant=name, session_id="s")
            for name in ("alice", "../bob")
        )
        alice.put(user("Alice's secret"))

        assert bob.get_all() == []
        assert bob.get(input="secret") == []
        with TenantPool(tmp_path) as pool:
            assert pool.tenants() == ["alice"]
        bob.put(user("Bob's secret"))
        with TenantPool(tmp_path) as pool:
            assert pool.tenants() == ["../bob", "alice"]
            assert pool.get("alice").stats().memories == 1

    def test_a_pool_is_used_while_it_is_open_and_its_directory_afterwards(self, tmp_path):
        with TenantPool(tmp_path, embedder=HashEmbedder(64)) as pool:
            memory = FeatherMemory.from_defaults(pool=pool, tenant="alice", session_id="s")
            memory.put(user("I drink green tea"))
            again = copy.copy(memory)
            again.put(user("And coffee"))
            assert all(m.vector is not None for m in pool.get("alice").iterate())

        after = copy.copy(memory)

        assert texts(after.get_all()) == ["I drink green tea", "And coffee"]

    async def test_a_store_that_embeds_by_itself_does(self, tmp_path):
        path = tmp_path / "own.feather"
        with Store.open(path, embedder=HashEmbedder(64), tenant="alice") as store:
            memory = FeatherMemory.from_defaults(store=store, session_id="s")
            memory.put(user("I drink green tea"))
            await copy.copy(memory).aput(user("And coffee"))

            assert all(m.vector is not None for m in store.iterate())
            assert store.check() == []


class TestLayers:
    """What others know is told, too; the conversation is in the nearest."""

    @pytest.fixture
    def layers(self, alice, store):
        store.add("The team drinks green tea on Fridays")
        return ContextLayers(user=alice, team=store)

    def test_it_reads_them_together_and_writes_to_the_nearest(self, layers, alice, store):
        memory = FeatherMemory.from_defaults(layers=layers, session_id="s")
        memory.put(user("I drink milk"))

        (told,) = FeatherMemory.from_defaults(layers=layers, session_id="t").get(
            input="who will drink what?"
        )

        assert "green tea" in told.content
        assert "milk" in told.content
        assert (memory.tenant, len(alice), len(store)) == ("alice", 1, 1)
        assert (alice.check(), store.check()) == ([], [])

    def test_a_copy_reads_them_while_they_are_open_here(self, layers):
        memory = FeatherMemory.from_defaults(layers=layers, session_id="s")

        again = FeatherMemory.from_json(memory.to_json())

        assert again == memory
        assert "green tea" in again.get(input="who drinks tea?")[0].content

    @pytest.mark.parametrize("carried", CARRIED)
    def test_a_copy_never_reads_another_caller_s_layers(self, layers, alice, tmp_path, carried):
        """Alice is in two teams: what one knows is none of the other's business."""
        with Store.open(tmp_path / "other-team.feather", tenant="other") as other:
            other.add("The other team drinks black tea on Mondays")
            ours = FeatherMemory.from_defaults(layers=layers, session_id="s")
            others = ContextLayers(user=alice, team=other)
            theirs = FeatherMemory.from_defaults(layers=others, session_id="s")

            again, also = carried(ours), carried(theirs)

            assert (again == ours, also == theirs, again == also) == (True, True, False)
            for memory, told, secret in ((again, "green", "black"), (also, "black", "green")):
                (answer,) = memory.get(input="which team drinks tea?")
                assert told in answer.content
                assert secret not in answer.content

    @pytest.mark.parametrize("carried", CARRIED)
    def test_a_copy_outlives_another_caller_of_the_same_layers(self, layers, alice, store, carried):
        memory = FeatherMemory.from_defaults(layers=layers, session_id="s")
        FeatherMemory.from_defaults(layers=ContextLayers(user=alice, team=store), session_id="s")
        gc.collect()

        assert "green tea" in carried(memory).get(input="who drinks tea?")[0].content

    @pytest.mark.parametrize(
        "changed", [{"weight": 0.5}, {"name": "other"}, {"time_weight": 0.5}, {"hops": 0}]
    )
    def test_layers_that_rank_otherwise_are_others(self, layers, alice, store, changed):
        memory = FeatherMemory.from_defaults(layers=layers, session_id="s")
        usual = {"name": "team", "weight": 0.9, "time_weight": 0.25}
        team = Layer(**{**usual, **changed}, store=store)
        other = FeatherMemory.from_defaults(
            layers=ContextLayers(user=alice, layers=[team]), session_id="s"
        )

        assert other != memory

    def test_layers_of_which_one_is_closed_are_not_open(self, alice, tmp_path):
        with Store.open(tmp_path / "team.feather", tenant="team") as team:
            layers = ContextLayers(user=alice, team=team)
            data = FeatherMemory.from_defaults(layers=layers, session_id="s").to_dict()

        with pytest.raises(ParameterError, match="layers"):
            FeatherMemory.from_dict(data).get_all()

    def test_without_them_it_is_refused_rather_than_read_alone(self, alice, store):
        alone = FeatherMemory.from_defaults(store=alice, session_id="s")
        layers = ContextLayers(user=alice, team=store)
        data = FeatherMemory.from_defaults(layers=layers, session_id="s").to_dict()
        elsewhere = {**data, "path": f"{data['path']}-elsewhere"}
        with pytest.raises(ParameterError, match="layers"):
            FeatherMemory.from_dict(elsewhere).get_all()
        del layers
        gc.collect()

        assert alone.get(input="who drinks tea?") == []
        with pytest.raises(ParameterError, match="layers"):
            FeatherMemory.from_dict(data).get(input="who drinks tea?")
        with pytest.raises(ValidationError, match="layers"):
            FeatherMemory(directory="d", layers_digest="x", tenant="alice", session_id="s")

    @pytest.mark.file
    def test_another_tenant_s_are_refused(self, layers, store):
        with pytest.raises(WrongTenantError):
            FeatherMemory.from_defaults(layers=layers, tenant="bob")
        with pytest.raises(ParameterError, match="tenant"):
            FeatherMemory.from_defaults(layers=ContextLayers(user=store))
        with pytest.raises(ParameterError, match="one of"):
            FeatherMemory.from_defaults(layers=layers, store=store, tenant="alice")


class TestWithoutAModel:
    """After a restart there is the model that the application has set, or none."""

    @pytest.fixture(autouse=True)
    def unset(self, monkeypatch):
        monkeypatch.setattr(Settings, "_embed_model", None)

    @pytest.fixture
    def handle(self, tmp_path, embed_model):
        """A handle on a file with vectors, in a process that never saw the file."""
        path = tmp_path / "elsewhere.feather"
        with Store.open(path, tenant="alice") as store:
            vector = embed_model.get_text_embedding("I drink green tea")
            store.add("I drink green tea", vector=vector)
        embed_model.calls.clear()
        return FeatherMemory(path=str(path), tenant="alice", session_id="s")

    async def test_a_store_with_vectors_is_refused_with_what_to_do(self, handle):
        for call in (
            lambda: handle.get(input="tea"),
            lambda: handle.put(user("I drink coffee")),
            lambda: handle.set([user("I drink coffee")]),
        ):
            with pytest.raises(MissingEmbedderError, match=r"Settings\.embed_model"):
                call()
        with pytest.raises(MissingEmbedderError):
            await handle.aput(user("I drink coffee"))
        assert Settings._embed_model is None
        assert handle.get_all() == []

    async def test_the_application_s_model_is_used(self, handle, embed_model, monkeypatch):
        monkeypatch.setattr(Settings, "_embed_model", embed_model)

        handle.put(user("And coffee"))
        await handle.aget(input="tea")

        assert embed_model.calls == ["texts", "aquery"]

    async def test_a_store_without_vectors_goes_by_words(self, tmp_path):
        path = str(tmp_path / "words.feather")
        memory = FeatherMemory(path=path, tenant="alice", session_id="s")
        memory.put(user("I drink green tea"))
        other = FeatherMemory(path=path, tenant="alice", session_id="t")

        assert "green tea" in (await other.aget(input="which tea?"))[0].content
        assert await other.aget(input="unheard of") == []
        assert Settings._embed_model is None

    def test_the_model_given_once_is_remembered_for_the_process(self, tmp_path, embed_model):
        path = tmp_path / "given.feather"
        first = FeatherMemory.from_defaults(
            path=path, tenant="alice", session_id="s", embed_model=embed_model
        )
        data = first.to_dict()
        del first

        FeatherMemory.from_dict(data).put(user("I drink green tea"))

        assert embed_model.calls == ["texts"]


SECOND_PROCESS = """
import json, sys
from llama_index.memory.feather import FeatherMemory
memory = FeatherMemory.from_dict(json.loads(sys.argv[1]))
print(json.dumps([m.content for m in memory.get_all()]))
print(memory.get(input="what tea do I drink?")[0].content)
"""


@pytest.mark.file
def test_a_handle_means_the_same_in_another_process(tmp_path):
    memory = FeatherMemory.from_defaults(
        path=tmp_path / "a.feather", tenant="alice", session_id="monday"
    )
    memory.put(user("I drink green tea"))
    other = FeatherMemory(path=memory.path, tenant="alice", session_id="tuesday")

    done = subprocess.run(
        [sys.executable, "-c", SECOND_PROCESS, other.to_json()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    first, told = done.stdout.split("\n", 1)
    assert json.loads(first) == []
    assert 'role="user">I drink green tea</memory>' in told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_worker_goes_on_with_the_same_conversation(session):
    memory = session("monday")
    memory.put(user("I drink green tea"))
    child = os.fork()
    if child == 0:
        try:
            again = FeatherMemory.from_dict(memory.to_dict())
            again.put(user("And coffee"))
            os._exit(0 if len(again.get_all()) == 2 else 2)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert texts(memory.get_all()) == ["I drink green tea", "And coffee"]
