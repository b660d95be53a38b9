"""Every error Feather Memory raises on purpose.

Each has two parents: ours, and the builtin that a stranger would catch::

    FeatherError
    ├── ParameterError         (ValueError)    an argument outside its range; names the value
    │   ├── DimensionError                     a vector of the wrong length
    │   ├── InvalidVectorError                 empty, not finite, or not one-dimensional
    │   ├── InvalidMetadataError               metadata that JSON cannot hold, or too large
    │   ├── FilterError                        a filter that means nothing
    │   ├── TenantNameError                    a name that no tenant can have
    │   └── SupersedeCycleError                the edge would make a memory replace itself
    ├── UnknownMemoryError     (LookupError)   no memory by that id
    ├── UnknownTurnError       (LookupError)   no recall was logged under that turn
    ├── MissingEmbedderError   (TypeError)     nothing was given to make a vector of a text
    ├── ClosedStoreError       (RuntimeError)  the store was closed
    ├── BusyStoreError         (TimeoutError)  another writer held the file too long
    ├── StoreAccessError       (OSError)       the path cannot be opened, read or written
    │   ├── StoreFullError                     no room left on the disk
    │   ├── ReadOnlyStoreError                 it was opened to be read, or cannot be written
    │   └── GoneStoreError                     the file that was opened was removed or replaced
    ├── WrongTenantError       (PermissionError)  the file belongs to another tenant
    ├── NotAllowedError        (PermissionError)  a key that came in by a door is not for that
    ├── MissingExtraError      (ImportError)   an optional dependency is not installed
    ├── NewerFormatError                       written by a later release; not opened
    ├── OlderFormatError                       by an earlier one, where it cannot be upgraded
    └── CorruptStoreError                      not one of ours, truncated or damaged; not opened
        └── ForeignLogError                    the log beside it belongs to another file
"""

from __future__ import annotations

import reprlib
from typing import Any, Final

__all__ = [
    "BusyStoreError",
    "ClosedStoreError",
    "CorruptStoreError",
    "DimensionError",
    "FeatherError",
    "FilterError",
    "ForeignLogError",
    "GoneStoreError",
    "InvalidMetadataError",
    "InvalidVectorError",
    "MissingEmbedderError",
    "MissingExtraError",
    "NewerFormatError",
    "NotAllowedError",
    "OlderFormatError",
    "ParameterError",
    "ReadOnlyStoreError",
    "StoreAccessError",
    "StoreFullError",
    "SupersedeCycleError",
    "TenantNameError",
    "UnknownMemoryError",
    "UnknownTurnError",
    "WrongEmbedderError",
    "WrongTenantError",
]


_SHOWN: Final = reprlib.Repr()
"""Neither as deep as what is given, nor at the mercy of what is in it: any `__repr__` may fail."""
_SHOWN.maxlevel = 5
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 80
_SHOWN.maxlist = _SHOWN.maxtuple = _SHOWN.maxset = _SHOWN.maxfrozenset = _SHOWN.maxdict = 20


def quoted(value: object) -> str:
    """The value as a message shows it: 80 characters of its repr, or its type if it has none."""
    try:
        return f"{_SHOWN.repr(value):.80}"
    except ValueError:  # a number of more digits than Python writes
        return f"<{type(value).__name__}>"


class FeatherError(Exception):
    """Whatever Feather Memory raises on purpose. A schema has its message."""

    def about(self, name: str) -> None:
        """Say in the message that it is about what has that name; "" is nobody's."""
        if name and not str(self).startswith(f"{name}: "):  # an embedder may raise it again
            self.args = (f"{name}: {self}",)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # only where a schema is built

        return core_schema.json_or_python_schema(
            json_schema=core_schema.str_schema(),
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )


class ParameterError(FeatherError, ValueError):
    """An argument outside its range. Nothing was written."""


class DimensionError(ParameterError):
    """A vector of the wrong length."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"this store holds vectors of {expected} numbers, got one of {got}")
        self.expected = expected
        self.got = got


class WrongEmbedderError(ParameterError):
    """Vectors of two models do not go into one store: they would be compared with each other."""

    def __init__(self, *, expected: str, got: str) -> None:
        super().__init__(
            f"this store's vectors are by {expected!r}, not by {got!r}: open it with that model, "
            "or without one and let store.reembed() make them all anew"
        )
        self.expected = expected
        self.got = got


class InvalidVectorError(ParameterError):
    """A vector that is empty, not finite, or not one-dimensional."""


class InvalidMetadataError(ParameterError):
    """Metadata, or a shelf's value, that JSON cannot hold exactly, or metadata too large."""


