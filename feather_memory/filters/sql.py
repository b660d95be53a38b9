r"""Filters as SQL that answers exactly as `Filter.matches` does.

SQLite's JSON functions decode numbers and text inexactly (3.40 rounds some floats by a bit, makes
floats of integers beyond 64 bits, and ends a text at its first NUL), so values are compared as
the JSON *text* that `metadata -> path` returns, which is the text that was stored:

- Equality is being one of the few texts that `json.dumps` writes for that value.
- Integers are ordered by sign, number of digits, and digits.
- Floats are ordered by SQLite unless they are within `_SLIP` floats of the bound; there the
  texts of all floats that near are listed.
- Text is decoded after U+0000 and U+0001 were rewritten such that order and substrings are kept.

It holds for metadata written by `json.dumps`, with or without `ensure_ascii`, without NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from feather_memory.filters.language import And, Filter, Leaf, Not, Or, Path
from feather_memory.model.fields import FIELDS, FILTERED, UNSAID

_KINDS: Final = {
    name: "real" if FIELDS[name].kind == "time" else FIELDS[name].kind for name in FILTERED
}
"""Which type SQLite keeps a field of the memory itself in."""

_SLIP: Final = 32
"""By how many floats SQLite may misread a decimal. Without long doubles it multiplies by up to 14
rounded powers of ten."""

_RUN: Final = 64
"""Terms in one chain of `and` or `or`; SQLite refuses expressions a thousand deep."""

_RESPELLED: Final = (
    (r"\\", r"\u005c"),  # first, so that every backslash left begins an escape
    (r"\"", r"\u0022"),
    (r"\u0001", r"\u0001\u0041"),  # json.dumps never escapes a letter, so this can be undone
    (r"\u0000", r"\u0001\u0042"),
)
"""What is rewritten in a document and its keys before a lookup. The last two are undone in what
is found; the first two are among the `_spellings` that an operand may have."""

_INT64: Final = 2**63


class _Sql(NamedTuple):
    """An expression and the values of its question marks, in order."""

    text: str
    values: tuple[Any, ...] = ()


_FALSE: Final = _Sql("0")


def to_sql(where: Filter) -> tuple[str, list[Any]]:
    """The filter as a boolean expression over the columns of a table `memory`, and its values.

    It is 0 or 1, never null, and needs `SQL_FUNCTIONS`. Columns are written `memory.id` and so on,
    times are REAL seconds or null, `memory.metadata` is JSON text. What a caller chose is bound.

    >>> from feather_memory.filters.language import F
    >>> to_sql(F("session") == "s1")
    ('coalesce(memory.session = ?, 0)', ['s1'])
    """
    sql = _expression(where)
    return sql.text, list(sql.values)


def _expression(where: Filter) -> _Sql:
    match where:
        case And(parts=parts):
            return _joined("and", map(_expression, _deepest_first(parts)))
        case Or(parts=parts):
            return _joined("or", map(_expression, _deepest_first(parts)))
        case Not(part=part):
            return _not(_expression(part))
        case Leaf():
            return _leaf(where)
        case _:
            raise TypeError(f"no SQL for a {type(where).__name__}")


def _deepest_first(parts: tuple[Filter, ...]) -> list[Filter]:
    """The parts, ordered so that SQLite's parser holds few symbols when it comes to the deepest."""
    return sorted(parts, key=lambda part: getattr(part, "depth", 0), reverse=True)


def _joined(word: str, terms: Iterable[_Sql]) -> _Sql:
    """The terms in parentheses, in chains of at most `_RUN`."""
    left = list(terms)
    while True:
        left = [_chain(word, left[at : at + _RUN]) for at in range(0, len(left), _RUN)]
        if len(left) == 1:
            return left[0]


def _chain(word: str, terms: Sequence[_Sql]) -> _Sql:
    if len(terms) == 1:
        return terms[0]
    text = f" {word} ".join(term.text for term in terms)
    return _Sql(f"({text})", tuple(value for term in terms for value in term.values))


def _not(sql: _Sql) -> _Sql:
    return _Sql(f"not {sql.text}", sql.values)


