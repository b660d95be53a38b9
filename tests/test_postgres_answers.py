"""A store on a server answers as one in a file that was told the same."""

from __future__ import annotations

import pytest

servers = pytest.importorskip("servers")
from twins import Twins, replayed  # noqa: E402  it is no use without a server


@pytest.fixture
def twins(path, clock, embedder):
    both = Twins(path, servers.emptied("answers"), clock, embedder, seed=11)
    yield both
    both.close()


def test_the_same_operations_leave_the_same_memories_and_answers(twins):
    """Hits with all parts of their scores, chains, verdicts, histories, feedback and errors."""
    found = replayed(twins, steps=250, probes=50)

    assert found > 50
    assert len(twins.seen) > 1  # refusals, too


def test_what_differs_is_noticed(twins):
    """The negative control."""
    for _ in range(30):
        twins.step()
    twins.server.add("of the server alone", id="alone")

    with pytest.raises(AssertionError):
        twins.compare()


@pytest.mark.long
def test_ten_thousand_operations_leave_the_same_at_a_thousand_moments(twins):
    assert replayed(twins, steps=10_000, probes=1_000) > 5_000