class FilterError(ParameterError):
    """A filter that means nothing, such as an order between lists."""


class TenantNameError(ParameterError):
    """A name that no tenant can have."""


class SupersedeCycleError(ParameterError):
    """The edge would make a memory replace itself."""

    def __init__(self, new_id: str, old_id: str) -> None:
        super().__init__(f"{new_id!r} cannot supersede {old_id!r}: it is superseded by it already")
        self.new_id = new_id
        self.old_id = old_id


class UnknownMemoryError(FeatherError, LookupError):
    """No memory by that id in this store."""

    def __init__(self, memory_id: str) -> None:
        super().__init__(f"no memory with id {memory_id!r} in this store")
        self.memory_id = memory_id


class UnknownTurnError(FeatherError, LookupError):
    """No recall was logged under that turn, or it was logged too long ago."""

    def __init__(self, turn: str) -> None:
        super().__init__(f"no recall was logged for turn {turn!r} in this store")
        self.turn = turn


class MissingEmbedderError(FeatherError, TypeError):
    """A text must become a vector, and nothing was given to do it."""


class ClosedStoreError(FeatherError, RuntimeError):
    """The store was closed."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the store at {path!r} is closed; open it again with Store.open()")
        self.path = path


class BusyStoreError(FeatherError, TimeoutError):
    """Another writer held the file longer than this one may wait."""


class StoreAccessError(FeatherError, OSError):
    """The path cannot be opened, read or written."""


class StoreFullError(StoreAccessError):
    """No room left on the disk; the write that hit it was rolled back."""


class ReadOnlyStoreError(StoreAccessError):
    """The store was opened to be read only, or is where nothing can be written."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} can only be read: it was opened so, or cannot be written")
        self.path = path


class GoneStoreError(StoreAccessError):
    """The file that was opened is gone, or another is in its place. Nothing was written."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path!r} is not the file any more that was opened: it was removed, replaced, or its "
            "tenant forgotten; open the store again for what is there now"
        )
        self.path = path


class WrongTenantError(FeatherError, PermissionError):
    """The file belongs to another tenant."""

    def __init__(self, path: str, *, expected: str, found: str | None) -> None:
        super().__init__(
            f"{path!r} belongs to tenant {found!r}, not to {expected!r}"
            if found is not None
            else f"{path!r} belongs to no tenant, so not to {expected!r}: TenantPool.claim, or "
            "feather-memory claim, makes it theirs"
        )
        self.path = path
        self.expected = expected
        self.found = found


class NotAllowedError(FeatherError, PermissionError):
    """What came in by a door has a key that is not for that tenant, or may not write."""


class MissingExtraError(FeatherError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'feather-memory[{extra}]'")
        self.package = package
        self.extra = extra


class NewerFormatError(FeatherError):
    """The file was written by a later release, and is left as it is."""

    def __init__(self, path: str, *, found: int, known: int, what: str = "format") -> None:
        super().__init__(
            f"{path!r} has {what} {found}; this release reads up to {known}: upgrade feather-memory"
        )
        self.path = path
        self.found = found
        self.known = known


class OlderFormatError(FeatherError):
    """An earlier release wrote the file, and it is where it cannot be brought up to date."""

    def __init__(self, path: str, *, found: int, known: int) -> None:
        older = f"format {found}; this one's is {known}"
        if found == known:
            older = "its words are an earlier release's"
        super().__init__(
            f"{path!r} is as an earlier release wrote it ({older}), "
            "and cannot be written: copy it to where it can be, and open it there once"
        )
        self.path = path
        self.found = found
        self.known = known


class CorruptStoreError(FeatherError):
    """The file is not one of ours, truncated or damaged, and is left as it is."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path!r} is not a readable Feather Memory file: {reason}")
        self.path = path
        self.reason = reason


class ForeignLogError(CorruptStoreError):
    """The log beside the file is of another file, which was there before. Nothing was changed."""

    def __init__(self, path: str, log: str) -> None:
        super().__init__(
            path,
            f"{log!r} beside it is the log of another file that was in its place. "
            "Store.restore, or feather-memory restore, of the file to itself keeps it and removes "
            "the log; to keep what the log holds, put the file back that it belongs to",
        )
        self.log = log
