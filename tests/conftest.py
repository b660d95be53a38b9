"""What most tests start from: an empty store, a clock that waits, an embedder without a model."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from feather_memory import Store, config
from feather_memory.testing import FrozenClock, HashEmbedder

collect_ignore = ["upstream"]  # it puts our store in the place of others'; see run.py there

sys.path.insert(0, str(Path(__file__).parent))  # for `oracle`, which is no test and no fixture

from over_servers import _truth, pytest_addoption, pytest_generate_tests  # noqa: E402, F401

# How fast a shared machine is fails no property.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def constants():
    return {name: value for name, value in vars(config).items() if name.isupper()}


CONSTANTS = constants()


@pytest.fixture(autouse=True)
def _no_trace():
    """No test finds what another one patched, nor an index that it left building."""
    yield
    assert constants() == CONSTANTS
    assert "feather-memory-hnsw" not in {thread.name for thread in threading.enumerate()}


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
