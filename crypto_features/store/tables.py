"""What the offline tables of the registered views hold."""

from collections.abc import Sequence

from crypto_features.store import names, session
from crypto_features.store.errors import MissingTableError


def symbols_of(views: Sequence[str]) -> set[str]:
    """Every symbol in the tables of these views; a table that does not exist yet has none.

    Raises:
        UnknownNameError: if a view does not exist.
        UnreadableTableError: if a Parquet file is truncated.
    """
    from crypto_features.store.offline import source as files

    store = session.feature_store()
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
