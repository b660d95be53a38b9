"""How a text is said is decided by its writing alone, in any language."""

from __future__ import annotations

import pytest

from feather_memory import F
from feather_memory.model.manner import MANNERS, manner_of

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
# Without a mark, as people type.
UNMARKED = [
    "wo wohne ich",
    "dónde vivo",
    "где я живу",
    "我住在哪里",
    "私はどこに住んでいますか",
    "나는 어디에 살아요",
    "أين أسكن",
    "nerede yaşıyorum",
    "gdzie mieszkam",
    "waar woon ik",
    "मैं कहाँ रहता हूँ",
    "where do i live",
    "do i like tea",
    "what's my name",
    "tell me where I live",
    "Remind me what my dog is called.",
    "How many siblings do I have",
    "what time is it",
    "on which day do we deploy",
    "do you remember my birthday",
    "can you tell me where I live",
    "is there a bakery in my street",
    "When is my dentist appointment.",
    "whose car is that",
    "wie heißt mein Hund",
    "wann kommt er",
    "hoe heet mijn hond",
    "comment s'appelle mon chien",
    "où est ma clé",
    "où habite-t-il",
    "est-ce que j'aime le thé",
    "quién es mi jefe",
    "de dónde soy yo",
    "qué día es mañana",
    "come si chiama il mio cane",
    "quem é o meu chefe",
    "как зовут мою собаку",
    "czy lubię herbatę",
    "kto jest moim szefem",
    "çay sever miyim",
    "هل أحب الشاي",
    "我叫什么",
    "我喜欢茶吗",
    "お茶が好きですか",
    "제 개는 누구예요",
    "मेरा कुत्ता कौन है",
    "איפה אני גר",
]
# What begins as a question does, or might be one, and tells something.
NOT_ASKED = [
    "What was decided.",
    "What is told of a memory",
    "who is vegan",
    "What was said before and after a move.",
    "I live in Oslo",
    "Ich wohne in Bern",
    "J'habite à Lyon",
    "Vivo en Madrid",
    "Abito a Roma",
    "Moro em Lisboa",
    "Я живу в Москве",
    "我住在北京",
    "我喜欢什么都尝试",
    "私は東京に住んでいます",
    "나는 서울에 살아요",
    "أسكن في القاهرة",
    "Ankara'da yaşıyorum",
    "Mieszkam w Krakowie",
    "Ik woon in Utrecht",
    "मैं दिल्ली में रहता हूँ",
    "Thanks to Bob I live in Oslo",
    "OK is my favourite brand",
    "My name is Who",
    "What I like is tea",
    "Wo ich wohne ist es schön",
    "Where I live it rains a lot",
    "When I was five we moved to Oslo",
    "How I met Anna: at a bar in Bonn",
    "Who Framed Roger Rabbit is my favourite film",
    "Do not call me before nine",
    "Can is my favourite band",
    "Will is my brother",
    "Is Anna my sister? Yes.",
    "May is my birthday month",
    "No meat for me",
    "Yes, I am vegan",
    "no nuts",
    "Danke Anna für das Auto, sie ist meine Schwester",
    "Wann is how I misspell when",
    "Have a cat named Tom",
    "Ma sœur s'appelle Où",
    "Que mi hermana viva en Lima me alegra",
    "Quando era piccolo vivevo a Roma",
    "Chi ama il tè sono io",
    "Когда я был маленьким, я жил в Риге",
    "Как зовут мою собаку Шарик знают все",
    "O que eu gosto é chá",
    "Onde eu moro chove muito",
    "Wer mich kennt, weiß dass ich Tee mag",
    "Als ich klein war, wohnte ich in Bonn",
    "什么都吃，但不吃猪肉",
    "どこにも行きたくない",
    "What is important is tea",
    "What was lost is found",
    "Was mein Hund mag ist Wurst",
    "Habe ich gestern gekauft",
    "Bin ich froh",
    "Did it yesterday",
    "Has it in blue",
    "Was there yesterday",
    "Do my taxes by Friday",
    "Have my car serviced on Friday",
    "Is my favourite band",
    "Who was there was Bob",
    "How I love tea",
    "What a day",
    "Did I tell you I moved to Oslo",
    "Do you know I moved to Oslo",
    "Remind me when Bob arrives",
    "Tell me when you are home",
    "To whom it may concern",
    "Can you remember that I am vegan",
    "May is my birthday month",
    "Paris est ce que j'aime le plus",
    "C'est ce que je veux",
    "Quando è estate vado al mare",
    "Come è noto abito a Roma",
    "Quando é verão vou à praia",
    "Kiedy jest ciepło biegam",
    "Gdzie mieszkam pada deszcz",
    "Kto ma psa ten wie",
    "Где я живу очень шумно",
    "Когда я сплю я храплю",
    "Как я люблю чай",
    "Nerede iyi yemek var biliyorum",
    "什么都吃",
    "你想吃什么我就吃什么",
    "我不知道是谁",
    "星期五飞好吗",
    "没什么",
    "どこにも行きたくない",
    "金曜日に出発でいいですか",
    "언제나 행복해요",
    "어디에도 없어요",
    "냄새가 나요",
    "추우니까",
    "मुझे पता है वह कौन है",
    "जहाँ मैं रहता हूँ वहाँ ठंड है",
    "איפה שאני גר יפה",
    "Wie sagt man so schön",
    "Wat ik lekker vind is kaas",
    "Waar ik woon is het mooi",
    "Que te vaya bien",
    "Como siempre té",
    "Donde vivo es bonito",
    "Where I live is lovely",
    "Who I love is Anna",
    "Which is why I moved",
    "What I do is teach",
    "How to make tea: boil water",
    "Why not",
    "Whoever knows",
    "Is a nurse",
    "Will is my brother and he is five",
    "Can be found in the drawer",
    "Could be Friday",
    "Should be in Oslo by noon",
    "Does yoga on Mondays",
    "Whatever works",
    "où j'habite",
    "dove abito",
    "onde eu moro",
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


@pytest.mark.parametrize("text", UNMARKED)
def test_a_question_without_a_mark_is_told_by_how_its_language_asks(text):
    assert manner_of(text) == "question"
    assert manner_of(text.upper()) == "question" or text.upper().casefold() != text.casefold()
    assert manner_of(f"{text.rstrip('.')}?") == "question"
    assert manner_of(f"{text}, I moved to Oslo") == "statement"


@pytest.mark.parametrize("text", NOT_ASKED)
def test_what_might_tell_something_is_no_question(text):
    assert manner_of(text) not in {"question", "acknowledgement"}
