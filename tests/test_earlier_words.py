"""Words that an earlier release made of the same texts: made anew by whoever opens the store."""

from __future__ import annotations

import re

import pytest

from feather_memory import NewerFormatError, OlderFormatError, Store
from feather_memory.model import words
from feather_memory.model.tokens import Read
from feather_memory.truth.sqlite import upgrades

TEXTS = {
    "gas": "The CO₂ level is high",
    "meat": "I don’t eat meat",
    "book": "کتاب علی",
    "plain": "green tea",
}
ASKED = {"gas": "co2", "meat": "dont", "book": "كتاب", "plain": "tea"}


@pytest.fixture
def earlier(monkeypatch):
    """While it stands, words are cut at every sign, as an earlier release did."""
    with monkeypatch.context() as patched:
        version = words.VERSION - 1
        patched.setattr(words, "VERSION", version)
        patched.setattr(upgrades, "VERSION", version)
        patched.setattr(
            words, "read", lambda text: Read(re.findall(r"[^\W_]+", text.lower()), [], [])
        )
        yield patched


def by_words(store, asked):
    return {hit.memory.id for hit in store.search(asked) if hit.score.lexical}


def test_words_of_an_earlier_release_are_made_anew_when_the_store_is_opened(path, earlier):
    with Store.open(path) as store:
        store.add_many([{"text": text, "id": name} for name, text in TEXTS.items()])
        assert by_words(store, "tea") == {"plain"}
        assert by_words(store, "co2") == by_words(store, "dont") == set()  # the control
    earlier.undo()

    with Store.open(path) as store:
        for name, asked in ASKED.items():
            assert by_words(store, asked) == {name}
        assert store.check() == []
        generation = store.stats().generation
    with Store.open(path) as store:  # once
        assert store.stats().generation == generation
        assert store.check() == []


@pytest.mark.file
def test_arrays_beside_a_store_of_earlier_words_are_not_asked(path, embedder, earlier, monkeypatch):
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 2)
    with Store.open(path, embedder=embedder) as store:
        store.add_many([{"text": text, "id": name} for name, text in TEXTS.items()])
        store.search("tea")
    assert path.with_name(f"{path.name}.lists").exists()
    earlier.undo()
    monkeypatch.setattr("feather_memory.config.SNAPSHOT_ROWS", 2)

    with Store.open(path) as store:
        for name, asked in ASKED.items():
            assert by_words(store, asked) == {name}
        assert store.check() == []


def test_what_was_said_is_said_again_by_the_words_of_today(path, earlier):
    """An earlier release's likeness of a text is not today's: it would be another memory."""
    with Store.open(path) as store:
        store.add(TEXTS["meat"], id="meat")
    earlier.undo()

    with Store.open(path) as store:
        assert store.add("I dont eat meat").id == "meat"
        assert store.stats().memories == 1
        assert store.check() == []


def test_a_store_of_later_words_is_refused(path, monkeypatch):
    """Few of its words would be found, and what is written would get others."""
    with monkeypatch.context() as later:
        later.setattr(words, "VERSION", words.VERSION + 1)
        later.setattr(upgrades, "VERSION", words.VERSION)
        with Store.open(path) as store:
            store.add(TEXTS["gas"], id="gas")

    with pytest.raises(NewerFormatError, match=f"words of version {words.VERSION + 1}; this"):
        Store.open(path)


@pytest.mark.file
def test_a_file_of_earlier_words_that_may_not_be_written_says_so(path, earlier):
    with Store.open(path) as store:
        store.add(TEXTS["gas"], id="gas")
    earlier.undo()
    before = path.read_bytes()

    with pytest.raises(OlderFormatError, match="its words are an earlier release's"):
        Store.open(path, read_only=True)

    assert path.read_bytes() == before
