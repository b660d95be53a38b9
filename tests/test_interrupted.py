"""What is cut short at any point leaves nothing open: no transaction, no lock, no lease."""

from __future__ import annotations

import gc
import shutil

import pytest
from torture.cuts import NEAR, VERBS, Cut, Cuts, Signals, begun, cut_at, left_open

from feather_memory import TenantPool

_EVERY = {"forget": 25}  # it starts a process each time


@pytest.fixture
def place(tmp_path):
    return begun(tmp_path)


def cuts(place, spare, verb, *, every):
    """Cut a verb short at its lines, in a copy of the file each time; how many there were.

    Each in a folder of its own: what erases may go on for a moment, and keep the log from folding.
    """
    step, is_cut = 1, True
    while is_cut:
        folder = spare / str(step)
        folder.mkdir(parents=True)
        shutil.copy(place, folder / place.name)
        with TenantPool(folder) as pool:
            store = pool.get("alice")
            cut = cut_at(step, lambda: verb(store), NEAR)  # noqa: B023
            is_cut = isinstance(cut, Cut)

            assert left_open(pool, store) == [], step
        step += every
    return step // every


# A pipe to the process that erases may be left to the garbage collector: it holds nothing up.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", VERBS)
def test_a_call_that_is_cut_short_at_any_line_leaves_nothing_open(name, place, tmp_path):
    """Ctrl-C included, and although what was raised is kept."""
    assert cuts(place, tmp_path / "spare", VERBS[name], every=_EVERY.get(name, 5)) > 5

    gc.collect()  # the pipes, while nobody minds


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", VERBS)
def test_a_call_that_a_signal_cuts_short_anywhere_leaves_nothing_open(name, tmp_path):
    """At every place where Python lets a signal in, in whatever code."""
    signals, trials = Signals(tmp_path), 0
    if not signals.is_built:
        pytest.skip("nothing can be built here by which a signal comes at a certain step")
    for found in Cuts(tmp_path).each(signals, name):
        trials += 1

        assert found == []
    assert trials > 50  # a `get` has some eighty such places, the others hundreds
