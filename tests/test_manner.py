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
    "Hi! Where do I live?",
    "Really? Where do I live? 😀",
    "Danke. Wo wohne ich?",
    "谢谢。我住在哪里？",
    "了解です。どこに住んでいますか？",
    "πού μένω; πού δουλεύω;",
    "When do I meet Dr. Smith?",
    "Was mache ich am 9. Mai?",
    "Should I avoid e.g. peanuts?",
    "Where do I live, please?",
    "Tea, coffee or milk?",
    "Thanks, ok?",
    "ok?",
    "ok?\n",
]
# What tells something before it asks, or wants to be agreed with.
TOLD_FIRST = [
    "I'm allergic to peanuts. What can I cook?",
    "My son is 7. What may he eat?",
    "I take vitamin C. What else should I take?",
    'She said "I am off." What did she mean?',
    "Hi! I am Ann. Who are you?",
    "we moved to Rome\nwhich museums are there?",
    "I am vegan; what can I eat?",
    "Ich bin gegen Nüsse allergisch. Was kann ich kochen?",
    "Je suis allergique aux noix. Que puis-je cuisiner ?",
    "Soy alérgico a las nueces. ¿Qué puedo cocinar?",
    "У меня аллергия на орехи. Что приготовить?",
    "我对花生过敏。今晚吃什么？",
    "ピーナッツアレルギーです。何を作れますか？",
    "땅콩 알레르기가 있어요. 뭘 요리할까요?",
    "मुझे मूंगफली से एलर्जी है। मैं क्या पकाऊँ?",
    "لدي حساسية من الفول السوداني. ماذا أطبخ؟",
    "Έχω αλλεργία στα φιστίκια. Τι να μαγειρέψω;",
    "We moved the launch to 9 May, ok?",
    "We moved the launch to 9 May, okay? 😀",
    "Wir fliegen am Freitag, in Ordnung?",
    "On part vendredi, d'accord ?",
    "Salimos el viernes, ¿vale?",
    "Мы летим в пятницу, хорошо?",
    "会议改到九点，好吗？",
    "会議は金曜日です、いいですか？",
    "الاجتماع يوم الجمعة، موافق؟",
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
    "I live in Oslo! Which museums are there? Thanks!",
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
    [
        ("question", QUESTIONS),
        ("acknowledgement", ACKNOWLEDGEMENTS),
        ("statement", STATEMENTS),
        ("asking", TOLD_FIRST),
    ],
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
