"""How a text is said: decided by its writing alone, in any language, when it is written.

A question ends in a question mark of whatever script, is short, and tells nothing first: before it
come only questions and acknowledgements, and it is no statement that wants to be agreed with, such
as "We fly on Friday, ok?". One without a mark is told by how its language asks; see asked.py. What
tells something first is asking: a statement, after which an answer is expected. An acknowledgement
is made of nothing but words that say nothing by themselves. What is neither is a statement. An
echo is what says again what is known already, and is not the user's: a write decides that, not the
text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final

from feather_memory import checks
from feather_memory.model.asked import UNMARKED

STATEMENT: Final = "statement"
QUESTION: Final = "question"
ACKNOWLEDGEMENT: Final = "acknowledgement"
ECHO: Final = "echo"
ASKING: Final = "asking"

MANNERS: Final = (STATEMENT, QUESTION, ACKNOWLEDGEMENT, ECHO, ASKING)

TELLING: Final = frozenset({STATEMENT, ASKING})
"""What tells something."""

ANSWERED: Final = frozenset({QUESTION, ASKING})
"""What an answer is expected after."""

_UNMARKED: Final = "unmarked"
"""The group of a question without a mark."""

LONGEST_QUESTION: Final = 160
"""Characters before its mark. What is longer tells something first."""

LONGEST_ACKNOWLEDGEMENT: Final = 60
"""Characters. "Thank you very much, see you tomorrow, good night" has fifty."""

# All that end a question, by the names that Unicode gives characters. Greek's is a semicolon once
# it is normalized, after a Greek word; Armenian's stands within the word that is asked for.
_MARKS = "?？﹖︖؟⁇⁈⁉‽⸮፧᥅⳺⳻꘏꛷\U00011143❓❔\u037e"
_GREEK_WORD = r"[\u0370-\u03ff\u1f00-\u1fff][^\w;]*;"
_ARMENIAN_MARK = "\u055e"

_AFTER = "[\\s!！.)\u200d\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]"
"""What may follow the mark: spaces, emoji and exclamations."""

# Written for this table: in each language the everyday words for yes and no, okay, thanks, welcome,
# hello and goodbye, for having heard, and for not knowing. A text is an acknowledgement only if it
# is made of these wholly, so that a word that is missing costs a withheld text and no fact.
_SPACED: Final = """
    yes|yeah|yep|yup|no|nope|nah|ok|okay|k|kk|sure|sure thing|alright|all right|right|exactly
    correct
    fine|good|great|perfect|nice|cool|awesome|wonderful|sounds good|sounds great|that is fine|got it
    gotcha|i see|understood|noted|i have noted that|i ve noted that|duly noted|done|will do
    of course
    absolutely|certainly|no problem|no worries|my pleasure|thanks|thank you|thanks a lot|thx|ty
    cheers
    thank you so much|thank you very much|thanks so much|many thanks|thanks for your help|please
    you re welcome|you are welcome|welcome|hi|hello|hey|hi there|hello there|good morning
    good afternoon|good evening|good night|bye|bye bye|goodbye|see you|see ya|see you later
    see you soon|see you tomorrow|take care|have a nice day|i don t know|i do not know|not sure
    i m not sure|no idea|hm|hmm|mhm|aha|ah|oh|wow|lol|haha|i will remember that|i ll remember that
    i ll keep that in mind|sorry|never mind|nevermind|go ahead|go on|continue
    ja|nein|jo|jep|klar|alles klar|in ordnung|gut|sehr gut|super|prima|toll|genau|richtig|stimmt
    passt|verstanden|notiert|ist notiert|erledigt|danke|danke schön|dankeschön|vielen dank
    besten dank|danke dir|bitte|bitte schön|gern|gerne|gern geschehen|kein problem|hallo|guten tag
    guten morgen|guten abend|gute nacht|tschüss|tschüs|auf wiedersehen|bis bald|bis später
    bis morgen
    ich weiß nicht|ich weiß es nicht|keine ahnung|merke ich mir|das merke ich mir|ach so
    ich verstehe|hahaha|that helps|that s helpful
    oui|non|d accord|bien|très bien|parfait|entendu|compris|noté|c est noté|merci|merci beaucoup
    merci bien|de rien|je vous en prie|je t en prie|s il te plaît|s il vous plaît|bonjour|bonsoir
    bonne nuit|salut|au revoir|à bientôt|à demain|je ne sais pas|aucune idée|bien sûr
    pas de problème
    sí|si|vale|de acuerdo|bueno|muy bien|perfecto|entendido|anotado|gracias|muchas gracias|de nada
    por favor|hola|buenos días|buenas tardes|buenas noches|adiós|hasta luego|hasta mañana|no sé
    no lo sé|ni idea|claro|claro que sí
    sim|não|tá|tá bom|está bem|bom|muito bem|perfeito|entendi|entendido|anotado|obrigado|obrigada
    muito obrigado|muito obrigada|por nada|olá|oi|bom dia|boa tarde|boa noite|tchau|adeus|até logo
    até amanhã|não sei|claro|com certeza
    sì|va bene|d accordo|bene|molto bene|perfetto|capito|ho capito|grazie|grazie mille|prego
    per favore|ciao|buongiorno|buonasera|buonanotte|arrivederci|a presto|a domani|non lo so|certo
    nee|prima|goed|begrepen|genoteerd|bedankt|dank je|dank je wel|dank u|dank u wel|graag gedaan
    hoi|goedemorgen|goedemiddag|goedenavond|welterusten|doei|tot ziens|tot morgen|ik weet het niet
    tak|nie|dobrze|świetnie|zrozumiano|rozumiem|zanotowano|dziękuję|dzięki|proszę|cześć|dzień dobry
    dobry wieczór|dobranoc|do widzenia|pa|nie wiem|jasne
    tack|nej|bra|okej|förstått|tack så mycket|varsågod|hej|god morgon|god natt|hej då|vet inte
    mange takk|takk|tusen takk|forstått|vær så god|ha det|vet ikke|mange tak|selv tak|farvel
    kiitos|kyllä|ei|hyvä|selvä|hei|moi|hyvää yötä|näkemiin|en tiedä
    да|нет|хорошо|ладно|окей|ок|понятно|понял|поняла|ясно|отлично|спасибо|большое спасибо
    спасибо большое|пожалуйста|не за что|привет|здравствуйте|доброе утро|добрый день|добрый вечер
    спокойной ночи|пока|до свидания|до завтра|не знаю|конечно|так|ні|добре|дякую|будь ласка|привіт
    evet|hayır|tamam|peki|anladım|harika|teşekkürler|teşekkür ederim|çok teşekkürler|sağ ol
    rica ederim|lütfen|merhaba|selam|günaydın|iyi akşamlar|iyi geceler|hoşça kal|görüşürüz
    bilmiyorum
    ναι|όχι|εντάξει|ωραία|κατάλαβα|ευχαριστώ|ευχαριστώ πολύ|παρακαλώ|γεια|γεια σου|καλημέρα
    καληνύχτα|αντίο|δεν ξέρω
    نعم|لا|حسنا|حسنًا|تمام|فهمت|شكرا|شكرًا|شكرا جزيلا|عفوا|من فضلك|مرحبا|أهلا|السلام عليكم
    صباح الخير
    مساء الخير|مع السلامة|لا أعرف|بله|نه|باشه|خوب|مرسی|ممنون|متشکرم|سلام|خداحافظ|نمی دانم
    כן|לא|בסדר|אוקיי|הבנתי|תודה|תודה רבה|בבקשה|שלום|להתראות|לילה טוב|לא יודע
    हाँ|हां|नहीं|ठीक है|ठीक|अच्छा|समझ गया|समझ गई|धन्यवाद|शुक्रिया|नमस्ते|अलविदा|शुभ रात्रि|पता नहीं
    iya|ya|tidak|baik|oke|mengerti|terima kasih|sama sama|halo|selamat pagi|selamat malam|tidak tahu
    vâng|dạ|không|được|tốt|hiểu rồi|cảm ơn|không có gì|xin chào|chào|tạm biệt|không biết
    네|예|응|아니요|아니|좋아|좋아요|좋습니다|알겠습니다|알겠어요|알았어|알았어요|그래|그래요|감사합니다|고마워
    고마워요|고맙습니다|천만에요|안녕|안녕하세요|안녕히 가세요|잘 자|잘 자요|몰라|모르겠어요|몰라요
