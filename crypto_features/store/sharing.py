"""Several projects in one registry: none removes what another reads, and none writes another's table."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast import types as feast_types
from feast.data_format import ParquetFormat
from feast.errors import FeastObjectNotFoundException
from upath import UPath

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.pins import announce_pin, release, set_pin
from crypto_features.store import session
from crypto_features.store.errors import ConsumedError, NotAppliedError
from crypto_features.store.kept_up import kept_up, version_of
from crypto_features.store.offline.pinned import behaviour_of
from crypto_features.store.online.place import place_of
from crypto_features.store.tables import real
from crypto_features.store.tags import BEHAVIOUR, LEAST, OWNER, PLACE, VERSION, origin
from crypto_features.tables.borrowed import Borrowed


def borrowed_view(
    store: FeatureStore, entity: Entity, table: Borrowed, types: Any, *, ttl: timedelta, folder: UPath
) -> FeatureView:
    """The copy of another project's view that a project registers.

    Args:
        store: The store of this project, whose registry has both.
        entity: The entity of this project.
        table: What is borrowed.
        types: Feast's type of each column type.
        ttl: The TTL that this project expects.
        folder: Where this project looks for the view's table.

    Raises:
        NotAppliedError: if the other project has not registered the view.
        UnknownNameError: if that version has no such feature.
        InputError: if a feature has another type there, the view another TTL, its table is in another data folder, or
            it is borrowed there as well.
    """
    view = _owners(store.registry, table)
    source, theirs = view.batch_source, UPath(view.batch_source.path)
    known = {field.name: field for field in view.features}
    for field in table.fields:
        if field.name not in known:
            raise UnknownNameError(f"feature of {table.name}", field.name, known, f"{table.project} declares it.")
        if known[field.name].dtype != types(field.column_type):
            raise InputError(
                f"{table.name}.{field.name} of {table.project} is {known[field.name].dtype}; declare its type: "
                f"Borrowed({table.name!r}, features={{{field.name!r}: ...}})."
            )
    if view.ttl != ttl:
        raise InputError(
            f"{table.name} of {table.project} has the TTL {view.ttl}, and {ttl} is declared here: write "
            f"Borrowed({table.name!r}, ttl=...)."
        )
    if real(theirs) != real(folder):
        raise InputError(
            f"{table.project} has {table.name} at {theirs}, and CRYPTO_FEATURES_DATA has it at {folder}: projects that "
            "read each other share one data folder. Name it as they do."
        )
    return FeatureView(
        name=table.name,
        description=table.description or f"{view.description} Of the project {table.project}.",
        entities=[entity],
        ttl=view.ttl,
        source=FileSource(
            name=table.name,
            path=source.path,
            file_format=ParquetFormat(),
            timestamp_field=source.timestamp_field,
            created_timestamp_column=source.created_timestamp_column,
            description=source.description,
        ),
        schema=[
            Field(name=entity.join_key, dtype=feast_types.String),
            *(known[name] for name in table.columns),
        ],
        online=False,  # nobody but its owner materializes it; it is read all the same.
        tags={
            OWNER: table.project,
            VERSION: str(version_of(view)),
            PLACE: place_of(table.project, view, versioned=store.config.registry.enable_online_feature_view_versioning),
            BEHAVIOUR: behaviour_of(view),
            **({LEAST: view.tags[LEAST]} if LEAST in view.tags else {}),
        },
    )


def _owners(registry: Any, table: Borrowed) -> FeatureView:
    try:
        view = registry.get_feature_view(table.name, table.project)
        if table.version is not None:
            view = registry.get_feature_view_by_version(table.name, table.project, table.version)
    except FeastObjectNotFoundException:
        versions = [one["version"] for one in registry.list_feature_view_versions(table.name, table.project)]
        has = f"has {', '.join(versions)} of it" if versions else "has registered no such view"
        wanted = table.name if table.version is None else f"v{table.version} of {table.name}"
        raise NotAppliedError(
            f"{wanted} is borrowed from {table.project}, which {has} in the registry at {session.registry_place()}; "
            "run `feast apply` there first, or correct the declaration."
        ) from None
    copied = origin(view)
    if copied is not None:
        raise InputError(f"{table.project} borrows {table.name} itself; declare project={copied.project!r}.")
    return view


def consumers(registry: Any, project: str, view: str, version: int | None = None) -> list[str]:
    """Who reads a view of a project, or one version of it: the other projects, with version and services."""
    found = []
    for other in _others(registry, project):
        for copied in (origin(one) for one in registry.list_feature_views(other) if one.name == view):
            if copied is not None and copied.project == project and version in (None, copied.version):
                services = registry.list_feature_services(other)
                reading = sorted(s.name for s in services if view in [p.name for p in s.feature_view_projections])
                found.append(f"{other} (v{copied.version}{''.join(f', service {name}' for name in reading)})")
    return found


def require_unused(registry: Any, project: str, views: Iterable[str]) -> None:
    """Check that no other project reads any of these views, or an old version of another view that one keeps up.

    Raises:
        ConsumedError: naming who does.
    """
    held = {view.name: view for view in registry.list_feature_views(project)}
    for view in views:
        old = kept_up(registry, project, held[view]) if view in held else ()
        kept = (one for version in old for one in consumers(registry, project, version.name, version_of(version)))
        readers = [*consumers(registry, project, view), *kept]
        if readers:
            raise ConsumedError(
                f"{view} of {project} is read by {'; '.join(readers)}, so it stays: nothing was removed. Declare it "
                "again, or have them apply without it first."
            )


def require_own_table(registry: Any, project: str, view: FeatureView) -> None:
    """Check that no other project computes the table that a view of a project reads.

    Raises:
        InputError: naming the other project.
    """
    if not _computes(view):
        return
    for other in _others(registry, project):
        for one in registry.list_feature_views(other):
            if _computes(one) and one.batch_source.path == view.batch_source.path:
                raise InputError(
                    f"{view.name} would write {one.batch_source.path}, which {other} computes. Give it another name, "
                    f"or read theirs: Borrowed({one.name!r}, project={other!r}, ...)."
                )


def _computes(view: FeatureView) -> bool:
    """Whether a view's project computes its table: views of other Feast projects carry no fingerprint."""
    return origin(view) is None and BEHAVIOUR in (view.tags or {})


