"""Facts are taken from turns beside the answer: in one thread of the process, tried again, told."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from feather_memory.agent.conversation import embedded
from feather_memory.agent.facts import Extract, facts_in, keys_of, may_tell, take_facts
from feather_memory.agent.outage import MOST_OWED, Embed, OutageEvent, is_outage
from feather_memory.model.memory import Memory
from feather_memory.store.store import Store
from feather_memory.truth.forked import watch

ATTEMPTS: Final = 8
"""How often a turn's facts are tried to be taken; after that they are given up, which is told."""

STUCK_SECONDS = 120.0
"""After so long whoever takes a turn's facts is waited for no more by the turns behind it."""

_MOST_STUCK = 4  # threads that may be left behind so
_MOST_UNTOLD = 100
_log = logging.getLogger("feather_memory")


@dataclass(slots=True, eq=False)
class _Job:
    """One turn, from which facts are to be taken."""

    extraction: Extraction
    turn_id: str
    tenant: str | None
    opened: Callable[[], Store]
    embed: Embed | None
    failures: int = 0

    def run(self) -> None:
        """Take them. Whatever goes wrong is noted: nobody waits for it who could be told."""
        with _Noted(self):
            store = self.opened()
            turn = next(iter(store.get_many([self.turn_id])), None)
            if turn is None or not may_tell(turn):
                return
            answer = self.extraction.extract(turn, keys_of(store, turn.text))
            if inspect.isawaitable(answer):
                answer = asyncio.run(_awaited(answer))
            if facts := facts_in(answer):
                texts = [fact.text for fact in facts]
                vectors = None if self.embed is None else self.embed(texts)
                made = embedded(store, texts) if vectors is None else vectors
                take_facts(store, turn.id, facts, made)


async def _awaited(answer: Awaitable[object]) -> object:
    return await answer


@dataclass(frozen=True, slots=True)
class _Noted:
    """Bears whatever its block raises, has it told, and the job tried again."""

    job: _Job

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is not None:
            self.job.extraction._failed(self.job, error)  # noqa: SLF001  its own
        return True


