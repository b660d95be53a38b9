"""As `arguments`, on a store, by what leads the code where it has not been yet: by atheris.

Where atheris is installed (`pip install atheris`, for Linux): elsewhere there are no trials.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torture import Run, Told

PLANTED = "planted"
_LONGEST = 400
"""Bytes of an input: a verb, its arguments, and the text and numbers in them."""
_FIRST = 64
"""Inputs by chance that it begins with: from an empty one it would come to other verbs late."""


def planted(text: Any) -> None:
    """What breaks where nobody comes by chance: at one word, and only then at another."""
    said = text if isinstance(text, str) else ""
    if said[:4] == "once" and said[4:8] == "more":
        raise KeyError(said)


def child(asked: Run, plant: str) -> None:
    """Call verbs of a store until time is over; say in JSON how often, and what was found."""
    import atheris  # beside the tests' own packages, and only here

    with atheris.instrument_imports(include=["feather_memory"]):  # so not before
        from torture import arguments

    class Guided(arguments.Doors):
        """Its arguments are those that are foreseen, or made of the input."""

        data: Any

        def value(self, name: str, choose: Any, *, is_needed: bool) -> Any:
            kind = self.data.ConsumeIntInRange(0, 2 * len(MADE) if not plant else len(MADE) - 1)
            if kind < len(MADE) and name != "operator":
                return MADE[kind](self.data)
            return super().value(name, choose, is_needed=is_needed)

    said, sys.stdout, found, trials = sys.stdout, sys.stderr, list[str](), 0
    first, chance = asked.folder / "inputs", random.Random(asked.seed)
    first.mkdir()
    for at in range(_FIRST):
        (first / f"first-{at}").write_bytes(chance.randbytes(_LONGEST >> at % 7))
    doors, goes_on = Guided(asked.folder), asked.goes_on()
    verbs = [verb for verb in doors.verbs if verb.startswith(("Store.", "F", "Shelf."))]
    if plant:  # of which no store knows
        doors.close()
        doors.stores.clear()
        doors.verbs, verbs = {plant: atheris.instrument_func(planted)}, [plant]

    def one(content: bytes) -> None:
        nonlocal trials
        if not goes_on(trials) or (plant and found):
            found.extend(fault for store in doors.stores for fault in store.check())
            doors.close()
            led = len([*first.iterdir()]) - _FIRST
            ends = {"trials": trials, "found": found, "led": led}
            print(json.dumps(ends), file=said, flush=True)
            os._exit(0)
        doors.data = data = atheris.FuzzedDataProvider(content)
        choose = partial(chosen, data)
        wrong = doors.call(choose(verbs), choose)
        trials += 1
        found.extend([str(wrong)] if wrong is not None else [])

    flags = ["-len_control=0", "-reduce_inputs=0", "-verbosity=0", "-rss_limit_mb=0"]
    flags += [f"-seed={asked.seed}", f"-max_len={_LONGEST}"]
    atheris.Setup([sys.argv[0], *flags, str(first)], one)
    atheris.Fuzz()


MADE: list[Callable[[Any], Any]] = [
    lambda data: data.ConsumeUnicode(40),
    lambda data: data.ConsumeFloat(),
    lambda data: data.ConsumeInt(9),
    lambda data: [data.ConsumeUnicodeNoSurrogates(10)],
    lambda data: {data.ConsumeUnicode(6): data.ConsumeFloat()},
]


def chosen(data: Any, several: Sequence[Any]) -> Any:
    return several[data.ConsumeIntInRange(0, len(several) - 1)]


def run(asked: Run) -> Told:
    """Calls, each led by where those before it have been."""
    return _guided(asked)


def _guided(asked: Run, plant: str = "") -> Told:
    told = Told()
    if importlib.util.find_spec("atheris") is None:
        return told
    numbers = map(str, (asked.seed % (1 << 31), asked.seconds, asked.most))
    command = [sys.executable, "-m", "torture.guided", str(asked.folder), *numbers, plant]
    said = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=asked.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    with contextlib.suppress(ValueError):
        one = json.loads(said.stdout)
        told.trials = told.counts["answered or refused"] = one["trials"]
        told.counts["inputs that led the code where it had not been"] = one["led"]
        told.broken += one["found"]
    if said.returncode or not told.trials:
        told.broken.append(f"the process ended with {said.returncode}: {said.stderr[-400:]}")
    return told


def control(asked: Run) -> bool:
    """Whether it comes to what nobody comes to by chance; None is led where there is none."""
    if importlib.util.find_spec("atheris") is None:
        return True
    found = _guided(Run(asked.folder, asked.seed, 600, most=1_000_000), PLANTED).broken
    return bool(found) and all("oncemore" in each for each in found)


if __name__ == "__main__":
    _, folder, seed, seconds, most, plant = sys.argv
    child(Run(Path(folder), int(seed), float(seconds), int(most)), plant)
