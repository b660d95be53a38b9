"""`feather-memory import`: what people have, into a store or the stores of tenants."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from feather_memory.checks import file_path, server_url, when
from feather_memory.cli.options import (
    EmbedderOption,
    day,
    embedder_named,
    fitting,
    plain,
    table,
)
from feather_memory.cli.output import Answer, answered
from feather_memory.cli.places import Place
from feather_memory.errors import FeatherError, ParameterError
from feather_memory.importers import exports
from feather_memory.importers.entries import Entry, Refused, Remark, Tie
from feather_memory.importers.fields import Fields
from feather_memory.importers.format import Format
from feather_memory.importers.intake import REFUSALS, Intake
from feather_memory.importers.registry import FLAT, is_ours, recognised
from feather_memory.importers.source import Source, spooled
from feather_memory.model.records import RECORDS
from feather_memory.store.store import Store
from feather_memory.tenants.pool import TenantPool
from feather_memory.types import Embedder, Model
from feather_memory.write.copying import Restored

OPEN_STORES = 16
"""Stores kept open at once; chat exports come conversation by conversation."""

SHOWN = 5
"""Memories that `--dry-run` shows."""
LOOKED = 1_000
"""What it reads to find them, at most, where lines are refused."""

_Taken: TypeAlias = Entry | Tie | Refused

_DATES = {"valid_from", "recorded_at"}
_STDIN = Path("-")
# Whether --store, --dir, --tenant and --per are given.
_WAYS = ([True, False, False, False], [False, True, True, False], [False, True, False, True])


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: a store, a tenant's store, or one for each value of a field."""

    store: Path | None
    folder: str | None
    tenant: str | None
    per: str | None

    def check(self) -> None:
        """See that it says one way.

        Raises:
            ParameterError: It says none, or several.
        """
        if [
            each is not None for each in (self.store, self.folder, self.tenant, self.per)
        ] not in _WAYS:
            raise ParameterError(
                "say where to: --store PATH, or --dir PATH with --per FIELD or --tenant NAME"
            )
        if self.store is not None:
            file_path(self.store, "--store")
        elif server_url(self.folder) is None:
            file_path(self.folder, "--dir")

    def embedder(self, name: str | None) -> Embedder | Model | None:
        """The embedder of what is filled."""
        return embedder_named(name) if self.store is None else fitting(Place(self.store), name)

    @contextmanager
    def stores(self, embed: Embedder | Model | None) -> Iterator[Callable[[str | None], Store]]:
        """Gives the store to fill, by the value of --per. None is made before it is asked for."""
        with ExitStack() as closing:

            @cache
            def only() -> Store:
                path = cast("Path", self.store)
                return closing.enter_context(Store.open(path, embedder=embed))

            @cache
            def pool() -> TenantPool:
                directory = cast("str", self.folder)
                return closing.enter_context(
                    TenantPool(directory, embedder=embed, max_open=OPEN_STORES)
                )

            if self.store is not None:
                yield lambda _: only()
            else:
                yield lambda group: pool().get(cast("str", self.tenant if group is None else group))


def _field(what: str, default: str) -> Any:
    return typer.Option(metavar="NAME", help=f"Where {what} is kept; else {default!r}, if there.")


