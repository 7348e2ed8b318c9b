"""What new candles change in every table, by the declarations of the batch: the same function, the same bits."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from crypto_features.compute.resample import resample
from crypto_features.errors import CryptoFeaturesError, InputError, PermanentError
from crypto_features.live.kept import MARGIN, followed, kept, near, reaches, rows_enough
from crypto_features.live.tail import Enough, Load, Tail
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.dtypes import moment
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.others import others
from crypto_features.tables.partition import KEYS, compute_span
from crypto_features.tables.read import Terms

CREATED = "created_timestamp"
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


class OutdatedTailError(PermanentError):
    """A candle came that is older than what is kept for it; the batch has to catch up first.

    Args:
        oldest: When it opens, UTC.
    """

    def __init__(self, oldest: datetime) -> None:
        super().__init__(
            f"a candle of {oldest:%Y-%m-%d %H:%M} UTC came, and live computes only what is younger than {MARGIN.days} "
            "days. It is in the journal: run `crypto-features run`, and start `crypto-features live` again."
        )


class Change(NamedTuple):
    """Rows of a table that are new or others than before.

    Args:
        since: When the oldest of them was known: the close of its bar, UTC.
        symbols: Whose they are.
    """

    since: datetime
    symbols: frozenset[str]

    def __or__(self, other: "Change | None") -> "Change":
        return self if other is None else Change(min(self.since, other.since), self.symbols | other.symbols)


class Following:
    """The tables that follow from candles, kept up to the newest one.

    Args:
        catalog: The tables.
        symbols: The symbols whose candles come.
        terms: On which rows are computed; its `now` is when the tail is loaded.
        load: Reads published rows.
        hold: How long a group that compares symbols waits for those that are late.
        absent: Symbols that trade and whose candles do not come.

    Attributes:
        tables: The tables, each after those that it reads.
        troubles: By table why it cannot be computed now, such as a month without a model; it is tried again.
    """

    def __init__(
        self,
        catalog: Catalog,
        symbols: Sequence[str],
        terms: Terms,
        load: Load,
        *,
        hold: timedelta = timedelta(seconds=5),
        absent: Collection[str] = (),
    ) -> None:
        self.tables, self.troubles = followed(catalog, absent), dict[str, str]()
        self._raw, self._symbols, self._terms, self._load = catalog.raw.name, frozenset(symbols), terms, load
        self._hold, self._newest = hold, terms.now
        keep = kept(self.tables, terms.interval, terms.wait)
        self._tail = Tail(keep, near(self.tables, terms.interval), load, terms.now)
        self._others = {table.name: others(table) for table in self.tables}
        self._checked = {table.name: terms.now for table in self.tables if isinstance(table, Bars)}
        self._models: dict[tuple[str, str], pl.DataFrame] = {}
        self._waiting: dict[str, tuple[Change, datetime]] = {}
        """By group what has changed in what it reads and is not computed yet, and since when."""

    @property
    def newest(self) -> dict[str, datetime]:
        """By symbol the open time of its newest candle."""
        return dict(self._tail.newest(self._raw))

    @property
    def due(self) -> datetime:
        """When `step` has something to do without a new candle: bars that wait no longer, or a group that does not."""
        bars = [self._over(table, self._checked[table.name]) for table in self.tables if table.name in self._checked]
        return min([*bars, *(since + self._hold for _, since in self._waiting.values())], default=_NEVER)

    def catch_up(self, candles: pl.DataFrame, now: datetime) -> dict[str, pl.DataFrame]:
        """As `step`, of candles that the lake lacks, and of what its tables lack of its own candles."""
        ends = [min(newest.values(), default=now) for newest in (self._tail.newest(t.name) for t in self.tables)]
        change = Change(max(min([now, *ends]), now - MARGIN), self._symbols)
        return self._follow(change | self._added(candles, now), now)

    def step(self, candles: pl.DataFrame, now: datetime) -> dict[str, pl.DataFrame]:
        """What candles change, all that closed together at once.

        Args:
            candles: Final candles, new or corrected, of the full schema of candles.
            now: The time, UTC.

        Returns:
            By group the newest row of each symbol that is new or another one than before: its keys, `completeness`,
            its features, and `created_timestamp`.

        Raises:
            OutdatedTailError: if a candle is older than what is kept.
        """
        return self._follow(self._added(candles, now), now)

    def _added(self, candles: pl.DataFrame, now: datetime) -> Change | None:
        if candles.is_empty():
            return None
        oldest = candles["open_time"].min()
        if isinstance(oldest, datetime) and oldest < max(now, self._newest) - MARGIN:
            raise OutdatedTailError(oldest)
        changed = self._tail.put(self._raw, candles, now)
        if changed.is_empty():
            return None
        times: list[datetime] = changed["open_time"].to_list()
        first, newest = min(times), max(times)
        self._newest = max(self._newest, newest + self._terms.interval)
        return Change(first + self._terms.interval, frozenset(changed["symbol"]))

    def _follow(self, change: Change | None, now: datetime) -> dict[str, pl.DataFrame]:
        now = max(now, self._newest)  # the local clock may be slow.
        changed = {} if change is None else {self._raw: change}
        found = {}
        for table in self.tables:
            reached: Change | None = None
            for name in {source.table.name for source in table.inputs} & changed.keys():
                reached = changed[name] | reached
            rows = self._bars(table, reached, now) if isinstance(table, Bars) else self._rows(table, reached, now)
            if rows.is_empty():
                continue
            first: datetime = min(rows[table.time].to_list())
            known = first if table.time == KEYS[1] else first + table.bar(self._terms.interval)
            changed[table.name] = Change(known, frozenset(rows["symbol"]))
            if isinstance(table, FeatureGroup):
                found[table.name] = self._newest_rows(table, rows, now)
        return {name: rows for name, rows in found.items() if rows.height}

    def _bars(self, bars: Bars, change: Change | None, now: datetime) -> pl.DataFrame:
        """The bars that are new or others than before; if some may be over by their wait alone, of all symbols."""
        interval, length, wait = self._terms.interval, bars.bar(self._terms.interval), self._terms.wait
        if now >= self._over(bars, self._checked[bars.name]):
            change, self._checked[bars.name] = Change(now - wait - length, self._symbols) | change, now
        if change is None or _open(change.since - interval, length) + length > now:  # the first bar is under way.
            return pl.DataFrame()
        candles = self._tail.read(self._raw, _open(change.since - interval, length), change.symbols)
        return self._tail.put(bars.name, resample(candles, interval, length, as_of=now, wait=wait), now)

    def _rows(self, group: FeatureGroup, change: Change | None, now: datetime) -> pl.DataFrame:
        """The rows that are new or others than before; none while it waits for the symbols that it compares."""
        compared = self._others[group.name]
        waited, since = self._waiting.pop(group.name, (None, now))
        if waited is not None:
            change = waited | change
        if change is None:
            return pl.DataFrame()
        if compared is None or compared & change.symbols:
            change = Change(change.since, self._symbols)
        if now < since + self._hold and self._late(self._symbols if compared is None else compared):
            self._waiting[group.name] = change, since
            return pl.DataFrame()
        try:
            rows = self._computed(group, change, compared, now)
        except CryptoFeaturesError as error:
            self.troubles[group.name], self._waiting[group.name] = str(error), (change, now)
            return pl.DataFrame()
        self.troubles.pop(group.name, None)
        return self._tail.put(group.name, rows, now)

    def _computed(
        self, group: FeatureGroup, change: Change, compared: frozenset[str] | None, now: datetime
    ) -> pl.DataFrame:
        """The rows whose bars close from the change on."""
        interval, least = self._terms.interval, self._terms.min_completeness
        start, months = change.since - group.bar(interval), months_between(change.since - timedelta.resolution, now)
        wanted, first = None if compared is None else change.symbols | compared, start - group.bar(interval)
        decisive, bars = rows_enough(group), group.inputs[0]
        enough = None if decisive is None else Enough(first - bars.lookback, decisive + 1)
        inputs = {
            name: self._tail.read(name, start - reach, wanted, enough if name == bars.table.name else None)
            for name, reach in reaches(group, interval).items()
        }
        inputs |= {
            source.table.name: self._fitted(source.table.name, months, source.reach(interval))
            for source in group.inputs
            if isinstance(source.table, FittedModel)
        }
        # Polars computes a frame of a single row with other last bits: of expressions one bar more is computed.
        spans = [(first, now)] if group.function is None else [*map(month_span, months)]
        rows = pl.concat(
            compute_span(group, inputs, begin, min(end, now), interval=interval, min_completeness=least)
            for begin, end in spans
        )
        return rows.filter(pl.col(KEYS[1]) > moment(start), pl.col("symbol").is_in(list(change.symbols)))

    def _newest_rows(self, group: FeatureGroup, changed: pl.DataFrame, now: datetime) -> pl.DataFrame:
        newest = self._tail.newest(group.name)
        are_newest = [newest[symbol] == time for symbol, time in changed.select(KEYS).iter_rows()]
        rows = changed if all(are_newest) else changed.filter(are_newest)
        again = rows["again"].any()
        created = pl.when("again").then(moment(now)).otherwise(KEYS[1]) if again else pl.col(KEYS[1])
        return rows.with_columns(created.alias(CREATED)).drop("again")

    def _late(self, members: frozenset[str]) -> bool:
        """Whether one of them lacks the newest candle; one that was silent for longer than bars wait is not late."""
        there = self.newest
        newest = max(there.values(), default=_MONDAY)
        return any(newest - self._terms.wait <= there.get(symbol, _MONDAY) < newest for symbol in members)

    def _over(self, bars: Bars | FeatureGroup, checked: datetime) -> datetime:
        """When the first bar is over by its wait alone that was not at that time."""
        length = bars.bar(self._terms.interval)
        return _open(checked - self._terms.wait, length) + length + self._terms.wait

    def _fitted(self, name: str, months: Sequence[str], lookback: timedelta) -> pl.DataFrame:
        wanted = months_between(month_span(months[0])[0] - lookback, month_span(months[-1])[1])
        for month in wanted:
            if (name, month) not in self._models and (found := self._load(name, [month])).height:
                self._models[name, month] = found
        there = [self._models[name, month] for month in wanted if (name, month) in self._models]
        if not there:
            raise InputError(f"{name} has no parameters of {wanted[-1]}; `crypto-features run` fits them.")
        return pl.concat(there)


def _open(time: datetime, length: timedelta) -> datetime:
    """When the bar opens that holds a time; weeks begin on Mondays."""
    return _MONDAY + (time - _MONDAY) // length * length
