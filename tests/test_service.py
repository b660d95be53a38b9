"""The service: two worker processes, real clients, hostile tenants, and what was tried."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn
from asgi import all_wait, living
from typer.testing import CliRunner

from feather_memory import ParameterError, Store, TenantPool
from feather_memory.agent import NOTE
from feather_memory.cli import app as command_line
from feather_memory.config import SERVICE_THREADS
from feather_memory.doors.client import MemoryClient, RefusedError
from feather_memory.doors.keys import Grant, KeyRing
from feather_memory.doors.limits import Lanes, Room
from feather_memory.doors.listening.patience import Patient
from feather_memory.doors.listening.sharing import Seat, Sharer, handed, share_out
from feather_memory.doors.service import ServiceSettings, service_app
from feather_memory.testing import HashEmbedder

SECONDS = 60
unix = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="elsewhere they share a socket")
PATHS = ["remember", "recall", "correct", "feedback", "forget", "history", "latest", "why-not",
         "link"]  # fmt: skip
WRITES = ["remember", "correct", "feedback", "forget", "link"]
HOSTILE = [
    "../../x", "..", ".", "%", "%2e", "%2e%2e%2f", "%00", "a/b", "a\\b", "/etc/passwd", "//x",
    "CON", "con", "nul", "User", "user", "USER", "caf\u00e9", "cafe\u0301", "😀", "👩‍👩‍👧", "a.",
    "a..", "a ", "a", " a", "?x=1", "#x", "a\n", "\na", "a\r\nb", "*", "'; drop", "keys",
    "x" * 250, "x" * 249 + "y",
]  # fmt: skip
REFUSED = ["\0", "a\0", "../\0", "x" * 251, "x" * 10_000, "\ud800", "a\udfff"]


def canary(name):
    return f"canary{HOSTILE.index(name)}x"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fill(directory):
    with TenantPool(directory, embedder=HashEmbedder()) as pool:
        for name in HOSTILE:
            pool.get(f"user:{name}").add(f"secret {canary(name)}")
        pool.get("team:red").add("the team deploys on mondays", id="t1")
        pool.get("global").add("everybody deploys on weekdays", id="g1")
    (directory / "user%3adamaged.feather").write_bytes(b"damaged")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service") / "inner"
    folder.mkdir()
    fill(folder / "memories")
    return folder


@pytest.fixture(scope="module")
def keys(folder):
    ring = KeyRing(folder / "memories")
    return {
        grant.name: ring.add(grant)
        for grant in (
            Grant(name="all", prefix=""),
            Grant(name="users", prefix="user:"),
            Grant(name="reader", prefix="user:", may_write=False),
            Grant(name="alice", tenant="user:alice", reads=("team:red", "global")),
            Grant(name="bob", tenant="user:bob"),
            Grant(name="gone", prefix=""),
        )
    }


@pytest.fixture(scope="module")
def url(folder, keys):
    """Two workers as `feather-memory serve` starts them."""
    port = free_port()
    command = [
        sys.executable, "-m", "feather_memory", "serve", "--dir", "memories", "--port", str(port),
        "--workers", "2", "--rate", "0",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    log = folder.parent / "log"
    with log.open("w+") as said:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(server, url, log)
            yield url
        finally:
            server.terminate()
            assert server.wait(SECONDS) == 0, log.read_text()
        told = log.read_text()
        assert "Traceback" not in told, told
        assert "'user:damaged' cannot be opened" in told
        assert not re.search(r"canary|secret|deploys|stripes", told), told
    with TenantPool(folder / "memories") as pool:
        assert [n for n in pool.tenants() if n != "user:damaged" and pool.get(n).check()] == []


def wait_for(server, url, log):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(log.read_text())


def posted(url, path, key, /, **body):
    """By a connection of its own: each may come to another worker."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    content = json.dumps(body)  # ASCII: half a pair of surrogates passes as an escape
    with httpx.Client(base_url=url, trust_env=False, timeout=SECONDS) as fresh:
        headers["Content-Type"] = "application/json"
        return fresh.post(f"/v1/{path}", content=content, headers=headers)


def done(url, path, key, /, **body):
    answer = posted(url, path, key, **body)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def texts_of(answer):
    return [memory["text"] for memory in answer["memories"]]


def test_without_a_key_only_health_readiness_and_the_schema_are_told(url):
    with httpx.Client(base_url=url, trust_env=False, timeout=SECONDS) as stranger:
        told = {p: stranger.get(p).status_code for p in ("/health", "/ready", "/openapi.json")}
        others = [stranger.get(path) for path in ("/", "/metrics", "/docs", "/v1/recall", "/keys")]
        others += [stranger.post(path) for path in ("/health", "/openapi.json")]
    others += [posted(url, path, None, nonsense=1) for path in (*PATHS, "nothing")]

    assert set(told.values()) == {200}
    assert {answer.status_code for answer in others} == {401}
    assert {answer.headers["www-authenticate"] for answer in others} == {"Bearer"}


def test_a_key_is_turned_away_before_what_it_says_is_looked_at(url, keys):
    nonsense = {"question": 7, "k": "many", "nonsense": []}
    for path in PATHS:
        assert posted(url, path, "forged", **nonsense).status_code == 401
        other = posted(url, path, keys["bob"], tenant="user:a", **nonsense)
        assert (other.status_code, "user:a" in other.text) == (403, False)
    for path in WRITES:
        assert posted(url, path, keys["reader"], tenant="user:a", **nonsense).status_code == 403
    for path in PATHS:
        assert posted(url, path, keys["all"], tenant="user:a", **nonsense).status_code == 422


