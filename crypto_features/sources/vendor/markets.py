"""Which markets a file holds, by its column that names them."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from crypto_features.errors import InputError
from crypto_features.lake.path_parts import check_symbol, in_capitals
from crypto_features.sources.vendor.pairs import is_contract, pairs, same_market

OWN = ""
"""Stands for the market that a file is named after."""
_SHOWN = 5


@dataclass(frozen=True)
class Markets:
    """The markets of a file that holds many.

    Args:
        symbols: The symbol of each that is read, by its name in the file.
        passed_over: Why each of the others is not read, by its name in the file.
    """

    symbols: Mapping[str, str]
    passed_over: Mapping[str, str]


def markets_of(rows: pl.LazyFrame, named: str, where: str) -> Markets | None:
    """The markets of a file that holds many; `None` if it holds the one that it is named after.

    Raises:
        InputError: if it holds another market, or several and its own among them, or rows of none, or none can be
            read.
    """
    unique = rows.select(pl.col("pair").unique()).collect(engine="streaming").to_series()
    found = sorted(unique.drop_nulls())
    mine = [pair for pair in found if same_market(named, pair)]
    if not found or (mine == found and len({symbol_of(pair) for pair in found}) == 1):
        return None
    if len(found) == 1:
        contract = ", a perpetual, future or option" if is_contract(found[0]) else ""
        raise InputError(f"the file is named {named} and holds {found[0]}{contract}; rename it to its market. {where}")
    if mine:
        raise InputError(
            f"the file is named {named} and mixes {len(found)} markets ({', '.join(found[:_SHOWN])}); write a file for "
            f"each, or give it a name that is not a market. {where}"
        )
    if unique.null_count():
        raise InputError(f"the file mixes {len(found)} markets, and some rows name none; correct them. {where}")
    passed_over = {pair: why for pair in found if (why := _why_not(pair))}
    if len(passed_over) == len(found):
        raise InputError(f"no market of the file can be read; {found[0]}: {passed_over[found[0]]}. {where}")
    return Markets({pair: symbol_of(pair) for pair in found if pair not in passed_over}, passed_over)


def _why_not(pair: str) -> str:
    if is_contract(pair):
        return "a perpetual, future or option, not a spot market"
    try:
        symbol_of(pair)
    except InputError as error:
        return str(error)
    return ""


def symbol_of(pair: str) -> str:
    """A market as a symbol: as it is written if it can be, else its base and quote.

    >>> symbol_of("BTC"), symbol_of("eth-usd"), symbol_of("BTC/USDT")
    ('BTC', 'ETH-USD', 'BTCUSDT')
    """
    try:
        return check_symbol(in_capitals(pair.strip()))
    except InputError:
        most = max(pairs(pair), key=lambda found: found.quote is not None)
        return check_symbol(f"{most.base}{most.quote or ''}")
