"""What is put before a text and names nobody: "Note:", "备注:", "Yes,", a date.

It may be written with a capital, as names are, and in any language before a text of any other.
"Bob:" is none: it says who speaks. Written for this table: a word that is missing costs an echo
that is not found, and no fact.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from feather_memory.model.manner import ACKNOWLEDGEMENT, manner_of
from feather_memory.model.tokens import folded

_LABELS: Final = """
    note notes noted summary summaries memo memory memories fact facts info information reminder
    recap update context background profile preference preferences record entry item quote source
    history log transcript message conversation session chat user human speaker client customer
    known previous previously earlier current currently now today result results answer output
    input statement text content data value description details detail overview remark comment
    observation key points point takeaway takeaways important fyi tldr ps re says said stated wrote
    told mentioned about from the a an of in and to is that this as per home
    notiz notizen hinweis zusammenfassung fakt fakten erinnerung nutzer benutzer aktuell bisher
    anmerkung profil gedächtnis kontext der die das
    résumé rappel fait faits remarque utilisateur mémoire souvenir contexte profil le la les
    nota notas resumen hecho hechos recordatorio usuario memoria perfil contexto dato datos
    resumo fato fatos lembrete usuário memória observação
    riassunto riepilogo fatto fatti promemoria utente nota profilo
    notitie samenvatting feit feiten gebruiker herinnering
    notatka podsumowanie fakt fakty użytkownik przypomnienie uwaga
    заметка заметки примечание резюме сводка итог факт факты пользователь память напоминание
    not notlar özet bilgi kullanıcı hatırlatma gerçek hafıza
    ملاحظة ملخص حقيقة معلومة المستخدم تذكير
    नोट सारांश तथ्य जानकारी उपयोगकर्ता
"""
_LONGEST: Final = 60
"""Characters of a label before its colon."""
_COLON: Final = re.compile(r"[:\uff1a\ufe55|]|\s[-\u2013\u2014]\s")
_COMMA: Final = re.compile(r"[,\uff0c\u3001\u060c]")
_COUNTED: Final = re.compile(r"[^\w\s]*\s*\d[\d\s:./\\TZ+-]*(?:[)\].:,|>-]|(?<=\d)(?=[^\W\d_]))\W*")
"""A number, a date or a time at the start, with what parts it from the text."""


def without_labels(sentence: str) -> str:
    """A sentence without what stands before it and names nobody.

    >>> without_labels('Note 2: "I live in Bern"'), without_labels("Bob: I live in Bern")
    ('"I live in Bern"', 'Bob: I live in Bern')
    """
    while True:
        start = sentence.lstrip()
        if (number := _COUNTED.match(start)) is not None:
            start = start[number.end() :]
        colon = _COLON.search(start, 0, _LONGEST)
        head = [] if colon is None else folded(start[: colon.start()])
        if colon and head and all(word in _labels() or word.isdecimal() for word in head):
            start = start[colon.end() :].lstrip()
        comma = _COMMA.search(start, 0, _LONGEST)
        if comma is not None and manner_of(start[: comma.start()]) == ACKNOWLEDGEMENT:
            start = start[comma.end() :].lstrip()
        if start == sentence or not folded(start):
            return sentence
        sentence = start


@cache
def _labels() -> frozenset[str]:
    return frozenset(folded(_LABELS))
