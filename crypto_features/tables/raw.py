"""Raw tables: rows as a source gave them, with the time at which each version became known."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

import polars as pl

from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.raw_rows import RawRows
from crypto_features.tables.table import Table

CANDLE = ("open", "high", "low", "close", "volume", "completeness")
"""The columns of a bar beside its symbol and time."""
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False, repr=False)
class RawTable(Table):
    """Rows from a source, each version with `known_at`; candles of the base interval by default.

    Args:
        name: Name of the table, the folder and the asset.
        description: What it holds.
        project: The project that fetches them, if that is another one than the catalog's.
        rows: What its rows are.
        source: Where they come from: `ccxt`, `ccxt:okx` for an exchange of its own, `archive`, or `module:function`.
            `None` for what the settings choose: CRYPTO_FEATURES_SOURCE for candles, CRYPTO_FEATURES_DERIVATIVES_SOURCE
            for funding and open interest. A table has one origin and refuses rows of another.
    """

    name: str
    description: str = ""
    project: str | None = None
    rows: RawRows = field(default=CANDLES, kw_only=True)
    source: str | None = field(default=None, kw_only=True)
    time: ClassVar[str] = "open_time"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its rows."""
        return self.rows.values

    @property
    def has_prices(self) -> bool:
        """Whether bars can be made of its rows."""
        return {*CANDLE} <= {*self.columns}

    def bar(self, base: timedelta) -> timedelta:
        """How long after its `open_time` a row is known: of candles the base interval."""
        return self.rows.length_of(base)

    def stand_in(self, candles: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
        """Rows that stand for its own, for probes: made from candles alone, so that what reads ahead shows.

        Args:
            candles: `symbol, open_time, open, high, low, close, volume` and whatever else.
            interval: Length of a candle.
        """
        if self.has_prices and self.source is not None:  # another venue has other prices.
            candles = candles.with_columns(pl.col(_PRICES) * (1 + (pl.col("close") * 1000 % 7 - 3) / 1000))
        return self.rows.stand_in(candles, interval)
