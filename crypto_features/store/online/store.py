"""The online store that Feast loads by class path: guarded rows behind Feast's own interface."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import lru_cache
from time import monotonic
from typing import Any

from feast import Entity, FeatureService, FeatureView, RepoConfig, utils
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType
from sqlalchemy.dialects import plugins

from crypto_features import clock
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.settings import Settings
from crypto_features.store import shared_registry
from crypto_features.store.online import guard
from crypto_features.store.online.answer import GuardedResponse, ViewAnswer, add, to_proto
from crypto_features.store.online.backend import Backend, StoredRow
from crypto_features.store.online.connect import connect
from crypto_features.store.online.guard import Status
from crypto_features.store.online.packing import kind_of, packer, unpack

# Feast has imported this module before it opens the registry, whose URL names the plugin.
plugins.register("crypto_features", "crypto_features.store.registry", "DataFolderPlugin")
shared_registry.install()

SWITCH_SECONDS = 0.5
"""How old a process's knowledge of the switches may be."""

_max_age: ContextVar[timedelta | None] = ContextVar("max_age", default=None)

WriteRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


@contextmanager
def limited_to(max_age: timedelta | None) -> Iterator[None]:
    """Withhold what is older, in the reads of this context, also if its view's TTL would allow it."""
    token = _max_age.set(max_age)
    try:
        yield
    finally:
        _max_age.reset(token)


class GuardedOnlineStoreConfig(FeastConfigBaseModel):
    """Settings of the guarded online store in `feature_store.yaml`."""

    type: str = "crypto_features.store.online.store.GuardedOnlineStore"
    url: str = ""
    """`sqlite:///…`, `redis://…` or `postgresql://…`; by default what CRYPTO_FEATURES_STORE says."""
    grace_seconds: float | None = None
    """How much longer than its TTL a value may be served; by default CRYPTO_FEATURES_ONLINE_GRACE."""


