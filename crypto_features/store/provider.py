"""The provider that Feast loads by class path: every materialization, also a plain `feast` command, goes through it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from feast import FeatureView, RepoConfig, utils
from feast.infra.passthrough_provider import PassthroughProvider

from crypto_features import clock
from crypto_features.store.completeness import carried
from crypto_features.store.online.pack_frame import packed_rows
from crypto_features.store.online.store import GuardedOnlineStore

_published: ContextVar[list[pl.DataFrame] | None] = ContextVar("published", default=None)


@contextmanager
def recording() -> Iterator[list[pl.DataFrame]]:
    """Collect the keys and event times of every row that this context publishes."""
    frames: list[pl.DataFrame] = []
    token = _published.set(frames)
    try:
        yield frames
    finally:
        _published.reset(token)


class GuardedProvider(PassthroughProvider):
    """Feast's provider with materializations that miss no late row and read no future."""

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
        """Publish the newest row of each entity between two times, in one transaction."""
        if not isinstance(self.online_store, GuardedOnlineStore) or type(feature_view) is not FeatureView:
            super().materialize_single_feature_view(
                config, feature_view, start_date, end_date, registry, project, tqdm_builder, disable_event_timestamp
            )
            return
        start, end = window(feature_view, start_date, end_date, self.online_store.grace(config))
        if disable_event_timestamp:
            start, end = datetime.fromtimestamp(0, start.tzinfo), clock.now()
        entities = [registry.get_entity(name, project) for name in feature_view.entities]
        keys, features, time, created = utils._get_column_names(feature_view, entities)
        job = self.offline_store.pull_latest_from_table_or_query(
            config, feature_view.batch_source, keys, [*features, *carried(feature_view)], time, created, start, end
        )
        frame = pl.DataFrame(job.to_arrow()).rename(feature_view.batch_source.field_mapping or {}, strict=False)
        if feature_view.online:
            source = feature_view.batch_source
            rows = packed_rows(
                frame,
                feature_view,
                source.timestamp_field,
                source.created_timestamp_column or None,
                config.entity_key_serialization_version,
            )
            self.online_store.write_rows(config, feature_view, rows)
            frames = _published.get()
            if frames is not None:
                names = [column.name for column in feature_view.entity_columns if column.name in frame.columns]
                frames.append(frame.select(*names, pl.col(source.timestamp_field).alias("event_timestamp")))


def window(view: FeatureView, start: datetime, end: datetime, grace: timedelta) -> tuple[datetime, datetime]:
    """What to read: never the future, and always the whole span that may still be served, so that no row is late."""
    end = min(utils.make_tzaware(end), clock.now())
    start = utils.make_tzaware(start)
    return (min(start, end - view.ttl - grace) if view.ttl else min(start, end)), end
