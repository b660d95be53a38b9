"""Run upstream's own store tests against FeatherStore. Downloads nothing.

    python tests/upstream/run.py FOLDER

FOLDER has unpacked sdists, as `pip download --no-binary :all: --no-deps` fetches them. What the
tests import has to be installed: the dependency group `upstream`. docs/upstream.md has the outcome.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OURS = (HERE, ROOT, ROOT / "integrations" / "langchain-feather-memory")


@dataclass(frozen=True)
class Suite:
    """Tests of one distribution, and those of them that are about itself."""

    name: str
    files: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    """Why, by a pattern of their names."""


POSTGRES = {
    r"test_escape_like_literal|test_namespace_match_pattern|test_nonnull_migrations": (
        "helpers of its own SQL"
    ),
    r"test_abatch_uses_single_pool_checkout": "its pool of connections",
    r"test_no_running_loop|test_sync_methods_reject_invalid_namespace_labels": (
        "its async store refuses sync calls on the loop; FeatherStore answers them"
    ),
    r"test_omit_expired": (
        "rows are dated back by SQL; the adapter's own tests say the same with a clock"
    ),
    r"inner_product|\bl2|_l2": "a FeatherStore ranks by cosine, and refuses other distances",
    r"test_large_batches_async": (
        "60,000 calls at once, each of which is a transaction of its own here; 6,000 run"
    ),
}
SUITES = (
    Suite("langgraph-checkpoint", ("tests/test_store.py",)),
    Suite("langgraph-prebuilt", ("tests",)),
    Suite(
        "langgraph-checkpoint-postgres",
        ("tests/test_store.py", "tests/test_async_store.py"),
        POSTGRES,
    ),
)
USES = (
    Suite("langmem", ("use_of_langmem.py", "extract_by_langmem.py")),
    Suite("deepagents", ("use_of_deepagents.py",)),
)


def unpacked(folder: Path, name: str) -> Path | None:
    """The folder of a distribution's sdist; None if there is none."""
    found = sorted(
        each for each in folder.glob(f"{name.replace('-', '_')}-[0-9]*") if each.is_dir()
    )
    return found[-1] if found else None


def run(suite: Suite, place: Path, arguments: list[str]) -> dict[str, int]:
    """Run its tests from a copy; how many passed, failed and were skipped."""
    report = place / "report.xml"
    paths = os.pathsep.join(map(str, OURS))
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "standins", "-p", "no:cacheprovider",
        "-o", "asyncio_mode=auto", f"--junitxml={report}", f"--rootdir={place}",
        *suite.files, *arguments,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": paths,
        "LANGGRAPH_TEST_FAST": "true",
        "LEFT_OUT": json.dumps(list(suite.left_out)),
    }
    subprocess.run(command, cwd=place, env=environment, check=False)
    if not report.exists():
        sys.exit(f"the tests of {suite.name} did not start: is the group `upstream` installed?")
    (told,) = ET.parse(report).getroot().iter("testsuite")  # noqa: S314  our own report
    counts = {name: int(told.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    made, left_out = (int((place / name).read_text()) for name in ("stores", "left-out"))
    return {
        "passed": passed,
        "failed": failed,
        "skipped": counts["skipped"],
        "left out": left_out,
        "stores made": made,
    }


def main() -> None:
    """Run them all, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of unpacked sdists")
    parser.add_argument("--only", help="the name of one distribution")
    known, arguments = parser.parse_known_args()
    lines, is_good = [], True
    for suite in (*SUITES, *USES):
        if known.only not in {None, suite.name}:
            continue
        sdist = unpacked(known.folder.absolute(), suite.name)
        with tempfile.TemporaryDirectory(prefix="feather-upstream-") as place:
            if suite in USES:
                for file in suite.files:
                    shutil.copy(HERE / file, place)
            elif sdist is None:
                lines.append(f"{suite.name}: no sdist in {known.folder}")
                is_good = False
                continue
            else:
                shutil.copytree(sdist / "tests", Path(place) / "tests")
                shutil.copy(sdist / "pyproject.toml", place)
            counts = run(suite, Path(place), arguments)
        version = importlib.metadata.version(suite.name)
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        lines.append(f"{suite.name} {version}: {said}")
        lines += [f"    left out, {pattern}: {why}" for pattern, why in suite.left_out.items()]
        is_good &= counts["passed"] > 0 and not counts["failed"] and counts["stores made"] > 0
    print("\n".join(["", *lines]))
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