def test_the_schema_has_an_example_for_every_body_that_is_a_body(url, keys):
    schema = httpx.get(f"{url}/openapi.json", trust_env=False).json()
    kinds = schema["components"]["schemas"]

    assert {f"/v1/{path}" for path in PATHS} <= set(schema["paths"])
    for path in PATHS:
        post = schema["paths"][f"/v1/{path}"]["post"]
        body = post["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        kind = kinds[body.rpartition("/")[2]]
        example = {
            name: each["examples"][0]
            for name, each in kind["properties"].items()
            if each.get("examples") and name in {*kind.get("required", ()), "tenant"}
        }
        assert set(kind.get("required", ())) <= {*example, "kind"}, path
        answer = posted(url, path, keys["all"], **{**example, "kind": "liked"})
        assert post["summary"]
        assert answer.status_code in {200, 201, 404, 422}
        if answer.status_code == 422:  # only for `kind`, which is a path's own
            assert [each["at"] for each in answer.json()["detail"]] == [["body", "kind"]]


LOWER = ["assistant", "tool", "import", "document"]


def test_what_the_user_stated_holds_whatever_somebody_else_sends(url, keys):
    """An application says who says something, and nothing else that is sent does."""
    mine = {"tenant": "user:laundry"}
    fact = done(url, "remember", keys["all"], **mine, text="Dora lives in Oslo", key="home")["id"]
    claims = {"origin": "user", "role": "user", "derived_from": fact, "supersedes": [fact]}
    for n, by in enumerate(LOWER):
        lie = {**mine, "text": f"Dora lives in Rome {n}", "origin": by}
        forged = {**lie, "role": "user", "metadata": claims, "importance": 1.0}
        note = done(url, "remember", keys["all"], **forged)["id"]
        for more in ({"key": "home"}, {"id": fact}, {"key": "home", "since": "2031-01-01"}):
            assert done(url, "remember", keys["all"], **forged, **more)["became"] != "saved"
        done(url, "correct", keys["all"], **lie, memory_id=fact)
        ends = {**mine, "source": fact, "target": note, "type": "derived_from"}
        assert posted(url, "link", keys["all"], **ends, origin=by).status_code == 422
        found = done(url, "history", keys["all"], **mine, memory_id=fact)["memories"]
        assert [(m["text"], m["origin"]) for m in found] == [("Dora lives in Oslo", "user")]

    trusted = {**mine, "text": "Dora lives in Rome", "key": "home", "origin": "user"}
    assert done(url, "remember", keys["all"], **trusted)["supersedes"] == [fact]


def test_a_hostile_tenant_reads_its_own_memory_and_nobody_elses(url, keys):
    for name in HOSTILE:
        told = done(url, "recall", keys["users"], tenant=f"user:{name}", question="secret canary")

        found = set(re.findall(r"canary\d+x", json.dumps(told)))
        assert found == {canary(name)}, name


def test_reading_makes_no_file_and_says_of_nobody_whether_they_are_there(url, keys, folder):
    before = sorted(folder.rglob("*.feather"))
    outside = sorted(path.name for path in folder.parent.iterdir())
    for name in ["user:nobody", "user:../../nobody", "COM1", "%41", "🦆"]:
        told = done(url, "recall", keys["all"], tenant=name, question="anything?")
        assert told["memories"] == []
        assert posted(url, "history", keys["all"], tenant=name, memory_id="x").status_code == 404
        answer = posted(url, "feedback", keys["all"], tenant=name, turn="t", kind="liked")
        assert answer.status_code == 404
        for path in ("forget", "latest"):
            done(
                url, path, keys["all"], tenant=name, **({"about": "x"} if path == "forget" else {})
            )

    assert sorted(folder.rglob("*.feather")) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == outside


def test_what_no_tenant_can_be_called_is_refused_with_a_reason(url, keys):
    for name in REFUSED:
        for path, body in (("recall", {"question": "x"}), ("remember", {"text": "x"})):
            answer = posted(url, path, keys["users"], tenant=f"user:{name}", **body)
            assert answer.status_code == 422, name
            assert "tenant's name" in answer.json()["detail"]
    assert posted(url, "recall", keys["all"], tenant="", question="x").status_code == 422
    assert posted(url, "recall", keys["all"], tenant=7, question="x").status_code == 422
    assert posted(url, "recall", keys["all"], question="x").status_code == 422


def test_a_damaged_file_is_its_own_tenants_trouble_and_tells_no_path(url, keys):
    answer = posted(url, "recall", keys["all"], tenant="user:damaged", question="x")

    assert answer.status_code == 503
    assert answer.json() == {
        "detail": "the memory cannot be reached at the moment; try again later"
    }


def test_a_body_whose_length_is_said_in_two_ways_ends_the_connection(url, keys):
    """What stands before the service might read the other: what follows would be another's call."""
    head = f"POST /v1/recall HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys['all']}\r\n"
    twice = f"{head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    hidden = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port), SECONDS) as client:
        client.sendall((twice + hidden).encode())
        told = b"".join(iter(lambda: client.recv(4_096), b""))

    assert told.startswith(b"HTTP/1.1 400")
    assert told.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("path", PATHS)
def test_a_tenant_that_is_named_is_never_passed_over(url, keys, path):
    """An empty name is no name; in the address nothing is said."""
    body = {"question": "stripes", "text": "tea", "memory_id": "t1"}

    for key, status in (("alice", 403), ("all", 422), ("users", 403)):
        assert posted(url, path, keys[key], tenant="", **body).status_code == status
    in_address = posted(url, f"{path}?tenant=user:bob", keys["alice"], **body)
    assert (in_address.status_code, "body" in in_address.json()["detail"]) == (422, True)


def test_what_was_attacked_holds(url, keys):
    """A body of megabytes, said or not said to be; a foreign host; a page; a long question."""
    headers = {"Authorization": f"Bearer {keys['all']}", "Content-Type": "application/json"}

    def endless():
        yield b'{"tenant": "user:a", "question": "'
        for _ in range(64):
            yield b"x" * (1 << 16)

    with httpx.Client(base_url=url, trust_env=False, timeout=SECONDS) as client:
        large = client.post("/v1/recall", content=b"x" * (2 << 20), headers=headers)
        try:
            streamed = client.post("/v1/recall", content=endless(), headers=headers).status_code
        except httpx.TransportError:  # it is closed while the client still sends
            streamed = 413
        host = client.get("/health", headers={"Host": "evil.example"})
        page = client.get("/health", headers={"Origin": "http://evil.example"})
    words = posted(url, "recall", keys["all"], tenant="user:a", question="tea " * 60_000)
    many = posted(url, "recall", keys["all"], tenant="user:a", question="tea", k=51)

    assert (large.status_code, streamed) == (413, 413)
    assert (host.status_code, page.status_code) == (421, 403)
    assert (words.status_code, "characters" in words.text) == (422, True)
    assert many.status_code == 422


def test_a_fact_that_changed_is_answered_with_what_it_replaced(url, keys):
    old = done(url, "remember", keys["bob"], text="Bob uses Python 3.10", key="python")
    new = done(url, "remember", keys["bob"], text="Bob uses Python 3.12", key="python")
    for _ in range(4):  # whichever worker
        told = done(url, "recall", keys["bob"], question="which Python does Bob use?", k=1)
        assert texts_of(told) == ["Bob uses Python 3.12"]
        assert told["prompt"].startswith(NOTE)
    past = done(url, "history", keys["bob"], memory_id=new["id"])
    why = done(url, "why-not", keys["bob"], question="which Python?", memory_id=old["id"])

    assert new["supersedes"] == [old["id"]]
    assert texts_of(past) == ["Bob uses Python 3.10", "Bob uses Python 3.12"]
    assert why["gate"] == "superseded"


def test_an_own_memory_is_read_with_the_teams_and_everybodys_where_the_key_says_so(url, keys):
    done(url, "remember", keys["alice"], text="alice deploys on fridays")
    layers = {"team": "team:red", "shared": "global"}
    told = done(url, "recall", keys["alice"], question="who deploys when?", **layers)
    other = posted(url, "recall", keys["bob"], question="who deploys when?", **layers)
    written = posted(url, "remember", keys["alice"], tenant="team:red", text="x")
    liked = posted(url, "feedback", keys["alice"], turn=told["turn"], kind="liked", **layers)
    own = done(url, "feedback", keys["alice"], turn=told["turn"], kind="liked")

    assert {memory["layer"] for memory in told["memories"]} == {"user", "team", "shared"}
    scores = [memory["score"] for memory in told["memories"]]
    assert scores == sorted(scores, reverse=True)
    assert (other.status_code, written.status_code, liked.status_code) == (403, 403, 403)
    assert len(own["signals"]) == 1


@pytest.mark.parametrize(("kind", "importance"), [("liked", 0.55), ("copied", 0.5)])
def test_feedback_through_any_worker_counts_once(url, keys, folder, kind, importance):
    name = f"user:fan of {kind}"
    id_ = done(url, "remember", keys["all"], tenant=name, text="zebras like stripes")["id"]
    turn = done(url, "recall", keys["all"], tenant=name, question="stripes")["turn"]
    for _ in range(4):
        told = done(url, "feedback", keys["all"], tenant=name, turn=turn, kind=kind)
        assert [each["memory_id"] for each in told["signals"]] == [id_]

    with TenantPool(folder / "memories") as pool:
        assert pool.get(name).get(id_).importance == importance
        assert len(pool.get(name).signals(id_)) == 1


def test_a_correction_by_feedback_is_of_ones_own_memory(url, keys):
    name = "user:corrected"
    done(url, "remember", keys["all"], tenant=name, text="zebras like spots")
    turn = done(url, "recall", keys["all"], tenant=name, question="zebras")["turn"]
    given = {"tenant": name, "turn": turn, "kind": "corrected", "correction": "zebras like stripes"}
    shared = posted(url, "feedback", keys["all"], shared="global", **given)
    done(url, "feedback", keys["all"], **given)
    told = done(url, "recall", keys["all"], tenant=name, question="what do zebras like?")
    missing = posted(url, "feedback", keys["all"], tenant=name, turn="nobody's", kind="liked")

    assert (shared.status_code, "one's own" in shared.text) == (422, True)
    assert texts_of(told) == ["zebras like stripes"]
    assert missing.status_code == 404


def test_a_key_that_is_revoked_opens_nothing_at_the_next_call(url, keys, folder):
    assert posted(url, "latest", keys["gone"], tenant="user:a").status_code == 200
    KeyRing(folder / "memories").revoke("gone")

    for _ in range(4):
        assert posted(url, "latest", keys["gone"], tenant="user:a").status_code == 401


def test_metrics_are_the_operators_and_name_no_tenant(url, keys):
    def metrics(key):
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.get(f"{url}/metrics", headers=headers, trust_env=False)

    posted(url, "made-up-path-of-mine", keys["all"])
    told = [metrics(keys["all"]).text for _ in range(8)]  # each worker tells its own

    assert not any("user:" in each or "made-up" in each for each in told)
    assert any(
        re.search(r'_total\{path="/v1/recall",status="200",worker="\d+"\} \d', t) for t in told
    )
    assert metrics(keys["users"]).status_code == 403


def workers_of(url, keys, enough):
    """Which processes answer, asked until `enough` says so."""
    deadline, found = time.monotonic() + SECONDS, set()
    headers = {"Authorization": f"Bearer {keys['all']}"}
    while not enough(found):
        assert time.monotonic() < deadline, found
        try:
            told = httpx.get(f"{url}/metrics", headers=headers, trust_env=False, timeout=SECONDS)
        except httpx.TransportError:  # it was killed with the question in its hands
            continue
        found |= set(re.findall(r'worker="(\d+)"', told.text))
    return found


def test_a_worker_that_is_killed_is_replaced_and_what_it_acknowledged_is_there(url, keys):
    before = workers_of(url, keys, lambda found: len(found) == 2)
    done(url, "remember", keys["all"], tenant="user:kept", text="zebras like stripes")
    os.kill(int(min(before)), signal.SIGKILL)

    after = workers_of(url, keys, lambda found: found - before)
    assert len(after - before) == 1
    told = done(url, "recall", keys["all"], tenant="user:kept", question="stripes")
    assert texts_of(told) == ["zebras like stripes"]


def test_the_client_speaks_to_the_service(url, keys):
    with MemoryClient(url, keys["all"], tenant="user:carol") as carol:
        old = carol.remember("Carol deploys on Fridays", key="deploy")
        new = carol.correct(old.id, "Carol deploys on Tuesdays")
        told = carol.recall("when does Carol deploy?")
        (signal,) = carol.feedback(told.turn, "liked")
        past = carol.history(new.id)
        link = carol.link(new.id, old.id, type="refines")
        why = carol.why_not("when does Carol deploy?", old.id)
        plan = carol.plan_to_forget(about="Carol deploys")
        gone = carol.forget(plan)
        with pytest.raises(RefusedError, match="404") as refused:
            carol.history(new.id)
        with pytest.raises(RefusedError, match="422"):
            carol.remember(" ")

        assert [memory.text for memory in told.memories] == ["Carol deploys on Tuesdays"]
        assert signal.memory_id == new.id
        assert [memory.id for memory in past.memories] == [old.id, new.id]
        assert (link.type, why.gate, refused.value.status) == ("refines", "superseded", 404)
        assert (plan.is_done, gone.is_done, carol.latest().memories) == (False, True, ())


def test_the_client_of_the_page_does_what_the_page_says(url, keys):
    page = (Path(__file__).parents[1] / "docs" / "production.md").read_text("utf-8")
    (block,) = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    here = block.replace("http://127.0.0.1:8000", url).replace("fm_backend_…", keys["all"])

    assert here.count(url) == here.count(keys["all"]) == 1
    exec(compile(here, "production.md", "exec"), {})  # noqa: S102  our own page


# In one process, where a test has to hold something still


@asynccontextmanager
async def serving(directory, **settings):
    """The application, and a client of it that may do everything."""
    grant = Grant(name=f"k{random.getrandbits(32):x}", prefix="")
    key = KeyRing(directory).add(grant)
    made = service_app(
        ServiceSettings(
            directory=directory, embedder=HashEmbedder, clock=lambda: 0.0, **{"rate": 0, **settings}
        )
    )
    async with (
        living(made),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(made),
            base_url="http://localhost",
            headers={"Authorization": f"Bearer {key}"},
            timeout=SECONDS,
        ) as client,
    ):
        client.lanes = inside(made).lanes
        yield client


