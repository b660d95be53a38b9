"""The port: listened on by uvicorn, quiet, bounded, and stopped with what is under way done."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, Final, NoReturn

import uvicorn

from feather_memory.config import DOOR_STOP_SECONDS
from feather_memory.doors.listening.patience import Patient
from feather_memory.doors.listening.sharing import Seat, Sharer, share_out

_QUIET: Final[Mapping[str, Any]] = {
    "factory": True,
    "access_log": False,  # paths are the callers'; what may be said the application logs itself
    "log_level": "warning",
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": DOOR_STOP_SECONDS,
    "ws": "none",
    "http": Patient,
}
_FAILED_TO_START: Final = 3
"""What uvicorn exits with then."""

_QUEUE: Final = 2_048  # connections that wait to be accepted


def listen(make: Callable[[], Any], host: str, port: int, *, workers: int = 1) -> None:
    """Serve an ASGI application until the process is told to stop.

    Args:
        make: Makes the application, in each process; it can be pickled where there are several.
        host: The address to listen on.
        port: The port; 0 for one that is free.
        workers: Processes. One that dies is replaced.
    """
    config = uvicorn.Config(partial(_made, make), host=host, port=port, **_QUIET)
    if workers == 1:
        uvicorn.Server(config).run()
        return
    multiprocessing.allow_connection_pickling()  # for the sockets that they are given
    bound = _bound(config)
    bound.listen(_QUEUE)  # from now on, so that who comes early waits
    if not hasattr(socket, "send_fds"):
        _supervise(_serve, make, [bound] * workers, bound)
    seats = [Seat() for _ in range(workers)]
    share_out(bound, seats)
    _supervise(_serve_shared, make, [seat.theirs for seat in seats], bound)


def listen_at(make: Callable[[int], Any], host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve an ASGI application that has to know its port, in this process.

    Args:
        make: Makes the application, from the port.
        host: The address to listen on.
        port: The port; 0 for one that is free.
        ready: Called once the port is open: who asks from then on is answered.
    """
    bound = _bound(uvicorn.Config("", host=host, port=port, **_QUIET))
    app = make(bound.getsockname()[1])
    bound.listen()  # who is told of it now waits in the queue, and is not refused
    ready()
    _serve(lambda: app, bound)


def _bound(config: uvicorn.Config) -> socket.socket:
    """A socket at the port that is configured.

    What is accepted inherits its option. asyncio sets it by itself only on a socket that says that
    it is TCP's, and this one does not: answers in two parts would wait 40 ms for the first's
    receipt.
    """
    bound = config.bind_socket()
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def _supervise(
    serve: Callable[[Callable[[], Any], socket.socket], None],
    make: Callable[[], Any],
    sockets: list[socket.socket],
    bound: socket.socket,
) -> NoReturn:
    """Have a process serve each of the sockets, until this one is told to stop.

    Then the port is closed at once: who comes while the processes end is refused, and not kept.
    """
    spawn, stop = multiprocessing.get_context("spawn"), threading.Event()

    def begun(nth: int) -> SpawnProcess:
        process = spawn.Process(target=serve, args=(make, sockets[nth]))
        process.start()
        return process

    def told(_: int, __: FrameType | None) -> None:
        stop.set()
        bound.close()
        for process in processes:
            process.terminate()

    processes = [begun(nth) for nth in range(len(sockets))]
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, told)
    while not stop.is_set():
        wait([process.sentinel for process in processes], timeout=1)
        dead = [process for process in processes if not process.is_alive()]
        if any(process.exitcode == _FAILED_TO_START for process in dead):
            told(signal.SIGTERM, None)
        for nth, process in enumerate(processes):
            if process in dead and not stop.is_set():
                processes[nth] = begun(nth)
    _end(processes)


def _end(processes: list[SpawnProcess]) -> NoReturn:
    """Exit once the processes have."""
    for process in processes:
        process.terminate()  # one that began while the supervisor was told to stop was not told
    for process in processes:
        process.join()
    sys.exit(max(process.exitcode == _FAILED_TO_START for process in processes))


def _serve(make: Callable[[], Any], bound: socket.socket) -> None:
    uvicorn.Server(uvicorn.Config(partial(_made, make), **_QUIET)).run(sockets=[bound])


def _serve_shared(make: Callable[[], Any], theirs: socket.socket) -> None:
    Sharer(uvicorn.Config(partial(_made, make), **_QUIET), theirs).run()


def _made(make: Callable[[], Any]) -> Any:
    """The application. What the process holds by then stays for as long as it serves.

    To look it all through for garbage took 60 to 80 ms, amid whatever was being answered.
    """
    app = make()
    gc.collect()
    gc.freeze()
    return app
