"""Look-ahead on some days only: a bar of each day of many years is altered, and every row before it compared.

Altering each bar in a market of its own would take hours. So one market has many altered bars, each further from the
last than its trace reaches; the rows just before an altered bar must be as they were. A trace can be long and faint (an
exponential mean), so a difference is a suspicion only, and is proven to the bit in a market with that one bar altered.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto_features.compute.resample import opens, resample
from crypto_features.leak.company import LEADER, company
from crypto_features.leak.report import Leak, differences
from crypto_features.leak.subject import Subject, groups_read, memory, tables_read
from crypto_features.tables.bars import DAY
from crypto_features.tables.feature import Feature
from crypto_features.tables.others import compares_symbols, read_by_name
from crypto_features.tables.raw import RawTable
from crypto_features.versions.probe_market import COLUMNS, HOUR, probe_day

Span = tuple[datetime, datetime]
CALENDAR = datetime(2017, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
"""The years of which every day is altered."""
EVERY_BAR = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
"""The years, a leap year first, of which every bar is altered; of the others it is the first of each day."""
WINTER, LEAP_DAY = datetime(2023, 12, 28, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)
"""Around which as many candles lie that are shorter than an hour."""

NAME = "BTC"
AHEAD = 10
"""How many bars before an altered one are compared."""

SPACING = (36, 160)
"""Least and greatest number of bars between two altered ones of a market."""

FAINT, SUDDEN = 1e-3, 4
"""Values that move apart by a smaller share of the values nearby, or by fewer times what they did a row before, are
taken for the trace of an earlier bar."""

PROVEN = 3
"""How many rows of a feature are put to the proof, the most suspicious first."""

SUNDAY = 6
_CLOCKS = ((3, -1), (10, -1), (3, 1), (11, 0))
"""Months and Sundays on which clocks change in Europe and in America."""
_DECADES = (-9.5, 6.5)
RARE = 24
"""One bar of so many has a rare trait."""

Numbers = npt.NDArray[np.float64]


def spans(interval: timedelta) -> tuple[Span, Span]:
    """The time of which every day is altered, and that of which every candle is.

    Args:
        interval: Length of a candle.
    """
    if interval >= HOUR:
        return CALENDAR, EVERY_BAR
    whole, every = ((last - first) // HOUR * interval // DAY * DAY for first, last in (CALENDAR, EVERY_BAR))
    since = LEAP_DAY - min(every / 2, timedelta(days=8)) // DAY * DAY
    begin = max(WINTER, since + every - whole)
    return (begin, begin + whole), (since, since + every)


@lru_cache(maxsize=2)
def calendar_market(first: datetime, last: datetime, interval: timedelta) -> pl.DataFrame:
    """Candles of one symbol whose price rises from 10⁻⁹ to 10⁶ and falls, twice, and whose volume goes up to 10¹⁰.

    Now and then comes what is rare: crashes and surges, wicks, candles without a move, hours and days without volume,
    round prices.
    """
    bars = (last - first) // interval
    day = np.arange(bars) // (probe_day(interval) // interval)
    random = np.random.default_rng(0)
    draw = random.standard_normal((5, bars)) / 100
    moved = _rarely(random, bars, 0.0)
    level = _rarely(random, day[-1] + 1, 0.6, 1.8)[day] * _rarely(random, bars, 0.7, 1.5)
    close = _rounded(10 ** _wave(bars, 2, *_DECADES) * level * (1 + 3 * draw[0].clip(-0.05, 0.05)))
    opened = close * (1 + moved * draw[1].clip(-0.05, 0.05))
    traded = _rarely(random, day[-1] + 1, 0.0)[day] * _rarely(random, bars, 0.0)
    return pl.DataFrame(
        {
            "symbol": pl.repeat(NAME, bars, eager=True),
            "open_time": pl.datetime_range(first, last, interval, closed="left", time_unit="us", eager=True),
            "open": opened,
            "high": np.maximum(opened, close) * (1 + moved * np.abs(draw[2])) * _rarely(random, bars, 2.0),
            "low": np.minimum(opened, close) * (1 - moved * np.abs(draw[3])) * _rarely(random, bars, 0.3),
            "close": close,
            "volume": 10 ** _wave(bars, 7, 0.0, 10.0) * (1 + 9 * draw[4].clip(-0.1, 0.1)) * traded,
        }
    ).select(COLUMNS)


def _rarely(random: np.random.Generator, size: int, *values: float) -> Numbers:
    """Ones, and now and then one of the values."""
    return np.where(random.integers(RARE, size=size) == 0, random.choice(values, size), 1.0)


def _rounded(prices: Numbers) -> Numbers:
    """Every other price to four digits."""
    unit = 10.0 ** (np.floor(np.log10(prices)) - 3)
    return np.where(np.arange(len(prices)) % 2 == 0, prices, np.rint(prices / unit) * unit)


def _wave(bars: int, waves: int, low: float, high: float) -> Numbers:
    """A straight way up and down again."""
    return low + (high - low) * (1 - np.abs(np.arange(bars) * 2 * waves / bars % 2 - 1))


def turns(first: datetime, last: datetime) -> Sequence[datetime]:
    """Midnights at which something of the calendar begins or ends: months, leap days, days on which clocks change."""
    days = [first + n * DAY for n in range(1, (last - first) // DAY)]
    changes = {_sunday(year, month, which) for year in range(first.year, last.year + 1) for month, which in _CLOCKS}
    return [day for day in days if day.day == 1 or (day.month, day.day) == (2, 29) or {day, day - DAY} & changes]


def _sunday(year: int, month: int, which: int) -> datetime:
    """The Sunday of that number of a month; -1 is the last."""
    days = (datetime(year, month, 1, tzinfo=UTC) + n * DAY for n in range(28 + 3))
    return [day for day in days if day.month == month and day.weekday() == SUNDAY][which]


@dataclass(frozen=True)
class Course:
    """One symbol's raw tables, of which one is altered, and the bars of it that are altered by their number."""

    table: str
    raw: Mapping[str, pl.DataFrame]
    bars: list[int]
    length: timedelta
    """Of a bar of the altered table."""

    @property
    def opens(self) -> pl.Series:
        """When each bar of the altered table opens."""
        return self.raw[self.table]["open_time"]


