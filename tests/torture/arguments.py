"""Every public verb is called with what it was not made for: it refuses that in words of ours."""

from __future__ import annotations

import contextlib
import inspect
import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from feather_memory import (
    ContextLayers,
    EdgeType,
    EngagementSignals,
    F,
    FeatherError,
    Layer,
    Scoring,
    SignalKind,
    Store,
    TenantPool,
    compute_importance,
    parse_filter,
)
from feather_memory.testing import FrozenClock, HashEmbedder
from torture import Run, Told

Choose = Callable[[Sequence[Any]], Any]
"""One of several. By a seed, or by hypothesis, which finds the smallest."""

ALLOWED = (FeatherError, TypeError, ValueError)
VERBS_THAT_END_IT = {"close", "rest"}


class Mute:
    """What cannot even be shown in a message."""

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


def nested(depth: int, around: Callable[[Any], Any]) -> Any:
    value: Any = around(0)
    for _ in range(depth):
        value = around(value)
    return value


HUGE = 10**5000  # of more digits than Python writes
FAR_EAST, FAR_WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
NUMBERS = [
    0, 1, -1, 2, 5, 2**31, 2**63, 2**64, 10**30, -(10**30), 10**400, HUGE, -HUGE, 0.5, 1.0, -0.5,
    math.nan, math.inf, -math.inf, 1e308, 5e-324, 1j, True, False, Decimal("0.5"), Decimal("NaN"),
    Decimal("sNaN"), Fraction(1, 3), Fraction(10**400, 3), np.float64(0.5), np.float32(0.3),
    np.int64(3), np.uint64(2**64 - 1), np.bool_(True),
]  # fmt: skip
TEXTS = [
    "", " ", "a", "b", "t", "x" * 600, "x" * 5_000, "x/" * 3_000, "x" * 2_000_000, "\0", "a\0b",
    "\ud800", "é", "e\u0301", "\u202e", "'\"; drop table memory; --", "%", "*", "(", "liked",
    "2026-01-01", "0000-00-00", "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00",
    "session", "metadata.a", "text", ":memory:", "file:x", "/", ".", "..", b"", b"abc",
    bytearray(b"x"), Path("x"), Path("/"), SignalKind.LIKED, EdgeType.NEXT,
]  # fmt: skip
TIMES = [
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1), datetime.max,  # noqa: DTZ001, DTZ901
    datetime.max.replace(tzinfo=FAR_WEST), datetime.min.replace(tzinfo=FAR_EAST),
    date(2026, 1, 1), date.min, date.max, time(1), timedelta(1), tzinfo(),
    np.datetime64("2026-01-01"),
]  # fmt: skip
SEVERAL = [
    [], [1], [math.nan], [None], ["a"], ["gone"], [["a"]], ("a", "b"), {}, {"a": 1},
    {"a": math.nan}, {1: 2}, {"a": {1}}, {"session": "s"}, {"$or": []}, {"a": {"$gt": 1}},
    {"text": {"$contains": "a"}}, set(), {"a"}, frozenset({"b"}), range(3), np.array([]),
    np.ones(8), np.ones(4), np.ones((2, 8)), np.full(8, np.nan), np.full(8, 1e30), np.zeros(8),
    np.array(["a"]), np.array(3.0), [1.0] * 70_000,
]  # fmt: skip
OTHERS = [
    None, object(), object, len, ..., NotImplemented, Mute(), [Mute()], Scoring(),
    EngagementSignals(), HashEmbedder(dim=8), HashEmbedder(dim=4), F("session") == "s", F("a"),
    F("a") > 3, lambda *_: None,
]  # fmt: skip
MADE = [
    lambda: iter([1, 2]),
    lambda: (letter for letter in "ab"),
    *(
        lambda depth=depth, around=around: nested(depth, around)
        for depth in (63, 64, 65, 900, 2_500, 100_000)
        for around in (lambda inner: {"a": inner}, lambda inner: [inner])
    ),
]
"""What is used up by being read, or takes long to throw away."""

OPERATORS = ["__eq__", "__ne__", "__lt__", "__ge__", "is_in", "contains", "icontains"]

HOSTILE = [*NUMBERS, *TEXTS, *TIMES, *SEVERAL, *OTHERS]

