"""What most tests start from: an empty store, a clock that waits, an embedder without a model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from feather_memory import Store
from feather_memory.testing import FrozenClock, HashEmbedder

sys.path.insert(0, str(Path(__file__).parent))  # for `oracle`, which is no test and no fixture


@pytest.fixture
def clock():
    """A clock that stands at 2026-01-01 until a test moves it."""
    return FrozenClock()


@pytest.fixture
def path(tmp_path):
    """Where the test's store lies; there is no file yet."""
    return tmp_path / "alice.feather"


@pytest.fixture
def embedder():
    """The embedder of `store`."""
    return HashEmbedder(dim=64)


@pytest.fixture
def store(path, clock, embedder):
    """An empty store. Whatever a test did with it, it must be sound afterwards."""
    with Store.open(path, embedder=embedder, clock=clock) as opened:
        yield opened
        if opened.plumbing.is_open:
            assert opened.check() == []


@pytest.fixture
def assert_sound():
    """Asserts that the audit of a store finds nothing."""

    def assert_(store):
        found = store.check()
        assert found == [], found

    return assert_