"""
_UNSPACED: Final = """
    是|是的|不|不是|好|好的|好吧|行|可以|对|没问题|明白|明白了|知道了|收到|了解|谢谢|谢谢你|谢谢您|多谢|感谢
    不客气|不用谢|你好|您好|早上好|晚上好|晚安|再见|拜拜|不知道|我不知道|嗯|哦
    對|沒問題|知道了|謝謝|謝謝你|多謝|不客氣|再見|掰掰|晚安
    はい|いいえ|うん|ううん|ええ|了解|了解です|了解しました|分かりました|わかりました|わかった|承知しました
    なるほど|そうですか|そうですね|ありがとう|ありがとうございます|どうも|どういたしまして|お願いします
    こんにちは|こんばんは|おはよう|おはようございます|おやすみ|おやすみなさい|さようなら|またね|またあした
    わかりません|わからない|知りません|大丈夫|大丈夫です|オーケー|すみません
    ใช่|ไม่|ไม่ใช่|โอเค|ตกลง|ได้|เข้าใจแล้ว|ขอบคุณ|ขอบคุณครับ|ขอบคุณค่ะ|ไม่เป็นไร|สวัสดี|สวัสดีครับ
    สวัสดีค่ะ|ลาก่อน|ไม่รู้
"""


# What is put after a statement and a comma so that it is agreed with. None of politeness: "Where do
# I live, please?" is asked.
_AGREED: Final = """
    ok|okay|k|yes|yeah|no|right|correct|alright|all right|fine|good|cool|sure|deal|agreed|got it
    understood|is that ok|is that okay|is that fine|is that all right|if that s ok|if that s okay
    ja|nein|nee|gut|klar|alles klar|in ordnung|einverstanden|verstanden|nicht|nicht wahr|oder|gell
    ist das ok|ist das in ordnung|geht das|passt das|passt dir das|oui|non|d accord|bien|compris
    ça va|ça te va|ça vous va|n est ce pas|sí|si|vale|de acuerdo|está bien|te parece|te parece bien
    entendido|verdad|sim|não|tá|tá bom|está bem|pode ser|combinado|certo|sì|va bene|d accordo|capito
    vero|giusto|goed|akkoord|begrepen|is dat goed|tak|nie|dobrze|zgoda|może być|okej|nej|bra
    går det bra|förstått|greit|i orden|joo|sopiiko|да|нет|хорошо|ладно|ок|окей|договорились|так
    добре|гаразд|evet|tamam|tamam mı|olur mu|peki|ναι|εντάξει|σύμφωνοι|نعم|حسنا|حسنًا|تمام|موافق
    باشه|خوب|כן|בסדר|טוב|אוקיי|ठीक है|ठीक|हाँ|oke|ya|được|được không|nhé|네|응|좋아|괜찮아|괜찮지
    괜찮아요|괜찮죠|알겠지|알았지|알겠죠|그렇지
