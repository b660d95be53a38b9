"""Connections to one port, shared out among worker processes: each goes to who has fewest.

Of a socket that all of them accept from, whoever is first takes all that waits. Of several sockets
at one port the system draws lots: of fifty connections one worker of two gets thirty, and those
wait half as long again. Clients keep their connections, so neither evens out.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Final

import uvicorn

_BEGUN, _TAKEN, _ENDED, _LEAVING = b"0tel"
"""What a worker tells: that it has none yet, took one, that one ended, that it takes no more."""

_AGAIN: Final = 0.02
"""Seconds until a connection that nobody had room for is offered again."""


class Seat:
    """A worker as whoever shares out sees it: how many connections it has, or will take.

    What waits for a worker that dies is taken by the one in its place: both read from `theirs`.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.leaving = False
        """That it takes no more, until one has begun in its place."""
        self._waiting = 0
        self._open = 0
        self._ever = 0

    @property
    def load(self) -> tuple[int, int]:
        """Its connections, and how many it ever had: of equals who had fewer is next."""
        return self._waiting + self._open, self._ever

    def hand(self, connection: socket.socket) -> bool:
        """Hand it a connection. False if too many wait for it, or on their way in the system."""
        try:
            socket.send_fds(self.ours, [b"."], [connection.fileno()])
        except OSError:
            return False
        self._waiting += 1
        self._ever += 1
        return True

    def hear(self) -> None:
        """Note what the worker tells."""
        said = b""
        with suppress(BlockingIOError):
            said = self.ours.recv(4_096)
        for each in said:
            if each == _BEGUN:
                self._open, self.leaving = 0, False
            elif each == _TAKEN:
                self._waiting, self._open = self._waiting - 1, self._open + 1
            elif each == _ENDED:
                self._open -= 1
            elif each == _LEAVING:
                self.leaving = True


def share_out(bound: socket.socket, seats: Iterable[Seat]) -> None:
    """Share out the connections to a listening socket, in a thread, while the process lives.

    Once the socket is closed nobody comes any more.
    """
    threading.Thread(
        target=_share_out, args=(bound, list(seats)), name="feather-memory-share", daemon=True
    ).start()


def _share_out(bound: socket.socket, seats: list[Seat]) -> None:
    bound.setblocking(False)
    held: socket.socket | None = None
    with DefaultSelector() as selector:
        selector.register(bound, EVENT_READ)
        for seat in seats:
            selector.register(seat.ours, EVENT_READ, seat)
        while True:
            for key, _ in selector.select(None if held is None else _AGAIN):
                if key.data is not None:
                    key.data.hear()
            if held is not None:
                time.sleep(_AGAIN)
                held = handed(held, seats)
            while held is None and (connection := _accepted(bound)) is not None:
                held = handed(connection, seats)


def _accepted(bound: socket.socket) -> socket.socket | None:
    """The next connection; None if none waits."""
    try:
        return bound.accept()[0]
    except (BlockingIOError, ConnectionAbortedError):
        return None
    except OSError:  # the system has no room for more now, or it is closed
        time.sleep(_AGAIN)
        return None


def handed(connection: socket.socket, seats: list[Seat]) -> socket.socket | None:
    """Hand a connection to whoever has fewest, and has room; itself where nobody has.

    Who leaves is last: its connections end, so that it would have fewest, and nobody takes them.
    """
    by_load = sorted(seats, key=lambda seat: (seat.leaving, seat.load))
    if any(seat.hand(connection) for seat in by_load):
        connection.close()  # it is the worker's now
        return None
    return connection


class Sharer(uvicorn.Server):
    """A worker's server: its connections come through its end of a seat."""

    def __init__(self, config: uvicorn.Config, theirs: socket.socket) -> None:
        super().__init__(config)
        self._theirs = theirs
        self._taken = 0
        self._ended = 0
        self._beginning: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Begin, and take what waits."""
        await super().startup(sockets=[])
        self._theirs.setblocking(False)
        self._tell(_BEGUN)
        asyncio.get_running_loop().add_reader(self._theirs, self._take)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second tell how many have ended."""
        ended = self._taken - len(self._beginning) - len(self.server_state.connections)
        self._ended += self._tell(_ENDED, ended - self._ended)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, and do what is under way. What waits is for the one in its place."""
        asyncio.get_running_loop().remove_reader(self._theirs)
        self._tell(_LEAVING)
        if self._beginning:  # so that they are among those that are told to end
            await asyncio.wait(self._beginning)
        await super().shutdown(sockets)

    def _tell(self, what: int, times: int = 1) -> int:
        """How many of them were told: none while whoever listens is behind, or gone."""
        try:
            return self._theirs.send(bytes([what]) * times) if times > 0 else 0
        except OSError:
            return 0

    def _take(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(BlockingIOError):
            while True:
                said, files = self._received()
                if not said:  # who shared out is gone, and nobody comes any more
                    loop.remove_reader(self._theirs)
                    self.should_exit = True
                    return
                self._taken += 1
                self._tell(_TAKEN)
                for file in files:  # none where this process may open no more: it was dropped
                    begun = loop.create_task(self._begin(socket.socket(fileno=file)))
                    self._beginning.add(begun)
                    begun.add_done_callback(self._beginning.discard)

    def _received(self) -> tuple[bytes, list[int]]:
        try:
            said, files, *_ = socket.recv_fds(self._theirs, 1, 1)
        except ConnectionResetError:  # who shared out is gone, with something told unheard
            return b"", []
        return said, files

    async def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        protocol: Any = self.config.http_protocol_class
        given = {"server_state": self.server_state, "app_state": self.lifespan.state}
        with suppress(OSError):  # it is gone already
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol(config=self.config, **given), connection
            )
