"""A market with a past: candles in time, late, in bulk and corrected; and what a build would have made then."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from crypto_features.compute.resample import resample
from crypto_features.known.history import FittedVersion, History
from crypto_features.shipped import catalog as shipped
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import SCHEMA
from crypto_features.tables.months import MONTH, month_span, months_between
from crypto_features.tables.partition import compute_partition
from crypto_features.versions.probe_market import START, probe_market
from tests.features.markets import DAY, HOUR, TIME

WAIT = timedelta(hours=2)
DAYS = 95
END = START + DAYS * DAY
FOREVER = START + 36_500 * DAY
SYMBOLS = ("HUGE", "LATE", "TINY")
MINUTE = timedelta(minutes=1)
WEEK = 7 * DAY


class Version(NamedTuple):
    """One version of a candle, and when it counts as known by the rule that the documentation gives."""

    symbol: str
    open_time: datetime
    values: tuple[float, ...]
    known_at: datetime
    known: datetime


def market_with_a_past(draw: random.Random) -> list[Version]:
    """Symbols loaded in bulk or live from the start, with its own lost and late candles, downtimes, corrections."""
    found = []
    for symbol in SYMBOLS:
        bulk = START + draw.choice([0, draw.randrange(DAYS), DAYS]) * DAY + draw.randrange(24) * HOUR
        down = START + draw.randrange(DAYS) * DAY + draw.randrange(24) * HOUR
        until = down + draw.randrange(1, 120) * HOUR
        candles = probe_market().filter(pl.col("symbol") == symbol, pl.col("open_time") < END).rows()
        seen = []
        for _, open_time, *prices in candles:
            if draw.random() < 0.02:
                continue
            close = open_time + HOUR
            came = close + draw.choice([0, 1, 59, 60]) * MINUTE
            if draw.random() < 0.01:
                came = close + draw.randrange(1, 60 * 24 * 20) * MINUTE
            if down <= close < until:
                came = until
            seen.append((open_time, tuple(prices), max(came, bulk)))
        first = min(known_at for *_, known_at in seen)
        fetch, late = None, False
        for open_time, values, known_at in seen:
            close = open_time + HOUR
            late = (late and known_at == fetch) or not (close <= first or known_at <= close + WAIT)
            fetch, known = known_at, known_at if late else close
            found.append(Version(symbol, open_time, values, known_at, known))
        for _ in range(draw.randrange(8)):
            wrong = draw.choice(found[-len(seen) :])
            factor = draw.uniform(0.9, 1.1)
            later = wrong.known_at + draw.choice([MINUTE, draw.randrange(1, 24 * 60) * HOUR])
            values = (*(value * factor for value in wrong.values[:4]), wrong.values[4])
            if not any(v.symbol == symbol and v.open_time == wrong.open_time and v.known_at >= later for v in found):
                found.append(Version(symbol, wrong.open_time, values, later, later))
    return found


def raw(versions: Sequence[Version]) -> pl.DataFrame:
    """The versions as the lake keeps them."""
    names = ("open", "high", "low", "close", "volume")
    rows = [(v.symbol, v.open_time, *v.values, v.known_at) for v in versions]
    schema = pl.Schema(
        {"symbol": pl.String(), "open_time": TIME, **dict.fromkeys(names, pl.Float64()), "known_at": TIME}
    )
    return pl.DataFrame(rows, schema, orient="row").sort("symbol", "open_time", "known_at")


def candles_of(versions: Sequence[Version], at: datetime) -> pl.DataFrame:
    """The version of each candle that was known last."""
    newest: dict[tuple[str, datetime], Version] = {}
    for version in sorted(versions, key=lambda v: v.known_at):
        if version.known <= at:
            newest[version.symbol, version.open_time] = version
    return raw([*newest.values()]).drop("known_at")


def bars_of(candles: pl.DataFrame, at: datetime, length: timedelta) -> pl.DataFrame:
    """The bars that were over: with their last candle or a later one of the month, or a wait after their close.

    Of weeks one of the next month counts, too.
    """

    def start_of(time: datetime) -> datetime:
        if length == WEEK:
            return time.replace(hour=0) - time.weekday() * DAY
        return time.replace(hour=time.hour // (length // HOUR) * (length // HOUR))

    def is_read(time: datetime, start: datetime) -> bool:
        ahead = (start.replace(day=28) + 4 * DAY).month if length == WEEK else start.month
        return time.month in (start.month, ahead)

    over = [
        (symbol, start)
        for symbol, times in candles.group_by("symbol").agg("open_time").iter_rows()
        for start in {start_of(time) for time in times}
        if at >= start + length + WAIT or any(time >= start + length - HOUR and is_read(time, start) for time in times)
    ]
    keep = pl.DataFrame(over, {"symbol": pl.String, "bar": TIME}, orient="row")
    bar = pl.col("open_time").map_elements(start_of, return_dtype=TIME)
    kept = candles.with_columns(bar=bar).join(keep, on=["symbol", "bar"], how="semi")
    return resample(kept.drop("bar"), HOUR, length, as_of=FOREVER)


@dataclass(frozen=True)
class Replay:
    """A lake that was built from what was known at a time."""

    tables: Mapping[str, pl.DataFrame]
    catalog: Catalog = shipped

    @classmethod
    def at(
        cls,
        versions: Sequence[Version],
        models: Mapping[str, Sequence[FittedVersion]],
        at: datetime,
        catalog: Catalog = shipped,
    ) -> "Replay":
        """Every table built in full, with what was in force then of the catalog's one model, given by month."""
        candles = candles_of(versions, at)
        tables = {name: bars_of(candles, at, bars.bar(HOUR)) for name, bars in catalog.bars.items()}
        tables[catalog.raw.name] = candles
        months = months_between(START, min(max(at, START + HOUR), END))
        rows = [(m, one.parameters, one.version) for m, fitted in models.items() for one in fitted[:1]]
        for month, fitted in models.items():
            rows += [(month, one.parameters, one.version) for one in fitted[1:] if one.published_at <= at]
        (model,) = catalog.models
        tables[model] = pl.DataFrame(rows, SCHEMA, orient="row").unique("month", keep="last").sort("month")
        for name, group in catalog.groups.items():
            inputs = {i.table.name: tables[i.table.name] for i in group.inputs}
            tables[name] = pl.concat(compute_partition(group, inputs, month, interval=HOUR) for month in months)
        return cls(tables, catalog)

    def read(
        self, table: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        frame = self.tables[table]
        own = MONTH if "event_timestamp" in frame.columns else pl.col("open_time").dt.strftime("%Y-%m")
        rows = frame.filter((pl.col("month") if table in self.catalog.models else own).is_in(list(months)))
        rows = rows if symbols is None else rows.filter(pl.col("symbol").is_in(list(symbols)))
        return rows if columns is None else rows.select(name for name in columns if name in rows.columns)

    def joined(self, rows: pl.DataFrame, view: str, features: Sequence[str]) -> pl.DataFrame:
        """The newest row of each entity row that is not older than the view's TTL."""
        table = self.tables[view].select("symbol", "event_timestamp", *features, found="event_timestamp")
        met = rows.sort("event_timestamp").join_asof(
            table.sort("event_timestamp"),
            on="event_timestamp",
            by="symbol",
            tolerance=self.catalog.groups[view].time_to_live(HOUR),
            check_sortedness=False,
        )
        return met.sort("row").select(*features)


def models_with_a_past(
    draw: random.Random, versions: Sequence[Version], catalog: Catalog = shipped
) -> dict[str, list[FittedVersion]]:
    """The catalog's one model for each month, some of which were replaced once or twice."""
    (model,) = catalog.models.values()
    rows = every_row_of(model.of, candles_of(versions, FOREVER))
    found: dict[str, list[FittedVersion]] = {}
    for month in months_between(START - DAY, END):
        start, _ = month_span(month)
        fitted = []
        published = start + draw.randrange(-5, 40) * DAY
        for _ in range(draw.choice([1, 1, 2, 3])):
            some = rows.filter(pl.col("event_timestamp").hash(draw.randrange(99)) % 3 > 0)
            found_now = model.fitted(some, [month]).row(0, named=True)
            fitted.append(FittedVersion(found_now["version"], published, found_now["parameters"]))
            published += draw.randrange(1, 40) * DAY
        found[month] = fitted
    return found


def every_row_of(group: FeatureGroup, candles: pl.DataFrame) -> pl.DataFrame:
    """A group of bars alone, month by month."""
    bars = {group.bars.name: resample(candles, HOUR, group.bar(HOUR), as_of=FOREVER)}
    return pl.concat(compute_partition(group, bars, month, interval=HOUR) for month in months_between(START, END))


def history_of(versions: Sequence[Version], models: Mapping[str, Sequence[FittedVersion]], now: Replay) -> History:
    """What the platform reads of such a market."""
    rows = raw(versions)

    def read_versions(months: Sequence[str], columns: Sequence[str] | None, symbols: Collection[str]) -> pl.DataFrame:
        chosen = rows.filter(
            pl.col("open_time").dt.strftime("%Y-%m").is_in(list(months)), pl.col("symbol").is_in(list(symbols))
        )
        return chosen if columns is None else chosen.select(columns)

    first = dict(rows.group_by("symbol").agg(pl.col("known_at").min()).iter_rows())
    raws = {now.catalog.raw.name: (read_versions, first)}
    return History(now.read, raws, dict.fromkeys(now.catalog.models, models), now.catalog, HOUR, WAIT)
