"""Until when a table may be null for want of history: as long as it really is, for a symbol that begins in mid-day."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from crypto_features.compute.windows import window_mean
from crypto_features.graph.checks.features import filled
from crypto_features.tables.bars import Bars
from crypto_features.tables.derived import inputs_of
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Join, Table
from crypto_features.tables.warm_up import warm_up

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 1, 1, 13, tzinfo=UTC)
COUNT = 40 * 24
CLOSE = pl.col("close")


def group(name: str, bars: Table, *joins: Join, expression: pl.Expr = CLOSE, window: int = 1) -> FeatureGroup:
    feature = Feature(name, expression, "Made for a test.", "none", window=window)
    return FeatureGroup(f"{name}_features", "", bars=bars, joins=joins, features=(feature,))


candles = RawTable("candles")
days = Bars("days", of=candles, every="1d")
daily = group("ma_5", days, expression=window_mean(CLOSE, 5), window=5)
hourly = group("ma_3", candles, expression=window_mean(CLOSE, 3), window=3)
of_days = group("of_days", candles, Join(days, "7d"), expression=pl.col("days.close"))
of_daily = group("of_daily", candles, Join(daily, "7d"), expression=pl.col("ma_5_features.ma_5"))
of_means = group(
    "of_means", candles, Join(days, "7d", {"ma": window_mean(CLOSE, 4)}, window=4), expression=pl.col("days.ma")
)
on_daily = group("on_daily", daily, expression=pl.col("ma_5"))
of_hourly = group("of_hourly", days, Join(hourly, "7d"), expression=pl.col("ma_3_features.ma_3"))
EXPECTED = {
    candles: (hourly, timedelta(0)),
    days: (daily, DAY),
    of_days: (of_days, DAY),
    of_daily: (of_daily, 6 * DAY),
    of_means: (of_means, 5 * DAY),
    on_daily: (on_daily, 6 * DAY),
    of_hourly: (of_hourly, DAY),
}


def rows_of(made: FeatureGroup) -> pl.DataFrame:
    times = pl.Series([START + n * HOUR for n in range(COUNT)], dtype=pl.Datetime("us", "UTC"))
    market = pl.DataFrame({"symbol": "BTC", "open_time": times}).with_columns(
        pl.lit(100.0).alias(name) for name in ("open", "high", "low", "close", "volume")
    )
    return made.whole(inputs_of(made, market, interval=HOUR), HOUR)


@pytest.mark.parametrize(("made", "expected"), EXPECTED.values(), ids=str)
def test_the_warm_up_is_that_of_the_slowest_table_that_is_read(made: FeatureGroup, expected: timedelta) -> None:
    assert warm_up(made, HOUR) == expected


@pytest.mark.parametrize("made", [made for made, _ in EXPECTED.values()], ids=str)
def test_after_it_and_the_window_no_value_is_null_even_if_the_symbol_began_in_the_middle_of_a_bar(
    made: FeatureGroup,
) -> None:
    (feature,) = made.features
    before = warm_up(made, HOUR) + feature.window * made.bar(HOUR)
    rows = rows_of(made).filter(pl.col("event_timestamp") > START + before)
    assert rows.height > 30
    assert rows[feature.name].null_count() == 0


@pytest.mark.parametrize("made", [of_days, of_daily, on_daily], ids=str)
def test_much_earlier_some_are(made: FeatureGroup) -> None:
    until = START + warm_up(made, HOUR) / 2
    assert rows_of(made).filter(pl.col("event_timestamp") <= until)[made.features[0].name].null_count() > 0


def test_the_check_of_holes_waits_for_hours_of_an_hourly_table_that_days_are_joined_with() -> None:
    times = pl.Series([START + n * DAY for n in range(30)], dtype=pl.Datetime("us", "UTC"))
    rows = pl.DataFrame(
        {"symbol": "BTC", "event_timestamp": times, "of_hourly": pl.Series([None] * 30, dtype=pl.Float64)}
    )
    assert not filled(rows.head(5), of_hourly, {"BTC": START}, HOUR).passed
