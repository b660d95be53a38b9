"""Vectors by another model that is to make all anew, beside the old ones until all are there."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from feather_memory.errors import DimensionError, ParameterError
from feather_memory.model.spoken import Anew
from feather_memory.truth.postgres.moment import Moment
from feather_memory.truth.postgres.rows import checksum
from feather_memory.truth.postgres.texts import said

_KEEP = """
    insert into feather.successor (tenant, row, vector, context)
    select %(tenant)s, %(row)s, %(vector)s, %(context)s::bigint
    where exists (select 1 from feather.memory where tenant = %(tenant)s and row = %(row)s)
        and (%(follows)s::bigint is null or exists (
            select 1 from feather.memory where tenant = %(tenant)s and row = %(follows)s))
    on conflict (tenant, row) do update set vector = excluded.vector, context = excluded.context
"""
_DROP = "delete from feather.successor where tenant = %(tenant)s and context = any(%(digests)s)"
REMOVE = "delete from feather.successor where tenant = %(tenant)s and row = any(%(rows)s)"
_CLEAR = "delete from feather.successor where tenant = %(tenant)s"
_WHOSE = "select successor, embedder from feather.state where tenant = %(tenant)s"
_BEGIN = "update feather.state set successor = %(model)s where tenant = %(tenant)s"
_MISSING = """
    select row from feather.memory where tenant = %(tenant)s and not exists (
        select 1 from feather.successor as made
        where made.tenant = %(tenant)s and made.row = memory.row)
    order by row limit %(count)s
"""
_PAGE = """
    select memory.row, text, metadata, made.vector, made.context
    from feather.memory
    join feather.successor as made on made.tenant = memory.tenant and made.row = memory.row
    where memory.tenant = %(tenant)s and memory.row > %(after)s order by memory.row limit 500
"""
_REPLACE = """
    update feather.memory
    set vector = %(vector)s, context = %(context)s::bigint, checksum = %(checksum)s
    where tenant = %(tenant)s and row = %(row)s
"""
_LENGTHS = """
    select distinct length(vector) / 4 from feather.successor where tenant = %(tenant)s
"""
_FORGET_QUESTIONS = "update feather.turn set vector = null where tenant = %(tenant)s"
_END = """
    update feather.state set embedder = %(model)s, successor = null,
        dimension = coalesce(%(dimension)s::bigint, dimension), remade = remade + 1, snapshot = null
    where tenant = %(tenant)s
"""


def missing(moment: Moment, model: str, count: int) -> list[int]:
    """Rows of some that the model has made no vector of; another's are dropped."""
    (begun, _) = moment.one(_WHOSE)
    if begun != model:
        moment.done(_CLEAR)
        moment.done(_BEGIN, model=model)
    return [row for (row,) in moment.asked(_MISSING, count=count)]


def keep(moment: Moment, model: str, made: Iterable[Anew]) -> bool:
    """Keep the model's vectors; of what is gone since, none. False: another run is done.

    What is gone is the memory, or the turn before it, whose text is in the vector.

    Raises:
        ParameterError: It is another model's turn by now.
        DimensionError: They are not all of one length.
    """
    begun, now = moment.one(_WHOSE)
    if begun is None and now == model:
        return False
    if begun != model:
        raise ParameterError(
            f"{model!r} makes no vectors of this store any more: {begun or now!r} has begun since"
        )
    moment.each(
        _KEEP,
        (
            {"row": each.row, "vector": each.vector, "context": each.context,
             "follows": each.follows}
            for each in made
        ),
    )  # fmt: skip
    lengths = [length for (length,) in moment.asked(_LENGTHS)]
    if len(lengths) > 1:
        raise DimensionError(lengths[0], lengths[1])
    return True


def drop(moment: Moment, digests: Collection[int]) -> None:
    """Drop those that were made with the text of one of these turns; they are made once more."""
    moment.done(_DROP, digests=list(digests))


def succeed(moment: Moment, model: str) -> int | None:
    """Put the vectors in the place of the old ones, with the model's name; their length."""
    last = -1
    while page := moment.asked(_PAGE, after=last):
        moment.each(
            _REPLACE,
            (
                {"row": row, "vector": vector, "context": context,
                 "checksum": checksum(said(text), metadata, vector)}
                for row, text, metadata, vector, context in page
            ),
        )  # fmt: skip
        last = page[-1][0]
    (dimension,) = moment.one(_LENGTHS) or (None,)
    moment.done(_CLEAR)
    moment.done(_FORGET_QUESTIONS)  # they are by the model before
    moment.done(_END, model=model, dimension=dimension)
    return None if dimension is None else int(dimension)
