"""Which store a command is about: STORE, or --dir DIR --tenant NAME instead of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from feather_memory.checks import file_path, server_url
from feather_memory.errors import ParameterError, StoreAccessError
from feather_memory.model.names import checked, file_name
from feather_memory.store.store import Store
from feather_memory.tenants.homes import home_at
from feather_memory.types import Embedder, Model

_INSTEAD = "-"  # stands where STORE would, so that the arguments after it keep their places

_Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        help="The .feather file; or name --dir and --tenant instead, or a URL and --tenant.",
    ),
]
_Directory = Annotated[
    str | None,
    typer.Option("--dir", metavar="DIR", help="The directory of a TenantPool, or a URL."),
]
_Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="Whose store it is, in --dir.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, and whose it must be."""

    path: Path | str
    """Of the file; or the URL of a database."""
    tenant: str | None = None


class StoreCommand(TyperCommand):
    """A command that takes STORE first, or --dir and --tenant instead of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put something in the place of STORE if it is named by its tenant."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        is_named = "tenant" in given and server_url(given.get("store")) is None
        if "folder" in given or is_named:
            args = [_INSTEAD, *args]
        return super().parse_args(ctx, args)


def of_one_store(command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose first parameter is a Place, as typer can call it."""
    signature = inspect.signature(command, eval_str=True)
    first, *others = signature.parameters.values()

    @wraps(command)
    def called(*, folder: str | None, tenant: str | None, **given: Any) -> None:
        place = place_of(given.pop(first.name), folder, tenant)
        command(place, **given)

    options = [("folder", _Directory), ("tenant", _Tenant)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        first.replace(annotation=_Store),
        *others,
        *(inspect.Parameter(name, keyword, default=None, annotation=is_) for name, is_ in options),
    ]
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def place_of(store: str, folder: str | None, tenant: str | None) -> Place:
    """What the ways to name a store come to.

    Raises:
        ParameterError: A directory or a URL without a tenant, or a tenant without either; or what
            is no file's name.
        TenantNameError: No tenant can have this name.
    """
    url = server_url(store) or server_url(folder)
    if url is not None and tenant is not None:
        return Place(url, checked(tenant))
    if url is None and folder is None and tenant is None:
        return Place(file_path(store))
    if folder is None or tenant is None:
        way = "--dir DIR" if url is None else "a URL"
        raise ParameterError(f"say whose store it is: {way} goes with --tenant NAME")
    return Place(file_path(folder, "directory") / file_name(tenant), tenant)


def is_there(place: Place) -> bool:
    """Whether a place has a store: a file, or a tenant of a database."""
    if isinstance(place.path, Path):
        return place.path.exists()
    return home_at(place.path).has(place.tenant or "")


def existing(place: Place, embedder: Embedder | Model | None = None) -> Store:
    """The store at a place; unlike `Store.open`, none is made.

    Raises:
        StoreAccessError: There is no such file, or no such tenant in the database.
        WrongTenantError: It belongs to another tenant.
    """
    if not is_there(place):
        where = str(place.path) if isinstance(place.path, Path) else home_at(place.path).place
        whose = "" if place.tenant is None else f" of {place.tenant!r}"
        raise StoreAccessError(f"no store{whose} at {where!r}")
    return Store.open(place.path, embedder=embedder, tenant=place.tenant)


def existing_directory(path: str) -> str:
    """The directory of a pool, of which none is made; or the URL of a database.

    Raises:
        StoreAccessError: There is none.
    """
    if server_url(path) is None and not file_path(path, "directory").is_dir():
        raise StoreAccessError(f"no directory at {path!r}")
    return path
