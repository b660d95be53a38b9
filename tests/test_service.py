"""The service of docs/production.md: two worker processes, a real client, hostile tenants."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feather_memory import TenantPool
from feather_memory.testing import HashEmbedder

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

PAGE = Path(__file__).parents[1] / "docs" / "production.md"
SECONDS = 60
HOSTILE = [
    "../../x", "..", ".", "%", "%2e", "%2e%2e%2f", "%00", "a/b", "a\\b", "/etc/passwd", "//x",
    "CON", "con", "nul", "User", "user", "USER", "caf\u00e9", "cafe\u0301", "😀", "👩‍👩‍👧", "a.",
    "a..", "a ", "a", " a", "?x=1", "#x", "global", "team:red", "user:a", "*", "'; drop",
    "x" * 250, "x" * 249 + "y",
]  # fmt: skip
REFUSED = ["\0", "a\0", "../\0", "x" * 251, "x" * 10_000]


def encoded(name):
    """Every byte as %xx, so that nothing on the way takes it for a path."""
    return "".join(f"%{byte:02x}" for byte in name.encode())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def canary(name):
    return f"canary{HOSTILE.index(name)}x"


def fill(directory):
    with TenantPool(directory, embedder=HashEmbedder(64)) as pool:
        for name in HOSTILE:
            pool.get(f"user:{name}").add(f"secret {canary(name)}")
        pool.get("team:red").add("the team deploys on mondays", id="t1")
        pool.get("global").add("everybody deploys on weekdays", id="g1")
    (directory / "user%3adamaged.feather").write_bytes(b"damaged")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the service runs: `service.py`, and beside it the directory of the tenants."""
    folder = tmp_path_factory.mktemp("service") / "inner"
    folder.mkdir()
    blocks = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (source,) = [block for block in blocks if "FastAPI(" in block]
    (folder / "service.py").write_text(source, encoding="utf-8")
    fill(folder / "memories")
    return folder


@pytest.fixture(scope="module")
def client(folder):
    """Talks to the two workers of a running service."""
    port = free_port()
    command = [
        sys.executable, "-W", "error::DeprecationWarning:service", "-m", "uvicorn", "service:app",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
    ]  # fmt: skip
    environment = {**os.environ, "MEMORIES": "memories", "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder.parent / "log").open("w+") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=SECONDS
            ) as talking:
                wait_for(server, talking, folder.parent / "log")
                by_both_workers(talking, lambda fresh: fresh.get("/health"))
                yield talking
        finally:
            server.terminate()
            server.wait(SECONDS)
        said = (folder.parent / "log").read_text()
        assert "Traceback" not in said, said
        assert said.count("'user:damaged' cannot be opened") == 2  # told by each worker
    with TenantPool(folder / "memories") as pool:
        assert [n for n in pool.tenants() if n != "user:damaged" and pool.get(n).check()] == []


def wait_for(server, talking, log):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            talking.get("/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(log.read_text())


def ask(client, name, text="secret canary", k=50):
    return client.get(f"/query/{encoded(name)}", params={"text": text, "k": k})


def by_both_workers(client, request):
    """The answers to one request, sent over new connections until each process has answered."""
    answers = {}
    deadline = time.monotonic() + SECONDS
    while len(answers) < 2:
        assert time.monotonic() < deadline, f"only {list(answers)} answered"
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=SECONDS) as fresh:
            answer = request(fresh)
        assert answer.status_code == 200, answer.text
        answers[answer.json()["worker"]] = answer.json()
    return list(answers.values())


def test_each_worker_has_opened_the_active_tenants_before_it_answers(client):
    for health in by_both_workers(client, lambda fresh: fresh.get("/health")):
        assert health["open"] >= len(HOSTILE)


def test_a_hostile_tenant_reads_its_own_memory_and_nobody_elses(client):
    for name in HOSTILE:
        told = " ".join(hit["text"] for hit in ask(client, name).json()["hits"])

        found = set(re.findall(r"canary\d+x", told))
        assert found == {canary(name)}, name


def test_no_request_makes_a_file_for_somebody_unknown_or_outside_the_directory(client, folder):
    before = sorted(path for path in folder.rglob("*.feather"))
    outside = sorted(path.name for path in folder.parent.iterdir())
    for name in ["nobody", "../../nobody", "../memories/user%3aa", "COM1", "%41", "🦆"]:
        answer = ask(client, name)
        assert answer.status_code == 404, name
        assert "nothing is remembered" in answer.json()["detail"]
        body = {"tenant_id": name, "turn": "t", "kind": "liked"}
        assert client.post("/feedback", json=body).status_code == 404

    assert sorted(path for path in folder.rglob("*.feather")) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == outside


def test_what_no_tenant_can_be_called_is_refused_with_a_reason(client):
    for name in REFUSED:
        for answer in (
            ask(client, name),
            client.post(f"/remember/{encoded(name)}", json={"text": "x"}),
            client.post("/feedback", json={"tenant_id": name, "turn": "t", "kind": "liked"}),
        ):
            assert answer.status_code == 422, name
            assert "a tenant's name" in answer.json()["detail"]
    assert client.get("/query/", params={"text": "x"}).status_code == 422


