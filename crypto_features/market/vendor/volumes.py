"""Whether a volume in the base asset and one in the quote currency are what their names say, in every row."""

import polars as pl

from crypto_features.errors import InputError
from crypto_features.market.vendor.columns import Columns

_TOLERANCE = 0.05
_NEAR_ONE = 2.0
"""Prices within a factor of two of 1 do not tell the two volumes apart."""


def check_volumes(candles: pl.LazyFrame, found: Columns, where: str) -> None:
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
            f"can mend that, split the file or take another. {where}"
        )
    if seen["swapped"]:
        raise InputError(
            f"{found.volume!r} holds the quote currency and {found.quote_volume!r} the base asset, by their sizes; "
            f"decide by CRYPTO_FEATURES_FILES_COLUMNS=volume={found.quote_volume}. {where}"
        )
