"""How a question is written that has no question mark, as people type: by rules a language.

A question that is taken for a fact is shown in the place of one; a fact that is taken for a
question is withheld. So each rule names what only asks: a word that asks and then its verb ("where
do I live", not "where I live"), a particle that stands in questions alone ("mı", "هل", "ますか"), a
word that asks by its accent. What might be either is no question: "où j'habite", "dove abito". All
are of one sentence, without a comma, and short; none ends in an exclamation mark.

Of 45,482 sentences of LoCoMo and BEAM, all written with their marks, one is taken for a question:
"Have you read all of George R.", cut off at its dot.
"""

from __future__ import annotations

from typing import Final

_WORD: Final = r"[\w'’\-]+"
_MORE: Final = rf"(?: \s+ {_WORD} )"


def _upto(most: int, least: int = 0) -> str:
    """Matches further words."""
    return f"{_MORE}{{{least},{most}}}"


_SUBJECT: Final = "(?: i | you | we | they | he | she | it | there | this | that | these | those )"
_WHOSE: Final = "(?: my | our | your | his | her | their | its | the | an? )"
_THING: Final = rf"(?: {_SUBJECT} | {_WHOSE} )"
_BE: Final = "(?: is | are | was | were | am | isn['’]?t | aren['’]?t )"
_AUXILIARY: Final = rf"""(?: {_BE} | do | does | did | can | could | will | would | should | shall
    | have | has | had | don['’]?t | doesn['’]?t | didn['’]?t | can['’]?t | won['’]?t )"""
_NOUN: Final = rf"(?: \s+ (?! (?: {_THING} | {_AUXILIARY} ) \b ) {_WORD} )"
_ONE_CLAUSE: Final = r"(?! [^\n]* \s (?: is | was | are | were | will ) \b )"
"""What follows has no verb of another clause: "where is he is not known"."""
_TOLD: Final = r"""(?! [^\n]* \b (?: (?: tell | told ) \s+ you | mention\w*
    | (?: that | know | remember | heard? ) \s+ (?: that | i | we ) (?!\w) ) )"""
"""Nor does it tell something: "did I tell you I moved to Oslo"."""

