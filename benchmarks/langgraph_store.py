"""LangGraph's store over a file of ours, beside its own over SQLite.

    python benchmarks/langgraph_store.py [--small]

10,000 items in a hundred namespaces. Every call is made of the two in turn; a figure is the median
of what a caller waits. `SqliteStore` is measured where `langgraph-checkpoint-sqlite` is installed.
The mixed calls are of eight threads, each in a namespace of its own: of ten, five read an item, two
list some, one filters, one writes and one deletes what was written.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_feather_memory import FeatherStore
from langgraph.store.base import BaseStore, PutOp

if TYPE_CHECKING:
    from collections.abc import Callable

SPACES = 100
THREADS = 8


def space(n: int) -> tuple[str, str]:
    return (f"user{n % SPACES}", "facts")


def fill(store: BaseStore, items: int) -> None:
    for start in range(0, items, 1_000):
        store.batch(
            PutOp(space(n), f"k{n}", {"text": f"fact number {n}", "n": n, "is_odd": n % 2 == 1})
            for n in range(start, min(start + 1_000, items))
        )


def calls(items: int) -> dict[str, Callable[[BaseStore, int], object]]:
    """Each call by its name, of a store and how often it was made before."""
    few, many = {"n": {"$lt": 20}}, {"n": {"$gte": 20}}
    return {
        "get": lambda store, n: store.get(space(n), f"k{n}"),
        "put": lambda store, n: store.put(space(n), f"new{n}", {"text": "new", "n": n}),
        "delete": lambda store, n: store.delete(space(n), f"k{n}"),
        "list_namespaces": lambda store, _: store.list_namespaces(),
        "list_namespaces of a prefix": lambda store, _: store.list_namespaces(prefix=("user7",)),
        "first page": lambda store, _: store.search((), limit=10),
        "page in the middle": lambda store, _: store.search((), limit=10, offset=items // 2),
        "first page of a namespace": lambda store, _: store.search(("user7",), limit=10),
        "filter by what equals, one passes": lambda store, _: store.search((), filter={"n": 77}),
        "filter by what equals, half pass": lambda s, _: s.search((), filter={"is_odd": True}),
        "filter by order, 20 pass": lambda store, _: store.search((), filter=few),
        "filter by order, most pass": lambda store, _: store.search((), filter=many),
        "the same, in a namespace": lambda store, _: store.search(("user7",), filter=few),
        "filter by order after a put": lambda store, n: (
            store.put(space(n), f"newer{n}", {"n": n}),
            store.search((), filter=few),
        ),
    }


def mixed(store: BaseStore, seconds: float) -> float:
    """Calls a second of several threads."""
    until = time.perf_counter() + seconds
    made = [0] * THREADS

    def live(own: int) -> None:
        for n in count():
            if time.perf_counter() >= until:
                return
            act, round_ = n % 10, n // 10
            if act < 5:
                store.get(space(own), f"k{own + SPACES * n}")
            elif act < 7:
                store.search(space(own), limit=5)
            elif act == 7:
                store.search(space(own), filter={"is_odd": True}, limit=5)
            elif act == 8:
                store.put(space(own), f"mixed{own}-{round_}", {"text": "mixed", "n": n})
            else:
                store.delete(space(own), f"mixed{own}-{round_}")
            made[own] += 1

    threads = [threading.Thread(target=live, args=(own,)) for own in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(made) / seconds


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="sizes that say nothing about speed")
    is_small = parser.parse_args(arguments).small
    items, times, seconds = (200, 3, 0.1) if is_small else (10_000, 30, 4.0)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        stores: dict[str, BaseStore] = {
            "FeatherStore": opened.enter_context(FeatherStore(Path(folder) / "ours.feather"))
        }
        try:
            from langgraph.store.sqlite import SqliteStore
        except ImportError:
            print("without langgraph-checkpoint-sqlite, so there is nothing beside it\n")
        else:
            path = str(Path(folder) / "theirs.db")
            theirs = opened.enter_context(SqliteStore.from_conn_string(path))
            theirs.setup()
            stores["SqliteStore"] = theirs
        print(f"{items:,} items in {SPACES} namespaces; milliseconds, medians of {times}")
        print(f"load {os.getloadavg()[0]:.1f}\n{'':36}" + "".join(f"{name:>14}" for name in stores))
        for store in stores.values():
            fill(store, items)
        for name, call in calls(items).items():
            taken: dict[str, list[float]] = {each: [] for each in stores}
            for n in range(times):
                for each, store in stores.items():
                    begun = time.perf_counter()
                    call(store, n)
                    taken[each].append((time.perf_counter() - begun) * 1e3)
            print(f"{name:36}" + "".join(f"{statistics.median(t):14.2f}" for t in taken.values()))
        rates = [mixed(store, seconds) for store in stores.values()]
        print(
            f"{f'mixed, {THREADS} threads, calls a second':36}"
            + "".join(f"{r:14,.0f}" for r in rates)
        )


if __name__ == "__main__":
    main()
