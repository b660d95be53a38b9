"""No tenant of a database is ever told anything of another's, whatever they are asked for."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

servers = pytest.importorskip("servers")
psycopg = servers.psycopg

from feather_memory import F, FeatherError, TenantPool  # noqa: E402
from feather_memory.model.memory import SignalKind  # noqa: E402
from feather_memory.testing import HashEmbedder  # noqa: E402
from feather_memory.truth.postgres.moment import Moment  # noqa: E402

TENANTS = [
    "alice", "Alice", "a'; drop table feather.memory; --", "%(tenant)s", "%s", "$1", "\\'", "ü",
    "' or tenant <> '", "../../x", "a\nb", '"', "feather.tenant", "x" * 255, "*", "null",
    "'||current_setting('feather.tenant')||'", "x'; set feather.tenant = 'alice'; --", "alice#bob",
]  # fmt: skip
HOSTILE = [
    *TENANTS, "m", "n", "t", "e", "k", "", "\0", "' or true --", "{}", "feather.state",
    "') union select * from feather.memory --", "%", "_", "\\", "${tenant}", "%(id)s", "\ud800",
]  # fmt: skip


def mark(tenant):
    """What is in all that is a tenant's, and nowhere else."""
    return f"secret-{TENANTS.index(tenant):03}-"


def leaks(said, tenant):
    """The marks of others in what a tenant was told."""
    return {other for other in TENANTS if other != tenant and mark(other) in said}


class Fuzz:
    """Calls of every kind, each with arguments that are meant to break out of a statement."""

    def __init__(self, pool, seed):
        self.pool, self.draw, self.refused = pool, random.Random(seed), 0
        for tenant in TENANTS:
            self.begin(pool.get(tenant), tenant)

    def begin(self, store, tenant):
        """The same ids, keys, turns, events and shelves for all; the content is theirs alone."""
        secret = mark(tenant)
        for id_ in ("m", "n"):
            store.add(f"{secret}{id_} about tea", id=id_, session="s", actor="k",
                      metadata={"said": secret, "n": 1})  # fmt: skip
        store.add(f"{secret}old value", key="k", id="o")
        store.add(f"{secret}new value", key="k", id="p")
        store.link("m", "n", "mine")
        store.recall("about tea", turn="t", k=3)
        store.signal("m", "liked", event_id="e")
        store.plumbing.shelf("notes")["k"] = {"said": secret}

    def hostile(self):
        return self.draw.choice(HOSTILE)

    def where(self):
        name = self.draw.choice(("session", "actor", "key", "id", "text", "said", "n", "origin"))
        field, value = F(name), self.hostile()
        return self.draw.choice(
            (
                lambda: field == value,
                lambda: field != value,
                lambda: ~(field == value) | field.exists(),
                lambda: field.is_in([value, self.hostile()]),
                lambda: field.icontains(value),
                lambda: field > value,
            )
        )()

    def calls(self, store, tenant):
        """One call of each kind, not made yet."""
        draw, text = self.draw, f"{mark(tenant)}{self.hostile()} about tea"
        one, other = self.hostile(), self.hostile()
        kind, type_ = draw.choice(list(SignalKind)), draw.choice(("mine", "next", one))
        shelf = store.plumbing.shelf
        return {
            "search": lambda: store.search(one or "tea", k=50, where=self.where(), session=other),
            "nearly all": lambda: store.search("about tea", k=50, where=self.where()),
            "chain": lambda: store.context_chain("tea " + one, k=9, hops=2, types=[type_]),
            "past": lambda: store.search("tea", k=50, as_of=draw.random() * 1e9),
            "recall": lambda: store.recall("tea " + one, k=9, turn=other),
            "get": lambda: store.get(one),
            "get_many": lambda: store.get_many([one, other, "m"]),
            "history": lambda: store.history(draw.choice((one, "p"))),
            "edges": lambda: store.edges(draw.choice((one, "m"))),
            "signals": lambda: store.signals(draw.choice((one, "m"))),
            "latest": lambda: store.latest(50, where=self.where()),
            "iterate": lambda: list(store.iterate(where=self.where())),
            "why_not": lambda: store.why_not("tea " + one, draw.choice((other, "m"))),
            "shown": lambda: store.plumbing.shown(draw.choice((one, "t"))),
            "shelf": lambda: dict(shelf(draw.choice((one, "notes")))),
            "put": lambda: shelf("notes").update({one: {"said": text}}),
            "add": lambda: store.add(text, id=one, key=other, session=one, actor=other,
                                     metadata={one: text}),
            "supersede": lambda: store.supersede(one, text, id=other),
            "update": lambda: store.update(one, text=text, session=other),
            "link": lambda: store.link(one, other, type_),
            "signal": lambda: store.signal(draw.choice((one, "m")), kind, event_id=other),
            "feedback": lambda: store.feedback(one, "liked", event_id=other),
            "name_turn": lambda: store.plumbing.name_turn("t", one),
            "forget": lambda: store.forget([one], dry_run=True),
            "sizes": lambda: self.pool.forget_tenant(tenant, dry_run=True).bytes > 0,
            "stats": store.stats,
        }  # fmt: skip

    def step(self):
        """One of them; what it told, and whom."""
        tenant = self.draw.choice(TENANTS)
        store = self.pool.get(tenant)
        calls = self.calls(store, tenant)
        try:
            said = repr(calls[self.draw.choice(list(calls))]())
        except (FeatherError, LookupError, ValueError, TypeError) as error:
            self.refused += 1
            said = f"{error} {vars(error)}"
        return said, tenant


