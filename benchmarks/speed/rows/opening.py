"""Starts: the import, the way to the first answer, the first filter, and many tenants."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from benchmarks.speed.contender import BESIDE, OURS, SCAN, Contender
from benchmarks.speed.corpus import Record
from benchmarks.speed.measure import Taken, fresh
from benchmarks.speed.ours import CHUNK, given
from benchmarks.speed.rows.apart import CHILD, in_turn, questions_of
from benchmarks.speed.stand import Measured, Stand
from feather_memory import TenantPool

PEERS_TENANTS = 50  # small stores of a peer that are opened, where there are a thousand of ours

IMPORT = """
import importlib, json, sys, time
before = time.perf_counter(), time.process_time()
importlib.import_module(sys.argv[1])
after = time.perf_counter(), time.process_time()
print(json.dumps({"wall": 1e3 * (after[0] - before[0]), "cpu": 1e3 * (after[1] - before[1])}))
"""


def imports(stand: Stand) -> list[Measured]:
    """The import alone, in a process of its own."""
    modules = {one.name: one.module for one in map(type, stand.held.values()) if one.module}
    told = in_turn(stand, "import", modules, lambda name: fresh("-c", IMPORT, modules[name]))
    return [Measured("import", 0, 0, {name: _taken(runs) for name, runs in told.items()})]


def opens(stand: Stand) -> list[Measured]:
    """From the file to the first answer; and the memory that is held after twenty."""
    told = _opened(stand, "open")
    stand.before = {name: _taken(runs) for name, runs in told.items()}
    n, dim = stand.shape.n, stand.shape.dim
    memory = {name: _megabytes(runs) for name, runs in told.items()}
    return [
        Measured("open", n, dim, dict(stand.before)),
        Measured("memory", n, dim, memory, unit="MB"),
    ]


def opens_after_forget(stand: Stand) -> list[Measured]:
    """The same, once one memory was forgotten, beside what it was before."""
    told = _opened(stand, "open after forget")
    taken = {name: _taken(runs) for name, runs in told.items()}
    if before := stand.before.get(OURS):
        taken[BESIDE] = before
    one = Measured("open after forget", stand.shape.n, stand.shape.dim, taken)
    one.beside = "ours before the forget"
    return [one]


def first_filter(stand: Stand) -> list[Measured]:
    """The first filtered search of a process, beside the second."""
    questions = questions_of(stand)
    names = [name for name in stand.closed if stand.closed[name].has("filtered")]
    told = in_turn(
        stand, "first filter", names,
        lambda name: fresh(*CHILD, "first", name, str(stand.path(name)), questions),
    )  # fmt: skip
    taken = {name: _taken(runs) for name, runs in told.items()}
    taken[BESIDE] = Taken(
        [run["then"] for run in told[OURS]], [run["then_cpu"] for run in told[OURS]]
    )
    one = Measured("first filter", stand.shape.n, stand.shape.dim, taken)
    one.beside = "our second"
    return [one]


def large_tenants(stand: Stand) -> list[Measured]:
    """Several large tenants, opened and asked one after the other."""
    count = stand.sizes.tenants
    taken = _tenants(stand, "tenants", dict.fromkeys(stand.held, count), stand.shape.n)
    whole = {
        name: Taken([count * wall for wall in each.wall], [count * cpu for cpu in each.cpu])
        for name, each in taken.items()
    }
    return [Measured("tenants", count * stand.shape.n, stand.shape.dim, whole, variant=f"{count}")]


def small_tenants(stand: Stand) -> list[Measured]:
    """Many small tenants, and how the cost of each grows with how many there are."""
    most = stand.sizes.small_tenants
    counts = {name: min(most, PEERS_TENANTS) for name in stand.held} | {OURS: most}
    rows, dim = stand.shape.n, stand.shape.dim
    taken = _tenants(stand, "small tenants", counts, rows)
    whole = Measured("small tenants", most * rows, dim, taken, unit="ms a tenant")
    grown = []
    for count in (1, 10, 100):
        if count < most:
            runs = _asked(stand, "small tenants", {OURS: count})
            grown.append(
                Measured("tenant growth", count * rows, dim, runs, f"{count}", unit="ms a tenant")
            )
    last = Measured(
        "tenant growth", most * rows, dim, {OURS: taken[OURS]}, f"{most}", unit="ms a tenant"
    )
    return [whole, *grown, last]


def _tenants(stand: Stand, row: str, counts: dict[str, int], rows: int) -> dict[str, Taken]:
    """Ours are written one by one; of a peer one is, and copied, as its files allow it."""
    records = stand.corpus.records(rows)
    with TenantPool(stand.folder / OURS, max_open=4) as pool:
        for tenant in range(counts[OURS]):
            store = pool.get(f"t{tenant}")
            for start in range(0, rows, CHUNK):
                store.add_many([given(record) for record in records[start : start + CHUNK]])
    for name, one in list(stand.held.items()):
        if name not in (OURS, SCAN):
            stand.attempt(name, lambda n=name, o=one: _copied(stand, n, o, records, counts[n]))
    return _asked(stand, row, {name: counts[name] for name in stand.held if name != SCAN})


def _copied(stand: Stand, name: str, one: Contender, records: Sequence[Record], count: int) -> None:
    one.add_many(records)
    one.close()
    folder = stand.folder / name
    folder.mkdir()
    for tenant in range(count):
        for path in stand.folder.glob(f"{stand.path(name).name}*"):
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, folder / path.name.replace(stand.path(name).name, f"t{tenant}"))


def _asked(stand: Stand, row: str, counts: dict[str, int]) -> dict[str, Taken]:
    questions = questions_of(stand)
    told = in_turn(
        stand, row, counts,
        lambda name: fresh(
            *CHILD, "tenants", name, str(stand.folder / name), str(counts[name]), questions
        ),
    )  # fmt: skip
    return {name: _taken(runs) for name, runs in told.items()}


def _opened(stand: Stand, row: str) -> dict[str, list[dict[str, float]]]:
    questions = questions_of(stand)
    return in_turn(
        stand, row, stand.closed,
        lambda name: fresh(*CHILD, "open", name, str(stand.path(name)), questions),
    )  # fmt: skip


def _taken(runs: Sequence[dict[str, float]]) -> Taken:
    return Taken([run["wall"] for run in runs], [run["cpu"] for run in runs])


def _megabytes(runs: Sequence[dict[str, float]]) -> Taken:
    """All that is held where wall time would be, and what is private where CPU time would be."""
    private = [run["private"] for run in runs]
    return Taken([own + run["mapped"] for own, run in zip(private, runs, strict=True)], private)
