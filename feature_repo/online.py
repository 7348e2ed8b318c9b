"""What the trading bot reads: the newest features, with their age, and never a stale one."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from crypto_features import clock
from crypto_features.errors import InputError, UnknownNameError, UnreadableTableError
from crypto_features.store import registered, session, tables
from crypto_features.store.passport import Passport, read_permitted
from crypto_features.store.publish_view import Published, publish_view
from crypto_features.store.reach import reaching
from crypto_features_reader.features import OnlineFeatures
from feature_repo import arguments

if TYPE_CHECKING:
    from crypto_features.store.online.freshness import Freshness


@reaching
def get_online_features(
    symbols: Sequence[str],
    feature_refs: Sequence[str] | str,
    *,
    max_age: timedelta | None = None,
    full_feature_names: bool = False,
    passport: Passport | None = None,
) -> OnlineFeatures:
    """The newest features of some symbols, each with status, event time and age.

    Args:
        symbols: Symbols, such as `["BTC", "ETH"]`; also a pandas or Polars series of them.
        feature_refs: Features, such as `["price_features:rsi_14"]`, or the name of a feature service.
        max_age: Withhold what is older, also if its view's TTL would allow it.
        full_feature_names: Whether names begin with their view, as `price_features__rsi_14` does; two versions of a
            view are identified by it.
        passport: What the model was trained on that is given these features: it is served no other versions.

    Returns:
        A dict such as `{"symbol": ["BTC", "ETH"], "rsi_14": [51.2, None]}` that also carries `statuses`,
        `event_times`, `ages`, `completeness` and `budgets`.

    Raises:
        UnknownNameError: if a view, feature or service does not exist, or none of the symbols does.
        InputError: if there is no symbol or no feature, two features have one name, or `max_age` is not a duration.
        PassportError: if a feature is published in another version than the passport says, or the passport is one of
            another project.
        StoreUnreachableError: if the online store does not answer; the next call tries again.
    """
    from crypto_features.store.online.answer import online_features_of
    from crypto_features.store.online.store import limited_to

    chosen = arguments.symbol_list(symbols)
    arguments.check_duration("max_age", max_age)
    store = session.applied_store()
    features = registered.resolved(store, feature_refs, full=full_feature_names)

    def read(refs: list[str]) -> Any:
        return store.get_online_features(refs, {"symbol": chosen}, full_feature_names=full_feature_names)

    with limited_to(max_age):
        response = read(features) if passport is None else read_permitted(store, passport, features, read)
    answer = online_features_of(response, {"symbol"}, clock.now())
    if all(status == "NOT_FOUND" for column in answer.statuses.values() for status in column):
        _require_a_known(chosen, list(answer.event_times))
    return answer


async def get_online_features_async(
    symbols: Sequence[str],
    feature_refs: Sequence[str] | str,
    *,
    max_age: timedelta | None = None,
    full_feature_names: bool = False,
    passport: Passport | None = None,
) -> OnlineFeatures:
    """`get_online_features` without blocking the event loop."""
    return await asyncio.to_thread(
        get_online_features,
        symbols,
        feature_refs,
        max_age=max_age,
        full_feature_names=full_feature_names,
        passport=passport,
    )


@reaching
def materialize_features(
    views: Sequence[str] | None = None, start: datetime | None = None, end: datetime | None = None
) -> dict[str, Published]:
    """Publish the newest rows of feature views to the online store.

    Args:
        views: Feature views; by default all but those of other projects.
        start: Start of the window; by default what may still be served. Naive is UTC.
        end: End of the window, not later than the clock; by default now. Naive is UTC.

    Raises:
        UnknownNameError: if a view does not exist.
        InputError: if `views` is not a list, or the end is before the start.
        MissingTableError: if a view's table has not been computed yet.
    """
    from crypto_features.store.tags import origin

    arguments.check_views(views)
    store = session.applied_store()
    until = arguments.time_of("end", end) if end else clock.now()
    since = arguments.time_of("start", start) if start else min(until, clock.now())
    if until < since:
        raise InputError(f"end {until:%Y-%m-%d %H:%M} is before start {since:%Y-%m-%d %H:%M}.")
    own = [view for view in registered.all_views(store) if origin(view) is None]
    chosen = [registered.view_named(store, view) for view in views] if views else own
    return {view.name: publish_view(view.name, since, until) for view in chosen}


@reaching
def validate_feature_freshness(
    views: Sequence[str] | None = None, max_age: timedelta | None = None
) -> "dict[str, Freshness]":
    """How old the online rows of each view are, and which symbols have expired.

    Args:
        views: Feature views; by default all.
        max_age: A stricter limit than TTL plus grace.

    Raises:
        UnknownNameError: if a view does not exist.
        InputError: if `views` is not a list, or `max_age` is not a duration.
    """
    from crypto_features.store.online.freshness import freshness

    arguments.check_views(views)
    arguments.check_duration("max_age", max_age)
    return freshness(session.applied_store(), views, max_age)


def _require_a_known(symbols: Sequence[str], views: Sequence[str]) -> None:
    """A symbol that was never published is NOT_FOUND; if the market has none of them, it is a mistake."""
    available: set[str] = set()
    try:
        for found in tables.symbols_of(views):
            if not found.isdisjoint(symbols):
                return
            available |= found
    except UnreadableTableError:
        return  # a damaged table says nothing about the answer.
    if available:
        raise UnknownNameError("symbol", symbols[0], available)
