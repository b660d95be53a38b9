"""What every adapter promises of a tenant who has no memory yet: as tests to subclass.

class TestMyReading(AbsenceContract):
    reading = {"a search": (lambda pool: MyAdapter(pool, tenant="alice").search("tea"), [])}
"""
# ruff: noqa: S101 -- these are tests, which run under pytest

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from feather_memory.tenants.pool import TenantPool


class AbsenceContract:
    """Tests that whoever has no memory gets none by being asked about."""

    reading: ClassVar[Mapping[str, tuple[Callable[[TenantPool], Any], Any]]]
    """By its name what asks the memory of `alice`, or removes from it, and what it answers."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each is tested."""
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", self.reading)

    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[TenantPool]:
        """A pool without a tenant."""
        with TenantPool(tmp_path / "tenants") as pool:
            yield pool

    def test_reading_makes_no_file_for_a_tenant_who_has_none(
        self, pool: TenantPool, name: str
    ) -> None:
        """It answers that there is nothing, and there is nothing afterwards."""
        read, nothing = self.reading[name]

        assert read(pool) == nothing
        assert pool.tenants() == []
