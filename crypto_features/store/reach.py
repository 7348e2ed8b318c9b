"""What a function of the Python interface stands on: Feast is loaded, and errors of a database are this project's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from crypto_features.store import plain_feast
from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError

P = ParamSpec("P")
R = TypeVar("R")


def reaching(function: Callable[P, R]) -> Callable[P, R]:
    """A function that loads Feast, and whose database errors are `StoreUnreachableError` or `StoreMisusedError`."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        plain_feast.load()
        with typed_errors():
            return function(*args, **kwargs)

    return wrapped


@contextmanager
def typed_errors() -> Iterator[None]:
    """While this is open, an error of the registry's database is a `StoreUnreachableError` or a `StoreMisusedError`."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        cause, ended = _cause(error), isinstance(error, DBAPIError) and error.connection_invalidated
        if ended or isinstance(error, OperationalError | InterfaceError):
            raise StoreUnreachableError(f"the registry does not answer: {cause}") from None
        raise StoreMisusedError(
            f"the registry is damaged or refuses: {cause}. Restore a copy, or delete it and run `feast apply`."
        ) from None


def _cause(error: BaseException) -> str:
    """The first line of what the driver says."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else "no reason given"
