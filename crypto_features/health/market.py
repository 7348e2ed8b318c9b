"""The sources of raw rows: whether they answer, and how new their newest row is."""

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta

from crypto_features import clock
from crypto_features.durations import spoken
from crypto_features.errors import CryptoFeaturesError
from crypto_features.health.finding import Finding, ok, warn, wrong
from crypto_features.settings import Settings
from crypto_features.sources import source_of
from crypto_features.sources.source import PartlyFetchedError, Source
from crypto_features.tables.catalog import Catalog

PATIENCE = timedelta(seconds=5)
"""For how long a request that fails is made again."""
SPAN = timedelta(days=3)
"""How far back a newest row is looked for."""


def market(catalog: Catalog) -> Iterator[Finding]:
    """What each source of this project offers now."""
    for raw in catalog.raws.values():
        if raw.project is not None:
            continue
        about = "source" if raw is catalog.raw else f"source of {raw.name}"
        # What a source remembers of its files goes to a folder of its own: looking leaves nothing in the data folder.
        with tempfile.TemporaryDirectory(prefix="crypto_features_doctor_") as folder:
            settings = Settings(data=folder, patience=PATIENCE)
            try:
                offered = source_of(settings, raw)
                yield _of(about, offered, settings)
            except CryptoFeaturesError as error:
                todo = "mind the network and the source's own status; then crypto-features fetch"
                yield wrong(about, str(error), todo)


def _of(about: str, offered: Source, settings: Settings) -> Finding:
    symbols, now = offered.symbols(), clock.now()
    wanted = settings.symbols or symbols
    if unknown := sorted({*wanted} - {*symbols}):
        text = f"{offered.name} has no {', '.join(unknown)}."
        return wrong(about, text, "correct CRYPTO_FEATURES_SYMBOLS")
    last = offered.end() or _newest(offered, wanted[0], now, settings.interval)
    if last is None:
        text = f"{offered.name} answers, and has no candle of {wanted[0]} since {now - SPAN:%Y-%m-%d %H:%M} UTC."
        return warn(about, text, "see whether that market is traded")
    when = f"the last candle closed at {last:%Y-%m-%d %H:%M} UTC, {spoken(max(now - last, timedelta(0)))} ago"
    return ok(about, f"{offered.name}: {len(wanted)} symbols; {when}")


def _newest(offered: Source, symbol: str, now: datetime, interval: timedelta) -> datetime | None:
    try:
        rows = offered.fetch(symbol, now - SPAN, now)
    except PartlyFetchedError as error:
        rows = error.candles
    last = rows[next(name for name in ("open_time", "event_timestamp") if name in rows.columns)].max()
    return last + interval if isinstance(last, datetime) else None
