"""The history of a real data folder: its tables, its candles in every version, and its models."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
from upath import UPath

from crypto_features.clock import as_utc
from crypto_features.known.history import FittedVersion, History, Versions
from crypto_features.known.knowledge import TIME
from crypto_features.lake.folder import Folder
from crypto_features.lake.model_files import read_model
from crypto_features.lake.models import SUPERSEDED
from crypto_features.lake.table import Table, stored
from crypto_features.settings import Settings
from crypto_features.tables.artefact import opened
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.raw_rows import RawRows
from crypto_features.versions.provenance import PUBLISHED_AT


def history(
    root: UPath, catalog: Catalog, *, interval: timedelta, wait: timedelta, min_completeness: float = MIN_COMPLETENESS
) -> History:
    """What a data folder holds, read when it is asked for.

    Args:
        root: The data folder.
        catalog: The tables.
        interval: Length of a base candle.
        wait: How long after its close a candle may come and still count as known at its close.
        min_completeness: Share of its candles that a bar needs, of a group that declares none.
    """
    tables = {name: stored(root, catalog, name) for name in catalog.raws}
    raws = {name: (_versions(raw, catalog.raws[name].rows), _first_seen(raw)) for name, raw in tables.items()}
    models = {name: models_of(root, name) for name in catalog.models}
    return History(Folder(root, catalog).read, raws, models, catalog, interval, wait, min_completeness)


def history_of(settings: Settings, catalog: Catalog) -> History:
    """What the data folder of the settings holds."""
    return history(
        settings.root,
        catalog,
        interval=settings.interval,
        wait=settings.late_wait,
        min_completeness=settings.min_completeness,
    )


def _versions(raw: Table, kind: RawRows) -> Versions:
    published = raw.months()

    def versions(months: Sequence[str], columns: Sequence[str] | None, symbols: Collection[str]) -> pl.DataFrame:
        there = [month for month in months if month in published]
        if not there:
            empty = pl.DataFrame(schema={**kind.full_schema, "known_at": TIME})
            return empty if columns is None else empty.select(columns)
        return raw.collect(raw.scan(there, columns).filter(pl.col("symbol").is_in(list(symbols))))

    return versions


def oldest_close(root: UPath, catalog: Catalog, interval: timedelta) -> datetime | None:
    """When the oldest candle closed, UTC; none if no candle is stored."""
    raw = stored(root, catalog, catalog.raw.name)
    if not raw.months():
        return None
    oldest = raw.collect(raw.scan(raw.months()[:1]).select(pl.col("open_time").min())).item()
    return oldest + interval if isinstance(oldest, datetime) else None


def _first_seen(raw: Table) -> Mapping[str, datetime]:
    if not raw.months():
        return {}
    first = raw.scan(columns=["symbol", "known_at"]).group_by("symbol").agg(pl.col("known_at").min())
    return dict(raw.collect(first).iter_rows())


def models_of(root: UPath, name: str) -> Mapping[str, Sequence[FittedVersion]]:
    """By month, what was replaced of a model, oldest first, and what is in force.

    Raises:
        InputError: if one of them is damaged: what was known would be computed from another.
    """
    folder = root / name
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.glob("*.json")):
        replaced = _fitted((folder / SUPERSEDED / path.stem).glob("*.json"), folder, path.stem)
        current = _fitted([path], folder, path.stem)
        found[path.stem] = [*sorted(replaced, key=lambda one: one.published_at), *current]
    return found


def _fitted(paths: Iterable[UPath], folder: UPath, month: str) -> Iterator[FittedVersion]:
    for path in paths:
        model = opened(text := read_model(path, folder, month))
        noted = model.notes.get(PUBLISHED_AT)
        published = as_utc(datetime.fromisoformat(noted)) if noted else datetime.min.replace(tzinfo=UTC)
        yield FittedVersion(model.version, published, text)