class GuardedOnlineStore(OnlineStore):
    """An online store that never serves a stale value, never goes backwards and never shows half a publish."""

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._grace: timedelta | None = None
        self._switches: Mapping[str, str] = {}
        self._switches_read = float("-inf")

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        return SupportedAsyncMethods(read=True, write=True)

    def backend(self, config: RepoConfig) -> Backend:
        """The database behind this store."""
        if self._backend is None:
            self._backend = connect(config.online_store.url)
        return self._backend

    def grace(self, config: RepoConfig) -> timedelta:
        """How much longer than its TTL a value may be served."""
        if self._grace is None:
            seconds = config.online_store.grace_seconds
            self._grace = Settings.load().online_grace if seconds is None else timedelta(seconds=seconds)
        return self._grace

    def switches(self, config: RepoConfig) -> Mapping[str, str]:
        """What is switched off and why, at most half a second old."""
        now = monotonic()
        if now - self._switches_read > SWITCH_SECONDS:
            self._switches, self._switches_read = self.backend(config).switches(), now
        return self._switches

    # Writing

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[WriteRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Publish rows in one transaction; a row older than the stored one changes nothing.

        Raises:
            InputError: if a row is stamped later than the clock; nothing is published then.
        """
        names = tuple(field.name for field in table.features)
        kinds = tuple(kind_of(field.dtype.to_value_type().name) for field in table.features)
        pack = packer(names, kinds)
        rows = [
            StoredRow(
                serialize_entity_key(key, config.entity_key_serialization_version),
                guard.micros(event),
                guard.micros(created) if created else 0,
                pack([_field(values.get(name), kind) for name, kind in zip(names, kinds, strict=True)]),
            )
            for key, values, event, created in data
        ]
        self.write_rows(config, table, rows)
        if progress:
            progress(len(rows))

    def write_rows(self, config: RepoConfig, view: FeatureView, rows: Sequence[StoredRow]) -> None:
        """Publish packed rows in one transaction.

        Raises:
            InputError: if a row is stamped later than the clock; nothing is published then.
        """
        latest = guard.micros(clock.now() + guard.SKEW)
        late = max((row.event for row in rows), default=latest)
        if late > latest:
            raise InputError(
                f"{view.name}: a row is stamped {guard.time_of(late):%Y-%m-%d %H:%M:%S} UTC, which is later than the "
                f"clock, {guard.time_of(latest):%Y-%m-%d %H:%M:%S} UTC; nothing was published."
            )
        newest: dict[bytes, StoredRow] = {}
        for row in rows:
            held = newest.get(row.key)
            if held is None or row[1:3] >= held[1:3]:
                newest[row.key] = row
        self.backend(config).write(table_name(config, view), [newest[key] for key in sorted(newest)])

    async def online_write_batch_async(
        self, config: RepoConfig, table: FeatureView, data: list[WriteRow], progress: Callable[[int], Any] | None
    ) -> None:
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    # Reading

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        names = requested_features or [field.name for field in table.features]
        keys = [serialize_entity_key(key, config.entity_key_serialization_version) for key in entity_keys]
        entities = [tuple(_plain(value) for value in key.entity_values) for key in entity_keys]
        answer = self._answer(config, table, names, keys, entities, names)
        return [
            (
                None if event is None else guard.time_of(event),
                {
                    name: to_proto(kind, column[row])
                    for name, kind, column in zip(names, answer.kinds, answer.columns, strict=True)
                }
                if status is Status.PRESENT
                else None,
            )
            for row, (status, event) in enumerate(zip(answer.statuses, answer.events, strict=True))
        ]

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    def get_online_features(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: list[dict[str, Any]] | Mapping[str, Sequence[Any]],
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        include_feature_view_version_metadata: bool = False,
    ) -> Any:
        context = utils._get_cached_request_context(registry, project, features, full_feature_names)
        entities = _columns(entity_rows, context[4], [view for view, _ in context[5]])
        _require_keys(context, entity_rows)
        plain = not (
            context[1]  # on-demand views
            or context[8]  # views without an entity
            or include_feature_view_version_metadata
            or getattr(features, "precompute_online", False)
        )
        if entities is None or not plain:
            return super().get_online_features(
                config,
                features,
                entity_rows,
                registry,
                project,
                full_feature_names,
                include_feature_view_version_metadata,
            )
        answers = []
        for view, requested in context[5]:
            keys, values = _entity_keys(view, entities, config.entity_key_serialization_version)
            answers.append(
                self._answer(config, view, requested, keys, values, _names(view, requested, full_feature_names))
            )
        return GuardedResponse(entities, answers)

    async def get_online_features_async(self, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(self.get_online_features, *args, **kwargs)

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: list[tuple[FeatureView, list[str]]],
        join_key_values: dict[str, list[Value]],
        entity_name_to_join_key_map: dict[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        for view, requested in grouped_refs:
            unique, places, rows = utils._get_unique_entities(view, join_key_values, entity_name_to_join_key_map)
            protos = utils._get_entity_key_protos(unique)
            order = [0] * rows
            for number, destinations in enumerate(places):
                for row in destinations:
                    order[row] = number
            found = [serialize_entity_key(key, config.entity_key_serialization_version) for key in protos]
            plain = [tuple(_plain(value) for value in key.entity_values) for key in protos]
            answer = self._answer(
                config,
                view,
                requested,
                [found[n] for n in order],
                [plain[n] for n in order],
                _names(view, requested, full_feature_names),
            )
            if include_feature_view_version_metadata:
                name = view.projection.name_alias or view.projection.name
                known = online_features_response.metadata.feature_view_metadata
                if name not in [entry.name for entry in known]:
                    known.add(name=name, version=view.current_version_number or 0)
            add(online_features_response, answer)

    def _answer(
        self,
        config: RepoConfig,
        view: FeatureView,
        requested: Sequence[str],
        keys: Sequence[bytes],
        entities: Sequence[tuple[object, ...]],
        names: Sequence[str],
    ) -> ViewAnswer:
        stored = self.backend(config).read(table_name(config, view), list(dict.fromkeys(keys)))
        switches = self.switches(config)
        allowed = guard.limits(clock.now(), view.ttl, self.grace(config), _max_age.get())
        types = {field.name: field.dtype.to_value_type().name for field in view.features}
        kinds = [kind_of(types.get(name, "UNKNOWN")) for name in requested]
        nothing = [None] * len(requested)
        statuses, events, rows = [], [], []
        for key, entity in zip(keys, entities, strict=True):
            row = stored.get(key)
            if guard.disabled(switches, view.name, entity):
                status = Status.DISABLED
            elif row is None:
                status = Status.NOT_FOUND
            else:
                status = Status.PRESENT if allowed.allow(row.event) else Status.EXPIRED
            statuses.append(status)
            events.append(row.event if row else None)
            rows.append(_values(row, requested) if row and status is Status.PRESENT else nothing)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(requested)
        _count(view.name, columns)
        return ViewAnswer(view.projection.name_to_use(), names, kinds, columns, statuses, events)

    # Infrastructure

    def _is_versioned_read_supported(self) -> bool:
        return True

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        for view in tables_to_delete:
            self.backend(config).drop(table_name(config, view))
        for view in tables_to_keep:
            self.backend(config).create(table_name(config, view))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        for view in tables:
            self.backend(config).drop(table_name(config, view))

    async def close(self) -> None:
        if self._backend is not None:
            self._backend.close()


def table_name(config: RepoConfig, view: FeatureView) -> str:
    """Where the rows of a view lie; each version of a view has a place of its own if versioning is on."""
    return str(compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning))


def _values(row: StoredRow, requested: Sequence[str]) -> list[Any]:
    places, values = _places(row.payload, tuple(requested))
    return [values[place] if place >= 0 else None for place in places]


def _places(payload: bytes, requested: tuple[str, ...]) -> tuple[tuple[int, ...], list[Any]]:
    names, kinds, values = unpack(payload)
    if "value" in kinds:
        values = [
            Value.FromString(value) if kind == "value" and value is not None else value
            for kind, value in zip(kinds, values, strict=True)
        ]
    return _index(names, requested), values


@lru_cache(maxsize=1024)
def _index(names: tuple[str, ...], requested: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(names.index(name) if name in names else -1 for name in requested)


def _names(view: FeatureView, requested: Sequence[str], full: bool) -> list[str]:
    prefix = f"{view.projection.name_to_use()}__" if full else ""
    return [prefix + name for name in requested]


def _columns(
    entity_rows: list[dict[str, Any]] | Mapping[str, Sequence[Any]], join_keys: set[str], views: Sequence[FeatureView]
) -> dict[str, Sequence[Any]] | None:
    """The join keys of a request, a list each; `None` if the request needs Feast's own, slower reading."""
    if isinstance(entity_rows, list):
        if not entity_rows or any(row.keys() != entity_rows[0].keys() for row in entity_rows):
            return None
        entity_rows = {name: [row[name] for row in entity_rows] for name in entity_rows[0]}
    columns = {name: values for name, values in entity_rows.items() if name in join_keys}
    plain = all(
        isinstance(values, list | tuple) and not any(value is None or isinstance(value, Value) for value in values)
        for values in columns.values()
    )
    needed = {key for view in views for key in _entity_columns(view).values()}
    complete = needed <= columns.keys() and len({len(values) for values in columns.values()}) == 1
    return columns if plain and complete else None


def _require_keys(context: Sequence[Any], entity_rows: Any) -> None:
    """Check that a request has every join key, be it under its entity's name."""
    given = set(entity_rows[0] if isinstance(entity_rows, list) and entity_rows else entity_rows)
    given |= {key for entity, key in context[2].items() if entity in given}
    for view, _ in context[5]:
        for key in _entity_columns(view).values():
            if key not in given and key != "__dummy_id":
                raise UnknownNameError("entity", key, given, f"{view.name} is read by it.")


def _entity_columns(view: FeatureView) -> dict[str, str]:
    """The join keys of a view, and under which name a request gives each."""
    renamed = view.projection.join_key_map or {}
    return {column.name: renamed.get(column.name, column.name) for column in view.entity_columns}


def _entity_keys(
    view: FeatureView, entities: Mapping[str, Sequence[Any]], version: int
) -> tuple[list[bytes], list[tuple[object, ...]]]:
    columns = [entities[name] for name in _entity_columns(view).values()]
    names = tuple(column.name for column in view.entity_columns)
    types = tuple(column.dtype.to_value_type() for column in view.entity_columns)
    rows = list(zip(*columns, strict=True))
    try:
        return [_entity_key(names, types, row, version) for row in rows], rows
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{', '.join(names)}: an entity value has the wrong type: {error}") from error


@lru_cache(maxsize=65_536, typed=True)
def _entity_key(
    names: tuple[str, ...], types: tuple[ValueType, ...], values: tuple[object, ...], version: int
) -> bytes:
    protos = [python_values_to_proto_values([v], t)[0] for v, t in zip(values, types, strict=True)]
    key: bytes = serialize_entity_key(EntityKey(join_keys=names, entity_values=protos), version)
    return key


def _field(value: Value | None, kind: str) -> Any:
    if value is None or value.WhichOneof("val") is None:
        return None
    return value.SerializeToString() if kind == "value" else getattr(value, kind)


def _plain(value: Value) -> object:
    field = value.WhichOneof("val")
    return getattr(value, field) if field else None


def _count(view: str, columns: Sequence[Sequence[Any]]) -> None:
    from feast import metrics

    if metrics._config.online_features:
        present = sum(value is not None for column in columns for value in column)
        metrics.track_feature_statuses(view, present, sum(map(len, columns)) - present)
