"""What a text's words are, in many scripts; and which memories hold them, against dictionaries."""

from __future__ import annotations

import math
import sys
import unicodedata
from collections import Counter
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory import Store
from feather_memory.index.postings import Postings
from feather_memory.model import words
from feather_memory.model.tokens import folded
from feather_memory.model.words import Tokenizer, entries, likeness, tokenizer

ENGLISH = tokenizer("english")
SIMPLE = tokenizer("simple")

# (what was written, what is asked), each by people who write that script
SAME = {
    "Latin, case": ("Deploys on FRIDAYS", "deploy friday"),
    "Latin, accents": ("naïve café résumé", "naive cafe resume"),
    "Latin, strokes": ("Łódź smørrebrød Đorđe", "lodz smorrebrod dorde"),
    "Latin, apart": ("cafe\u0301", "café"),
    "Latin, ligatures": ("ﬁne œuvre æon", "fine oeuvre aeon"),
    "German": ("Straße in Zürich", "strasse zurich"),
    "Turkish": ("İzmir ve Iğdır", "izmir ığdır"),
    "Yoruba": ("ẹ̀kọ́", "eko"),
    "Vietnamese": ("Hà Nội", "ha noi"),
    "Greek": ("Ἀθῆναι Οδυσσεύς", "αθηναι οδυσσευσ"),
    "Cyrillic": ("Ёлка в МОСКВЕ", "елка москве"),
    "Armenian": ("ԵՐԵՎԱՆ", "երեվան"),
    "Georgian": ("ᲗᲑᲘᲚᲘᲡᲘ", "თბილისი"),
    "Cherokee": ("ᏣᎳᎩ", "ꮳꮃꭹ"),
    "Arabic": ("مُحَمَّد", "محمد"),
    "Arabic, stretched": ("محـــمد", "محمد"),
    "Arabic, digits": ("٢٠٢٦", "2026"),
    "Persian": ("می\u200cخواهم", "میخواهم"),
    "Hebrew": ("שָׁלוֹם", "שלום"),
    "Devanagari": ("दिल्ली में", "दिल्ली"),
    "Devanagari, digits": ("२०२६", "2026"),
    "Bengali": ("কলকাতা", "কলকাতা"),
    "Tamil": ("சென்னை", "சென்னை"),
    "Telugu": ("హైదరాబాద్", "హైదరాబాద్"),
    "Kannada": ("ಬೆಂಗಳೂರು", "ಬೆಂಗಳೂರು"),
    "Malayalam": ("കൊച്ചി", "കൊച്ചി"),
    "Sinhala": ("කොළඹ", "කොළඹ"),
    "Gurmukhi": ("ਅੰਮ੍ਰਿਤਸਰ", "ਅੰਮ੍ਰਿਤਸਰ"),
    "Thai": ("ฉันอยู่ที่กรุงเทพ", "กรุงเทพ"),
    "Lao": ("ຂ້ອຍຢູ່ວຽງຈັນ", "ວຽງຈັນ"),
    "Khmer": ("ខ្ញុំនៅភ្នំពេញ", "ភ្នំពេញ"),
    "Burmese": ("ရန်ကုန်မြို့", "ရန်ကုန်"),
    "Tibetan": ("ལྷ་ས་", "ལྷ"),
    "Chinese": ("我住在北京", "北京"),
    "Chinese, one": ("我有猫", "猫"),
    "Japanese": ("東京に住んでいます", "東京"),
    "Japanese, widths": ("ﾃﾞｰﾀベース", "データ"),
    "Korean": ("서울에 살아요", "서울"),
    "Ethiopic": ("አዲስ፡አበባ", "አበባ"),
    "full width": ("ＡＢＣ１２３", "abc123"),
    "an underscore": ("snake_case_name", "snake name"),
    "an apostrophe": ("Alice’s cat", "alice's cat"),
    "an apostrophe, left out": ("I don’t eat meat, and won't", "dont wont meat"),
    "an apostrophe, put in": ("I dont eat meat, and shouldnt", "don't shouldn’t"),
    "an apostrophe of a name": ("O’Brien and M'Baye", "obrien mbaye"),
    "what comes before it": ("L’Oréal, dell'acqua, σ'αγαπώ", "oreal acqua αγαπω loreal"),
    "what comes behind it": ("İstanbul'da", "istanbul"),
    "an acute for an apostrophe": ("I don´t and can`t", "don't cant"),
    "French": ("aujourd’hui", "aujourdhui"),
    "Catalan": ("col·lecció", "colleccio"),
    "Ukrainian": ("м'ята, комп’ютер, сімʼя", "мята компютер сімя"),
    "Ukrainian, without": ("мята компютер", "м’ята комп'ютер"),
    "Uzbek": ("oʻzbek gʻalaba", "o'zbek galaba"),
    "Hawaiian": ("Hawaiʻi", "hawaii"),
    "Arabic, transcribed": ("Qurʾān", "quran"),
    "Hausa": ("ɓarna ɗan ƙasa ƴanci", "barna dan kasa yanci"),
    "Ewe": ("ŋɔŋlɔ ɖe ƒo", "nonlo de fo"),
    "Azerbaijani": ("Azərbaycan", "azerbaycan"),
    "Polish": ("Gdańsk, żółć", "gdansk zolc"),
    "Czech": ("Příliš žluťoučký kůň", "prilis zlutoucky kun"),
    "Romanian": ("București, ţară", "bucuresti țară"),
    "Icelandic": ("Þórður", "thordur"),
    "Maltese": ("Ħaż-Żebbuġ", "haz zebbug"),
    "German, capital": ("STRAẞE", "straße"),
    "Arabic, presented": ("ﻣﺤﻤﺪ ﻻ ﷲ", "محمد لا الله"),
    "Arabic, its marks alone": ("مـﹷحمد", "محمد"),
    "Arabic, alef": ("أحمد إلى آخر ٱلله", "احمد الى اخر الله"),
    "Arabic, of Persian keyboards": ("علی کتاب", "علي كتاب"),
    "Persian, of Arabic keyboards": ("كيك", "کیک"),
    "Arabic, its last letters": ("مدرسة موسى", "مدرسه موسي"),
    "Urdu": ("ہے کراچی", "هي كراچي"),
    "Kurdish": ("هەولێر", "ههولێر"),
    "Hebrew, an acronym": ('צה"ל', "צה״ל צהל"),
    "Yiddish": ("ייִדיש", "יידיש"),
    "Gujarati": ("અમદાવાદ", "અમદાવાદ"),
    "Odia": ("ଭୁବନେଶ୍ୱର", "ଭୁବନେଶ୍ୱର"),
    "N'Ko": ("ߒߞߏ", "ߒߞߏ"),
    "Mongolian": ("ᠮᠣᠩᠭᠣᠯ", "ᠮᠣᠩᠭᠣᠯ"),
    "Syriac": ("ܐܪܡܝܐ", "ܐܪܡܝܐ"),
    "Thaana": ("މާލެ", "މާލެ"),
    "Adlam": ("𞤀𞤣𞤤𞤢𞤥", "𞤢𞤣𞤤𞤢𞤥"),
    "Chinese, of Kangxi": ("⽇本", "日本"),
    "Japanese, half width": ("ﾊﾞｯﾌｧ ｶﾞｷﾞｸﾞ", "バッファ ガギグ"),
    "Japanese, asked in half width": ("パスワード", "ﾊﾟｽﾜｰﾄﾞ"),
    "Korean, of letters": ("서울", "\u1109\u1165\u110b\u116e\u11af"),
    "chemistry": ("CO₂ and H₂SO₄", "co2 h2so4"),
    "chemistry, asked": ("CO2", "co₂"),
    "a raised digit": ("60 m² by E=mc²", "m2 mc2"),
    "a note": ("Apple¹ and kiwi²", "apple kiwi"),
}

