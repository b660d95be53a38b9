"""The window's application: who may look, what is told, and what a change does, without a browser.

tests/browser has what a person sees of it.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import ada
import httpx
import pytest
from typer.testing import CliRunner

import feather_memory
from feather_memory import Store, TenantPool
from feather_memory.cli import app as command_line
from feather_memory.config import WINDOW_USES
from feather_memory.doors.window import Visits, window_app
from feather_memory.doors.window.assets import POLICY, assets
from feather_memory.doors.window.stores import Stores
from feather_memory.errors import NotAllowedError
from feather_memory.importers import exports

PORT = 8_123
OWN = f"http://127.0.0.1:{PORT}"
PAGE = Path(feather_memory.__file__).parent / "doors" / "window" / "page"
VERBS = ["place", "span", "page", "search", "memory", "walk", "turns", "why-not", "add",
         "correct", "affirm", "weigh", "forget", "undo", "export"]  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Ada's and Bob's memories, as files to copy."""
    return ada.told(tmp_path_factory.mktemp("told"))


@pytest.fixture
def pool(told, tmp_path):
    with ada.pool_of(told, tmp_path / "memories", ada.day(2026, 5, 20)) as pool:
        yield pool
        assert [name for name in pool.tenants() if pool.get(name).check()] == []


@pytest.fixture
def visits():
    return Visits()


@pytest.fixture
def admitted():
    return []


@pytest.fixture
def app(pool, visits, admitted):
    stores = Stores("memories", pool.recent, pool.get)
    return window_app(stores, visits, PORT, admitted=lambda: admitted.append(1))


class Asking:
    """A page's way to ask."""

    def __init__(self, client):
        self.client = client

    async def __call__(self, verb, status=200, **body):
        answer = await self.client.post(f"/api/{verb}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def of_ada(self, verb, status=200, **body):
        return await self(verb, status, tenant="ada", **body)


@asynccontextmanager
async def client(app, key=None, **headers):
    if key is not None:
        headers["authorization"] = f"Bearer {key}".encode()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=OWN, headers=headers) as made:
        yield made


@pytest.fixture
async def ask(app, visits):
    key = visits.admit(visits.invite())
    async with client(app, key) as made:
        yield Asking(made)


def texts(memories):
    return [memory["text"] for memory in memories]


# Who may look


async def test_a_link_opens_one_page_once(app, visits, admitted):
    token = visits.invite()
    async with client(app, token) as made:
        first = await made.post("/api/enter", json={})
        again = await made.post("/api/enter", json={})

    assert (first.status_code, again.status_code) == (200, 401)
    assert admitted == [1]
    async with client(app, first.json()["key"]) as made:
        assert (await made.post("/api/place", json={})).status_code == 200
        assert (await made.post("/api/enter", json={})).status_code == 403


async def test_a_token_is_no_key_and_a_further_link_takes_the_last_ones_place(app, visits):
    first = visits.invite()
    async with client(app, first) as made:
        assert (await made.post("/api/place", json={})).status_code == 403
        second = visits.invite()
        assert (await made.post("/api/enter", json={})).status_code == 401
    with pytest.raises(NotAllowedError):
        visits.admit(first)
    assert visits.admit(second) != second


@pytest.mark.parametrize("verb", VERBS)
async def test_without_a_key_nothing_is_told(app, visits, verb):
    visits.invite()
    for key in (None, "", "x", "é"):
        async with client(app, key) as made:
            answer = await made.post(f"/api/{verb}", json={"tenant": "ada"})
            assert answer.status_code == 401
            assert "Ada" not in answer.text


def test_every_path_is_among_those_that_are_tried(app):
    from feather_memory.doors.window.paths import router

    paths = {route.path.removeprefix("/api/") for route in router.routes}
    assert paths == {*VERBS, "enter"}


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "", "[::1", "10.0.0.1"])
@pytest.mark.parametrize("path", ["/", "/main.js", "/api/place"])
async def test_under_another_name_nothing_is_there(app, visits, host, path):
    key = visits.admit(visits.invite())
    async with client(app, key, host=host) as made:
        answer = await made.get(path)

    assert answer.status_code == 421


