"""Turns what database drivers raise when a server is away into one transient error without its password."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from crypto_features.store.errors import StoreUnreachableError

P = ParamSpec("P")
R = TypeVar("R")


def reaching(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose database errors are `StoreUnreachableError`."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from sqlalchemy.exc import InterfaceError, OperationalError

        try:
            return function(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            cause = str(error.orig).strip().splitlines()
            raise StoreUnreachableError(
                f"the registry does not answer: {cause[0] if cause else 'no reason given'}"
            ) from None

    return wrapped