"""
_AGREED_UNSPACED: Final = """
    好|好吗|好吧|好不好|行|行吗|可以|可以吗|对|对吗|对吧|是吗|是吧|没问题吧|好嗎|行嗎|可以嗎|對嗎|對吧|是嗎
    いい|いいよね|いいですか|いいかな|よろしいですか|大丈夫|大丈夫ですか|ね|了解|わかった|オーケー
    โอเค|โอเคไหม|ได้ไหม|ใช่ไหม|นะ
"""

# A sentence ends at its mark and a space, or at a mark of a script that is written without spaces.
_SENTENCE_END: Final = re.compile(
    rf"""[.!…։۔।॥።;{_MARKS}]["'”’»)\]]*\s+|[。｡．！？﹖︖]["'”’」』»)）]*|[\n\r\u2028\u2029]+"""
)
_MERE_DOT: Final = re.compile(
    r"""(?: (?<!\w) (?: mrs? | ms | mx | drs? | prof | sra? | srta | mme | mlle | hr | fr | nr | vs
        | bzw | ca | approx | ул | им ) | (?<=\.) [^\W\d_] (?= \.\s+ (?-i: [^\W_A-Z] ) )
        | \d{1,2} (?= \.\s+ (?: jan | feb | m[aä]r | apr | ma[ijy] | jun | jul | aug | sep | o[ck]t
        | nov | de[csz] ) ) ) \. """,
    re.VERBOSE | re.IGNORECASE,
)
"""A dot that ends no sentence: of a title, within "e.g. tea", or of a day before its month."""
_LAST_COMMA: Final = re.compile(r"(?:[,，､、،]|\s[-–—])(?=[^,，､、،]*\Z)")