class _Worker:
    """The process's one thread that takes facts; there is none while there is nothing to do.

    One whose model does not answer is left behind when somebody comes whom it would hold up.
    """

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Begin anew in a fork: what waits is the parent's."""
        self.changed = threading.Condition()
        self.waiting: deque[_Job] = deque()
        self.under_way: _Job | None = None
        self.stuck: list[_Job] = []
        self._since = 0.0
        self._thread: threading.Thread | None = None

    def put(self, jobs: Iterable[_Job]) -> None:
        """Have these done, after what waits."""
        watch(self)
        with self.changed:
            self.waiting.extend(jobs)
            bound(self.waiting)
            if self.waiting and (self._thread is None or self._is_stuck()):
                thread = threading.Thread(
                    target=self._run, name="feather-memory-extract", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # Python has none to give, or ends: who comes next starts it
                    _log.warning("no thread takes facts now", exc_info=True)
                else:
                    self._leave_behind()
                    self._thread = thread

    def _is_stuck(self) -> bool:
        has_waited = time.monotonic() - self._since
        return (
            self.under_way is not None
            and has_waited > STUCK_SECONDS
            and len(self.stuck) < _MOST_STUCK
        )

    def _leave_behind(self) -> None:
        if (job := self.under_way) is not None:
            _log.warning("taking facts from a turn of tenant %r does not end", job.tenant)
            self.stuck.append(job)
            self.under_way = None

    def wait(self, extraction: Extraction, timeout: float | None) -> bool:
        """Wait until nothing of it waits or is under way. False if that takes longer."""
        with self.changed:
            return self.changed.wait_for(
                lambda: all(
                    job is None or job.extraction is not extraction
                    for job in (self.under_way, *self.stuck, *self.waiting)
                ),
                timeout,
            )

    def _run(self) -> None:
        try:
            while (job := self._next()) is not None:
                # No run of an agent is its context: what a model says here would be streamed as
                # if it were the answer.
                try:
                    contextvars.Context().run(job.run)
                finally:
                    self._done(job)
        finally:  # whoever is told of a failure may fail, too
            with self.changed:
                if self._thread is threading.current_thread():
                    self._rest()

    def _done(self, job: _Job) -> None:
        with self.changed:
            if job in self.stuck:
                self.stuck.remove(job)
                self.changed.notify_all()

    def _next(self) -> _Job | None:
        with self.changed:
            if self._thread is not threading.current_thread():  # it was left behind
                return None
            if not self.waiting:
                self._rest()
                return None
            self.under_way, self._since = self.waiting.popleft(), time.monotonic()
            self.changed.notify_all()
            return self.under_way

    def _rest(self) -> None:
        self.under_way = self._thread = None
        self.changed.notify_all()


def bound(jobs: deque[_Job]) -> None:
    """Leave as many as may wait; the oldest give way, which is logged."""
    while len(jobs) > MOST_OWED:
        lost = jobs.popleft()
        _log.warning("facts of a turn of tenant %r are not taken: too many wait", lost.tenant)


_worker = _Worker()


@dataclass(slots=True, eq=False)
class Extraction:
    """Takes keyed facts from what was said, off the path of whoever answers.

    Nothing waits for it, and nothing needs it. What fails is logged, told, and tried again after
    the tenant's next turn, or by `flush`. What is not done ends with the process.

    Args:
        extract: Takes the facts.
        tell: Who is told of what fails, in the thread that takes the facts; without it `untold`
            has that.

    >>> import pathlib, tempfile
    >>> extraction = Extraction(lambda turn, keys: [{"key": "drink", "text": "Alice likes tea"}])
    >>> with Store.open(pathlib.Path(tempfile.mkdtemp()) / "alice.feather") as store:
    ...     turn = store.add("I like tea", role="user", session="monday")
    ...     extraction.offer(None, lambda: store, [turn])
    ...     extraction.flush()
    ...     [(m.key, m.text, m.origin) for m in store.iterate() if m.key]
    True
    [('drink', 'Alice likes tea', 'user')]
    """

    extract: Extract
    tell: Callable[[OutageEvent], None] | None = None
    _owed: list[_Job] = field(default_factory=list)
    _untold: deque[OutageEvent] = field(default_factory=lambda: deque(maxlen=_MOST_UNTOLD))

    def offer(
        self,
        tenant: str | None,
        opened: Callable[[], Store],
        turns: Iterable[Memory],
        embed: Embed | None = None,
    ) -> None:
        """Have facts taken from these turns, and from those of the tenant that failed before.

        Args:
            tenant: Whose they are.
            opened: Opens their store, when it comes to them.
            turns: Memories. What only acknowledges is passed over.
            embed: Makes the facts' vectors; the store does unless given.
        """
        new = [_Job(self, each.id, tenant, opened, embed) for each in turns if may_tell(each)]
        _worker.put([*self._due(lambda job: job.tenant == tenant), *new])

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all facts are taken, those that failed tried once more. False if not all are.

        Args:
            timeout: Seconds; without it, as long as it takes.
        """
        _worker.put(self._due(lambda _: True))
        return _worker.wait(self, timeout) and not self._owed

    def untold(self, tenant: str | None) -> list[OutageEvent]:
        """What has failed for the tenant since this was asked last."""
        with _worker.changed:
            theirs = [each for each in self._untold if each["tenant"] == tenant]
            for each in theirs:
                self._untold.remove(each)
        return theirs

    def _due(self, is_due: Callable[[_Job], bool]) -> list[_Job]:
        with _worker.changed:
            due = [job for job in self._owed if is_due(job)]
            self._owed = [job for job in self._owed if job not in due]
        return due

    def _failed(self, job: _Job, error: BaseException) -> None:
        """Note that a job failed. In an outage what waits of the tenant waits on with it."""
        job.failures += 1
        is_over = job.failures >= ATTEMPTS
        ended = ", and is given up" if is_over else ""
        _log.warning(
            "to take facts from a turn of tenant %r failed%s", job.tenant, ended, exc_info=error
        )
        told: OutageEvent = {
            "doing": "extract",
            "tenant": job.tenant,
            "error": type(error).__name__,
        }
        with _worker.changed:
            if is_outage(error):
                theirs = [
                    each
                    for each in _worker.waiting
                    if each.extraction is self and each.tenant == job.tenant
                ]
                for each in theirs:
                    _worker.waiting.remove(each)
                self._owed += theirs
            if not is_over:
                self._owed.append(job)  # the last, so that others come before it is tried again
            del self._owed[:-MOST_OWED]
            if self.tell is None:
                self._untold.append(told)
        if self.tell is not None:
            self.tell(told)

    def __deepcopy__(self, _: dict[int, Any]) -> Extraction:
        return self  # a model has clients and locks: a copy of whoever asks it asks the same
