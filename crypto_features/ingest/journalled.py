"""Candles that came live, from the journal into the lake, each with the time at which it was known."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import polars as pl

from crypto_features.ingest.merge import merge
from crypto_features.ingest.notes import nature, partition_notes, without_untold
from crypto_features.ingest.venue import VENUE, noted_venue
from crypto_features.lake import journal
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.sources.source import Source
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.raw_rows import RAW_KEY
from crypto_features.whole_file import on_disk, whole_file

MERGED = "merged.json"
"""By file of the journal, up to where it is in the lake: what is merged again changes nothing."""
KEPT_DAYS = 14
"""So many files stay, for `crypto-features live report`."""


def merge_journal(source: Source, table: Table, *, interval: timedelta) -> int:
    """Bring what was journalled since the last time into the lake; how many candles and corrections were new there.

    It is killed without harm: a month is published whole, and what is not noted as merged is merged again.

    Args:
        source: The source by which the lake is filled, whose candles the live ones are, too.
        table: The candles.
        interval: Length of a candle.

    Raises:
        UnreadableTableError: if a file of the journal is damaged.
    """
    root = on_disk(table.root)
    if root is None or not (folder := root / journal.FOLDER).is_dir() or not _is_alike(table, source, interval):
        return 0
    ends = merged_ends(folder)
    entries = []
    for entry, name, end in journal.read(folder, ends):
        entries.append(entry)
        ends[name] = end
    candles, added = journal.frame(entries), 0
    months = candles.with_columns(month=pl.col("open_time").dt.strftime("%Y-%m"))
    for (month,), part in sorted(months.partition_by("month", as_dict=True, include_key=False).items()):
        added += _merge_month(table, str(month), part, source, interval)
    if entries:
        _note(folder, ends)
    return added


def merged_ends(folder: Path) -> dict[str, int]:
    """By file of a journal, up to where it is in the lake."""
    try:
        found: dict[str, int] = json.loads((folder / MERGED).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _is_alike(table: Table, source: Source, interval: timedelta) -> bool:
    """Whether the lake holds the source's candles; those of another one are refused when they are fetched."""
    mine, published = nature(source, interval), table.months()
    noted = table.metadata(published[-1]) if published else {}
    return noted_venue(noted, mine[VENUE]) == mine[VENUE] and mine.items() <= {**mine, **noted}.items()


def _merge_month(table: Table, month: str, candles: pl.DataFrame, source: Source, interval: timedelta) -> int:
    added = 0

    def change(stored: pl.DataFrame | None) -> tuple[pl.DataFrame, Mapping[str, str]] | None:
        nonlocal added
        rows = stored
        for version in _versions(candles):
            fetched = version if rows is None else _later(version, rows)
            outcome = merge(rows, without_untold(fetched.drop("known_at"), CANDLES), fetched["known_at"])
            added += outcome.new.height + outcome.corrected.height
            more = outcome.append_to(rows)
            rows = rows if more is None else more
        if rows is None or not added:
            return None
        rows = without_untold(rows, CANDLES)
        return rows, partition_notes(month, rows, source, CANDLES, interval)

    table.update(month, change)
    return added


def _versions(candles: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The first version of each candle, then the second of those that have one, and so on."""
    numbered = candles.with_columns(version=pl.int_range(pl.len()).over(RAW_KEY))
    for version in sorted(set(numbered["version"])):
        yield numbered.filter(version=version).drop("version")


def _later(candles: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The candles without those of which the lake has a version that was known later."""
    newest = current(stored).select(*RAW_KEY, newest="known_at")
    joined = candles.join(newest, on=RAW_KEY, how="left", maintain_order="left")
    return joined.filter(pl.col("newest").is_null() | (pl.col("newest") < pl.col("known_at"))).drop("newest")


def _note(folder: Path, ends: Mapping[str, int]) -> None:
    """Note what is merged, and remove the oldest files of which all is."""
    files = sorted(path.name for path in folder.glob("*.jsonl"))
    for name in files[:-KEPT_DAYS]:
        if ends.get(name) == (folder / name).stat().st_size:
            (folder / name).unlink()
    kept = {name: end for name, end in ends.items() if (folder / name).exists()}
    with whole_file(folder / MERGED) as file:
        file.write(json.dumps(kept).encode())
