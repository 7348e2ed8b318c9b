"""A SQL registry that processes change one after the other, and that does not grow with every materialization."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import uuid4

from feast import FeatureStore
from feast.errors import FeatureViewNotFoundException
from feast.feature_view import FeatureViewState
from feast.infra.registry.sql import SqlRegistry, SqlRegistryConfig, metadata
from feast.version_utils import parse_version
from sqlalchemy import Engine, create_engine, inspect, select, text, update

from crypto_features.file_lock import file_lock
from crypto_features.store import feast_private, sharing
from crypto_features.store.errors import StoreUnreachableError
from crypto_features.store.feast_command import end_in_one_line
from crypto_features.store.one_transaction import IDLE_LONGER, JoinedEngine
from crypto_features.store.online.place import place_of
from crypto_features.store.online.switches import forget_published
from crypto_features.store.reach import typed_errors
from crypto_features.store.tags import BEHAVIOUR, origin

LOCK_SECONDS = 60
"""How long a process waits for another one's change."""


class SharedSqlRegistry(SqlRegistry):
    """Feast's SQL registry with each of its changes of a feature view made alone.

    Feast reads a view, changes it and writes the whole of it back in transactions of their own: of an apply and a
    materialization at the same moment, either may undo the other.

    Several projects may share it: what one changes is its own.
    """

    write_engine: Any
    read_engine: Any

    def __init__(self, registry_config: Any, project: str, repo_path: Any) -> None:
        self.project = project
        with _made_once(registry_config):
            super().__init__(registry_config, project, repo_path)
        held, engines = threading.local(), (self.write_engine, self.read_engine)
        self.write_engine, self.read_engine = (JoinedEngine(engine, held) for engine in engines)

    def apply_feature_view(self, feature_view: Any, project: str, *args: Any, **kwargs: Any) -> Any:
        """Register a view, as a new version only if its behaviour changed, while nobody else changes any.

        Feast would count a reworded description as a new version, whose online rows are yet to be published; and a
        changed TTL would make it forget which version, and so which rows, are the current ones.
        """
        with self.alone():
            sharing.require_own_table(self, project, feature_view)
            sharing.require_origin(self, feature_view)
            with sharing.noted_pin(project, feature_view):
                return self._register(feature_view, project, *args, **kwargs)

    def _register(self, feature_view: Any, project: str, *args: Any, **kwargs: Any) -> Any:
        try:
            held = self._get_any_feature_view(feature_view.name, project)
        except FeatureViewNotFoundException:
            held = None
        if type(held) is not type(feature_view) or not parse_version(feature_view.version)[0]:
            return super().apply_feature_view(feature_view, project, *args, **kwargs)
        feature_view.current_version_number = held.current_version_number
        if hasattr(held, "materialization_intervals"):  # those of an object that was applied before are old.
            feature_view.materialization_intervals = list(held.materialization_intervals)
        _reword(held, feature_view)
        if feast_private.schema_changed(feature_view, held):
            return super().apply_feature_view(feature_view, project, *args, **kwargs)
        feature_view.ensure_valid()
        table = self._infer_fv_table(feature_view)
        return self._apply_object(table, project, "feature_view_name", feature_view, "feature_view_proto")

    def proto(self) -> Any:
        """The whole registry, told from every other reading of it.

        Feast remembers what it found in a reading by the reading's place in memory, which a later one may take.
        """
        found = super().proto()
        found.version_id = uuid4().hex
        return found

    def delete_feature_view(self, name: str, project: str, commit: bool = True) -> None:
        """Forget a view that no other project reads, while nobody else changes any.

        Raises:
            ConsumedError: if another project reads it.
        """
        with self.alone():
            sharing.require_unused(self, project, [name])
            held = self._get_any_feature_view(name, project)
            super().delete_feature_view(name, project, commit)
            self._forget(project, held)

    def delete_project(self, name: str, commit: bool = True) -> None:
        """Forget a project; Feast's teardown of one asks for every project of the registry.

        Raises:
            ConsumedError: if another project reads one of its views.
        """
        if name != self.project:
            return
        with self.alone():
            views = self.list_feature_views(name)
            sharing.require_unused(self, name, [view.name for view in views])
            super().delete_project(name, commit)
            for view in views:
                self._forget(name, view)

    def _forget(self, project: str, view: Any) -> None:
        """What is noted of a view apart from it: that it is read here, or was published."""
        sharing.drop_pin(project, view)
        if origin(view) is None:
            with self.write_engine.begin() as connection:
                forget_published(connection, place_of(project, view, versioned=self.enable_online_versioning))

    def apply_materialization(
        self, feature_view: Any, project: str, start_date: datetime, end_date: datetime, commit: bool = True
    ) -> None:
        """Note a materialization as one interval, from the first start to the last end: Feast asks only for that end.

        The view gets no state. Feast would move a view that has one to MATERIALIZING by writing back what it had read
        before, and a killed publisher would leave it there.

        Raises:
            FeatureViewNotFoundException: if the view was deleted meanwhile.
        """
        table = self._infer_fv_table(feature_view)
        python_class, proto_class = self._infer_fv_classes(feature_view)
        if not hasattr(python_class, "most_recent_end_time"):
            super().apply_materialization(feature_view, project, start_date, end_date, commit)
            return
        here = (table.c.feature_view_name == feature_view.name, table.c.project_id == project)
        with self.alone(), self.write_engine.begin() as connection:
            stored = connection.execute(select(table.c.feature_view_proto).where(*here).with_for_update()).scalar()
            if stored is None:
                raise FeatureViewNotFoundException(feature_view.name, project)
            view = python_class.from_proto(proto_class.FromString(stored))
            starts, ends = zip(*view.materialization_intervals, (start_date, end_date), strict=True)
            view.materialization_intervals = [(min(starts), max(ends))]
            view.state = FeatureViewState.STATE_UNSPECIFIED
            proto = view.to_proto()
            proto.spec.project = project
            connection.execute(update(table).where(*here).values(feature_view_proto=proto.SerializeToString()))
        if self.cache_mode == "sync":
            self.refresh()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """While this is open nobody else changes the registry, and what is changed is there all at once at its end."""
        with self.alone(), self.write_engine.whole():
            yield

    def alone(self) -> AbstractContextManager[None]:
        """While this is open nobody else changes the registry."""
        return nullcontext() if self.write_engine.is_whole else _alone(self.write_engine)


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the one lock of a registry; the system gives it back if the process is killed."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            patience = getattr(driver, "patience", None)
            if patience is not None:  # the server is silent over a lock that another process holds.
                driver.patience = LOCK_SECONDS + patience
            try:
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
                connection.execute(text(IDLE_LONGER))
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('crypto_features registry'))"))
            finally:
                if patience is not None:
                    driver.patience = patience
            yield
        return
    path = engine.url.database
    if not path or path == ":memory:":
        yield
        return
    busy = f"the registry {path} is being changed by another process for more than {LOCK_SECONDS} s; try again."
    with file_lock(f"{path}.lock", LOCK_SECONDS, StoreUnreachableError(busy)):
        yield