@pytest.mark.parametrize(
    "origin",
    ["https://example.org", "null", "http://127.0.0.1", f"http://127.0.0.1:{PORT + 1}",
     f"https://127.0.0.1:{PORT}", f"http://localhost.example.org:{PORT}"],
)  # fmt: skip
async def test_scripts_of_another_page_are_told_nothing_even_with_a_key(app, visits, origin):
    key = visits.admit(visits.invite())
    async with client(app, key, origin=origin) as made:
        for path in ("/", "/api/place"):
            answer = await made.post(path, json={})
            assert answer.status_code == 403
            assert "ada" not in answer.text
            assert "access-control-allow-origin" not in answer.headers


async def test_its_own_page_may_ask_under_each_name_of_this_machine(app, visits):
    key = visits.admit(visits.invite())
    for name in ("127.0.0.1", "localhost", "[::1]"):
        own = f"{name}:{PORT}"
        async with client(app, key, host=own, origin=f"http://{own}") as made:
            assert (await made.post("/api/place", json={})).status_code == 200


async def test_every_answer_says_what_a_page_may_do(app, ask):
    async with client(app) as made:
        for answer in (await made.get("/"), await made.get("/main.js"), await made.get("/nothing")):
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
    answer = await ask.client.post("/api/place", json={})
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"


# The page's files


async def test_the_files_are_sent_and_sent_again_only_if_they_changed(app):
    async with client(app) as made:
        page = await made.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "What is remembered" in page.text
        for path, asset in assets().items():
            first = await made.get(path)
            assert first.content == asset.body
            known = {"if-none-match": first.headers["etag"]}
            again = await made.get(path, headers=known)
            assert (again.status_code, again.content) == (304, b"")
        assert (await made.get("/../app.py")).status_code == 401


def test_no_file_of_the_page_names_another_place():
    for path in PAGE.iterdir():
        said = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.[a-z]", said), path.name
        assert "@import" not in said


def test_no_script_of_the_page_turns_text_into_markup_or_code():
    """The browser refuses it, too, by the page's policy; here it is not even written."""
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|Function\(|srcdoc"
    for path in PAGE.glob("*.js"):
        assert not re.search(ways, path.read_text("utf-8")), path.name
    page = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page)


def test_every_module_is_loaded_ahead_and_every_file_is_asked_for():
    page = (PAGE / "index.html").read_text("utf-8")
    modules = {path.name for path in PAGE.glob("*.js")} - {"main.js"}
    assert set(re.findall(r'modulepreload" href="/([\w.]+)"', page)) == modules
    assert {"window.css", "main.js", "feather.svg"} <= set(
        re.findall(r'(?:href|src)="/([\w.]+)"', page)
    )


# What is told


async def test_the_place_says_whose_memories_there_are(ask):
    told = await ask("place")
    assert set(told["tenants"]) == {"ada", "bob"}
    answer = await ask.client.post("/api/place?like=BO", json={})
    assert answer.json()["tenants"] == ["bob"]
    await ask("page", 403, tenant="nobody")


async def test_the_span_is_what_the_sliders_move_over(ask, pool):
    told = await ask.of_ada("span")

    assert told["first"] == "2025-01-10T09:00:00Z"
    assert told["last"].startswith("2026-04-05T09:00:00")
    pool.get("empty")
    assert await ask("span", tenant="empty") == {"first": None, "last": None}


async def test_a_page_holds_what_is_true_and_another_what_is_not(ask):
    now = await ask.of_ada("page")
    past = await ask.of_ada("page", which="past")

    assert now["total"] == 12
    assert all(memory["holds"] for memory in now["memories"])
    assert texts(past["memories"]) == ["Ada takes the seven o'clock ferry to work",
                                       "Ada lives in Oslo"]  # fmt: skip
    second = await ask.of_ada("page", offset=5, count=3)
    assert second["memories"] == now["memories"][5:8]


async def test_a_list_is_told_how_long_texts_begin_and_one_memory_is_told_whole(ask, pool):
    text = "Ada wrote a long letter. " * 20_000
    pool.get("ada").add(text, id="long", metadata={"from": "the attic"})
    lists = [await ask.of_ada("page"), await ask.of_ada("search", question="a long letter")]

    assert all(len(json.dumps(told)) < 20_000 for told in lists)
    listed = lists[1]["hits"][0]["memory"]
    assert (listed["text"], listed["metadata"]) == (f"{text[:600]}…", {})
    whole = (await ask.of_ada("memory", id="long"))["memory"]
    assert (whole["text"], whole["metadata"]) == (text, {"from": "the attic"})


