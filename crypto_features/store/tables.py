"""What the offline tables of the registered views hold."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.settings import Settings
from crypto_features.store import registered, session
from crypto_features.store.errors import NotAppliedError
from crypto_features.whole_file import on_disk

if TYPE_CHECKING:
    from feast import RepoConfig
    from feast.data_source import DataSource

_PLUGIN = "crypto_features"
"""What in `feature_store.yaml` puts the registry below the data folder."""


def require_own_tables(views: Sequence[str]) -> None:
    """Check that the registry's views of our feature groups read the tables of the settings' data folder.

    Raises:
        UnknownNameError: if a view does not exist.
        NotAppliedError: if the registry was applied for another data folder, of which this one may be a copy.
    """
    store = session.applied_store()
    for name in {view.partition("@")[0] for view in views} & current_catalog().groups.keys():
        require_own(store.config, registered.view_named(store, name).batch_source)


def require_own(config: "RepoConfig", *sources: "DataSource | None") -> None:
    """Check that each source of one of our feature groups is the table of the settings' data folder.

    Another project's sources pass, also those of a registry that is not in a data folder.

    Raises:
        NotAppliedError: if the registry was applied for another data folder, of which this one may be a copy.
    """
    from crypto_features.store.offline import source as files

    groups = current_catalog().groups
    if _PLUGIN not in getattr(config.registry, "sqlalchemy_config_kwargs", {}).get("plugins", ()):
        return
    for source in sources:
        if source is None or source.name not in groups:
            continue
        read, own = files.resolve(source, config.repo_path), Settings.load().root / source.name
        if real(read) != real(own):
            raise NotAppliedError(
                f"the registry at {session.registry_place()} reads {source.name} from {read}, and CRYPTO_FEATURES_DATA "
                f"has it at {own}. A data folder that was copied or moved needs its own. {session.APPLY}"
            )


def real(path: UPath) -> UPath:
    """The path without links, where the machine can tell."""
    return path.resolve() if on_disk(path) else path


def span_of(views: Sequence[str]) -> tuple[datetime, datetime] | None:
    """First and last event time in the tables of these views; none if they are empty.

    Raises:
        UnknownNameError: if a view does not exist.
        MissingTableError: if a table does not exist yet.
    """
    store = session.applied_store()
    from crypto_features.store.offline import source as files

    found: list[datetime] = []
    for name in views:
        source = registered.view_named(store, name).batch_source
        time = source.timestamp_field
        times = files.read(source, store.config.repo_path, [time], time=time)[time]
        found += [end for end in (times.min(), times.max()) if isinstance(end, datetime)]
    return (min(found), max(found)) if found else None


def symbols_of(views: Sequence[str]) -> Iterator[set[str]]:
    """The symbols in the tables of these views, file by file; a table that does not exist yet has none.

    What partitions note is not read from their rows. Stop when you have seen enough.

    Raises:
        UnknownNameError: if a view does not exist.
        UnreadableTableError: if a Parquet file is truncated.
    """
    store = session.applied_store()
    from crypto_features.store.offline import source as files

    for name in views:
        view = registered.view_named(store, name.partition("@")[0])
        yield from files.symbols(view.batch_source, store.config.repo_path)
