"""A store's snapshot in a LlamaIndex persist directory, beside where its JSON would be."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from feather_memory import ParameterError, Store, StoreAccessError
from feather_memory.agent import Source

_SUFFIX = ".feather"  # LlamaIndex reads every file that is called JSON as JSON
_COMPANIONS = frozenset({"-wal", "-shm", "-journal", ".vectors", ".lists", ".hnsw", ".hnsw.json"})
_FORBIDDEN = frozenset("/\\:\0")


def persist(source: Source, persist_path: str, fs: Any) -> None:
    """Copy the store into the directory, unless it lives there: what it wrote is on disk already.

    Of a tenant of a pool who has none the snapshot is an empty one, and the pool gets none.

    Raises:
        StoreAccessError: A snapshot is there that somebody has open.
    """
    target, found = snapshot_path(persist_path, fs), source.found()
    if target.parent.resolve() == Path(source.path).parent.resolve():
        return  # none does that lives on a server: its place is a URL
    target.parent.mkdir(parents=True, exist_ok=True)
    companions = [path for path in target.parent.iterdir() if _belongs_to(path, target)]
    if any(path.name == f"{target.name}-wal" for path in companions):
        raise StoreAccessError(f"{str(target)!r} is open; it cannot be replaced until it is closed")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fresh = Path(folder) / target.name
        if found is None:
            Store.open(fresh, tenant=source.owner).close()
        else:
            found.writes.backup(fresh)
        for path in companions:  # derived from what is replaced
            path.unlink(missing_ok=True)
        fresh.replace(target)


def snapshot_path(persist_path: str, fs: Any) -> Path:
    """Where the snapshot is whose JSON would be at `persist_path`.

    Args:
        persist_path: As LlamaIndex names it.
        fs: An fsspec file system, or None for the local one.

    Raises:
        ParameterError: The file system is not the local one.
    """
    if fs is not None and "file" not in fs.protocol:
        raise ParameterError(f"a store is a file on this machine, and cannot be on {fs!r:.80}")
    return Path(persist_path).with_suffix(_SUFFIX)


def existing(target: Path) -> Path:
    """The snapshot, which has to be there.

    Raises:
        StoreAccessError: There is none. A store is never made where one was to be loaded.
    """
    if not target.is_file():
        raise StoreAccessError(f"there is no snapshot {str(target)!r}")
    return target


def json_name(namespace: str, name: str) -> str:
    """The name that LlamaIndex gives to the file of a namespace.

    Raises:
        ParameterError: It would lead elsewhere.
    """
    if not namespace or namespace.startswith(".") or _FORBIDDEN & set(namespace):
        raise ParameterError(f"a namespace is part of a file's name, got {namespace!r}")
    return f"{namespace}__{name}"


def _belongs_to(path: Path, target: Path) -> bool:
    """Whether the store that was at the target made it; what only looks like it is the user's."""
    left = path.name.startswith(f".{target.name}.") and path.name.endswith(".tmp")
    return left or path.name.removeprefix(target.name) in _COMPANIONS