def _leaf(leaf: Leaf) -> _Sql:
    if leaf.path[0] != "metadata" and len(leaf.path) == 1:
        text, values = _built_in(leaf)
        return _Sql(f"coalesce({text}, 0)", values)
    if leaf.path[0] == "metadata":
        found = _found(leaf.path[1:])
    else:  # whoever wrote it need not spell as `json.dumps` does
        found = _Sql("inside(memory.text, ?)", (json.dumps(leaf.path[1:]),))
    if leaf.operator == "exists":
        return _Sql(f"({found.text} is not null)", found.values)
    condition = _stored("field.j", leaf)
    return _Sql(
        f"(with field(j) as materialized (select {found.text}) "
        f"select coalesce({condition.text}, 0) from field)",
        (*found.values, *condition.values),
    )


# Built-in fields: typed columns


def _built_in(leaf: Leaf) -> _Sql:
    name = leaf.path[0]
    column, kind = f"memory.{name}", _KINDS[name]
    if name in UNSAID:
        column = f"coalesce({column}, '{UNSAID[name]}')"
    match leaf.operator:
        case "exists":
            return _Sql(f"{column} is not null")
        case "==":
            return _column_in(column, kind, (leaf.operand,))
        case "in":
            return _column_in(column, kind, leaf.operand)
        case "contains" | "icontains" as name:
            test = f"{'instr' if name == 'contains' else name}({column}, ?) > 0"
            is_text = kind == "text" and isinstance(leaf.operand, str)
            return _Sql(test, (leaf.operand,)) if is_text else _FALSE
        case sign if isinstance(leaf.operand, str):
            return _Sql(f"{column} {sign} ?", (leaf.operand,)) if kind == "text" else _FALSE
        case sign:
            return _FALSE if kind == "text" else _column_order(column, kind, sign, leaf.operand)


def _column_in(column: str, kind: str, choices: Sequence[Any]) -> _Sql:
    if kind == "text":
        texts = [choice for choice in choices if isinstance(choice, str)]
        # One parameter for all, as there is a limit; but JSON would end a text at its NUL.
        listed = [text for text in texts if "\0" not in text]
        single = [text for text in texts if "\0" in text]
        one_by_one = [_Sql(f"{column} = ?", (text,)) for text in single]
        return _joined("or", [_among(column, listed), *one_by_one])
    numbers = [choice for choice in choices if type(choice) in {int, float}]
    if kind == "integer":
        whole = [int(number) for number in numbers if number == int(number)]
        bound: list[float] = [number for number in whole if -_INT64 <= number < _INT64]
    else:
        bound = [_ceiling(number) for number in numbers if _ceiling(number) == number]
    return _joined("or", [_FALSE, *(_Sql(f"{column} = ?", (number,)) for number in bound)])


def _column_order(column: str, kind: str, sign: str, bound: float) -> _Sql:
    if kind == "real":
        below = _Sql(f"{column} < ?", (_real_limit(sign, bound),))
    else:
        limit = _integer_limit(sign, bound)
        if limit >= _INT64:
            below = _Sql(f"{column} is not null")
        else:
            below = _Sql(f"{column} < ?", (max(limit, -_INT64),))
    return _not(below) if sign in {">", ">="} else below


# Metadata: JSON text


def _found(keys: Path) -> _Sql:
    """The JSON text stored under the keys, or null.

    SQLite 3.40 compares a quoted key with the stored one as both are spelled, and ends it at any
    quotation mark; from 3.45 on it takes a key for one that goes on after a NUL. So there is a path
    for each way to spell, and where a quotation mark or U+0000 is about, the document is respelled.
    """
    spelled = [
        "".join(f'."{_inside(key, is_ascii=style)}"' for key in keys) for style in (True, False)
    ]
    plain = _looked_up("memory.metadata", spelled)
    document = "memory.metadata"
    for old, new in _RESPELLED:
        document = f"replace({document}, '{old}', '{new}')"
    text, values = _looked_up(document, [_respelled(path) for path in spelled])
    for old, new in reversed(_RESPELLED[2:]):
        text = f"replace({text}, '{new}', '{old}')"
    if any('"' in key or "\0" in key for key in keys):
        return _Sql(text, values)
    return _Sql(
        rf"case when instr(memory.metadata, '\u0000') = 0 then {plain.text} else {text} end",
        (*plain.values, *values),
    )


