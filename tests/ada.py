"""The memory that the window's tests look at: one person's, small enough to know by heart."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from feather_memory import HashEmbedder, Store, TenantPool
from feather_memory.testing import FrozenClock

HOSTILE = "<img src=x onerror=\"window.ran='img'\"><script>window.ran='script'</script> likes tea"
"""A memory that tries to run script, in each way in which markup can."""


def day(year, month, date, hour=9):
    return datetime(year, month, date, hour, tzinfo=UTC)


def told(directory: Path) -> Path:
    """A directory with both memories, which nobody has open."""
    clock = FrozenClock()
    with TenantPool(directory, embedder=HashEmbedder(), clock=clock) as pool:
        tell(pool, clock)
    return directory


def pool_of(told: Path, directory: Path, now: datetime) -> TenantPool:
    """A pool over a copy of them, in which time stands still."""
    shutil.copytree(told, directory)
    return TenantPool(directory, embedder=HashEmbedder(), clock=FrozenClock(now))


def tell(pool: TenantPool, clock: FrozenClock) -> None:
    """Ada's memory over a year and a half, and Bob's, which is about one thing."""
    ada = pool.get("ada")

    def said(text, when, **fields):
        clock.set(when)
        return ada.add(text, valid_from=when, **fields)

    said("Ada lives in Oslo", day(2025, 1, 10), id="oslo", key="home.city")
    said("Ada plays the cello on Thursdays", day(2025, 2, 3), id="cello", key="hobby.day")
    said("Ada is allergic to hazelnuts", day(2025, 3, 14), id="nuts", key="diet.allergy")
    said(
        "Ada works on the tide tables of the harbour office", day(2025, 4, 2), id="work", key="job"
    )
    said(
        "The harbour office closes at four on Fridays",
        day(2025, 4, 20),
        id="closes",
        origin="document",
    )
    said("Ada's sister Ines lives in Porto", day(2025, 5, 6), id="ines")
    said("Ines visits every second August", day(2025, 6, 1), id="visits")
    said("Ada takes the seven o'clock ferry to work", day(2025, 7, 9), id="ferry", key="commute")
    said(
        "Ada lives in Bergen, near the fish market", day(2025, 11, 3), id="bergen", key="home.city"
    )
    said("Ada walks to work along the quay", day(2025, 11, 20), id="quay", key="commute")
    said("Ada prefers tea to coffee", day(2026, 1, 12), id="tea", key="drink")
    said(
        "Could you remind me of the recital?",
        day(2026, 2, 1),
        id="asks",
        session="s1",
        role="user",
        actor="ada",
    )
    said(
        "The recital is on the last Saturday of May",
        day(2026, 2, 2),
        id="recital",
        origin="assistant",
    )
    said(HOSTILE, day(2026, 2, 20), id="hostile")
    for source, target, kind, weight in (
        ("visits", "ines", "related_to", 1.0), ("work", "closes", "references", 0.8),
        ("quay", "work", "part_of", 0.6), ("quay", "bergen", "caused_by", 0.9),
        ("recital", "cello", "derived_from", 0.7), ("cello", "work", "related_to", 0.2),
    ):  # fmt: skip
        ada.link(source, target, kind, weight)
    clock.set(day(2026, 3, 1))
    ada.recall("where does Ada live?", 3, turn="morning-1")
    ada.feedback("morning-1", "liked")
    clock.set(day(2026, 4, 5))
    ada.recall("what may Ada not eat?", 4, turn="dinner")
    ada.signal("nuts", "saved")
    ada.signal("tea", "disliked")
    clock.set(day(2026, 5, 1))
    pool.get("bob").add("Bob repairs bicycles", id="bob")


TOPICS = ("ferries", "cello", "tides", "bread", "lighthouses", "maps", "wool", "rowing", "herring",
          "storms", "letters", "clocks", "gulls", "ropes", "snow", "tea")  # fmt: skip
DOES = ("likes", "reads about", "wrote to Ines about", "asked for", "keeps notes on",
        "went to a talk on", "is tired of", "teaches")  # fmt: skip


def fill(store: Store, count: int) -> None:
    """Many memories about few things, of three years, some with links and some replaced."""
    start = day(2023, 1, 1).timestamp()
    records = [
        {
            "text": f"Ada {DOES[n % len(DOES)]} {TOPICS[n % len(TOPICS)]} in note {n} of the "
                    f"{TOPICS[n // 7 % len(TOPICS)]} book",
            "id": f"n{n}",
            "valid_from": start + n * 9_000,
            "recorded_at": start + n * 9_000,
            "key": f"slot.{n % 500}" if n % 4 == 0 else None,
        }
        for n in range(count)
    ]  # fmt: skip
    store.add_many(records)
    with store.transaction():
        for n in range(0, count - 50, 5):
            store.link(f"n{n}", f"n{n + 1 + n % 40}", "related_to", 0.5)