@contextmanager
def _made_once(config: SqlRegistryConfig) -> Iterator[None]:
    """Hold the lock while the tables of a registry are made: of two processes that find none, Feast fails one."""
    engine = create_engine(config.path, **config.sqlalchemy_config_kwargs)
    try:
        there = metadata.tables.keys() <= {*inspect(engine).get_table_names()}
        with nullcontext() if there else _alone(engine):
            yield
    finally:
        engine.dispose()


def _reword(held: Any, new: Any) -> None:
    """Give the fields of a view the prose of a new declaration: all but name, type and the fingerprint of behaviour."""
    fields = {field.name: field for field in (*new.features, *getattr(new, "entity_columns", ()))}
    for field in (*held.features, *getattr(held, "entity_columns", ())):
        other = fields.get(field.name)
        if other is not None:
            field.description = other.description
            if BEHAVIOUR in field.tags and BEHAVIOUR in other.tags:
                field.tags = {**other.tags, BEHAVIOUR: field.tags[BEHAVIOUR]}


def install(online_store: type) -> None:
    """Have Feast open this registry for the projects that use our online store, and for others the one it opened.

    Feast loads every other part of a project by class path, but not its registry. Ours is recognized by the class of
    the online store's configuration. An apply changes it in one transaction; Feast has one for each object. In a
    `feast` command, an expected error is one line.
    """

    def create_registry(store: FeatureStore) -> Any:
        config = store.config.registry
        if isinstance(config, SqlRegistryConfig) and isinstance(store.config.online_store, online_store):
            return SharedSqlRegistry(config, store.config.project, None)
        return feast_private.create_registry(store)

    from crypto_features.store.online.manifest import republish_manifest  # it needs this module.

    @wraps(feast_private.apply)
    def apply(store: FeatureStore, *args: Any, **kwargs: Any) -> Any:
        registry = store.registry
        if not isinstance(registry, SharedSqlRegistry):
            return feast_private.apply(store, *args, **kwargs)
        with typed_errors(), registry.whole():
            applied = feast_private.apply(store, *args, **kwargs)
        with typed_errors():
            republish_manifest(store.provider.online_store, store.config, registry)
        return applied

    end_in_one_line()
    feast_private.choose_registry(create_registry)
    feast_private.choose_apply(apply)
