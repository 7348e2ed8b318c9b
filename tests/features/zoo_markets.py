"""Planted leaks of what lies beside a symbol's own days: other symbols, other bars, labels, funding, other venues."""

from collections.abc import Mapping, Sequence

import polars as pl

from crypto_features.compute.cross import breadth, demean, dispersion, rank, share, zscore
from crypto_features.compute.indicators import CLOSE, HIGH, LOW, VOLUME, price_return
from crypto_features.compute.pairs import beta, window_correlation
from crypto_features.shipped import candles, daily_candles
from crypto_features.shipped.derivatives import derivatives, funding
from crypto_features.tables.bars import Bars
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Join, Table

MOVE, NEXT = price_return(1), CLOSE.shift(-1) / CLOSE - 1
_OPEN_TIME = pl.col("open_time")
_DATE, _MONTH = _OPEN_TIME.dt.truncate("1d"), _OPEN_TIME.dt.truncate("1mo")
_WEEK, _RATE, _INTEREST = _OPEN_TIME.dt.truncate("1w"), pl.col("rate"), pl.col("open_interest")
_NEXT, _MOVE = pl.col("own.next"), pl.col("own.move")
_LATER = [CLOSE.shift(-day) / CLOSE - 1 for day in range(1, 6)]
Leaks = Mapping[str, tuple[pl.Expr, int]]
"""By mistake, an expression and the window that its author would declare."""

blocks = Bars("blocks", of=candles, every="4h")
weeks = Bars("weeks", of=candles, every="1w")
okx_days = Bars("okx_days", of=RawTable("candles_okx", source="ccxt:okx"), every="1d")


def markets() -> tuple[FeatureGroup, ...]:
    """Groups whose every feature is a planted leak."""
    return (
        _group("cross-sections", daily_candles, ACROSS, (_OWN, _BTC), across=True),
        _group("universe by hindsight", daily_candles, HINDSIGHT, (_OWN,), across=True),
        _group("days beside BTC", daily_candles, BESIDE, (_BTC,)),
        _group("hours beside BTC", candles, BESIDE_BY_HOUR, (_BTC_HOURS,)),
        _group("four-hour leaks", blocks, BLOCKS),
        _group("weekly leaks", weeks, WEEKS),
        _group("hours that read longer bars", candles, LONGER, (_BLOCKS, _WEEKS, _DAYS)),
        _group("labels", daily_candles, LABELS, (_LABELS,)),
        _group("funding", daily_candles, FUNDING, (_FUNDING, _DERIVATIVES)),
        _group("another venue", daily_candles, VENUES, (_OKX,)),
    )


def _group(name: str, bars: Table, leaks: Leaks, joins: Sequence[Join] = (), *, across: bool = False) -> FeatureGroup:
    features = tuple(Feature(leak, e, leak, "planted", window=window) for leak, (e, window) in leaks.items())
    ttl = "1w" if bars is weeks else "1d"
    return FeatureGroup(
        name, name, bars=bars, features=features, joins=joins, ttl=ttl, across="symbols" if across else None
    )


def _alone(leaks: Mapping[str, pl.Expr], window: int = 1) -> Leaks:
    return {name: (leak, window) for name, leak in leaks.items()}


_HISTORY = {
    "move": MOVE,
    "next": NEXT,
    "rank": CLOSE.rank() / pl.len(),
    "mean": CLOSE.mean(),
    "top": HIGH.max(),
    "traded": VOLUME.sum(),
    "bars": pl.len().cast(pl.Float64),
    "left": (_OPEN_TIME.max() - _OPEN_TIME).dt.total_days().cast(pl.Float64),
    "gained": CLOSE.last() / CLOSE.first(),
    "low": LOW.min() / CLOSE,
    "crash": (LOW.reverse().rolling_min(30, min_samples=1).reverse() / CLOSE).shift(-1),
}
_OWN = Join(daily_candles, "2d", _HISTORY, window=2, at="close", name="own")
_BTC = Join(daily_candles, "2d", _HISTORY, window=2, symbol="BTC", at="close", name="btc")
_BTC_HOURS = Join(
    candles,
    "2h",
    {"next": NEXT, "day": CLOSE.last().over(_DATE), "high": HIGH.max().over(_DATE), "trend": CLOSE / CLOSE.mean()},
    window=2,
    symbol="BTC",
    at="close",
    name="btc",
)

