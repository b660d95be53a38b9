"""What `make torture` does for long, done briefly; its other short forms stand beside."""

from __future__ import annotations

import pytest
from torture import Run, derived, disk, kills

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