def require_origin(registry: Any, view: FeatureView) -> None:
    """Check that a borrowed view is still there as it was when it was copied: its owner may apply at the same time.

    Raises:
        NotAppliedError: if it is gone, or is another one by now.
    """
    copied = origin(view)
    if copied is None:
        return
    try:
        there = registry.get_feature_view(view.name, copied.project)
        if (there.current_version_number or 0) != copied.version:
            there = registry.get_feature_view_by_version(view.name, copied.project, copied.version)
    except FeastObjectNotFoundException:
        there = None
    if there is None or behaviour_of(there) != view.tags[BEHAVIOUR]:
        raise NotAppliedError(
            f"{copied.project} removed or replaced v{copied.version} of {view.name} in the registry at "
            f"{session.registry_place()} while it was borrowed here; run `feast apply` again."
        )


@contextmanager
def noted_pin(project: str, view: FeatureView) -> Iterator[None]:
    """Note in the data folder which version of another project's view a project reads, so that it is kept.

    While the view is registered, the version that was read before is kept, too: a killed or refused apply loses none.
    """
    copied = origin(view)
    if copied is None:
        yield
        return
    path = UPath(view.batch_source.path)
    announce_pin(path.parent, project, path.name, view.tags[BEHAVIOUR])
    yield
    set_pin(path.parent, project, path.name, view.tags[BEHAVIOUR])


def drop_pin(project: str, view: FeatureView) -> None:
    """Note that a project reads another project's view no more."""
    if origin(view) is not None:
        path = UPath(view.batch_source.path)
        release(path.parent, project, path.name)


def _others(registry: Any, project: str) -> list[str]:
    return sorted(one.name for one in registry.list_projects() if one.name != project)