# (what was written, what it must not be found by)
OTHERS = {
    "a vowel sign is a letter": ("दिल", "दल"),
    "voicing is a letter": ("がき", "かき"),
    "a pair is in order": ("北京", "京北"),
    "a word is whole": ("deployment", "ploy"),
    "a tone of Thai is a letter": ("ก่า", "ก้า"),
    "not ill": ("I'll come, we'll see", "ill well"),
    "not a name": ("I don't", "Don"),
    "ten squared": ("10² things", "102"),
    "five foot eleven": ("5'11", "511"),
    "a hyphen parts words": ("wi-fi", "wifi"),
    "nothing joins words": ("wifi", "wi-fi"),
    "re-sign is not resign": ("I re-sign it", "resign"),
    "a full stop parts words": ("U.S.A.", "USA"),
    "us is not the U.S.": ("They told us", "U.S."),
    "a heh of Urdu's breath": ("کہا", "کھا"),
}


def shared(written, asked, words=ENGLISH):
    """How many of the words asked for the text has, and of how many."""
    digests = words.asked(asked)
    return int(np.isin(digests, entries(words.compact(written))["word"]).sum()), len(digests)


@pytest.mark.parametrize("name", SAME)
def test_a_text_is_found_by_its_words_as_people_write_them(name):
    written, asked = SAME[name]

    found, of = shared(written, asked)

    assert found == of > 0