@pytest.fixture
def fuzz():
    """Of a user whom row-level security binds."""
    url = servers.as_nobody_special(servers.emptied("fuzz"))
    with TenantPool(url, embedder=HashEmbedder(32), max_open=8) as pool:
        yield Fuzz(pool, seed=7)
        for tenant in TENANTS:
            with pool.lease(tenant) as store:
                assert store.check() == []
                told = [repr(memory) for memory in store.iterate()]
                assert all(mark(tenant) in each for each in told)


def told_nothing(fuzz, calls):
    told = 0
    for _ in range(calls):
        said, tenant = fuzz.step()
        assert leaks(said, tenant) == set(), (tenant, said)
        told += mark(tenant) in said
    assert told > calls / 8, "they are told of themselves"
    assert fuzz.refused > calls / 50
    assert fuzz.pool.count() == len(TENANTS)


def test_no_call_tells_a_tenant_of_another(fuzz):
    told_nothing(fuzz, 150)


@pytest.mark.long
def test_ten_thousand_calls_tell_no_tenant_of_another(fuzz):
    told_nothing(fuzz, 10_000)


# A statement that names another than the transaction said


def forged(store, victim):
    """All that the nouns of a transaction tell when their statements name somebody else."""
    told = []
    with store._core.truth.reading() as moment:
        moment._moment.tenant = victim
        for ask in (
            lambda: list(moment.memories.stream()),
            lambda: moment.memories.by_ids(["m", "n"]),
            lambda: moment.memories.latest(9, None),
            lambda: moment.memories.changes(since=0, next_row=99).appended,
            lambda: moment.edges.touching(["m"]),
            lambda: list(moment.edges.supersessions()),
            lambda: list(moment.engagement.stream()),
            lambda: moment.engagement.recalled("t"),
            lambda: moment.shelves.every("notes"),
            lambda: [moment.memories.count()],
            moment.audit.rows,
        ):
            found = ask()
            if found and found != [0]:
                told.append(repr(found))
    return told


def writes(store, victim):
    """Whether a write can be made in another's name."""
    with suppress(FeatherError), store._core.truth.writing() as transaction:
        transaction._moment.tenant = victim
        transaction.shelves.put("notes", [("forged", "1")])
        return True
    return False


def test_a_statement_with_a_forged_tenant_reads_and_writes_nothing(fuzz):
    """And without the second lock it does, for any two: so that is what holds it."""
    pairs = [(own, victim) for own in TENANTS[:3] for victim in TENANTS if own != victim]
    for own, victim in pairs:
        store = fuzz.pool.get(own)
        assert forged(store, victim) == [], (own, victim)
        assert not writes(store, victim)
    assert Moment.__dataclass_fields__["tenant"]  # what is forged is what statements are given

    with psycopg.connect(servers.database("fuzz"), autocommit=True) as owner:
        for table in servers.KEPT:
            owner.execute(f"alter table feather.{table} disable row level security")
        try:
            for own, victim in pairs[:6]:
                told = forged(fuzz.pool.get(own), victim)
                assert any(mark(victim) in each for each in told)
        finally:
            for table in servers.KEPT:
                owner.execute(f"alter table feather.{table} enable row level security")
