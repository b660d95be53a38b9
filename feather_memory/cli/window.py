"""`feather-memory window`: a page where a person sees what is remembered about them."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from feather_memory.checks import file_path, server_url
from feather_memory.cli.options import EmbedderOption, fitting, plain
from feather_memory.cli.places import Place, existing, existing_directory, place_of
from feather_memory.errors import MissingExtraError, StoreAccessError
from feather_memory.store.store import Store
from feather_memory.tenants.pool import TenantPool

if TYPE_CHECKING:
    from feather_memory.doors.window.stores import Stores

_ADDRESS = "127.0.0.1"


def window(
    place: Annotated[
        str,
        typer.Argument(
            metavar="PLACE", help="A directory of a TenantPool, a .feather file or a URL."
        ),
    ],
    *,
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0 for one that is free.", min=0, max=65_535)
    ] = 0,
    browser: Annotated[
        bool,
        typer.Option("--browser/--no-browser", help="Open it in your browser, or only say it."),
    ] = True,
    embedder: EmbedderOption = None,
) -> None:
    """Open a page to see what is remembered, and to put it right.

    It listens on this machine alone, and its link opens one page: for a further one the next link
    is told.
    """
    listen_at, visits_of, window_app = _door()
    with _stores(place, embedder) as stores:
        visits, at = visits_of(), [0]

        def link() -> str:
            return f"http://{_ADDRESS}:{at[0]}/#{visits.invite()}"

        def told() -> None:
            typer.echo(f"For a further page: {link()}", err=True)

        def made(bound: int) -> Any:
            at[0] = bound
            return window_app(stores, visits, bound, admitted=told)

        def ready() -> None:
            url = link()
            typer.echo(f"What is remembered in {plain(stores.place)}: {url}", err=True)
            typer.echo("Ctrl-C closes it.", err=True)
            if browser:
                webbrowser.open(url)

        listen_at(made, _ADDRESS, port, ready)


def _door() -> tuple[Callable[..., Any], ...]:
    try:
        from feather_memory.doors.listening import listen_at
        from feather_memory.doors.window import Visits, window_app
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "").partition(".")[0], "window") from error
    return listen_at, Visits, window_app


@contextmanager
def _stores(place: str, embedder: str | None) -> Iterator[Stores]:
    """What a place holds, open until the block ends; each store with the model it was made by."""
    from feather_memory.doors.window.stores import Stores

    if server_url(place) is None and file_path(place).is_file():
        only = Place(Path(place))
        with _opened(only, embedder) as store:
            name = store.tenant or Path(place).stem
            yield Stores(place, lambda: [name], lambda _: store)
        return
    if server_url(place) is None and not Path(place).is_dir():
        raise StoreAccessError(f"no memories at {place!r}")
    with TenantPool(existing_directory(place)) as pool:

        def opened(name: str) -> Store:
            return _opened(place_of("", place, name), embedder)

        with Stores(pool.place, pool.recent, opened) as stores:
            yield stores


def _opened(place: Place, embedder: str | None) -> Store:
    return existing(place, fitting(place, embedder, by_words=True))