@pytest.mark.parametrize("name", SAME)
def test_a_search_ranks_what_holds_the_words_first(name, tmp_path):
    written, asked = SAME[name]
    with Store.open(tmp_path / "a.feather") as store:
        store.add_many([{"text": "xyzzy plugh"}, {"text": written, "id": "it"}])
        (best, *_) = store.search(asked, k=1)
        assert (best.memory.id, best.score.lexical) == ("it", 1)
        assert store.check() == []


@pytest.mark.parametrize("name", OTHERS)
def test_words_that_differ_in_a_letter_are_two(name):
    written, asked = OTHERS[name]

    found, of = shared(written, asked)

    assert found < of


def test_no_symbol_glues_words_together():
    """Emoji of any release of Unicode, pictographs, punctuation: all that is no letter or digit."""
    symbols = [
        c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] in "SPZ"
    ]
    assert len(symbols) > 4_000
    for symbol in symbols:
        if any(
            map(str.isalnum, unicodedata.normalize("NFKC", symbol))
        ):  # ℡ and ⓐ are letters, and stay some
            continue
        assert "thanks" in SIMPLE.words(f"thanks{symbol}"), ascii(symbol)
        assert "thanks" in SIMPLE.words(f"{symbol}thanks{symbol}"), ascii(symbol)


