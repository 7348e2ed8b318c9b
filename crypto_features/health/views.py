"""How the online store is, view by view."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from crypto_features.errors import CryptoFeaturesError
from crypto_features.graph.checks.serving import awaited_and_expired
from crypto_features.health.state import State, TableState
from crypto_features.health.tables import RUN
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, session
from crypto_features.store.errors import EmptyStoreError, NotAppliedError
from crypto_features.store.reach import reaching
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup

SHOWN = 8
"""Symbols that are named."""


def view_states(
    settings: Settings, catalog: Catalog, now: datetime, tables: dict[str, datetime | None]
) -> Iterator[TableState]:
    """How each view of this project is.

    Args:
        settings: Of the platform.
        catalog: The catalog.
        now: The current time.
        tables: The time of the newest row of each table.
    """
    for name, group in catalog.groups.items():
        asset = f"online_store/{name}"
        try:
            found = _read(settings, group, now)
        except (NotAppliedError, EmptyStoreError) as error:
            yield TableState(asset, State.MISSING, str(error))
            continue
        except CryptoFeaturesError as error:
            yield TableState(asset, State.DAMAGED, str(error))
            continue
        last = tables.get(name)
        behind = None if last is None or found.newest is None else max(last - found.newest, timedelta(0))
        yield replace(found, name=asset, behind=behind)


@reaching
def _read(settings: Settings, group: FeatureGroup, now: datetime) -> TableState:
    store, feast = session.applied_store(), FeastResource()
    from crypto_features.store import registered
    from crypto_features.store.online.unpack_frame import guarded_store

    guarded_store(store).require_there(store.config, registered.view_named(store, group.name))
    rows, off = feast.online_rows(group.name), feast.disabled()
    if rows.is_empty():
        return TableState(group.name, State.MISSING, "Nothing was published.", RUN)
    allowed = group.time_to_live(settings.interval) + settings.online_grace
    _, expired = awaited_and_expired(rows, settings, allowed, now)
    state, why, todo = State.OK, "", ""
    if group.name in off:
        state, why, todo = State.OFF, f"Switched off: {off[group.name]}.", f"crypto-features enable {group.name}"
    elif expired:
        more = f" and {len(expired) - SHOWN} more" if len(expired) > SHOWN else ""
        state, why, todo = State.LATE, f"A bot reads EXPIRED for {', '.join(expired[:SHOWN])}{more}.", RUN
    last: datetime = rows["event_timestamp"].max()  # type: ignore[assignment] # of a column of times.
    return TableState(group.name, state, why, todo, last, now - last, allowed)
