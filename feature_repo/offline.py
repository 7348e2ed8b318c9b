"""Training sets: what was known at each of many past times."""

import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.store import registered, session, tables
from crypto_features.store.errors import OutsideSpanWarning, UnknownThenWarning
from crypto_features.store.reach import reaching
from feature_repo import arguments
from feature_repo.past import knowledge_of

if TYPE_CHECKING:
    import pandas as pd

    from crypto_features.store.offline.entities import EntityFrame
    from crypto_features.store.offline.known import Knowledge


def create_entity_df(
    symbols: Sequence[str], start_date: datetime | str, end_date: datetime | str, freq: str = "1D"
) -> "pd.DataFrame":
    """One entity row for each symbol and each time of a regular grid, both ends included.

    Args:
        symbols: Symbols, such as `["BTC", "ETH"]`.
        start_date: First time, also as ISO 8601 text; naive is UTC.
        end_date: Last time, likewise.
        freq: Step of the grid, as pandas writes it: `"1D"`, `"4h"`, `"15min"`.

    Returns:
        A frame with `symbol` and `event_timestamp` (UTC), sorted by symbol as given and by time.

    Raises:
        InputError: if there is no symbol, the end is before the start, or a time or `freq` cannot be read.

    >>> create_entity_df(["BTC"], "2024-01-01", "2024-01-02")
      symbol           event_timestamp
    0    BTC 2024-01-01 00:00:00+00:00
    1    BTC 2024-01-02 00:00:00+00:00
    """
    import pandas as pd

    names = arguments.symbol_list(symbols)
    start, end = arguments.time_of("start_date", start_date), arguments.time_of("end_date", end_date)
    if end < start:
        raise InputError(f"end_date {end:%Y-%m-%d %H:%M} is before start_date {start:%Y-%m-%d %H:%M}.")
    try:
        times = pd.date_range(start, end, freq=freq)
    except ValueError as error:
        raise InputError(f"freq={freq!r} is not a step; expected one such as '1D', '4h' or '15min'.") from error
    if times.empty:
        raise InputError(f"freq={freq!r} gives no time from {start:%Y-%m-%d %H:%M} on; expected a step such as '1D'.")
    grid = pd.MultiIndex.from_product([names, times], names=["symbol", "event_timestamp"])
    return grid.to_frame(index=False)


@reaching
def get_training_features(
    entity_df: Any,
    service: Sequence[str] | str = "ml_training_features",
    *,
    full_feature_names: bool = False,
    as_of: datetime | str | None = None,
) -> "pd.DataFrame":
    """The features of a service, or those named, as of each entity row's time, never later: a training set.

    Args:
        entity_df: A pandas, Polars or Arrow frame with `symbol` and `event_timestamp`, and whatever else should be
            kept, such as labels. Order and duplicate rows are kept; naive times are UTC.
        service: Name of a feature service: `ml_training_features`, `trading_features` or
            `regime_classification_features`; or features, such as `["price_features:rsi_14"]`.
        full_feature_names: Whether names begin with their view, as `price_features__rsi_14` does; two versions of a
            view are identified by it.
        as_of: Whose knowledge the features are computed from. By default the candles as they are known now, with every
            correction since; a time (naive is UTC), also as ISO 8601 text, for the candles as they were known then; or
            `"row"` for each entity row by what was known at its own time. Models are those of then, too.

    Returns:
        The entity rows with a column for each feature, null where no row was fresh enough then. If all of them are
        null, `OutsideSpanWarning` says which span the tables cover; `UnknownThenWarning` says how many rows are null
        only because of `as_of`.

    Raises:
        UnknownNameError: if the service, a view, a feature or a symbol does not exist.
        InputError: if the frame is empty, of another type, or lacks a column; if two features have one name; or if
            `as_of` is not a time, before the first candle, or later than now.
        OtherVersionError: if an old version is asked for, and the table was computed otherwise; with `as_of` also if
            the present code computes a feature otherwise than its table was.
        MissingTableError: if a feature table has not been computed yet.
        NotAppliedError: if there is no registry, or it is that of another data folder.
    """
    from crypto_features.store.offline.entities import entity_frame

    known = knowledge_of(as_of)
    store = session.applied_store()
    refs = registered.resolved(store, service, full=full_feature_names)
    chosen = registered.service_named(store, service) if isinstance(service, str) else refs
    entities = entity_frame(entity_df)
    entities.require(["symbol"], service if isinstance(service, str) else refs[0])
    views = list(dict.fromkeys(ref.partition(":")[0].partition("@")[0] for ref in refs))
    _known(entities.frame["symbol"], views)
    frame, unknown = _joined(entities, chosen, known, full=full_feature_names)
    if not unknown and frame.drop(columns=entities.frame.columns).isna().all(axis=None):
        _warn_of_the_span(views, *entities.span)
    return frame