def _looked_up(document: str, spelled: list[str]) -> _Sql:
    paths = tuple(dict.fromkeys(f"${path}" for path in spelled))
    if len(paths) == 1:
        return _Sql(f"({document} -> ?)", paths)
    return _Sql(f"coalesce({document} -> ?, {document} -> ?)", paths)


def _stored(json_text: str, leaf: Leaf) -> _Sql:
    """Whether the leaf holds for the value of this JSON text."""
    match leaf.operator:
        case "==":
            return _equal(json_text, (leaf.operand,))
        case "in":
            return _equal(json_text, leaf.operand)
        case "contains":
            return _contains(json_text, leaf.operand)
        case "icontains":
            return _Sql(f"json_icontains({json_text}, ?)", (leaf.operand,))
        case sign if isinstance(leaf.operand, str):
            return _text_condition(json_text, f"{{}} {sign} ?", leaf.operand)
        case sign:
            return _number_order(json_text, sign, leaf.operand)


def _inside(text: str, *, is_ascii: bool) -> str:
    """The text as JSON spells it, without the quotation marks around it."""
    return json.dumps(text, ensure_ascii=is_ascii)[1:-1]


def _respelled(json_text: str, rules: Sequence[tuple[str, str]] = _RESPELLED) -> str:
    """The JSON without escaped quotation marks and U+0000; keys that differ stay different."""
    for old, new in rules:
        json_text = json_text.replace(old, new)
    return json_text


def _spellings(scalar: Any) -> set[str]:
    """All the JSON texts of what equals the scalar."""
    if isinstance(scalar, str):
        texts = {json.dumps(scalar, ensure_ascii=style) for style in (True, False)}
        return texts | {
            text[0] + _respelled(text[1:-1], _RESPELLED[:2]) + text[-1] for text in texts
        }
    if scalar is None or isinstance(scalar, bool):
        return {json.dumps(scalar)}
    if scalar == 0:
        return {"0", "0.0", "-0.0"}
    texts = {str(int(scalar))} if scalar == int(scalar) else set()
    return texts | {repr(near) for near in (_ceiling(scalar),) if near == scalar}


def _among(expression: str, texts: Iterable[str]) -> _Sql:
    listed = sorted(texts)
    if not listed:
        return _FALSE
    if len(listed) == 1:
        return _Sql(f"{expression} = ?", (listed[0],))
    return _Sql(f"{expression} in (select value from json_each(?))", (json.dumps(listed),))


def _equal(json_text: str, choices: Sequence[Any]) -> _Sql:
    """Whether the value equals one of the choices."""
    scalars = [choice for choice in choices if not isinstance(choice, tuple)]
    lists = [choice for choice in choices if isinstance(choice, tuple)]
    spelled = _among(json_text, set().union(*map(_spellings, scalars)))
    return _joined("or", [spelled, *(_equal_list(json_text, wanted) for wanted in lists)])


def _equal_list(json_text: str, wanted: tuple[Any, ...]) -> _Sql:
    """Whether every part of the wanted list, nested ones included, is so in the value."""
    parts = list(_list_parts(wanted, "$"))
    text = (
        "(select count(*) from json_each(?) as part where case when part.value -> 'size' is null "
        f"then {json_text} -> (part.value ->> 'at') in "
        "(select value from json_each(part.value, '$.texts')) "
        f"else json_type({json_text}, part.value ->> 'at') = 'array' "
        f"and json_array_length({json_text}, part.value ->> 'at') = part.value ->> 'size' end) = ?"
    )
    return _Sql(text, (json.dumps(parts), len(parts)))


def _list_parts(wanted: Any, at: str) -> Iterator[dict[str, Any]]:
    if not isinstance(wanted, tuple):
        yield {"at": at, "texts": sorted(_spellings(wanted))}
        return
    yield {"at": at, "size": len(wanted)}
    for place, item in enumerate(wanted):
        yield from _list_parts(item, f"{at}[{place}]")


