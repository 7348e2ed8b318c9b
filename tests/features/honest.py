"""Features that look suspicious and are honest: the leak test must be silent about each."""

from datetime import timedelta

import polars as pl

from crypto_features.compute.indicators import CLOSE, HIGH, LOW, OPEN, VOLUME, ema, price_return, rsi
from crypto_features.compute.windows import window_deviation, window_mean, window_sum
from crypto_features.shipped import candles, daily_candles
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join

DAY = timedelta(days=1)
OPEN_TIME, CLOSE_TIME = pl.col("open_time"), pl.col("event_timestamp")
_MONTH, _DATE = OPEN_TIME.dt.truncate("1mo"), OPEN_TIME.dt.truncate("1d")
_LONG = timedelta(days=31)
_HALVING = pl.datetime(2024, 4, 20, time_zone="UTC")


def _feature(name: str, value: pl.Expr, window: int = 1, **options: object) -> Feature:
    return Feature(name, value, "honest", "none", window=window, **options)  # type: ignore[arg-type] # options


def _slope(bars: int) -> pl.Expr:
    x = [i - (bars - 1) / 2 for i in range(bars)]
    return sum(x[i] * CLOSE.shift(bars - 1 - i) for i in range(bars)) / sum(v * v for v in x)  # type: ignore[return-value] # an expression


def _fractional(order: float, bars: int) -> pl.Expr:
    weights = [1.0]
    for lag in range(1, bars):
        weights.append(-weights[-1] * (order - lag + 1) / lag)
    return sum(weight * CLOSE.log().shift(lag) for lag, weight in enumerate(weights))  # type: ignore[return-value] # an expression


