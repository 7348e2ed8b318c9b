"""How candles became final, how late, and whether REST agreed: the ledger that the journal is. Pure."""

from collections.abc import Iterable
from datetime import timedelta

import polars as pl

from crypto_features.lake.journal import Entry
from crypto_features.tables.dtypes import TIME

AGREED = "agreed"
_SCHEMA = pl.Schema({"symbol": pl.String(), "open_time": TIME, "known_at": TIME, "how": pl.String()})


def ledger(entries: Iterable[Entry], interval: timedelta) -> pl.DataFrame:
    """What the journal says of each symbol, the worst first.

    Args:
        entries: The entries, in their order.
        interval: Length of a candle.

    Returns:
        `symbol, candles, flag, successor, rest, corrected, agreed, late, latest`: candles that became final, how many
        by what; how many were other ones when REST was asked, and how many the same; median and greatest time in
        seconds from a candle's close until it was known. Sorted by the share that came by REST, then by `late`.
    """
    rows = pl.DataFrame([tuple(entry[:4]) for entry in entries], _SCHEMA, orient="row")
    how, late = pl.col("how"), (pl.col("known_at") - pl.col("open_time") - interval).dt.total_microseconds()
    candles = rows.filter(how != AGREED).with_columns(version=pl.int_range(pl.len()).over("symbol", "open_time"))
    first = pl.col("version") == 0
    found = candles.group_by("symbol").agg(
        candles=first.sum(),
        **{name: (first & (how == name)).sum() for name in ("flag", "successor", "rest")},
        corrected=(~first).sum(),
        late=(late.filter(first).median() / 1e6).round(6),
        latest=(late.filter(first).max() / 1e6).round(6),
    )
    agreed = rows.filter(how == AGREED).group_by("symbol").agg(agreed=pl.col("open_time").n_unique())
    joined = found.join(agreed, on="symbol", how="left").with_columns(pl.col("agreed").fill_null(0))
    ranked = joined.sort(pl.col("rest") / pl.col("candles"), "late", "symbol", descending=[True, True, False])
    return ranked.select(*found.columns[:6], "agreed", "late", "latest")
