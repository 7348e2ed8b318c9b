"""How candles became final, how late, and whether REST agreed: the ledger that the journal is. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from crypto_features.lake.journal import Entry
from crypto_features.live.finality import How
from crypto_features.live.told import PRICES, Prices
from crypto_features.tables.dtypes import TIME

AGREED = "agreed"
_BY_REST = (AGREED, How.REST)
_SCHEMA = pl.Schema({"symbol": pl.String(), "open_time": TIME, "known_at": TIME, "how": pl.String()})


def unconfirmed(entries: Iterable[Entry]) -> list[tuple[str, datetime, Prices]]:
    """The candles that only the stream has told, each with its last prices."""
    found: dict[tuple[str, datetime], Prices] = {}
    for entry in entries:
        found.pop((entry.symbol, entry.open_time), None)
        if entry.how not in _BY_REST:
            opened, high, low, close, volume = (float(entry.values[name]) for name in PRICES)
            found[entry.symbol, entry.open_time] = opened, high, low, close, volume
    return [(symbol, time, prices) for (symbol, time), prices in found.items()]


def ledger(entries: Iterable[Entry], interval: timedelta, exchange: str) -> pl.DataFrame:
    """What the journal says of an exchange, and then of each symbol, the worst first.

    Args:
        entries: The entries, in their order.
        interval: Length of a candle.
        exchange: What the row of all symbols is named.

    Returns:
        `symbol, candles, flag, successor, rest, corrected, agreed, late, latest`: candles that became final, how many
        by what; how many were other ones when REST was asked, and how many the same; median and greatest time in
        seconds from a candle's close until it was known. Symbols are sorted by the share that came by REST, then by
        `late`. Empty without candles.
    """
    rows = pl.DataFrame([tuple(entry[:4]) for entry in entries], _SCHEMA, orient="row")
    how, late = pl.col("how"), (pl.col("known_at") - pl.col("open_time") - interval).dt.total_microseconds()
    candles = rows.filter(how != AGREED).with_columns(version=pl.int_range(pl.len()).over("symbol", "open_time"))
    first = pl.col("version") == 0
    agreed = rows.filter(how == AGREED).unique(["symbol", "open_time"]).group_by("symbol").agg(agreed=pl.len())
    counts = {
        "candles": first.sum(),
        **{name: (first & (how == name)).sum() for name in ("flag", "successor", "rest")},
        "corrected": (~first).sum(),
        "agreed": pl.col("agreed").first(),
        "late": (late.filter(first).median() / 1e6).round(6),
        "latest": (late.filter(first).max() / 1e6).round(6),
    }
    joined = candles.join(agreed, on="symbol", how="left").with_columns(pl.col("agreed").fill_null(0))
    found = joined.group_by("symbol").agg(**counts)
    ranked = found.sort(pl.col("rest") / pl.col("candles"), "late", "symbol", descending=[True, True, False])
    whole = joined.with_columns(symbol=pl.lit(exchange)).group_by("symbol").agg(**counts)
    return pl.concat([whole.with_columns(agreed=found["agreed"].sum()).cast(ranked.schema), ranked])
