"""Checks what a user hands in, before anything is asked with it."""

from collections.abc import Sequence
from datetime import timedelta

from crypto_features_reader.errors import InputError


def symbol_list(symbols: Sequence[str]) -> list[str]:
    """The symbols of a list, a tuple or a series.

    Raises:
        InputError: if there is none, or one is not text.
    """
    try:
        found = [] if isinstance(symbols, str) else list(symbols)
    except TypeError:
        found = []
    if not found or not all(isinstance(name, str) for name in found):
        raise InputError(f"symbols must be a list such as ['BTC', 'ETH'], not {symbols!r}.")
    return found


def check_duration(name: str, value: timedelta | None) -> None:
    """Check that a limit of age is a duration.

    Raises:
        InputError: if it is something else, such as a number, or negative.
    """
    if value is not None and (not isinstance(value, timedelta) or value < timedelta(0)):
        raise InputError(f"{name}={value!r} is not a duration; give a datetime.timedelta such as timedelta(minutes=5).")


def check_refs(refs: Sequence[str]) -> None:
    """Check that references are a list with something in it.

    Raises:
        InputError: if not.
    """
    if isinstance(refs, str) or not refs:
        raise InputError(f"feature_refs must be a list such as ['price_features:rsi_14'], not {refs!r}.")


def check_pause(every: timedelta) -> None:
    """Check that a pause between two looks is a duration longer than 0.

    Raises:
        InputError: if not.
    """
    if not isinstance(every, timedelta) or every <= timedelta(0):
        raise InputError(f"every={every!r} is not a duration longer than 0; give such as timedelta(milliseconds=20).")
