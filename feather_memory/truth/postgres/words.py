"""The words of each memory, by its row: derived from its text and its actor, kept for readers."""

from __future__ import annotations

from collections.abc import Iterator

from feather_memory.model.words import tokenizer
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.postgres.texts import said

ADD = """
    insert into feather.words (tenant, row, likeness, compact)
    values (%(tenant)s, %(row)s, %(likeness)s, %(compact)s)
"""
REMOVE = "delete from feather.words where tenant = %(tenant)s and row = any(%(rows)s)"
LIKE = """
    select likeness, row from feather.words
    where tenant = %(tenant)s and likeness = any(%(likeness)s) order by row
"""
_CLEAR = "delete from feather.words where tenant = %(tenant)s"
_REMADE = """
    update feather.state set remade = remade + 1, snapshot = null where tenant = %(tenant)s
"""
_SAID = "select row, text, actor from feather.memory where tenant = %(tenant)s order by row"
_BESIDE = """
    select memory.row, text, actor, likeness, compact
    from feather.memory left join feather.words using (tenant, row)
    where tenant = %(tenant)s order by memory.row
"""


def rebuild(moment: Moment) -> None:
    """Derive them all anew, in the store's language."""
    keep = tokenizer(moment.state.language).kept
    moment.done(_CLEAR)
    moment.done(_REMADE)
    moment.state.remade += 1
    moment.each(
        ADD, (told(row, keep(said(text), actor)) for row, text, actor in moment.stream(_SAID))
    )


def told(row: int, kept: tuple[int, bytes]) -> dict[str, object]:
    """What is kept of a row's words, as `ADD` takes it."""
    likeness, compact = kept
    return {"row": row, "likeness": likeness, "compact": compact}


def faults(moment: Moment) -> Iterator[int]:
    """Rows of memories whose words are not those of their text."""
    keep = tokenizer(moment.state.language).kept
    for row, text, actor, *kept in moment.stream(_BESIDE):
        if tuple(kept) != keep(said(text), actor):
            yield row
