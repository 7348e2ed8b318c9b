"""The offline store that Feast loads by class path: point-in-time joins on Polars over Parquet files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import polars as pl
import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel
from upath import UPath

from crypto_features import clock
from crypto_features.errors import InputError
from crypto_features.lake import parquet
from crypto_features.lake.parquet import ParquetFile
from crypto_features.store.kept_up import over_its_table
from crypto_features.store.offline import source as files
from crypto_features.store.offline.entities import EntityFrame, entity_frame
from crypto_features.store.offline.job import OLDEST, PolarsRetrievalJob
from crypto_features.store.offline.join import FeatureTable, free, point_in_time_join, require_free, utc
from crypto_features.store.offline.known import join_as_known, knowledge
from crypto_features.store.offline.pinned import is_pinned, its_files, require_its_table, require_present_code
from crypto_features.store.tables import require_own


def _keeps_no_monitoring(*_args: Any, **_kwargs: Any) -> Any:
    # Feast computes its monitoring figures from `pull_all_from_table_or_query`, and asks the store to keep them.
    raise NotImplementedError(
        "the Polars offline store keeps no monitoring figures of Feast; the checks of the graph watch the features."
    )


class PolarsOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the Polars offline store in `feature_store.yaml`."""

    type: Literal["crypto_features.store.offline.store.PolarsOfflineStore"] = (
        "crypto_features.store.offline.store.PolarsOfflineStore"
    )


class PolarsOfflineStore(OfflineStore):
    """Feast's offline store on Polars: the semantics of its DuckDB store, hundreds of times faster.

    A source is a Parquet `FileSource`: a file, a folder, a glob or a bucket URL. Only the columns asked for, and of a
    partitioned table only the files whose statistics touch the span asked for, are read.
    """

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        *,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """The features of each entity row as of its time; without entity rows, of every entity as of `end_date`."""
        require_own(config, *(view.batch_source for view in feature_views))
        known_then, known = filter_by_created_timestamp, knowledge()
        if entity_df is None:
            first, last = _everyones_span(feature_views, start_date, end_date)
            entities = EntityFrame(_everyone(config, feature_views, first, last), "event_timestamp")
        else:
            entities = entity_frame(entity_df)
        feature_views = [over_its_table(registry, project, view) for view in feature_views]
        asked = [(view, _requested(view, feature_refs)) for view in feature_views]
        current = {
            view.name: registry.get_feature_view(view.name, project, allow_cache=True)
            for view in feature_views
            if is_pinned(view)
        }
        odfvs = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        for odfv in odfvs:
            prefix = f"{odfv.name}__" if full_feature_names else ""
            require_free(entities.frame.columns, [prefix + feature.name for feature in odfv.features])

        def compute() -> pl.DataFrame:
            for view, features in asked:
                if is_pinned(view) and view.batch_source is not None:
                    require_its_table(config, view, features, current[view.name], _span(view, entities))
            tables = [feature_table(config, *one, entities, full_names=full_feature_names) for one in asked]
            if known is None:
                return point_in_time_join(entities.frame, entities.time, tables, as_known_then=known_then)
            for view, features in asked:
                require_present_code(config, view, features, _span(view, entities))
            named = [(view.name, table) for view, table in zip(feature_views, tables, strict=True)]
            return join_as_known(entities.frame, entities.time, named, known)

        def source_times() -> pl.DataFrame:
            tables = [feature_table(config, view, (), entities, full_names=False) for view in feature_views]
            return _oldest_times(entities, tables)

        times = entities.frame[entities.time]
        return PolarsRetrievalJob(
            compute,
            repo=config.repo_path,
            full_feature_names=full_feature_names,
            on_demand_feature_views=odfvs,
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in entities.frame.columns if name != entities.time],
                min_event_timestamp=times.min(),
                max_event_timestamp=times.max(),
            ),
            source_times=source_times,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        everything = PolarsOfflineStore.pull_all_from_table_or_query(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            start_date,
            end_date,
        )

        def compute() -> pl.DataFrame:
            rows: pl.DataFrame = everything.to_polars()
            # To the microsecond, as the join and the online store count: of rows within one the later created wins.
            order = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]
            rows = rows.sort([utc(pl.col(name)) for name in order], nulls_last=False, maintain_order=True)
            return rows.unique(join_key_columns, keep="last", maintain_order=True) if join_key_columns else rows.tail(1)

        return PolarsRetrievalJob(compute, repo=config.repo_path)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        created = created_timestamp_column or None
        stamps = [timestamp_field, *([created] if created else [])]
        columns = list(dict.fromkeys([*join_key_columns, *feature_name_columns, *stamps]))
        return PolarsRetrievalJob(
            lambda: _read(config, data_source, columns, timestamp_field, start_date, end_date, created),
            repo=config.repo_path,
        )

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        if feature_view.batch_source is None:
            raise InputError(f"feature view {feature_view.name!r} has no batch source to write to.")
        require_own(config, feature_view.batch_source)
        path = files.resolve(feature_view.batch_source, config.repo_path)
        if files.files(path):
            # Its types are left alone: for a list whose values a file calls `element`, Feast has a type or a KeyError.
            expected = [name for name, _ in feature_view.batch_source.get_table_column_names_and_types(config)]
            if expected != table.column_names:
                raise InputError(
                    f"feature view {feature_view.name!r}: expected the columns {expected} in this order, "
                    f"got {table.column_names}."
                )
        files.append(_from_arrow(table), path)
        if progress:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: Any,
    ) -> None:
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise InputError(f"{type(destination).__name__} is not supported; log to a FileLoggingDestination.")
        if isinstance(data, Path):  # a file that Feast's server wrote, or a folder of them.
            found = files.files(UPath(data))
            frame = parquet.collect(parquet.scan(found), found)
        else:
            frame = _from_arrow(data)
        folder = files.resolve(destination.to_data_source(), config.repo_path)
        for part, rows in _partitions(frame, destination.partition_by or ()):
            parquet.write(folder / part / f"{uuid4().hex}.parquet", rows)

    @staticmethod
    def get_monitoring_max_timestamp(
        config: RepoConfig, data_source: DataSource, timestamp_field: str
    ) -> datetime | None:
        newest = _read(config, data_source, [timestamp_field], timestamp_field, None, None)[timestamp_field].max()
        return newest if isinstance(newest, datetime) else None

    ensure_monitoring_tables = staticmethod(_keeps_no_monitoring)
    save_monitoring_metrics = staticmethod(_keeps_no_monitoring)
    query_monitoring_metrics = staticmethod(_keeps_no_monitoring)
    clear_monitoring_baseline = staticmethod(_keeps_no_monitoring)


