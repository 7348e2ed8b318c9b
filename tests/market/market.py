"""Nouns of the market tests: candles, and a source that offers exactly what a test gives it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.errors import CryptoFeaturesError
from crypto_features.lake.contract import CANDLE_SCHEMA
from crypto_features.sources.source import Source

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
LATER = datetime(2025, 1, 1, tzinfo=UTC)


def candles(*symbols: str, start: datetime = START, count: int = 48, interval: timedelta = HOUR) -> pl.DataFrame:
    """Candles whose close is 100, 101, 102, ..."""
    numbers = pl.DataFrame({"i": range(count)}, schema={"i": pl.Int64})
    close = 100.0 + pl.col("i")
    return (
        pl.DataFrame({"symbol": symbols})
        .join(numbers, how="cross")
        .select(
            "symbol",
            (pl.lit(start) + pl.col("i") * interval).cast(pl.Datetime("us", "UTC")).alias("open_time"),
            open=close - 1,
            high=close + 2,
            low=close - 2,
            close=close,
            volume=pl.lit(10.0),
            completeness=pl.lit(1.0),
        )
        .match_to_schema(CANDLE_SCHEMA)
    )


class Offer(Source):
    """Offers the candles that it is given, counts the fetches, and fails for the symbols that it is told to."""

    name = "offer"

    def __init__(
        self, frame: pl.DataFrame, errors: Mapping[str, CryptoFeaturesError] | None = None, venue: str = "offer"
    ) -> None:
        self.venue = venue
        self.frame, self.errors, self.fetched = frame, dict(errors or {}), list[tuple[str, datetime, datetime]]()

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.frame["symbol"].unique()))

    def start(self, symbols: Sequence[str]) -> datetime:
        first = self.frame.filter(pl.col("symbol").is_in(symbols))["open_time"].min()
        assert isinstance(first, datetime)
        return first

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        self.fetched.append((symbol, start, end))
        if symbol in self.errors:
            raise self.errors[symbol]
        return self.frame.filter(pl.col("symbol") == symbol, pl.col("open_time").is_between(start, end, closed="left"))


class Resuming(Offer):
    """The same, asked only for what follows the last stored candle."""

    resumes = True


class Marked(Offer):
    """The same, with a mark that tells when it changed."""

    def mark(self, symbol: str, start: datetime, end: datetime) -> str:
        del start, end
        return str(self.frame.filter(pl.col("symbol") == symbol).hash_rows().sum())
