"""A window over a memory that is known by heart, and a Chromium that looks at it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module, resources

import ada
import pytest
import uvicorn

from feather_memory.doors.window import Visits, window_app
from feather_memory.doors.window.stores import Stores

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip
PATIENCE = 15_000
"""Milliseconds that something may take on a machine that others use, too; not what is promised."""


class Window:
    """One that is open, and its links."""

    def __init__(self, pool):
        self.pool = pool
        self.visits = Visits()
        self.port = 0
        self.admissions = 0

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"

    def link(self):
        return f"{self.address}#{self.visits.invite()}"

    def admitted(self):
        self.admissions += 1


@contextmanager
def served(pool):
    """A window over a pool, listening on a port of this machine."""
    window = Window(pool)
    config = uvicorn.Config("", host="127.0.0.1", port=0, log_level="warning", ws="none")
    bound = config.bind_socket()
    window.port = bound.getsockname()[1]
    stores = Stores("memories", pool.recent, pool.get)
    app = window_app(stores, window.visits, window.port, admitted=window.admitted)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield window
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """Ada's and Bob's memories, as files to copy."""
    return ada.told(tmp_path_factory.mktemp("told"))


@pytest.fixture
def window(told, tmp_path):
    """Ada's and Bob's memory, in May 2026; sound afterwards, whatever was done."""
    with ada.pool_of(told, tmp_path / "memories", NOW) as pool:
        with served(pool) as window:
            yield window
        assert [name for name in pool.tenants() if pool.get(name).check()] == []


@pytest.fixture(scope="session")
def chromium():
    """A browser. Where anything of it is missing this fails, and says what: nothing is skipped."""
    program = os.environ.get("FEATHER_CHROMIUM") or shutil.which("chromium")
    assert program, "there is no chromium: apt-get install chromium, or name it as FEATHER_CHROMIUM"
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens pages, each in a context of its own; none may ask anywhere else, or log an error."""
    contexts, faults = [], []

    def opened(link, *, whose="ada", **context):
        made = chromium.new_context(viewport={"width": 1280, "height": 820}, **context)
        contexts.append(made)
        page = made.new_page()
        page.set_default_timeout(PATIENCE)
        page.clock.set_fixed_time(NOW)
        own = link.partition("#")[0]
        page.on("request", lambda asked: faults.append(f"asked {asked.url}")
                if not asked.url.startswith((own, f"blob:{own}")) else None)  # fmt: skip
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(link)
        page.wait_for_selector("html[data-ready]")
        if whose is not None and page.locator("#tenant").count():
            page.select_option("#tenant", whose)
            page.wait_for_function(f"location.hash.includes('whose={whose}')")
            settled(page)
        return page

    opened.faults = faults
    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(window, open_page):
    """The window, showing Ada's memories."""
    return open_page(window.link())


def settled(page):
    """Until all that the page asked is answered and drawn."""
    page.wait_for_load_state("networkidle")


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, as a package of its own ships it."""
    package = import_module("axe_playwright_python")
    return (resources.files(package) / "axe.min.js").read_text("utf-8")