async def test_the_whole_page_travels(ask):
    summer = ada.day(2025, 8, 1).timestamp()
    then = {"as_of": summer}

    assert "Ada lives in Oslo" in texts((await ask.of_ada("page", **then))["memories"])
    found = await ask.of_ada("search", question="where does Ada live?", **then)
    assert found["hits"][0]["memory"]["text"] == "Ada lives in Oslo"
    bergen = await ask.of_ada("memory", id="bergen", **then)
    assert (bergen["memory"]["holds"], bergen["reason"]) == (False, "not_yet_valid")
    assert [version["holds"] for version in bergen["history"]] == [True, False]
    assert (await ask.of_ada("turns", **then))["total"] == 0
    nuts = await ask.of_ada("memory", id="nuts", **then)
    assert (len(nuts["importances"]), nuts["signals"]) == (1, [])
    walk = await ask.of_ada("walk", id="quay", known_at=summer)
    assert len(walk["nodes"]) == 1
    assert (await ask.of_ada("page", known_at=summer))["total"] == 8


async def test_the_parts_of_a_receipt_sum_to_the_score(ask):
    told = await ask.of_ada("search", question="where does Ada live?", count=12)

    assert told["hits"][0]["memory"]["id"] == "bergen"
    for hit in told["hits"]:
        assert sum(hit["parts"].values()) == pytest.approx(hit["score"], abs=1e-9)
        assert 0 <= hit["relevance"] <= 1


async def test_a_look_writes_nothing(ask, pool):
    before = pool.get("ada").stats()
    for verb, body in (("search", {"question": "tea"}), ("memory", {"id": "tea"}), ("walk", {}),
                       ("turns", {}), ("page", {}), ("span", {}),
                       ("why-not", {"id": "tea", "question": "tea"}),
                       ("forget", {"ids": ["tea"]})):  # fmt: skip
        await ask.of_ada(verb, **body)
    assert pool.get("ada").stats() == before


async def test_one_memory_is_told_with_its_past_links_signals_weight_and_uses(ask):
    told = await ask.of_ada("memory", id="bergen")

    assert texts(told["history"]) == ["Ada lives in Oslo",
                                      "Ada lives in Bergen, near the fish market"]  # fmt: skip
    assert {(link["type"], link["is_outgoing"], link["other"]["id"]) for link in told["links"]} == {
        ("supersedes", True, "oslo"), ("caused_by", False, "quay"),
    }  # fmt: skip
    assert [signal["kind"] for signal in told["signals"]] == ["liked"]
    assert [value for _, value in told["importances"]] == pytest.approx([0.4, 0.45])
    assert {use["turn"] for use in told["uses"]} == {"morning-1", "dinner"}
    assert told["reason"] is None
    assert (await ask.of_ada("memory", id="oslo"))["reason"] == "superseded"
    await ask.of_ada("memory", 404, id="nobody")


async def test_a_walk_is_bounded_and_says_what_it_leaves_out(ask, pool):
    store = pool.get("ada")
    with store.transaction():
        for n in range(70):
            store.add(f"note {n}", id=f"x{n}")
            store.link("x0" if n else "tea", f"x{n}", "related_to", 0.9)

    told = await ask.of_ada("walk", id="x0")

    nodes = {node["memory"]["id"]: node for node in told["nodes"]}
    assert len(nodes) == 40
    assert nodes["x0"]["hop"] == 0
    assert nodes["x0"]["unseen"] == 70 - (len(nodes) - 1)
    assert {edge["source"] for edge in told["edges"]} | {edge["target"] for edge in told["edges"]} \
        <= nodes.keys()  # fmt: skip
    assert (await ask.of_ada("walk"))["centre"] == "x0"
    assert (await ask("walk", tenant="bob"))["centre"] is None


async def test_turns_say_what_was_told_in_order(ask):
    told = await ask.of_ada("turns")

    assert [turn["turn"] for turn in told["turns"]] == ["dinner", "morning-1"]
    morning = told["turns"][1]
    assert texts(morning["memories"])[0] == "Ada lives in Bergen, near the fish market"
    assert morning["scores"] == sorted(morning["scores"], reverse=True)
    assert len((await ask.of_ada("turns", offset=1))["turns"]) == 1