def inside(made):
    """What a process serves with, where a test has to see who waits."""
    return made._app._app.state.serving


async def test_every_path_does_what_it_says(tmp_path):
    async with serving(tmp_path / "m") as client:

        async def told(path, **body):
            answer = await client.post(f"/v1/{path}", json={"tenant": "a", **body})
            assert answer.is_success, answer.text
            return answer.json()

        old = await told(
            "remember", text="Alice's editor is Vim", key="editor", metadata={"by": "chat"}
        )
        new = await told("correct", memory_id=old["id"], text="Alice's editor is Helix")
        found = await told("recall", question="which editor does Alice use?")
        (signal,) = (await told("feedback", turn=found["turn"], kind="liked"))["signals"]
        latest = await told("latest")
        past = await told("history", memory_id=old["id"])
        why = await told("why-not", question="which editor does Alice use?", memory_id=old["id"])
        link = await told("link", source=new["id"], target=old["id"], type="refines", weight=0.5)
        narrowed = await told("recall", question="Alice", where={"by": "mail"})
        plan = await told("forget", about="Alice's editor")
        ids = [memory["id"] for memory in plan["memories"]]
        gone = await told("forget", ids=ids, confirm=plan["confirm"])
        metrics = (await client.get("/metrics")).text
        ready = await client.get("/ready")
        lost = await client.get("/v1/recall")

    assert (new["supersedes"], new["became"]) == ([old["id"]], "saved")
    assert texts_of(found) == texts_of(latest) == ["Alice's editor is Helix"]
    assert (signal["memory_id"], signal["kind"]) == (new["id"], "liked")
    assert texts_of(past) == ["Alice's editor is Vim", "Alice's editor is Helix"]
    assert (why["gate"], link["weight"], narrowed["memories"]) == ("superseded", 0.5, [])
    assert (plan["is_done"], gone["is_done"], len(ids)) == (False, True, 2)
    assert 'requests_total{path="/v1/recall",status="200"' in metrics
    assert "feather_memory_stores_open" in metrics
    assert (ready.status_code, lost.status_code) == (200, 405)
    with TenantPool(tmp_path / "m") as pool:
        assert len(pool.get("a")) == 0
        assert pool.get("a").check() == []


