"""LangChain's messages as what was said, and how a run and its messages know of its turn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, ToolMessage

from feather_memory.agent import Said, origin_of, same_id, sound_text, stamp_in, worth

STATE: Final = "feather_memory"
"""The key of an agent's state under which a `FeatherMemoryMiddleware` has the turn under way."""

_WRITTEN_BY: Final = "lc_source"
"""Beside a message's content: which of LangChain's middlewares wrote it."""

_LONGEST: Final = 512
"""Characters of the name of a session, or of a role."""


def role_of(message: BaseMessage) -> str:
    """In whose role it is said.

    What a middleware writes as the user's, such as a summary of what was said before, is a model's.
    """
    if message.additional_kwargs.get(_WRITTEN_BY) is not None:
        return "assistant"
    if isinstance(message, ChatMessage) and message.role and _is_name(message.role):
        return message.role
    return message.type


def whose(message: BaseMessage) -> str:
    """From whom it comes. A role that names no party is an agent's own: planner, critic."""
    role = role_of(message).removesuffix("MessageChunk")  # a streamed one's type is its class
    return origin_of(role, "assistant")


def said_in(messages: Iterable[BaseMessage]) -> list[Said]:
    """What the user and the model say in them, in their order."""
    return [
        Said(
            role="user" if _is_users(message) else "assistant",
            text=_text(message),
            message_id=message.id,
        )
        for message in messages
        if isinstance(message, HumanMessage | AIMessage)
    ]


def asked(messages: Sequence[BaseMessage], blocked: Collection[str] = ()) -> list[Said]:
    """What the user has said since the model spoke last, in order, but what was blocked."""
    late = [message for message in _late(messages) if message.id not in blocked]
    return worth(said_in(late))


def _late(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    late = takewhile(lambda message: isinstance(message, HumanMessage), reversed(messages))
    return list(late)[::-1]


def answered(
    messages: Sequence[BaseMessage], turn: Mapping[str, Any]
) -> tuple[bool, AIMessage | None]:
    """Whether the model was asked in this turn, and its last answer, if it stands.

    What stands for an answer but was not the model's in this turn is none: a guard's refusal, the
    notice of a limit, what an earlier turn was told. Nor is one that such a message came after.
    """
    late = takewhile(lambda message: not isinstance(message, HumanMessage), reversed(messages))
    spoken = [message for message in late if isinstance(message, AIMessage)]
    was_asked = any(_is_of(message, turn) for message in spoken)
    for message in takewhile(lambda message: _is_of(message, turn), spoken):
        if not message.tool_calls and _text(message).strip():
            return was_asked, message
    return was_asked, None


def _is_of(message: AIMessage, turn: Mapping[str, Any]) -> bool:
    """Whether the model said it in this turn: by its stamp, or by its id if that was taken off."""
    stamped = stamp_in(message.response_metadata).get("turn")
    return stamped == turn["turn"] or message.id in turn.get("answers", ())


def before(messages: Sequence[BaseMessage], question: str | None) -> list[Said]:
    """What was said in the turn before the user's message, the latest first."""
    earlier: list[BaseMessage] = []
    ids = [message.id for message in messages]
    at = ids.index(question) if question in ids else 0
    for message in reversed(messages[:at]):
        earlier.append(message)
        if isinstance(message, HumanMessage):
            break
    return said_in(earlier)


def both_sides(
    messages: Sequence[BaseMessage],
    questions: Sequence[Mapping[str, Any]],
    answer: AIMessage | None,
) -> list[Said]:
    """What was asked, each {id, text}, and what was answered, if anything was.

    The user's words are as the messages have them now: another middleware may have masked what
    must not be kept.
    """
    now = {message.id: _text(message) for message in messages}
    said = [
        Said(role="user", text=now.get(one["id"], one["text"]), message_id=one["id"])
        for one in questions
    ]
    return said if answer is None else [*said, *said_in([answer])]


def saved_in(messages: Sequence[BaseMessage], tools: Collection[str]) -> list[str]:
    """Ids of the memories that these tools wrote since the user spoke last."""
    late = takewhile(lambda message: not isinstance(message, HumanMessage), reversed(messages))
    return [
        message.artifact["id"]
        for message in late
        if isinstance(message, ToolMessage)
        and message.name in tools
        and isinstance(message.artifact, Mapping)
        and isinstance(message.artifact.get("id"), str)
    ]


def thread_of(config: Mapping[str, Any]) -> str | None:
    """The id of the thread that a run is in, if it is in one.

    Of one that no session can be called, for LangGraph takes any, what is always the same for it.
    """
    found = config.get("configurable", {}).get("thread_id")
    thread = "" if found is None else str(found)
    return (thread if _is_name(thread) else same_id(thread)) or None


def turn_in(state: Mapping[str, Any], middleware: str | None) -> dict[str, Any]:
    """The turn that the middleware of this name has begun; empty if there is none."""
    turn: dict[str, Any] = state.get(STATE, {}).get(middleware, {})
    return turn if "turn" in turn else {}


def blocked_in(state: Mapping[str, Any], middleware: str | None) -> list[str]:
    """Ids of what was said to the middleware of this name in runs that were ended before."""
    blocked: list[str] = state.get(STATE, {}).get(middleware, {}).get("blocked", [])
    return blocked


def unanswered(state: Mapping[str, Any], middleware: str) -> dict[str, Any] | None:
    """What a later turn leaves out, as a change of the state: the run was ended before the model.

    To be asked where a run has ended. One that failed does not come so far: what was said in it is
    said in the next.
    """
    turn = turn_in(state, middleware)
    late = [message.id for message in _late(state["messages"])]
    own = {one["id"] for one in turn.get("asked", ())}
    was_asked = bool(turn.get("answers")) and not own.isdisjoint(late)
    if was_asked or not late:
        return None
    return {STATE: {middleware: {**turn, "blocked": late}}}


def _is_users(message: BaseMessage) -> bool:
    return isinstance(message, HumanMessage) and role_of(message) != "assistant"


def _is_name(name: str) -> bool:
    """Whether a session or a role can be called so."""
    return len(name) <= _LONGEST and "\0" not in name and sound_text(name) == name


def _text(message: BaseMessage) -> str:
    """The message's words, without what else it holds."""
    return str(message.text)