ACROSS = _alone(
    {
        "rank of tomorrow's return": rank("own.next"),
        "z-score of tomorrow's return": zscore("own.next"),
        "excess over tomorrow's mean": demean("own.next"),
        "tomorrow's mean of all": _NEXT.mean(),
        "tomorrow's best": _NEXT.max(),
        "tomorrow's breadth": breadth(_NEXT > 0),
        "tomorrow's dispersion": dispersion("own.next"),
        "rank over the whole history": pl.col("own.rank"),
        "distance to the history's mean, ranked": rank(CLOSE / pl.col("own.mean")),
        "distance to the history's high, as a z-score": zscore(CLOSE / pl.col("own.top")),
        "share of the volume of the whole history": share("own.traded"),
        "rank of the gain up to the end": rank("own.gained"),
        "ties by the order of symbols": (CLOSE > 0).cast(pl.Int64).rank("ordinal").cast(pl.Float64),
        "BTC's return of tomorrow, less the mean": pl.col("btc.next") - _MOVE.mean(),
        "weights by BTC's rank in its history": share(VOLUME) * pl.col("btc.rank"),
        "rank of tomorrow on 12 March 2020": pl.when(_OPEN_TIME.dt.date() == pl.date(2020, 3, 12))
        .then(rank("own.next"))
        .otherwise(rank("own.move")),
        "tomorrow's mean of all in December": pl.when(_OPEN_TIME.dt.month() == 12)
        .then(_NEXT.mean())
        .otherwise(_MOVE.mean()),
        "rank of tomorrow on Sundays": pl.when(_OPEN_TIME.dt.weekday() == 7)
        .then(rank("own.next"))
        .otherwise(rank("own.move")),
    }
)
"""Over the symbols of a day."""

HINDSIGHT = _alone(
    {
        name: demean(pl.when(member.fill_null(value=False)).then(_MOVE))
        for name, member in {
            "those that last for 100 days": pl.col("own.bars") > 100,
            "those that are listed for five more days": pl.col("own.left") > 5,
            "those that trade tomorrow": _NEXT.is_not_null(),
            "those that trade much over the whole history": pl.col("own.traded") > 1e6,
            "those that gained by the end": pl.col("own.gained") > 1,
            "those that never fall by half": pl.col("own.low") > 0.5,
            "those that do not crash within a month": pl.col("own.crash") > 0.8,
            "those above their history's mean": pl.col("own.mean") < CLOSE,
        }.items()
    }
)
"""Over the symbols of a day that a list of later chooses."""

BESIDE: Leaks = {
    "beta to BTC's return of the next day": (beta(MOVE, pl.col("btc.next"), 20), 21),
    "correlation with BTC a day later": (window_correlation(MOVE, pl.col("btc.move").shift(-1), 20), 21),
    "ratio to BTC's close of tomorrow": (CLOSE / pl.col("btc.close").shift(-1), 1),
    "BTC's close filled backwards": (pl.when(pl.col("btc.move") > 0).then(pl.col("btc.close")).backward_fill(), 1),
    "BTC's mean of its whole history": (CLOSE / pl.col("btc.mean"), 1),
    "whether BTC rises tomorrow": ((pl.col("btc.next") > 0).cast(pl.Float64), 1),
    "BTC's days so far": (pl.col("btc.bars") - pl.int_range(pl.len()), 1),
}
"""Over days, with BTC's joined."""

BESIDE_BY_HOUR = _alone(
    {
        "BTC's next hour": pl.col("btc.next") * CLOSE,
        "BTC's close of the day on its hours": CLOSE / pl.col("btc.day"),
        "BTC's high of the day on its hours": CLOSE / pl.col("btc.high"),
        "BTC's mean of all hours": pl.col("btc.trend"),
    }
)
"""Over hours, with BTC's joined."""

BLOCKS = _alone(
    {
        "the next block's return": NEXT,
        "the day's close on its blocks": CLOSE.last().over(_DATE) / CLOSE,
        "the day's high on its blocks": HIGH.max().over(_DATE),
        "whether it is the day's last block that exists": (_OPEN_TIME.max().over(_DATE) == _OPEN_TIME).cast(pl.Float64),
        "whole-sample z-score of blocks": (CLOSE - CLOSE.mean()) / CLOSE.std(),
        "centred window of blocks": CLOSE.rolling_mean(3, center=True),
        "the next block at 20:00 on the 13th": pl.when(_OPEN_TIME.dt.hour() == 20, _OPEN_TIME.dt.day() == 13)
        .then(NEXT)
        .otherwise(0.0),
    }
)
"""Over bars of four hours."""

WEEKS = _alone(
    {
        "the next week's return": NEXT,
        "the month's close on its weeks": CLOSE.last().over(_MONTH) / CLOSE,
        "the year's high on its weeks": HIGH.max().over(_OPEN_TIME.dt.year()),
        "whole-sample rank of weeks": CLOSE.rank() / pl.len(),
        "weeks until the last one": (_OPEN_TIME.max() - _OPEN_TIME).dt.total_days().cast(pl.Float64),
        "the next week in week 53": pl.when(_OPEN_TIME.dt.week() == 53).then(NEXT).otherwise(0.0),
    }
)
"""Over weeks."""

