"""Reads every row of the online store, to find what rotted there before it is asked for."""

from collections.abc import Iterator

from feast import FeatureStore

from crypto_features.store.errors import DamagedRowError, StoreMisusedError
from crypto_features.store.online.place import table_name
from crypto_features.store.online.unpack_frame import guarded_store


def damaged_views(store: FeatureStore) -> Iterator[str]:
    """What is wrong with the online rows of each view, and what to do about it."""
    backend = guarded_store(store).backend(store.config)
    for view in store.list_feature_views():
        try:
            backend.scan(table_name(store.config, view))
        except (DamagedRowError, StoreMisusedError) as error:
            yield f"{view.name}: {error}"
