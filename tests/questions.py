"""Filters as plain nested tuples: drawn, answered the naive way, and said with `F`.

A question is `(sign, path, operand)`, `("and" | "or", [questions])` or `("not", question)`. The
naive answer shares no code with the library.
"""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import strategies as st

from feather_memory.filters.language import F

UNSAID = {"origin": "user", "manner": "statement"}  # what a row leaves out that every memory has

COLUMNS = {
    "id": "text",
    "text": "text",
    "key": "text",
    "session": "text",
    "actor": "text",
    "role": "text",
    "origin": "text",
    "manner": "text",
    "importance": "real",
    "recalls": "integer",
    "created_at": "real",
    "updated_at": "real",
    "valid_from": "real",
    "valid_to": "real",
    "expires_at": "real",
}

# What to draw: few and awkward, so that operands meet the values

AWKWARD = [
    "",
    "a",
    "A",
    "ab",
    "é",
    "e\u0301",
    "😀",
    '"',
    "\\",
    '\\"',
    'a"b',
    "a.b",
    "a b",
    "$",
    "[0]",
    "\0",
    "a\0b",
    "\1",
    "\2",
    "\0\1",
    "\n",
    "\x7f",
    "\u2028",
    "%",
    "'; drop table memory; --",
    "null",
    "1",
    "\\u0000",
    "\\\\u0001",
    "ü\0",
    "\uffff",
    "n",
    "u0000",
    "¡",
    "¢",
]
NUMBERS = [
    0,
    -0.0,
    0.0,
    1,
    1.0,
    -1,
    2,
    0.1,
    0.5,
    1e22,
    10**22,
    1e23,
    10**23,
    2**53,
    2**53 + 1,
    2.0**53,
    2**63,
    2**63 - 1,
    -(2**63),
    -(2**63) - 1,
    2.0**63,
    10**30,
    1e30,
    -(10**30),
    10**400,
    -(10**400),
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    9007199254740993.0,
    0.1 + 0.2,
    0.3,
    math.nextafter(1, 2),
    math.nextafter(1, 0),
    8.41e21,
    9.5e-310,
]
texts = st.sampled_from(AWKWARD) | st.text(st.sampled_from('a"\\\0\1\2é.'), max_size=4)
texts |= st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
keys = st.sampled_from(["a", "b", "id", "metadata", "importance", *AWKWARD])
floats = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.sampled_from(NUMBERS) | st.integers() | floats
scalars = st.none() | st.booleans() | numbers | texts
operands = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
int64 = st.integers(-(2**63), 2**63 - 1)
built_ins = {
    "text": texts | st.none(),
    "integer": int64 | st.sampled_from([0, 1, 2]),
    "real": st.none() | floats | st.sampled_from([x for x in NUMBERS if type(x) is float]),
}
records = st.fixed_dictionaries(
    {
        **{name: built_ins[kind] for name, kind in COLUMNS.items()},
        "metadata": st.dictionaries(keys, values, max_size=4),
    },
).map(lambda record: {**record, **{n: u for n, u in UNSAID.items() if record[n] is None}})


@st.composite
def questions(draw, record):
    """A filter as plain nested tuples, much of it taken from the record."""
    leaf = leaves(record)
    tree = st.recursive(
        leaf,
        lambda inner: (
            st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3))
            | st.tuples(st.just("not"), inner)
        ),
        max_leaves=4,
    )
    return draw(tree)


@st.composite
def leaves(draw, record):
    """One comparison."""
    path, operand = draw(pairs(record))
    sign = draw(st.sampled_from(signs_for(path, operand)))
    if sign in {"in", "nin"}:
        operand = draw(st.permutations([operand, *draw(st.lists(others_of(path), max_size=3))]))
        operand = operand[: draw(st.integers(0, 4))]
    return (sign, path, operand)


@st.composite
def pairs(draw, record):
    """A path and an operand, mostly of a field that is there and near to its value."""
    inside = list(inner_paths(record["metadata"], ("metadata",)))
    columns = [(name,) for name in COLUMNS]
    anywhere = st.tuples(st.just("metadata"), keys)
    known = st.sampled_from(draw(st.sampled_from([columns, inside or columns])))
    path = draw(known if draw(st.integers(0, 3)) else anywhere)
    value = naive_value(record, path)
    near = near_to(None if value == () or holds_mapping(value) else value)
    return path, draw(usual([x for x in near if is_possible(path, x)], others_of(path)))


def is_possible(path, operand):
    """Whether a field could ever be compared with it. A field of the memory has one type."""
    if path[0] == "metadata":
        return True
    return type(operand) is str if COLUMNS[path[0]] == "text" else type(operand) in {int, float}


