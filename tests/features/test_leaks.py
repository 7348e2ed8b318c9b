"""No shipped feature leaks, and no planted leak goes unnoticed."""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from threading import Lock

import polars as pl
import pytest

from crypto_features.errors import InputError
from crypto_features.features import GROUPS, Feature, FeatureGroup, Input
from crypto_features.features.groups.signals import volatility_breakout
from crypto_features.features.indicators import price_return
from crypto_features.features.leak import leak_test
from crypto_features.features.leak.honest import DAILY, HOURLY
from crypto_features.features.leak.report import Leak
from crypto_features.features.leak.zoo import FITS, zoo
from crypto_features.features.probe_market import probe_market
from crypto_features.features.regime_model import Fit
from crypto_features.features.windows import window_mean
from tests.features.markets import DAY, bars
from tests.features.planted import daily_feature

CLOSE = pl.col("close")
ZOO = {group.name: group for group in zoo()}
SHIPPED = [*GROUPS.values(), volatility_breakout(k=None)]


@cache
def caught(name: str) -> tuple[Leak, ...]:
    """What the leak test finds in a group of the zoo."""
    report = leak_test(ZOO[name])
    assert report.unprobed == ()
    return report.leaks


@pytest.mark.parametrize("group", SHIPPED, ids=[*GROUPS, "trading_signals with noise k"])
def test_no_shipped_feature_raises_an_alarm(group: FeatureGroup) -> None:
    report = leak_test(group)
    assert report.passed, str(report)
    assert report.unprobed == ()
    assert min(report.cuts[probe] for probe in ("truncate", "perturb", "gap")) > 50
    assert report.cuts["calendar"] > 4000


@pytest.mark.parametrize("group", [DAILY, HOURLY], ids=lambda group: group.name)
def test_no_honest_feature_raises_an_alarm(group: FeatureGroup) -> None:
    report = leak_test(group)
    assert report.passed, str(report)
    assert report.unprobed == ()


@pytest.mark.parametrize("group", ZOO)
def test_every_planted_leak_is_caught(group: str) -> None:
    found = {leak.feature for leak in caught(group)}
    missed = [] if "(rows)" in found else [f.name for f in ZOO[group].features if f.name not in found]
    assert missed == []


@pytest.mark.parametrize(("group", "kind"), [("process state", "process state"), ("machine clock", "clock")])
def test_what_no_candle_shows_is_named_by_its_kind_alone(group: str, kind: str) -> None:
    assert {leak.kind for leak in caught(group)} == {kind}


@pytest.mark.parametrize(
    ("group", "feature", "kind"),
    [
        ("rare daily leaks", "tomorrow's return for FTT", "look-ahead"),
        ("daily leaks", "since-listing high", "memory"),
        ("daily leaks", "zero-filled warm-up", "warm-up"),
        ("shift across symbols", "leak", "other symbols"),
    ],
)
def test_a_leak_is_named_by_its_kind(group: str, feature: str, kind: str) -> None:
    assert kind in {leak.kind for leak in caught(group) if leak.feature == feature}


def test_state_that_was_kept_before_the_test_is_seen() -> None:
    """The planted scaler was filled by the first of these calls, so this process always gives the same values."""
    again = {leak.feature for leak in leak_test(ZOO["process state"]).leaks}
    assert again == {leak.feature for leak in caught("process state")}


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

    inputs = (Input("daily_candles", timedelta(days=500)),)
    feature = Feature("planted", None, "Made for a test.", "none", sources=(("daily_candles", "close"),))
    report = leak_test(FeatureGroup("planted_features", "Made for a test.", DAY, DAY, inputs, (feature,), function))
    assert report.passed
    assert "not probed: process and clock need a fresh process that computes the group: " in str(report)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_fit_that_knows_its_own_month_is_caught(fit: Fit) -> None:
    leaks = leak_test(GROUPS["regime_features"], probe_market(), fit=fit).leaks
    assert {leak.probe for leak in leaks if leak.feature == "(regime_model)"} == {"truncate", "perturb", "gap"}


def test_the_zoo_is_large_and_without_doubles() -> None:
    names = [feature.description for group in zoo() for feature in group.features]
    assert len(names) == len(set(names)) >= 40


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
    assert "start needs candles over more than the lookback of 500 days" in str(report)


@pytest.mark.parametrize(
    ("expression", "window", "why"),
    [
        (window_mean(CLOSE, 5), 10, "has a value at bar 5; window=10 says null until bar 10"),
        (CLOSE.rolling_mean(20, min_samples=10), 10, "is .* at bar 10, where a longer history gives .*recursive=True"),
        (
            price_return(3),
            2,
            "is still null at bar 3, where a longer history gives .*window=2 says that 2 bars are enough",
        ),
        (window_mean(CLOSE, 20).fill_null(0.0), 20, "has a value at bar 1; window=20 says null until bar 20"),
    ],
)
def test_a_window_that_is_not_as_declared_is_caught_and_told_by_its_bars(
    expression: pl.Expr, window: int, why: str
) -> None:
    report = leak_test(daily_feature(expression, window=window))
    assert {leak.probe for leak in report.leaks} == {"warm-up"}
    assert re.search(rf"planted \(warm-up\): {why}", str(report.leaks[0])), str(report)


@pytest.mark.parametrize("bars", [3, 5])
def test_a_window_passes_only_if_it_is_exact(bars: int) -> None:
    assert leak_test(daily_feature(price_return(3), window=4)).passed
    assert not leak_test(daily_feature(price_return(3), window=bars)).passed


_MONTH_TO_DATE = CLOSE / pl.col("open").first().over(pl.col("open_time").dt.truncate("1mo")) - 1
_20_CALENDAR_DAYS = CLOSE.rolling_mean_by("open_time", window_size="20d")


@pytest.mark.parametrize(
    ("expression", "lookback", "of_input", "kinds"),
    [
        (_MONTH_TO_DATE, 31, 500, set()),
        (_MONTH_TO_DATE, 31, 0, set()),  # a partition begins with its month.
        (_MONTH_TO_DATE, 15, 500, {"warm-up"}),
        (_20_CALENDAR_DAYS, 20, 500, set()),
        (_20_CALENDAR_DAYS, 20, 5, {"memory"}),
        (_20_CALENDAR_DAYS, 10, 500, {"warm-up"}),
    ],
)
def test_a_window_by_the_calendar_reads_no_further_back_than_declared(
    expression: pl.Expr, lookback: int, of_input: int, kinds: set[str]
) -> None:
    feature = Feature("planted", expression, "Made for a test.", "none", lookback=timedelta(days=lookback))
    inputs = (Input("daily_candles", timedelta(days=of_input)),)
    report = leak_test(FeatureGroup("planted_features", "Made for a test.", DAY, DAY, inputs, (feature,)))
    assert {leak.kind for leak in report.leaks} == kinds, str(report)


def test_a_function_says_what_its_features_are_computed_from() -> None:
    feature, inputs = Feature("planted", None, "Made for a test.", "none"), (Input("daily_candles", DAY),)
    with pytest.raises(InputError, match=r"planted_features.planted is computed by a function .* declare its sources"):
        FeatureGroup("planted_features", "Made for a test.", DAY, DAY, inputs, (feature,), lambda tables: tables["x"])
    with pytest.raises(InputError, match="has no expression, and planted_features declares no function"):
        FeatureGroup("planted_features", "Made for a test.", DAY, DAY, inputs, (feature,))