@answered
def import_chat(  # noqa: PLR0913 - one option for each part of a memory
    file: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="A file, archive or folder; - for standard input."),
    ],
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the first five, as they would be.")
    ] = False,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="What it is, if it is not seen.")
    ] = None,
    text_field: Annotated[str | None, _field("the text", "text")] = None,
    id_field: Annotated[str | None, _field("the id", "id")] = None,
    time_field: Annotated[str | None, _field("the time", "time")] = None,
    recorded_field: Annotated[
        str | None, _field("when it was learned, never later than now,", "recorded_at")
    ] = None,
    session_field: Annotated[str | None, _field("the session", "session")] = None,
    actor_field: Annotated[str | None, _field("who said it", "actor")] = None,
    role_field: Annotated[str | None, _field("the role", "role")] = None,
    key_field: Annotated[str | None, _field("the slot", "key")] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of text, such as latin-1; else UTF-8 or 16.")
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option("--day-first/--month-first", help="In 5/8/2023; else as the file shows."),
    ] = None,
    embedder: EmbedderOption = None,
    all_refused: Annotated[
        bool, typer.Option("--all-refused", help="List every refused line, not the first ten.")
    ] = False,
) -> Answer:
    """Remember chats, notes, mail, tables, exports.

    It is told by its content: exports of ChatGPT, Claude.ai, Claude Code, Slack, WhatsApp,
    Telegram, Discord, Messenger and Instagram; mailboxes (mbox); folders of Markdown; the stores of
    LangGraph, mem0, Chroma, feather-db and the MCP memory server; OpenAI's messages, ShareGPT,
    LoCoMo, LongMemEval; and lines of JSON, JSON arrays or tables of any delimiter. Zips, folders
    and gz are looked into.

    In a flat file, fields without a part to play become metadata, and a name such as
    message.content reaches into a field. Times may be ISO 8601, a count since 1970, or as people
    write them; one without a zone is read as UTC. Importing again changes nothing, so what was
    broken off is begun again. What cannot be remembered is counted and listed with its reason.

    What `export` wrote comes back as it was, in one transaction.
    """
    target = Target(store, folder, tenant, per)
    if not dry_run:
        target.check()
    fields = Fields(
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
    opened = (
        spooled(encoding, day_first=day_first) if file == _STDIN else _at(file, encoding, day_first)
    )
    with opened as source:
        source.fields = fields
        if format_ is None and is_ours(source):
            return _restore(source, target, embedder, is_dry=dry_run)
        found = _format(source, format_)
        if dry_run:
            return _shown(found, source)
        return _take(found, source, target, embedder, all_refused=all_refused)


@contextmanager
def _at(file: Path, encoding: str | None, day_first: bool | None) -> Iterator[Source]:  # noqa: FBT001
    yield Source(file_path(file, "PATH"), encoding, day_first=day_first)


def _format(source: Source, name: str | None) -> Format:
    found = recognised(source, name)
    own = source.fields.named() - {source.fields.per}
    if own and found.name not in FLAT:
        raise ParameterError(f"{found.title} names its fields itself: no --…-field")
    return found


def _restore(source: Source, target: Target, embedder: str | None, *, is_dry: bool) -> Answer:
    if source.fields != Fields():
        raise ParameterError("an export of ours names its fields itself: no --…-field, no --per")
    if embedder not in {None, "none"}:
        raise ParameterError(
            "an export of ours has its vectors: no --embedder; `feather-memory reembed` makes anew"
        )
    if is_dry:
        told = "An export of a store, which comes back as it was."
        return Answer(said={"format": "export"}, screen=lambda: typer.echo(told))
    with _bar(source), source.text_of() as stream, target.stores(None) as store_of:
        restored = exports.restore(store_of(None), stream)
    said = {"format": "export", "restored": restored.added, "known": restored.known}
    return Answer(said=said, screen=lambda: _report_restored(restored))


def _take(
    found: Format, source: Source, target: Target, embedder: str | None, *, all_refused: bool
) -> Answer:
    embed = target.embedder(embedder)
    kept = None if all_refused else REFUSALS
    per = None if found.name in FLAT else target.per
    with _bar(source) as seen, target.stores(embed) as store_of:
        intake = Intake(store_of, per=per, refusals=kept)
        try:
            for item in _noticed(found, source):
                intake.take(item)
                seen()
        except FeatherError:
            # What came before the damage is kept: the whole file, mended, adds the rest.
            intake.finish()
            if intake.taken:
                typer.echo(f"Until it broke off, {intake.taken:,} were remembered.", err=True)
            raise
        intake.finish()
    said = {
        "format": found.name,
        "remembered": intake.counts,
        "refused": intake.refusals,
        "refusals": intake.refused,
        "edges": intake.linked,
    }
    is_all_refused = bool(intake.refusals) and not intake.taken
    return Answer(said=said, screen=lambda: _report(found, intake), code=is_all_refused)


def _shown(found: Format, source: Source) -> Answer:
    """The first memories, as they would be; they are read before the source is closed."""
    records: list[dict[str, Any]] = []
    refused: list[Refused] = []
    for item in islice(_noticed(found, source), LOOKED):
        if isinstance(item, Entry):
            records.append(item.record)
        elif isinstance(item, Refused):
            refused.append(item)
        if len(records) == SHOWN:
            break

    def screen() -> None:
        title = f"{found.title[0].upper()}{found.title[1:]}."
        typer.echo(f"{title} The first of it would be:" if records else f"{title} Nothing of it.")
        table(["since", "session", "actor", "memory", "and"], map(_row, records))
        if refused:
            typer.echo()
            _report_refused(refused[:REFUSALS])

    said = {"format": found.name, "memories": records, "refusals": refused[:REFUSALS]}
    return Answer(said=said, screen=screen)


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    return (
        day(when(record["valid_from"])) if "valid_from" in record else "now",
        record.get("session", ""),
        record.get("actor", record.get("role", "")),
        record["text"],
        ", ".join(f"{name}={value}" for name, value in record.get("metadata", {}).items()),
    )


def _noticed(found: Format, source: Source) -> Iterator[_Taken]:
    """The items; what is to be told is told, and once, that what has no time is dated now."""
    is_told = False
    for item in found.read(source):
        if isinstance(item, Remark):
            typer.echo(plain(item.said), err=True)
            continue
        if not is_told and isinstance(item, Entry) and not _DATES & item.record.keys():
            is_told = True
            typer.echo(_undated(item, source), err=True)
        yield item


def _undated(entry: Entry, source: Source) -> str:
    if not entry.names:
        return "What has no time in it is dated now."
    return (
        f"Line {entry.line} has no time in {source.fields.name_of('time')!r}: what has none is "
        f"dated now. Its fields are {plain(', '.join(map(repr, entry.names)))}; "
        "--time-field NAME says which has."
    )


@contextmanager
def _bar(source: Source) -> Iterator[Callable[[], None]]:
    """A bar that follows the reading, where somebody looks: what is given moves it."""
    console = Console(stderr=True)
    columns = (
        TextColumn(plain(source.name)),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    # A cell of a notebook is a terminal whose lines nobody can draw again.
    if not console.is_terminal or os.getenv("JPY_PARENT_PID"):
        yield lambda: None  # no bar that is disabled: earlier releases of rich end its line
        return
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=source.total_bytes)
        yield lambda: bar.update(task, completed=source.read_bytes)


def _report_restored(restored: Restored) -> None:
    added, known = restored.added, restored.known
    typer.echo(f"{added['memory']:,} memories restored, {known['memory']:,} were there already.")
    names = [name for name in RECORDS if added[name] or known[name]]
    rows = ((name.replace("_", " "), added[name], known[name]) for name in names)
    table(["", "restored", "there already"], rows)


def _report_refused(refused: list[Refused]) -> None:
    table(["line", "refused because"], ((one.line, one.reason) for one in refused))


def _report(found: Format, intake: Intake) -> None:
    one, several = ("line", "lines") if found.name in FLAT else ("memory", "memories")
    if found.name not in FLAT:
        typer.echo(f"Read as {found.title}.")
    typer.echo(
        f"{intake.taken:,} {one if intake.taken == 1 else several} remembered, "
        f"{intake.refusals:,} refused, {intake.linked:,} edge{'s' * (intake.linked != 1)}."
    )
    if intake.taken:
        table([several, "store"], ((count, path) for path, count in intake.counts.items()))
    if intake.refused:
        typer.echo()
        _report_refused(intake.refused)
        if rest := intake.refusals - len(intake.refused):
            typer.echo(f"… and {rest:,} more: --all-refused lists them.")
