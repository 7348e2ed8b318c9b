"""The universe as it was: who was listed, who traded, and how much, as of each bar."""

import polars as pl

from crypto_features.compute.cross import rank
from crypto_features.compute.windows import window_sum
from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.bars import DAY, Bars
from crypto_features.tables.feature import NOT_NEGATIVE, Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join

SEASON, MONTH = 365, 30
"""Days after which the age of a symbol is not counted further, and days over which its volume is added."""


def universe(name: str, *, bars: Bars) -> FeatureGroup:
    """The cross-section that says who was there: a row for each bar of a symbol, from candles up to its close.

    A symbol is in it from its first bar to its last, so one that was delisted stays in the past. No list of symbols is
    read. Columns: `listed_days` (days since the first bar, counted up to 364), `last_traded` (close of the last bar
    with volume, of the last 30 days; null without one), `quote_volume` (close × volume, added up over 30 days; null
    before) and `volume_rank` (0 of the least `quote_volume` to 1 of the greatest).

    Args:
        name: Name of the table.
        bars: Its bars, a day long or shorter.

    Raises:
        InputError: if `bars` are longer than a day.
    """
    of_day = DAY // length(bars.every, f"the length of {bars.name}")
    if of_day < 1:
        raise InputError(f"{name} is declared over {bars.name}, of {bars.every}; expected bars of a day or less.")
    opened, traded = pl.col("open_time"), pl.col("volume") > 0
    season, month = SEASON * of_day, MONTH * of_day
    last = pl.when(traded).then(opened).rolling_max(month, min_samples=1)
    aged = {"age": (opened - opened.rolling_min(season, min_samples=1)).dt.total_days()}
    recent = {"last": last, "quoted": window_sum(pl.col("close") * pl.col("volume"), month)}
    reach = 2 * length(bars.every, bars.name)
    return FeatureGroup(
        name,
        "Who was listed, who traded and how much, as of each bar.",
        bars=bars,
        across="symbols",
        joins=(
            Join(bars, reach, aged, window=season, at="close", name="season"),
            Join(bars, reach, recent, window=month, at="close", name="month"),
        ),
        features=(
            Feature(
                "listed_days", pl.col("season.age"), "Days since the first bar, up to 364.", "days", dtype=pl.Int64
            ),
            Feature(
                "last_traded",
                pl.col("month.last") + length(bars.every, bars.name),
                "Close of the last bar with volume, of the last 30 days.",
                "time",
                dtype=pl.Datetime,
            ),
            Feature(
                "quote_volume",
                pl.col("month.quoted"),
                "Close · volume, added up over 30 days.",
                "quote currency",
                bounds=NOT_NEGATIVE,
            ),
            Feature(
                "volume_rank",
                rank("month.quoted"),
                "Rank of quote_volume, 1 of the greatest.",
                "0 to 1",
                bounds=(0, 1),
            ),
        ),
    )
