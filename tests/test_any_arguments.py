"""Whatever a verb is called with, it answers, or refuses in words of ours and writes nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torture import Run
from torture.arguments import Doors, control

from feather_memory import (
    InvalidMetadataError,
    ParameterError,
    Scoring,
    StoreAccessError,
    compute_importance,
)


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    """Open stores with a few memories, in a folder that relative paths lead into, too."""
    folder = tmp_path_factory.mktemp("doors")
    with pytest.MonkeyPatch.context() as patch, Doors(folder) as doors:
        patch.chdir(folder)
        yield doors
        for store in doors.stores:
            assert store.check() == []


def names(folder):
    with Doors(folder) as doors:
        return list(doors.verbs)


@settings(max_examples=120)
@given(data=st.data())
def test_every_verb_refuses_in_words_of_ours(doors, data):
    verb = data.draw(st.sampled_from(list(doors.verbs)))

    found = doors.call(verb, lambda several: data.draw(st.sampled_from(several)))

    assert found is None, found


def test_every_verb_is_called_by_chance_and_refuses_in_words_of_ours(doors):
    chance = random.Random(7)

    found = [doors.call(verb, chance.choice) for verb in doors.verbs for _ in range(5)]

    assert [each for each in found if each is not None] == []


def test_a_verb_that_checks_nothing_is_found_out(tmp_path):
    """The negative control: one that raises what Python raises, one that writes, and refuses."""
    assert control(Run(tmp_path, seed=7, seconds=0))


HUGE = 10**5000


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.latest(0),
        lambda store: store.signal("a", "liked", strength=HUGE),
        lambda store: store.plumbing.held([float("nan")]),
        lambda store: store.plumbing.contesting([float("nan")]),
        lambda store: store.plumbing.log_recall(["a"]),
        lambda store: store.unfeedback("t", "liked", copied_text={}),
        lambda store: store.context_chain("tea", scoring=1j),
        lambda store: store.search("tea", scale={}),
        lambda store: store.search("x" * 2_000_000),
        lambda store: store.plumbing.restore([]),
        lambda store: store.plumbing.restore([(1, "no record")]),
        lambda store: Scoring(half_life=HUGE),
        lambda _: compute_importance({}),
    ],
)
def test_what_is_out_of_range_is_a_parameter_error(store, call):
    store.add("tea", id="a")
    store.recall("tea", turn="t")

    with pytest.raises(ParameterError):
        call(store)


def test_what_is_out_of_sqlites_range_is_answered(store):
    memory = store.add("tea")

    assert store.latest(10**30) == [memory]
    assert store.search("tea", 10**30)[0].memory.id == memory.id


def test_a_backup_to_a_name_no_file_can_have_is_a_store_access_error(store, tmp_path):
    with pytest.raises(StoreAccessError):
        store.backup(tmp_path / ("x" * 600))
    with pytest.raises(StoreAccessError):
        store.backup(tmp_path / ("x" * 600) / "copy.feather")


@pytest.mark.parametrize("around", [lambda inner: {"a": inner}, lambda inner: {"a": [inner]}])
def test_metadata_is_kept_up_to_sixty_four_levels_and_refused_beyond(store, around):
    value, levels = {}, 1
    step = 1 if isinstance(around(0)["a"], int) else 2
    while levels + step <= 64:
        value, levels = around(value), levels + step
    kept = store.add("tea", metadata=value)

    assert store.get(kept.id).metadata == value
    assert store.search("tea", where={"a": {"$exists": True}})
    with pytest.raises(InvalidMetadataError, match="64 deep"):
        store.add("coffee", metadata=around(around(value)))
    with pytest.raises(InvalidMetadataError, match="64 deep"):
        store.plumbing.shelf("s")["k"] = around(around(value))
    assert len(store) == 1


@pytest.mark.parametrize("depth", [900, 2_500, 100_000])
def test_metadata_far_too_deep_is_refused_alike_on_every_python(store, depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}

    with pytest.raises(InvalidMetadataError, match="64 deep"):
        store.add("tea", metadata=value)
    assert len(store) == 0


def test_what_is_wide_is_not_deep(store):
    wide = {str(number): [number, {}] for number in range(500)}

    assert store.add("tea", metadata=wide).metadata == wide
