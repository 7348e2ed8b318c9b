"""Stored candles through the very process that runs live, on a virtual clock, and what came of it beside the batch."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.durations import timeframe
from crypto_features.errors import InputError
from crypto_features.lake.folder import published
from crypto_features.lake.journal import Entry, frame
from crypto_features.live.compute import CREATED, Following
from crypto_features.live.kept import followed
from crypto_features.live.process import Edges, Live
from crypto_features.live.simulated import SimulatedExchange
from crypto_features.live.tail import Load
from crypto_features.live.told import PRICES, binance
from crypto_features.live.virtual_time import run
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import months_between
from crypto_features.tables.read import Terms

_AFTER = timedelta(minutes=2)
"""How long after the last candle the replay goes on, so that REST can fill what was lost at its end."""
_MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)
_CANDLE, _ROW = ["symbol", "open_time"], ["symbol", "event_timestamp"]


@dataclass(frozen=True)
class Stored:
    """Stored candles that are replayed, and the tables that the batch made of them.

    Args:
        candles: The current candles that open in `[terms.now, end)`, in the schema of candles.
        load: Reads the lake.
        symbols: Which symbols are followed.
        terms: On which rows are computed; its `now` is where the replay begins.
        end: Where it ends.
    """

    candles: pl.DataFrame
    load: Load
    symbols: Sequence[str]
    terms: Terms
    end: datetime


@dataclass
class Replayed:
    """What a replay did.

    Args:
        start: Where it began, UTC.
        end: Where it ended.

    Attributes:
        counts: As those of `Live`.
        entries: The journal.
        rows: By view, what was published, in order.
    """

    start: datetime
    end: datetime
    counts: Counter[str] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)
    rows: dict[str, list[pl.DataFrame]] = field(default_factory=dict)

    def wrong(self, catalog: Catalog, market: "Stored") -> list[str]:
        """What is not as it should be, each in a few words; nothing if live equals the batch.

        Args:
            catalog: The tables.
            market: What was replayed, and what the batch computed from it.
        """
        journalled, candles = frame(self.entries), market.candles
        right = journalled.join(candles, on=[*_CANDLE, *PRICES], how="semi").height
        counts = {
            "candles are missing": candles.join(journalled, on=_CANDLE, how="anti").height,
            "candles are there twice": journalled.height - journalled.select(_CANDLE).n_unique(),
            "candles were open and taken as closed, or have other values": journalled.height - right,
        }
        months = months_between(self.start, self.end)
        for group in (table for table in followed(catalog) if isinstance(table, FeatureGroup)):
            batch = market.load(group.name, months)
            batch = batch.filter(pl.col(_ROW[1]).is_between(self.start, self.end, closed="right"))
            names = [*_ROW, *(name for name in batch.columns if name not in (*_ROW, CREATED))]
            published = [part.select(names) for part in self.rows.get(group.name, ())]
            last = pl.concat([batch.select(names).clear(), *published]).unique(_ROW, keep="last")
            newest = batch.group_by("symbol").agg(pl.col(_ROW[1]).max())
            counts[f"rows of {group.name} are not those of the batch"] = last.height - _alike(last, batch)
            counts[f"symbols lack the newest row of {group.name}"] = newest.join(last, on=_ROW, how="anti").height
        return [f"{count} {what}" for what, count in counts.items() if count]


def replay(catalog: Catalog, market: Stored, seed: int) -> Replayed:
    """Send stored candles through the live process.

    Args:
        catalog: The tables.
        market: What is replayed.
        seed: Of the faults of the simulated exchange.
    """
    terms, end = market.terms, market.end
    exchange = SimulatedExchange(market.candles, terms.now, terms.interval, seed)
    found = Replayed(terms.now, end)
    edges = Edges(
        transport=exchange,
        read=binance,
        symbols={symbol: symbol for symbol in market.symbols},
        rest=exchange.rest,
        append=found.entries.extend,
        publish=lambda view, rows, _heard: found.rows.setdefault(view, []).append(rows),
        now=exchange.now,
        note=lambda _: None,
    )

    async def lived() -> None:
        following = Following(catalog, market.symbols, terms, _as_of(market.load, terms, catalog))
        live = Live(edges, following, terms.interval, terms.wait)
        with suppress(TimeoutError):
            async with asyncio.timeout((end + _AFTER - terms.now).total_seconds()):
                await live.run()
        found.counts = live.counts

    run(lived())
    return found


def stored_market(settings: Settings, catalog: Catalog, start: datetime, end: datetime) -> Stored:
    """The candles of a data folder between two times, and its tables.

    Raises:
        InputError: if `start` or `end` is not on the grid of candles, or there are none between them.
    """
    if any((time - _MIDNIGHT) % settings.interval for time in (start, end)):
        raise InputError(f"--from and --to are times at which candles of {timeframe(settings.interval)} open.")
    load = published(settings.root, catalog)
    candles = load(catalog.raw.name, months_between(start, end))
    if candles.width:
        candles = candles.filter(pl.col("open_time").is_between(start, end, closed="left")).drop("known_at")
    if candles.is_empty():
        raise InputError(f"no candle is stored from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC.")
    terms = Terms(settings.interval, start, settings.late_wait, settings.min_completeness)
    return Stored(candles, load, sorted(set(candles["symbol"])), terms, end)


def _as_of(load: Load, terms: Terms, catalog: Catalog) -> Load:
    """The lake as it was when the replay begins, but for fitted models."""

    def before(table: str, months: Sequence[str]) -> pl.DataFrame:
        rows = load(table, months)
        if "event_timestamp" in rows.columns:
            return rows.filter(pl.col("event_timestamp") <= terms.now)
        if "open_time" in rows.columns:
            return rows.filter(pl.col("open_time") + catalog[table].bar(terms.interval) <= terms.now)
        return rows

    return before


def _alike(rows: pl.DataFrame, others: pl.DataFrame) -> int:
    """How many rows are, to the bit, among the others."""
    joined = rows.join(others, on=_ROW, how="inner", suffix="\nbatch")
    values = (name for name in rows.columns if name not in _ROW)
    return joined.filter(pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}\nbatch")) for name in values)).height
