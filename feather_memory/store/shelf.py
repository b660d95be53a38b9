"""What an adapter keeps besides memories, in the tenant's file: a chat's messages, say."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from feather_memory.checks import exact_json, label, labels, whole
from feather_memory.config import MAX_TEXT_BYTES
from feather_memory.errors import ParameterError, quoted
from feather_memory.model.records import TieRecord
from feather_memory.truth.contract import Truth


class Shelf(MutableMapping[str, Any]):
    """A dict of JSON values in the tenant's file: a chat's messages, a document store's hashes.

    Every write is on disk when it returns. Keys come in the order of insertion. Values are copied
    in and out. No search returns them, and they count for nothing in any ranking.

    Deleting erases: the bytes are in none of the files afterwards. That costs some hundredths of a
    second, so delete many at once. What a value replaced may linger in the file until then.

    >>> import tempfile, pathlib
    >>> from feather_memory import Store
    >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
    ...     hashes = store.plumbing.shelf("hashes")
    ...     hashes.update({"a.md": "1f0c", "b.md": "77aa"})
    ...     _ = hashes.discard(["a.md", "gone.md"])
    ...     dict(store.plumbing.shelf("hashes"))
    {'b.md': '77aa'}
    """

    def __init__(self, truth: Truth, name: str) -> None:
        self.name = name
        self._truth = truth

    def __repr__(self) -> str:
        return f"<Shelf {self.name!r} of {self._truth.place!r}>"

    def __getitem__(self, key: str) -> Any:
        """A copy of the value. KeyError if there is none."""
        value = None
        if _is_key(key):  # `3 in shelf` asks for what can never be there
            with self._truth.reading() as moment:
                found = moment.shelves.find(self.name, key)
                value = None if found is None else (json.loads(found),)
        if value is None:
            raise KeyError(key)
        return value[0]

    def __setitem__(self, key: str, value: Any) -> None:
        """Write a value; one that replaces another keeps its place in the order."""
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        """Erase a value. KeyError if there is none."""
        if not self.discard([key]):
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        """The keys as they are now, in the order of insertion."""
        with self._truth.reading() as moment:
            return iter(moment.shelves.keys(self.name))

    def __len__(self) -> int:
        with self._truth.reading() as moment:
            return moment.shelves.count(self.name)

    def items(self) -> ItemsView[str, Any]:
        """Every key with its value at one moment, in the order of insertion."""
        with self._truth.reading() as moment:
            every = moment.shelves.every(self.name)
            return {key: json.loads(value) for key, value in every}.items()

    def texts(self) -> dict[str, str]:
        """As `items`, each value as the JSON that is kept: whoever needs a few reads only those."""
        with self._truth.reading() as moment:
            return dict(moment.shelves.every(self.name))

    def last(self, count: int) -> list[tuple[str, Any]]:
        """Key and value of the `count` that were inserted last, the last first."""
        wanted = whole(count, "count", 1)
        with self._truth.reading() as moment:
            return [
                (key, json.loads(value)) for key, value in moment.shelves.last(self.name, wanted)
            ]

    def update(self, values: Any = (), /, **named: Any) -> None:
        """Write many values in one transaction: all of them, or none.

        Raises:
            ParameterError: A key that is no short text, or a value that JSON cannot hold exactly
                or that has more than 16 MiB.
        """
        pairs = values.items() if isinstance(values, Mapping) else values
        written = [(label(k, "key"), _json(k, v)) for k, v in (*pairs, *named.items())]
        with self._truth.writing() as transaction:
            transaction.shelves.put(self.name, written)

    def tie(self, ties: Mapping[str, Iterable[str]], *, is_whole: bool = True) -> None:
        """Have values go when memories are forgotten, whose text they have, too.

        A tie ends with its value and with its memory, not with a value that replaces another.

        Args:
            ties: By key, ids of the memories, which need not be there yet.
            is_whole: Whether a value goes as a whole. Else it loses what the memory says, wherever
                that is in its texts, and goes if that is nowhere in them.

        >>> import tempfile, pathlib
        >>> from feather_memory import Store
        >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
        ...     said = store.add("My PIN is 4711")
        ...     shelf = store.plumbing.shelf("transcript")
        ...     shelf["1"] = {"user": "My PIN is 4711"}
        ...     shelf.tie({"1": [said.id]})
        ...     store.forget(said.id).shelved, len(shelf)
        ((('transcript', '1'),), 0)
        """
        pairs = ids_by(ties)
        if pairs:
            with self._truth.writing() as transaction:
                transaction.shelves.tie(
                    TieRecord(memory_id=id_, shelf=self.name, key=key, is_whole=bool(is_whole))
                    for key, id_ in pairs
                )

    def discard(self, keys: Iterable[str]) -> int:
        """Erase what is under these keys, in one transaction; how many values there were.

        Raises:
            BusyStoreError: They are gone, but to erase their bytes is still owed, as after
                `Store.forget`.
        """
        gone = self._deleted(keys)
        if gone:
            self._truth.erase()
        return gone

    def drop(self, keys: Iterable[str]) -> int:
        """As `discard`, for callers that delete one after the other: their bytes stay owed.

        They are erased as those of `Plumbing.drop`.
        """
        return self._deleted(keys)

    def _deleted(self, keys: Iterable[str]) -> int:
        if isinstance(keys, str):
            raise ParameterError(f"keys must be several strings, got {quoted(keys)}")
        listed = [key for key in keys if _is_key(key)]
        with self._truth.writing() as transaction:
            return transaction.shelves.discard(self.name, listed)

    def clear(self) -> None:
        """Erase everything on this shelf."""
        self.discard(self)


def ids_by(ties: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Each key with each of its ids.

    Raises:
        ParameterError: They are no strings by strings.
    """
    if not isinstance(ties, Mapping):
        raise ParameterError(f"ties must be ids by key, got {quoted(ties)}")
    keys = labels(ties, "keys")
    return [(key, id_) for key in keys for id_ in labels(ties[key], "ids")]


def _is_key(key: object) -> bool:
    try:
        label(key, "key")
    except ParameterError:
        return False
    return True


def _json(key: str, value: Any) -> str:
    text = exact_json(value, f"the value of {key!r}")
    if len(text) > MAX_TEXT_BYTES // 4 and len(text.encode()) > MAX_TEXT_BYTES:
        raise ParameterError(f"the value of {key!r} may have {MAX_TEXT_BYTES:,} bytes as JSON")
    return text
