"""The history of a real data folder: its tables, its candles in every version, and its models."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import polars as pl
from upath import UPath

from crypto_features.clock import as_utc
from crypto_features.errors import InputError
from crypto_features.known.history import FittedVersion, History
from crypto_features.known.knowledge import TIME
from crypto_features.lake.contract import CANDLE_SCHEMA
from crypto_features.lake.folder import Folder
from crypto_features.lake.table import Table
from crypto_features.shipped.regime_model import RegimeModel
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.graph import MODEL, RAW
from crypto_features.versions.provenance import PUBLISHED_AT

SUPERSEDED = "superseded"
"""Folder below that of the models with those that were replaced: `<month>/<version>.json`."""


def history(
    root: UPath, *, interval: timedelta, wait: timedelta, min_completeness: float = MIN_COMPLETENESS
) -> History:
    """What a data folder holds, read when it is asked for.

    Args:
        root: The data folder.
        interval: Length of a base candle.
        wait: How long after its close a candle may come and still count as known at its close.
        min_completeness: Share of its candles that a bar needs, of a group that declares none.
    """
    raw = Table(root, RAW, time="open_time")
    published = raw.months()

    def versions(months: Sequence[str], columns: Sequence[str] | None, symbols: Collection[str]) -> pl.DataFrame:
        there = [month for month in months if month in published]
        if not there:
            empty = pl.DataFrame(schema={**CANDLE_SCHEMA, "known_at": TIME})
            return empty if columns is None else empty.select(columns)
        return raw.collect(raw.scan(there, columns).filter(pl.col("symbol").is_in(list(symbols))))

    return History(Folder(root).read, versions, _first_seen(raw), models_of(root), interval, wait, min_completeness)


def oldest_close(root: UPath, interval: timedelta) -> datetime | None:
    """When the oldest candle closed, UTC; none if no candle is stored."""
    raw = Table(root, RAW, time="open_time")
    if not raw.months():
        return None
    oldest = raw.collect(raw.scan(raw.months()[:1]).select(pl.col("open_time").min())).item()
    return oldest + interval if isinstance(oldest, datetime) else None


def _first_seen(raw: Table) -> Mapping[str, datetime]:
    if not raw.months():
        return {}
    first = raw.scan(columns=["symbol", "known_at"]).group_by("symbol").agg(pl.col("known_at").min())
    return dict(raw.collect(first).iter_rows())


def models_of(root: UPath) -> Mapping[str, Sequence[FittedVersion]]:
    """By month, the models of a data folder that were replaced, oldest first, and the one in force."""
    folder = root / MODEL
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.glob("*.json")):
        replaced = sorted(_fitted((folder / SUPERSEDED / path.stem).glob("*.json")), key=lambda one: one.published_at)
        if current := [*_fitted([path])]:
            found[path.stem] = [*replaced, *current]
    return found


def _fitted(paths: Iterable[UPath]) -> Iterator[FittedVersion]:
    """The models in some files; one that is not whole counts as missing."""
    for path in paths:
        with suppress(InputError, UnicodeDecodeError):
            model = RegimeModel.from_json(text := path.read_text(encoding="utf-8"))
            noted = json.loads(text).get("notes", {}).get(PUBLISHED_AT)
            published = as_utc(datetime.fromisoformat(noted)) if noted else datetime.min.replace(tzinfo=UTC)
            yield FittedVersion(model.version, published, text)