async def test_one_tenant_whose_file_is_locked_holds_up_nobody_else(tmp_path):
    """There are more calls than threads: with lanes as wide as those it would."""
    async with serving(tmp_path / "m", waiting=1_000) as client:
        for name in ("slow", "quick"):
            await client.post("/v1/remember", json={"tenant": name, "text": "tea"})
        with Store.open(tmp_path / "m" / "slow.feather") as other, other.transaction():
            other.add("a long write")
            waiting = [
                asyncio.create_task(
                    client.post("/v1/remember", json={"tenant": "slow", "text": f"tea {nth}"})
                )
                for nth in range(2 * SERVICE_THREADS)
            ]
            await all_wait(client.lanes, "slow", len(waiting))
            for _ in range(20):
                answer = await client.post(
                    "/v1/recall", json={"tenant": "quick", "question": "tea"}
                )
                assert texts_of(answer.json()) == ["tea"]
            assert not any(task.done() for task in waiting)
        answers = await asyncio.gather(*waiting)

    assert {answer.status_code for answer in answers} == {201}
    with Store.open(tmp_path / "m" / "slow.feather") as store:
        assert len(store) == len(waiting) + 2
        assert store.check() == []


def taken(seat):
    """Connections that wait for a worker, as it takes them."""
    seat.theirs.setblocking(False)
    found = []
    with suppress(BlockingIOError):
        while True:
            _, files, *_ = socket.recv_fds(seat.theirs, 1, 1)
            found += [socket.socket(fileno=file) for file in files]
            seat.theirs.send(b"t")
    seat.hear()
    return found


