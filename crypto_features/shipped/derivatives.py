"""Funding, open interest and the balance of longs and shorts, as they were known when the day began."""

from datetime import timedelta

import polars as pl

from crypto_features.shipped.market import daily_candles
from crypto_features.tables.derivative_rows import DERIVATIVES, FUNDING
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Join

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_EXACT = 10**12
"""Values count in whole parts of this size, so that a sum is the same to the bit wherever a window began."""

funding = RawTable("funding", "Settlements of funding of perpetual futures, as they were first seen.", rows=FUNDING)
derivatives = RawTable(
    "derivatives",
    "Open interest, long-short ratios and taker volume of perpetual futures, every five minutes.",
    rows=DERIVATIVES,
)


def _mean_over(value: pl.Expr, period: timedelta, before: timedelta) -> pl.Expr:
    """Mean of a value over a time that ends with a row; null unless a row is in the time `before` that one.

    Exchanges stamp some milliseconds late, so times count in whole minutes.
    """
    time = pl.col("open_time").dt.truncate("1m")
    whole = (value * _EXACT).round().cast(pl.Int64)
    total = whole.rolling_sum_by(time, period, closed="right")
    count = whole.is_not_null().cast(pl.Int64).rolling_sum_by(time, period, closed="right")
    oldest = time.rolling_min_by(time, period + before, closed="right")
    return pl.when(oldest <= time - period, count > 0).then(total / (count * _EXACT))


def _young(column: str, table: RawTable) -> pl.Expr:
    """The joined value, if its row is not older than a day when the bar opens."""
    age = pl.col("open_time") - pl.col(f"{table.name}.open_time")
    return pl.when(age <= DAY).then(pl.col(f"{table.name}.{column}"))


_IMBALANCE = (pl.col("taker_ratio") - 1) / (pl.col("taker_ratio") + 1)
_INTEREST = _young("open_interest", derivatives)

derivatives_features = FeatureGroup(
    name="derivatives_features",
    description="Funding, open interest and the balance of longs and shorts of the perpetual future, as of the opening "
    "of each day. What is older than a day counts as missing.",
    bars=daily_candles,
    joins=(
        Join(funding, "9d", {"mean_7d": _mean_over(pl.col("rate"), WEEK, DAY)}),
        Join(derivatives, "9d", {"taker_imbalance_1d": _mean_over(_IMBALANCE, DAY, HOUR)}),
    ),
    ttl="1d",
    features=(
        Feature(
            "funding_rate",
            _young("rate", funding),
            "Rate of the last settlement before the day began; longs pay it to shorts.",
            "share of the position",
            bounds=(-1, 1),
        ),
        Feature(
            "funding_mean_7d",
            _young("mean_7d", funding),
            "Mean of the rates settled in the 7 days up to the last settlement; null without one in the day before.",
            "share of the position",
            bounds=(-1, 1),
        ),
        Feature(
            "open_interest_change_1d",
            _INTEREST / _INTEREST.shift(1) - 1,
            "Open interest in the base asset over that of the bar before, − 1.",
            "ratio",
            window=2,
            bounds=(-1, float("inf")),
        ),
        Feature(
            "open_interest_change_7d",
            _INTEREST / _INTEREST.shift(7) - 1,
            "Open interest in the base asset over that of 7 bars earlier, − 1.",
            "ratio",
            window=8,
            bounds=(-1, float("inf")),
        ),
        Feature(
            "long_short_ratio",
            _young("accounts_ratio", derivatives),
            "Accounts that are long over those that are short, of all traders.",
            "ratio",
            bounds=(0, float("inf")),
        ),
        Feature(
            "taker_imbalance",
            _young("taker_imbalance_1d", derivatives),
            "Mean over a day of (bought − sold) / (bought + sold) by takers; null before a day is full.",
            "−1 to 1",
            bounds=(-1, 1),
        ),
    ),
)
