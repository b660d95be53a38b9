"""What stands before an HTTP door lets in who has a key, by its name, and no more than fits."""

from __future__ import annotations

import json

import pytest

from feather_memory.config import DOOR_BODY_BYTES
from feather_memory.doors.guard import GRANT, Guard, OneToken

KEY = "quux"
RIGHT = {"host": "localhost:8000", "authorization": f"Bearer {KEY}"}


async def asked(headers, *, path="/v1/recall", method="POST", parts=(b"{}",), **options):
    """What a request is answered, and what of it came through: its body, and its key's name."""
    through, sent, waiting = [], [], list(parts)

    async def app(scope, receive, send):
        message = await receive()
        assert not message["more_body"]
        through.append((message["body"], scope[GRANT] and scope[GRANT].name))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["type"].encode()})

    async def receive():
        if not waiting:
            return {"type": "http.disconnect"}
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    await Guard(app, OneToken(KEY).opened_by, **options)(scope, receive, send)
    return sent[0]["status"], sent[-1]["body"], through


async def test_who_has_a_key_comes_through_with_the_whole_body():
    status, _, through = await asked(RIGHT, parts=(b"{", b"", b"}"))

    assert (status, through) == (200, [(b"{}", "token")])


@pytest.mark.parametrize(
    "said",
    ["", "Bearer", "Bearer ", "Bearer x", f"Basic {KEY}", KEY, f"Bearer {KEY}x", "Bearer \xe9"],
)
async def test_who_has_none_does_not(said):
    status, body, through = await asked({**RIGHT, "authorization": said})

    assert (status, through) == (401, [])
    assert "Bearer" in json.loads(body)["detail"]


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "evil.example:80@localhost", "localhost/",
     "[::1", "127.0.0.1.nip.io", "localhost:80:80", "0x7f000001"],
)  # fmt: skip
async def test_another_name_is_not_answered(host):
    status, _, through = await asked({**RIGHT, "host": host})

    assert (status, through) == (421, [])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000"])
async def test_the_names_of_localhost_and_those_that_are_stated_are(host):
    assert (await asked({**RIGHT, "host": host}))[0] == 200
    assert (await asked({**RIGHT, "host": "memory.example"}, hosts=["Memory.example"]))[0] == 200


async def test_scripts_of_a_page_may_ask_only_where_that_is_stated():
    page = {**RIGHT, "origin": "https://app.example"}

    assert (await asked(page))[0] == 403
    assert (await asked(page, origins=["https://app.example"]))[0] == 200
    assert (await asked({**page, "origin": "null"}, origins=["https://app.example"]))[0] == 403


async def test_what_is_open_is_read_without_a_key_and_not_written():
    stranger = {"host": "localhost"}

    read = await asked(stranger, path="/health", method="GET", open_paths=["/health"])
    assert (read[0], read[2]) == (200, [(b"{}", None)])
    for path, method in (("/health", "POST"), ("/health/", "GET"), ("/HEALTH", "GET")):
        assert (await asked(stranger, path=path, method=method, open_paths=["/health"]))[0] == 401


@pytest.mark.parametrize(
    ("length", "parts", "status"),
    [
        (str(DOOR_BODY_BYTES), (b"x" * DOOR_BODY_BYTES,), 200),
        (str(DOOR_BODY_BYTES + 1), (), 413),
        ("9" * 5_000, (), 413),
        ("-1", (), 413),
        ("many", (), 413),
        ("2", (b"x" * DOOR_BODY_BYTES, b"x"), 413),  # whatever it said
        ("2", (), 408),  # it goes away
    ],
)
async def test_no_more_is_read_than_fits(length, parts, status):
    told = await asked({**RIGHT, "content-length": length}, parts=parts)

    assert told[0] == status
    assert len(told[2]) == (status == 200)