@pytest.fixture
def seats():
    seats = [Seat(), Seat()]
    yield seats
    for seat in seats:
        for each in (*taken(seat), seat.ours, seat.theirs):
            each.close()


@unix
def test_connections_are_shared_out_evenly_before_the_workers_are_there_and_as_they_end(seats):
    with ExitStack() as closing:

        def connected():
            ours, client = socket.socketpair()
            assert handed(ours, seats) is None
            return closing.enter_context(client)

        first, *_ = [connected() for _ in range(50)]
        assert [seat.load[0] for seat in seats] == [25, 25]

        held = [[closing.enter_context(each) for each in taken(seat)] for seat in seats]
        held[0][0].sendall(b"hello")
        assert first.recv(5) == b"hello", "it is the connection that was made first"
        seats[0].theirs.send(b"e" * 10)
        seats[0].hear()
        for _ in range(12):
            connected()
        assert [seat.load[0] for seat in seats] == [26, 26]

        seats[1].theirs.send(b"0")  # one that has begun in the place of one that died
        seats[1].hear()
        assert [seat.load[0] for seat in seats] == [26, 1], "what waits for it is its own"


@unix
def test_connections_one_after_the_other_go_to_each_worker_in_turn(seats):
    for _ in range(10):
        ours, client = socket.socketpair()
        assert handed(ours, seats) is None
        for seat in seats:
            for each in taken(seat):
                each.close()
                seat.theirs.send(b"e")
            seat.hear()
        client.close()

    assert [seat.load for seat in seats] == [(0, 5), (0, 5)]


@unix
def test_who_has_no_room_is_passed_over_and_a_connection_waits_where_nobody_has(seats):
    with suppress(BlockingIOError):
        while True:
            seats[0].ours.send(b"x" * 65_536)  # never read
    ours, client = socket.socketpair()
    with ours, client:
        assert not seats[0].hand(ours)
        count = 0
        while handed(one := ours.dup(), seats) is None:
            count += 1
        assert count > 50
        assert [seat.load[0] for seat in seats] == [0, count]

        for each in (found := taken(seats[1])):
            each.close()

        assert len(found) == count
        assert handed(one, seats) is None


@unix
def test_of_the_connections_of_real_clients_each_worker_has_as_many(url, keys):
    """Whichever were there before: they are told of ten times a second when they end."""
    headers, counts, deadline = {"Authorization": f"Bearer {keys['all']}"}, {}, time.monotonic()
    while sorted(counts.values()) != [10, 10] and time.monotonic() < deadline + SECONDS:
        with ExitStack() as clients:
            counts = {}
            for _ in range(20):
                client = httpx.Client(headers=headers, trust_env=False, timeout=SECONDS)
                told = clients.enter_context(client).get(f"{url}/metrics").text
                (worker,) = set(re.findall(r'worker="(\d+)"', told))
                counts[worker] = counts.get(worker, 0) + 1

    assert sorted(counts.values()) == [10, 10]


