"""At which moment of a store a question is asked, and as whom: by one look at what others wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

from feather_memory.index.columns import Columns
from feather_memory.index.turns import Turns
from feather_memory.index.view import View
from feather_memory.model.tokens import folded
from feather_memory.model.voice import LANGUAGES
from feather_memory.search.question import Put, Question
from feather_memory.search.searcher import MovedError, Searcher
from feather_memory.truth.contract import Truth
from feather_memory.types import Vector

Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")


def ask(
    truth: Truth,
    columns: Columns,
    verb: Callable[Concatenate[Searcher, Question, Asked], Answer],
    question: Question,
    *asked: Asked.args,
    **named: Asked.kwargs,
) -> Answer:
    """What a searcher of this moment answers to one of its verbs.

    Where nobody has written since the last search, and the memories it finds were read
    before, no transaction begins.
    """
    while True:
        other = _answered(truth, columns, verb, question, *asked, **named)
        if not isinstance(other, Put):
            return other
        # Here, in no transaction: an embedder may take long.
        question = replace(question, vector=other.way(other.speakers), put=other)


def _answered(
    truth: Truth,
    columns: Columns,
    verb: Callable[Concatenate[Searcher, Question, Asked], Answer],
    question: Question,
    *asked: Asked.args,
    **named: Asked.kwargs,
) -> Answer | Put:
    """The answer; or as whom it is to be put first, where others speak than it was put as.

    Either way the transaction ends as it should: after an error its connection would be closed.
    """
    view = columns.view
    if view is not None and view.generation == truth.generation():
        with ExitStack() as stack, suppress(MovedError):
            searcher = Searcher(view, columns, lambda: stack.enter_context(truth.reading()))
            if (other := _other(searcher, question)) is not None:
                return other
            return verb(searcher, searcher.present(question), *asked, **named)
        # So it is asked once more, of one moment that others cannot move.
    with truth.reading() as transaction:  # itself: `over` might be cut short at its end
        searcher = Searcher(columns.sync(transaction), columns, lambda: transaction, transaction)
        if (other := _other(searcher, question)) is not None:
            return other
        return verb(searcher, searcher.present(question), *asked, **named)


def _other(searcher: Searcher, question: Question) -> Put | None:
    """As whom the question is to be put at the searcher's moment, if not as it was."""
    known = question.put
    if known is None or (turns := searcher.turns) is known.turns:
        return None
    names = _names(turns, searcher.view, question.text)
    return None if names == known.speakers else Put(known.way, names, turns)


def put(
    truth: Truth, columns: Columns, text: str, way: Callable[[Sequence[str]], Vector | None]
) -> Put:
    """As whom a text is put to a store: as those who spoke there when it was searched last.

    Whoever asks looks whether they still do. So there is one look at what others wrote, and it
    comes after all that takes long. Before the first search it is looked up.

    Args:
        truth: Of the store.
        columns: Likewise.
        text: What is asked.
        way: Makes its vector, put as some speakers.
    """
    view = columns.view
    if view is None or not (view.lineage.turns.is_silent or view.lineage.turns.is_read):
        with truth.reading() as transaction:
            view = columns.sync(transaction)
    turns = _turns(truth, columns, view)
    return Put(way, _names(turns, view, text), turns)


def speakers(truth: Truth, columns: Columns, text: str) -> list[str]:
    """The names of those of the store's speakers whom a text names, to be put as I and my.

    None in a store of a language in which that is not done.
    """
    view = columns.view
    if view is None or view.generation != truth.generation():
        with truth.reading() as transaction:
            view = columns.sync(transaction)
    return _names(_turns(truth, columns, view), view, text)


def _turns(truth: Truth, columns: Columns, view: View) -> Turns | None:
    if view.lineage.turns.is_silent:
        return None
    with ExitStack() as stack:
        return columns.turns(lambda: stack.enter_context(truth.reading()), view)


def _names(turns: Turns | None, view: View, text: str | None) -> list[str]:
    if turns is None or text is None or view.state.language not in LANGUAGES:
        return []
    return turns.names(folded(text))