def _contains(json_text: str, item: Any) -> _Sql:
    same = _equal("item.j", (item,))
    in_list = _Sql(
        f"case when substr({json_text}, 1, 1) = '[' then exists (select 1 from "
        f"(select {json_text} -> each.key as j from json_each({json_text}) as each) as item "
        f"where {same.text}) else 0 end",
        same.values,
    )
    if not isinstance(item, str):
        return in_list
    return _joined("or", [in_list, _text_condition(json_text, "instr({}, ?) > 0", item)])


def _text_condition(json_text: str, condition: str, operand: str) -> _Sql:
    r"""Whether the value is text of which the condition holds, with `{}` for the text.

    The text and the operand are rewritten alike, U+0000 as U+0001 and a mark, U+0001 as U+0001
    and a higher mark. The order stays. Substrings stay too: neither mark is in the operand, so
    the rewritten operand cannot be found from the middle of a rewritten character on.
    """
    unused = (chr(code) for code in range(0xA1, 0xD800) if chr(code) not in operand)
    low, high = next(unused), next(unused)
    decoded = (
        rf"json_extract(replace(replace(replace({json_text}, '\\', '\u005c'), "
        r"'\u0001', ?), '\u0000', ?), '$')"
    )
    rewritten = operand.replace("\1", "\1" + high).replace("\0", "\1" + low)
    return _Sql(
        f"case when substr({json_text}, 1, 1) = '\"' then {condition.format(decoded)} else 0 end",
        (f"\\u0001{high}", f"\\u0001{low}", rewritten),
    )


def _number_order(json_text: str, sign: str, bound: float) -> _Sql:
    whole, real = _integer_limit(sign, bound), _real_limit(sign, bound)
    digits = str(whole)
    shorter = f"(length({json_text}), {json_text}) {{}} (?, ?)"
    if whole < 0:
        integer = f"{json_text} like '-%' and {shorter.format('>')}"
    else:
        integer = f"({json_text} like '-%' or {shorter.format('<')})"
    number = f"json_extract({json_text}, '$')"
    near = _floats_below(real, 2 * _SLIP)
    lowest, highest = _steps(real, -math.inf, _SLIP)[-1], _steps(real, math.inf, _SLIP)[-1]
    answer = "not" if sign in {">", ">="} else ""
    return _Sql(
        f"case json_type({json_text}) when 'integer' then {answer} ({integer}) when 'real' then "
        f"{answer} (case when {number} < ? then 1 when {number} > ? then 0 "
        f"else {json_text} in (select value from json_each(?)) end) else 0 end",
        (len(digits), digits, lowest, highest, json.dumps(near)),
    )


# Numbers: each order is `below a limit`, or the opposite of it


def _integer_limit(sign: str, bound: float) -> int:
    """The integer such that integers below it are those `<` or `<=` the bound."""
    return math.ceil(bound) if sign in {"<", ">="} else math.floor(bound) + 1


def _real_limit(sign: str, bound: float) -> float:
    """The float such that floats below it are those `<` or `<=` the bound."""
    limit = _ceiling(bound)
    is_passed = sign in {"<=", ">"} and limit == bound
    return math.nextafter(limit, math.inf) if is_passed else limit


def _ceiling(bound: float) -> float:
    """The least float that is not below the bound, which may be an integer of any size."""
    try:
        near = float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf
    return near if near >= bound else math.nextafter(near, math.inf)


def _steps(start: float, toward: float, count: int) -> list[float]:
    """The next floats, nearest first; infinity repeats."""
    floats = [start]
    for _ in range(count):
        floats.append(math.nextafter(floats[-1], toward))
    return floats[1:]


def _floats_below(limit: float, count: int) -> list[str]:
    """The JSON texts of the next lower floats."""
    below = _steps(limit, -math.inf, count)
    texts = [repr(number) for number in below if math.isfinite(number)]
    return [*texts, "0.0", "-0.0"] if 0.0 in below else texts
