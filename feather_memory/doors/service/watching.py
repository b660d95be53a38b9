"""What the service tells its operator: counts for Prometheus, and a line of JSON for each request.

Neither holds what was asked or answered, nor whose it was.
"""

from __future__ import annotations

import json
import os
import sys
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from feather_memory.doors.guard import GRANT, App, Receive, Scope, Send
from feather_memory.types import Clock

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ELSEWHERE: Final = "other"


class Watched:
    """An ASGI application around another: counts, times and logs its requests."""

    def __init__(self, app: App, paths: frozenset[str], clock: Clock) -> None:
        """One around an application.

        Args:
            app: What answers.
            paths: Those that are named; what callers make up is told as one.
            clock: Tells the log Unix seconds.
        """
        self._app = app
        self._paths = paths
        self._clock = clock
        self._answers: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, list[int]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and note how."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._under_way += 1
        try:
            await self._app(scope, receive, noted)
        finally:
            self._under_way -= 1
            self._note(scope, status or 499, time.perf_counter() - begun)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else _ELSEWHERE
        self._answers[path, status] += 1
        self._seconds[path] += seconds
        times = self._times.setdefault(path, [0] * (len(_BOUNDS) + 1))
        times[bisect_left(_BOUNDS, seconds)] += 1
        grant = scope.get(GRANT)
        said = {
            "at": round(self._clock(), 3),
            "path": path,
            "status": status,
            "ms": round(seconds * 1_000, 2),
            "key": None if grant is None else grant.name,
            "worker": os.getpid(),
        }
        sys.stderr.write(f"{json.dumps(said)}\n")

    def metrics(self, gauges: dict[str, int]) -> str:
        """What Prometheus reads; of this process.

        Args:
            gauges: Further numbers of this moment.
        """
        return "".join(f"{line}\n" for line in self._lines(gauges))

    def _lines(self, gauges: dict[str, int]) -> Iterator[str]:
        worker = f'worker="{os.getpid()}"'
        yield "# TYPE feather_memory_requests_total counter"
        for (path, status), count in sorted(self._answers.items()):
            labels = f'path="{path}",status="{status}",{worker}'
            yield f"feather_memory_requests_total{{{labels}}} {count}"
        yield "# TYPE feather_memory_request_seconds histogram"
        for path, times in sorted(self._times.items()):
            name, so_far = "feather_memory_request_seconds", 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), times, strict=True):
                so_far += count
                yield f'{name}_bucket{{path="{path}",le="{bound}",{worker}}} {so_far}'
            yield f'{name}_sum{{path="{path}",{worker}}} {self._seconds[path]:.6f}'
            yield f'{name}_count{{path="{path}",{worker}}} {so_far}'
        for name, value in {"requests_under_way": self._under_way, **gauges}.items():
            yield f"# TYPE feather_memory_{name} gauge"
            yield f"feather_memory_{name}{{{worker}}} {value}"
