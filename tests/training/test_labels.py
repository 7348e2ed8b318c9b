"""A label is what the time after a bar made of it; brute force over every later bar says so too."""

import math
from datetime import datetime, timedelta

import polars as pl
import pytest

from crypto_features.compute.resample import resample
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.shipped import candles, daily_candles, funding
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import NO_BAR, NO_VALUE, PAST_END, Label, direction, forward_return
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join, Table
from crypto_features.tables.training import TrainingSet
from crypto_features.training.labels import audit
from tests.features.markets import DAY, HOUR, START, bars
from tests.training.labelled import hours

HOURS = hours(120)
DAYS = resample(HOURS, HOUR, DAY)
UP = forward_return("up", bars=daily_candles, horizon="5d")


def at(day: int) -> datetime:
    return START + day * DAY


def test_a_return_looks_ahead_by_time_past_the_bars_that_are_missing() -> None:
    market = bars([10, 11, 12, 13, 14, 15, 16]).filter(~pl.col("open_time").is_in([at(2), at(4)]))
    found = forward_return("up", bars=daily_candles, horizon="2d").compute(market, None, HOUR)
    assert found.columns == ["symbol", "event_timestamp", "up", "up_known_at", "up_reason"]
    assert found["event_timestamp"].to_list() == [at(1), at(2), at(4), at(6), at(7)]
    # The close of day 2 is missing: that of day 1 stands at its end. Day 4 is missing after day 3.
    assert found["up"].to_list() == [11 / 10 - 1, 13 / 11 - 1, 15 / 13 - 1, None, None]
    assert found["up_known_at"].to_list() == [at(3), at(4), at(6), None, None]
    assert found["up_reason"].to_list() == [None, None, None, PAST_END, PAST_END]


def test_a_horizon_without_a_bar_has_no_label_and_takes_no_later_bar() -> None:
    market = bars([10, 11, 12, 13, 14]).filter(~pl.col("open_time").is_in([at(1), at(2)]))
    found = forward_return("up", bars=daily_candles, horizon="2d").compute(market, None, HOUR)
    assert found["up_reason"].to_list() == [NO_BAR, PAST_END, PAST_END]
    assert found["up"].null_count() == found["up_known_at"].null_count() == 3


def test_the_bars_of_the_horizon_are_one_candle_as_brute_force_finds_it() -> None:
    row = pl.struct(*(f"ahead.{name}" for name in ("open", "high", "low", "close")))
    label = Label("all", bars=daily_candles, horizon="5d", expression=row)
    found = label.compute(DAYS.sample(fraction=1, shuffle=True, seed=3), None, HOUR)
    expected = []
    for symbol, opened in DAYS.select("symbol", "open_time").iter_rows():
        own = DAYS.filter(symbol=symbol)
        ahead = own.filter(pl.col("open_time") > opened, pl.col("open_time") <= opened + 5 * DAY).to_dicts()
        ended = opened + 6 * DAY > own["open_time"].max() + DAY  # type: ignore[operator] # a time.
        candle = {
            "ahead.open": ahead[0]["open"],
            "ahead.high": max(bar["high"] for bar in ahead),
            "ahead.low": min(bar["low"] for bar in ahead),
            "ahead.close": ahead[-1]["close"],
        } if ahead else None  # fmt: skip
        expected.append((None, PAST_END) if ended else (candle, None if candle else NO_BAR))
    assert list(found.select("all", "all_reason").iter_rows()) == expected
    reasons = dict(found["all_reason"].value_counts().iter_rows())
    assert reasons[PAST_END] == 15
    assert reasons[NO_BAR] >= 1


