"""The online store that Feast loads by class path: guarded rows behind Feast's own interface."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple

from feast import Entity, FeatureService, FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry.sql import SqlRegistryConfig
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from pydantic import model_validator

from crypto_features import clock
from crypto_features.errors import InputError
from crypto_features.settings import Settings
from crypto_features.store import feast_private, shared_registry
from crypto_features.store.online.answer import FeastResponse, GuardedResponse, add, to_proto
from crypto_features.store.online.backend import Backend, Fence, StoredRow
from crypto_features.store.online.connect import connect
from crypto_features.store.online.on_demand import computed, is_stored
from crypto_features.store.online.pack_values import WriteRow, packed_values
from crypto_features.store.online.place import remembered_name, table_name
from crypto_features.store.online.published import Published
from crypto_features.store.online.question import Question, answered
from crypto_features.store.online.request import (
    EntityRows,
    columns_of,
    entity_keys,
    join_key_columns,
    require_join_keys,
    require_values,
    result_names,
    serialized,
)
from crypto_features.store.online.switches import RegistryCopy, Switches
from crypto_features.store.tags import origin, require_own_view
from crypto_features_reader import guard
from crypto_features_reader.answer import SERVED, ViewAnswer
from crypto_features_reader.reading import SWITCH_SECONDS
from crypto_features_reader.refs import as_asked, result_name

_max_age: ContextVar[timedelta | None] = ContextVar("max_age", default=None)


class _Request(NamedTuple):
    """What Feast does not hand on while it puts a response together."""

    registry: Any
    project: str
    answers: list[ViewAnswer]
    computed: list[ViewAnswer]


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


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

    @model_validator(mode="after")
    def _share_the_registry(self) -> "GuardedOnlineStoreConfig":
        """Feast reads this configuration before it opens the registry of the same project."""
        shared_registry.install(GuardedOnlineStoreConfig)
        return self


class GuardedOnlineStore(OnlineStore):
    """An online store that never serves a stale value, never goes backwards and never shows half a publish."""

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._switched: Switches | None = None
        self._copy: RegistryCopy | None = None
        self._published: Published | None = None
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
            self._switches, self._switches_read = self.switched(config).read(), now
        return self._switches

    def switched(self, config: RepoConfig) -> Switches:
        """The switches themselves."""
        if self._switched is None:
            self._switched = Switches(self.backend(config), self.registry_copy(config))
        return self._switched

    def published(self, config: RepoConfig) -> Published:
        """What was published to this store."""
        if self._published is None:
            self._published = Published(self.backend(config), self.registry_copy(config))
        return self._published

    def registry_copy(self, config: RepoConfig) -> RegistryCopy | None:
        """What the registry knows of this store, if it is a SQL one."""
        registry = config.registry
        if self._copy is None and isinstance(registry, SqlRegistryConfig):
            self._copy = RegistryCopy(registry.path, registry.sqlalchemy_config_kwargs)
        return self._copy

    def require_there(self, config: RepoConfig, view: FeatureView) -> None:
        """Check that the store has what was published of a view; of one that was never published there is nothing.

        Raises:
            EmptyStoreError: if it has nothing of it.
        """
        self.published(config).require(table_name(config, view), view.name)

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
            InputError: if a row is stamped later than the clock, lacks a time or an entity, or holds a value that does
                not fit its feature's type; nothing is published then.
        """
        rows = packed_values(table, data, config.entity_key_serialization_version)
        self.write_rows(config, table, rows)
        if progress:
            progress(len(rows))

    def write_rows(
        self, config: RepoConfig, view: FeatureView, rows: Sequence[StoredRow], fence: Fence | None = None
    ) -> None:
        """Publish packed rows in one transaction, of a writer that runs for long with its fence.

        Raises:
            FencedError: if a later writer was begun; nothing is published then.
            InputError: if a row is stamped later than the clock, or the view is one of another project; nothing is
                published then.
        """
        require_own_view(view)
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
        table, switched = table_name(config, view), self.switched(config)
        if fence is None:
            switched.agree()
        self.backend(config).write(table, [newest[key] for key in sorted(newest)], fence)
        if fence is not None:  # who follows a market does not let its readers wait for the registry.
            switched.agree()
        self.published(config).note(table)

    def withdraw(self, config: RepoConfig, view: FeatureView) -> int:
        """Delete the rows that are stamped later than the clock, which a wrong clock wrote; how many there were.

        They are not served, and no later publish replaces them: a store never goes backwards.
        """
        require_own_view(view)
        return self.backend(config).withdraw(table_name(config, view), guard.micros(clock.now() + guard.SKEW))

    async def online_write_batch_async(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.to_thread(self.online_write_batch, *args, **kwargs)

    # Reading

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        names = requested_features or [field.name for field in table.features]
        (answer,) = self._answers(config, [_question(config, table, names, names, entity_keys)])
        return [
            (
                None if event is None else guard.time_of(event),
                {
                    name: to_proto(kind, column[row])
                    for name, kind, column in zip(names, answer.kinds, answer.columns, strict=True)
                }
                if status in SERVED
                else None,
            )
            for row, (status, event) in enumerate(zip(answer.statuses, answer.events, strict=True))
        ]

    async def online_read_async(
        self, *args: Any, **kwargs: Any
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        return await asyncio.to_thread(self.online_read, *args, **kwargs)

    def get_online_features(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: EntityRows,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        include_feature_view_version_metadata: bool = False,
    ) -> Any:
        context = feast_private.cached_request_context(registry, project, features, full_feature_names)
        views = [view for view, _ in context[5]]
        _restore_versions(views, registry, project)
        require_join_keys(entity_rows, context[2], views)
        entities = join_key_columns(entity_rows, context[4], views)
        plain = not (
            context[1]  # on-demand views
            or context[8]  # views without an entity
            or include_feature_view_version_metadata
            or getattr(features, "precompute_online", False)
        )
        if entities is None or not plain:
            require_values(entity_rows, {*context[2], *context[4]})
            request = _Request(registry, project, [], [])
            token = _request.set(request)
            asked_for = (config, features, entity_rows, registry, project, full_feature_names)
            read = super().get_online_features if all(map(is_stored, context[1])) else self._get_computed_features
            try:
                response = read(*asked_for, include_feature_view_version_metadata)
            finally:
                _request.reset(token)
            order = [result_name(ref, full=full_feature_names) for ref in context[0]]
            return FeastResponse(
                response.proto, feast_private.feature_types(response), request.answers, order, request.computed
            )
        groups, mixed = as_asked(tuple(context[0]))
        asked = {view.projection.name_to_use(): view for view in views}
        questions = [
            Question(
                asked[name],
                requested,
                result_names(asked[name], requested, full=full_feature_names),
                *entity_keys(asked[name], entities, config.entity_key_serialization_version),
            )
            for name, requested in groups.items()
        ]
        order = [result_name(ref, full=full_feature_names) for ref in context[0]] if mixed else []
        with feast_private.timed_read():
            answers = self._answers(config, questions)
        return GuardedResponse(entities, answers, order)

    def _get_computed_features(
        self,
        config: RepoConfig,
        features: list[str] | FeatureService,
        entity_rows: EntityRows,
        registry: Any,
        project: str,
        full: bool,
        metadata: bool,
    ) -> OnlineResponse:
        """Feast's way to a response, but each function of an on-demand view is given the served rows only."""
        keys, grouped, names, on_demand, refs, wanted, response = feast_private.prepared_request(
            registry, project, features, columns_of(entity_rows), full
        )
        columns = zip(response.metadata.feature_names.val, response.results, strict=True)
        given = {name: list(column.values) for name, column in columns}
        with feast_private.timed_read():
            self._read_features_per_fv(config, grouped, keys, names, response, full, metadata)
        groups, _ = as_asked(tuple(refs))
        request = _request.get()
        for view in on_demand:
            if request is not None and not is_stored(view):
                requested = groups[view.projection.name_to_use()]
                request.computed.append(computed(view, requested, given, request.answers, full=full))
                add(response, request.computed[-1])
        feast_private.drop_unneeded_columns(response, wanted)
        return OnlineResponse(response, feature_types=self._build_feature_types(grouped))

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
        request = _request.get()
        if request is not None:
            _restore_versions([view for view, _ in grouped_refs], request.registry, request.project)
        questions = []
        for view, requested in grouped_refs:
            unique, places, rows = feast_private.unique_entities(view, join_key_values, entity_name_to_join_key_map)
            protos = zip(feast_private.entity_key_protos(unique), places, strict=True)
            keys = {row: proto for proto, destinations in protos for row in destinations}
            names = result_names(view, requested, full=full_feature_names)
            questions.append(_question(config, view, requested, names, [keys[row] for row in range(rows)]))
        for question, answer in zip(questions, self._answers(config, questions), strict=True):
            view = question.view
            if include_feature_view_version_metadata:
                name = view.projection.name_alias or view.projection.name
                known = online_features_response.metadata.feature_view_metadata
                if name not in [entry.name for entry in known]:
                    known.add(name=name, version=view.current_version_number or 0)
            add(online_features_response, answer)
            if request is not None:
                request.answers.append(answer)

    def _answers(self, config: RepoConfig, questions: Sequence[Question]) -> list[ViewAnswer]:
        """All views in one way to the database and back."""
        tables = [remembered_name(config, question.view) for question in questions]
        wanted: dict[str, list[bytes]] = {}
        for table, question in zip(tables, questions, strict=True):
            wanted[table] = list(dict.fromkeys([*wanted.get(table, ()), *question.keys]))
        stored = self.backend(config).read(wanted)
        for table, question in zip(tables, questions, strict=True):
            if not stored[table] and question.keys:
                self.require_there(config, question.view)
        switches = self.switches(config)
        now, grace = clock.now(), self.grace(config)
        return [
            answered(question, stored[table], switches, guard.limits(now, _ttl(question.view), grace, _max_age.get()))
            for table, question in zip(tables, questions, strict=True)
        ]

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
            if origin(view) is None:
                self.backend(config).drop(table_name(config, view))
        for view in tables_to_keep:
            if origin(view) is None:
                self.backend(config).create(table_name(config, view))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        self.update(config, tables, [], entities, [], partial=False)

    async def close(self) -> None:
        if self._backend is not None:
            self._backend.close()


def _restore_versions(views: Sequence[FeatureView], registry: Any, project: str) -> None:
    """Give each view back its version number, which Feast forgets when it copies the view for a service."""
    for view in views:
        if view.current_version_number is None:
            registered = registry.get_any_feature_view(view.name, project, allow_cache=True)
            view.current_version_number = registered.current_version_number or 0


def _ttl(view: FeatureView) -> timedelta | None:
    """The TTL of a view; that of a stored on-demand view is the shortest of its sources."""
    if not isinstance(view, OnDemandFeatureView):
        found: timedelta | None = view.ttl
        return found
    request = _request.get()
    sources = view.source_feature_view_projections
    if request is None or not sources:
        return None
    views = [request.registry.get_any_feature_view(name, request.project, allow_cache=True) for name in sources]
    return min((one.ttl for one in views if getattr(one, "ttl", None)), default=None)


def _question(
    config: RepoConfig, view: FeatureView, requested: Sequence[str], names: Sequence[str], keys: Sequence[EntityKey]
) -> Question:
    version = config.entity_key_serialization_version
    entities = [tuple(_plain(value) for value in key.entity_values) for key in keys]
    return Question(view, requested, names, [serialized(key, version) for key in keys], entities)


def _plain(value: Value) -> object:
    field = value.WhichOneof("val")
    return getattr(value, field) if field else None
