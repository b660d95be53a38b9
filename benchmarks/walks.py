"""How far a call walks through the code: files it visits, and returns to one it has left.

Counted are calls from one file of ours into another, whatever is called between them; a return is
such a call into a file that was visited before. Few files and few returns are what makes a call
easy to follow. Counted so, on the code before it had rooms: add 16 files and 14 returns, search
20 and 35, feedback 13 and 18, LangChain's retriever 26 and 59, LlamaIndex's put 25 and 91; with
one memory in the store instead of two, a few less.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from feather_memory import Store
from feather_memory.testing import HashEmbedder

OURS = ("feather_memory", "langchain_feather_memory", "feather")
NOT_OURS = ("site-packages", "testing", "hashing.py")  # the last stands for the caller's own model


def place_of(code: CodeType) -> str | None:
    """The file of a function of ours, by its path below the distribution; None for others'."""
    parts = Path(code.co_filename).parts
    if any(part in NOT_OURS for part in parts):
        return None
    roots = [at for at, part in enumerate(parts[:-1]) if part in OURS]
    return "/".join(parts[roots[-1] :]) if roots else None


def walked(call: Callable[[], Any]) -> list[str]:
    """The files of ours that a call goes into from another, in order."""
    steps: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or (here := place_of(frame.f_code)) is None:
            return
        caller = frame.f_back
        while caller is not None and place_of(caller.f_code) is None:
            caller = caller.f_back
        if caller is None or place_of(caller.f_code) != here:
            steps.append(here)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return steps


def counted(steps: list[str]) -> tuple[int, int]:
    """How many files were visited, and how often one was that had been."""
    return len(set(steps)), len(steps) - len(set(steps))


def calls(folder: Path) -> dict[str, Callable[[], Any]]:
    """The five that an agent lives on, each ready to be made, its store in a folder."""
    made = {"add": _add, "search after a write": _search, "feedback": _feedback}
    made |= {"LangChain's retriever": _retriever, "LlamaIndex's put": _put}
    return {name: make(folder / f"{at}.feather") for at, (name, make) in enumerate(made.items())}


def _store(path: Path) -> Store:
    store = Store.open(path, embedder=HashEmbedder(64), tenant="alice")
    store.add("Alice drinks tea", key="drink")
    store.search("tea")
    store.add("Tea is green")
    return store


def _add(path: Path) -> Callable[[], Any]:
    store = _store(path)
    return lambda: store.add("Alice deploys on Fridays")


def _search(path: Path) -> Callable[[], Any]:
    store = _store(path)
    return lambda: store.search("green tea")


def _feedback(path: Path) -> Callable[[], Any]:
    store = _store(path)
    store.recall("green tea", turn="turn")
    return lambda: store.feedback("turn", "liked")


def _retriever(path: Path) -> Callable[[], Any]:
    from langchain_feather_memory import FeatherRetriever

    store = _store(path)
    retriever = FeatherRetriever(store=store)
    retriever.invoke("coffee")
    store.add("Coffee is black")
    return lambda: retriever.invoke("green tea")


def _put(path: Path) -> Callable[[], Any]:
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.memory.feather import FeatherMemory

    memory = FeatherMemory.from_defaults(store=_store(path), session_id="monday")
    memory.put(ChatMessage(role="user", content="hello there"))
    return lambda: memory.put(ChatMessage(role="user", content="I drink tea"))


def main() -> None:
    """Print the five walks; with `-v`, every step of them."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':24} files  returns")
        for name, call in calls(Path(folder)).items():
            steps = walked(call)
            files, returns = counted(steps)
            print(f"{name:24} {files:5}  {returns:7}")
            if "-v" in sys.argv:
                print("   ", " → ".join(steps))


if __name__ == "__main__":
    main()