@pytest.mark.parametrize(
    "emoji", ["👩\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "🇩🇪", "🏴\U000e0067\U000e007f", "🫨"]
)
def test_emoji_of_several_signs_are_no_part_of_a_word(emoji):
    assert SIMPLE.words(f"thanks{emoji}friend") == ["thanks", "friend"]


@pytest.mark.parametrize(
    ("text", "word"),
    [("Notion™ daily", "notion"), ("Windows℠", "windows"), ("room №5", "5"), ("Apple¹", "apple"),
     ("1½ cups", "1"), ("price₨", "price"), ("Ⓜ️etro", "etro")],
)  # fmt: skip
def test_symbols_made_of_letters_or_digits_glue_no_words_together(text, word):
    assert shared(text, word, SIMPLE) == (1, 1)


# Letters of every script, marks, apostrophes, what is written above and below the line.
written = st.text(
    st.one_of(
        st.characters(categories=["L", "M", "N"]),
        st.sampled_from("'`´’ʼʻ׳״·¹²₂ lmnst\"-_"),
        st.sampled_from("aeiouدیيكکةهىßıIİſﬁ"),
    ),
    max_size=24,
)


@given(written)
def test_whatever_is_kept_of_a_text_is_found_by_it(text):
    """By its words as they are folded, too: as nobody would write them."""
    assert shared(text, text)[0] == shared(text, text)[1]
    for word in SIMPLE.words(text):
        found, of = shared(text, word, SIMPLE)
        assert found == of, word


@given(st.text(st.sampled_from("abdst029'` -_.\"\n"), max_size=24))
def test_what_is_plain_ascii_has_the_same_words_beside_other_letters(text):
    assert folded(f"{text} ж") == [*folded(text), "ж"]
    assert (
        SIMPLE.compact(f"{text} ж").startswith(SIMPLE.compact(text)) or "'" in text or "`" in text
    )


APOSTROPHES = "'’‘`´ʼʻʽ′"


@given(
    st.text(st.sampled_from("abcdefgklmnortuvмят"), min_size=1, max_size=6),
    st.text(st.sampled_from("abcdefgklmnortuvмят"), min_size=1, max_size=6),
    st.sampled_from(APOSTROPHES),
    st.sampled_from(APOSTROPHES),
)
def test_one_apostrophe_is_as_good_as_another(before, behind, one, other):
    written, asked = f"{before}{one}{behind}", f"{before}{other}{behind}"

    assert SIMPLE.compact(written) == SIMPLE.compact(asked)
    assert likeness(written) == likeness(asked)
    found, of = shared(written, asked, SIMPLE)
    assert found == of > 0


@given(
    st.text(st.sampled_from("abcdefgklmnortuvмят"), min_size=2, max_size=6),
    st.text(st.sampled_from("abcefgkorvмят"), min_size=3, max_size=6).filter(
        lambda text: text not in {"ll", "re", "ve"}
    ),
    st.sampled_from(APOSTROPHES),
)
def test_a_word_with_an_apostrophe_is_found_without_it_and_by_its_parts(before, behind, sign):
    written = f"{before}{sign}{behind}"

    for asked in (before + behind, before, behind):
        assert shared(written, asked, SIMPLE) == (1, 1)


SCRIPTS = {  # of every script a letter or more that has case, marks, other forms or none
    unicodedata.name(character, "none").split()[0]: character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(character) in {"Ll", "Lo"}
}


@given(st.data())
def test_words_of_any_script_are_found_in_any_of_unicodes_forms(data):
    assert len(SCRIPTS) > 100
    name = data.draw(st.sampled_from(sorted(SCRIPTS)))
    near = range(max(ord(SCRIPTS[name]) - 40, 0x41), ord(SCRIPTS[name]) + 1)
    letters = [
        c for c in map(chr, near) if unicodedata.category(c) in {"Ll", "Lu", "Lo", "Lm", "Mc"}
    ]
    word = data.draw(st.text(st.sampled_from(letters), min_size=1, max_size=8))
    text = f"and {word} then"
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        other = unicodedata.normalize(form, word)
        found, of = shared(text, other, SIMPLE)
        assert found == of, (form, word)
        found, of = shared(f"and {other} then", word, SIMPLE)
        assert found == of, (form, word)


# Emoji by the blocks that they are assigned in, of any release of Unicode, and what is made of
# several of them. Digits and letters make some with a mark; they stay digits and letters.
EMOJI = [
    chr(point)
    for block in (
        range(0x203C, 0x203D), range(0x2049, 0x204A), range(0x2194, 0x21AB), range(0x231A, 0x23FF),
        range(0x25AA, 0x2600), range(0x2600, 0x27C0), range(0x2934, 0x2936), range(0x2B05, 0x2B56),
        range(0x3030, 0x3031), range(0x1F000, 0x1F100), range(0x1F1E6, 0x1F200),
        range(0x1F300, 0x1FB00),
    )
    for point in block
    if not unicodedata.normalize("NFKC", chr(point)).isalnum()
    and unicodedata.category(chr(point)) != "No"
]  # fmt: skip
one_emoji = st.builds(
    "{}{}{}".format,
    st.sampled_from(EMOJI),
    st.sampled_from(["", "\ufe0f", "\ufe0e", "\u20e3"]),
    st.sampled_from(["", "🏻", "🏽", "🏿", "\U000e0067\U000e0062\U000e007f"]),
)
emoji_of_many = st.lists(one_emoji, min_size=1, max_size=5).map("\u200d".join)


@given(
    emoji_of_many,
    st.sampled_from(["thanks", "дякую", "谢谢", "شكرا", "תודה", "ありがとう", "ধন্যবাদ"]),
)
def test_an_emoji_of_any_making_is_no_part_of_a_word(emoji, word):
    alone = SIMPLE.words(word)

    assert SIMPLE.words(emoji) == []
    assert SIMPLE.words(f"{word}{emoji}{word}") == [*alone, *alone]
    assert SIMPLE.words(f"{emoji}{word}{emoji}") == alone
    if unicodedata.category(emoji[0]) == "So":  # ‼ says what ! says
        assert likeness(emoji) != likeness("")


def test_every_emoji_is_no_part_of_a_word():
    assert len(EMOJI) > 2_000
    for emoji in EMOJI:
        assert SIMPLE.words(f"a{emoji}b") == ["a", "b"], ascii(emoji)


@pytest.mark.parametrize(
    "keycap", [f"{key}{mark}\u20e3" for key in "#*0123456789" for mark in ("", "\ufe0f")]
)
def test_a_keycap_is_its_key(keycap):
    assert SIMPLE.words(f"press {keycap}") == ["press", *(keycap[0] if keycap[0].isdigit() else "")]


@given(st.text(max_size=60))
def test_a_text_is_found_by_itself_whatever_it_says(text):
    found, of = shared(text, text)

    assert found == of


@given(st.text(max_size=40))
def test_case_and_form_make_no_difference(text):
    """But where Unicode itself loses something: what is folded twice is folded once."""
    for other in (unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text)):
        assert SIMPLE.compact(other) == SIMPLE.compact(text)
    assert SIMPLE.compact(text.casefold()) == SIMPLE.compact(text)


