"""Builds the site into `.docs/site`; ends with 1 if anything is warned of."""

from __future__ import annotations

import subprocess
import sys

from pages import ROOT, lay_out

lay_out(ROOT / ".docs" / "pages")
command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
building = subprocess.Popen(
    command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
)
is_warned = False
for line in building.stdout or ():
    print(line, end="")
    # Of docstrings it only tells: to be strict about them is left to whoever calls.
    is_warned |= line.startswith("griffe:")
sys.exit(building.wait() or ("A docstring is warned of: see above." if is_warned else 0))
