"""`feather-memory mcp`, `serve` and `keys`: the doors, and who may use them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from feather_memory.agent.recall import RecallOptions
from feather_memory.agent.source import Source
from feather_memory.checks import file_path, server_url
from feather_memory.cli.options import EmbedderOption, embedder_named, fitting, table
from feather_memory.cli.output import Answer, answered
from feather_memory.cli.places import place_of
from feather_memory.config import SERVICE_OPEN, SERVICE_RATE, SERVICE_TENANTS
from feather_memory.doors.keys import Grant, KeyRing
from feather_memory.doors.verbs import Terms
from feather_memory.errors import MissingExtraError, ParameterError
from feather_memory.model.later import FITTING
from feather_memory.store.store import Store
from feather_memory.tenants.pool import TenantPool

_Directory = Annotated[
    str | None,
    typer.Option("--dir", metavar="DIR", help="The directory of a TenantPool, or a URL."),
]
_Keys = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Where the keys are, if --dir is a URL; else beside the tenants."
    ),
]
_Host = Annotated[str, typer.Option(help="The address to listen on.")]
_Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host", metavar="NAME", help="Answer to this name, too; without it to localhost's."
    ),
]
_Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin", metavar="URL", help="Scripts of pages from there may ask; else of none."
    ),
]


def mcp(  # noqa: PLR0913 - one option for each part of what is served
    *,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="STORE",
            help="The .feather file, made if there is none; or a URL, with --tenant.",
        ),
    ] = None,
    directory: _Directory = None,
    keys: _Keys = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Whose store, in --dir. With --http a key may say whose instead."
        ),
    ] = None,
    embedder: EmbedderOption = None,
    origin: Annotated[
        str,
        typer.Option(
            help="Who says what is written. 'user' where the agent is trusted to write down what "
            "the user said; else it replaces nothing that the user stated."
        ),
    ] = "assistant",
    budget: Annotated[
        int, typer.Option(help="Tokens of memories that a recall tells at most.", min=1)
    ] = 1_000,
    http: Annotated[
        bool, typer.Option("--http", help="Listen on a port, instead of stdin and stdout.")
    ] = False,
    host: _Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=0, max=65_535)] = 8_765,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="FEATHER_MEMORY_TOKEN",
            help="With --http and --store: what clients have to say. Better set in the "
            "environment, which no list of processes shows. Drawn and told if not given.",
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(help="With --http, messages a second of a key or token; 0 for any.", min=0),
    ] = SERVICE_RATE,
    allow_host: _Hosts = None,
    allow_origin: _Origins = None,
) -> None:
    """Serve a memory to agents, over the Model Context Protocol."""
    if keys is not None and (directory is None or not http):
        raise ParameterError("--keys goes with --dir and --http: elsewhere there are no keys")
    memory_server, http_app, listen = _doors_of_mcp()
    options = RecallOptions(k=10, min_relevance=FITTING)
    terms = Terms(origin=origin, options=options, budget_tokens=budget)
    with _source(store, directory, tenant, embedder, needs_tenant=not http) as source:
        server = memory_server(source, terms)
        if not http:
            server.run("stdio")
            return
        opened_by = _opened_by(directory, keys, token)
        app = http_app(
            server, opened_by, hosts=allow_host or (), origins=allow_origin or (), rate=rate
        )
        typer.echo(f"Serving MCP at http://{host}:{port}/mcp", err=True)
        listen(lambda: app, host, port)


def _doors_of_mcp() -> tuple[Callable[..., Any], ...]:
    try:
        from feather_memory.doors.listening import listen
        from feather_memory.doors.mcp import memory_server
        from feather_memory.doors.mcp.http import http_app
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "").partition(".")[0], "mcp") from error
    return memory_server, http_app, listen


@contextmanager
def _source(
    store: str | None,
    directory: str | None,
    tenant: str | None,
    embedder: str | None,
    *,
    needs_tenant: bool,
) -> Iterator[Source]:
    """What the options name, open until the block ends."""
    if (store is None) == (directory is None):
        raise ParameterError("say which memory: either --store STORE or --dir DIR")
    if directory is None and store is not None:
        place = place_of(store, None, tenant)
        model = fitting(place, embedder)
        with Store.open(place.path, embedder=model, tenant=place.tenant) as opened:
            yield Source.chosen("feather-memory mcp", store=opened)
        return
    if tenant is None and needs_tenant:
        raise ParameterError("say whose store it is: --dir DIR goes with --tenant NAME")
    with TenantPool(directory or "", embedder=embedder_named(embedder)) as pool:
        yield Source.chosen("feather-memory mcp", pool=pool, tenant=tenant)


def serve(
    *,
    directory: Annotated[
        str,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="The directory of a TenantPool, made if none; or a URL, with --keys.",
        ),
    ],
    keys: _Keys = None,
    host: _Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=0, max=65_535)] = 8_000,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    embedder: EmbedderOption = None,
    rate: Annotated[
        float,
        typer.Option(
            help="Calls a second of a key for a tenant, in each process; 0 for any.", min=0
        ),
    ] = SERVICE_RATE,
    max_tenants: Annotated[
        int, typer.Option(help="Tenants there may be; beyond it none is made.", min=1)
    ] = SERVICE_TENANTS,
    max_open: Annotated[
        int, typer.Option(help="Stores that each process holds open.", min=1)
    ] = SERVICE_OPEN,
    allow_host: _Hosts = None,
    allow_origin: _Origins = None,
) -> None:
    """Serve the memories of many tenants over HTTP, to who has a key."""
    try:
        from feather_memory.doors.listening import listen
        from feather_memory.doors.service import ServiceSettings, service_app
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "").partition(".")[0], "service") from error
    embedder_named(embedder)  # refused here, and not by each process
    settings = ServiceSettings(
        directory=_folder_of_keys(directory, keys).absolute(),
        database=server_url(directory),
        embedder=partial(embedder_named, embedder),
        clock=time.time,
        rate=rate,
        max_tenants=max_tenants,
        max_open=max_open,
        hosts=tuple(allow_host or ()),
        origins=tuple(allow_origin or ()),
    )
    typer.echo(f"Serving at http://{host}:{port}; who has no key reads /openapi.json", err=True)
    listen(partial(service_app, settings), host, port, workers=workers)


def _folder_of_keys(directory: str, keys: Path | None) -> Path:
    """Beside which tenants the keys are, or where else.

    Raises:
        ParameterError: The tenants are in a database, and nowhere else is named; or it is. Or
            what is named is no folder, such as another URL.
    """
    is_database = server_url(directory) is not None
    folder = None if is_database else file_path(directory, "--dir")
    if is_database == (keys is None):
        raise ParameterError("--keys DIR goes with --dir URL: else keys are beside the tenants")
    return folder or file_path(keys, "--keys")


def _opened_by(
    directory: str | None, keys: Path | None, token: str | None
) -> Callable[[str], Grant | None]:
    from feather_memory.doors.guard import OneToken

    if directory is not None:
        if token is not None:
            raise ParameterError("with --dir clients have keys: feather-memory keys add")
        return KeyRing(_folder_of_keys(directory, keys)).opened_by
    if token is None:
        token = secrets.token_urlsafe(32)
        typer.echo(f"The token is {token}", err=True)
    return OneToken(token).opened_by


keys = typer.Typer(help="Make, list and revoke keys to the doors of a directory.")
_Ring = Annotated[
    str,
    typer.Option("--dir", metavar="DIR", help="The directory of a TenantPool, or of --keys."),
]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The key's: up to 40 of a-z, 0-9, -.")]


@keys.command("add")
@answered
def add_key(
    name: _Name,
    *,
    directory: _Ring,
    tenant: Annotated[
        str | None, typer.Option(metavar="NAME", help="The one tenant it is for.")
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(help="Instead: for every tenant whose name begins so; '' is everybody."),
    ] = None,
    reads: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further tenant that it may read, such as a team's."),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="It may read, and write nothing.")
    ] = False,
) -> Answer:
    """Make a key. It is told once, and only its digest is kept."""
    made = f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}"
    grant = Grant(
        name=name, tenant=tenant, prefix=prefix, may_write=not read_only, made=made,
        reads=tuple(reads or ()),
    )  # fmt: skip
    key = KeyRing(directory).add(grant)
    return Answer(said={"key": key, "grant": grant}, screen=lambda: typer.echo(key))


@keys.command("list")
@answered
def list_keys(*, directory: _Ring) -> Answer:
    """List the keys there are, and what each is for."""
    grants = list(KeyRing(directory).grants())
    rows = [
        (
            grant.name,
            grant.tenant if grant.tenant is not None else f"{grant.prefix}*",
            "read and write" if grant.may_write else "read",
            ", ".join(grant.reads),
            grant.made,
        )
        for grant in grants
    ]
    titles = ["key", "tenant", "may", "reads, too", "made"]
    return Answer(said={"grants": grants}, screen=lambda: table(titles, rows))


@keys.command("revoke")
@answered
def revoke_key(name: _Name, *, directory: _Ring) -> Answer:
    """Take a key back: from now on it opens nothing."""
    KeyRing(directory).revoke(name)
    said = f"The key {name} opens nothing any more."
    return Answer(said={"revoked": name}, screen=lambda: typer.echo(said))
