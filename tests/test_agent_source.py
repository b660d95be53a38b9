"""Whose store a call is for: one source, and a tenant that is named or refused, never guessed."""

from __future__ import annotations

import copy
import gc
import weakref
from types import SimpleNamespace
from uuid import UUID

import pytest

from feather_memory import (
    ClosedStoreError,
    ContextLayers,
    ParameterError,
    Store,
    TenantNameError,
    TenantPool,
    WrongTenantError,
)
from feather_memory.agent import Opened, Source, named_in
from feather_memory.agent.places import shared_store


@pytest.fixture
def pool(tmp_path):
    with TenantPool(tmp_path / "tenants") as pool:
        yield pool
        for tenant in pool.tenants():
            assert pool.get(tenant).check() == []


@pytest.fixture
def layers(pool):
    return ContextLayers(user=pool.get("alice"), team=pool.get("team"))


# What is given


def test_exactly_one_source_is_taken_and_the_error_says_which_there_are(pool, path):
    alice = pool.get("alice")
    for given in ({}, {"store": alice, "pool": pool}, {"store": alice, "path": path}):
        with pytest.raises(ParameterError, match=r"a Door takes either store= or pool= or path="):
            Source.chosen("Door", **given)
    with pytest.raises(ParameterError, match=r"store= or pool=, and one of them; got layers="):
        Source.chosen("Door", layers=ContextLayers(user=alice), takes=("store", "pool"))


def test_what_is_something_else_is_refused_and_told_where_it_belongs(pool, layers):
    with pytest.raises(ParameterError, match=r"store= of a Door is a Store.*by layers="):
        Source.chosen("Door", store=layers)
    with pytest.raises(ParameterError, match=r"pool= of a Door is a TenantPool.*by store="):
        Source.chosen("Door", pool=pool.get("alice"))
    with pytest.raises(ParameterError, match=r"layers= of a Door is a ContextLayers, got 'x'$"):
        Source.chosen("Door", layers="x")


