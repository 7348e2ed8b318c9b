"""Whether a volume counts the base asset or the quote currency, by its name, by its size, and beside another."""

from datetime import timedelta

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.vendor.columns import Columns
from crypto_features.sources.vendor.pairs import pairs

_TOLERANCE = 0.05
_NEAR_ONE = 2.0
"""Prices within a factor of two of 1 do not tell the two volumes apart."""
_MOST_A_DAY = 3e10
"""More than an exchange ever traded of one coin on most days, in dollars: more than twice the busiest ones."""
_PER_DOLLAR = {
    "MXN": 20.0,
    "ZAR": 20.0,
    "TRY": 50.0,
    "UAH": 50.0,
    "INR": 100.0,
    "RUB": 100.0,
    "JPY": 150.0,
    "KRW": 1_500.0,
    "NGN": 1_700.0,
    "IDR": 17_000.0,
    "VND": 27_000.0,
}
"""About how many units of a currency a dollar was worth at most."""
_DEAREST = 1e6
"""No coin costs as many dollars: higher prices are in a smaller currency."""
_DAY = timedelta(days=1)


def is_quote(found: Columns, decided: str | None) -> bool:
    """Whether the volume that is taken counts the quote currency: as decided, or else as the columns' names say."""
    if decided is not None:
        return decided == "quote"
    return found.volume is None or found.volume_is_quote


def check_size(candles: pl.LazyFrame, length: timedelta, found: Columns, market: str, where: str) -> None:
    """Refuse a volume that is too large for one in the base asset: times the price, no market trades as much.

    Raises:
        InputError: if half of the candles are worth more than an exchange trades of one coin.
    """
    traded = candles.filter(pl.col("volume") > 0, pl.col("close") > 0)
    names = [market, *(traded.select(pl.col("pair").unique()).collect()["pair"].drop_nulls() if found.pair else ())]
    quotes = {pair.quote for name in names for pair in pairs(name)}
    worth, price = (
        traded.select(worth=pl.col("volume") * pl.col("close"), price="close")
        .median()
        .collect(engine="streaming")
        .row(0)
    )
    if worth is None:
        return
    per_dollar = max(price / _DEAREST, 1.0, *(_PER_DOLLAR.get(quote or "", 1.0) for quote in quotes))
    a_day = worth * (_DAY / length)
    if a_day > _MOST_A_DAY * per_dollar:
        raise InputError(
            f"the volume {found.volume!r} is worth {a_day:.1e} a day at these prices, more than any exchange trades of "
            "one coin: it seems to count the quote currency. Decide by CRYPTO_FEATURES_FILES_VOLUME=quote, or =base if "
            f"it is right. {where}"
        )


def check_pair(candles: pl.LazyFrame, found: Columns, where: str) -> None:
    """Quote volume over base volume is the mean price paid, so it lies between low and high; swapped, its inverse does.

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
