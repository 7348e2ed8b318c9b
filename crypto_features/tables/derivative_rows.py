"""Funding and open interest of perpetual futures as raw tables hold them."""

from datetime import timedelta

import polars as pl

from crypto_features.tables.raw_rows import Column, RawRows

HOUR, FIVE_MINUTES = timedelta(hours=1), timedelta(minutes=5)
USUAL_INTERVAL = 8
"""Hours between two settlements, where neither the row nor the next one says."""
_HALF_A_MONTH = 15
_RATIOS = (
    ("top_accounts_ratio", "Accounts of top traders that are long over those that are short"),
    ("top_positions_ratio", "Positions of top traders that are long over those that are short"),
    ("accounts_ratio", "Accounts of all traders that are long over those that are short"),
    ("taker_ratio", "Volume bought by takers over volume sold by them"),
)


def _fundings(candles: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
    """Settlements at the close of a candle or some milliseconds later, every 8 hours and then every 4."""
    close = (pl.col("open_time") + interval).alias("open_time")
    hours = pl.when(close.dt.day() <= _HALF_A_MONTH).then(8).otherwise(4)
    late = pl.duration(milliseconds=4 * (close.dt.day() % 2))
    return candles.filter(close.dt.hour() % hours == 0).select(
        "symbol",
        close + late,
        rate=(pl.col("close") * 1000 % 200 - 100) / 1e5,
        interval_hours=hours.cast(pl.Float64),
    )


def _derivatives(candles: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
    """The last five minutes of each candle."""
    price = pl.col("close") * 1000
    return candles.select(
        "symbol",
        pl.col("open_time") + interval - FIVE_MINUTES,
        open_interest=1000 + price % 701,
        open_interest_value=(1000 + price % 701) * pl.col("close"),
        top_accounts_ratio=0.5 + price % 83 / 83,
        top_positions_ratio=0.5 + price % 89 / 89,
        accounts_ratio=0.5 + price % 97 / 97,
        taker_ratio=0.5 + price % 101 / 101,
    )


_INTERVAL = pl.max_horizontal("interval_hours", pl.col("interval_hours").shift(-1)).fill_null(USUAL_INTERVAL)

FUNDING = RawRows(
    "funding",
    "settlement",
    (
        Column("rate", "share of the position", "What longs pay to shorts at the settlement.", least=-1, most=1),
        Column(
            "interval_hours",
            "hours",
            "Time since the settlement before it, where the source says; it differs by symbol and changes.",
            above=0,
            nullable=True,
            further=True,
        ),
    ),
    _fundings,
    length=timedelta(0),
    step=HOUR,
    on_grid=False,
    holds=pl.min_horizontal(
        pl.col("open_time").shift(-1) - pl.col("open_time"), pl.duration(hours=_INTERVAL.cast(pl.Int64))
    ),
)
"""Settlements of funding. `open_time` is the time of the settlement, with the milliseconds that the exchange gives: the
row is known then. Until the next one is due by its own interval, or by that of the next row, nothing is missing."""

_VALUES = ("open_interest", "open_interest_value", *(name for name, _ in _RATIOS))

DERIVATIVES = RawRows(
    "derivatives",
    "row",
    (
        Column("open_interest", "base asset", "Contracts that are open.", above=0, nullable=True),
        Column("open_interest_value", "quote currency", "Their value.", above=0, nullable=True),
        *(Column(name, "ratio", f"{what}.", least=0, nullable=True) for name, what in _RATIOS),
    ),
    _derivatives,
    rules={"has_a_value": pl.any_horizontal(pl.col(_VALUES).is_not_null())},
    length=FIVE_MINUTES,
)
"""Open interest, long-short ratios and taker volume of five minutes. A row counts as known when its five minutes are
over: whether a source stamps their begin or their end, no value is known before it was."""
