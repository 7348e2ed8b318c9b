"""What fetched candles add to the stored ones: pure, so that append-only can be seen and tested in one place."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from crypto_features.lake.candles import current
from crypto_features.lake.contract import CANDLE_SCHEMA, KEY, PRICES

VALUES = (*PRICES, "volume", "completeness")
STAMP = pl.Datetime("us", "UTC")
CORRECTED_SCHEMA = pl.Schema({**CANDLE_SCHEMA, "known_at": STAMP, **{f"{name}_was": pl.Float64() for name in VALUES}})


@dataclass(frozen=True)
class Merge:
    """Candles that were never seen, and those that came back different, in `CORRECTED_SCHEMA`."""

    new: pl.DataFrame
    corrected: pl.DataFrame

    def append_to(self, stored: pl.DataFrame | None) -> pl.DataFrame | None:
        """The stored rows and the added ones; `None` if there is nothing to add."""
        added = pl.concat([self.new, self.corrected.select(self.new.columns)])
        if added.is_empty():
            return None
        return added if stored is None else pl.concat([stored.select(added.columns), added])


def merge(stored: pl.DataFrame | None, fetched: pl.DataFrame, now: datetime) -> Merge:
    """Compare fetched candles with the version of each that is known now.

    Args:
        stored: Raw candles with `known_at`, or `None`.
        fetched: Candles in `CANDLE_SCHEMA`, one row for each symbol and open time.
        now: The time at which they became known. A correction is known later than the version it corrects, even if
            the clock was set back.
    """
    stamped = fetched.with_columns(known_at=pl.lit(now, STAMP))
    if stored is None:
        return Merge(stamped, pl.DataFrame(schema=CORRECTED_SCHEMA))
    joined = stamped.join(current(stored), on=KEY, how="left", suffix="_was", maintain_order="left")
    known = pl.col("known_at_was").is_not_null()
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_was") for name in VALUES)
    later = pl.max_horizontal("known_at", pl.col("known_at_was") + timedelta(microseconds=1))
    return Merge(
        joined.filter(~known).select(stamped.columns),
        joined.filter(known & differs).with_columns(known_at=later).select(CORRECTED_SCHEMA.names()),
    )
