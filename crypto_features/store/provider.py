"""The provider that Feast loads by class path: every materialization, also a plain `feast` command, goes through it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any
from weakref import ReferenceType, ref

import pandas as pd
import polars as pl
from feast import FeatureStore, FeatureView, RepoConfig
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.infra.passthrough_provider import PassthroughProvider
from feast.on_demand_feature_view import OnDemandFeatureView

from crypto_features import clock
from crypto_features.errors import InputError
from crypto_features.store import feast_private
from crypto_features.store.kept_up import kept_up
from crypto_features.store.offline.job import PolarsRetrievalJob
from crypto_features.store.offline.pinned import require_its_table
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.manifest import publish_manifest
from crypto_features.store.online.pack_frame import packed_rows
from crypto_features.store.online.store import GuardedOnlineStore
from crypto_features.store.sharing import require_unused
from crypto_features.store.stored_on_demand import stamped
from crypto_features.store.tags import carried, require_own_view
from crypto_features_reader import guard

_published: ContextVar[list[StoredRow] | None] = ContextVar("published", default=None)


@contextmanager
def recording() -> Iterator[list[StoredRow]]:
    """Collect every row that this context publishes."""
    rows: list[StoredRow] = []
    token = _published.set(rows)
    try:
        yield rows
    finally:
        _published.reset(token)


_retrieval: ContextVar[ReferenceType[RetrievalJob] | None] = ContextVar("retrieval", default=None)
"""The newest retrieval of this context. Feast computes a stored on-demand view from one, and then writes its rows."""


class GuardedProvider(PassthroughProvider):
    """Feast's provider with materializations that miss no late row and read no future."""

    def get_historical_features(self, *args: Any, **kwargs: Any) -> RetrievalJob:
        job = super().get_historical_features(*args, **kwargs)
        _retrieval.set(ref(job))
        return job

    def teardown_infra(self, project: str, tables: Sequence[Any], entities: Sequence[Any]) -> None:
        """Drop the online rows of a project that no other one reads.

        Raises:
            ConsumedError: if another project reads one of its views; nothing is dropped then.
        """
        registry = FeatureStore(config=self.repo_config).registry
        require_unused(registry, project, [table.name for table in tables])
        super().teardown_infra(project, tables, entities)

    @staticmethod
    def _prep_rows_to_write_for_ingestion(feature_view: Any, df: pd.DataFrame, field_mapping: Any = None) -> Any:
        rows = PassthroughProvider._prep_rows_to_write_for_ingestion(feature_view, df, field_mapping)
        if not isinstance(feature_view, OnDemandFeatureView):
            return rows
        held = _retrieval.get()
        job = held() if held else None
        return stamped(feature_view, df, rows, job if isinstance(job, PolarsRetrievalJob) else None)

    def materialize_single_feature_view(
        self,
        config: RepoConfig,
        feature_view: FeatureView,
        start_date: datetime,
        end_date: datetime,
        registry: Any,
        project: str,
        tqdm_builder: Callable[[int], Any],
        disable_event_timestamp: bool = False,
    ) -> None:
        """Publish the newest row of each entity between two times, in one transaction.

        Raises:
            InputError: if a row has no entity, after the others were published; if a value does not fit its type; or
                if the view is one of another project.
            OtherVersionError: if a month was computed otherwise than the view describes: its rows are not those of
                this version, which others may read.
        """
        require_own_view(feature_view)
        if not isinstance(self.online_store, GuardedOnlineStore) or type(feature_view) is not FeatureView:
            super().materialize_single_feature_view(
                config, feature_view, start_date, end_date, registry, project, tqdm_builder, disable_event_timestamp
            )
            return
        start, end = window(feature_view, start_date, end_date, self.online_store.grace(config))
        if disable_event_timestamp:
            start, end = guard.EPOCH, clock.now()
        names = [field.name for field in feature_view.features]
        require_its_table(config, feature_view, names, feature_view, (start, end))
        entities = [registry.get_entity(name, project) for name in feature_view.entities]
        keys, features, time, created = feast_private.column_names(feature_view, entities)
        job = self.offline_store.pull_latest_from_table_or_query(
            config, feature_view.batch_source, keys, [*features, *carried(feature_view)], time, created, start, end
        )
        frame = pl.DataFrame(job.to_arrow()).rename(feature_view.batch_source.field_mapping or {}, strict=False)
        if feature_view.online:
            source = feature_view.batch_source
            keys = [column.name for column in feature_view.entity_columns if column.name in frame.columns]
            nameless = frame.filter(pl.any_horizontal(pl.col(keys).is_null())) if keys else frame.clear()
            frame = frame.drop_nulls(keys) if keys else frame
            rows = packed_rows(frame, feature_view, config.entity_key_serialization_version)
            for view in (feature_view, *kept_up(registry, project, feature_view)):
                self.online_store.write_rows(config, view, rows)
            publish_manifest(self.online_store, config, registry)
            published = _published.get()
            if published is not None:
                published.extend(rows)
            if not nameless.is_empty():
                raise InputError(
                    f"{feature_view.name}: {nameless.height} rows of {source.name!r} have no {' or '.join(keys)}, the "
                    f"newest of {nameless[source.timestamp_field].max()}; all the others were published. Remove these."
                )


def window(view: FeatureView, start: datetime, end: datetime, grace: timedelta) -> tuple[datetime, datetime]:
    """What to read: never the future, and always the whole span that may still be served, so that no row is late."""
    end = min(clock.as_utc(end), clock.now())
    due = clock.before(clock.before(end, view.ttl), grace) if view.ttl else end
    return min(clock.as_utc(start), due), end
