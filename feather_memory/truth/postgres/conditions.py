"""What a filter lets through has to be among: said in SQL where that is short.

Which it is of those, the filter itself says of each record: so its one meaning is everywhere the
same, and a store on a server lets through what one in a file does.
"""

from __future__ import annotations

from typing import Final

from feather_memory.filters.language import And, Filter, Leaf, Or

_LABELS: Final = {"id", "key", "session", "actor", "role", "origin", "manner"}


def necessary(where: Filter | None) -> tuple[str, dict[str, object]]:
    """A condition that holds for all that the filter lets through, and its values by name."""
    values: dict[str, object] = {}
    return _said(where, values), values


def _said(where: Filter | None, values: dict[str, object]) -> str:
    match where:
        case And(parts=parts):
            return " and ".join(_said(part, values) for part in parts)
        case Or(parts=parts):
            return f"({' or '.join(_said(part, values) for part in parts)})"
        case Leaf(path=(name,), operator="==" | "in", operand=operand) if name in _LABELS:
            choices = operand if isinstance(operand, tuple) else (operand,)
            told = [choice for choice in choices if isinstance(choice, str) and "\0" not in choice]
            values[label := f"asked{len(values)}"] = told
            return f"{name} = any(%({label})s)"
    return "true"
