"""Characters that nobody sees and readers obey: they move cursors, turn lines, hide words."""

from __future__ import annotations

from typing import Final

OBEYED: Final = (
    *(chr(n) for n in range(0x7F, 0xA0)),  # delete, and controls beyond ASCII's
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",  # of direction
    *(chr(n) for n in range(0xE0000, 0xE0080)),  # tags: a text in them is read by models alone
)
"""Controls, marks of direction, and tags. Joiners are none: scripts and emoji need them."""
