"""The embedder and the clock that other tests stand on."""

import math
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory.config import DAY
from feather_memory.errors import ParameterError
from feather_memory.testing import FrozenClock, HashEmbedder
from feather_memory.write import hashing as embedder_module


@given(texts=st.lists(st.text(), max_size=4), dim=st.sampled_from([1, 2, 16, 256]))
def test_every_text_becomes_a_unit_vector(texts, dim):
    vectors = HashEmbedder(dim)(texts)

    assert vectors.shape == (len(texts), dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0] * len(texts), abs=1e-6)


@given(texts=st.lists(st.text(), min_size=1, max_size=5))
def test_a_vector_does_not_depend_on_what_else_is_embedded(texts):
    together = HashEmbedder()(texts)

    assert all(
        np.array_equal(HashEmbedder()([text])[0], vector)
        for text, vector in zip(texts, together, strict=True)
    )


def test_vectors_are_the_same_in_another_process_with_another_hash_seed():
    """And on another machine: the digest is written down here."""
    program = (
        "from feather_memory.testing import HashEmbedder; from hashlib import sha256;"
        "print(sha256(HashEmbedder()(['User prefers dark mode', '日本語', '']).tobytes())"
        ".hexdigest()[:16])"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=".",
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }

    assert digests == {"afec61735d0764d2"}


def test_shared_words_and_shared_stems_bring_texts_near():
    embed = HashEmbedder()
    query, same, kin, stranger = embed(
        [
            "which theme does the user prefer",
            "the user prefers the dark theme",
            "preferences of users",
            "invoices are sent monthly",
        ]
    )

    assert query @ same > query @ kin > query @ stranger
    assert abs(query @ stranger) < 0.2


def test_case_and_compatibility_forms_make_no_difference():
    plain, shouted, wide = HashEmbedder()(["cafe no 1", "CAFE NO 1", "ｃａｆｅ　no ①"])

    assert np.array_equal(plain, shouted)
    assert np.array_equal(plain, wide)


def test_seeds_are_unrelated_and_texts_without_words_are_told_apart():
    assert (
        abs(HashEmbedder(seed=0)(["hello world"])[0] @ HashEmbedder(seed=1)(["hello world"])[0])
        < 0.4
    )
    empty, blank, marks = HashEmbedder()(["", "  ", "?!"])
    assert np.array_equal(empty, blank)
    assert empty @ marks < 0.5


def test_a_full_cache_changes_no_vector(monkeypatch):
    texts = ["one two three four five six", "six five four", "one"]
    expected = HashEmbedder()(texts)
    monkeypatch.setattr(embedder_module, "CACHED_WORDS", 2)

    embed = HashEmbedder()

    assert np.array_equal(embed(texts), expected)
    assert len(embed._hashed) <= 2


def test_a_single_string_is_refused():
    with pytest.raises(ParameterError, match="list of strings"):
        HashEmbedder()("hello")


@pytest.mark.parametrize("dim", [0, -1, True, 2.0, 10**6])
def test_a_dimension_outside_its_range_is_refused(dim):
    with pytest.raises(ParameterError, match="dim must be"):
        HashEmbedder(dim)


def test_the_clock_moves_only_when_told():
    clock = FrozenClock(datetime(2026, 3, 1, tzinfo=UTC))
    start = clock()

    assert clock() == start
    assert clock.advance(days=1, hours=2, seconds=0.5) == start + DAY + 7_200.5 == clock()
    assert clock.advance(days=-1) == start + 7_200.5
    clock.set(0)
    assert clock() == 0.0
    clock.set(datetime(2026, 3, 1, tzinfo=UTC))
    assert clock() == start
    assert repr(clock) == "FrozenClock('2026-03-01T00:00:00+00:00')"


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e12])
def test_the_clock_stays_when_it_is_sent_nowhere(seconds):
    clock = FrozenClock()
    start = clock()

    with pytest.raises(ParameterError):
        clock.advance(seconds=seconds)

    assert clock() == start
    with pytest.raises(ParameterError, match="start"):
        FrozenClock(datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_testing_tools_need_no_test_runner():
    program = (
        "import sys, feather_memory.testing; print({'pytest', 'hypothesis'} & set(sys.modules))"
    )

    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "set()"
