"""The kill switch: stop serving a view or a symbol in every process within a second."""

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.store import names, session, tables
from crypto_features.store.online.backend import Backend
from crypto_features.store.reach import reaching


@reaching
def disable(name: str, why: str) -> None:
    """Withhold every value of a view or a symbol, status `DISABLED`, until it is enabled again.

    Args:
        name: Name of a feature view, or a symbol.
        why: The reason, for whoever finds it.

    Raises:
        UnknownNameError: if it is neither.
        InputError: if no reason is given.
        StoreUnreachableError: if the online store does not answer.
    """
    if not why.strip():
        raise InputError("say why, so that whoever finds it switched off knows: --why TEXT")
    store = session.feature_store()
    views = [view.name for view in names.all_views(store)]
    if name not in views and name not in (symbols := tables.symbols_of(views)):
        raise UnknownNameError("feature view or symbol", name, {*views, *symbols})
    _backend().switch_off(name, why)


@reaching
def enable(name: str) -> None:
    """Serve a view or a symbol again.

    Raises:
        UnknownNameError: if it is not switched off.
        StoreUnreachableError: if the online store does not answer.
    """
    off = disabled()
    if name not in off:
        raise UnknownNameError("disabled view or symbol", name, off)
    _backend().switch_on(name)


@reaching
def disabled() -> dict[str, str]:
    """What is switched off, and why."""
    return dict(_backend().switches())


def _backend() -> Backend:
    from crypto_features.store.online.unpack_frame import guarded_store

    store = session.feature_store()
    return guarded_store(store).backend(store.config)
