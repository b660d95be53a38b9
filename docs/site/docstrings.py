"""Docstrings as the site shows them: an example is code, and so is a formula after `::`."""

from __future__ import annotations

import re
from typing import Any, Final

from griffe import Extension

_EXAMPLE: Final = re.compile(r"(?:^>>> .*\n?(?:^(?!\s*$).*\n?)*\n*)+(?=\Z|^)", re.MULTILINE)


class Docstrings(Extension):
    """Puts examples into a section of their own."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Of everything that has a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = shown(obj.docstring.value)


def shown(text: str) -> str:
    """The docstring with its examples fenced, and a colon where a formula follows."""
    fenced = _EXAMPLE.sub(lambda found: f"```python\n{found[0].rstrip()}\n```\n\n", text)
    return re.sub(r"::$", ":", fenced, flags=re.MULTILINE)