def test_a_direction_is_the_sign_beyond_the_dead_band() -> None:
    market = bars([100.0, 101.0, 99.5, 99.5, 98.0, 120.0, 1.0])
    found = direction("way", bars=daily_candles, horizon="1d", dead_band=0.01).compute(market, None, HOUR)
    assert found["way"].to_list() == [1, -1, 0, -1, 1, -1, None]
    assert found["way"].dtype == pl.Int8
    plain = direction("way", bars=daily_candles, horizon="1d").compute(market, None, HOUR)
    assert plain["way"].to_list() == [1, -1, 0, -1, 1, -1, None]


def test_an_exact_move_of_the_dead_band_counts_as_unchanged() -> None:
    found = direction("way", bars=daily_candles, horizon="1d", dead_band=0.5).compute(bars([2, 3, 1, 2]), None, HOUR)
    assert found["way"].to_list() == [0, -1, 1, None]


def test_a_value_that_is_no_number_is_left_out_and_counted() -> None:
    root = Label("root", bars=daily_candles, horizon="1d", expression=(pl.col("ahead.close") - pl.col("close")).sqrt())
    found = root.compute(bars([1, 2, 1, 5]), None, HOUR)
    assert found["root"].to_list() == [1, None, 2, None]
    counted = audit(root, found)
    assert (counted.rows, counted.labelled) == (4, 2)
    assert dict(counted.without) == {NO_VALUE: 1, PAST_END: 1}
    assert str(counted) == "2 of 4 rows have a label; 1 no value; 1 past the end of data; undecided 0.00%"


@pytest.mark.parametrize(("first", "last"), [(30, 60), (0, 20), (100, 120), (59, 60)])
def test_a_part_of_the_data_has_the_labels_of_the_whole(first: int, last: int) -> None:
    whole = UP.compute(DAYS, None, HOUR)
    part = DAYS.filter(pl.col("open_time").is_between(at(first), at(last) + UP.ahead(HOUR), closed="left"))
    ends = {s: t + DAY for s, t in DAYS.group_by("symbol").agg(pl.col("open_time").max()).iter_rows()}
    wanted = pl.col("event_timestamp").is_between(at(first) + DAY, at(last) + DAY, closed="left")
    assert UP.compute(part, None, HOUR, ends).filter(wanted).equals(whole.filter(wanted))


def test_an_audit_counts_each_value_and_refuses_a_label_that_no_row_has() -> None:
    label = direction("way", bars=daily_candles, horizon="1d")
    assert dict(audit(label, label.compute(bars([1, 2, 2, 3, 1]), None, HOUR)).values) == {"-1": 1, "0": 1, "1": 2}
    with pytest.raises(InputError, match=r"^up has a label for none of 3 rows \(3 past the end of data\).*5d"):
        audit(UP, UP.compute(bars([1, 2, 3]), None, HOUR))
    assert audit(UP, UP.compute(bars([]), None, HOUR)).rows == 0


def test_hours_of_the_base_candles_have_labels_too() -> None:
    market = bars([1, 2, 4], step=HOUR)
    found = forward_return("up", bars=candles, horizon="1h").compute(market, None, HOUR)
    assert found["up"].to_list() == [1, 1, None]


@pytest.mark.parametrize("horizon", ["36h", "0d", timedelta(hours=1), -DAY])
def test_a_horizon_that_is_not_a_number_of_whole_bars_is_refused(horizon: str | timedelta) -> None:
    with pytest.raises(InputError, match=r"^up declares horizon=.*whole bars of daily_candles, which are 1 day"):
        forward_return("up", bars=daily_candles, horizon=horizon)


def test_a_horizon_of_base_candles_is_judged_when_their_length_is_known() -> None:
    label = forward_return("up", bars=candles, horizon="2h")
    with pytest.raises(InputError, match=r"^up declares horizon='2h'; .* whole bars of candles, which are 4:00:00"):
        label.compute(bars([1, 2], step=4 * HOUR), None, 4 * HOUR)
    with pytest.raises(InputError, match=r"horizon='0h'"):
        forward_return("up", bars=candles, horizon="0h")