def checked(value: object, name: str) -> str:
    """The manner, if it is one.

    Raises:
        ParameterError: It is not; says which there are.
    """
    checks.one_of(value, name, MANNERS)
    return str(value)


def _bare(phrases: str) -> str:
    """The same without accents, as many people type them."""
    apart = unicodedata.normalize("NFD", phrases)
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", apart))


def _any_of(table: str) -> str:
    """Matches the longest of the table's phrases, with or without accents and punctuation."""
    lines = (table + _bare(table)).splitlines()
    listed = {phrase.strip() for line in lines for phrase in line.split("|") if phrase.strip()}
    by_first: dict[str, list[str]] = {}  # so a text is compared with those of its first letter
    for phrase in sorted(listed, key=len, reverse=True):
        by_first.setdefault(phrase[0], []).append(r"\W*".join(phrase[1:].split(" ")))
    return "|".join(f"{first}(?:{'|'.join(rest)})" for first, rest in by_first.items())


@cache
def patterns() -> re.Pattern[str]:
    """Matches the whole of a text that is a question or an acknowledgement, in a group so named.

    Emoji, spaces and marks such as "!" may follow a question mark. An acknowledgement may be
    nothing but marks and emoji.
    """
    return re.compile(
        rf"""
        (?P<question> (?s:.{{0,{LONGEST_QUESTION}}})
            (?: [{_MARKS}] | {_GREEK_WORD} | {_ARMENIAN_MARK} [^\n]{{0,{LONGEST_QUESTION}}} )
            {_AFTER}* )
        | (?P<unmarked> {UNMARKED} )
        | (?P<acknowledgement> (?= (?s:.{{0,{LONGEST_ACKNOWLEDGEMENT}}}) \Z )
            \W* (?> (?: (?: (?: {_any_of(_SPACED)} ) (?!\w) | {_any_of(_UNSPACED)} ) \W* )* ) )
        """,
        re.VERBOSE | re.IGNORECASE,
    )


@cache
def _agreement() -> re.Pattern[str]:
    """Matches the whole of what asks only whether what stands before it is agreed with."""
    return re.compile(
        rf"\W* (?: (?: {_any_of(_AGREED)} ) (?!\w) | {_any_of(_AGREED_UNSPACED)} ) \W*",
        re.VERBOSE | re.IGNORECASE,
    )


def manner_of(text: str) -> str:
    """A statement, a question, an acknowledgement, or a statement that ends by asking.

    >>> manner_of("What can I cook?"), manner_of("I'm allergic to nuts. What can I cook?")
    ('question', 'asking')
    """
    said = patterns().fullmatch(text)
    return STATEMENT if said is None else manner_by(said)


def manner_by(said: re.Match[str]) -> str:
    """The same, of a text that `patterns` matches: few do, and who knows that asks no further."""
    if said.lastgroup == QUESTION and not all(map(_only_asks, _sentences(said[0]))):
        return ASKING
    return QUESTION if said.lastgroup == _UNMARKED else str(said.lastgroup)


def _sentences(text: str) -> Iterator[str]:
    mere, start = {dot.end() for dot in _MERE_DOT.finditer(text)}, 0
    for end in _SENTENCE_END.finditer(text):
        if end.start() + 1 not in mere:
            yield text[start : end.end()]
            start = end.end()
    yield text[start:]


def _only_asks(sentence: str) -> bool:
    """Whether a sentence tells nothing: it says nothing, or asks for more than agreement."""
    said = patterns().fullmatch(sentence.strip())
    if said is None or said.lastgroup == ACKNOWLEDGEMENT:
        return said is not None
    if not (comma := _LAST_COMMA.search(sentence)):
        return True
    before = patterns().fullmatch(sentence[: comma.start()].strip())
    return before is not None or not _agreement().fullmatch(sentence, comma.end())
