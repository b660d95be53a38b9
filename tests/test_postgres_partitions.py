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


def test_tables_that_are_there_do_not_become_of_another_number_of_parts(url):
    place = servers.server_place(url)

    assert servers.migrate(url, place, partitions=PARTS) == servers.migrate(url, place) > 0
    with pytest.raises(ParameterError, match="3 partitions"):
        servers.migrate(url, place, partitions=4)
