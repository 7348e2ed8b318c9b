"""Live rows to the online store: the newest of each symbol, a view in one transaction, fenced."""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from crypto_features import clock
from crypto_features.lake.live_rows import PARTIAL
from crypto_features.store import registered, session
from crypto_features.store.online.manifest import require_manifest
from crypto_features.store.online.pack_frame import packed_rows
from crypto_features.store.online.unpack_frame import guarded_store
from crypto_features_reader.budget import Heard
from crypto_features_reader.budget import packed as packed_times

_NONE: Mapping[str, Heard] = MappingProxyType({})


class OnlinePublisher:
    """Publishes rows of the project's views; a later one of the same project and shard takes its place.

    Args:
        shard: Of several processes which one it is, such as `"2-of-3"`.

    Raises:
        NotAppliedError: if there is no registry.
    """

    def __init__(self, shard: str = "") -> None:
        self._store = session.applied_store()
        self._online = guarded_store(self._store)
        writer = "/".join(("live", self._store.project, *filter(None, [shard])))
        self._fence = self._online.backend(self._store.config).claim(writer)
        self._is_described = False
        self._views = {view.name: view for view in registered.all_views(self._store)}

    def __call__(self, view: str, rows: pl.DataFrame, heard: Mapping[str, Heard] = _NONE) -> None:
        """Publish rows: keys, `completeness`, features, `created_timestamp` and, of some, whether they are `PARTIAL`.

        Args:
            view: Name of the view.
            rows: Its rows.
            heard: By symbol when its newest candle was heard of, for the rows of that close.

        Raises:
            FencedError: if a later publisher was begun.
            InputError: if a row is stamped later than the clock.
            StoreUnreachableError: if the online store does not answer.
        """
        declared = self._views.get(view) or registered.view_named(self._store, view)
        version, begun = self._store.config.entity_key_serialization_version, clock.now()
        times = [
            packed_times(heard[symbol], begun) if symbol in heard and heard[symbol].close == close else None
            for symbol, close in rows[["symbol", "event_timestamp"]].iter_rows()
        ]
        partial = rows[PARTIAL].to_list() if PARTIAL in rows.columns else None
        packed = packed_rows(rows, declared, version, times, partial)
        self._online.write_rows(self._store.config, declared, packed, self._fence)
        if not self._is_described:
            require_manifest(self._online, self._store.config, self._store.registry)
            self._is_described = True