@given(
    st.lists(
        st.sampled_from(["tea", "green", "running", "café", "北京", "ran", "the"]), max_size=700
    )
)
def test_the_compact_form_counts_each_word(words):
    text = " ".join(words)

    kept = entries(ENGLISH.compact(text))

    assert sorted(kept["count"].tolist()) == sorted(
        min(255, count) for count in Counter(ENGLISH.words(text)).values()
    )
    assert len(set(kept["word"].tolist())) == len(kept)


def test_two_tokenizers_agree():
    """Whatever one of them has met before."""
    warm = Tokenizer("english")
    warm.compact("databases deploy running")

    assert warm.compact("running databases") == Tokenizer("english").compact("running databases")


def test_words_of_questions_are_asked_only_where_nothing_else_is():
    assert len(ENGLISH.asked("what is the limit of it")) == 1
    assert len(ENGLISH.asked("the of and")) == 3
    assert len(ENGLISH.asked("?!")) == 0
    assert len(tokenizer("german").asked("die was in")) == 3  # no stop words of another language


def test_an_endless_word_is_a_word():
    """Base64, a token: kept as it is, never stemmed."""
    endless = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" * 40_000

    assert SIMPLE.words(endless) == ENGLISH.words(endless) == [endless.lower()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Home is Oslo.", "home is oslo"),
        ("Café, at  NOON!", "café at noon"),
        ("Cafe\u0301", "CAFÉ"),
        ("Straße", "STRASSE"),
        ("İZMİR", "İzmir"),
        ("Hà Nội", "hà nội."),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("مَدْرَسَةٌ", "مدرسة"),
        ("ﻣﺪرﺳﺔ", "مدرسة"),
        ("کتاب علی", "كتاب علي"),
        ("I don’t know", "I dont know"),
        ("ﾃﾞｰﾀﾍﾞｰｽ", "データベース"),
        ("CO₂", "co2"),
        ("🎉", " 🎉 "),
        ("–5 °C", "−5 °C"),
        ("－５ °C", "-5 °C"),
        ("６’", "6'"),
        ("5％", "5%"),
        ("٣٫٥", "3.5"),
        ("Home - is Oslo", "home is oslo"),
        ("I live in Oslo, since 5.", "I live in Oslo since 5"),
    ],
)
def test_texts_that_say_the_same_are_alike(one, other):
    assert likeness(one) == likeness(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("we deploy on Friday", "we deploy on Tuesday"),
        ("the limit is 20", "the limit is 50"),
        ("I like tea", "I do not like tea"),
        ("running", "run"),
        ("🎉", "🎈"),
        ("balance $5", "balance -$5"),
        ("balance 5 €", "balance −5 €"),
        ("balance 5 €", "balance - 5 €"),
        ("Freezer at 5 °C", "Freezer at –5 °C"),
        ("T=5", "T=－5"),
        ("change .5", "change 5"),
        ("change .5", "change -.5"),
        ("Blood type A", "Blood type A-"),
        ("Blood type A", "Blood type A−"),
        ("Blood type A-", "Blood type A+"),
        ("6' long", '6" long'),
        ("6′ long", "6″ long"),
        ("6 long", "6″ long"),
        ("ratio 1.5", "ratio 1:5"),
        ("ratio 1.5", "ratio 1,5"),
        ("1,000", "1.000"),
        ("Python 3, 11", "Python 3.11"),
        ("5‰", "5"),
        ("5‰", "5%"),
        ("5٪", "5"),
        ("a != b", "a = b"),
        ("＃", ""),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
         "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"),
        ("Sie war schon da", "Sie war schön da"),
        ("Herr Muller", "Herr Müller"),
        ("má ma", "ma má"),
        ("ma", "mà"),
        ("đi", "di"),
        ("for", "før"),
        ("мой", "мои"),
        ("η πόλη", "ή πόλη"),
        ("El ano", "El año"),
        ("ɗan", "dan"),
        ("قال علي", "قال على"),
        ("كتابه", "كتابة"),
        ("we'll", "well"),
        ("we're", "were"),
        ("все", "всё"),
        ("L'été à Oslo", "L'ete à Oslo"),
    ],
)  # fmt: skip
def test_texts_that_differ_in_a_word_are_not_alike(one, other):
    assert likeness(one) != likeness(other)