_ENGLISH: Final = rf"""
    (?: (?: and | so | but | hey | hi | ok | okay | please | on | in | at | for | to | with | from
        | by | since ) \s+ )?
    (?: (?: what | who ) \s+ {_BE} \s+ {_THING} (?!\w) {_ONE_CLAUSE} {_upto(9)}
      | (?: (?: what | who ) (?! \s+ {_BE} \b ) | whom | where | when | why | how ) \s+
        {_AUXILIARY} \s+ {_ONE_CLAUSE} {_WORD} {_upto(9)}
      | (?: what | who | where | when | how ) ['’]?s \s+ {_THING} (?!\w) {_ONE_CLAUSE} {_upto(8)}
      | (?: which | what | whose | how ) {_NOUN}{{1,3}}? \s+ {_AUXILIARY} \s+ {_THING} (?!\w)
        {_ONE_CLAUSE} {_upto(8)} )
    | (?: (?: do | does | did | am | is | are | was | can | could | will | would | should | shall
          | have | has ) \s+ (?: i | we | they | he | she )
      | (?: is | was | does | can | could | will | would | should ) \s+ it
      | (?: do | did | are | were | have ) \s+ you | (?: is | are ) \s+ there
      | (?: is | are | does | did ) \s+ (?: my | our ) (?! \s+ favou?rite ) )
      (?!\w) {_TOLD} {_upto(9, 1)}
    | (?: (?: can | could | would | will ) \s+ you \s+ )? (?: please \s+ )?
      (?: tell | remind | show ) \s+ me \s+ (?: again \s+ )?
      (?: what | where | who | which | how | why | whether ) {_upto(9, 1)}
"""
_GERMANIC: Final = rf"""
    (?: (?: in | mit | für | an | seit ) \s+ )?
    (?: wo | wohin | woher | was | wer | wen | wem | wann | warum | wieso | wie
      | wie \s+ (?: viele? | alt | lange? | oft | groß ) (?: \s+ {_WORD} )?
      | welche[rsnm]? (?: \s+ {_WORD} )? ) \s+
    (?! (?: ich | du | er | sie | es | wir | ihr | mich | mir | dich | dir | uns ) \b ) {_WORD} \s+
    (?: ich | du | er | sie | es | wir | ihr | mein\w* | dein\w* | unser\w* ) (?!\w) {_upto(6)}
    | (?: waar | wat | wie | wanneer | waarom | hoe | (?: welke? | hoeveel ) (?: \s+ {_WORD} )? )
      \s+ (?! (?: ik | je | jij | we | wij | hij | zij | ze | mij | me | ons ) \b ) {_WORD} \s+
      (?: ik | jij | je | we | wij | hij | zij | ze | mijn | onze | jouw ) (?!\w) {_upto(6)}
"""
_ROMANCE: Final = rf"""
    est[\s\-]ce \s+ (?: que | qu['’]{_WORD} ) {_upto(6)}
    | {_WORD} {_upto(3)} \s+ est-ce \s+ (?: que | qu['’]{_WORD} ) {_upto(6)}
    | (?: où | comment | qui | quel(?:le)?s? ) \s+ (?: s['’]appelle(?:nt)? | (?: est | sont ) \s+
      (?: m[oae]\w* | t[oae]\w* | notre | nos | le | la | les | l['’]{_WORD} ) ) (?!\w) {_upto(4)}
    | (?: où | quand | comment | pourquoi | que | qui | combien ) \s+
      {_WORD}-(?:t-)?(?: je | tu | il | elle | on | nous | vous | ils | elles ) {_upto(5)}
    | (?: (?: a | de | en | con | para | por ) \s+ )?
      (?: dónde | adónde | quién(?:es)? | cuándo | cuál(?:es)? | cuánt[oa]s? ) {_upto(6, 1)}
    | (?: qué \s+ (?: es | son | día | hora | tipo )
        | cómo \s+ (?: se \s+ llaman? | es | está | puedo ) ) {_upto(6, 1)}
    | (?: dove | chi | quando | come | quale? | quali | qual | cosa | che \s+ cosa ) \s+
      (?: è \s+ (?: il | lo | la | l['’]{_WORD} | mi[oa] | nostr[oa] ) | si \s+ chiama(?:no)? )
      (?!\w) {_upto(4)}
    | (?: onde | quem | quando | qual | quais | como | o \s+ que ) \s+
      (?: (?: é | fica(?:m)? ) \s+ (?: o | a | meu | minha | noss[oa] ) | se \s+ chamam? )
      (?!\w) {_upto(4)}
"""
_SLAVIC: Final = rf"""
    (?: где | куда | откуда | кто | почему | зачем | сколько ) \s+
      (?: я | ты | мы | он[аи]? | у | мо\w+ | наш\w* | мне | тво\w+ ) (?!\w) {_upto(1)}
    | как \s+ зовут \s+ (?: мо\w+ | наш\w* ) {_upto(2)}
    | когда \s+ (?: у | мо[йяёи] | наш ) {_upto(2, 1)}
    | czy \s+ {_WORD} {_upto(6)} | gdzie \s+ (?! indziej | tylko ) {_WORD} {_upto(1)}
    | (?: kto | kiedy | jaki | jaka | jakie ) \s+ (?: jest | są ) \s+ (?: m[oó]\w+ | nasz\w* )
      {_upto(2)}
    | jak \s+ się \s+ nazywa {_upto(3, 1)} | ile \s+ mam {_upto(2, 1)}
"""
_TURKIC: Final = rf"""
    {_WORD} {_upto(7)} \s+ m[ıiuü] (?: y[ıiuü]m | s[ıiuü]n | y[ıiuü]z | yd[ıiuü]\w* )?
    | (?: {_WORD} \s+ ){{0,3}} (?: nerede | nereye | ne \s+ zaman | kaç ) \s+ {_WORD}
      (?: yorum | yorsun | yoruz | yor | [dt][ıiuü]m | [dt][ıiuü]k | s[ıiuü]n )
"""
_SEMITIC: Final = rf"""
    (?: هل | أين | متى | لماذا | كيف | ما \s+ (?: هو | هي | اسم ) | من \s+ (?: هو | هي ) )
      {_upto(6, 1)}
    | (?: איפה (?! \s+ ש ) | מתי | האם | למה | מי \s+ (?: זה | זאת ) | איך \s+ קוראים )
      {_upto(5, 1)}
"""
_INDIC: Final = r"""
    (?! [^\n]* (?: नहीं | पता ) )
    (?: [^\s,।]+ \s+ ){0,5} (?: कहाँ | कहां | कौन | कब | क्यों | कितन\w* | क्या )
    (?: \s+ [^\s,।]+ ){0,5} \s+ (?: हूँ | हूं | है | हैं | था | थी | थे )
"""
_EAST_ASIAN: Final = r"""
    (?! [^\n]* [不没沒忘就都随隨] ) [^\s，,。！]{1,30}
      (?: (?<! [好行以对對是题題] ) [吗嗎] | 哪里 | 哪裡 | 哪儿 | 什么 | 什麼 | 谁 | 誰
        | 多少 | 几点 | 幾點 | 哪天 )
    | [^\s、。！]{1,40} (?<! いい ) (?<! よろしい ) (?<! 大丈夫 )
      (?: ですか | ますか | でしたか | ましたか | でしょうか )
    | (?: [^\s,.!]+ \s+ ){0,6} [^\s,.!]*
      (?: 습니까 | 입니까 | 합니까 | 인가요 | 었나요 | 았나요 | 했나요 | 있나요 | 하나요
        | 사나요 | 되나요 | 할까요 | 을까요 )
    | (?: [^\s,.!]+ \s+ ){0,3} (?: 어디에?서? | 누구 | 언제 | 몇 \s* 시에? ) \s* [^\s,.!]+
      (?: 요 | 지 )
    | (?: [^\s,.!]+ \s+ ){0,3} (?: 누구 | 뭐 | 언제 | 어디 ) (?: 예요 | 에요 | 야 | 지 )
"""

UNMARKED: Final = rf"""
    (?= [^\n,，;:!?！？]{{2,90}} \Z )
    (?: {_ENGLISH} | {_GERMANIC} | {_ROMANCE} | {_SLAVIC} | {_TURKIC} | {_SEMITIC} | {_INDIC}
      | {_EAST_ASIAN} ) [\s.。।]*
"""
"""Matches the whole of a question without a mark, in verbose form, small letters or large."""