def feature_table(
    config: RepoConfig, view: FeatureView, features: Sequence[str], entities: EntityFrame, *, full_names: bool
) -> FeatureTable:
    """The rows of a view that the entity rows may be joined with."""
    source = view.batch_source
    if source is None:
        raise InputError(f"feature view {view.name!r} has no batch source and cannot be joined.")
    stored = partial(files.on_disk_name, source)
    time = stored(source.timestamp_field)
    created = stored(source.created_timestamp_column) if source.created_timestamp_column else None
    renamed = view.projection.join_key_map or {}
    names = [key.name for key in view.entity_columns if key.name != "__dummy_id"]
    keys = {renamed.get(name, name): stored(name) for name in names}
    entities.require(keys, view.name)
    prefix = f"{view.projection.name_to_use()}__" if full_names else ""
    shown = {prefix + feature: stored(feature) for feature in features}
    columns = [*keys.values(), time, *([created] if created else []), *shown.values()]
    frame = _read(config, source, columns, time, *_span(view, entities), created, its_files(config, view, features))
    return FeatureTable(frame, keys, time, created, shown, view.ttl)


def _oldest_times(entities: EntityFrame, tables: Sequence[FeatureTable]) -> pl.DataFrame:
    """The entity rows and, last, the event time of the oldest row each is joined with; null if a table has none."""
    names = [free(f"__time_{n}", entities.frame.columns) for n in range(len(tables))]
    timed = [replace(table, features={name: table.event_time}) for name, table in zip(names, tables, strict=True)]
    joined = point_in_time_join(entities.frame, entities.time, timed)
    times = [utc(pl.col(name)) for name in names]
    oldest = pl.when(pl.all_horizontal(pl.col(names).is_not_null())).then(pl.min_horizontal(times))
    return joined.select(pl.col(entities.frame.columns), oldest.alias(free(OLDEST, entities.frame.columns)))


def _span(view: FeatureView, entities: EntityFrame) -> tuple[datetime | None, datetime | None]:
    """The times of the rows that the entity rows may be joined with."""
    first, last = entities.span
    return clock.before(first, view.ttl) if first and view.ttl else None, last


def _requested(view: FeatureView, feature_refs: Sequence[str]) -> list[str]:
    prefix = f"{view.projection.name_to_use()}:"
    return list(dict.fromkeys(ref.removeprefix(prefix) for ref in feature_refs if ref.startswith(prefix)))


def _everyones_span(
    views: Sequence[FeatureView], start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """The span of a query without entity rows: by default up to now, and back to the longest TTL or 30 days."""
    last = clock.as_utc(end) if end else clock.now()
    longest = max((view.ttl for view in views if view.ttl), default=timedelta(days=30))
    return clock.as_utc(start) if start else clock.before(last, longest), last


def _everyone(config: RepoConfig, views: Sequence[FeatureView], start: datetime, end: datetime) -> pl.DataFrame:
    """Every combination of join keys seen in that span, as of its end."""
    frames = []
    for view in views:
        table = feature_table(config, view, (), EntityFrame.everything(view, start, end), full_names=False)
        frames.append(table.frame.select(pl.col(old).alias(new) for new, old in table.keys.items()).unique())
    keys = frames[0]
    for other in frames[1:]:
        shared = [name for name in keys.columns if name in other.columns]
        keys = keys.join(other, on=shared, how="full", coalesce=True) if shared else keys.join(other, how="cross")
    return keys.sort(keys.columns).with_columns(event_timestamp=pl.lit(end, pl.Datetime("us", "UTC")))


def _read(
    config: RepoConfig,
    source: DataSource,
    columns: Sequence[str],
    time: str,
    start: datetime | None,
    end: datetime | None,
    created: str | None = None,
    only: Sequence[ParquetFile] | None = None,
) -> pl.DataFrame:
    require_own(config, source)
    first, last = (None if bound is None else clock.as_utc(bound) for bound in (start, end))
    return files.read(source, config.repo_path, columns, time=time, created=created, start=first, end=last, only=only)


def _from_arrow(table: pa.Table) -> pl.DataFrame:
    frame = pl.DataFrame(table)
    return frame.with_columns(utc(pl.col(name)) for name, kind in frame.schema.items() if kind == pl.Datetime)


def _partitions(frame: pl.DataFrame, by: Sequence[str]) -> list[tuple[str, pl.DataFrame]]:
    if not by:
        return [("", frame)]
    groups: Mapping[tuple[Any, ...], pl.DataFrame] = frame.partition_by(by, as_dict=True)
    return [("/".join(f"{n}={v}" for n, v in zip(by, key, strict=True)), rows) for key, rows in groups.items()]
