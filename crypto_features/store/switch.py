"""The kill switch: stop serving a view or a symbol in every process within a second."""

from typing import TYPE_CHECKING

from crypto_features.catalogs import current_catalog
from crypto_features.errors import InputError, UnknownNameError, UnreadableTableError
from crypto_features.store import registered, session, tables
from crypto_features.store.errors import NotAppliedError, StoreMisusedError
from crypto_features.store.reach import reaching

if TYPE_CHECKING:
    from crypto_features.store.online.switches import Switches


@reaching
def disable(name: str, why: str) -> bool:
    """Withhold every value of a view or a symbol, status `DISABLED`, until it is enabled again.

    It needs the online store and nothing else: with the registry or the tables damaged it works as well, except that a
    name which is nowhere to be found may then be a misspelt one.

    Args:
        name: Name of a feature view, or a symbol.
        why: The reason, for whoever finds it.

    Returns:
        Whether the name was found.

    Raises:
        UnknownNameError: if it is neither.
        InputError: if no reason is given.
        StoreUnreachableError: if the online store does not answer.
    """
    if not why.strip():
        raise InputError("say why, so that whoever finds it switched off knows: --why TEXT")
    known, complete = _names()
    if complete and name not in known:
        raise UnknownNameError("feature view or symbol", name, known)
    _switches().off(name, why)
    return name in known


@reaching
def enable(name: str) -> None:
    """Serve a view or a symbol again.

    Raises:
        UnknownNameError: if it is not switched off.
        StoreUnreachableError: if the online store or the registry does not answer; it stays off then.
    """
    off = disabled()
    if name not in off:
        raise UnknownNameError("disabled view or symbol", name, off)
    _switches().on(name)


@reaching
def disabled() -> dict[str, str]:
    """What is switched off, and why."""
    return dict(_switches().read())


def _names() -> tuple[set[str], bool]:
    """Every view, and every symbol online or in a table; and whether these could all be read."""
    from sqlalchemy.exc import SQLAlchemyError

    from crypto_features.store.online.unpack_frame import online_frame

    store = session.feature_store()
    try:
        views = registered.all_views(store)
    except (NotAppliedError, StoreMisusedError, SQLAlchemyError):
        return set(current_catalog().groups), False
    known = {view.name for view in views}
    for view in views:
        known |= {str(key) for key in online_frame(store, view)["symbol"]}
    try:
        return known.union(*tables.symbols_of([view.name for view in views])), True
    except UnreadableTableError:
        return known, False


def _switches() -> "Switches":
    from crypto_features.store.online.unpack_frame import guarded_store

    store = session.feature_store()
    return guarded_store(store).switched(store.config)
