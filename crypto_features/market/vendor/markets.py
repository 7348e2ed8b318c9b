"""Which markets a file holds, by its column that names them."""

import polars as pl

from crypto_features.errors import InputError
from crypto_features.market.names import check_symbol
from crypto_features.market.vendor.pairs import pairs, same_market

OWN = ""
"""Stands for the market that a file is named after."""
_SHOWN = 5


def markets_of(rows: pl.LazyFrame, named: str, where: str) -> dict[str, str]:
    """The symbol of each market of a file that holds many; empty if it holds the one that it is named after.

    Args:
        rows: Rows with a column `pair`.
        named: The market of the file's name.
        where: The file and its first rows, for errors.

    Raises:
        InputError: if it holds another market, or several and its own among them, or rows of none.
    """
    unique = rows.select(pl.col("pair").unique()).collect(engine="streaming").to_series()
    found = sorted(unique.drop_nulls())
    mine = [pair for pair in found if same_market(named, pair)]
    if not found or (mine == found and len({symbol_of(pair) for pair in found}) == 1):
        return {}
    if len(found) == 1:
        raise InputError(f"the file is named {named} and holds {found[0]}; rename it to its market. {where}")
    if mine:
        raise InputError(
            f"the file is named {named} and mixes {len(found)} markets ({', '.join(found[:_SHOWN])}); write a file for "
            f"each, or give it a name that is not a market. {where}"
        )
    if unique.null_count():
        raise InputError(f"the file mixes {len(found)} markets, and some rows name none; correct them. {where}")
    return {pair: symbol_of(pair) for pair in found}


def symbol_of(pair: str) -> str:
    """A market as a symbol: as it is written if it can be, else its base and quote.

    >>> symbol_of("BTC"), symbol_of("eth-usd"), symbol_of("BTC/USDT")
    ('BTC', 'ETH-USD', 'BTCUSDT')
    """
    try:
        return check_symbol(pair.strip().upper())
    except InputError:
        most = max(pairs(pair), key=lambda found: found.quote is not None)
        return check_symbol(f"{most.base}{most.quote or ''}")
