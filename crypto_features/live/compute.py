"""What new candles change in every table, by the declarations of the batch: the same function, the same bits."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from crypto_features.compute.resample import resample
from crypto_features.errors import CryptoFeaturesError, InputError, PermanentError
from crypto_features.lake.live_rows import PARTIAL
from crypto_features.live.kept import MARGIN, followed, kept, near, reaches, rows_enough
from crypto_features.live.members import Members, opened
from crypto_features.live.tail import Enough, Load, Tail
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.dtypes import TIME, moment
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.partition import KEYS, compute_span
from crypto_features.tables.read import Terms

CREATED = "created_timestamp"
_RETRY = timedelta(seconds=5)
"""How long after an error a table is tried again, if nothing changes before."""
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
        absent: Symbols that trade and whose candles do not come.

    Attributes:
        tables: The tables, each after those that it reads.
        members: Which symbols groups compare, and how long they wait for those that are late.
        troubles: By table why it cannot be computed now, such as a month without a model; it is tried again.
    """

    def __init__(
        self,
        catalog: Catalog,
        symbols: Sequence[str],
        terms: Terms,
        load: Load,
        *,
        absent: Collection[str] = (),
    ) -> None:
        self.tables, self.troubles = followed(catalog, absent), dict[str, str]()
        self._raw, self._symbols, self._terms, self._load = catalog.raw.name, frozenset(symbols), terms, load
        self._newest = terms.now
        keep = kept(self.tables, terms.interval, terms.wait)
        self._tail = Tail(keep, near(self.tables, terms.interval), load, terms.now)
        self.members = Members(self.tables, self._tail, self._raw, self._symbols, terms)
        self._checked = {table.name: terms.now for table in self.tables if isinstance(table, Bars)}
        self._models: dict[tuple[str, str], pl.DataFrame] = {}
        self._waiting: dict[str, tuple[Change, datetime]] = {}
        """By group what has changed in what it reads and is not computed yet, and until when that is put off."""
        self._partial: dict[str, dict[str, datetime]] = {name: {} for name in self.members.waits}
        """By group and symbol the time of its newest row, if that was computed before all that it compares were
        there."""

    @property
    def newest(self) -> dict[str, datetime]:
        """By symbol the open time of its newest candle."""
        return dict(self._tail.newest(self._raw))

    @property
    def due(self) -> datetime:
        """When `step` has something to do without a new candle: bars or groups that wait no longer."""
        bars = [self._over(table, self._checked[table.name]) for table in self.tables if table.name in self._checked]
        groups = [until for _, until in self._waiting.values()]
        settled = [
            min(rows.values()) + self._terms.wait
            for name, rows in self._partial.items()
            if rows and name not in self._waiting
        ]
        return min([*bars, *groups, *settled], default=_NEVER)

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
            its features, `created_timestamp`, and `PARTIAL` where the group compares symbols.

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
        if change is None or opened(change.since - interval, length) + length > now:  # the first bar is under way.
            return pl.DataFrame()
        candles = self._tail.read(self._raw, opened(change.since - interval, length), change.symbols)
        return self._tail.put(bars.name, resample(candles, interval, length, as_of=now, wait=wait), now)

    def _rows(self, group: FeatureGroup, change: Change | None, now: datetime) -> pl.DataFrame:
        """The rows that are new, others than before or partial no more; none while it waits for whom it compares."""
        compared = self.members.others[group.name]
        waited, until = self._waiting.pop(group.name, (None, now + self.members.waits.get(group.name, _RETRY)))
        if waited is not None:
            change = waited | change
        partial = self._partial.get(group.name, {})
        if settled := [time for time in partial.values() if now >= time + self._terms.wait]:
            change = Change(min(settled), self._symbols) | change
        if change is None:
            return pl.DataFrame()
        if compared is None or compared & change.symbols:
            change = Change(change.since, self._symbols)
        if now < until and self.members.are_late(group, now):
            self._waiting[group.name] = change, until
            return pl.DataFrame()
        try:
            rows = self._computed(group, change, compared, now)
        except CryptoFeaturesError as error:
            self.troubles[group.name], self._waiting[group.name] = str(error), (change, now + _RETRY)
            return pl.DataFrame()
        self.troubles.pop(group.name, None)
        rows = self._tail.put(group.name, rows, now)
        whole = [key for key in partial.items() if not self.members.lack(group, key[1], now)]
        return self._with_whole(group, rows, whole) if whole else rows

    def _with_whole(
        self, group: FeatureGroup, rows: pl.DataFrame, whole: Sequence[tuple[str, datetime]]
    ) -> pl.DataFrame:
        """Changed rows, and those that have the same values as when they were partial."""
        keys = pl.DataFrame(whole, dict(zip(KEYS, (pl.String(), TIME), strict=True)), orient="row")
        partial = self._partial[group.name]
        for symbol, _ in whole:
            del partial[symbol]
        same = self._tail.read(group.name, min(time for _, time in whole), [symbol for symbol, _ in whole])
        same = same.join(keys, on=KEYS, how="semi").with_columns(again=pl.lit(value=False))
        return pl.concat([rows, same.join(rows, on=KEYS, how="anti")]) if rows.width else same

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
        are_newest = [newest[symbol] == time for symbol, time in changed[[*KEYS]].iter_rows()]
        rows = changed if all(are_newest) else changed.filter(are_newest)
        times = rows[KEYS[1]]
        again = rows["again"].any()
        created = pl.when("again").then(moment(now)).otherwise(KEYS[1]) if again else pl.col(KEYS[1])
        if group.name in self._partial:
            partial = {time for time in times.unique() if self.members.lack(group, time, now)}
            noted = self._partial[group.name]
            for symbol, time in rows[[*KEYS]].iter_rows():
                noted.pop(symbol, None)
                if time in partial:
                    noted[symbol] = time
            rows = rows.with_columns(pl.Series(PARTIAL, [time in partial for time in times], pl.Boolean))
            # Stamped by its close, so that whatever else is known of the row replaces it.
            created = pl.when(PARTIAL).then(KEYS[1]).otherwise(created)
        return rows.with_columns(created.alias(CREATED)).drop("again")

    def _over(self, bars: Bars | FeatureGroup, checked: datetime) -> datetime:
        """When the first bar is over by its wait alone that was not at that time."""
        length = bars.bar(self._terms.interval)
        return opened(checked - self._terms.wait, length) + length + self._terms.wait

    def _fitted(self, name: str, months: Sequence[str], lookback: timedelta) -> pl.DataFrame:
        wanted = months_between(month_span(months[0])[0] - lookback, month_span(months[-1])[1])
        for month in wanted:
            if (name, month) not in self._models and (found := self._load(name, [month])).height:
                self._models[name, month] = found
        there = [self._models[name, month] for month in wanted if (name, month) in self._models]
        if not there:
            raise InputError(f"{name} has no parameters of {wanted[-1]}; `crypto-features run` fits them.")
        return pl.concat(there)
