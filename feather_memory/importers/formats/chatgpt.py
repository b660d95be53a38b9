"""ChatGPT's export: `conversations.json`, or the zip or folder that has it.

A conversation is a tree, for an answer can be asked for again; what is remembered is the branch
that was current.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from feather_memory.importers.document import Document
from feather_memory.importers.entries import Entry, Refused, each_taken, whose
from feather_memory.importers.format import Format
from feather_memory.importers.source import Source

_SAID = {"text", "multimodal_text", "code"}
_PARTIES = {"user", "assistant"}
_EVERYBODY = {None, "all"}
"""To whom a message goes that is said to the other; what goes to a tool is a call of it."""

LOOKED = 20
"""Files that are looked at to see what they are: the first may be empty."""


def members(source: Source) -> list[str]:
    """Those that hold conversations: large exports have several."""
    if source.members == ("",):
        return [""]
    return source.named("conversations.json", "conversations-*.json")


def _recognises(source: Source) -> bool:
    return any(_has_trees(source.prefix_of(member)) for member in members(source)[:LOOKED])


def _has_trees(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and _is_tree(value[0])


def _is_tree(value: Any) -> bool:
    return isinstance(value, dict) and "mapping" in value and isinstance(value["mapping"], dict)


def _read(source: Source) -> Iterator[Entry | Refused]:
    lines = count(1)
    for member in members(source):
        with source.text_of(member) as stream:
            document = Document(stream)
            for _ in document.items():
                yield from each_taken(lines, _of_conversation, document.value())


def _of_conversation(conversation: Any) -> Iterator[dict[str, Any]]:
    if not _is_tree(conversation):
        return
    session = conversation.get("conversation_id") or conversation.get("id")
    for message in _branch(conversation):
        author = message.get("author") or {}
        text = _text(message.get("content") or {})
        told = message.get("metadata") or {}
        if author.get("role") not in _PARTIES or not text.strip():
            continue
        if told.get("is_visually_hidden_from_conversation"):
            continue
        if message.get("recipient") not in _EVERYBODY:
            continue
        yield {
            "text": text,
            "id": message.get("id"),
            "time": message.get("create_time") or conversation.get("create_time"),
            "session": session,
            "metadata": {"title": conversation.get("title"), "model": told.get("model_slug")},
            **whose(author.get("role")),
        }


def _branch(conversation: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of the current branch, oldest first."""
    nodes = conversation["mapping"]
    at = conversation.get("current_node")
    if at not in nodes:
        leaves = [name for name, node in nodes.items() if not node.get("children")]
        at = max(leaves, key=lambda name: _time(nodes[name]), default=None)
    branch, seen = [], set()
    while at in nodes and at not in seen:
        seen.add(at)
        if message := nodes[at].get("message"):
            branch.append(message)
        at = nodes[at].get("parent")
    return branch[::-1]


def _time(node: dict[str, Any]) -> float:
    return float((node.get("message") or {}).get("create_time") or 0)


def _text(content: dict[str, Any]) -> str:
    if content.get("content_type") not in _SAID:
        return ""
    parts = content.get("parts")
    if parts is None:
        return str(content.get("text") or "")
    # A part that is an object is a picture, or a voice with its transcript.
    said = (part if isinstance(part, str) else part.get("text") for part in parts if part)
    return "\n".join(text for text in said if isinstance(text, str) and text)


FORMAT = Format("chatgpt", "a ChatGPT export", _recognises, _read)
