"""What an adapter keeps in a tenant's file beside the memories: values by key, never searched."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from feather_memory.checks import exact_json, label
from feather_memory.config import MAX_TEXT_BYTES
from feather_memory.errors import ParameterError
from feather_memory.truth.contract import Truth


class Shelf(MutableMapping[str, Any]):
    """A dict of JSON values in the tenant's file: a chat's messages, a document store's hashes.

    Every write is on disk when it returns. Keys come in the order of insertion. Values are copied
    in and out. No search returns them, and they count for nothing in any ranking.

    Deleting erases: the bytes are in none of the files afterwards, at the price of rewriting the
    file, so delete many at once. What a value replaced may linger in the file's gaps until then.

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
        return f"<Shelf {self.name!r} of {str(self._truth.path)!r}>"

    def __getitem__(self, key: str) -> Any:
        """A copy of the value. KeyError if there is none."""
        value = None
        if _is_key(key):  # `3 in shelf` asks for what can never be there
            with self._truth.reading() as moment:
                value = moment.shelves.find(self.name, key)
        if value is None:
            raise KeyError(key)
        return json.loads(value)

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
            rows = moment.shelves.every(self.name)
        return {key: json.loads(value) for key, value in rows}.items()

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

    def discard(self, keys: Iterable[str]) -> int:
        """Erase what is under these keys, in one transaction; how many values there were.

        Raises:
            BusyStoreError: They are gone, but a reader in another process still keeps the log
                alive that holds their bytes.
        """
        if isinstance(keys, str):
            raise ParameterError(f"keys must be several strings, got {keys!r:.80}")
        listed = [key for key in keys if _is_key(key)]
        with self._truth.writing() as transaction:
            gone = transaction.shelves.discard(self.name, listed)
        if gone:
            self._truth.erase()
        return gone

    def clear(self) -> None:
        """Erase everything on this shelf."""
        self.discard(self)


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
