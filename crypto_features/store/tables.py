"""What the offline tables of the registered views hold."""

from collections.abc import Sequence
from datetime import datetime

from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.settings import Settings
from crypto_features.store import names, session
from crypto_features.store.errors import MissingTableError, NotAppliedError


def require_own_tables(views: Sequence[str]) -> None:
    """Check that the registry's views of our feature groups read the tables of the settings' data folder.

    Raises:
        UnknownNameError: if a view does not exist.
        NotAppliedError: if the registry was applied for another data folder, of which this one may be a copy.
    """
    store, root = session.applied_store(), Settings.load().root
    from crypto_features.store.offline import source as files

    for name in {view.partition("@")[0] for view in views} & current_catalog().groups.keys():
        read, own = files.resolve(names.view_named(store, name).batch_source, store.config.repo_path), root / name
        if _real(read) != _real(own):
            raise NotAppliedError(
                f"the registry at {session.registry_place()} reads {name} from {read}, and CRYPTO_FEATURES_DATA has it "
                f"at {own}. A data folder that was copied or moved needs its own. {session.APPLY}"
            )


def _real(path: UPath) -> UPath:
    return path.resolve() if path.protocol in ("", "file") else path


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
        source = names.view_named(store, name).batch_source
        time = source.timestamp_field
        times = files.read(source, store.config.repo_path, [time], time=time)[time]
        found += [end for end in (times.min(), times.max()) if isinstance(end, datetime)]
    return (min(found), max(found)) if found else None


def symbols_of(views: Sequence[str]) -> set[str]:
    """Every symbol in the tables of these views; a table that does not exist yet has none.

    Raises:
        UnknownNameError: if a view does not exist.
        UnreadableTableError: if a Parquet file is truncated.
    """
    store = session.applied_store()
    from crypto_features.store.offline import source as files

    found: set[str] = set()
    for name in views:
        view = names.view_named(store, name.partition("@")[0])
        time = view.batch_source.timestamp_field
        try:
            frame = files.read(view.batch_source, store.config.repo_path, ["symbol"], time=time)
        except MissingTableError:
            continue
        found |= set(frame["symbol"].unique().to_list())
    return found
