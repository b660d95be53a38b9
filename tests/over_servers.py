"""One parameter: whether a test's stores are in files, or on a server as the rows of tenants.

The core's tests take it from their `conftest`, those of the adapters by `-p over_servers`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLE = {"test_time", "test_graph", "test_signals"}
"""Modules whose tests run over a store on a server, too, in `make test`."""

BOTH = SAMPLE | {
    "test_affirmation", "test_agent_acts", "test_agent_choice", "test_agent_conversation",
    "test_agent_later", "test_agent_prompt", "test_agent_recall", "test_agent_turns",
    "test_annotations", "test_context_chain", "test_dependants", "test_earlier_words",
    "test_echoes", "test_engagement", "test_extraction", "test_filters", "test_firewall",
    "test_given", "test_in_step", "test_latest", "test_laundering", "test_layers", "test_liked",
    "test_manner", "test_memory", "test_origin", "test_packing", "test_periods", "test_possible",
    "test_ranking", "test_recent", "test_reembed", "test_repeats", "test_review", "test_score",
    "test_shelf", "test_slots", "test_spoken", "test_structure", "test_suggestions",
    "test_supersessions", "test_ties", "test_transactions", "test_validity", "test_writing",
}  # fmt: skip
"""Those that do so in `make test-postgres`."""


def pytest_addoption(parser):
    parser.addoption("--servers", action="store_true", help="all that can, over a server as well")


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker("file") is not None:
        return
    truths = _truths_of(metafunc.definition.path, is_all=metafunc.config.getoption("--servers"))
    if truths is not None:
        metafunc.parametrize("_truth", truths, indirect=True)


def _truths_of(path, *, is_all):
    """Of an adapter's tests only those over a server: the others are its own `make test`."""
    if Path(__file__).parent not in path.parents:
        return ["server"] if is_all else None
    return ["file", "server"] if path.stem in (BOTH if is_all else SAMPLE) else None


@pytest.fixture(autouse=True)
def _truth(request, monkeypatch):
    """Where the test's stores are: where it says, or on a server, each under a tenant's name."""
    if getattr(request, "param", "file") == "server":
        servers = pytest.importorskip("servers")
        servers.forget_the_stated()
        monkeypatch.setattr("feather_memory.store.store.truth_at", servers.truth_beside)
