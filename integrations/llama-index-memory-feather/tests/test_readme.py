from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.file
def test_every_snippet_of_the_readme_runs_in_order():
    snippets = re.findall(
        r"^```python\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    names: dict[str, object] = {"__name__": "readme"}

    for snippet in snippets:
        exec(compile(snippet, str(README), "exec"), names)  # noqa: S102  our own text

    assert len(snippets) >= 11
