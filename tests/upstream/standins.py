"""A pytest plugin: upstream's tests get a FeatherStore wherever they make a store of their own.

They import their classes by name, so the names are put in their place before they are imported.
What a server would do (make a database, drop it) does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import json
import os
import re
import tempfile
from pathlib import Path

import langgraph.store.memory
from langchain_feather_memory import FeatherStore

_FOLDER = tempfile.TemporaryDirectory(prefix="feather-upstream-")  # until the process ends
_NUMBERS = itertools.count()


class InMemory(FeatherStore):
    """As `InMemoryStore()` is made."""

    def __init__(self, *, index=None):
        super().__init__(Path(_FOLDER.name) / f"{next(_NUMBERS)}.feather", index=index)


def pytest_collection_modifyitems(config, items):
    """Leave out what run.py says, by patterns of their names."""
    patterns = [re.compile(each) for each in json.loads(os.environ.get("LEFT_OUT", "[]"))]
    left_out = [item for item in items if any(each.search(item.nodeid) for each in patterns)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    (config.rootpath / "left-out").write_text(str(len(left_out)))


def pytest_sessionfinish(session):
    """Say how many stores the tests made: where none, they tested nothing of ours."""
    (session.config.rootpath / "stores").write_text(str(next(_NUMBERS)))


def _place(conn_string):
    """The file of a database, by its name."""
    name = conn_string.split("?")[0].rsplit("/", 1)[-1]
    next(_NUMBERS)
    return Path(_FOLDER.name) / f"{name}.feather"


def _of_anybody(index):
    """What an index is to hold, without what only PostgreSQL's has."""
    said = dict(index or {})
    said.pop("ann_index_config", None)
    if said.get("fields", ()) is None:  # as if it were not said
        del said["fields"]
    return said or None


class _NoCursor:
    def execute(self, *_):
        return self


class Sync(FeatherStore):
    """As `PostgresStore` is made."""

    MIGRATIONS = ()

    @classmethod
    @contextlib.contextmanager
    def from_conn_string(
        cls, conn_string, *, pipeline=False, pool_config=None, index=None, ttl=None
    ):
        with cls(_place(conn_string), index=_of_anybody(index), ttl=ttl) as store:
            yield store

    def setup(self):
        """There is nothing to set up."""

    @contextlib.contextmanager
    def _cursor(self):
        yield _NoCursor()


class _NoAsyncCursor:
    async def execute(self, *_):
        return self


class Async(FeatherStore):
    """As `AsyncPostgresStore` is made."""

    MIGRATIONS = ()

    @classmethod
    @contextlib.asynccontextmanager
    async def from_conn_string(
        cls, conn_string, *, pipeline=False, pool_config=None, index=None, ttl=None
    ):
        async with cls(_place(conn_string), index=_of_anybody(index), ttl=ttl) as store:
            yield store

    async def setup(self):
        """There is nothing to set up."""

    async def start_ttl_sweeper(self, sweep_interval_minutes=None):
        return super().start_ttl_sweeper(sweep_interval_minutes)

    async def stop_ttl_sweeper(self):
        return await asyncio.to_thread(super().stop_ttl_sweeper)

    @contextlib.asynccontextmanager
    async def _cursor(self):
        yield _NoAsyncCursor()


class _NoServer:
    """A connection over which databases are made and dropped."""

    def __class_getitem__(cls, _):
        return cls

    @classmethod
    @contextlib.contextmanager
    def connect(cls, *_, **__):
        yield _NoCursor()


class _NoAsyncServer(_NoServer):
    @classmethod
    async def connect(cls, *_, **__):
        return contextlib.nullcontext(_NoAsyncCursor())


Original = langgraph.store.memory.InMemoryStore
langgraph.store.memory.InMemoryStore = InMemory
with contextlib.suppress(ModuleNotFoundError):
    postgres = importlib.import_module("langgraph.store.postgres")
    psycopg = importlib.import_module("psycopg")
    postgres.PostgresStore, postgres.AsyncPostgresStore = Sync, Async
    psycopg.Connection, psycopg.AsyncConnection = _NoServer, _NoAsyncServer