def test_what_is_no_path_is_opened_by_nobody(pool, layers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given, hint in ((layers, "layers="), (pool, "pool="), (pool.get("alice"), "store=")):
        with pytest.raises(ParameterError, match=f"path= of a Door is a path, got .*by {hint}"):
            Source.chosen("Door", path=given)
    with pytest.raises(ParameterError, match=r"is a path, got 7$"):
        Source.chosen("Door", path=7, opener=pytest.fail)
    assert [each.name for each in tmp_path.iterdir()] == ["tenants"]


def test_an_error_calls_a_parameter_by_its_own_name(pool, layers):
    called, takes = {"store": "source", "pool": "source"}, ("store", "pool", "layers")
    with pytest.raises(ParameterError, match=r"either source= or layers=, .*; got none$"):
        Source.chosen("Door", takes=takes, called=called)
    with pytest.raises(ParameterError, match=r"source= of a Door is a Store.*by layers=$"):
        Source.chosen("Door", store=layers, takes=takes, called=called)
    with pytest.raises(ParameterError, match=r"layers= of a Door is a ContextLayers.*by source=$"):
        Source.chosen("Door", layers=pool, takes=takes, called=called)


def test_of_layers_all_are_read_and_the_nearest_is_written_to(pool, layers):
    opened = Source.chosen("Door", layers=layers).opened()

    assert opened.reads is layers
    assert opened.writes is pool.get("alice")
    assert list(opened.stores.items()) == [
        ("user", pool.get("alice")), ("team", pool.get("team")),
    ]  # fmt: skip
    assert opened.tenant == "alice"


def test_one_store_is_read_and_written_to(store):
    opened = Source.chosen("Door", store=store).opened()

    assert opened == Opened(store, store)
    assert opened.stores == {None: store}


# Whose


def test_the_keyword_comes_before_the_field_and_the_field_before_the_places(pool):
    free, bound = Source.chosen("Door", pool=pool), Source.chosen("Door", pool=pool, tenant="bob")
    places = {"here": None, "there": "carol", "elsewhere": "dave"}

    assert free.opened(named="alice", places=places).writes is pool.get("alice")
    assert free.opened(places=places).tenant == "carol"
    assert bound.opened(named="alice", places=places).tenant == "alice"
    assert bound.opened(places=places).tenant == "bob"
    assert bound.bound().opened().tenant == "bob"


def test_where_nobody_is_named_it_is_refused_and_says_where_it_looked(pool):
    source = Source.chosen("Door", pool=pool)

    with pytest.raises(ParameterError, match="tenant=, the Door's own tenant, here; there is no d"):
        source.opened(places={"here": None})
    with pytest.raises(ParameterError, match="no tenant is named"):
        source.bound()
    with pytest.raises(ParameterError, match="no tenant is named"):
        _ = source.path
    assert source.owner is None
    assert pool.tenants() == []


def test_what_no_tenant_can_be_called_is_refused_at_once(pool):
    for name in ("", "a\0b", "x" * 256):
        with pytest.raises(TenantNameError):
            Source.chosen("Door", pool=pool, tenant=name)


def test_another_tenants_name_is_refused_also_where_the_file_says_nobodys(pool, store, layers):
    for given in ({"store": pool.get("alice")}, {"store": store}, {"layers": layers}):
        with pytest.raises(WrongTenantError, match="bob"):
            Source.chosen("Door", **given, tenant="bob")
        source = Source.chosen("Door", **given)
        with pytest.raises(WrongTenantError, match="bob"):
            source.opened(named="bob")
        with pytest.raises(WrongTenantError, match="bob"):
            source.opened(places={"here": "bob"})
    assert Source.chosen("Door", layers=layers, tenant="alice").owner == "alice"


def test_where_the_file_is(pool, layers, path):
    alices = str(pool.path_of("alice"))

    assert Source.chosen("Door", pool=pool, tenant="alice").path == alices
    assert Source.chosen("Door", layers=layers).path == alices
    assert Source.chosen("Door", path=path).path == str(path)
    assert Source.chosen("Door", pool=pool, tenant="bob").owner == "bob"
    assert Source.chosen("Door", path=path).owner is None


def test_its_arguments_choose_the_same_again(pool, layers, store):
    for given in (
        {"store": store, "tenant": None},
        {"pool": pool, "tenant": "alice"},
        {"layers": layers, "tenant": "alice"},
    ):
        source = Source.chosen("Door", **given)

        assert source.arguments == given
        assert Source.chosen("Door", **source.arguments) == source


# Opening and closing


def test_a_path_is_the_store_that_everybody_in_the_process_has_open_there(path):
    one, other = Source.chosen("Door", path=path), Source.chosen("Other", path=str(path))
    one.opened().writes.add("tea")

    assert one.opened().writes is other.opened().writes is shared_store(path)
    one.close()  # it is not this one's to close
    one.rest()
    assert len(other.opened().writes) == 1
    assert other.opened().writes.check() == []
    other.opened().writes.close()
    again = Source.chosen("Door", path=path, tenant=None)
    assert len(again.opened().writes) == 1
    again.opened().writes.close()


def test_a_shared_store_that_nobody_holds_is_let_go(path):
    gone = weakref.ref(shared_store(path, "alice"))

    gc.collect()

    assert gone() is None
    with shared_store(path) as store:
        assert store.tenant == "alice"


def test_a_store_that_was_opened_for_the_source_alone_is_closed_with_it(path, embedder):
    def opener(path, tenant):
        return Store.open(path, embedder=embedder, tenant=tenant)

    source = Source.chosen("Door", path=path, tenant="alice", opener=opener)
    store = source.opened().writes
    assert store.plumbing.query_embedder is embedder
    assert store is not shared_store(path)

    source.close()
    source.close()

    with pytest.raises(ClosedStoreError):
        store.add("tea")
    with pytest.raises(WrongTenantError):
        Source.chosen("Door", path=path, tenant="bob", opener=opener)


def test_what_others_own_neither_rests_nor_closes(pool, layers):
    for given in ({"pool": pool}, {"layers": layers}, {"store": pool.get("alice")}):
        source = Source.chosen("Door", **given)
        source.rest()
        source.close()
    assert pool.get("alice").plumbing.is_open


def test_a_copy_of_what_is_opened_reads_the_same(store, layers):
    """Stores are open files, which cannot be copied; whoever holds them can."""
    for opened in (Opened.of(store), Opened.of(layers)):
        assert copy.deepcopy(opened).stores == opened.stores


def test_copies_of_a_source_name_the_same_store(store):
    source = Source.chosen("Door", store=store)

    assert copy.deepcopy({"source": source})["source"] is source


# What names a tenant


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"tenant": "alice"}, "alice"),
        (SimpleNamespace(tenant="alice"), "alice"),
        (UUID(int=7), None),
        (SimpleNamespace(tenant=UUID(int=7)), str(UUID(int=7))),
        ({"tenant": 7}, "7"),
        ({"tenant": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_name_is_an_entry_or_an_attribute(context, expected):
    assert named_in(context, "tenant") == expected


@pytest.mark.parametrize("wrong", [{"id": "alice"}, True, 1.5, ["alice"]])
def test_what_is_no_name_is_refused(wrong):
    with pytest.raises(ParameterError, match="must name a tenant"):
        named_in({"tenant": wrong}, "tenant")


# In a coroutine


async def test_a_path_that_is_named_in_a_coroutine_is_opened_by_the_first_call(path):
    source = Source.chosen("Door", path=path, tenant="alice")

    assert source.is_waiting
    assert (source.path, source.owner) == (str(path), "alice")
    assert source.arguments == {"path": str(path), "tenant": "alice"}
    assert source.bound().tenant_for() == "alice"
    with pytest.raises(WrongTenantError, match="bob"):
        source.tenant_for("bob")
    source.rest()
    assert not path.exists()

    store = source.opened(named="alice").writes

    assert not source.is_waiting
    assert source.given is source.opened().writes is store is shared_store(path)
    assert source.arguments == {"store": store, "tenant": "alice"}
    assert store.check() == []
    store.close()


async def test_what_is_wrong_without_looking_is_refused_in_a_coroutine_too(path):
    for wrong in ("", ":memory:", "a\0b"):
        with pytest.raises(ParameterError):
            Source.chosen("Door", path=wrong)
    with pytest.raises(TenantNameError):
        Source.chosen("Door", path=path, tenant="")
    assert not path.exists()


async def test_a_file_that_turns_out_to_be_anothers_stays_refused(path):
    with Store.open(path) as store:
        nobodys, bobs = Source.chosen("Door", path=path, tenant="bob"), Source("Door", store)
        for _ in range(2):
            with pytest.raises(WrongTenantError, match="bob"):
                nobodys.opened()
            with pytest.raises(WrongTenantError, match="bob"):
                bobs.opened(named="bob")
        assert store.check() == []
