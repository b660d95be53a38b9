"""What commands share: an embedder, a time and a filter, and printing."""

from __future__ import annotations

import importlib
import json
import os
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from feather_memory.cli.places import Place, existing, is_there
from feather_memory.errors import FeatherError, FilterError, MissingEmbedderError, ParameterError
from feather_memory.importers.times import parse_time
from feather_memory.types import Embedder, Model, Seconds
from feather_memory.write.hashing import HashEmbedder
from feather_memory.write.models import name_of, of_documents, of_queries
from feather_memory.write.named import here, is_name, load

_PIPED = 1 << 20
"""Columns of a table that is read by a program: it is neither folded nor cut."""

EmbedderOption = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        metavar="NAME",
        help="The model that makes vectors: model2vec:…, fastembed:…, sentence-transformers:…, "
        "openai:… or ollama:… and its name there; MODULE:NAME for a function or model in a "
        "Python file of yours; 'none' for words only. Without it: the store's own, where it is "
        "on this machine, or hash: for a new one, which is lexical, not semantic (it finds "
        "shared words and spellings, and knows no synonyms).",
    ),
]

WhereOption = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="JSON",
        help="""Only memories this filter lets through, like '{"channel": "chat"}' or """
        """'{"importance": {"$gte": 0.5}}'.""",
    ),
]


def embedder_named(name: str | None) -> Embedder | Model | None:
    """What `--embedder` means. A module's folder may be the one the command runs in.

    Raises:
        ParameterError: There is no such function or model.
        MissingExtraError: The library of the model is not installed.
    """
    if name is None:
        return HashEmbedder()
    if name == "none":
        return None
    module, colon, attribute = name.partition(":")
    if not colon or not (module and (attribute or is_name(name))):
        raise ParameterError(
            f"--embedder takes the name of a model, such as 'hash:', MODULE:NAME or 'none', "
            f"got {name!r}"
        )
    try:
        found = load(name) if is_name(name) else _imported(module, attribute, name)
        documents, queries = of_documents(found), of_queries(found)
    except MissingEmbedderError as error:
        raise ParameterError(f"--embedder {name}: {error}") from None
    if documents is None or queries is None:
        raise ParameterError(f"--embedder {name}: it is None, not a function")
    return _Named(name, documents, queries, name_of(found))


@dataclass(frozen=True, slots=True)
class _Named:
    """An embedder that names itself where it fails."""

    name: str
    documents: Embedder
    queries: Embedder
    model_name: str | None

    def encode_document(self, texts: list[str]) -> Any:
        return self._called(self.documents, texts)

    def encode_query(self, texts: list[str]) -> Any:
        return self._called(self.queries, texts)

    def _called(self, embed: Embedder, texts: list[str]) -> Any:
        try:
            return embed(texts)
        except FeatherError:
            raise
        except Exception as error:  # the caller's own function may raise anything
            said = f"--embedder {self.name}: {type(error).__name__}: {error}"
            raise FeatherError(said) from error


def fitting(store: Place, name: str | None, *, by_words: bool = False) -> Embedder | Model | None:
    """The embedder that was asked for; if none was, the one of the store's vectors.

    Args:
        store: Where the store is, or is to be.
        name: What `--embedder` says.
        by_words: Whether words will do where the store's model is not here.

    Raises:
        ParameterError: They will not.
    """
    if name is not None or not is_there(store):
        return embedder_named(name)
    with existing(store) as opened:
        stats = opened.stats()
    if stats.dimension is None:
        return HashEmbedder()
    usual = HashEmbedder()
    found = usual if stats.embedder is None else here(stats.embedder)
    if found is not None and (stats.embedder is not None or stats.dimension == usual.dim):
        return found
    whose = "another embedder" if stats.embedder is None else repr(plain(stats.embedder))
    said = f"The vectors here have {stats.dimension} numbers and come from {whose}"
    if not by_words:
        raise ParameterError(f"{said}, which is not here: name it with --embedder")
    typer.echo(f"{said}: searching by words only. Name it with --embedder.", err=True)
    return None


def _imported(module: str, attribute: str, name: str) -> Any:
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # the caller's own module may raise anything
        raise ParameterError(f"--embedder {name}: {type(error).__name__}: {error}") from error


def moment(written: str | None, option: str) -> Seconds | None:
    """The time a caller wrote; one without a zone is read as UTC."""
    if written is None:
        return None
    try:
        return parse_time(written)
    except ParameterError as error:
        raise ParameterError(f"{option}: {error}") from None


def condition(where: str | None) -> dict[str, Any] | None:
    """The filter that a caller wrote as JSON."""
    if where is None:
        return None
    try:
        read = json.loads(where)
    except (ValueError, RecursionError) as error:
        raise FilterError(f"--where is not JSON: {error}") from None
    if not isinstance(read, dict) or not read:
        raise FilterError(f"--where takes a JSON object that says something, got {where!r:.80}")
    return read


def plain(text: str) -> str:
    """The text on one line, without the control characters that could drive a terminal."""
    line = " ".join(text.split())
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cf"} else c for c in line)


def line(text: str) -> str:
    """As `plain` where a terminal reads it; a program gets it as it is."""
    return plain(text) if sys.stdout.isatty() else text


def day(time: datetime | None) -> str:
    """A time to the minute, in UTC; nothing for none."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


def table(titles: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print rows as a table, as wide as it is where nobody looks. Nothing is read as markup."""
    named = list(titles)
    grid = Table(box=None, pad_edge=False, header_style="bold", show_header=any(named))
    for title in named:
        grid.add_column(title, overflow="fold", no_wrap=title in {"score", "since", "until"})
    for row in rows:
        grid.add_row(*(Text(plain(str(cell))) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPED)
    console.print(grid)
