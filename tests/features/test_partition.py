"""One month is computed from its anchored window, and from nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from crypto_features.compute.resample import resample
from crypto_features.compute.windows import window_mean
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.shipped import candles, daily_candles, price_features
from crypto_features.tables.completeness import completeness_columns
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import compute_partition
from crypto_features.tables.table import Join, Table
from crypto_features.versions.probe_market import probe_market
from tests.features.markets import DAY, HOUR, START, TIME, bars
from tests.features.planted import daily_feature, daily_features

DAILY = resample(probe_market(), HOUR, DAY)


def price(daily: pl.DataFrame, month: str) -> pl.DataFrame:
    return compute_partition(price_features, {"daily_candles": daily}, month, interval=HOUR)


def test_a_month_holds_the_bars_that_open_in_it_stamped_with_their_close() -> None:
    rows = price(DAILY, "2024-03").filter(symbol="HUGE")
    assert str(rows["event_timestamp"].min()) == "2024-03-02 00:00:00+00:00"
    assert str(rows["event_timestamp"].max()) == "2024-04-01 00:00:00+00:00"
    assert rows.height == 31


def test_columns_and_types_are_the_declared_ones() -> None:
    rows = price(DAILY, "2024-03")
    shares = dict.fromkeys(completeness_columns(price_features), pl.Float64)
    features = {f.name: f.column_type for f in price_features.features}
    expected = {"symbol": pl.String, "event_timestamp": TIME, **shares, **features}
    assert dict(rows.schema) == expected
    assert price(DAILY.clear(), "2024-03").schema == rows.schema
    assert price(DAILY, "1999-01").schema == rows.schema


def test_rows_outside_the_window_change_nothing() -> None:
    group = daily_feature(pl.col("close").ewm_mean(alpha=0.01), window=9)  # 9 days, and twice 31 that may be missing.
    whole = compute_partition(group, {"daily_candles": DAILY}, "2024-04", interval=HOUR)
    inside = DAILY.filter(pl.col("open_time").is_between(START + 20 * DAY, START + 121 * DAY, closed="left"))
    assert compute_partition(group, {"daily_candles": inside}, "2024-04", interval=HOUR).equals(whole)


def test_the_order_of_the_input_rows_does_not_matter() -> None:
    assert price(DAILY.sample(fraction=1, shuffle=True, seed=3), "2024-04").equals(price(DAILY, "2024-04"))


def test_no_value_is_nan_or_infinite() -> None:
    zero = bars([1.0] * 30 + [0.0] * 40)
    rows = pl.concat(price(zero, month) for month in ("2024-01", "2024-02", "2024-03"))
    floats = rows.select(pl.selectors.float())
    assert floats.select(pl.all().is_finite().fill_null(value=True).all()).row(0) == (True,) * floats.width


def test_a_missing_day_is_not_invented() -> None:
    rows = price(DAILY.filter(symbol="HUGE"), "2024-02")
    # the probe market lost day 55, 2024-02-25; the next row's return is over the last bar that exists.
    assert rows.height == 28
    around = DAILY.filter(symbol="HUGE").filter(pl.col("open_time").is_between(START + 54 * DAY, START + 56 * DAY))
    expected = around["close"][1] / around["close"][0] - 1
    assert rows.filter(event_timestamp=START + 57 * DAY)["return_1d"][0] == expected


@pytest.mark.parametrize("lookback", [timedelta(days=3), timedelta(hours=60)])
@pytest.mark.parametrize("table", [daily_candles, price_features], ids=lambda table: table.name)
def test_a_joined_row_is_younger_than_the_lookback_on_every_day(table: Table, lookback: timedelta) -> None:
    feature = Feature("x", pl.col(f"{table.name}.close"), "", "")
    joined = FeatureGroup("joined", bars=candles, joins=(Join(table, lookback),), features=(feature,))
    days = bars([1.0], start=START + 20 * DAY)
    known = START + 21 * DAY
    rows = days if table is daily_candles else days.drop("open_time").with_columns(event_timestamp=pl.lit(known))
    hours = bars([1.0] * 24 * 45, step=HOUR)
    for shift in range(20):  # the last shifts move the oldest join over the beginning of February.
        moved = pl.col("^(open_time|event_timestamp)$") + shift * DAY
        frames = {"candles": hours, table.name: rows.with_columns(moved)}
        found = pl.concat(compute_partition(joined, frames, month, interval=HOUR) for month in ("2024-01", "2024-02"))
        opens = found.filter(x=1.0)["event_timestamp"] - HOUR
        last = known + shift * DAY + lookback - HOUR
        assert opens.to_list() == pl.datetime_range(known + shift * DAY, last, "1h", eager=True).to_list(), shift


def test_a_joined_input_needs_a_lookback() -> None:
    with pytest.raises(InputError, match="joined joins daily_candles with a lookback of 0"):
        FeatureGroup("joined", bars=candles, joins=(Join(daily_candles, "0d"),), features=())


def test_a_joined_table_without_rows_yet_leaves_its_computed_columns_null() -> None:
    mean = Join(daily_candles, "40d", columns={"mean": window_mean(pl.col("close"), 20)}, window=20)
    feature = Feature("x", pl.col("daily_candles.mean"), "", "")
    joined = FeatureGroup("joined", bars=candles, joins=(mean,), features=(feature,))
    frames = {"candles": bars([1.0] * 5, step=HOUR), "daily_candles": DAILY.clear()}
    assert compute_partition(joined, frames, "2024-01", interval=HOUR)["x"].to_list() == [None] * 5
    nothing = {name: frame.clear() for name, frame in frames.items()}
    assert compute_partition(joined, nothing, "2024-01", interval=HOUR).height == 0


def test_an_unknown_input_says_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown input of price_features 'daily_candles'.*available: candles"):
        compute_partition(price_features, {"candles": DAILY}, "2024-03", interval=HOUR)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match=r"price_features reads .*high"):
        price(DAILY.drop("high"), "2024-03")


def test_two_candles_of_one_time_are_refused() -> None:
    with pytest.raises(InputError, match="two rows of FLAT that close at 2024-03-02"):
        price(pl.concat([DAILY, DAILY.filter(open_time=START + 60 * DAY)]), "2024-03")


def test_a_table_without_a_time_is_refused() -> None:
    with pytest.raises(InputError, match="daily_candles has neither open_time nor event_timestamp"):
        price(DAILY.drop("open_time"), "2024-03")


def test_a_month_must_be_a_month() -> None:
    with pytest.raises(InputError, match="'2024-13' is not a month"):
        price(DAILY, "2024-13")


def test_features_that_read_each_other_are_refused() -> None:
    features = (Feature("a", pl.col("b"), "", ""), Feature("b", pl.col("a"), "", ""))
    group = FeatureGroup("loop", bars=daily_candles, features=features)
    with pytest.raises(InputError, match="a, b read each other"):
        compute_partition(group, {"daily_candles": DAILY}, "2024-03", interval=HOUR)


def test_a_declared_column_that_the_function_does_not_return_is_named() -> None:
    def function(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        return inputs["daily_candles"].select("symbol", event_timestamp=pl.col("open_time") + DAY, rise="close")

    close = (("daily_candles", "close"),)
    features = (Feature("rise", None, "", "", sources=close), Feature("fall", None, "", "", sources=close))
    group = FeatureGroup("moves", bars=daily_candles, features=features, function=function)
    message = "moves declares fall, which its function does not return; it returns symbol, event_timestamp, rise"
    with pytest.raises(InputError, match=message):
        compute_partition(group, {"daily_candles": DAILY}, "2024-03", interval=HOUR)


@pytest.mark.parametrize(
    "time",
    [
        pl.col("open_time").cast(pl.Datetime("ms", "UTC")),
        pl.col("open_time").cast(pl.Datetime("ns", "UTC")),
        pl.col("open_time").dt.convert_time_zone("Asia/Kolkata"),
        pl.col("open_time").dt.replace_time_zone(None),
    ],
    ids=["milliseconds", "nanoseconds", "another zone", "naive"],
)
def test_open_times_of_every_unit_and_zone_give_the_same(time: pl.Expr) -> None:
    other = DAILY.with_columns(time, pl.col("symbol").cast(pl.Categorical))
    assert price(other, "2024-03").equals(price(DAILY, "2024-03"))


def test_numbers_of_other_types_give_the_same() -> None:
    whole = DAILY.with_columns(pl.col("open", "high", "low", "close").round().clip(1, 1e6), pl.col("volume").round())
    ints = whole.with_columns(pl.col("open", "high", "low", "close", "volume").cast(pl.Int64))
    assert price(ints, "2024-03").equals(price(whole, "2024-03"))


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("open_time", pl.col("open_time").cast(pl.String), r"is String; expected Datetime\(.*'us'.*UTC"),
        ("open_time", pl.col("open_time").dt.epoch("ms"), r"is Int64; expected Datetime"),
        (
            "open_time",
            pl.col("open_time").cast(pl.Datetime("ns", "UTC")) + pl.duration(nanoseconds=5),
            r"is Datetime\(.*'ns'.* and has values that do not fit into it; expected Datetime",
        ),
        ("close", pl.col("close").cast(pl.String), "is String; expected Float64"),
        ("close", pl.lit(2**53 + 1, pl.Int64), "is Int64 and has values that do not fit"),
        ("symbol", pl.lit(7), "is Int32; expected String"),
    ],
)
def test_a_column_of_a_type_that_cannot_be_converted_is_named(column: str, values: pl.Expr, why: str) -> None:
    with pytest.raises(InputError, match=rf"daily_candles\.{column} {why}"):
        price(DAILY.with_columns(values.alias(column)), "2024-03")


def test_a_feature_may_be_named_as_the_platform_calls_the_time_of_its_knowledge() -> None:
    first = daily_features(("known", pl.col("close"), 1))
    second = replace(first, name="second", bars=first)
    second = replace(second, features=(replace(first.features[0], name="it", expression=pl.col("known")),))
    rows = compute_partition(first, {"daily_candles": DAILY}, "2024-03", interval=HOUR)
    again = compute_partition(second, {"planted_features": rows}, "2024-03", interval=HOUR)
    assert again["it"].equals(rows["known"], check_names=False)
    assert again.height > 0