def test_a_label_that_cannot_be_is_refused_where_it_is_declared() -> None:
    with pytest.raises(InputError, match=r"^a label cannot be named 'close'"):
        forward_return("close", bars=daily_candles, horizon="1d")
    with pytest.raises(InputError, match=r"^a label cannot be named 'up 5'"):
        forward_return("up 5", bars=daily_candles, horizon="1d")
    with pytest.raises(InputError, match=r"^up is a label of funding, which holds no prices"):
        forward_return("up", bars=funding, horizon="1d")
    with pytest.raises(UnknownNameError, match=r"unknown column that up reads 'ahead\.clse' \(did you mean 'ahead\.cl"):
        Label("up", bars=daily_candles, horizon="1d", expression=pl.col("ahead.clse"))
    with pytest.raises(InputError, match=r"^up reads no column of the bars"):
        Label("up", bars=daily_candles, horizon="1d")
    for band in (-0.1, math.nan, math.inf):
        with pytest.raises(InputError, match=r"^up declares dead_band="):
            direction("up", bars=daily_candles, horizon="1d", dead_band=band)
    with pytest.raises(InputError, match=r"^daily_candles has two bars of BTC that open at 2024-01-01 00:00"):
        UP.compute(pl.concat([bars([1]), bars([1])]), None, HOUR)


def test_a_catalog_takes_labels_and_refuses_every_other_reader_of_one() -> None:
    catalog = Catalog(UP)
    assert catalog.labels == {"up": UP}
    assert [*catalog.tables] == ["candles", "daily_candles"]
    assert Catalog(catalog, project="other").labels == {"up": UP}
    feature = Feature("x", pl.col("close"), "", "")
    over = FeatureGroup("over", bars=UP, features=[feature])  # type: ignore[arg-type] # the type says so, too.
    joined = FeatureGroup("joined", bars=daily_candles, joins=[Join(UP, "5d")], features=[feature])  # type: ignore[arg-type] # as above.
    above = FeatureGroup("above", bars=over, features=[Feature("y", pl.col("x"), "", "")])
    with pytest.raises(
        InputError, match=r"^desk has the rows of the label up, which is not known until its horizon is"
    ):
        TrainingSet(FeatureService("desk", "", {"above": ("y",)}), rows=UP)  # type: ignore[arg-type] # as above.
    parts: dict[str, Table] = {"over": over, "joined": joined}
    for name, part in parts.items():
        with pytest.raises(InputError, match=f"^{name} reads the label up, which is not known until its horizon is"):
            Catalog(part)
    with pytest.raises(InputError, match=r"^over reads the label up"):
        Catalog(above)
    with pytest.raises(InputError, match="two labels of the catalog are named 'up'"):
        Catalog(UP, forward_return("up", bars=daily_candles, horizon="1d"))


def test_weeks_have_labels_of_weeks() -> None:
    weeks = Bars("weeks", of=candles, every="1w")
    market = resample(HOURS, HOUR, 7 * DAY)
    found = forward_return("up", bars=weeks, horizon="2w").compute(market, None, HOUR)
    own = market.filter(symbol="S0")["close"].to_list()
    assert found.filter(symbol="S0")["up"].to_list()[:3] == [own[i + 2] / own[i] - 1 for i in range(3)]


def test_each_symbol_has_its_own_labels_whatever_the_symbols_are_named() -> None:
    names = ["ADA", "AVAX", "BTC"]  # Polars' rolling groups names of one length before those of another.
    renamed = DAYS.with_columns(pl.col("symbol").replace_strict(["S0", "S1", "S2"], names))
    found, expected = UP.compute(renamed, None, HOUR), UP.compute(DAYS, None, HOUR)
    assert found["symbol"].unique(maintain_order=True).to_list() == names
    assert found.drop("symbol").equals(expected.drop("symbol"))
    alone = [UP.compute(renamed.filter(symbol=name), None, HOUR) for name in names]
    assert found.equals(pl.concat(alone))
