"""Says what tests in a browser need and is missing here, and how to get it; installs nothing."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = "python -m pip install --group browser"
"""Of pip 25.1 or later, in the environment of the tests."""


def missing() -> list[str]:
    """What is missing, a sentence each."""
    found = []
    if find_spec("pytest") is None or find_spec("fastapi") is None:
        found.append("The tests' environment is missing: make .venv/.installed")
    found += [
        f"The package {name} is missing: {PACKAGES}"
        for name in ("playwright", "axe_playwright_python")
        if find_spec(name) is None
    ]
    named = os.environ.get("FEATHER_CHROMIUM")
    if named is not None and not Path(named).is_file():
        found.append(f"FEATHER_CHROMIUM names {named}, and there is nothing")
    if named is None and shutil.which("chromium") is None:
        found.append(
            "Chromium is missing: apt-get install chromium, or name one in FEATHER_CHROMIUM"
        )
    return found


if __name__ == "__main__":
    said = missing()
    print(*said, sep="\n", end="\n" if said else "")
    sys.exit(bool(said))
