"""What the person changes: each change is the verb of an agent, said by the user, and undone whole.

What is forgotten is gone for good: it has a plan instead, which is shown before.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from feather_memory.agent.acts import save_fact
from feather_memory.agent.outcome import outcome_of
from feather_memory.agent.source import Opened
from feather_memory.config import WINDOW_UNDOS
from feather_memory.doors import verbs
from feather_memory.doors.answers import ForgetTold
from feather_memory.doors.verbs import Terms
from feather_memory.doors.window.bodies import Add, Affirm, Correct, Forget, Weigh
from feather_memory.doors.window.seen import ChangeSeen, MemorySeen
from feather_memory.errors import NotAllowedError
from feather_memory.model.memory import Memory, SignalKind
from feather_memory.model.origin import USER
from feather_memory.store.store import Store

_USER: Final = Terms(origin=USER)


@dataclass(slots=True)
class Changes:
    """The changes that can still be undone, in one process. Safe for threads."""

    _steps: OrderedDict[tuple[str, str], Callable[[], str]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def noted(self, tenant: str, undo: Callable[[], str]) -> str:
        """A name for a change; `undo` undoes it, and says which memory to look at, "" for none."""
        name = secrets.token_hex(8)
        with self._lock:
            self._steps[tenant, name] = undo
            while len(self._steps) > WINDOW_UNDOS:
                self._steps.popitem(last=False)
        return name

    def undo(self, tenant: str, name: str) -> str:
        """Undo a change, once; the id of the memory to look at.

        Raises:
            NotAllowedError: It was undone already, or is too long ago.
        """
        with self._lock:
            step = self._steps.get((tenant, name))
            if step is None:
                raise NotAllowedError("that cannot be undone any more")
            shown = step()  # one that fails may be tried again
            del self._steps[tenant, name]
            return shown


def add(store: Store, changes: Changes, said: Add) -> ChangeSeen:
    """Remember what the person writes."""
    opened = Opened.of(store)
    with store.transaction():
        memory = save_fact(opened, said.text, key=said.key or None, origin=USER)
        is_new = not store.get_many([memory.id])  # what is read within is from before
    undo = changes.noted(said.tenant, lambda: _unwritten(store, memory)) if is_new else None
    return _changed(store, store.get(memory.id), outcome_of(opened, memory).became, undo)


def correct(store: Store, changes: Changes, said: Correct) -> ChangeSeen:
    """Put what is true in the place of a memory."""
    before = {memory.id for memory in store.history(said.id)}
    written = verbs.correct(Opened.of(store), _USER, said.id, said.text)
    memory = store.get(written.id)
    if memory.id in before:  # it says so already
        return _changed(store, memory, "known", None)

    def undo() -> str:
        back = _unwritten(store, memory)
        _uncredited(store, said.id, SignalKind.CORRECTED)
        return back

    return _changed(store, memory, written.became, changes.noted(said.tenant, undo))


def affirm(store: Store, changes: Changes, said: Affirm) -> ChangeSeen:
    """Count that it is still true."""
    with store.transaction():  # so that it is what this changes, and no other
        before = store.get(said.id)
        memory = store.plumbing.affirm(said.id)

    def undo() -> str:
        return store.plumbing.unaffirm(said.id, before).id

    return _changed(store, memory, "affirmed", changes.noted(said.tenant, undo))


def weigh(store: Store, changes: Changes, said: Weigh) -> ChangeSeen:
    """Let it matter more, or less."""
    signal = store.signal(said.id, said.kind)

    def undo() -> str:
        store.unsignal(signal.event_id)
        return said.id

    return _changed(store, store.get(said.id), "weighed", changes.noted(said.tenant, undo))


def forget(store: Store, said: Forget) -> ForgetTold:
    """Plan what is to be forgotten, or carry the plan out."""
    return verbs.forget(Opened.of(store), ids=said.ids, confirm=said.confirm)[0]


def _changed(store: Store, memory: Memory, said: str, change: str | None) -> ChangeSeen:
    holding = store.plumbing.holding([memory.id])
    return ChangeSeen(memory=MemorySeen.at(memory, holding), said=said, change=change)


def _unwritten(store: Store, memory: Memory) -> str:
    """Have a memory never been written; one of those that it replaced, "" for none."""
    now = store.get(memory.id)
    if now.superseded_by:
        raise NotAllowedError("it was changed again since: undo that first")
    replaced = now.supersedes
    for old in replaced:
        store.unsupersede(old, memory.id)
    store.plumbing.drop([memory.id])
    return next(iter(replaced), "")


def _uncredited(store: Store, memory_id: str, kind: SignalKind) -> None:
    """Take the last signal of a kind about a memory back."""
    for signal in reversed(store.signals(memory_id)):
        if signal.kind == kind and not signal.retracted:
            store.unsignal(signal.event_id)
            return