def courses(subject: Subject) -> Iterator[Course]:
    """Every table of bars that the group reads is altered by itself."""
    interval, raw = subject.interval, subject.candles
    candles = calendar_market(*spans(interval)[0], interval)
    read = {source.table.name for group in groups_read(subject.group) for source in group.inputs}
    made = {b.name: resample(b.of.stand_in(candles, interval), interval, b.bar(interval)) for b in subject.bars}
    tables = {raw: candles} | made
    reads_raw = any(table.name in read for table in tables_read(subject.group) if isinstance(table, RawTable))
    if reads_raw:
        yield from _courses(raw, tables, interval, interval)
    for bars in subject.bars:
        if bars.name in read:
            length = bars.bar(interval)
            since = pl.col("open_time") - opens(pl.col("open_time"), length)
            edges = candles.filter(since.is_in([timedelta(0), length - interval])) if reads_raw else candles.clear()
            yield from _courses(bars.name, {**tables, raw: edges}, interval, length)


def _courses(
    table: str, tables: Mapping[str, pl.DataFrame], interval: timedelta, length: timedelta
) -> Iterator[Course]:
    """Every day of a table is altered; where a day has several bars its first, and every bar of two years."""
    day, every = probe_day(interval), spans(interval)[1]
    if length >= day:
        yield _course(table, tables, pl.lit(value=True), length)
        return
    yield _course(table, tables, pl.col("open_time") == pl.col("open_time").dt.truncate(day), length)
    years = pl.col("open_time").is_between(*every, closed="left")
    few = {name: frame.filter(years) for name, frame in tables.items()}
    yield _course(table, few, pl.lit(value=True), length)


def _course(table: str, raw: Mapping[str, pl.DataFrame], altered: pl.Expr, length: timedelta) -> Course:
    numbers = raw[table].with_row_index("bar").filter(altered)["bar"].to_list()
    return Course(table, raw, [bar for bar in numbers if 0 < bar < len(raw[table]) - 1], length)