@unix
def test_a_connection_that_the_system_cannot_pass_on_now_is_passed_on_later(seats, monkeypatch):
    refusals, send = [OSError(errno.ETOOMANYREFS, "too many are on their way")] * 6, socket.send_fds

    def refusing(*given):
        if refusals:
            raise refusals.pop()
        return send(*given)

    monkeypatch.setattr(socket, "send_fds", refusing)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        share_out(bound, seats)
        with socket.create_connection(bound.getsockname(), timeout=SECONDS) as client:
            seats[0].theirs.settimeout(SECONDS)
            _, (file,), *_ = socket.recv_fds(seats[0].theirs, 1, 1)
            with socket.socket(fileno=file) as came:
                came.sendall(b"hello")
            assert client.recv(5) == b"hello"
    assert not refusals


async def until(true):
    async with asyncio.timeout(SECONDS):
        while not true():  # noqa: ASYNC110 - another end of a socket is no event of this loop
            await asyncio.sleep(0.01)


async def asked(seat):
    """A connection handed to a worker, with a request in it; what is answered."""
    ours, client = socket.socketpair()
    with ours:
        assert seat.hand(ours)
    reader, writer = await asyncio.open_connection(sock=client)
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    try:
        return await reader.read()
    finally:
        writer.close()


def sharing(app, seat):
    config = uvicorn.Config(app, http=Patient, lifespan="off", log_level="critical")
    server = Sharer(config, seat.theirs)
    return server, asyncio.create_task(server.serve())


@unix
async def test_a_worker_that_stops_takes_no_more_and_leaves_what_waits_to_the_next(seats):
    asks, go = [], asyncio.Event()

    async def app(scope, receive, send):
        asks.append(scope)
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    server, task = sharing(app, seats[0])
    first = asyncio.create_task(asked(seats[0]))
    await until(lambda: asks)
    server.should_exit = True
    await until(lambda: seats[0].hear() or seats[0].leaving)
    for _ in range(3):
        ours, client = socket.socketpair()
        assert handed(ours, seats) is None
        client.close()
    assert [seat.load[0] for seat in seats] == [1, 3], "though it has more"

    second = asyncio.create_task(asked(seats[0]))  # it was on its way
    await asyncio.sleep(0.05)
    go.set()
    assert b"done" in await first
    await task
    assert len(asks) == 1
    assert not second.done()

    server, task = sharing(app, seats[0])
    assert b"done" in await second
    seats[0].hear()
    assert not seats[0].leaving
    server.should_exit = True
    await task


@unix
async def test_a_worker_whose_supervisor_dies_ends_and_complains_of_nothing(seats):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
    server, task = sharing(None, seats[0])
    await until(lambda: server.started)

    seats[0].ours.close()  # with what the worker told unheard: its end is reset
    await asyncio.wait_for(task, SECONDS)

    assert complaints == []
    seats.pop(0).theirs.close()


SUPERVISED = """
import asyncio, os, signal, sys
from pathlib import Path
from feather_memory.doors.listening.port import listen

async def app(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] == "/slow":
            Path(f"slow{os.getpid()}-{id(scope)}").touch()
            while not Path("go").exists():
                await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

class Make:
    begun = 0

    def __call__(self):
        return app

    def __getstate__(self):  # as a process is begun
        self.begun += 1
        if self.begun == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

if __name__ == "__main__":
    listen(Make(), "127.0.0.1", int(sys.argv[1]), workers=2)
"""


@contextmanager
def supervised(folder):
    """Two workers that are told to stop, at the latest, while a third begins."""
    (folder / "supervised.py").write_text(SUPERVISED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    port, log = free_port(), folder / "log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "supervised.py", str(port)],
            cwd=folder, env=environment, stdout=said, stderr=said,
        )  # fmt: skip
        try:
            wait_for(server, f"http://127.0.0.1:{port}", log)
            yield server, f"http://127.0.0.1:{port}"
            assert server.wait(SECONDS) == 0, log.read_text()
        finally:
            server.kill()
            server.wait()
    assert log.read_text() == ""


def refused(url):
    """Whether a newcomer is; not where it came just before the port was closed."""
    try:
        httpx.get(url, trust_env=False, timeout=SECONDS)
    except httpx.ConnectError:
        return True
    except (httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout):
        pass
    return False


@unix
def test_a_service_that_stops_refuses_who_comes_and_does_what_is_under_way(tmp_path):
    with supervised(tmp_path) as (server, url), ThreadPoolExecutor() as threads:
        slow = partial(httpx.get, f"{url}/slow", trust_env=False, timeout=SECONDS)
        answers = [threads.submit(slow) for _ in range(2)]
        while len(list(tmp_path.glob("slow*"))) < 2:
            time.sleep(0.01)
        server.terminate()
        while not refused(url):
            time.sleep(0.01)
        assert not any(answer.done() for answer in answers)
        (tmp_path / "go").touch()
        assert len({answer.result().text for answer in answers}) == 2


@unix
def test_a_service_that_is_told_to_stop_while_a_dead_worker_is_replaced_stops(tmp_path):
    with supervised(tmp_path) as (_, url):
        worker = httpx.get(url, trust_env=False, timeout=SECONDS).text
        os.kill(int(worker), signal.SIGKILL)