# Postings

VOCABULARY = ["tea", "green", "deploy", "friday", "oslo", "北京", "the"]
texts = st.lists(st.lists(st.sampled_from(VOCABULARY), max_size=9).map(" ".join), max_size=30)


def by_dictionary(texts, eligible, asked):
    """BM25 of each text over the eligible, word by word; no text that is not among them counts."""
    words = [Counter(SIMPLE.words(text)) for text in texts]
    some = [each for each, is_asked in zip(words, eligible, strict=True) if is_asked]
    total = sum(sum(each.values()) for each in some)
    found = []
    for each, is_asked in zip(words, eligible, strict=True):
        score = 0.0
        for word in set(asked):
            if is_asked and each[word]:
                holding = sum(other[word] > 0 for other in some)
                idf = math.log(1 + (len(some) - holding + 0.5) / (holding + 0.5))
                length = sum(each.values()) / (total / len(some))
                score += idf * each[word] * 2.2 / (each[word] + 1.2 * (0.7 + 0.3 * length))
        found.append(score)
    return found


def of_batches(batches):
    """Postings that the batches were appended to, one after the other."""
    held = Postings.of_nothing()
    for number, batch in enumerate(batches):
        if number % 3 == 2:  # somebody asks in between
            held.bm25(SIMPLE.asked("tea"), np.ones(len(held.settled().lengths), np.bool_))
        held = held.followed_by([SIMPLE.compact(text) for text in batch])
    return held


@given(st.lists(texts, max_size=8), st.randoms(use_true_random=False), st.sampled_from(VOCABULARY))
def test_bm25_over_arrays_is_bm25_over_what_may_be_returned(batches, chance, word):
    """However the texts came in, and whatever else the store holds."""
    said = [text for batch in batches for text in batch]
    eligible = np.array([chance.random() < 0.7 for _ in said], np.bool_)
    asked = [word, *chance.sample(VOCABULARY, 2)]
    digests = np.unique(np.concatenate([SIMPLE.asked(each) for each in asked]))
    stems = [each for word in asked for each in _asked_words(word)]

    held = of_batches(batches)

    expected = by_dictionary(said, eligible, stems)
    assert held.bm25(digests, eligible)[0] == pytest.approx(expected, abs=1e-12)
    alone = held.of_live(eligible)
    everyone = np.ones(int(eligible.sum()), np.bool_)
    kept = [score for score, is_asked in zip(expected, eligible, strict=True) if is_asked]
    assert alone.bm25(digests, everyone)[0] == pytest.approx(kept, abs=1e-12)
    again = Postings.over(alone.arrays())
    assert again is not None
    assert again.bm25(digests, everyone)[0] == pytest.approx(kept, abs=1e-12)


def _asked_words(word):
    """A word of two signs of an unspaced script is asked for as a pair."""
    return [word]


def test_there_are_never_many_segments():
    held = of_batches([[f"word{n} tea"] for n in range(600)]).settled()

    assert len(held.segments) <= 1 + math.log(1_200, 4)
    assert held.bm25(SIMPLE.asked("tea"), np.ones(600, np.bool_))[0].min() > 0


def test_arrays_that_do_not_fit_each_other_are_no_postings():
    arrays = of_batches([["green tea", "tea"]]).of_live(np.ones(2, np.bool_)).arrays()

    for name in ("words", "places", "counts"):
        assert Postings.over({**arrays, name: arrays[name][:-1]}) is None
    assert Postings.over({"words": arrays["words"]}) is None


def test_what_a_text_is_like_is_told_in_one_pass():
    """Signs are counted by the words before them: a page of code has thousands of either."""
    code = "total = price * count\n" * 2_000

    with mock.patch.object(words, "folded", wraps=words.folded) as fold:
        assert likeness(code) != likeness(code.replace("*", "/", 1))

    read = sum(len(call.args[0]) for call in fold.call_args_list)
    assert read <= 2 * 2 * len(code)
