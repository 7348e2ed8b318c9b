"""The application that every command registers on, and how a command reports an expected error."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer

from crypto_features.errors import CryptoFeaturesError

P = ParamSpec("P")

app = typer.Typer(
    help="Raw candles to leak-tested features, training sets and a guarded online store.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def _commands() -> None:
    """A callback makes typer keep the command's name even where there is only one command."""


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Register a command; an expected error ends it with one clear line on stderr and exit code 1."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except CryptoFeaturesError as error:
            typer.secho(f"Error: {error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None

    app.command()(guarded)
    return function
