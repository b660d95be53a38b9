"""The commands, and the one place where an error becomes a line."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import feather_memory
from feather_memory.cli import (
    asking,
    demonstration,
    exchange,
    importing,
    moving,
    pooling,
    serving,
    upkeep,
    window,
    writing,
)
from feather_memory.cli.options import plain
from feather_memory.cli.places import StoreCommand, of_one_store
from feather_memory.cli.wording import spelled, spoken
from feather_memory.errors import FeatherError


class OneLineErrors(TyperGroup):
    """Says what went wrong in one line on stderr, and exits with 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            with spoken():
                return super().invoke(ctx)
        except BrokenPipeError:  # `… | head`: typer leaves quietly
            raise
        except (FeatherError, OSError) as error:
            command = self.commands.get(ctx.invoked_subcommand)
            typer.echo(f"Error: {plain(spelled(str(error), command))}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="feather-memory",
    cls=OneLineErrors,
    help="Look into, fill and look after the memories in a .feather file.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(is_asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if is_asked:
        typer.echo(feather_memory.__version__)
        raise typer.Exit


@app.callback()
def run(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which release this is."
        ),
    ] = False,
) -> None:
    """Look into, fill and look after the memories in a .feather file."""


app.command()(demonstration.demo)
app.command("import")(importing.import_chat)
for command in (
    writing.add,
    writing.supersede,
    writing.link,
    writing.like,
    writing.dislike,
    writing.correct,
    asking.search,
    asking.recall,
    asking.why_not,
    asking.show,
    asking.history,
    exchange.export,
    upkeep.stats,
    upkeep.check,
    upkeep.backup,
    upkeep.reembed,
    upkeep.forget,
):
    app.command(cls=StoreCommand)(of_one_store(command))
app.command()(upkeep.restore)
app.command()(pooling.tenants)
app.command()(pooling.claim)
app.command()(pooling.warm)
app.command()(serving.mcp)
app.command()(serving.serve)
app.command()(window.window)
app.add_typer(serving.keys, name="keys")
app.command()(moving.migrate)
app.command()(moving.copy)
