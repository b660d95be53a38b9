"""What `make torture` does for long, done briefly; its other short forms stand beside."""

from __future__ import annotations

import importlib.util
from collections import Counter

import pytest
from torture import (
    Run,
    Told,
    cuts,
    derived,
    disk,
    forgetters,
    guided,
    isolation,
    kills,
    page,
    places,
    pooled,
)
from torture import __main__ as command
from torture.page import Row

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


NEEDS_ATHERIS = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed"
)


@NEEDS_ATHERIS
@pytest.mark.long
def test_the_verbs_of_a_store_are_called_by_what_leads_the_code_on(tmp_path):
    told = guided.run(Run(tmp_path, SEED, seconds=120, most=500))

    assert told.broken == []
    assert told.trials == 500
    assert told.counts["inputs that led the code where it had not been"] > 20


@NEEDS_ATHERIS
@pytest.mark.long
def test_what_nobody_comes_to_by_chance_is_come_to(tmp_path):
    """The negative control."""
    assert guided.control(Run(tmp_path, SEED, seconds=0))


def test_a_fault_whose_process_ends_without_a_trial_is_told(monkeypatch, capsys):
    """Not as one that needs what is not here."""
    monkeypatch.setattr(guided, "control", lambda _: True)
    monkeypatch.setattr(guided, "run", lambda _: Told(broken=["the process ended with 1"]))
    monkeypatch.setattr("sys.argv", ["torture", "--only", "guided", "--minutes", "0"])

    assert command.main() == 1
    assert "the process ended with 1" in capsys.readouterr().out


# The page


def row(name="kills", code="abc1234", seed=1, trials=3, longest=7, **more):
    counts = Counter({"writes, acknowledged": 1_000 * trials, "bytes of the log at most": longest})
    told = Told(trials, counts)
    return Row(name, "a fault: of a kind", {code: (trials, [seed])}, 0.5, told, **more)


def test_a_row_is_read_as_it_was_written():
    written = row(trials=12_345, broken=2, is_seen=False)

    assert Row.read(str(written)) == written


def test_runs_add_up_by_their_code_and_what_is_a_most_stays_one():
    first = row(longest=7, broken=1).plus(row(seed=2, trials=5, longest=4, is_seen=False))
    both = first.plus(row(code="def5678", seed=2, trials=1_000))

    assert both == Row(
        "kills", "a fault: of a kind", {"abc1234": (8, [1, 2]), "def5678": (1_000, [2])}, 1.5,
        Told(1_008, Counter({"writes, acknowledged": 1_008_000, "bytes of the log at most": 7})),
        broken=1, is_seen=False,
    )  # fmt: skip
    assert Row.read(str(both)) == both


def test_the_same_seed_of_the_same_code_adds_nothing():
    assert row(seed=1).plus(row(seed=1, trials=9)) == row(seed=1)


def test_the_table_keeps_what_is_around_it_and_the_rows_of_other_faults(tmp_path):
    at = tmp_path / "page.md"
    at.write_text(f"before\n{page.BEGIN}{page.END}after\n")

    page.write([row("places"), row()], ["kills", "places"], at)
    page.write([row(seed=2)], ["kills", "places"], at)

    said = at.read_text()
    assert said.startswith(f"before\n{page.BEGIN}Python ")
    assert said.endswith(f"{row().plus(row(seed=2))}{row('places')}{page.END}after\n")


def test_the_page_has_a_row_for_each_fault_that_has_been_tried():
    inside = page.PAGE.read_text(encoding="utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    rows = [Row.read(line) for line in inside.splitlines()[5:]]

    assert [row.name for row in rows] == list(command.FAULTS)
    assert [row.what for row in rows] == [command.FAULTS[row.name][0] for row in rows]
