"""`feather-memory import` and `export`: memories in and out of a store as lines of text."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from feather_memory.cli.intake import Intake
from feather_memory.cli.options import EmbedderOption, embedder_named, plain, table
from feather_memory.cli.places import Place, existing
from feather_memory.errors import ParameterError, StoreAccessError
from feather_memory.importers import chatlog, exports
from feather_memory.model.records import RECORDS
from feather_memory.store.store import Store
from feather_memory.tenants.pool import TenantPool
from feather_memory.truth.atomic import newborn
from feather_memory.types import Embedder, Model
from feather_memory.write.copying import Restored

OPEN_STORES = 16
"""Stores kept open at once; chat exports come conversation by conversation."""

_SHOWN_REFUSALS = 10
_DATES = {"valid_from", "recorded_at"}
# Whether --store, --dir, --tenant and --per are given.
_WAYS = ([True, False, False, False], [False, True, True, False], [False, True, False, True])


def _field(what: str, default: str) -> Any:
    return typer.Option(metavar="NAME", help=f"Where {what} is kept; else {default!r}, if there.")


def import_chat(  # noqa: PLR0913 - one option for each part of a memory
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl|csv", help="The chat export.")],
    *,
    store: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The store to fill; made if needed.")
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option("--dir", metavar="PATH", help="A TenantPool's directory, or a URL."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose store to fill, in --dir.")
    ] = None,
    per: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The field whose values are the tenants, in --dir."),
    ] = None,
    text_field: Annotated[str, typer.Option(metavar="NAME", help="Where the text is.")] = "text",
    id_field: Annotated[str | None, _field("the id", "id")] = None,
    time_field: Annotated[str | None, _field("the time", "time")] = None,
    recorded_field: Annotated[
        str | None, _field("when it was learned, never later than now,", "recorded_at")
    ] = None,
    session_field: Annotated[str | None, _field("the session", "session")] = None,
    actor_field: Annotated[str | None, _field("who said it", "actor")] = None,
    role_field: Annotated[str | None, _field("the role", "role")] = None,
    key_field: Annotated[str | None, _field("the slot", "key")] = None,
    embedder: EmbedderOption = None,
    all_refused: Annotated[
        bool, typer.Option("--all-refused", help="List every refused line, not the first ten.")
    ] = False,
) -> None:
    """Remember every line of a JSONL or CSV file: a chat export, or what `export` wrote.

    What `export` wrote comes back as it was, in one transaction; the same twice is once.

    Of anything else, fields without a part to play become metadata. Times may be ISO 8601, Unix
    seconds or milliseconds, or like "1:56 pm on 8 May, 2023"; a time without a zone is read as
    UTC. A line without an id gets one made from its content, so that importing a file again
    changes nothing. What was learned long ago may say when: `--known-at` knows it from then on.
    A line that cannot be remembered is counted and listed with its reason.
    """
    named = [given is not None for given in (store, folder, tenant, per)]
    if named not in _WAYS:
        raise ParameterError(
            "say where to: --store PATH, or --dir PATH with --per FIELD or --tenant NAME"
        )
    fields = chatlog.Fields(
        text=text_field,
        id=id_field,
        time=time_field,
        recorded=recorded_field,
        session=session_field,
        actor=actor_field,
        role=role_field,
        key=key_field,
        per=per,
    )
    is_csv = _is_csv(file)
    if not is_csv and _is_export(file):
        _see_that_they_mean_something(fields, embedder)
        with _opened(file) as stream, _stores(store, folder, tenant, None) as store_of:
            restored = exports.restore(store_of(None), stream)
        _report_restored(restored)
        return
    embed = embedder_named(embedder)
    with _opened(file) as stream, _stores(store, folder, tenant, embed) as store_of:
        intake = Intake(store_of)
        for item in _noticed(chatlog.read(stream, fields, is_csv=is_csv), fields):
            intake.take(item)
        intake.finish()
    _report(intake, all_refused=all_refused)


def _is_export(file: Path) -> bool:
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        return exports.is_ours(stream.readline())


def _see_that_they_mean_something(fields: chatlog.Fields, embedder: str | None) -> None:
    """See that nobody says how to read what says that itself."""
    if fields != chatlog.Fields():
        raise ParameterError("an export of ours names its fields itself: no --…-field, no --per")
    if embedder not in {None, "none"}:
        raise ParameterError(
            "an export of ours has its vectors: no --embedder; `feather-memory reembed` makes anew"
        )


def _report_restored(restored: Restored) -> None:
    added, known = restored.added, restored.known
    typer.echo(f"{added['memory']:,} memories restored, {known['memory']:,} were there already.")
    names = [name for name in RECORDS if added[name] or known[name]]
    rows = ((name.replace("_", " "), added[name], known[name]) for name in names)
    table(["", "restored", "there already"], rows)


def _noticed(
    items: Iterator[chatlog.Entry | chatlog.Refused], fields: chatlog.Fields
) -> Iterator[chatlog.Entry | chatlog.Refused]:
    """The items; before the first without a time, and once, that it will be dated now."""
    is_told = False
    for item in items:
        is_dated = isinstance(item, chatlog.Entry) and _DATES & item.record.keys()
        if not is_told and isinstance(item, chatlog.Entry) and not is_dated:
            is_told = True
            name = fields.sources()["time"]
            typer.echo(
                f"Line {item.line} has no time in {name!r}: what has none is dated now. Its fields "
                f"are {plain(', '.join(map(repr, item.names)))}; --time-field NAME says which has.",
                err=True,
            )
        yield item


def _is_csv(file: Path) -> bool:
    if file.is_dir():
        raise StoreAccessError(f"{str(file)!r} is a directory, not a file to import")
    kind = file.suffix.lower()
    if kind not in {".csv", ".jsonl", ".ndjson"}:
        raise ParameterError(f"{str(file)!r} is neither .jsonl nor .csv")
    return kind == ".csv"


@contextmanager
def _stores(
    path: Path | None, folder: str | None, tenant: str | None, embed: Embedder | Model | None
) -> Iterator[Callable[[str | None], Store]]:
    """Gives the store to fill, by the value of --per. Nothing is made before it is asked for."""
    with ExitStack() as closing:

        @cache
        def only() -> Store:
            return closing.enter_context(Store.open(cast("Path", path), embedder=embed))

        @cache
        def pool() -> TenantPool:
            directory = cast("str", folder)
            return closing.enter_context(
                TenantPool(directory, embedder=embed, max_open=OPEN_STORES)
            )

        if path is not None:
            yield lambda _: only()
        else:
            yield lambda group: pool().get(cast("str", tenant if group is None else group))


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    """The file as `chatlog.read` wants it, with a bar that follows the reading."""
    console = Console(stderr=True)
    columns = (TextColumn(file.name), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
        bar.open(file, "r", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream,
    ):
        yield cast("IO[str]", stream)


def _report(intake: Intake, *, all_refused: bool) -> None:
    typer.echo(
        f"{intake.taken:,} lines remembered, {len(intake.refused):,} refused, "
        f"{intake.linked:,} edges."
    )
    table(["lines", "store"], ((count, path) for path, count in intake.counts.items()))
    if intake.refused:
        shown = intake.refused if all_refused else intake.refused[:_SHOWN_REFUSALS]
        typer.echo()
        table(["line", "refused because"], ((one.line, one.reason) for one in shown))
        if rest := len(intake.refused) - len(shown):
            typer.echo(f"… and {rest:,} more: --all-refused lists them.")
    if intake.refused and not intake.taken:
        raise typer.Exit(1)


def export(
    store: Place,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A new file; standard output without it.")
    ] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors/--no-vectors", help="With or without the vectors.")
    ] = True,
) -> None:
    """Write all that a store keeps as lines of JSON that `import` makes the same store of.

    Memories with their past, edges, signals, the recall log and shelves, as of one moment.
    """
    with existing(store) as opened:
        if out is None:
            exports.write(opened, sys.stdout, vectors=vectors)
            return
        if out.exists():
            raise StoreAccessError(f"{str(out)!r} exists; an export never overwrites")
        with newborn(out) as beside, _private(beside) as stream:
            is_seen = sys.stderr.isatty()
            counts = exports.write(opened, stream, vectors=vectors, progress=is_seen)
    typer.echo(f"{counts['memory']:,} memories written to {plain(str(out))}.")


def _private(path: Path) -> IO[str]:
    """A new file for its owner alone: it holds all that the store does."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="\n")