@pytest.mark.parametrize("path", ["a%0a", "User%0A", "%0aa", "a%0ab", "a%ff", "%c3", "a%ed%a0%80"])
def test_a_name_is_never_cut_or_mended_to_anothers(client, path):
    """A router's pattern ends before a last line feed; bytes that are no UTF-8 become U+FFFD."""
    for answer in (
        client.get(f"/query/{path}", params={"text": "secret canary"}),
        client.post(f"/remember/{path}", json={"text": "x"}),
    ):
        assert answer.status_code in {404, 405, 422}
        assert "canary" not in answer.text


def test_a_path_with_dots_that_no_client_has_tidied_leads_nowhere_else(client):
    for target in ("/query/../../x", "/query/../memories/user%3aa.feather", "/query/%2e%2e/health"):
        connection = http.client.HTTPConnection("127.0.0.1", client.base_url.port, timeout=SECONDS)
        try:
            connection.request("GET", f"{target}?text=secret")
            answer = connection.getresponse()
            told = answer.read().decode()
        finally:
            connection.close()

        assert answer.status in {200, 404}
        assert set(re.findall(r"canary\d+x", told)) <= {canary("../../x")}


def test_a_damaged_file_is_its_own_tenants_trouble_and_tells_no_path(client):
    answer = ask(client, "damaged")

    assert answer.status_code == 500
    assert answer.json() == {"detail": "try again later"}


def remember(client, name, text, **more):
    answer = client.post(f"/remember/{encoded(name)}", json={"text": text, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_fact_that_changed_is_answered_with_what_it_replaced(client):
    remember(client, "bob", "Bob uses Python 3.10", key="python")
    remember(client, "bob", "Bob uses Python 3.12", key="python")

    for answer in by_both_workers(client, lambda fresh: ask(fresh, "bob", "which Python?", 1)):
        (hit,) = answer["hits"]
        assert (hit["text"], hit["replaces"]) == ("Bob uses Python 3.12", ["Bob uses Python 3.10"])


def test_the_three_layers_answer_and_saving_counts(client):
    saved = remember(client, "bob", "Bob deploys on fridays", is_saved=True)
    hits = ask(client, "bob", "who deploys when?").json()["hits"]

    assert saved["importance"] == 0.8
    assert {"user", "team", "shared"} == {hit["layer"] for hit in hits}
    assert "team" not in {hit["layer"] for hit in ask(client, "a", "deploys").json()["hits"]}
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


@pytest.fixture
def stores(client, folder):
    """The files as a third process sees them."""
    with TenantPool(folder / "memories", embedder=HashEmbedder(64)) as pool:
        yield pool


@pytest.mark.parametrize(("kind", "importance"), [("liked", 0.55), ("copied", 0.5)])
def test_feedback_through_either_worker_counts_once(client, stores, kind, importance):
    name = f"fan of {kind}"
    id_ = remember(client, name, "zebras like stripes")["id"]
    turn = ask(client, name, "stripes", 1).json()["turn"]
    body = {"tenant_id": name, "turn": turn, "kind": kind}

    answers = by_both_workers(client, lambda fresh: fresh.post("/feedback", json=body))

    assert [answer["counted"] for answer in answers] == [[id_], [id_]]
    memory = stores.get(f"user:{name}").get(id_)
    assert memory.importance == importance
    assert len(stores.get(f"user:{name}").signals(id_)) == 1


def test_feedback_reaches_the_teams_layer_and_a_correction_only_the_users_own(client, stores):
    own = remember(client, "alice", "alice deploys on fridays")["id"]
    turn = ask(client, "alice", "deploys").json()["turn"]
    given = {"tenant_id": "alice", "turn": turn}
    fixed = {"kind": "corrected", "correction": "alice deploys on tuesdays"}

    liked = client.post("/feedback", json={**given, "kind": "liked"}).json()
    vague = client.post("/feedback", json={**given, **fixed})
    teams = client.post("/feedback", json={**given, **fixed, "memory_ids": ["t1"]})
    right = client.post("/feedback", json={**given, **fixed, "memory_ids": [own]})
    lost = client.post("/feedback", json={**given, "kind": "liked", "turn": "nobody's"})
    stray = client.post("/feedback", json={**given, **fixed, "kind": "liked"})

    assert {own, "t1", "g1"} <= set(liked["counted"])
    assert [vague.status_code, teams.status_code, right.status_code] == [422, 422, 200]
    assert (stray.status_code, "'corrected'" in stray.json()["detail"]) == (422, True)
    assert "names the memory" in vague.json()["detail"]
    assert "'t1'" in teams.json()["detail"]
    assert (lost.status_code, "nobody's" in lost.json()["detail"]) == (404, True)
    assert stores.get("team:red").get("t1").superseded_by == ()
    (hit,) = ask(client, "alice", "alice deploys", 1).json()["hits"]
    assert (hit["text"], hit["replaces"]) == (
        "alice deploys on tuesdays", ["alice deploys on fridays"],
    )  # fmt: skip