DAILY = FeatureGroup(
    "honest_days",
    "honest",
    bars=daily_candles,
    ttl="1d",
    features=(
        _feature("weekday of the bar", OPEN_TIME.dt.weekday().cast(pl.Float64)),
        _feature("month of the bar as a sine", (OPEN_TIME.dt.month() * 0.5235987755982988).sin()),
        _feature("last day of a month by its own date", CLOSE_TIME.dt.day() == 1, dtype=pl.Boolean),
        _feature("days left in the month by the calendar", OPEN_TIME.dt.month_end().dt.day().cast(pl.Float64)),
        _feature("rolling quantile", CLOSE.rolling_quantile(0.9, window_size=30), 30),
        _feature("rolling median", CLOSE.rolling_median(15), 15),
        _feature("slope", _slope(10), 10),
        _feature("drawdown", CLOSE / HIGH.rolling_max(60) - 1, 60),
        _feature("month to date", CLOSE / OPEN.first().over(_MONTH) - 1, lookback=_LONG),
        _feature(
            "high of 20 calendar days",
            HIGH.rolling_max_by("open_time", window_size="20d"),
            lookback=timedelta(days=20),
        ),
        _feature("rises in 10 days", (price_return(1) > 0).cast(pl.Int64).rolling_sum(10), 11, dtype=pl.Int64),
        _feature("up", CLOSE.shift(1) < CLOSE, 2, dtype=pl.Boolean),
        _feature(
            "size of the move as a category",
            pl.when(price_return(1).abs() < 0.02)
            .then(pl.lit("small"))
            .when(price_return(1).is_not_null())
            .then(pl.lit("large")),
            2,
            dtype=pl.String,
        ),
        _feature("name of the symbol", pl.col("symbol"), dtype=pl.String),
        _feature("date of the bar before", OPEN_TIME.shift(1).dt.date(), 2, dtype=pl.Date),
        _feature(
            "last three closes", pl.concat_list(CLOSE.shift(2), CLOSE.shift(1), CLOSE), 3, dtype=pl.List(pl.Float64)
        ),
        _feature("length of the symbol's name", pl.col("symbol").str.len_chars().cast(pl.Int64), dtype=pl.Int64),
        _feature("another rule for one symbol", pl.when(pl.col("symbol") == "BTC").then(CLOSE).otherwise(OPEN)),
        _feature("days since the bar before", OPEN_TIME.diff().dt.total_days().cast(pl.Float64), 2),
        _feature("logarithm of money", (CLOSE * VOLUME + 1).log()),
        _feature("z-score of a window", (CLOSE - window_mean(CLOSE, 20)) / window_mean(CLOSE, 20), 20),
        _feature("smoothed strength", ema(rsi(14), 5, skip=14), 640, warm_up=19),
        _feature("a price above 50,000", CLOSE > 50_000, dtype=pl.Boolean),
        _feature("year to date", CLOSE / OPEN.first().over(OPEN_TIME.dt.year()) - 1, lookback=timedelta(days=366)),
        _feature("deviation of 30 closes", window_deviation(CLOSE, 30, ddof=1), 30),
        _feature("third moment of 30 returns", window_mean(price_return(1).pow(3), 30), 31),
        _feature("money a share", window_mean(CLOSE * VOLUME, 20) / window_mean(VOLUME, 20), 20),
        _feature("a constant", pl.lit(1.0)),
        _feature("slow exponential mean", ema(CLOSE, 40), 1024, warm_up=40),
        _feature("days since a halving", (OPEN_TIME - _HALVING).dt.total_days().cast(pl.Float64)),
        _feature("another rule since 2021", pl.when(OPEN_TIME.dt.year() > 2020).then(CLOSE).otherwise(OPEN)),
        _feature("deviation of medians", (CLOSE - CLOSE.rolling_median(11)).abs().rolling_median(11), 21),
        _feature("bars since the high", HIGH.rolling_map(lambda s: float(s.reverse().arg_max() or 0), 30), 30),
        _feature("traded at all", VOLUME > 0, dtype=pl.Boolean),
        _feature("close in single precision", CLOSE.cast(pl.Float32), dtype=pl.Float32),
        _feature("fractional difference", _fractional(0.4, 30), 30),
        _feature("range only in December", pl.when(OPEN_TIME.dt.month() == 12).then((HIGH - LOW) / CLOSE)),
    ),
)
OF_HOURS = FeatureGroup(
    "honest_days_of_hours",
    "honest",
    bars=daily_candles,
    joins=(Join(candles, "2h", {"variance": window_sum(price_return(1).pow(2), 24)}, window=25, at="close"),),
    ttl="1d",
    features=(_feature("realized variance of a day from its hours", pl.col("candles.variance")),),
)
HOURLY = FeatureGroup(
    "honest_hours",
    "honest",
    bars=candles,
    joins=(Join(daily_candles, "40d", {"ma_20": window_mean(CLOSE, 20)}, window=20),),
    ttl="1d",
    features=(
        _feature("hour of the bar", OPEN_TIME.dt.hour().cast(pl.Float64)),
        _feature("New York's hour", OPEN_TIME.dt.convert_time_zone("America/New_York").dt.hour().cast(pl.Float64)),
        _feature(
            "volume-weighted price since midnight",
            (CLOSE * VOLUME).cum_sum().over(_DATE) / VOLUME.cum_sum().over(_DATE),
            lookback=DAY,
        ),
        _feature("candles since midnight", pl.int_range(pl.len()).over(_DATE) + 1, dtype=pl.Int64, lookback=DAY),
        _feature("high since midnight", HIGH.cum_max().over(_DATE), lookback=DAY),
        _feature("last hour of the day by its own time", CLOSE_TIME.dt.hour() == 0, dtype=pl.Boolean),
        _feature("return of 24 hours", CLOSE / CLOSE.shift(24) - 1, 25),
        _feature("over yesterday's high", pl.col("daily_candles.high") < CLOSE, dtype=pl.Boolean),
        _feature("over the 20-day mean", CLOSE / pl.col("daily_candles.ma_20") - 1),
    ),
)
