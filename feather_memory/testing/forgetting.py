"""What every door of an adapter promises of what is forgotten: as tests to subclass.

class TestMyForgetting(ForgettingContract):
    doors = (remembered, cached)
"""
# ruff: noqa: S101 -- these are tests, which run under pytest

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final, TypeAlias

import pytest

from feather_memory.store.store import Store
from feather_memory.truth.sqlite.shelves import SqliteShelves

CANARY: Final = "canary-4711"
SECRET: Final = f"The PIN of the safe is {CANARY}."
"""What doors write, and what is forgotten."""

Door: TypeAlias = Callable[[Store], list[str]]
"""Writes `SECRET` with whatever an adapter keeps beside; the ids of the memories that say it."""


def ids_of_secrets(store: Store) -> list[str]:
    """The ids of the memories that say the secret."""
    return [memory.id for memory in store.iterate() if CANARY in memory.text]


def is_kept(store: Store) -> bool:
    """Whether the secret is in any file of the store, which is closed by now."""
    store.close()
    files = store.path.parent.glob(f"{store.path.name}*")
    return any(CANARY.encode() in each.read_bytes() for each in files)


class ForgettingContract:
    """Tests of doors by which a text comes into a tenant's file."""

    doors: ClassVar[Sequence[Door]]
    tenant: ClassVar[str | None] = "alice"
    """Whose the file is; None for nobody's."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each door is tested."""
        if "door" in metafunc.fixturenames:
            metafunc.parametrize("door", self.doors)

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Store]:
        """An empty store."""
        with Store.open(tmp_path / "one.feather", tenant=self.tenant) as store:
            yield store

    def test_no_byte_of_it_is_left(self, opened: Store, door: Door) -> None:
        """Neither in the memories nor in what is kept beside, of which the caller is told."""
        ids = door(opened)
        assert ids

        gone = opened.forget(ids)

        assert set(ids) <= set(gone.ids)
        assert gone.shelved or len(gone.ids) > len(ids)
        assert opened.check() == []
        assert not is_kept(opened)

    def test_without_its_ties_it_would_be_left(
        self, opened: Store, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The negative control."""
        ids = door(opened)
        monkeypatch.setattr(SqliteShelves, "tied", lambda *_: [])

        opened.forget(ids)

        assert is_kept(opened)
