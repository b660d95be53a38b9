"""The commands, and the one place where an error becomes a line."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from feather_memory.cli import asking, demonstration, exchange, moving, pooling, upkeep
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
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(demonstration.demo)
app.command("import")(exchange.import_chat)
for command in (
    exchange.export,
    asking.search,
    asking.show,
    asking.history,
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
app.command()(moving.migrate)
app.command()(moving.copy)
