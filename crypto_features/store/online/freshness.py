"""How old the online rows are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from feast import FeatureStore, FeatureView

from crypto_features import clock
from crypto_features.store import registered
from crypto_features.store.online.unpack_frame import guarded_store, online_frame


@dataclass(frozen=True)
class Freshness:
    """How old a view's online rows are.

    Args:
        newest: Event time of the newest row, UTC; none if the view was never published.
        age: How long ago that was.
        allowed: The age up to which a value is served: TTL plus publish grace; none is unlimited.
        expired: Entities whose row is older than that.
    """

    newest: datetime | None
    age: timedelta | None
    allowed: timedelta | None
    expired: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        """Whether there are rows and all of them may be served."""
        return self.newest is not None and not self.expired


def freshness(
    store: FeatureStore, views: Sequence[str] | None = None, max_age: timedelta | None = None
) -> dict[str, Freshness]:
    """How old the online rows of each view are, all views by default.

    Raises:
        UnknownNameError: if a view does not exist.
    """
    now = clock.now()
    chosen = [registered.view_named(store, view) for view in views] if views else registered.all_views(store)
    return {view.name: _of(store, view, now, max_age) for view in chosen}


def _of(store: FeatureStore, view: FeatureView, now: datetime, max_age: timedelta | None) -> Freshness:
    rows = online_frame(store, view)
    grace = guarded_store(store).grace(store.config)
    served = view.ttl + min(grace, timedelta.max - view.ttl) if view.ttl else None
    limits = [limit for limit in (served, max_age) if limit is not None]
    allowed = min(limits, default=None)
    newest = rows["event_timestamp"].max()
    expired = rows.clear() if allowed is None else rows.filter(pl.col("event_timestamp") < clock.before(now, allowed))
    keys = [column.name for column in view.entity_columns]
    seen = newest if isinstance(newest, datetime) else None
    return Freshness(
        newest=seen,
        age=now - seen if seen else None,
        allowed=allowed,
        expired=tuple("/".join(map(str, key)) for key in expired.select(keys).iter_rows()),
    )
