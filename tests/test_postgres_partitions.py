"""Tables of partitions by the tenant's hash: what a tenant has is in one of each."""

from __future__ import annotations

import pytest

servers = pytest.importorskip("servers")
psycopg = servers.psycopg

from twins import Twins  # noqa: E402

from feather_memory import ParameterError, TenantPool  # noqa: E402

PARTS = 3
TENANTS = [f"tenant {n}" for n in range(8)]


@pytest.fixture(scope="module")
def url():
    return servers.migrated("parted", PARTS)


def test_a_store_in_partitions_is_as_one_in_a_file(url, path, clock, embedder):
    both = Twins(path, url, clock, embedder, seed=5)
    for step in range(60):
        both.step()
        if step % 10 == 0:
            both.probe()
    both.compare()
    both.close()


def test_tenants_are_spread_and_each_is_in_one_part_of_a_table(url):
    plain = servers.as_nobody_special(url)
    with TenantPool(plain) as pool:
        for name in TENANTS:
            store = pool.get(name)
            store.add_many({"text": f"{name} {n}", "id": f"m{n}"} for n in range(3))
            store.link("m0", "m1")
            assert {memory.text.rpartition(" ")[0] for memory in store.iterate()} == {name}
            assert store.check() == []
        assert set(TENANTS) <= set(pool.tenants())
        pool.forget_tenant(TENANTS[0])
        assert TENANTS[0] not in pool
    asked = "select tenant, tableoid::regclass::text from feather.{}"
    with psycopg.connect(url) as connection:
        for table in ("state", "memory", "edge"):
            found = set(connection.execute(asked.format(table)).fetchall())
            assert len({part for _, part in found}) > 1
            assert len({tenant for tenant, _ in found}) == len(found)


def test_no_part_of_a_table_is_a_way_around_the_second_lock(url):
    """Neither through the table, nor to the part itself, for which nobody is given a right."""
    plain = servers.as_nobody_special(url)
    with TenantPool(plain) as pool:
        pool.get("alice").add("secret")
    with psycopg.connect(plain, autocommit=True) as forgetful:
        for table in servers.KEPT:
            assert forgetful.execute(f"select * from feather.{table}").fetchall() == []
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                forgetful.execute(f"select * from feather_parts.{table}_0")
    locks = """
        select count(*), bool_and(relrowsecurity and relforcerowsecurity) from pg_class
        where relnamespace = 'feather_parts'::regnamespace and relkind = 'r'
    """
    with psycopg.connect(url) as owner:
        assert owner.execute(locks).fetchone() == (PARTS * len(servers.KEPT), True)


def test_what_a_tenant_forgets_is_cleared_from_their_own_part_of_a_table(url):
    """By a user with no rights but those that are asked for; the other parts are left alone."""
    plain = servers.as_nobody_special(url)
    with psycopg.connect(plain) as connection:
        if connection.info.server_version < servers.CLEARS:
            pytest.skip("before PostgreSQL 17 only an owner clears")
    with TenantPool(plain) as pool:
        alice = pool.get("forgetful")
        alice.add_many({"text": f"tea {n}", "id": f"m{n}"} for n in range(3))
        before = cleared(url)
        alice.forget(["m0", "m1"])
        after = cleared(url)
        assert alice.check() == []
    with psycopg.connect(url) as connection:
        asked = "select tableoid::regclass::text from feather.memory where tenant = 'forgetful'"
        (mine,) = connection.execute(asked).fetchone()

    number = mine.rpartition("_")[2]
    assert {part for part in after if after[part] > before[part]} == {
        f"{table}_{number}" for table in servers.KEPT
    }


def test_a_user_who_may_clear_nothing_forgets_all_the_same(url):
    plain = servers.as_nobody_special(url)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"revoke all on schema feather_parts from {servers.ROLE}")
        owner.execute(f"revoke all on all tables in schema feather_parts from {servers.ROLE}")
    before = cleared(url)
    with TenantPool(plain) as pool:
        alice = pool.get("powerless")
        alice.add("tea", id="m")
        alice.forget("m")

        assert (list(alice.iterate()), alice.check()) == ([], [])
    assert cleared(url) == before


def cleared(url):
    """How often each part of a table was, by a statement."""
    asked = (
        "select relname, vacuum_count from pg_stat_all_tables where schemaname = 'feather_parts'"
    )
    with psycopg.connect(url) as connection:
        return dict(connection.execute(asked).fetchall())


def test_tables_that_are_there_do_not_become_of_another_number_of_parts(url):
    place = servers.server_place(url)

    assert servers.migrate(url, place, partitions=PARTS) == servers.migrate(url, place) > 0
    with pytest.raises(ParameterError, match="3 partitions"):
        servers.migrate(url, place, partitions=4)
