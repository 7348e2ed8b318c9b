"""The application that every command registers on, and how a command reports an expected error."""

import errno
import functools
import inspect
import os
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, ParamSpec

import typer

from crypto_features.errors import CryptoFeaturesError

P = ParamSpec("P")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)

app = typer.Typer(
    help="Raw candles to leak-tested features, training sets and a guarded online store.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag.
    if wanted:
        typer.echo(f"crypto-features {version('crypto-features')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What stands before the command."""


def command_of(group: typer.Typer) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Register a command in a group, `guarded`; what its docstring gives under `Examples:` ends its `--help`."""

    def register(function: Callable[P, None]) -> Callable[P, None]:
        text, _, examples = inspect.getdoc(function).partition("\nExamples:\n")  # type: ignore[union-attr] # each has one.
        group.command(help=text, epilog=f"Examples:\n{examples}" if examples else None)(guarded(function))
        return function

    return register


command = command_of(app)


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """A command that an expected error ends with one clear line on stderr and exit code 1.

    Expected are this project's errors, and those of a disk and of a database.
    """

    @functools.wraps(function)
    def ended(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except BrokenPipeError:
            raise  # whoever read the output has seen enough; click ends without a word.
        except CryptoFeaturesError as error:
            _end(str(error))
        except OSError as error:
            _end(_of_the_system(error))
        except Exception as error:
            if not _of_a_database(error):
                raise
            why = str(error).partition("\n")[0]
            _end(f"the database says: {why}. Mind that its disk has room and may be written; {_written()}.")

    return ended


def _end(line: str) -> None:
    typer.secho(f"Error: {line}", fg=typer.colors.RED, err=True)
    raise typer.Exit(1) from None


def _of_the_system(error: OSError) -> str:
    at = error.filename2 or error.filename
    why = error.strerror if error.errno and error.strerror else str(error).partition("\n")[0] or type(error).__name__
    if error.errno in _FULL:
        return f"the disk is full{f', at {at}' if at else ''}. Make room, and start again; {_written()}."
    if error.errno in _CLOSED and at:
        return f"{at} may not be read or written ({why}). Grant the right, and start again; {_written()}."
    return f"{at}: {why}." if at else f"{why}."


def _of_a_database(error: Exception) -> bool:
    kinds: list[type[Exception]] = [sqlite3.OperationalError]
    if "sqlalchemy.exc" in sys.modules:
        kinds.append(sys.modules["sqlalchemy.exc"].OperationalError)
    return isinstance(error, tuple(kinds))


def _written() -> str:
    named = [f"{name}={os.environ[name]}" for name in ("CRYPTO_FEATURES_DATA", "DAGSTER_HOME") if os.environ.get(name)]
    places = " and ".join(named) or "data/ of the project, unless CRYPTO_FEATURES_DATA names another folder"
    return f"what is written goes to {places}"