async def test_why_something_is_not_told_is_asked_as_an_agent_asks(ask):
    async def gate(id_, question):
        return (await ask.of_ada("why-not", id=id_, question=question))["gate"]

    assert await gate("oslo", "where does Ada live?") == "superseded"
    assert await gate("asks", "remind me of the recital") == "filtered"
    assert await gate("tea", "bicycles") == "irrelevant"
    told = await ask.of_ada("why-not", id="bergen", question="where does Ada live?")
    assert (told["is_returned"], told["rank"]) == (True, 1)


@pytest.mark.parametrize(
    ("verb", "body"),
    [("page", {"count": 0}), ("page", {"count": 201}), ("page", {"offset": -1}),
     ("page", {"which": "all"}), ("page", {"unknown": 1}), ("search", {}),
     ("search", {"question": "x" * 8_001}), ("forget", {"ids": []}), ("walk", {"hops": 9}),
     ("weigh", {"id": "tea", "kind": "saved"}), ("page", {"as_of": 1e300}),
     ("turns", {"as_of": 1e300}), ("memory", {"id": "tea", "known_at": -1e300}),
     ("correct", {"id": "tea", "text": " "}), ("add", {"text": ""})],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_in_a_sentence(ask, verb, body):
    told = await ask.of_ada(verb, 422, **body)
    assert isinstance(told["detail"], str)
    assert told["detail"]


# What is changed


async def everything(ask):
    """All that is told of Ada's memory, current and past."""
    pages = [await ask.of_ada("page", which=which, count=200) for which in ("current", "past")]
    return [memory for page in pages for memory in page["memories"]]


async def test_a_correction_replaces_and_is_undone_whole(ask, pool):
    before = await everything(ask)
    done = await ask.of_ada("correct", id="bergen", text="Ada lives in Trondheim")

    assert done["said"] == "saved"
    told = await ask.of_ada("memory", id="bergen")
    assert told["reason"] == "superseded"
    assert told["memory"]["importance"] < 0.45
    assert (await ask.of_ada("undo", change=done["change"]))["id"] == "bergen"
    assert await everything(ask) == before
    await ask.of_ada("undo", 403, change=done["change"])
    again = await ask.of_ada("correct", id="bergen", text="Ada lives in Trondheim")
    assert texts((await ask.of_ada("memory", id=again["memory"]["id"]))["history"])[-1] == (
        "Ada lives in Trondheim"
    )


async def test_a_correction_that_was_corrected_is_undone_last_first(ask):
    before = await everything(ask)
    first = await ask.of_ada("correct", id="tea", text="Ada prefers cocoa")
    second = await ask.of_ada("correct", id=first["memory"]["id"], text="Ada prefers mint tea")

    await ask.of_ada("undo", 403, change=first["change"])
    await ask.of_ada("undo", change=second["change"])
    await ask.of_ada("undo", change=first["change"])
    assert await everything(ask) == before


async def test_a_correction_that_says_what_stands_is_no_change(ask):
    before = await everything(ask)
    done = await ask.of_ada("correct", id="oslo", text="Ada lives in Bergen, near the fish market")

    assert (done["said"], done["change"], done["memory"]["id"]) == ("known", None, "bergen")
    assert texts(await everything(ask)) == texts(before)


async def test_what_was_replaced_or_only_suggested_can_be_said_to_be_true_and_that_is_undone(
    ask, pool
):
    pool.get("ada").supersede("tea", "Ada prefers cocoa", id="cocoa", origin="assistant")
    before = await everything(ask)
    for wrong, text in (("tea", "Ada prefers cocoa"), ("oslo", "Ada lives in Oslo")):
        done = await ask.of_ada("correct", id=wrong, text=text)

        assert (done["memory"]["holds"], done["memory"]["origin"]) == (True, "user")
        assert done["memory"]["supersedes"]
        await ask.of_ada("undo", change=done["change"])
        assert await everything(ask) == before


async def test_what_is_added_takes_a_slot_over_and_is_undone_whole(ask):
    before = await everything(ask)
    done = await ask.of_ada("add", text="Ada drinks cocoa", key="drink")

    assert (await ask.of_ada("memory", id="tea"))["reason"] == "superseded"
    assert (await ask.of_ada("add", text="Ada drinks cocoa", key="drink"))["change"] is None
    assert (await ask.of_ada("undo", change=done["change"]))["id"] == "tea"
    assert await everything(ask) == before


async def test_to_affirm_counts_and_is_undone_whole(ask):
    before = (await ask.of_ada("memory", id="tea"))["memory"]

    done = await ask.of_ada("affirm", id="tea")
    assert done["memory"]["affirmed"] == before["affirmed"] + 1

    assert (await ask.of_ada("undo", change=done["change"]))["id"] == "tea"
    assert (await ask.of_ada("memory", id="tea"))["memory"] == before


async def test_a_memory_names_the_last_turns_that_it_was_used_in(ask, pool):
    for nth in range(WINDOW_USES + 5):
        pool.get("ada").recall("what does Ada drink?", turn=f"round {nth}")

    seen = await ask.of_ada("memory", id="tea")

    told = [use["turn"] for use in seen["uses"]]
    assert told == [f"round {nth}" for nth in reversed(range(5, WINDOW_USES + 5))]


async def test_to_weigh_is_undone(ask):
    before = (await ask.of_ada("memory", id="tea"))["memory"]["importance"]
    done = await ask.of_ada("weigh", id="tea", kind="liked")

    assert before == pytest.approx(0.4 - 0.15 + 0.05)
    assert done["memory"]["importance"] == pytest.approx(0.4)
    await ask.of_ada("undo", change=done["change"])
    assert (await ask.of_ada("memory", id="tea"))["memory"]["importance"] == pytest.approx(before)


async def test_a_change_is_undone_by_whose_it_is_alone(ask):
    done = await ask.of_ada("weigh", id="tea", kind="liked")

    await ask("undo", 403, tenant="bob", change=done["change"])
    await ask.of_ada("undo", change=done["change"])


async def test_to_forget_is_planned_and_then_done_as_planned(ask, pool):
    plan = await ask.of_ada("forget", ids=["bergen"])

    assert (plan["is_done"], texts(plan["also"])) == (False, ["Ada lives in Oslo"])
    assert (plan["edges"], plan["signals"]) == (2, 1)
    await ask.of_ada("forget", 422, ids=["bergen", "oslo"], confirm=plan["confirm"])
    done = await ask.of_ada("forget", ids=["bergen"], confirm=plan["confirm"])
    assert done["is_done"]
    await ask.of_ada("memory", 404, id="bergen")
    held = (pool.directory / "ada.feather").read_bytes()
    assert b"fish market" not in held
    assert b"hazelnuts" in held  # the control: what is kept is found like this


async def test_an_export_is_what_import_reads(ask, pool, tmp_path):
    answer = await ask.client.post("/api/export", json={"tenant": "ada"})

    assert answer.headers["content-type"] == "application/x-ndjson"
    with Store.open(tmp_path / "copy.feather") as copy:
        exports.restore(copy, io.StringIO(answer.text))
        assert {m.id: m.text for m in copy.iterate()} == {
            m.id: m.text for m in pool.get("ada").iterate()
        }
        assert copy.check() == []
    assert all(json.loads(line) for line in answer.text.splitlines())


async def test_what_cannot_be_written_is_said(tmp_path, visits):
    path = tmp_path / "a.feather"
    with Store.open(path) as store:
        store.add("Ada rows", id="rows")
    with Store.open(path, read_only=True) as store:
        app = window_app(Stores("a", lambda: ["a"], lambda _: store), visits, PORT)
        async with client(app, visits.admit(visits.invite())) as made:
            ask = Asking(made)
            assert (await ask("page", tenant="a"))["total"] == 1
            told = await ask("correct", 403, tenant="a", id="rows", text="Ada swims")
    assert told["detail"] == "this memory can only be read"


async def test_a_damaged_file_is_told_without_its_path(tmp_path, visits, pool):
    (pool.directory / "eve.feather").write_bytes(b"damaged")
    app = window_app(Stores("m", lambda: ["eve"], pool.get), visits, PORT)
    async with client(app, visits.admit(visits.invite())) as made:
        answer = await made.post("/api/page", json={"tenant": "eve"})

    assert answer.status_code == 503
    assert "eve" not in answer.text
    (pool.directory / "eve.feather").unlink()


# The command


@pytest.fixture
def opened(monkeypatch):
    """What the command would serve and open, where it does not wait to be stopped."""
    found = {"browser": [], "meanwhile": lambda: None}

    def listen_at(make, host, port, ready):
        found.update(app=make(port), host=host)
        ready()
        found["meanwhile"]()

    monkeypatch.setattr("feather_memory.doors.listening.listen_at", listen_at)
    monkeypatch.setattr("webbrowser.open", found["browser"].append)
    return found


def run(*words, code=0):
    done = CliRunner().invoke(command_line, ["window", *map(str, words)])
    assert done.exit_code == code, done.output
    return done.stderr


def test_the_command_opens_a_link_on_this_machine_and_says_it(told, opened):
    said = run(told, "--port", PORT)

    (link,) = opened["browser"]
    assert opened["host"] == "127.0.0.1"
    assert re.fullmatch(rf"http://127\.0\.0\.1:{PORT}/#[\w-]{{43}}", link)
    assert link in said
    assert "Ctrl-C closes it." in said


def test_the_command_shows_one_file_as_whose_it_is(tmp_path, opened):
    with Store.open(tmp_path / "me.feather") as store:
        store.add("I row")
    said = run(tmp_path / "me.feather", "--no-browser")

    assert opened["browser"] == []
    assert "me.feather" in said
    assert [each.name for each in tmp_path.iterdir()] == ["me.feather"]


def test_the_command_shows_the_tenants_of_a_server(opened):
    servers = pytest.importorskip("servers")
    url = servers.migrated("window")
    with TenantPool(url) as pool:
        pool.get("alice").add("Alice rows", id="rows")
    found = []

    async def asked():
        token = opened["browser"][0].partition("#")[2]
        async with client(opened["app"], token) as made:
            key = (await made.post("/api/enter", json={})).json()["key"]
        async with client(opened["app"], key) as made:
            ask = Asking(made)
            found.append((await ask("place"))["tenants"])
            done = await ask("correct", tenant="alice", id="rows", text="Alice swims")
            await ask("undo", tenant="alice", change=done["change"])
            found.append(texts((await ask("page", tenant="alice"))["memories"]))

    opened["meanwhile"] = lambda: asyncio.run(asked())
    run(url, "--port", PORT)

    assert found == [["alice"], ["Alice rows"]]
    with TenantPool(url) as pool:
        assert pool.get("alice").check() == []


def test_the_command_makes_nothing_where_nothing_is(tmp_path, opened):
    assert "no memories at" in run(tmp_path / "nowhere", code=1)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_which_extra_is_missing(tmp_path, monkeypatch):
    for name in [each for each in sys.modules if each.startswith("feather_memory.doors.window")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)

    said = run(tmp_path, code=1)

    assert "fastapi is not installed: pip install 'feather-memory[window]'" in said


def test_a_process_of_its_own_admits_one_page_tells_the_next_link_and_ends_when_told(
    told, tmp_path
):
    shutil.copytree(told, tmp_path / "memories")
    command = [sys.executable, "-m", "feather_memory", "window", "memories", "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address, token = link_in(process)
            held = {"authorization": f"Bearer {token}", "origin": address.rstrip("/")}
            key = httpx.post(f"{address}api/enter", json={}, headers=held).json()["key"]
            again, further = link_in(process, "For a further page")
            assert (again, further != token) == (address, True)
            held["authorization"] = f"Bearer {key}"
            place = httpx.post(f"{address}api/place", json={}, headers=held).json()
            assert set(place["tenants"]) == {"ada", "bob"}
            page = httpx.post(f"{address}api/page", json={"tenant": "ada"}, headers=held).json()
            assert page["total"] == 12
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) in {0, -signal.SIGTERM}
    for path in (tmp_path / "memories").glob("*.feather"):
        with Store.open(path) as store:
            assert store.check() == []


def link_in(process, said="What is remembered"):
    """The link in the line that says so, as address and token."""
    for line in process.stderr:
        if line.startswith(said):
            address, _, token = line.split()[-1].partition("#")
            return address, token
    raise AssertionError(process.stderr.read())
