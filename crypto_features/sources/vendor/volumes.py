"""Whether a volume counts the base asset or the quote currency, by its name, by its size, and beside another."""

from datetime import timedelta

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.vendor.columns import Columns

_TOLERANCE = 0.05
_NEAR_ONE = 2.0
"""Prices within a factor of two of 1 do not tell the two volumes apart."""
_MOST_A_DAY = 1e12
"""More than any coin's turnover in a day, in dollars: a hundred times the largest that was ever reported."""
_DAY = timedelta(days=1)


def is_quote(found: Columns, decided: str | None) -> bool:
    """Whether the volume that is taken counts the quote currency: as decided, or else as the columns' names say."""
    if decided is not None:
        return decided == "quote"
    return found.volume is None or found.volume_is_quote


def check_size(candles: pl.LazyFrame, length: timedelta, found: Columns, where: str) -> None:
    """Refuse a volume that is too large for one in the base asset: times the price, no market trades as much.

    Raises:
        InputError: if half of the candles are worth more than a coin's turnover ever was.
    """
    worth = (pl.col("volume") * pl.col("close")).filter(pl.col("volume") > 0).median() * (_DAY / length)
    most = candles.select(worth).collect(engine="streaming").item()
    if most is not None and most > _MOST_A_DAY:
        raise InputError(
            f"the volume {found.volume!r} is worth {most:.1e} a day at these prices, more than any coin's turnover: it "
            "seems to count the quote currency. Decide by CRYPTO_FEATURES_FILES_VOLUME=quote, or =base if it is "
            f"right. {where}"
        )


def check_pair(candles: pl.LazyFrame, found: Columns, where: str) -> None:
    """Quote volume over base volume is the mean price paid, so it lies between low and high; swapped, its inverse does.

    Args:
        candles: The candles, with the quote volume as `quote`.
        found: The file's columns.
        where: The file and its first rows, for errors.

    Raises:
        InputError: if the columns change places within the file, or are the other way round.
    """
    paid = pl.col("quote") / pl.col("volume")
    low, high = pl.col("low") * (1 - _TOLERANCE), pl.col("high") * (1 + _TOLERANCE)
    tells = (
        (pl.max_horizontal("close", 1 / pl.col("close")) > _NEAR_ONE) & (pl.col("volume") > 0) & (pl.col("quote") > 0)
    )
    right = tells & paid.is_between(low, high)
    swapped = tells & (1 / paid).is_between(low, high)
    seen = (
        candles.select(
            right=right.sum(),
            swapped=swapped.sum(),
            first_swapped=pl.col("open_time").filter(swapped).min(),
            last_swapped=pl.col("open_time").filter(swapped).max(),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    names = f"{found.volume!r} and {found.quote_volume!r}"
    if seen["right"] and seen["swapped"]:
        raise InputError(
            f"the volume columns {names} change places within the file: in {seen['swapped']} rows, from "
            f"{seen['first_swapped']} to {seen['last_swapped']}, {found.volume!r} holds the quote currency; no setting "
            f"can fix that, split the file or take another. {where}"
        )
    if seen["swapped"]:
        raise InputError(
            f"{found.volume!r} holds the quote currency and {found.quote_volume!r} the base asset, by their sizes; "
            f"decide by CRYPTO_FEATURES_FILES_COLUMNS=volume={found.quote_volume}. {where}"
        )
