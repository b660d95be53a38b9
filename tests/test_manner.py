"""How a text is said is decided by its writing alone, in any language."""

from __future__ import annotations

import pytest

from feather_memory import F
from feather_memory.model.manner import MANNERS

QUESTIONS = [
    "Where do I live?",
    "¿Dónde vivo?",
    "Where do I live? 😀",
    "Really?!",
    "你住在哪里？",
    "أين أعيش؟",
    "πού μένω\u037e",
    "πού μένω;",  # as it is once normalized
    "Ո՞ւր եմ ապրում",
    "የት ነው የምኖረው፧",
    "Where⁇",
    "Are you sure⁉️",
    "?",
    "x" * 160 + "?",
]
ACKNOWLEDGEMENTS = [
    "ok",
    "OK!",
    "Noted.",
    "Thanks, got it.",
    "Thank you very much, see you tomorrow!",
    "I don't know.",
    "👍",
    "😀 ❤️",
    "…",
    "Danke schön, bis morgen",
    "merci beaucoup !",
    "No, gracias",
    "Спасибо большое",
    "好的，谢谢",
    "了解しました。ありがとうございます",
    "감사합니다",
    "شكرا جزيلا",
    "धन्यवाद",
    "Dziękuję, do widzenia",
]
STATEMENTS = [
    "I live in Oslo",
    "x" * 161 + "?",
    'He asked "why?"',
    "do it;",
    "Yes, on Friday",
    "Thanks, my new number is 42",
    "no sugar",
    "I see you",
    "42",
    "C++",
    "我住在北京",
    "Danke der Firma Bosch",
    "ok " * 40,
]


@pytest.mark.parametrize(
    ("manner", "texts"),
    [("question", QUESTIONS), ("acknowledgement", ACKNOWLEDGEMENTS), ("statement", STATEMENTS)],
)
def test_a_text_is_said_in_the_manner_of_its_writing(store, manner, texts):
    said = store.add_many([{"text": text, "id": f"m{n}"} for n, text in enumerate(texts)])

    assert [(memory.text, memory.manner) for memory in said] == [(text, manner) for text in texts]
    assert {memory.id for memory in store.iterate(F("manner") == manner)} == {m.id for m in said}
    assert {hit.memory.manner for hit in store.search("I", k=99)} == {manner}
    others = F("manner").is_in([each for each in MANNERS if each != manner])
    assert [*store.iterate(others)] == store.search("I", k=99, where=others) == []


def test_what_has_a_key_is_a_statement_whatever_it_looks_like(store):
    assert store.add("ok", key="status").manner == "statement"
    assert store.add("Who am I?", key="motto").manner == "statement"


def test_another_text_is_said_in_its_own_manner_and_the_same_in_its_old_one(store):
    store.add("I live in Oslo", id="a")

    assert store.update("a", text="Do I live in Oslo?").manner == "question"
    assert store.update("a", metadata={"n": 1}).manner == "question"
    assert store.add("thanks", id="a").manner == "acknowledgement"
    assert [hit.memory.id for hit in store.search("thanks", where=F("manner") == "question")] == []
