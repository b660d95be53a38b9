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

from feather_memory.errors import ParameterError, StoreAccessError
from feather_memory.model.names import file_name
from feather_memory.store.store import Store
from feather_memory.types import Embedder, Model

_INSTEAD = "-"  # stands where STORE would, so that the arguments after it keep their places

_Store = Annotated[
    Path,
    typer.Argument(metavar="STORE", help="The .feather file; or name --dir and --tenant instead."),
]
_Directory = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="The directory of a TenantPool.")
]
_Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="Whose store it is, in --dir.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, and whose it must be."""

    path: Path
    tenant: str | None = None


class StoreCommand(TyperCommand):
    """A command that takes STORE first, or --dir and --tenant instead of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put something in the place of STORE if it is named by its tenant."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        if "folder" in given or "tenant" in given:
            args = [_INSTEAD, *args]
        return super().parse_args(ctx, args)


def of_one_store(command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose first parameter is a Place, as typer can call it."""
    signature = inspect.signature(command, eval_str=True)
    first, *others = signature.parameters.values()

    @wraps(command)
    def called(*, folder: Path | None, tenant: str | None, **given: Any) -> None:
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


def place_of(store: Path, folder: Path | None, tenant: str | None) -> Place:
    """What the two ways to name a store come to.

    Raises:
        ParameterError: A directory without a tenant, or a tenant without a directory.
        TenantNameError: No tenant can have this name.
    """
    if folder is None and tenant is None:
        return Place(store)
    if folder is None or tenant is None:
        raise ParameterError("say whose store it is: --dir DIR goes with --tenant NAME")
    return Place(folder / file_name(tenant), tenant)


def existing(place: Place, embedder: Embedder | Model | None = None) -> Store:
    """The store at a place; unlike `Store.open`, none is made.

    Raises:
        StoreAccessError: There is no such file.
        WrongTenantError: It belongs to another tenant.
    """
    if not place.path.exists():
        whose = "" if place.tenant is None else f" of {place.tenant!r}"
        raise StoreAccessError(f"no store{whose} at {str(place.path)!r}")
    return Store.open(place.path, embedder=embedder, tenant=place.tenant)


def existing_directory(path: Path) -> Path:
    """The directory of a pool; none is made.

    Raises:
        StoreAccessError: There is none.
    """
    if not path.is_dir():
        raise StoreAccessError(f"no directory at {str(path)!r}")
    return path