GOOD: dict[str, list[Any]] = {
    "text": ["tea", "coffee is good", "what?"],
    "id": ["a", "b", "new"],
    "memory_id": ["a", "b"],
    "old_id": ["a", "b"],
    "new_id": ["b"],
    "source": ["a"],
    "target": ["b"],
    "ids": [["a"], "a", ["b", "c"]],
    "k": [1, 3],
    "hops": [1],
    "limit": [5],
    "kind": ["liked", "saved", "corrected"],
    "turn": ["t", "other"],
    "also": ["third"],
    "weight": [0.5],
    "strength": [0.5],
    "vector": [np.ones(8), [1.0] * 8],
    "question": [np.ones(8)],
    "metadata": [{"a": 1}],
    "key": ["k"],
    "session": ["s"],
    "actor": ["Alice", " "],
    "role": ["user"],
    "origin": ["tool"],
    "importance": [0.4],
    "valid_from": [0.0],
    "event_id": ["e"],
    "where": [{"session": "s"}, F("a") > 3],
    "memory_ids": [["a"]],
    "copied_text": ["tea"],
    "correction": ["no tea"],
    "types": [["next"]],
    "type": ["next"],
    "tenant": ["alice", "bob"],
    "tenants": [["alice"]],
    "records": [[{"text": "one", "id": "r"}], [{"text": "two"}, {"id": "r"}]],
    "of_each": ["session"],
    "scoring": [Scoring(), Scoring.feather()],
    "now": [1.8e9],
    "dry_run": [True],
    "embedder": [HashEmbedder(dim=8)],
    "min_relevance": [0.1],
    "judge": [lambda *_: True],
    "budget_tokens": [100],
    "dotted": ["a", "session", "text", "created_at", "metadata.a.b"],
    "count": [2],
    "name": ["shelf"],
    "signals": [EngagementSignals()],
    "progress": [False],
}
"""By the name of the argument: so that a refusal is the fault of one, and much is let through."""


@dataclass(frozen=True, slots=True)
class Found:
    """A call that ended otherwise than it may."""

    verb: str
    arguments: str
    fault: str


