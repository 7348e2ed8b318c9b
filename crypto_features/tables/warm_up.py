"""How long after a symbol's first candle the tables that a group reads may still be empty."""

from datetime import timedelta

from crypto_features.tables.bars import Bars
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join


def warm_up(group: FeatureGroup, interval: timedelta) -> timedelta:
    """How long after a symbol's first candle some table that a group reads may be null for want of history.

    The windows of the group's own features come on top.

    Args:
        group: The group.
        interval: Length of a base candle.

    >>> from crypto_features.shipped import price_features, trading_signals
    >>> warm_up(price_features, timedelta(hours=1)).days, warm_up(trading_signals, timedelta(hours=1)).days
    (1, 62)
    """
    return max(_until_full(source, interval) for source in group.inputs)


def _until_full(source: Join, interval: timedelta) -> timedelta:
    table = source.table
    joined = timedelta(0)
    if source.columns:  # without a window they read by the calendar.
        joined = source.window * table.bar(interval) if source.window > 1 else source.lookback
    if isinstance(table, FeatureGroup):
        return joined + max(f.warm_up for f in table.features) * table.bar(interval) + warm_up(table, interval)
    # A symbol may begin in the middle of a bar, which then is not complete.
    return joined + (table.bar(interval) if isinstance(table, Bars) else timedelta(0))
