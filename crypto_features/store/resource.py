"""The Dagster resource: the only place where the graph touches Feast."""

from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from crypto_features import clock
from crypto_features.settings import Settings
from crypto_features.store import registered, session, switch
from crypto_features.store.errors import NotAppliedError, StoreMisusedError
from crypto_features.store.publish_view import Published, publish_view, quiet

if TYPE_CHECKING:
    from crypto_features.store.offline.known import Knowledge


class FeastResource(dg.ConfigurableResource[None]):
    """Feast as the graph uses it. Feast is imported by the first call, not by the import of this module."""

    def damage(self) -> list[str]:
        """What is wrong with the online rows of each view, and what to do; nothing where no view was registered yet."""
        try:
            store = session.applied_store()
        except NotAppliedError:
            return []
        from crypto_features.store.online.place import table_name
        from crypto_features.store.online.unpack_frame import guarded_store
        from crypto_features_reader import guard

        online, found = guarded_store(store), []
        backend = online.backend(store.config)
        latest = guard.micros(clock.now() + guard.SKEW)
        for view in store.list_feature_views():
            try:
                online.require_there(store.config, view)
                rows = backend.scan(table_name(store.config, view))
            except StoreMisusedError as error:
                found.append(f"{view.name}: {error}")
                continue
            if ahead := sum(row.event > latest for row in rows):
                found.append(
                    f"{view.name}: {ahead} online rows are stamped later than the clock; they are not served, and no "
                    "publish replaces them. Take them back with: crypto-features withdraw"
                )
        return found

    def apply(self) -> tuple[str, tuple[str, ...]]:
        """Register every entity, source, view and service, and take away what is no longer declared.

        Only what this project declares is registered or taken away; other projects of the registry are left alone.

        Returns:
            Digest of all definitions, and the name of each object: entity, sources, views and services.

        Raises:
            ConsumedError: if another project reads a view that is no longer declared; nothing is applied then.
            InputError: if another project computes a table of the same name in this data folder.
            NotAppliedError: if a view of another project is read that this one has not registered.
        """
        store = session.feature_store()
        from crypto_features.store.feast_objects import feast_objects
        from crypto_features.store.registry import version
        from crypto_features.store.sharing import require_own_table, require_unused

        settings = Settings.load()
        declared = feast_objects(settings.root, settings.interval)
        objects = list(declared.objects.values())
        stale = [
            one
            for there, kept in (
                (store.list_feature_services(), declared.services),
                (store.list_feature_views(), declared.views),
                (store.list_data_sources(), declared.sources),
                (store.list_entities(), {declared.entity.name, "__dummy"}),
            )
            for one in there
            if one.name not in kept
        ]
        gone = {view.name for view in store.list_feature_views()} - declared.views.keys()
        require_unused(store.registry, store.project, sorted(gone))
        for view in declared.views.values():
            require_own_table(store.registry, store.project, view)
        with quiet():
            store.apply(objects, objects_to_delete=stale, partial=not stale)
        store.refresh_registry()
        return version(store.registry, store.project), tuple(declared.objects)

    def materialize(self, view: str, start: datetime, end: datetime) -> Published:
        """Publish the newest row of each entity between two times to the online store, as `publish_view` says."""
        return publish_view(view, start, end)

    def online_rows(self, view: str) -> pl.DataFrame:
        """Every row of a view in the online store, fresh or not: entity, event and created time, features.

        Raises:
            UnknownNameError: if the registry has no such view.
        """
        store = session.feature_store()
        from crypto_features.store.online.unpack_frame import online_frame

        return online_frame(store, registered.view_named(store, view))

    def views(self) -> dict[str, list[str]]:
        """The feature names of each registered view."""
        views = session.feature_store().list_feature_views()
        return {view.name: [feature.name for feature in view.features] for view in views}

    def versions(self) -> dict[str, list[tuple[str, datetime]]]:
        """By registered view, the number of each of its versions and when that was registered."""
        try:
            store = session.applied_store()
        except NotAppliedError:
            return {}
        return {
            view.name: [
                (one["version"], clock.as_utc(one["created_timestamp"]))
                for one in store.registry.list_feature_view_versions(view.name, store.project)
            ]
            for view in store.list_feature_views()
        }

    def disabled(self) -> dict[str, str]:
        """Why each view or symbol that is switched off is, by its name."""
        return switch.disabled()

    def version_fingerprints(self, view: str, number: int) -> dict[str, str]:
        """The fingerprint of each feature of a registered version of a view.

        Raises:
            UnknownNameError: if the registry has no such view or version.
            NotAppliedError: if it is empty.
        """
        store = session.applied_store()
        from crypto_features.store.tags import fingerprints

        return fingerprints(registered.view_version(store, view, number))

    def training_set(
        self, service: str, entity_rows: pl.DataFrame, knowledge: "Knowledge | None" = None
    ) -> pl.DataFrame:
        """The features of a service as of each entity row's time; order and duplicates are kept.

        Args:
            service: Name of the feature service.
            entity_rows: Columns `symbol` and `event_timestamp`.
            knowledge: What may be known; by default what is published now.

        Raises:
            UnknownNameError: if the registry has no such service.
            InputError: if the entity frame is empty or has no time column.
            MissingTableError: if a view's table has no partition yet.
        """
        from crypto_features.store.offline.known import known_by

        store = session.feature_store()
        with known_by(knowledge):
            job = store.get_historical_features(entity_rows, registered.service_named(store, service))
        frame: pl.DataFrame = job.to_polars()
        return frame