@dataclass
class Doors:
    """The public verbs of stores, pools, layers, filters and shelves, over files in one folder."""

    folder: Path
    stores: list[Store] = field(default_factory=list)
    verbs: dict[str, Callable[..., Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name in ("user", "team"):
            store = Store.open(
                self.folder / f"{name}.feather", embedder=HashEmbedder(dim=8), clock=FrozenClock()
            )
            self.stores.append(store)
            self.fill(store)
            store.link("a", "b", "next")
            store.recall("tea", turn="t")
        store, other = self.stores
        self.pool = TenantPool(self.folder / "pool", embedder=HashEmbedder(dim=8))
        layers = ContextLayers(user=store, team=other)
        for owner in (store, self.pool, layers, store.plumbing):
            for name, verb in inspect.getmembers(owner, callable):
                if not name.startswith("_") and name not in VERBS_THAT_END_IT:
                    self.verbs[f"{type(owner).__name__}.{name}"] = verb
        self.verbs["TenantPool"] = TenantPool
        self.verbs["ContextLayers"] = ContextLayers
        self.verbs["Layer"] = lambda name, weight=1.0, time_weight=0.1, hops=1: Layer(
            name=name, store=store, weight=weight, time_weight=time_weight, hops=hops
        )
        self.verbs["Scoring"] = Scoring
        self.verbs["EngagementSignals"] = EngagementSignals
        self.verbs["compute_importance"] = compute_importance
        self.verbs["parse_filter"] = parse_filter
        self.verbs["F"] = self.filtered
        self.verbs["F.path"] = lambda path, operator, value: self.filtered(
            None, operator, value, path=path
        )
        self.verbs["Shelf.update"] = lambda name, key, value: store.plumbing.shelf(name).update(
            {key: value}
        )
        for name in ("update", "discard", "drop", "last", "get", "__contains__"):
            self.verbs[f"Shelf.{name}!"] = partial(self.shelved, name)

    @staticmethod
    def fill(store: Store) -> None:
        """Let what the calls are about be there, whatever the last one did."""
        there = store.plumbing.known(["a", "b", "c"])
        if "a" not in there:
            store.add("tea is fine", id="a", session="s", metadata={"a": 7})
        if "b" not in there:
            store.add("coffee", id="b", actor="Alice", role="user")
        if "c" not in there:
            store.add("milk", id="c")

    def shelved(self, verb: str, value: Any) -> Any:
        """What a verb of a shelf does, of one argument that may be several."""
        return getattr(self.stores[0].plumbing.shelf("shelf"), verb)(value)

    def filtered(self, dotted: Any, operator: Any, value: Any, path: Any = None) -> None:
        """A filter, and all that is read by it."""
        made = getattr(F(dotted, path=path), operator)(value)
        if made is NotImplemented:
            return
        repr(made)
        self.stores[0].search("tea", where=made & ~made | made)
        list(self.stores[0].iterate(made))

    def close(self) -> None:
        self.pool.close()
        for store in self.stores:
            store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, verb: str, choose: Choose) -> Found | None:
        """Call it once; what may not be, if it was so: an untyped error, or half of a write."""
        function = self.verbs[verb]
        positional, named = self.chosen(function, choose)
        for store in self.stores:
            self.fill(store)
        before = self.kept()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of numbers that do not fit
            try:
                self.done(function(*positional, **named))
            except ALLOWED as error:
                said = str(error)
                is_whole = self.kept() == before or verb in {"Store.forget", "Shelf.discard!"}
                fault = "" if is_whole and said is not None else "something of it was written"
            except Exception as error:  # noqa: BLE001  that is what is looked for
                fault = f"{type(error).__name__}: {one(error)}"
            else:
                return None
        return Found(verb, shown(positional, named), fault) if fault else None

    def kept(self) -> list[list[int]]:
        """How much of everything there is."""
        kinds = ("memories", "superseded", "edges", "signals", "recalls")
        return [[getattr(store.stats(), kind) for kind in kinds] for store in self.stores]

    def chosen(
        self, function: Callable[..., Any], choose: Choose
    ) -> tuple[list[Any], dict[str, Any]]:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
                continue
            is_needed = parameter.default is parameter.empty
            if not is_needed and choose([True, True, False]):
                continue
            value = self.value(name, choose, is_needed=is_needed)
            if is_needed and parameter.kind is not parameter.KEYWORD_ONLY:
                positional.append(value)
            else:
                named[name] = value
        return positional, named

    def value(self, name: str, choose: Choose, *, is_needed: bool) -> Any:
        good = GOOD.get(name)
        if name == "operator":
            return choose(OPERATORS)
        if name in {"path", "directory", "backup"}:
            good = [self.folder / "other"]
        if good is not None and choose([True, is_needed, False]):
            return choose(good)
        value = choose([*HOSTILE, *MADE])
        if any(value is each for each in MADE):
            value = value()
        around = choose(["", "", "", "", "", "list", "dict", "record"])
        if around == "list":
            return [value]
        if around == "dict":
            return {"a": value}
        if around == "record":
            return [{"text": "z", choose(["id", "key", "metadata", "vector", "valid_to"]): value}]
        return value

    def done(self, made: Any) -> None:
        """Read what is made when it is read, and close what was opened."""
        if isinstance(made, Iterator):
            for _ in zip(range(20), made, strict=False):
                pass
        elif isinstance(made, AbstractContextManager) and made not in self.stores:
            with made:
                pass


def one(value: Any) -> str:
    try:
        return f"{value!r:.60}"
    except Exception as error:  # noqa: BLE001  as `Mute`'s
        return f"<{type(value).__name__}: {type(error).__name__}>"


def shown(positional: list[Any], named: dict[str, Any]) -> str:
    said = [one(value) for value in positional]
    return ", ".join([*said, *(f"{name}={one(value)}" for name, value in named.items())])


def run(asked: Run) -> Told:
    """Every verb again and again, by chance."""
    told, goes_on, chance = Told(), asked.goes_on(), random.Random(asked.seed)
    with contextlib.chdir(asked.folder), Doors(asked.folder) as doors:
        while goes_on(told.trials):
            for verb in doors.verbs:
                found = doors.call(verb, chance.choice)
                told.ended("answered or refused" if found is None else "broken")
                if found is not None:
                    told.broken.append(str(found))
        told.broken += [fault for store in doors.stores for fault in store.check()]
    return told


def control(asked: Run) -> bool:
    """Whether it is seen that a verb raises what is not ours, or writes before it refuses."""
    with contextlib.chdir(asked.folder), Doors(asked.folder) as doors:

        def halved(weight: Any) -> None:
            doors.stores[0].add("half of it")
            raise ValueError(weight)

        doors.verbs |= {"untyped": lambda k: {}[repr(k)], "halved": halved}
        found = [doors.call(verb, lambda several: several[0]) for verb in ("untyped", "halved")]
    return None not in found
