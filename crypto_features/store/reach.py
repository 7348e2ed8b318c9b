"""What a function of the Python interface stands on: Feast is loaded, and errors of a database are this project's."""

from collections.abc import Callable
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
        from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

        try:
            return function(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            raise StoreUnreachableError(f"the registry does not answer: {_cause(error.orig)}") from None
        except SQLAlchemyError as error:
            cause = _cause(error.orig if isinstance(error, DBAPIError) else error)
            raise StoreMisusedError(
                f"the registry is damaged or refuses: {cause}. Restore a copy, or delete it and run `feast apply`."
            ) from None

    return wrapped


def _cause(error: BaseException | None) -> str:
    """The first line of what the driver says."""
    lines = str(error).strip().splitlines()
    return lines[0] if error and lines else "no reason given"