@asynccontextmanager
async def listening(app, protocol):
    """A server in this loop; opens a connection to it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=protocol, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([bound]))
        bound.listen()  # who comes before the server has begun waits for it
        yield partial(asyncio.open_connection, *bound.getsockname())
        server.should_exit = True
        await task


HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def test_who_says_nothing_or_half_a_request_keeps_no_connection(monkeypatch):
    """Each is a file of a process that has a thousand; and who waits for an answer gets it."""
    monkeypatch.setattr("feather_memory.doors.listening.patience.DOOR_HEAD_SECONDS", 0.05)
    ended = asyncio.Event()

    async def app(scope, receive, send):
        if scope["path"] == "/slow":
            await ended.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with listening(app, Patient) as connected:
        slow, writer = await connected()
        writer.write(HEAD.replace(b"/ ", b"/slow ") + b"\r\n")
        for said, answers in ((b"", 0), (HEAD, 0), (HEAD + b"\r\n" + HEAD, 1)):
            reader, other = await connected()
            other.write(said)
            told = await asyncio.wait_for(reader.read(), SECONDS)
            assert told.count(b"204 No Content") == answers
            other.close()
        ended.set()
        assert b"204" in await asyncio.wait_for(slow.readline(), SECONDS)
        writer.close()
    async with listening(app, "auto") as connected:  # without it they stay
        reader, writer = await connected()
        writer.write(HEAD)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 0.3)
        writer.close()


async def test_few_calls_run_at_once_and_all_have_their_turn():
    lanes, inside, most = Lanes(each=4, waiting=0, room=Room(many=3, patience=SECONDS)), [], []

    def call(nth):
        inside.append(nth)
        most.append(len(inside))
        inside.remove(nth)
        return nth

    told = await asyncio.gather(*(lanes.run([f"tenant {nth}"], call, nth) for nth in range(60)))

    assert told == list(range(60))
    assert max(most) <= 3


async def test_calls_that_take_long_make_room_for_another_and_for_no_more_once_they_end():
    room, ended = Room(many=2, patience=0.0), threading.Event()
    lanes = Lanes(each=8, waiting=0, room=room)
    waiting = [asyncio.create_task(lanes.run(["slow"], ended.wait)) for _ in range(8)]

    assert await asyncio.wait_for(lanes.run(["quick"], str, "tea"), SECONDS) == "tea"

    assert not any(task.done() for task in waiting)
    ended.set()
    assert await asyncio.gather(*waiting) == [True] * 8
    assert room.limit == 2


async def test_calls_that_take_long_would_hold_up_others_without_patience():
    ended = threading.Event()
    lanes = Lanes(each=8, waiting=0, room=Room(many=2, patience=SECONDS))
    waiting = [asyncio.create_task(lanes.run(["slow"], ended.wait)) for _ in range(2)]

    quick = asyncio.create_task(lanes.run(["quick"], str, "tea"))
    await all_wait(lanes, "quick", 1)

    assert not quick.done()
    ended.set()
    assert await quick == "tea"
    await asyncio.gather(*waiting)


async def test_more_calls_than_may_wait_for_a_tenant_are_turned_away(tmp_path):
    async with serving(tmp_path / "m", lanes=2, waiting=3) as client:
        await client.post("/v1/remember", json={"tenant": "slow", "text": "tea"})
        with Store.open(tmp_path / "m" / "slow.feather") as other, other.transaction():
            other.add("a long write")
            body = {"tenant": "slow", "text": "more"}
            waiting = [
                asyncio.create_task(client.post("/v1/remember", json=body)) for _ in range(5)
            ]
            await all_wait(client.lanes, "slow", len(waiting))
            crowded = await client.post("/v1/remember", json=body)
        answers = await asyncio.gather(*waiting)

    assert (crowded.status_code, crowded.headers["retry-after"]) == (429, "1")
    assert {answer.status_code for answer in answers} == {201}
    with Store.open(tmp_path / "m" / "slow.feather") as store:
        assert store.check() == []


async def test_a_key_that_calls_too_often_for_a_tenant_is_turned_away_and_only_for_that(tmp_path):
    async with serving(tmp_path / "m", rate=0.5) as client:  # a bucket holds one call

        async def codes(tenant):
            told = [await client.post("/v1/latest", json={"tenant": tenant}) for _ in range(3)]
            return [answer.status_code for answer in told]

        assert [await codes("a"), await codes("b")] == [[200, 429, 429]] * 2
        health = [await client.get("/health") for _ in range(3)]

    assert {answer.status_code for answer in health} == {200}


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("feather_memory.doors.guard.DOOR_BODY_SECONDS", 0.01)

    async def stalled():
        yield b'{"tenant":'
        await asyncio.Event().wait()

    async with serving(tmp_path / "m") as client:
        answer = await client.post("/v1/latest", content=stalled())

    assert answer.status_code == 408


async def test_nothing_but_http_is_spoken(tmp_path):
    guarded = service_app(
        ServiceSettings(directory=tmp_path, embedder=HashEmbedder, clock=lambda: 0.0)
    )
    sent = []

    async def send(message):
        sent.append(message)

    await guarded({"type": "websocket", "path": "/v1/recall", "headers": []}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_no_more_tenants_are_made_than_there_may_be(tmp_path):
    async with serving(tmp_path / "m", max_tenants=2) as client:
        codes = [
            (await client.post("/v1/remember", json={"tenant": name, "text": "tea"})).status_code
            for name in ("a", "b", "c", "a")
        ]

    assert codes == [201, 201, 403, 201]
    with TenantPool(tmp_path / "m") as pool:
        assert pool.tenants() == ["a", "b"]
        assert [name for name in pool.tenants() if pool.get(name).check()] == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'{"tenant": "a", "question": "x"}', "text/plain"),
        (b"tenant=a", "application/x-www-form-urlencoded"),
        (b"", "application/json"),
        (b'{"tenant": "a", "weight": NaN}', "application/json"),
        (b'{"tenant": "a", "k": ' + b"9" * 5_000 + b"}", "application/json"),
        (b'{"tenant": "a", "question": "\\ud800"}', "application/json"),
    ],
)
async def test_what_is_no_body_is_refused(tmp_path, content, kind):
    async with serving(tmp_path / "m") as client:
        for path in PATHS:
            answer = await client.post(
                f"/v1/{path}", content=content, headers={"Content-Type": kind}
            )
            assert answer.status_code in {400, 403, 422}, (path, answer.text)

    with TenantPool(tmp_path / "m") as pool:
        assert pool.tenants() == []


NEEDED = [("question",), ("text",), ("memory_id",), ("about",), ("turn", "kind"), ()]


async def fuzzed(directory, count, seed):
    """Requests that nobody should be answered: what they were told, and by which status."""
    lucky = random.Random(seed)
    with TenantPool(directory) as pool:
        pool.get("victim").add("the secret canary of the victim", id="v1")
    own = KeyRing(directory).add(Grant(name="own", tenant="own"))
    read = KeyRing(directory).add(Grant(name="read", tenant="victim2", may_write=False))

    def any_key():
        changed = list(own)
        changed[lucky.randrange(len(own))] = lucky.choice("0123456789abcdef_-\xe9")
        victims = own.replace("own", "victim", 1)
        forged = ["".join(changed), victims, "", "x" * 5_000, own + "0"]
        return lucky.choice([own, own, own, read, read, lucky.choice(forged)])

    def any_value():
        names = ["victim", "own", "../victim", "victim.feather", "VICTIM", "victim\n", "\ud800"]
        return lucky.choice([*names, None, 7, [], {}, True, "secret canary", "v1", -1, "x" * 99])

    def any_body():
        fields = ["tenant", "team", "shared", "question", "text", "memory_id", "ids", "about",
                  "turn", "kind", "source", "target", "k", "where", "key", "since", "metadata",
                  "confirm", "as_of", "correction", "weight", "type", "limit"]  # fmt: skip
        right = {"question": "secret canary", "text": "tea", "memory_id": "v1", "about": "secret",
                 "turn": "t", "kind": "liked", "source": "v1", "target": "v1"}  # fmt: skip
        wrong = {name: any_value() for name in lucky.sample(fields, lucky.randint(0, 3))}
        return {**{name: right[name] for name in lucky.choice(NEEDED)}, **wrong}

    told = []
    async with serving(directory, max_tenants=5) as client:
        for _ in range(count):
            path = lucky.choice([f"/v1/{lucky.choice(PATHS)}"] * 5 + [
                "/metrics", "/v1/../keys/own.json", "/keys/own.json", "/victim.feather", "//",
                "/%00", "/v1/recall/victim", "/v1/recall?tenant=victim", "/docs",
            ])  # fmt: skip
            method = lucky.choice(["POST"] * 6 + ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
            answer = await client.request(
                method,
                path,
                content=json.dumps(any_body()),
                headers={
                    "Authorization": f"Bearer {any_key()}".encode("latin-1"),
                    "Content-Type": "application/json",
                },
            )
            told.append((answer.status_code, answer.text))
    with TenantPool(directory) as pool:
        assert pool.get("victim").get("v1").recalls == 0
        assert len(pool.get("victim")) == 1
        assert [name for name in pool.tenants() if pool.get(name).check()] == []
    return told


def assert_nothing_leaked(told):
    assert [each for each in told if each[0] >= 500] == []
    assert [each for each in told if "the secret canary of the victim" in each[1]] == []
    assert {200, 401, 403, 422} <= {status for status, _ in told}


async def test_a_fuzz_of_keys_tenants_and_paths_leaks_nothing_and_breaks_nothing(tmp_path):
    assert_nothing_leaked(await fuzzed(tmp_path / "m", 400, seed=1))


@pytest.mark.long
async def test_a_long_fuzz_leaks_nothing_and_breaks_nothing(tmp_path):
    assert_nothing_leaked(await fuzzed(tmp_path / "m", 5_000, seed=2))


def test_the_victim_would_be_seen(url, keys):
    """The negative control of the fuzz: with its own key the secret is told."""
    told = done(url, "recall", keys["users"], tenant="user:a", question="secret canary")

    assert canary("a") in json.dumps(told)


@pytest.mark.long
def test_two_hundred_clients_at_once_are_all_answered(url, keys):
    def one(number):
        name, wrong = f"user:load{number % 20}", []
        with MemoryClient(url, keys["all"], tenant=name, timeout=10 * SECONDS) as client:
            for nth in range(10):
                client.remember(f"client {number} likes tea {nth}")
                if not client.recall("who likes tea?").memories:
                    wrong.append(nth)
        return wrong

    with ThreadPoolExecutor(200) as threads:
        assert [wrong for wrong in threads.map(one, range(200)) if wrong] == []


def test_a_limit_that_is_none_is_refused(tmp_path):
    for name in ("lanes", "max_open", "max_tenants", "waiting", "rate"):
        with pytest.raises(ParameterError, match=name):
            ServiceSettings(
                directory=tmp_path, embedder=HashEmbedder, clock=time.time, **{name: -1}
            )


def test_without_the_libraries_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "feather_memory.doors.service", None)
    told = CliRunner().invoke(command_line, ["serve", "--dir", str(tmp_path / "m")])

    assert told.exit_code == 1
    assert "pip install 'feather-memory[service]'" in told.stderr
    assert not (tmp_path / "m").exists()
