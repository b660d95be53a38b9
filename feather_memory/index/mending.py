"""What is gone from the truth leaves the derived files, too, and these stay fit to be mapped."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from feather_memory.filters.language import F
from feather_memory.index import beside, mapped
from feather_memory.index.edges import EdgeArrays
from feather_memory.index.fields import MappedFields, Name
from feather_memory.index.positions import positions_in
from feather_memory.index.postings import Postings
from feather_memory.model.fields import COLUMNS
from feather_memory.truth.contract import WriteTransaction
from feather_memory.types import Positions

_OF_MEMORIES: Final = {"vectors", "sketch", *COLUMNS}
"""Arrays that have a row for each memory, and in it nothing of another."""

_OF_NONE: Final = {"rows", "sketch_judged", "sketch_axes"}
"""Arrays that say nothing of a single memory."""


def mend(path: Path, transaction: WriteTransaction) -> None:
    """Take what is gone from the truth out of the derived files, or remove them.

    In the mapped file its rows become zeros where they stand, in a hundredth of the time in which
    the file would be written. Its lists are written anew. Both get another mark: a backup that is
    restored still has the memories, and must not take these files for its own. An approximate
    index cannot be mended.

    Args:
        path: Of the truth.
        transaction: Says from now on which mapped file belongs to this history. Nobody else
            writes a derived file meanwhile.
    """
    for left in beside.leftovers(path):
        left.unlink(missing_ok=True)
    had, mark, at = (
        transaction.state.snapshot or "",
        os.urandom(16).hex(),
        beside.vectors_path(path),
    )
    with beside.or_discarded(path), mapped.mending(at, store_id=had, mark=mark) as file:
        if file is not None and file.names <= _OF_MEMORIES | _OF_NONE:
            gone = _not_blank(file, transaction.memories.buried(since=file.generation))
            if not len(gone):
                return
            if _are_relieved(beside.lists_path(path), transaction, gone, mark):
                for name in file.names & _OF_MEMORIES:
                    file.overwrite(name, gone, -np.inf if name == "valid_to" else 0.0)
                beside.discard_approximation(path)
                transaction.own_snapshot(mark)
                return
    beside.discard(path)
    transaction.own_snapshot(None)


def _not_blank(file: mapped.Mending, gone: Collection[int]) -> Positions:
    """Where the rows stand that are gone, unless they have been overwritten already."""
    at = positions_in(file.array("rows"), sorted(gone))
    # To end before all time is to be gone: no View takes such a row for alive.
    return np.asarray(at[file.array("valid_to")[at] != -np.inf], np.intp)


def _are_relieved(path: Path, transaction: WriteTransaction, gone: Positions, mark: str) -> bool:
    """Whether the lists are written anew without the memories at these positions."""
    if mapped.verify(path):  # what is damaged must not get a checksum that is right
        return False
    found = mapped.read(path, store_id=transaction.state.snapshot or "")
    if found is None or not found.columns.keys() >= beside.SUPERSEDED:
        return False
    words, edges = Postings.over(found.large), EdgeArrays.over(found.large, found.generation)
    if words is None or edges is None or not MappedFields.are_in(found.large):
        return False
    fields = MappedFields(found.large, len(words.lengths)).without(
        gone, partial(_is_used, transaction)
    )
    if fields is None or gone[-1] >= len(words.lengths):
        return False
    arrays = words.without(gone).arrays() | edges.without(gone).arrays() | fields
    if arrays.keys() != found.large.keys():
        return False
    superseded = beside.supersessions_in(found).forgetting(gone)
    beside.write_lists(path, superseded, arrays, generation=found.generation, mark=mark)
    return True


def _is_used(transaction: WriteTransaction, name: Name) -> bool:
    """Whether any memory has the field."""
    return bool(transaction.memories.latest(1, F(path=name).exists()))
