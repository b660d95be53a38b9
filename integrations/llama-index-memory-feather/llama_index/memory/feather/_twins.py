"""The async twin of a method: the same call in a thread, so that it holds nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


def in_a_thread(method: Callable[..., Any]) -> Callable[_Given, Coroutine[Any, Any, _Answer]]:
    """As the method, in a thread. Its type is the one that LlamaIndex's class declares.

    Lists are copied first: whoever gave them may go on changing them.
    """

    @wraps(method)
    async def twin(self: Any, *given: Any, **named: Any) -> Any:
        call = getattr(self, method.__name__)  # a subclass may have its own
        copies = {name: _copied(each) for name, each in named.items()}
        return await asyncio.to_thread(call, *map(_copied, given), **copies)

    twin.__doc__ = f"As `{method.__name__}`, in a thread."
    return twin  # type: ignore[return-value]  # as declared there


def _copied(given: Any) -> Any:
    return list(given) if isinstance(given, list) else given
