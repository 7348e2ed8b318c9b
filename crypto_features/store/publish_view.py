"""One materialization: the newest rows of a view go to the online store."""

import contextlib
import io
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import polars as pl

from crypto_features.errors import InputError
from crypto_features.store import session


@dataclass(frozen=True)
class Published:
    """What one materialization wrote to the online store.

    Args:
        rows: Rows offered, one an entity; rows older than the stored ones change nothing.
        symbols: Entities among them.
        first_event_time: The oldest event time among them, UTC; none if there are no rows.
        last_event_time: The newest, which is the watermark.
        seconds: Wall time.
        registry_version: Digest of the definitions published under.
    """

    rows: int
    symbols: int
    first_event_time: datetime | None
    last_event_time: datetime | None
    seconds: float
    registry_version: str


def publish_view(view: str, start: datetime, end: datetime) -> Published:
    """Publish the newest row of each entity between two times to the online store.

    Args:
        view: Name of the feature view.
        start: Start of the window, inclusive; the span that may still be served is always covered.
        end: End of the window, inclusive; never later than the clock.

    Raises:
        UnknownNameError: if the registry has no such view.
        InputError: if the view is one of another project.
        MissingTableError: if the view's table has no partition yet.
        NotAppliedError: if there is no registry, or it is that of another data folder.
    """
    store = session.applied_store()
    from crypto_features.store.provider import recording
    from crypto_features.store.registered import view_named
    from crypto_features.store.registry import version
    from crypto_features.store.tables import require_own_tables
    from crypto_features.store.tags import origin

    copied = origin(view_named(store, view))
    if copied is not None:
        raise InputError(f"{view} belongs to {copied.project}, which publishes it; materialize it there.")
    require_own_tables([view])
    began = perf_counter()
    with recording() as frames, quiet():
        store.materialize(start, end, feature_views=[view])
    rows = pl.concat(frames) if frames else pl.DataFrame({"event_timestamp": []})
    first, last = rows["event_timestamp"].min(), rows["event_timestamp"].max()
    return Published(
        rows=rows.height,
        symbols=rows.drop("event_timestamp").n_unique() if rows.height else 0,
        first_event_time=first if isinstance(first, datetime) else None,
        last_event_time=last if isinstance(last, datetime) else None,
        seconds=perf_counter() - began,
        registry_version=version(store.registry, store.project),
    )


def quiet() -> contextlib.AbstractContextManager[object]:
    """Feast prints its progress."""
    return contextlib.redirect_stdout(io.StringIO())
