"""The service from Python: each path a method, whose answers are the service's own values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, TypeVar

import httpx

from feather_memory.doors.answers import (
    Answer,
    ForgetTold,
    HistoryTold,
    LinkTold,
    Recalled,
    SignalsTold,
    SignalTold,
    WhyTold,
    Written,
)
from feather_memory.errors import FeatherError

Told = TypeVar("Told", bound=Answer)


class RefusedError(FeatherError, OSError):
    """The service refused a call; `status` is HTTP's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{reason} ({status})")
        self.status = status


class MemoryClient:
    """One tenant's memory behind a service. Safe for threads.

    A call that is not answered raises what `httpx` does. All of them may be made again: what has
    an id, and feedback that has an event, counts once.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tenant: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
    ) -> None:
        """A client of the service at an address.

        Args:
            url: Of the service, such as "http://127.0.0.1:8000".
            key: As `feather-memory keys add` told it.
            tenant: Whose memory; needed where the key is for many.
            transport: Instead of a connection, for tests.
            timeout: Seconds that an answer may take.
        """
        self._tenant = tenant
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            transport=transport,
            timeout=timeout,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        self._http.close()

    def remember(self, text: str, **fields: Any) -> Written:
        """Remember a text; the fields are `id`, `key`, `session`, `since`, `metadata`, …."""
        return self._told("remember", Written, text=text, **fields)

    def recall(self, question: str, **options: Any) -> Recalled:
        """What is remembered about something; the options are `k`, `as_of`, `team`, …."""
        return self._told("recall", Recalled, question=question, **options)

    def correct(self, memory_id: str, text: str, *, origin: str = "user") -> Written:
        """Say what is true instead of a memory."""
        return self._told("correct", Written, memory_id=memory_id, text=text, origin=origin)

    def feedback(self, turn: str, kind: str, **options: Any) -> tuple[SignalTold, ...]:
        """What somebody did with what a turn was shown."""
        return self._told("feedback", SignalsTold, turn=turn, kind=kind, **options).signals

    def plan_to_forget(self, ids: Sequence[str] = (), *, about: str | None = None) -> ForgetTold:
        """What would be forgotten; nothing is removed."""
        return self._told("forget", ForgetTold, ids=list(ids), about=about)

    def forget(self, plan: ForgetTold) -> ForgetTold:
        """Erase what was planned, for good."""
        ids = [memory.id for memory in plan.memories]
        return self._told("forget", ForgetTold, ids=ids, confirm=plan.confirm)

    def history(self, memory_id: str) -> HistoryTold:
        """What a fact was over time, oldest first."""
        return self._told("history", HistoryTold, memory_id=memory_id)

    def latest(self, k: int = 20) -> HistoryTold:
        """The memories written last that are current, latest first."""
        return self._told("latest", HistoryTold, k=k)

    def why_not(self, question: str, memory_id: str) -> WhyTold:
        """Why a recall of a question does not return a memory."""
        return self._told("why-not", WhyTold, question=question, memory_id=memory_id)

    def link(self, source: str, target: str, **options: Any) -> LinkTold:
        """Link two memories: *source* type *target*; the options are `type`, `weight`, `origin`."""
        return self._told("link", LinkTold, source=source, target=target, **options)

    def _told(self, path: str, answer_of: type[Told], /, **body: Any) -> Told:
        """What the service answers.

        Raises:
            RefusedError: It refuses.
        """
        answer = self._http.post(f"/v1/{path}", json={"tenant": self._tenant, **body})
        if answer.is_success:
            return answer_of.model_validate_json(answer.content)
        try:
            reason = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            reason = answer.reason_phrase
        raise RefusedError(answer.status_code, reason)
