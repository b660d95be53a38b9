"""The library's words for how it is called, as the command line's: an error names what one types.

The library says `embedder_name=…` where it is called, and here it is `--name`. What it says has
one form, its own; this is where it is put into the other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

SPELLED: Final = {
    "open it with that model, or without one and let store.reembed() make them all anew": (
        "name that model with --embedder, or let `feather-memory reembed` make them all anew"
    ),
    "reembed needs the model's name: embedder_name=…": "say what the model is called: --name NAME",
    "check(fix=True) dates it back": "`feather-memory check --fix` dates it back",
    "; for a store that is gone afterwards, put one into a tempfile.TemporaryDirectory()": "",
    "Store.open() and close bring it": "`feather-memory stats` brings it",
    "TenantPool.claim, or feather-memory claim, makes it theirs": (
        "`feather-memory claim` makes it theirs"
    ),
    "Store.restore, or feather-memory restore, of the file to itself": (
        "`feather-memory restore` of the file to itself"
    ),
    "is a non-empty mapping or made with F": "is a JSON object that says something",
}
"""What the library says, and what the command line does."""

_FILTERS: Final = (
    (re.compile(r"~F\('([^']*)'\)\.exists\(\)"), r'{"\1": {"$exists": false}}'),
    (re.compile(r"\bF\('([^']*)'\)\.exists\(\)"), r'{"\1": {"$exists": true}}'),
    (re.compile(r"\bF\('([^']*)'\)"), r"'\1'"),
)
_LAW: Final = re.compile(r"(\w+)(?= (?:must|may|is no) )")
_ALSO: Final = {"embedder_name": "name", "path": "store", "text": "query", "ids": "id"}
"""Arguments of the library by the parameters of a command, where those are called otherwise."""


def spelled(message: str, command: Any = None) -> str:
    """The library's message, with the command's options where it names arguments.

    Args:
        message: Of an error, a warning or an audit.
        command: The click command that ran.
    """
    for library, line in SPELLED.items():
        message = message.replace(library, line)
    for pattern, line in _FILTERS:
        message = pattern.sub(line, message)
    if found := _LAW.match(message):
        name = _ALSO.get(found[1], found[1])
        for parameter in getattr(command, "params", ()):
            if parameter.name in {found[1], name}:
                return _typed(parameter) + message[found.end() :]
    return message


def _typed(parameter: Any) -> str:
    """As what one types it: an option's name, or the word that help has for an argument."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).strip("[].").upper()
    return str(parameter.opts[0])


class _Spelling(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return spelled(super().format(record))


@contextmanager
def spoken() -> Iterator[None]:
    """Within the block the library's warnings go to stderr in these words."""
    log, handler = logging.getLogger("feather_memory"), logging.StreamHandler()
    handler.setFormatter(_Spelling("Warning: %(message)s"))
    was = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.propagate = was
        log.removeHandler(handler)
