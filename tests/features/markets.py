"""One factory a noun for the tests of features."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import months_between
from crypto_features.tables.partition import compute_partition, evaluate

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")


def bars(
    close: Sequence[float],
    *,
    step: timedelta = DAY,
    start: datetime = START,
    symbol: str = "BTC",
    columns: Mapping[str, Sequence[float]] | None = None,
) -> pl.DataFrame:
    """Bars of one symbol; open, high and low are the close, and volume is 1, unless given."""
    times = [start + i * step for i in range(len(close))]
    columns = columns or {}
    prices = {name: columns.get(name, close) for name in ("open", "high", "low")}
    volume = columns.get("volume", [1.0] * len(close))
    frame = pl.DataFrame({"symbol": symbol, "open_time": times, **prices, "close": close, "volume": volume})
    return frame.with_columns(
        pl.col("open_time").cast(TIME), pl.col("open", "high", "low", "close", "volume").cast(pl.Float64)
    )


def values(group: FeatureGroup, feature: str, daily: pl.DataFrame) -> list[float | None]:
    """One feature of a group of daily candles, over all of them."""
    return evaluate(group, {"daily_candles": daily}, interval=HOUR)[feature].to_list()


def monthly(group: FeatureGroup, inputs: dict[str, pl.DataFrame], opens: pl.Series) -> pl.DataFrame:
    """The group's whole table, month by month, as it is published."""
    months = months_between(opens.dt.offset_by("0d").min(), opens.max() + HOUR)  # type: ignore[operator, arg-type] # times
    return pl.concat(compute_partition(group, inputs, month, interval=HOUR) for month in months)
