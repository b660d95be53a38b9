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

# How fast a shared machine is fails no property.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def constants():
    return {name: value for name, value in vars(config).items() if name.isupper()}


CONSTANTS = constants()


SAMPLE = {"test_time", "test_graph", "test_signals"}
"""Modules whose tests run over a store on a server, too, in `make test`."""

BOTH = SAMPLE | {
    "test_affirmation", "test_agent_acts", "test_agent_choice", "test_agent_conversation",
    "test_agent_later", "test_agent_prompt", "test_agent_recall", "test_agent_turns",
    "test_annotations", "test_context_chain", "test_dependants", "test_earlier_words",
    "test_echoes", "test_engagement", "test_extraction", "test_filters", "test_firewall",
    "test_given", "test_latest", "test_layers", "test_liked", "test_manner", "test_memory",
    "test_origin", "test_packing", "test_periods", "test_possible", "test_ranking", "test_recent",
    "test_reembed", "test_repeats", "test_review", "test_score", "test_shelf", "test_spoken",
    "test_structure", "test_suggestions", "test_supersessions", "test_ties", "test_transactions",
    "test_validity", "test_writing",
}  # fmt: skip
"""Those that do so in `make test-postgres`."""


def pytest_addoption(parser):
    parser.addoption("--servers", action="store_true", help="all that can, over a server as well")


def pytest_generate_tests(metafunc):
    name = metafunc.module.__name__.rpartition(".")[-1]
    if metafunc.definition.get_closest_marker("file") is not None:
        return
    if name in (BOTH if metafunc.config.getoption("--servers") else SAMPLE):
        metafunc.parametrize("_truth", ["file", "server"], indirect=True)


@pytest.fixture(autouse=True)
def _truth(request, monkeypatch):
    """Where the test's stores are: where it says, or on a server, each under a tenant's name."""
    if getattr(request, "param", "file") == "server":
        servers = pytest.importorskip("servers")
        monkeypatch.setattr("feather_memory.store.store.truth_at", servers.truth_beside)


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