def others_of(path):
    """Operands for a field, whatever its value."""
    if path[0] == "metadata":
        return operands
    return texts if COLUMNS[path[0]] == "text" else numbers


def signs_for(path, operand):
    """The comparisons that an operand can be compared by; "exists" needs none."""
    if path[0] != "metadata" and COLUMNS[path[0]] != "text":
        return ["==", "!=", "in", "nin", "exists", "<", "<=", ">", ">="]
    signs = ["==", "!=", "in", "nin", "contains", "exists"]
    if type(operand) in {int, float, str}:
        signs += ["<", "<=", ">", ">="]
    return [*signs, "icontains"] if isinstance(operand, str) else signs


def usual(near, others):
    """Half the time one of those near by, if there are any."""
    if not near:
        return others
    return st.booleans().flatmap(lambda is_near: st.sampled_from(near) if is_near else others)


def near_to(value):
    near = [value, *(value if isinstance(value, list) else [])]
    if isinstance(value, str):
        near += [value, value[1:], value[:1], value.swapcase(), value + "\0", value + "a"]
    if type(value) in {int, float}:
        near += [value, value, *neighbours(value), *([bool(value)] if value in {0, 1} else [])]
    if isinstance(value, bool):
        near += [int(value)]
    return near


def neighbours(number):
    if isinstance(number, int):
        return [number - 1, number + 1, *([float(number)] if abs(number) < 10**300 else [])]
    above, below = math.nextafter(number, math.inf), math.nextafter(number, -math.inf)
    return [x for x in (above, below, int(number)) if not math.isinf(x) or isinstance(x, int)]


def holds_mapping(value):
    return isinstance(value, dict) or (isinstance(value, list) and any(map(holds_mapping, value)))


def inner_paths(value, at):
    for key, inner in value.items():
        yield (*at, key)
        if isinstance(inner, dict):
            yield from inner_paths(inner, (*at, key))


# The oracle


def naive(question, record):  # noqa: PLR0911, C901 - one return a case is the plainest oracle
    sign, *rest = question
    if sign in {"and", "or"}:
        answers = [naive(part, record) for part in rest[0]]
        return False not in answers if sign == "and" else True in answers
    if sign == "not":
        return naive(rest[0], record) is False
    path, operand = rest
    value = naive_value(record, path)
    if sign == "exists":
        return value != ()
    if sign in {"!=", "nin"}:
        return naive(("==" if sign == "!=" else "in", path, operand), record) is False
    if sign == "in":
        return any(canonical(value) == canonical(choice) for choice in operand)
    if sign == "icontains":
        value = [*map(lowered, value)] if isinstance(value, list) else lowered(value)
        return naive(("contains", ("metadata", "x"), operand.lower()), {"metadata": {"x": value}})
    if sign == "contains":
        if isinstance(value, list):
            return canonical(operand) in [canonical(item) for item in value]
        return isinstance(value, str) and isinstance(operand, str) and value.find(operand) >= 0
    left, right = canonical(value), canonical(operand)
    if sign == "==":
        return left == right
    if left[0] != right[0] or left[0] not in {"number", "text"}:
        return False
    order = (left[1] > right[1]) - (left[1] < right[1])
    return order in {"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}}[sign]


def lowered(value):
    return value.lower() if isinstance(value, str) else value


def naive_value(record, path):
    """The value, or `()` for none; the metadata never holds a tuple."""
    value = record
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return ()
        value = value[key]
    return () if value is None and path[0] != "metadata" else value


def canonical(value):
    if value is None or isinstance(value, bool):
        return ("word", repr(value))
    if isinstance(value, int | float):
        return ("number", Fraction(value))
    if isinstance(value, str):
        return ("text", [ord(character) for character in value])
    if isinstance(value, list):
        return ("list", [canonical(item) for item in value])
    return ("other", id(object()), len(str(value)), object())


# The question in the words of the library


def with_f(question):
    sign, *rest = question
    if sign in {"and", "or"}:
        first, *others = map(with_f, rest[0])
        for other in others:
            first = first & other if sign == "and" else first | other
        return first
    if sign == "not":
        return ~with_f(rest[0])
    path, operand = rest
    subject = F(path=path)
    return {
        "==": lambda: subject == operand,
        "!=": lambda: subject != operand,
        "<": lambda: subject < operand,
        "<=": lambda: subject <= operand,
        ">": lambda: subject > operand,
        ">=": lambda: subject >= operand,
        "in": lambda: subject.is_in(operand),
        "nin": lambda: ~subject.is_in(operand),
        "contains": lambda: subject.contains(operand),
        "icontains": lambda: subject.icontains(operand),
        "exists": subject.exists,
    }[sign]()
