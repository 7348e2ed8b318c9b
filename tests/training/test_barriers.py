"""Triple barriers, against a walk over every later candle in plain Python."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from crypto_features.compute.indicators import volatility
from crypto_features.compute.resample import resample
from crypto_features.errors import InputError
from crypto_features.shipped import candles, daily_candles
from crypto_features.tables.label import NO_BAR, PAST_END
from crypto_features.tables.triple_barrier import NO_VOLATILITY, UNDECIDED, TripleBarrier, triple_barrier
from crypto_features.training.labels import audit
from tests.features.markets import DAY, HOUR, START, bars
from tests.training.labelled import hours

HOURS = hours(120)
DAYS = resample(HOURS, HOUR, DAY)
CALM = [100.0, 101.0, 100.0, 101.0, 100.0]
"""Closes whose four returns have a volatility of 1.15 %."""
SIGMA: float = bars(CALM).select(x=volatility(4))["x"][-1]
UPPER, LOWER = 100 * (1 + SIGMA), 100 * (1 - SIGMA)
Bar = Mapping[str, Any]
Outcome = tuple[int | None, datetime | None, float | None, bool, str | None]


def touch(
    horizon: str = "5d", *, profit: float | None = 1.0, stop: float | None = 1.0, window: int = 4
) -> TripleBarrier:
    return triple_barrier("touch", bars=daily_candles, horizon=horizon, profit=profit, stop=stop, window=window)


def outcomes(frame: pl.DataFrame) -> list[Outcome]:
    assert frame.columns[:2] == ["symbol", "event_timestamp"]
    return [*frame.drop("symbol", "event_timestamp").iter_rows()]


def first_side(walk: Sequence[Bar], upper: float, lower: float) -> tuple[int, Bar] | None:
    for bar in walk:
        if bar["open"] >= upper or bar["open"] <= lower:
            return (1 if bar["open"] >= upper else -1), bar
        reached = (bar["high"] >= upper, bar["low"] <= lower)
        if any(reached):
            return (2 if all(reached) else 1 if reached[0] else -1), bar
    return None


def walked(label: TripleBarrier, symbol: str, *, finer: bool) -> Iterator[Outcome]:
    """The label of each day of a symbol, bar by bar."""
    days, fine = DAYS.filter(symbol=symbol).to_dicts(), HOURS.filter(symbol=symbol).to_dicts()
    for number, day in enumerate(days):
        since, close = day["open_time"] + DAY, day["close"]
        until = since + label.ahead(HOUR)
        ahead = [bar for bar in days if since <= bar["open_time"] < until]
        returns = [days[i]["close"] / days[i - 1]["close"] - 1 for i in range(number - label.window + 1, number + 1)]
        young = number < label.window or any(
            later["open_time"] - earlier["open_time"] > 31 * DAY
            for earlier, later in zip(
                days[number - label.window : number], days[number - label.window + 1 :], strict=False
            )
        )
        reason = PAST_END if until > days[-1]["open_time"] + DAY else None if ahead else NO_BAR
        if reason or young:
            yield None, None, None, False, reason or NO_VOLATILITY
            continue
        mean = math.fsum(returns) / len(returns)
        sigma = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
        upper = close * (1 + label.profit * sigma) if label.profit else math.inf
        lower = close * (1 - label.stop * sigma) if label.stop else -math.inf
        found, length = first_side(ahead, upper, lower), DAY
        if found and found[0] == 2 and finer:
            within = [h for h in fine if found[1]["open_time"] <= h["open_time"] < found[1]["open_time"] + DAY]
            found, length = first_side(within, upper, lower), HOUR
            assert found, "the hours of a day reach what the day reaches"
        if found is None:
            yield 0, until, ahead[-1]["close"] / close - 1, False, None
        elif found[0] == 2:
            yield None, None, None, True, UNDECIDED
        else:
            way, bar = found
            filled = max(bar["open"], upper) if way == 1 else min(bar["open"], lower)
            yield way, bar["open_time"] + length, filled / close - 1, False, None


@pytest.mark.parametrize("finer", [True, False])
@pytest.mark.parametrize(("profit", "stop"), [(0.3, 0.3), (1.0, 2.0), (1.0, None), (None, 0.5)])
def test_barriers_equal_a_walk_over_every_later_candle(
    profit: float | None, stop: float | None, *, finer: bool
) -> None:
    label = touch(profit=profit, stop=stop, window=10)
    found = label.compute(DAYS, HOURS if finer else None, HOUR)
    for symbol in ("S0", "S1", "S2"):
        expected = [*walked(label, symbol, finer=finer)]
        for one, other in zip(outcomes(found.filter(symbol=symbol)), expected, strict=True):
            assert (*one[:2], *one[3:]) == (*other[:2], *other[3:])
            assert one[2] == (None if other[2] is None else pytest.approx(other[2], rel=1e-9))
    if finer and profit == stop:  # the market shows every reason.
        assert {*found["touch_reason"]} == {None, PAST_END, NO_VOLATILITY, UNDECIDED, NO_BAR}
    if stop == 2:
        assert {*found["touch"]} == {-1, 0, 1, None}


def after(**bar: float) -> pl.DataFrame:
    """The bars of `CALM`, one more, and two that move no further."""
    last = bar.get("close", 100.0)
    more = {name: [*CALM, bar.get(name, last), last, last] for name in ("open", "high", "low")}
    return bars([*CALM, last, last, last], columns=more)


@pytest.mark.parametrize(
    ("bar", "way", "price"),
    [
        ({"high": UPPER}, 1, UPPER),
        ({"low": LOWER}, -1, LOWER),
        ({"high": 103.0, "low": 98.9}, 1, UPPER),
        ({"open": 103.0, "high": 104.0, "low": 90.0}, 1, 103.0),
        ({"open": 97.0, "high": 104.0, "low": 90.0}, -1, 97.0),
        ({"high": 101.1, "low": 98.9, "close": 101.0}, 0, 101.0),
    ],
)
def test_a_bar_that_opens_beyond_a_barrier_is_decided_by_its_open(
    bar: dict[str, float], way: int, price: float
) -> None:
    market = after(**{"open": 100.0, "high": 100.0, "low": 100.0} | bar)
    found = outcomes(touch("2d").compute(market, None, HOUR))[4]
    close = START + (6 if way else 7) * DAY
    assert (*found[:2], *found[3:]) == (way, close, False, None)
    assert found[2] == pytest.approx(price / 100 - 1)


def test_both_barriers_within_one_day_are_decided_by_its_hours() -> None:
    market = after(open=100.0, high=103.0, low=97.0)
    none, low, high = [100.0] * 24, [100.0] * 24, [100.0] * 24
    low[9], high[17] = 97.0, 103.0
    fine = bars(none, step=HOUR, start=START + 5 * DAY, columns={"low": low, "high": high})
    decided = (-1, START + 5 * DAY + 10 * HOUR, LOWER / 100 - 1, False, None)
    open_ = (None, None, None, True, UNDECIDED)
    assert outcomes(touch("2d").compute(market, fine, HOUR))[4] == decided
    assert outcomes(touch("2d").compute(market, None, HOUR))[4] == open_
    torn = fine.with_columns(high=pl.when(pl.col("low") < 100).then(103.0).otherwise("high"))
    assert outcomes(touch("2d").compute(market, torn, HOUR))[4] == open_
    away = fine.filter(pl.col("open_time") < START + 5 * DAY + 9 * HOUR)
    assert outcomes(touch("2d").compute(market, away, HOUR))[4] == open_
    assert outcomes(touch("2d").compute(market, fine.with_columns(symbol=pl.lit("ETH")), HOUR))[4] == open_


def test_only_the_candles_of_open_days_are_asked_for() -> None:
    asked: list[pl.DataFrame] = []

    def finer(spans: pl.DataFrame) -> pl.DataFrame:
        asked.append(spans)
        return HOURS

    label = touch(profit=0.3, stop=0.3, window=10)
    assert label.compute(DAYS, finer, HOUR).equals(label.compute(DAYS, HOURS, HOUR))
    (spans,) = asked
    assert spans.columns == ["symbol", "start", "end"]
    assert not spans.is_duplicated().any()
    assert set((spans["end"] - spans["start"]).to_list()) == {DAY}
    assert 0 < len(spans) < len(DAYS)
    needed = HOURS.join(spans, on="symbol").filter(pl.col("open_time").is_between("start", "end", closed="left"))
    assert label.compute(DAYS, needed.select(HOURS.columns), HOUR).equals(label.compute(DAYS, HOURS, HOUR))
    touch("2d").compute(after(), finer, HOUR)
    assert len(asked) == 1


def test_labels_of_base_candles_stay_open_where_one_candle_holds_both_barriers() -> None:
    label = triple_barrier("touch", bars=candles, horizon="2h", window=4)
    market = after(open=100.0, high=103.0, low=97.0).with_columns(
        open_time=pl.int_range(pl.len()) * HOUR + pl.lit(START).cast(pl.Datetime("us", "UTC"))
    )
    assert outcomes(label.compute(market, market, HOUR))[4] == (None, None, None, True, UNDECIDED)


@pytest.mark.parametrize(("first", "last"), [(60, 90), (90, 119), (61, 62)])
def test_a_part_of_the_data_has_the_labels_of_the_whole_to_the_bit(first: int, last: int) -> None:
    label = touch(profit=0.5, stop=0.5, window=10)
    back, ahead = label.lookback(HOUR), label.ahead(HOUR)
    ends = {s: t + DAY for s, t in DAYS.group_by("symbol").agg(pl.col("open_time").max()).iter_rows()}
    since, until = START + first * DAY, START + last * DAY
    part = DAYS.filter(pl.col("open_time") >= since - back, pl.col("open_time") < until + ahead)
    wanted = pl.col("event_timestamp").is_between(since + DAY, until + DAY, closed="left")
    whole = label.compute(DAYS, HOURS, HOUR).filter(wanted)
    assert label.compute(part, HOURS, HOUR, ends).filter(wanted).equals(whole)


def test_a_market_that_does_not_move_has_no_barriers() -> None:
    found = touch("1d").compute(bars([5.0] * 9), None, HOUR)
    assert [*found["touch_reason"]] == [NO_VOLATILITY] * 8 + [PAST_END]


def test_the_share_that_stays_open_is_counted() -> None:
    label = touch(profit=0.3, stop=0.3, window=10)
    days, both = (audit(label, label.compute(DAYS, finer, HOUR)) for finer in (None, HOURS))
    assert 0 < both.undecided < days.undecided < 1
    assert both.without[UNDECIDED] == pytest.approx(both.undecided * (both.rows - both.without[PAST_END]))
    assert sum(both.values.values()) == both.labelled == both.rows - sum(both.without.values())


@pytest.mark.parametrize(
    "wrong", [{"profit": None, "stop": None}, {"profit": 0}, {"stop": -1.0}, {"profit": math.inf}, {"stop": math.nan}]
)
def test_barriers_that_cannot_be_are_refused(wrong: dict[str, float | None]) -> None:
    with pytest.raises(InputError, match=r"^touch declares profit=.* and stop=.*; expected multiples"):
        touch(**wrong)  # type: ignore[arg-type] # numbers.
    with pytest.raises(InputError, match=r"^touch declares window=1; expected 2 bars or more"):
        touch(window=1)