def calendar_leaks(subject: Subject, course: Course) -> Iterator[Leak]:
    """Features of which a row changes with a bar that closes after it."""
    base = _computed(subject, course.raw)
    step = max(1, (course.bars[-1] - course.bars[0]) // (len(course.bars) - 1))
    markets = -(-_spacing(subject, course, base) // step)
    rows = _rows(subject, course, [course.bars[first::markets] for first in range(markets)])
    known = course.opens.gather(course.bars) + (course.length - subject.interval)
    number = [str(i % markets) for i in range(len(course.bars))]
    altered = pl.DataFrame({"symbol": number, "bar": course.bars, "known": known})
    compared = _beside(subject, _before(rows, altered, course), base).sort("symbol", "event_timestamp")
    suspected = {bar for feature in subject.group.features for bar in _suspected(feature, compared)}
    if subject.group.function is not None:
        every = altered.select("symbol").unique().join(base.select("event_timestamp"), how="cross")
        lone = _before(_lone(every, rows), altered, course).sort(pl.col("known") - pl.col("event_timestamp"))
        suspected |= {*lone.unique("event_timestamp", keep="first", maintain_order=True)["bar"].head(PROVEN)}
    yield from _proven(subject, course, sorted(suspected), base)


def _before(rows: pl.DataFrame, altered: pl.DataFrame, course: Course) -> pl.DataFrame:
    """The rows shortly before an altered bar, with its number and when it begins to be known."""
    return (
        rows.sort("event_timestamp")
        .join_asof(
            altered.sort("known"),
            left_on="event_timestamp",
            right_on="known",
            by="symbol",
            strategy="forward",
            tolerance=(AHEAD + 2) * course.length,
            check_sortedness=False,
        )
        .drop_nulls("bar")
    )


def _lone(here: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """The rows, by symbol and time, that one of two tables has."""
    keys = ["symbol", "event_timestamp"]
    return pl.concat([a.join(b, on=keys, how="anti").select(keys) for a, b in ((here, there), (there, here))])


def _suspected(feature: Feature, compared: pl.DataFrame) -> Sequence[int]:
    """The altered bars before which two values part most suddenly, for a few rows."""
    moves = compared.select("bar", "event_timestamp", move=_parting(feature)).filter(
        pl.col("bar") == pl.col("bar").shift()
    )
    before = pl.col("move").shift().over("bar")
    sudden = moves.filter(pl.col("move") > FAINT, pl.col("move") > SUDDEN * before)
    rows = sudden.sort("move", descending=True).unique("event_timestamp", keep="first", maintain_order=True)
    return rows["bar"].head(PROVEN).to_list()


def _proven(subject: Subject, course: Course, bars: Sequence[int], base: pl.DataFrame) -> Iterator[Leak]:
    """The features of which a row before an altered bar differs in any bit when no other bar is altered; lone rows.

    All are looked at together, under other names. What differs is computed again under its own: a feature may read it.
    """
    together = _rows(subject, course, [[bar] for bar in bars]) if bars else base.clear()
    for number, bar in enumerate(bars):
        cut: datetime = course.opens[bar]
        known = pl.col("event_timestamp") <= cut + (course.length - subject.interval)
        as_it_is, rows = base.filter(known), together.filter(known, symbol=str(number))
        if next(differences(subject.group, as_it_is, rows.with_columns(symbol=pl.lit(NAME)), ""), None) is not None:
            altered = {**course.raw, course.table: _altered(course.raw[course.table], [bar])}
            alone = _computed(subject, altered).filter(known)
            for leak in differences(subject.group, as_it_is, alone, "calendar"):
                yield replace(leak, cut=cut)


def _spacing(subject: Subject, course: Course, base: pl.DataFrame) -> int:
    """How many bars after an altered one no value parts any more, measured at nine of them.

    They are in as few markets as leave each of them alone for as long as the group reads back.
    """
    chosen = [course.bars[len(course.bars) * part // 10] for part in range(1, 10)]
    markets = min(1 + memory(subject.group, subject.interval) // course.length * 10 // len(course.opens), len(chosen))
    rows = _rows(subject, course, [chosen[first::markets] for first in range(markets)])
    began = pl.DataFrame(
        {"symbol": [str(n % markets) for n in range(len(chosen))], "began": course.opens.gather(chosen)}
    )
    began = began.with_columns(before=pl.col("began") - (AHEAD + 3) * course.length).sort("before")
    beside = _beside(subject, rows, base).sort("event_timestamp")
    beside = beside.join_asof(
        began, left_on="event_timestamp", right_on="before", by="symbol", check_sortedness=False
    ).sort("symbol", "event_timestamp")
    parting = pl.any_horizontal(_parting(feature) > 10 * FAINT for feature in subject.group.features)
    after = beside.filter(parting & (pl.col("symbol") == pl.col("symbol").shift()))
    since = after.select(pl.col("event_timestamp") - pl.col("began")).to_series().drop_nulls().unique()
    moves = {time // course.length for time in since}
    least, greatest = SPACING
    least = min(max(least, AHEAD + 2 + max(feature.warm_up for feature in subject.group.features)), greatest)
    for bars in range(least, greatest):
        if not any(move % -bars >= -(AHEAD + 3) for move in moves if move > AHEAD):
            return bars
    return greatest


def _rows(subject: Subject, course: Course, markets: Sequence[Sequence[int]]) -> pl.DataFrame:
    """The rows of many markets at once; the symbol is the market's number."""
    names = pl.DataFrame({"symbol": [str(i) for i in range(len(markets))]})
    raw = {table: names.join(frame.drop("symbol"), how="cross") for table, frame in course.raw.items()}
    frame = course.raw[course.table]
    parts = [_altered(frame, bars).with_columns(symbol=pl.lit(str(i))) for i, bars in enumerate(markets)]
    return _computed(subject, {**raw, course.table: pl.concat(parts)})


def _computed(subject: Subject, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows of markets of one symbol each; where rows of others reach its own, each market has its own others."""
    if not compares_symbols(subject.group):
        return subject.at_once(raw)
    others, found = read_by_name(subject.group), []
    for market in dict.fromkeys(name for frame in raw.values() for name in frame["symbol"].unique(maintain_order=True)):
        around = {name: company(frame.filter(symbol=market), others) for name, frame in raw.items()}
        rows = subject.at_once(around).filter(symbol=LEADER)
        found.append(rows.with_columns(symbol=pl.lit(market)))
    return pl.concat(found)


def _altered(frame: pl.DataFrame, bars: Sequence[int]) -> pl.DataFrame:
    """The market without these bars, and with the bar after each moving the other way, far and on other volume."""
    close, opened = frame["close"].to_numpy(), frame["open"].to_numpy()
    gone = np.array(bars)
    level = close[gone - 1] * np.where(close[gone] > close[gone - 1], 0.6, 1.6)
    start = level * np.where(close[gone] > opened[gone], 1.1, 0.9)
    after = {
        "open": start,
        "high": np.maximum(start, level) * 1.05,
        "low": np.minimum(start, level) * 0.95,
        "close": level,
        "volume": frame["volume"].to_numpy()[gone + 1] * 3 + 1,
    }
    columns = {name: frame[name].scatter(gone + 1, values) for name, values in after.items()}
    kept = pl.Series(np.isin(np.arange(len(frame)), gone, invert=True))
    return frame.with_columns(**columns).filter(kept)


def _beside(subject: Subject, rows: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    """Each row, its values as `<feature>_there`, beside that of the market as it is and the size of values nearby."""
    sizes = [
        pl.col(feature.name).abs().rolling_max(2 * AHEAD + 1, min_samples=1, center=True).alias(f"{feature.name}_size")
        for feature in subject.group.features
        if feature.dtype.is_float()
    ]
    there = {feature.name: f"{feature.name}_there" for feature in subject.group.features}
    return rows.rename(there).join(base.drop("symbol").with_columns(sizes), on="event_timestamp")


def _parting(feature: Feature) -> pl.Expr:
    """By how much further two values lie apart than in the row before, as a share of the values nearby.

    Values that are no numbers, or of which one is null, are 1 apart if they differ.
    """
    expected, got = pl.col(feature.name), pl.col(f"{feature.name}_there")
    apart = expected.ne_missing(got).cast(pl.Float64)
    if feature.dtype.is_float():
        share = ((got - expected).abs() / pl.col(f"{feature.name}_size")).fill_null(1.0)
        apart = pl.when(apart == 0).then(0.0).otherwise(share)
    return apart.diff()
