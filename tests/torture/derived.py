"""A derived file beside the truth is damaged: no answer depends on it."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from feather_memory import config
from feather_memory.index import mapped
from torture import Run, Told
from torture.damage import WAYS, answers, story

MEMORIES = 16
SUFFIXES = (".vectors", ".lists")


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """Stores of some memories have what else only large ones have beside them."""
    rows, config.SNAPSHOT_ROWS = config.SNAPSHOT_ROWS, 10
    try:
        yield
    finally:
        config.SNAPSHOT_ROWS = rows


class Derived:
    """A store in a folder with all that is derived, which is damaged again and again."""

    def __init__(self, folder: Path) -> None:
        self.sound, self.place = folder / "sound.feather", folder / "damaged.feather"
        story(self.sound, MEMORIES)
        self.files = {each: beside(self.sound, each).read_bytes() for each in SUFFIXES}
        self.right = answers(self.sound)

    def judged(self, suffix: str, changed: bytes) -> str:
        """How the store answers beside this damaged file."""
        for left in self.place.parent.glob(f"{self.place.name}*"):
            left.unlink()
        shutil.copyfile(self.sound, self.place)
        for each, content in self.files.items():
            beside(self.place, each).write_bytes(changed if each == suffix else content)
        try:
            return "answered alike" if answers(self.place) == self.right else "answered otherwise"
        except Exception as error:  # noqa: BLE001  none may come of what is derived
            return f"{type(error).__name__}: {error!r:.80}"


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def run(asked: Run) -> Told:
    """Trials on copies of one store."""
    told, goes_on, chance = Told(), asked.goes_on(), random.Random(asked.seed)
    with small_files():
        damage = Derived(asked.folder)
        while goes_on(told.trials):
            suffix = chance.choice(SUFFIXES)
            changed, what = chance.choice(WAYS)(damage.files[suffix], chance)
            how = damage.judged(suffix, changed)
            told.ended(how.partition(":")[0])
            if how != "answered alike":
                told.broken.append(f"{suffix}, {what}: {how}")
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that answers depend on a mapped array whose sum nobody compares."""
    with small_files():
        damage = Derived(asked.folder)
        content = damage.files[".vectors"]
        changed = content[:-512] + bytes(512)
        right, mapped._require_sum = mapped._require_sum, lambda *_: None
        try:
            return damage.judged(".vectors", changed) == "answered otherwise"
        finally:
            mapped._require_sum = right
