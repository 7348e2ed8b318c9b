"""No shipped feature leaks, and no planted leak goes unnoticed."""

import re

import polars as pl
import pytest

from crypto_features.features import GROUPS, FeatureGroup
from crypto_features.features.groups.signals import volatility_breakout
from crypto_features.features.indicators import price_return
from crypto_features.features.leak import leak_test
from crypto_features.features.leak.zoo import FITS, zoo
from crypto_features.features.probe_market import probe_market
from crypto_features.features.regime_model import Fit
from crypto_features.features.windows import window_mean
from tests.features.markets import DAY, bars
from tests.features.planted import daily_feature

CLOSE = pl.col("close")
SHIPPED = [*GROUPS.values(), volatility_breakout(k=None)]


@pytest.mark.parametrize("group", SHIPPED, ids=[*GROUPS, "trading_signals with noise k"])
def test_no_shipped_feature_raises_an_alarm(group: FeatureGroup) -> None:
    report = leak_test(group)
    assert report.passed, str(report)
    assert report.unprobed == ()
    assert min(report.cuts[probe] for probe in ("truncate", "perturb", "gap")) > 100


@pytest.mark.parametrize("group", zoo(), ids=lambda group: group.name)
def test_every_planted_leak_is_caught(group: FeatureGroup) -> None:
    caught = {leak.feature for leak in leak_test(group).leaks}
    missed = [] if "(rows)" in caught else [f.name for f in group.features if f.name not in caught]
    assert missed == []


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
        "planted: truncate of BTC at 2024-01-02 00:00 changes the row of 2024-01-02 00:00 from 101.0 to None"
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
    assert re.search(f"planted: {why}", str(report.leaks[0])), str(report)


@pytest.mark.parametrize("bars", [3, 5])
def test_a_window_passes_only_if_it_is_exact(bars: int) -> None:
    assert leak_test(daily_feature(price_return(3), window=4)).passed
    assert not leak_test(daily_feature(price_return(3), window=bars)).passed
