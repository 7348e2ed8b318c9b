"""A bar with too many holes has no features, later windows read it as it is, and every value shows its worst bar."""

from dataclasses import replace

import polars as pl
import pytest

from crypto_features.compute.indicators import CLOSE
from crypto_features.compute.windows import window_mean
from crypto_features.errors import InputError
from crypto_features.shipped import daily_candles, price_features, trading_signals
from crypto_features.tables.completeness import completeness_columns, lowest_columns
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.node import node_of
from crypto_features.tables.partition import evaluate
from crypto_features.tables.read import Terms
from tests.features.markets import DAY, HOUR, START, bars

SHARES = [1.0, 0.74, 1.0, 0.75, 1.0, 1.0]
DAYS = bars([float(n) for n in range(1, 7)]).with_columns(completeness=pl.Series(SHARES))


def group(**declared: object) -> FeatureGroup:
    features = (
        Feature("close_now", CLOSE, "Close.", "quote currency"),
        Feature("ma_3", window_mean(CLOSE, 3), "Mean of three.", "quote currency", window=3),
    )
    own = FeatureGroup("own", "A group.", bars=daily_candles, features=features)
    return replace(own, **declared)  # type: ignore[arg-type] # fields


def test_a_bar_below_the_limit_has_no_values_and_later_windows_read_it_as_it_is() -> None:
    rows = evaluate(group(), {"daily_candles": DAYS}, interval=HOUR)
    assert rows["close_now"].to_list() == [1.0, None, 3.0, 4.0, 5.0, 6.0]
    assert rows["ma_3"].to_list() == [None, None, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    ("declared", "setting", "missing"),
    [(None, 0.75, [1]), (None, 0.76, [1, 3]), (None, 0.0, []), (0.74, 0.76, []), (1.0, 0.0, [1, 3])],
)
def test_a_group_says_how_complete_its_bars_are_and_else_the_setting(
    declared: float | None, setting: float, missing: list[int]
) -> None:
    found = evaluate(group(completeness=declared), {"daily_candles": DAYS}, interval=HOUR, min_completeness=setting)
    assert found["close_now"].is_null().arg_true().to_list() == missing


def test_every_row_shows_its_bar_and_the_worst_bar_of_each_window() -> None:
    rows = evaluate(group(), {"daily_candles": DAYS}, interval=HOUR)
    assert lowest_columns(group()) == {"close_now": "completeness", "ma_3": "completeness_3"}
    assert rows["completeness"].to_list() == SHARES
    assert rows["completeness_3"].to_list() == [1.0, 0.74, 0.74, 0.74, 0.75, 0.75]


def test_the_worst_bar_of_one_symbol_is_not_that_of_another() -> None:
    both = pl.concat([DAYS, DAYS.with_columns(symbol=pl.lit("ETH"), completeness=1.0)])
    rows = evaluate(group(), {"daily_candles": both}, interval=HOUR)
    assert rows.filter(symbol="ETH")["completeness_3"].to_list() == [1.0] * 6


def test_a_joined_row_counts_with_its_own_completeness() -> None:
    hours = bars([10.0] * 72, step=HOUR)
    days = bars([10.0] * 3).with_columns(completeness=pl.Series([0.5, 1.0, 1.0]))
    prices = evaluate(price_features, {"daily_candles": days}, interval=HOUR)
    inputs = {"candles": hours, "daily_candles": days, "price_features": prices}
    rows = evaluate(trading_signals, inputs, interval=HOUR)
    assert rows["completeness"].to_list() == [1.0] * 72
    assert rows["completeness_1"].to_list() == [1.0] * 24 + [0.5] * 24 + [1.0] * 24


def test_a_function_is_held_to_the_completeness_of_its_bars() -> None:
    def doubled(inputs: dict[str, pl.DataFrame]) -> pl.DataFrame:
        days = inputs["daily_candles"]
        close = pl.col("open_time") + DAY
        return days.select("symbol", event_timestamp=close, close_now=pl.col("close") * 2, ma_3=pl.lit(1.0))

    rows = evaluate(group(function=doubled), {"daily_candles": DAYS}, interval=HOUR)
    assert rows["close_now"].to_list() == [2.0, None, 6.0, 8.0, 10.0, 12.0]
    assert rows["completeness_3"].to_list() == [1.0, 0.74, 0.74, 0.74, 0.75, 0.75]


def test_bars_of_which_nothing_is_known_are_whole() -> None:
    rows = evaluate(group(), {"daily_candles": DAYS.drop("completeness")}, interval=HOUR)
    assert rows.select(completeness_columns(group())).unique().rows() == [(1.0, 1.0)]


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_limit_that_is_not_a_share_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=f"own declares completeness={share}; expected a share, 0 to 1"):
        group(completeness=share)


@pytest.mark.parametrize("name", ["completeness", "completeness_20"])
def test_a_feature_takes_no_name_of_a_column_of_completeness(name: str) -> None:
    with pytest.raises(InputError, match=name):
        group(features=(Feature(name, CLOSE, "Close.", "quote currency"),))


def test_a_plan_follows_completeness_to_every_feature() -> None:
    node = node_of(group(), {"own": {"close_now": "1", "ma_3": "1"}}, {}, Terms(HOUR, START, HOUR, 0.75))
    assert node.sources.keys() == {"close_now", "ma_3"}
    assert all(("daily_candles", "completeness") in columns for columns in node.sources.values())
    assert "completeness" in (node.inputs[0].columns or ())
