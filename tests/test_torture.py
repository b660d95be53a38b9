"""What `make torture` does for long, done briefly; its other short forms stand beside."""

from __future__ import annotations

import pytest
from torture import Run, cuts, derived, disk, forgetters, isolation, kills, places, pooled

SEED = 20260101


def test_what_was_acknowledged_outlives_a_kill_of_all_who_write(tmp_path):
    told = kills.run(Run(tmp_path, SEED, seconds=60, most=1))

    assert told.broken == []
    assert told.counts["writes acknowledged"] > 0


def test_a_lost_write_and_a_text_that_is_left_would_be_found_out(tmp_path):
    """The negative control."""
    assert kills.control(Run(tmp_path, SEED, seconds=0))


def test_no_answer_depends_on_a_derived_file_that_is_damaged(tmp_path):
    told = derived.run(Run(tmp_path, SEED, seconds=60, most=60))

    assert told.broken == []
    assert told.trials == 60


def test_an_answer_that_does_would_be_found_out(tmp_path):
    """The negative control."""
    assert derived.control(Run(tmp_path, SEED, seconds=0))


def test_whatever_call_fails_the_error_is_typed_and_what_was_there_is_whole(tmp_path):
    told = disk.run(Run(tmp_path, SEED, seconds=60, most=120))

    if not told.trials:
        pytest.skip("nothing can be put before the C library here")
    assert told.broken == []
    assert told.counts["StoreFullError"] > 0
    assert told.counts["StoreAccessError"] > 0


def test_what_a_failing_call_loses_would_be_found_out(tmp_path):
    """The negative control."""
    assert disk.control(Run(tmp_path, SEED, seconds=0))


def test_what_is_cut_short_by_an_exception_or_a_signal_leaves_nothing_open(tmp_path):
    told = cuts.run(Run(tmp_path, SEED, seconds=60, most=12))

    assert told.broken == []
    assert told.trials == 12


def test_a_transaction_that_stays_open_would_be_found_out(tmp_path):
    """The negative control."""
    assert cuts.control(Run(tmp_path, SEED, seconds=0))


@pytest.mark.long
def test_what_was_acknowledged_of_any_tenant_of_a_pool_outlives_a_kill(tmp_path):
    told = pooled.run(Run(tmp_path, SEED, seconds=60, most=2))

    assert told.broken == []
    assert told.counts["writes acknowledged"] > 0


def test_who_forgets_amid_readers_and_a_writer_leaves_nothing(tmp_path):
    told = forgetters.run(Run(tmp_path, SEED, seconds=2, most=1))

    assert told.broken == []


def test_what_forgetters_leave_would_be_found_out(tmp_path):
    """The negative control."""
    assert forgetters.control(Run(tmp_path, SEED, seconds=0))


def test_no_server_writes_to_a_file_that_is_not_in_its_place_or_serves_what_was_forgotten(tmp_path):
    told = places.run(Run(tmp_path, SEED, seconds=60, most=4))

    assert told.broken == []
    assert told.trials == 4


@pytest.mark.long
def test_a_server_that_does_not_look_where_its_file_is_would_be_found_out(tmp_path):
    """The negative control."""
    assert places.control(Run(tmp_path, SEED, seconds=0))


@pytest.fixture
def _without_adapters(monkeypatch):
    """They have tests of their own, and take seconds to be imported."""
    monkeypatch.setattr(isolation, "adapters", lambda *_: iter(()))


@pytest.mark.usefixtures("_without_adapters")
def test_tenants_with_hostile_names_have_files_of_their_own_and_see_their_own(tmp_path):
    told = isolation.run(Run(tmp_path, SEED, seconds=60, most=6_000))

    assert told.broken == []
    assert told.counts["tenants with files"] > 3


@pytest.mark.usefixtures("_without_adapters")
def test_names_that_share_a_file_and_memories_that_leak_would_be_found_out(tmp_path):
    """The negative control."""
    assert isolation.control(Run(tmp_path, SEED, seconds=0))
