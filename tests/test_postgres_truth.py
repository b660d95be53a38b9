"""The truth on a PostgreSQL server keeps the contract of truths."""

from __future__ import annotations

import pytest
from servers import database, emptied

from feather_memory.testing.truth import TruthContract
from feather_memory.truth.postgres.server import Server
from feather_memory.truth.postgres.tenancy import PostgresTruth
from feather_memory.truth.sqlite.file import SqliteTruth
from feather_memory.write.copying import fill


class TestPostgresTruth(TruthContract):
    @pytest.fixture(autouse=True)
    def _empty(self):
        for name in ("here", "copy"):
            emptied(name)

    def open_truth(self, place, clock, tenant=None):
        url = database("copy" if place.name == "copy" else "here")
        return PostgresTruth(Server.at(url), tenant or "alice", clock=clock, fill=fill)

    def open_backup(self, path, clock):
        return SqliteTruth(path, clock=clock)
