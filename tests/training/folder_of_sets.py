"""A data folder from which sets are built: candles loaded in bulk, then live, late, corrected; tables made of them."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from crypto_features.lake.history import history
from crypto_features.lake.table import Table
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.months import months_between
from crypto_features.tables.training import TrainingSet
from crypto_features.training.build import Origin
from tests.features.disk_lake import DiskLake
from tests.features.memory_lake import behaviour, defined
from tests.training.sets_catalog import catalog as sets

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START, BULK, NOW = (datetime(2024, *day, tzinfo=UTC) for day in ((1, 1), (2, 10), (4, 1)))
LATER = NOW + 30 * DAY
SYMBOLS = ("AAA", "BBB", "CCC")
SPANS = {
    "AAA": (START, NOW),
    "BBB": (START, datetime(2024, 3, 5, tzinfo=UTC)),
    "CCC": (datetime(2024, 1, 20, tzinfo=UTC), NOW),
}
"""BBB is delisted in March; CCC is listed in January."""


class Candle(NamedTuple):
    """A version of a candle."""

    symbol: str
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    known_at: datetime


def walk(symbol: str, start: datetime, end: datetime, known: datetime | None = None) -> list[Candle]:
    """A random walk, known in bulk at `BULK` or an hour after it opened; or all of it at one time."""
    draw, price, found, time = random.Random(symbol), 100.0, [], start
    while time < end:
        last, price = price, price * (1 + draw.uniform(-0.012, 0.012))
        high, low = max(last, price) * (1 + draw.uniform(0, 0.004)), min(last, price) * (1 - draw.uniform(0, 0.004))
        seen = known or max(time + HOUR, BULK)
        found.append(Candle(symbol, time, last, high, low, price, draw.uniform(1, 9), seen))
        time += HOUR
    return found


def market() -> list[Candle]:
    """The candles of all symbols, with corrections and a candle that came late."""
    found = [candle for symbol, span in SPANS.items() for candle in walk(symbol, *span)]
    draw = random.Random(7)
    for wrong in draw.sample([c for c in found if c.open_time < NOW - 20 * DAY], 12):
        later = max(wrong.known_at, BULK) + draw.randrange(1, 15 * 24) * HOUR
        found.append(corrected(wrong, draw.uniform(0.95, 1.05), later))
    late = next(c for c in found if c.symbol == "AAA" and c.open_time == datetime(2024, 3, 3, 23, tzinfo=UTC))
    found[found.index(late)] = late._replace(known_at=late.known_at + 3 * DAY)
    return found


def corrected(wrong: Candle, factor: float, known_at: datetime) -> Candle:
    """Another version of a candle."""
    prices = {name: getattr(wrong, name) * factor for name in ("open", "high", "low", "close")}
    return wrong._replace(**prices, volume=wrong.volume * 2, known_at=known_at)


class Folder:
    """A data folder with everything computed.

    Args:
        root: Where.
        candles: Every version of the candles.
        catalog: The tables.
        now: The time of the computation.
    """

    def __init__(self, root: Path, candles: Iterable[Candle], catalog: Catalog = sets, now: datetime = NOW) -> None:
        self.catalog, self.candles = catalog, [*candles]
        frame = raw(self.candles)
        first, last = (datetime.fromisoformat(str(f(c.open_time for c in self.candles))) for f in (min, max))
        self.lake = DiskLake(root, catalog, months_between(first, last + HOUR))
        table = Table(self.lake.root, "candles", time="open_time", raw=True, by_symbol=True)
        for (month,), rows in frame.group_by(pl.col("open_time").dt.strftime("%Y-%m"), maintain_order=True):
            table.publish(str(month), rows)
        self.lake.build(now)

    def origin(self, training: TrainingSet, catalog: Catalog | None = None) -> Origin:
        used = catalog or self.catalog
        past = history(self.lake.root, used, interval=HOUR, wait=HOUR)
        return Origin(training, used, self.lake.root, past, behaviour(used), defined(used))


def raw(candles: Sequence[Candle]) -> pl.DataFrame:
    """The versions as the lake keeps them."""
    times: Mapping[str, pl.DataType] = {"open_time": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC")}
    schema = {name: times.get(name, pl.String() if name == "symbol" else pl.Float64()) for name in Candle._fields}
    return pl.DataFrame([*candles], schema, orient="row").sort("symbol", "open_time", "known_at")
