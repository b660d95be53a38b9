"""What a caller is told of an error: what they can mend, and nothing of this machine."""

from __future__ import annotations

import logging
from typing import Final

from feather_memory.errors import (
    BusyStoreError,
    FeatherError,
    GoneStoreError,
    NotAllowedError,
    ReadOnlyStoreError,
    WrongTenantError,
)

LATER: Final = "the memory cannot be reached at the moment; try again later"

_SAID: Final[tuple[tuple[type[Exception], int, str | None], ...]] = (
    (NotAllowedError, 403, None),
    (BusyStoreError, 503, "others are writing to this memory; try again"),
    (GoneStoreError, 410, "this memory was removed meanwhile"),
    (ReadOnlyStoreError, 403, "this memory can only be read"),
    (WrongTenantError, 403, "this memory is another tenant's"),
    (LookupError, 404, None),
    (ValueError, 422, None),
)
"""Which error has which status, and what is told of it where its own message is not."""

_log = logging.getLogger("feather_memory.doors")


def refusal_of(error: FeatherError) -> tuple[int, str]:
    """The status by HTTP's numbers, and a sentence.

    What names a path, a file or another tenant is logged here, and not told.
    """
    for kind, status, said in _SAID:
        if isinstance(error, kind):
            return status, str(error) if said is None else said
    _log.error("%s: %s", type(error).__name__, error)
    return 503, LATER
