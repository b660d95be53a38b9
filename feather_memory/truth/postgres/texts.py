r"""Texts as PostgreSQL can keep them: it has no character U+0000, which a memory's text may hold.

What holds one is kept with U+0001 as the sign of what follows: `\1\1` is U+0000, `\1\2` is U+0001.
Any other text is kept as it is.
"""

from __future__ import annotations


def kept(text: str) -> str:
    """The text as it is kept."""
    if "\0" in text or "\1" in text:
        return text.replace("\1", "\1\2").replace("\0", "\1\1")
    return text


def said(text: str) -> str:
    """The text that is kept so."""
    if "\1" in text:
        return text.replace("\1\1", "\0").replace("\1\2", "\1")
    return text
