"""What fetched rows add to the stored ones: pure, so that append-only can be seen and tested in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from crypto_features.lake.candles import current
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.raw_rows import RAW_KEY, RawRows

STAMP = pl.Datetime("us", "UTC")


def corrected_schema(rows: Mapping[str, Any]) -> pl.Schema:
    """Names and types of corrected rows: those of the rows, `known_at`, and each value as it was."""
    was = {f"{name}_was": dtype for name, dtype in rows.items() if name not in RAW_KEY}
    return pl.Schema({**rows, "known_at": STAMP, **was})


@dataclass(frozen=True)
class Merge:
    """Rows that were never seen, and those that came back different, in `corrected_schema`."""

    new: pl.DataFrame
    corrected: pl.DataFrame

    def append_to(self, stored: pl.DataFrame | None) -> pl.DataFrame | None:
        """The stored rows and the added ones; `None` if there is nothing to add."""
        added = pl.concat([self.new, self.corrected.select(self.new.columns)])
        if added.is_empty():
            return None
        if stored is None:
            return added
        order = dict.fromkeys([*(name for name in (*added.columns, *stored.columns) if name != "known_at"), "known_at"])
        return pl.concat([stored, added], how="diagonal").select(*order)


def merge(
    stored: pl.DataFrame | None, fetched: pl.DataFrame, now: datetime | pl.Series, kind: RawRows = CANDLES
) -> Merge:
    """Compare fetched rows with the version of each that is known now.

    A source may give more columns than the one before it, or fewer: a column that only one of the two has makes no
    correction.

    Args:
        stored: Raw rows with `known_at`, or `None`.
        fetched: Rows in the schema of their kind, one row for each symbol and open time.
        now: The time at which they became known, or at which each did. A correction is known later than the version it
            corrects, even if the clock was set back.
        kind: What the rows are.
    """
    schema, keys = corrected_schema(fetched.schema), [*RAW_KEY, "known_at"]
    stamped = fetched.with_columns(known_at=now if isinstance(now, pl.Series) else pl.lit(now, STAMP))
    if stored is None:
        return Merge(stamped, pl.DataFrame(schema=schema))
    values = [name for name in fetched.columns if name not in RAW_KEY]
    lacking = [pl.lit(None, fetched.schema[name]).alias(name) for name in values if name not in stored.columns]
    before = current(stored).with_columns(lacking).select(*keys, *values)
    joined = stamped.join(before, on=RAW_KEY, how="left", suffix="_was", maintain_order="left")
    known = pl.col("known_at_was").is_not_null()
    told = [c.name for c in kind.columns if c.nullable and not c.further]
    differs = pl.any_horizontal(
        *(pl.col(name) != pl.col(f"{name}_was") for name in values),
        *(pl.col(name).is_not_null() & pl.col(f"{name}_was").is_null() for name in told),
    )
    later = pl.max_horizontal("known_at", pl.col("known_at_was") + timedelta(microseconds=1))
    return Merge(
        joined.filter(~known).select(stamped.columns),
        joined.filter(known & differs).with_columns(known_at=later).select(schema.names()),
    )
