"""What is still to be found in the files of a folder, looked for as a stranger would."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# In a process of its own: this one would let go of SQLite's locks if it closed a file of a store.
SCAN = """
import json, os, sys
needles = {what: bytes.fromhex(needle) for what, needle in json.load(sys.stdin).items()}
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            content = file.read()
        for what, needle in needles.items():
            if needle in content:
                print(json.dumps([name, what]))
"""


def found(folder: Path, needles: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """(file, what) of everything that is still in there."""
    asked = json.dumps({what: needle.hex() for what, needle in needles.items()})
    command = [sys.executable, "-I", "-S", "-c", SCAN, str(folder)]
    said = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
    return {tuple(json.loads(line)) for line in said.splitlines()}
