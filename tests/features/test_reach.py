"""A month alone, ten years at once and a single new bar give equal bits, whatever bars are missing."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_features.compute.indicators import CLOSE, ema, rsi
from crypto_features.compute.windows import window_deviation, window_mean
from crypto_features.errors import InputError
from crypto_features.shipped import candles, daily_candles
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import months_between
from crypto_features.tables.partition import compute_partition
from crypto_features.tables.reach import ABSENCE, span
from crypto_features.tables.table import Join
from tests.features.markets import DAY, HOUR, START, bars

DAYS = 400


def feature(name: str, expression: pl.Expr, window: int, warm_up: int = 0) -> Feature:
    return Feature(name, expression, "Made for a test.", "none", window=window, warm_up=warm_up)


MINE = FeatureGroup(
    "mine",
    bars=daily_candles,
    joins=(Join(candles, "2d", {"mean_9": window_mean(CLOSE, 9)}, window=9),),
    features=(
        feature("close_now", CLOSE, 1),
        feature("mean_20", window_mean(CLOSE, 20), 20),
        feature("deviation_7", window_deviation(CLOSE, 7, ddof=1), 7),
        feature("strength", rsi(3), 129, 4),  # (2/3)^128 is less than 2^-53, and a change needs a bar more.
        feature("smooth", ema(CLOSE, 5), 128, 5),
        feature("of_hours", CLOSE / pl.col("candles.mean_9"), 1),
        feature("of_hours_before", CLOSE / pl.col("candles.mean_9").shift(130), 131),
    ),
)
NAMES = [f.name for f in MINE.features]


def market(seed: int, outages: list[tuple[int, int]], loss: float) -> dict[str, pl.DataFrame]:
    """Two symbols over 400 days, without the days of the outages (first day, days) and a share of all others."""
    draw = np.random.default_rng(seed)
    days, hours = [], []
    for symbol in ("BTC", "ETH"):
        close = 100 * np.exp(np.cumsum(draw.normal(0, 0.05, DAYS)))
        there = draw.random(DAYS) >= loss
        for first, length in outages:
            there[first : first + length] = False
        kept = pl.Series(there)
        days.append(bars(close.tolist(), symbol=symbol).filter(kept))
        hours.append(bars((close * 1.01).tolist(), symbol=symbol, start=START + 21 * HOUR).filter(kept))
    return {"daily_candles": pl.concat(days), "candles": pl.concat(hours)}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    outages=st.lists(st.tuples(st.integers(0, DAYS), st.sampled_from([1, 5, 29, 31, 32, 33, 60, 95])), max_size=4),
    loss=st.sampled_from([0.0, 0.02, 0.3, 0.6]),
)
def test_a_month_alone_and_one_new_bar_equal_all_history_to_the_bit(
    seed: int, outages: list[tuple[int, int]], loss: float
) -> None:
    inputs = market(seed, outages, loss)
    whole = MINE.whole(inputs, HOUR)
    months = months_between(START, START + DAYS * DAY)
    alone = pl.concat(compute_partition(MINE, inputs, month, interval=HOUR) for month in months)
    assert alone.sort("symbol", "event_timestamp").equals(whole)

    reach = MINE.inputs[1].reach(HOUR)
    for row in whole.sample(12, seed=1).iter_rows(named=True):
        now = row["event_timestamp"]
        seen = {
            name: frame.filter((pl.col("open_time") < now) & (pl.col("open_time") > now - reach - 2 * DAY))
            for name, frame in inputs.items()
        }
        last = MINE.whole(seen, HOUR).filter(symbol=row["symbol"], event_timestamp=now)
        assert last.equals(whole.filter(symbol=row["symbol"], event_timestamp=now))


def rows_without(*missing: range) -> pl.DataFrame:
    gone = [START + day * DAY for span_ in missing for day in span_]
    days = bars([float(n) for n in range(1, DAYS + 1)]).filter(~pl.col("open_time").is_in(gone))
    return MINE.whole({"daily_candles": days, "candles": days}, HOUR)


def test_a_symbol_that_was_away_for_longer_begins_anew() -> None:
    back = START + 232 * DAY
    short = rows_without(range(201, 231)).filter(event_timestamp=START + 232 * DAY)  # 31 days from close to close.
    # the 19 days from 183 on, which closed at 182 to 201, and the one that is back.
    assert short["mean_20"][0] == pytest.approx((sum(range(183, 202)) + 232) / 20, rel=1e-15)
    long = rows_without(range(200, 231))
    assert long.filter(event_timestamp=back).select(NAMES[1:5]).row(0) == (None, None, None, None)
    assert long.filter(event_timestamp=back + 19 * DAY)["mean_20"][0] == pytest.approx(sum(range(232, 252)) / 20)


def test_a_value_whose_window_lacks_more_than_may_be_missing_is_null() -> None:
    every_third = [range(day, day + 2) for day in range(100, 190, 3)]  # of three days two are missing.
    rows = rows_without(*every_third)
    assert rows.filter(event_timestamp=START + 166 * DAY)["mean_20"][0] is None
    assert rows.filter(event_timestamp=START + 166 * DAY)["deviation_7"][0] is not None


def test_how_far_back_a_group_reads_follows_from_its_windows() -> None:
    of_bars, of_hours = (source.reach(HOUR) for source in MINE.inputs)
    assert of_bars == 131 * DAY + 2 * ABSENCE == span(131, DAY)
    assert of_hours == of_bars + 2 * DAY + 9 * HOUR + 2 * ABSENCE
    assert Join(daily_candles, "3d").reach(HOUR) == timedelta(days=3)
    by_calendar = Feature("x", CLOSE, "", "", lookback="20d")
    assert FeatureGroup("x", bars=daily_candles, features=[by_calendar]).inputs[0].reach(HOUR) == 20 * DAY


def test_a_group_of_expressions_declares_no_lookback() -> None:
    with pytest.raises(InputError, match=r"mine declares lookback=40d, but has no function: .* leave lookback out"):
        FeatureGroup("mine", bars=daily_candles, features=[feature("x", CLOSE, 1)], lookback="40d")


def test_a_feature_reaches_back_as_far_as_those_that_it_reads() -> None:
    first, second = feature("first", window_mean(CLOSE, 9), 9), feature("second", pl.col("first") / CLOSE, 8)
    with pytest.raises(
        InputError, match=r"mine\.second reads first, so it reaches back as far; declare window=9 or more"
    ):
        FeatureGroup("mine", bars=daily_candles, features=[first, second])
    today = Feature("today", CLOSE, "", "", lookback="1d")
    with pytest.raises(InputError, match="declare window=1, lookback='1d' or more"):
        FeatureGroup("mine", bars=daily_candles, features=[today, feature("second", pl.col("today"), 1)])


@pytest.mark.parametrize(("warm_up", "window"), [(6, 5), (-1, 5)])
def test_a_warm_up_is_a_part_of_the_window(warm_up: int, window: int) -> None:
    with pytest.raises(
        InputError, match=f"x declares warm_up={warm_up} and window={window}: expected 1 to {window} bars"
    ):
        feature("x", CLOSE, window, warm_up)