_BLOCKS = Join(blocks, "2d", {"next": CLOSE.shift(-1), "mean": CLOSE.mean()}, window=2)
_WEEKS = Join(weeks, "15d", {"next": HIGH.shift(-1), "rank": CLOSE.rank() / pl.len()}, window=2)
_DAYS = Join(daily_candles, "3d", {"next": CLOSE.shift(-1)}, window=2)
LONGER = _alone(
    {
        "the block that is not over, by a join": CLOSE / pl.col("blocks.next"),
        "mean of all blocks, by a join": CLOSE / pl.col("blocks.mean"),
        "the week that is not over, by a join": CLOSE / pl.col("weeks.next"),
        "rank of the week among all, by a join": pl.col("weeks.rank"),
        "the day that is not over, by a join": CLOSE / pl.col("daily_candles.next"),
        "the week's high on its hours": HIGH.max().over(_WEEK),
        "the block's close on its hours": CLOSE.last().over(_OPEN_TIME.dt.truncate("4h")),
        "the joined block filled backwards": pl.col("blocks.close").shift(-4),
    }
)
"""Over hours, with longer bars joined."""

_TABLE = FeatureGroup(
    "table_of_labels",
    bars=daily_candles,
    features=[Feature("up", (CLOSE.shift(-3) > CLOSE).cast(pl.Float64), "Up in three days.", "0 or 1")],
)
_LABELS = Join(_TABLE, "2d", at="close")
_TOP, _BOTTOM = pl.max_horizontal(_LATER), pl.min_horizontal(_LATER)
LABELS: Leaks = {
    "return of the next five days": (_LATER[-1], 1),
    "triple barrier": (pl.when(_TOP > 0.05).then(1.0).when(_BOTTOM < -0.05).then(-1.0).otherwise(0.0), 1),
    "best exit within five days": (_TOP, 1),
    "whether today's breakout pays": (pl.when(MOVE > 0.02).then((NEXT > 0).cast(pl.Float64)).otherwise(0.0), 2),
    "volatility of the next ten days": (MOVE.rolling_std(10).shift(-10), 1),
    "label that is shifted by less than its horizon": (CLOSE.shift(-2) / CLOSE.shift(3) - 1, 4),
    "weekday coded by the mean of its labels": (NEXT.mean().over(_OPEN_TIME.dt.weekday()), 1),
    "label of a joined table": (pl.col("table_of_labels.up"), 1),
    "label of a joined table in a mean": (pl.col("table_of_labels.up").rolling_mean(5), 5),
    "days until the trend turns": (
        pl.when(MOVE.sign() != MOVE.sign().shift(1)).then(_OPEN_TIME.dt.epoch("d")).shift(-1).backward_fill()
        - _OPEN_TIME.dt.epoch("d"),
        1,
    ),
}
"""What a model is to forecast, taken for a feature."""

_FUNDING = Join(
    funding,
    "9d",
    {
        "next": _RATE.shift(-1),
        "mean": _RATE.mean(),
        "rank": _RATE.rank() / pl.len(),
        "day": _RATE.last().over(_DATE),
        "wait": (_OPEN_TIME.shift(-1) - _OPEN_TIME).dt.total_hours().cast(pl.Float64),
        "week": _RATE.reverse().rolling_sum(21).reverse(),
        "positive": pl.when(_RATE > 0).then(_RATE).backward_fill(),
    },
    at="close",
)
_DERIVATIVES = Join(
    derivatives,
    "9d",
    {
        "next": _INTEREST.shift(-1),
        "top": _INTEREST / _INTEREST.max(),
        "tomorrow": pl.col("taker_ratio").shift(-24),
        "score": (pl.col("accounts_ratio") - pl.col("accounts_ratio").mean()) / pl.col("accounts_ratio").std(),
    },
    at="close",
)
FUNDING = _alone(
    {
        "the next settlement": pl.col("funding.next"),
        "mean of all settlements": pl.col("funding.rate") - pl.col("funding.mean"),
        "rank among all settlements": pl.col("funding.rank"),
        "the last settlement of its day": pl.col("funding.day"),
        "hours until the next settlement": pl.col("funding.wait"),
        "what the next week pays": pl.col("funding.week"),
        "the next positive rate": pl.col("funding.positive"),
        "tomorrow's settlement": pl.col("funding.rate").shift(-1),
        "open interest of the next hour": pl.col("derivatives.next"),
        "open interest over the history's high": pl.col("derivatives.top"),
        "takers of tomorrow": pl.col("derivatives.tomorrow"),
        "whole-sample z-score of longs and shorts": pl.col("derivatives.score"),
    }
)
"""Over days, with settlements and open interest joined."""

_OKX = Join(okx_days, "3d", {"next": CLOSE.shift(-1), "mean": CLOSE.mean()}, window=2, at="close")
VENUES = _alone(
    {
        "the other venue's day that is not over": CLOSE / pl.col("okx_days.next"),
        "the other venue's mean of all days": CLOSE / pl.col("okx_days.mean"),
        "tomorrow's premium": pl.col("okx_days.close").shift(-1) / CLOSE - 1,
    }
)
"""Over days of one exchange, with those of another joined."""
