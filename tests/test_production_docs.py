"""docs/production.md does what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "production.md"


def test_every_block_of_the_page_gives_what_it_shows():
    done = doctest.testfile(
        str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert done.attempted > 20
    assert done.failed == 0
