"""One materialization: the newest rows of a view go to the online store."""

import contextlib
import io
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from crypto_features.store import registered, session
from crypto_features_reader.guard import time_of


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
    from crypto_features.store.registry import version
    from crypto_features.store.tags import require_own_view

    require_own_view(registered.view_named(store, view))
    began = perf_counter()
    with recording() as rows, quiet():
        store.materialize(start, end, feature_views=[view])
    events = [time_of(row.event) for row in rows]
    return Published(
        rows=len(rows),
        symbols=len({row.key for row in rows}),
        first_event_time=min(events, default=None),
        last_event_time=max(events, default=None),
        seconds=perf_counter() - began,
        registry_version=version(store.registry, store.project),
    )


def quiet() -> contextlib.AbstractContextManager[object]:
    """Feast prints its progress."""
    return contextlib.redirect_stdout(io.StringIO())
