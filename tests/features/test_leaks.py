"""What the leak test reports, what it could not probe, and how it holds declared windows."""

import re
from collections.abc import Mapping
from datetime import timedelta
from threading import Lock

import polars as pl
import pytest

from crypto_features.compute.indicators import price_return
from crypto_features.compute.windows import window_mean
from crypto_features.errors import InputError
from crypto_features.leak import leak_test
from crypto_features.tables.feature import Feature
from crypto_features.versions.probe_market import probe_market
from tests.features.markets import DAY, bars
from tests.features.planted import daily_feature, daily_features, daily_group

CLOSE = pl.col("close")


def test_a_leak_for_a_symbol_is_caught_by_candles_of_that_symbol_only() -> None:
    for_xyz = pl.when(pl.col("symbol") == "XYZ").then(CLOSE.shift(-1)).otherwise(CLOSE)
    market = probe_market().filter(pl.col("symbol") == "HUGE").with_columns(symbol=pl.lit("XYZ"))
    assert leak_test(daily_feature(for_xyz)).passed
    leaks = leak_test(daily_feature(for_xyz), by_name=market).leaks
    assert {(leak.symbol, leak.kind) for leak in leaks} == {("XYZ", "look-ahead")}


def test_a_group_that_no_other_process_can_compute_is_reported_as_not_probed() -> None:
    lock = Lock()

    def function(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        with lock:
            return inputs["daily_candles"].with_columns(event_timestamp=pl.col("open_time") + DAY, planted=CLOSE)

    feature = Feature("planted", None, "Made for a test.", "none", sources=(("daily_candles", "close"),))
    report = leak_test(daily_group(feature, function=function))
    assert report.passed
    assert "not probed: process and clock need a fresh process that computes the group: " in str(report)


def test_a_report_names_feature_probe_cut_row_and_both_values() -> None:
    close = [100.0 + n * n for n in range(70)]
    market = bars([c for c in close for _ in range(24)], step=DAY / 24)
    (leak,) = [leak for leak in leak_test(daily_feature(CLOSE.shift(-1)), market).leaks if leak.probe == "truncate"]
    assert (leak.feature, leak.symbol) == ("planted", "BTC")
    # the first midnight cut loses the second day's close, which the row of the first day already holds.
    assert str(leak) == (
        "planted (look-ahead): truncate of BTC at 2024-01-02 00:00 changes the row of 2024-01-02 00:00 "
        "from 101.0 to None"
    )


def test_candles_that_are_too_short_for_a_probe_are_reported() -> None:
    report = leak_test(
        daily_feature(window_mean(CLOSE, 5), window=5), bars([1.0 + n for n in range(960)], step=DAY / 24)
    )
    assert report.passed
    assert "start needs candles over more than the 68 days that the group reads" in str(report)


def test_a_window_that_is_not_as_declared_is_caught_with_its_bars() -> None:
    declared: dict[str, tuple[pl.Expr, int, str]] = {
        "too long": (window_mean(CLOSE, 5), 10, "has a value at bar 5; warm_up=10 says null until bar 10"),
        "early": (
            pl.coalesce(window_mean(CLOSE, 20), window_mean(CLOSE, 10)),
            10,
            "is .* at bar 19, where a longer history gives .*window=10 says that no bar before the last 10 counts",
        ),
        "too short": (
            price_return(3),
            2,
            "is still null at bar 3, where a longer history gives .*warm_up=2 says that 2 bars are enough",
        ),
        "filled": (
            window_mean(CLOSE, 20).fill_null(0.0),
            20,
            "has a value at bar 1; warm_up=20 says null until bar 20",
        ),
    }
    features = [(name, expression, window) for name, (expression, window, _) in declared.items()]
    report = leak_test(daily_features(*features))
    assert {leak.probe for leak in report.leaks} == {"warm-up"}
    for name, (_, _, why) in declared.items():
        (leak,) = [leak for leak in report.leaks if leak.feature == name]
        assert re.search(rf"{name} \(warm-up\): {why}", str(leak)), str(report)


def test_a_window_passes_only_if_it_is_exact() -> None:
    report = leak_test(daily_features(*[(f"of {bars}", price_return(3), bars) for bars in (3, 4, 5)]))
    assert {leak.feature for leak in report.leaks} == {"of 3", "of 5"}


_MONTH_TO_DATE = CLOSE / pl.col("open").first().over(pl.col("open_time").dt.truncate("1mo")) - 1
_20_CALENDAR_DAYS = CLOSE.rolling_max_by("open_time", window_size="20d")


@pytest.mark.parametrize(
    ("name", "expression", "days", "kinds"),
    [
        ("month to date", _MONTH_TO_DATE, 31, set()),
        ("half a month to date", _MONTH_TO_DATE, 15, {"warm-up"}),
        ("20 calendar days", _20_CALENDAR_DAYS, 20, set()),
        ("20 calendar days as 10", _20_CALENDAR_DAYS, 10, {"warm-up", "memory"}),
    ],
)
def test_a_window_by_the_calendar_reads_no_further_back_than_declared(
    name: str, expression: pl.Expr, days: int, kinds: set[str]
) -> None:
    feature = Feature(name, expression, "Made for a test.", "none", lookback=timedelta(days=days))
    report = leak_test(daily_group(feature))
    assert {leak.kind for leak in report.leaks} == kinds, str(report)


def test_a_function_says_what_its_features_are_computed_from() -> None:
    feature = Feature("planted", None, "Made for a test.", "none")
    with pytest.raises(InputError, match=r"planted_features.planted is computed by a function .* declare its sources"):
        daily_group(feature, function=lambda tables: tables["x"])
    with pytest.raises(InputError, match="has no expression, and planted_features declares no function"):
        daily_group(feature)
