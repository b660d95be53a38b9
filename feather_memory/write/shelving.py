"""What adapters keep, and what is tied to memories, copied from another truth."""

from __future__ import annotations

import json
from collections.abc import Sequence

from feather_memory.errors import ParameterError
from feather_memory.model.records import ShelfRecord, TieRecord
from feather_memory.truth.contract import WriteTransaction


def shelve(transaction: WriteTransaction, records: Sequence[tuple[int, ShelfRecord]]) -> int:
    """Add the values that are not there; how many those were.

    Args:
        transaction: To write in.
        records: Each with its line.

    Raises:
        ParameterError: Another value is there.
    """
    shelves, added = transaction.shelves, 0
    for line, each in records:
        held = shelves.find(each.shelf, each.key)
        if held is None:
            shelves.put(each.shelf, [(each.key, each.value)])
            added += 1
        elif json.loads(held) != json.loads(each.value):
            name = f"{each.key!r} on the shelf {each.shelf!r}"
            raise ParameterError(f"line {line}: 'value' of {name} is another in this store")
    return added


def tie(transaction: WriteTransaction, records: Sequence[tuple[int, TieRecord]]) -> int:
    """Add the ties that are not there, by what they tie; how many those were."""
    held = transaction.shelves.tied({each.memory_id for _, each in records})
    known = {(each.memory_id, each.shelf, each.key) for each in held}
    fresh = [each for _, each in records if (each.memory_id, each.shelf, each.key) not in known]
    transaction.shelves.tie(fresh)
    return len(fresh)
