"""Who may look: a link opens one page, once; the page then has a key of its own."""

from __future__ import annotations

import secrets
import threading
from hmac import compare_digest
from typing import Final

from feather_memory.doors.keys import Grant
from feather_memory.errors import NotAllowedError

LINK: Final = "link"
"""The name of what a token allows: to be exchanged for a key."""

PAGE: Final = "page"
"""The name of what the key of a page allows: everything else."""


class Visits:
    """One-time tokens, and the keys they were exchanged for. All are gone with the process.

    A key is held by the page and sent in a header, not kept in a cookie: cookies go to every port
    of this machine, and come with requests that other pages make. Safe for threads.

    >>> visits = Visits()
    >>> token = visits.invite()
    >>> key = visits.admit(token)
    >>> visits.opened_by(key).name, visits.opened_by(token)
    ('page', None)
    """

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    def invite(self) -> str:
        """A token for one page. Any other that was not used opens nothing any more."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens = {token}
        return token

    def admit(self, token: str) -> str:
        """The key of a page that has come with a token, which is used up by it.

        Raises:
            NotAllowedError: It was used already, or is none.
        """
        with self._lock:
            found = _among(token, self._tokens)
            if found is None:
                raise NotAllowedError("this link was used already")
            self._tokens.discard(found)
            key = secrets.token_urlsafe(32)
            self._keys.add(key)
        return key

    def opened_by(self, key: str) -> Grant | None:
        """What a token or a key allows; None for what is neither."""
        with self._lock:
            for name, known in ((PAGE, self._keys), (LINK, self._tokens)):
                if _among(key, known) is not None:
                    return Grant(name=name, prefix="")
        return None


def _among(given: str, known: set[str]) -> str | None:
    """The one that it is, compared in a time that says nothing of how alike they are."""
    said = given.encode()
    return next((each for each in known if compare_digest(said, each.encode())), None)