@reaching
def get_training_completeness(
    entity_df: Any, service: Sequence[str] | str = "ml_training_features", *, full_feature_names: bool = False
) -> "pd.DataFrame":
    """How complete the candles behind each value of a training set are.

    Args:
        entity_df: As for `get_training_features`, and so the others.
        service: Name of a feature service, or features.
        full_feature_names: Whether names begin with their view.

    Returns:
        The entity rows with a column for each feature: the lowest completeness, 0 to 1, of the bars in the window of
        the value that `get_training_features` gives, null where no row was fresh enough then.

    Raises:
        UnknownNameError: if the service, a view or a feature does not exist.
        InputError: if the frame is empty, of another type, or lacks a column; or if two features have one name.
        MissingTableError: if a feature table has not been computed yet.
        NotAppliedError: if there is no registry, or it is that of another data folder.
    """
    from crypto_features.store.offline.completeness import lowest
    from crypto_features.store.offline.entities import entity_frame

    store = session.applied_store()
    refs = registered.resolved(store, service, full=full_feature_names)
    frame: pd.DataFrame = lowest(store, refs, entity_frame(entity_df), full_names=full_feature_names).to_pandas()
    return frame


@reaching
def get_regime_features(
    symbols: Sequence[str],
    start_date: datetime | str,
    end_date: datetime | str,
    *,
    as_of: datetime | str | None = None,
) -> "pd.DataFrame":
    """The market regime of each symbol at the close of each day: label, probability and duration.

    Args:
        symbols: Symbols, such as `["BTC", "ETH"]`.
        start_date: First close, also as ISO 8601 text; naive is UTC.
        end_date: Last close, likewise.
        as_of: Whose knowledge the regimes are computed from, as for `get_training_features`.

    Returns:
        A frame with `symbol`, `event_timestamp`, `regime_label`, `regime_probability` and `regime_duration` (days).

    Raises:
        UnknownNameError: if a symbol does not exist.
        InputError: if there is no symbol, the end is before the start, or `as_of` is not as it should be.
        OtherVersionError: with `as_of`, if the present code computes a feature otherwise than its table was.
        MissingTableError: if `regime_features` has not been computed yet.
    """
    from crypto_features.store.offline.entities import entity_frame

    known = knowledge_of(as_of)
    view = registered.view_named(session.applied_store(), "regime_features")
    entities = entity_frame(create_entity_df(symbols, start_date, end_date))
    _known(entities.frame["symbol"], [view.name])
    frame, _ = _joined(entities, [f"{view.name}:{field.name}" for field in view.features], known)
    return frame


def _joined(
    entities: "EntityFrame", features: Any, known: "Knowledge | None", *, full: bool = False
) -> "tuple[pd.DataFrame, int]":
    """The entity rows with their features, and how many have none only because of what was known; a warning says it."""
    from crypto_features.store.offline.known import known_by

    store = session.applied_store()
    with known_by(known):
        frame: pd.DataFrame = store.get_historical_features(entities, features, full_feature_names=full).to_df()
    columns = [name for name in frame.columns if name not in entities.frame.columns]
    empty = frame[columns].isna().all(axis=1)
    if known is None or not empty.any():
        return frame, 0
    published = store.get_historical_features(entities, features, full_feature_names=full).to_df()
    past = known.reaches(entities.frame[entities.time])
    unknown = int((past & empty & ~published[columns].isna().all(axis=1)).sum())
    if unknown:
        message = (
            f"{unknown} of {len(frame)} rows have a value by what is known now, and none by what was known then: their "
            "candles came more than CRYPTO_FEATURES_LATE_WAIT after their close, as after a downtime. Without as_of "
            "they have one."
        )
        warnings.warn(message, UnknownThenWarning, stacklevel=4)
    return frame, unknown


def _warn_of_the_span(views: Sequence[str], first: datetime | None, last: datetime | None) -> None:
    covered = tables.span_of(views)
    if covered and first and last:
        times = " to ".join(f"{time:%Y-%m-%d %H:%M}" for time in (first, last))
        held = " to ".join(f"{time:%Y-%m-%d %H:%M}" for time in covered)
        message = f"no feature has a value: the entity rows are of {times} UTC, and {', '.join(views)} of {held} UTC."
        warnings.warn(message, OutsideSpanWarning, stacklevel=4)


def _known(symbols: pl.Series, views: Sequence[str]) -> None:
    """Check that the views are of this data folder, and that each symbol occurs in the table of one of them."""
    tables.require_own_tables(views)
    if symbols.dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise InputError(f"symbol must hold texts such as 'BTC', not {symbols.dtype}.")
    wanted = symbols.cast(pl.String).drop_nulls().unique(maintain_order=True)
    available, missing = set[str](), dict.fromkeys(wanted)
    for found in tables.symbols_of(views):
        available |= found
        missing = {name: None for name in missing if name not in found}
        if not missing:
            return
    for name in missing:
        raise UnknownNameError("symbol", name, available, f"Looked for in {', '.join(views)}.")
