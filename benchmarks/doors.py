"""How much the doors cost: MCP's recall beside the library's, and the service under mixed calls.

python benchmarks/doors.py [CLIENTS] [SECONDS] [CALLS_A_SECOND]

Each client calls as fast as it is answered; with the last, all together at that pace, and what a
call waits for one before it counts as its own time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mcp import Client

from feather_memory import Store
from feather_memory.agent import Opened, Source
from feather_memory.doors import verbs
from feather_memory.doors.keys import Grant, KeyRing
from feather_memory.doors.mcp import memory_server
from feather_memory.testing import HashEmbedder

TURNS = 300
WARMING = 4.0
"""Seconds that are not counted: until both workers are there, and the tenants are open."""


async def mcp(folder: Path) -> None:
    """Milliseconds of a recall of ten, by the library and by the SDK's client in process."""
    with Store.open(folder / "a.feather", embedder=HashEmbedder()) as store:
        for nth in range(1_000):
            store.add(f"fact {nth} is about topic {nth % 50}")
        terms, opened = verbs.Terms(), Opened.of(store)
        direct, through = [], []
        async with Client(memory_server(Source.chosen("mcp", store=store), terms)) as client:
            for nth in range(TURNS):  # in turns, so that whatever else runs meets both
                question = f"what is about topic {nth % 50}?"
                begun = time.perf_counter()
                verbs.recall(opened, terms, question)
                direct.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                await client.call_tool("recall", {"question": question})
                through.append(time.perf_counter() - begun)
    library, door = (statistics.median(times) * 1_000 for times in (direct, through))
    print(f"recall p50: library {library:.2f} ms, MCP {door:.2f} ms, so {door - library:.2f} more")


def body_of(number: int, lucky: random.Random, turn: str | None) -> tuple[str, dict[str, object]]:
    """A call: three in ten remember, half recall, one gives feedback, one looks."""
    tenant, drawn, what = f"user:{number % 50}", lucky.random(), lucky.randrange(1_000)
    if drawn < 0.3:
        return "remember", {"tenant": tenant, "text": f"{number} likes tea number {what}"}
    if drawn < 0.8 or turn is None:
        return "recall", {"tenant": tenant, "question": f"who likes tea {what}?", "k": 5}
    if drawn < 0.9:
        return "latest", {"tenant": tenant, "k": 5}
    return "feedback", {"tenant": tenant, "turn": turn, "kind": "liked"}


async def calls(
    number: int,
    port: int,
    key: str,
    counted: tuple[float, float],
    took: list[float],
    every: float,
) -> None:
    """One client's, as fast as they are answered, or one in so many seconds.

    By plain streams: a client costs more.
    """
    lucky, turn = random.Random(number), None
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.perf_counter() + every * lucky.random()
    while time.monotonic() < counted[1]:
        path, body = body_of(number, lucky, turn)
        content = json.dumps(body).encode()
        head = (
            f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        begun = time.perf_counter()
        if every:
            await asyncio.sleep(due - begun)
            begun, due = due, due + every
        writer.write(head.encode() + content)
        told = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(told.split(b"content-length:")[1].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        if time.monotonic() > counted[0]:
            took.append(time.perf_counter() - begun)
        assert b" 20" in told[:16], answer
        turn = answer.get("turn") or turn
    writer.close()


async def service(folder: Path, clients: int, seconds: float, pace: float | None) -> None:
    """Calls a second, and how long they took, of two workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = KeyRing(folder / "memories").add(Grant(name="bench", prefix=""))
    command = [sys.executable, "-m", "feather_memory", "serve", "--dir", "memories", "--rate", "0",
               "--workers", "2", "--port", str(port)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    server = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                break
        took: list[float] = []
        start = time.monotonic() + WARMING
        counted = (start, start + seconds)
        every = clients / pace if pace else 0.0
        each = (calls(nth, port, key, counted, took, every) for nth in range(clients))
        await asyncio.gather(*each)
    finally:
        server.terminate()
        await server.wait()
    p50, p99 = (statistics.quantiles(took, n=100)[place] * 1_000 for place in (49, 98))
    print(f"{clients} clients: {len(took) / seconds:.0f} calls/s, p50 {p50:.0f}, p99 {p99:.0f} ms")


def main() -> None:
    """Both, and how busy the machine was."""
    clients = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    pace = float(sys.argv[3]) if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(mcp(Path(folder)))
        asyncio.run(service(Path(folder), clients, seconds, pace))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, this one's included")


if __name__ == "__main__":
    main()
