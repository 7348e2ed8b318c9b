"""Take back the online rows that a clock ahead of time wrote: they are not served, and nothing replaces them."""

from crypto_features.store import registered, session
from crypto_features.store.reach import reaching
from crypto_features.store.tags import origin


@reaching
def withdraw() -> dict[str, int]:
    """How many rows of each view of this project were stamped later than the clock; they are deleted.

    Raises:
        NotAppliedError: if there is no registry.
        StoreUnreachableError: if the online store does not answer.
    """
    from crypto_features.store.online.unpack_frame import guarded_store

    store = session.applied_store()
    online = guarded_store(store)
    return {
        view.name: online.withdraw(store.config, view) for view in registered.all_views(store) if origin(view) is None
    }
