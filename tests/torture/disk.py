"""Calls of the operating system fail: no room, a quota, a limit to a file's length, a broken disk.

A child process has them fail, by a library that stands before C's, where one can be built.
"""

from __future__ import annotations

import ctypes
import errno
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from feather_memory import FeatherError, Store, StoreAccessError, StoreFullError
from feather_memory.testing import HashEmbedder
from torture import Run, Told
from torture.kills import environment

EMBED = HashEmbedder(dim=16)
CALLS = ["write", "read", "sync", "truncate", "unlink", "rename", "link"]
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
BROKEN = [errno.EIO, errno.EROFS]


def library(folder: Path, source: str) -> Path | None:
    """One of the sources in C that stand here, built; None where there is no compiler for it."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    written, built = Path(__file__).with_name(source), folder / f"{source}.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-w", "-o", str(built), str(written), "-ldl"]
    done = subprocess.run(command, capture_output=True, check=False)
    return built if done.returncode == 0 else None


def verb(store: Store, name: str, number: int, folder: Path) -> None:
    match name:
        case "add":
            store.add(f"new text {number} " + "x" * (number % 7 * 900), id=f"new{number}")
        case "add_many":
            store.add_many([{"text": f"many {number} {n} " + "y" * 400} for n in range(40)])
        case "supersede":
            store.supersede("m1", f"newer {number}")
        case "recall":
            store.recall("text")
        case "forget":
            store.forget("m2")
        case "backup":
            store.backup(folder / f"backup{number}.feather")
        case "shelf":
            store.plumbing.shelf("s").update({f"k{number}": "z" * 5_000})
        case "search":
            store.search("text number")
        case "close":
            store.close()


VERBS = ["add", "add_many", "supersede", "recall", "forget", "backup", "shelf", "search", "close"]


def trial(sound: Path, place: Path, chance: random.Random, number: int, arm: Any) -> dict[str, str]:
    """One verb while one call fails; how it ended, and what was wrong then."""
    for left in place.parent.glob(f"{place.name}*"):
        left.unlink()
    shutil.copyfile(sound, place)
    call, name = chance.choice(CALLS), chance.choice(VERBS)
    code = chance.choice([*FULL, *BROKEN])
    many = chance.choice([1, 1, 1_000_000])
    with Store.open(place, embedder=EMBED) as store:
        arm(call.encode(), chance.choice([0, 0, 1, 2, 5, 9]), many, code)
        try:
            how, wrong = attempted(store, name, number, place.parent)
        finally:
            arm(b"", -1, 0, 0)
    if how == "StoreAccessError" and call == "write" and code in FULL and many > 1:
        wrong = "a disk without room is not told as one"
    wrong = wrong or afterwards(place, name)
    return {"how": how, "wrong": wrong and f"{name}, {call} {errno.errorcode[code]}: {wrong}"}


def attempted(store: Store, name: str, number: int, folder: Path) -> tuple[str, str]:
    """How the verb ended, and what may not be so."""
    try:
        verb(store, name, number, folder)
    except StoreFullError:
        return "StoreFullError", ""
    except StoreAccessError:
        return "StoreAccessError", ""
    except FeatherError as error:
        return type(error).__name__, f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  that is what is looked for
        return "untyped", f"{type(error).__name__}: {error}"
    return "went on", ""


def afterwards(place: Path, name: str) -> str:
    """What is wrong once nothing fails any more; nothing, else."""
    wrong = ""
    try:
        with Store.open(place, embedder=EMBED) as again:
            there = {memory.id for memory in again.iterate()}
            kept = {f"m{n}" for n in range(20)} - ({"m2"} if name == "forget" else set())
            if not kept <= there:
                wrong = f"lost: {sorted(kept - there)}"
            if "many" in name and len(there) not in {20, 60}:
                wrong = "half of it is there"
            if name == "forget" and "m2" not in there:
                files = place.parent.glob(f"{place.name}*")
                if any(b"text number 2 of" in each.read_bytes() for each in files):
                    wrong = "the forgotten text is left"
            again.add("there is room again", id="room")
            return wrong or "; ".join(again.check())
    except FeatherError as error:
        return wrong or f"afterwards: {type(error).__name__}: {error}"


def child(folder: Path, seed: int, seconds: float, most: int) -> None:
    """Trials in a process before whose C library ours stands; a line of JSON for each."""
    arm = ctypes.CDLL(None).torture_arm
    chance, sound = random.Random(seed), folder / "sound.feather"
    goes_on, number = Run(folder, seed, seconds, most).goes_on(), 0
    with Store.open(sound, embedder=EMBED) as store:
        store.add_many({"text": f"text number {n} of it", "id": f"m{n}"} for n in range(20))
    while goes_on(number):
        number += 1
        told = trial(sound, folder / "disk.feather", chance, number, arm)
        sys.stdout.write(json.dumps(told) + "\n")


def run(asked: Run) -> Told:
    """Trials; none where nothing can be put before the C library."""
    told, built = Told(), library(asked.folder, "interpose.c")
    if built is None:
        return told
    said = subprocess.run(
        [sys.executable, "-m", "torture.disk", str(asked.folder), str(asked.seed),
         str(asked.seconds), str(asked.most)],
        env=environment(LD_PRELOAD=str(built)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in said.stdout.splitlines():
        one = json.loads(line)
        told.ended(one["how"])
        if one["wrong"]:
            told.broken.append(one["wrong"])
    if said.returncode:
        told.broken.append(f"the process ended with {said.returncode}: {said.stderr[-400:]}")
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that a write that was acknowledged has not been written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.open(folder / "sound.feather", embedder=EMBED) as store:
            store.add("only one", id="m0")
        return afterwards(folder / "sound.feather", "add").startswith("lost")


if __name__ == "__main__":
    child(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
