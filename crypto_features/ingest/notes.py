"""What a partition of raw rows notes beside them: where they come from, and which of them there are."""

import json
from datetime import timedelta

import polars as pl

from crypto_features.ingest.venue import VENUE, venue_of
from crypto_features.lake.spans import number, spans_of, to_texts
from crypto_features.sources.source import Source
from crypto_features.tables.months import month_span
from crypto_features.tables.raw_rows import RawRows


def nature(source: Source, base: timedelta) -> dict[str, str]:
    """What all partitions of a table have in common: length of a base candle, venue, and whether they are made up."""
    return {"interval": str(base), "synthetic": str(source.synthetic).lower(), VENUE: venue_of(source)}


def partition_notes(month: str, rows: pl.DataFrame, source: Source, kind: RawRows, base: timedelta) -> dict[str, str]:
    """The notes of a month: its nature, its source, the newest row of each symbol, and which rows each has."""
    step = kind.step_of(base)
    gained = (value.alias(name) for name, value in kind.gains.items() if name not in rows.columns)
    spans = spans_of(rows.with_columns(gained), step, kind.holds)
    newest = rows.group_by("symbol", maintain_order=True).agg(pl.col("open_time").max()).sort("symbol")
    last = {symbol: time.isoformat() for symbol, time in newest.iter_rows()}
    held = to_texts(spans, number(month_span(month)[0], step))
    return nature(source, base) | {"source": source.name, "last": json.dumps(last), "held": json.dumps(held)}


def without_untold(rows: pl.DataFrame, kind: RawRows) -> pl.DataFrame:
    """The rows without the further columns that no source has told."""
    further = {column.name for column in kind.columns if column.further}
    return rows.drop(name for name in rows.columns if name in further and rows[name].null_count() == rows.height)
