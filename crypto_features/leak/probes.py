"""The leak test: does a value known at a time change when only what comes later, earlier or elsewhere changes?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from crypto_features.leak.calendar import calendar_leaks, calendar_market, courses, spans
from crypto_features.leak.company import company
from crypto_features.leak.cuts import FIRST_BARS, cuts, first_opening
from crypto_features.leak.market import chosen_cuts, futures, on_month_ends, reversed_names, rows_of
from crypto_features.leak.named import NamedTest, named_market
from crypto_features.leak.report import Leak, LeakReport, differences
from crypto_features.leak.subject import Subject, memory, models_read
from crypto_features.leak.variants import Variant, interrupted, late_starts, perturbed, stacked, truncated
from crypto_features.tables.derived import only, part_read
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import MONTH, month_span, months_between
from crypto_features.tables.others import compares_symbols, others, read_by_name
from crypto_features.tables.warm_up import warm_up
from crypto_features.versions.probe_market import (
    COLUMNS,
    DAYS,
    probe_candle,
    probe_day,
    probe_market,
    probe_start,
    with_symbols,
)

DAY = timedelta(days=1)
START_DAYS = (1, 9, 34)
ANCHORED_STARTS = 3
FORGOTTEN_DAYS = 60
"""How much longer than the memory of a group the market is that is used if none is handed in: its future is altered
within the first `DAYS` only, the rest shows whether late starts are forgotten."""

_TOO_LONG = "has a value at bar {bar}; warm_up={window} says null until bar {window}"
_TOO_SHORT = (
    "is still null at bar {bar}, where a longer history gives {expected!r}; "
    "warm_up={window} says that {window} bars are enough"
)
_UNFADED = (
    "is {got!r} at bar {bar}, where a longer history gives {expected!r}; "
    "window={reach} says that no bar before the last {reach} counts, to the last bit"
)


def leak_test(
    group: FeatureGroup,
    candles: pl.DataFrame | None = None,
    *,
    interval: timedelta | None = None,
    seed: int = 0,
    by_name: pl.DataFrame | None = None,
) -> LeakReport:
    """Probe every feature of a group for each kind of leak.

    Look-ahead, on any day of many years, at any price and for any symbol; memory of more than the lookback; a warm-up
    that is not as declared; contact between symbols; state that the process keeps; the machine's clock. The tables that
    the group reads are derived from the candles again for each altered market. A fitted model, which all symbols
    share, is fitted again where the whole market is altered: every month that had begun by the cut must get the same
    parameters. What no such test can see: a list of symbols chosen with hindsight, candles that were corrected later,
    labels of a model that overlap its features.

    Args:
        group: Any group of any catalog.
        candles: `symbol, open_time, open, high, low, close, volume`; the probe market by default.
        interval: Length of a candle; an hour by default, or a third of the bars that are no whole hours.
        seed: Of the random cuts.
        by_name: Candles of symbols that are probed under their own names, such as some months of each symbol of a
            lake; by default `candles`, or the probe market under the names of some coins.

    Returns:
        The leaks that were caught, each with feature, kind, probe, first bad cut, row and both values.
    """
    interval = probe_candle(group) if interval is None else interval
    day, altered_days = probe_day(interval), _altered_days(group, interval)
    days = altered_days + max(memory(group, interval) // day, START_DAYS[-1]) + FORGOTTEN_DAYS
    market = with_symbols(probe_market(days, interval), read_by_name(group)) if candles is None else candles
    market = market.sort("symbol", "open_time").select(COLUMNS)
    altered = (
        market.filter(pl.col("open_time") < probe_start(interval) + altered_days * day) if candles is None else market
    )
    if by_name is None:
        by_name = with_symbols(named_market(candle=interval), read_by_name(group)) if candles is None else market
    with closing(NamedTest(group, by_name.select(COLUMNS), interval, seed)) as names:
        until: datetime = altered["open_time"].max()  # type: ignore[assignment] # a time
        test = _Test(group, market, until + interval, interval, seed)
        leaks, counts, unprobed = test.probed(altered)
        of_calendar, altered_bars = test.on_every_day()
        of_names, more_unprobed = names.probed()
        again = differences(group, test.whole, test.rows(), "process")
        found = _firsts([*leaks, *of_calendar, *of_names, *again])
        elsewhere = {} if more_unprobed else {"process": 2, "clock": 2}
        counts = {**counts, "calendar": altered_bars, **elsewhere}
        return LeakReport(group.name, found, counts, (*unprobed, *more_unprobed))


def _altered_days(group: FeatureGroup, interval: timedelta) -> int:
    """The days of the probe market that are altered: enough for the windows of long bars to fill."""
    bar, day = group.bar(interval), probe_day(interval)
    longest = max((feature.warm_up for feature in group.features), default=1)
    return max(DAYS, (longest + FIRST_BARS) * bar // day) if bar > day else DAYS


def _firsts(leaks: Sequence[Leak]) -> tuple[Leak, ...]:
    """The first leak of each feature and probe; of a feature that depends on the process, this alone."""
    stateful = {leak.feature for leak in leaks if leak.kind == "process state"}
    first: dict[tuple[str, str], Leak] = {}
    for leak in sorted(leaks, key=lambda leak: (leak.cut, leak.row)):
        if leak.feature not in stateful or leak.kind == "process state":
            first.setdefault((leak.feature, leak.probe), leak)
    return tuple(first.values())


class _Test:
    def __init__(
        self, group: FeatureGroup, candles: pl.DataFrame, altered_until: datetime, interval: timedelta, seed: int
    ) -> None:
        self.candles = candles
        self.group, self.interval, self.seed, self.memory = group, interval, seed, memory(group, interval)
        self.markets = {part["symbol"][0]: part for part in self.candles.partition_by("symbol", maintain_order=True)}
        times: list[datetime] = self.candles["open_time"].sort().to_list()
        self.first, self.end = times[0], times[-1] + interval
        self.compares = compares_symbols(group)
        self.subject = Subject(group, interval)
        models: dict[str, pl.DataFrame] = {}
        for model in reversed(models_read(group)):  # one that another one's rows are computed from comes first.
            rows = self._rows_of_fit(model, models).rows(self._as_it_is())
            months = rows.select(MONTH.unique().sort()).to_series().to_list()
            fitted = [month for month in months if month_span(month)[0] < altered_until]
            assumed = model.assumed(rows, [month for month in months if month not in fitted])
            models[model.name] = pl.concat([model.fitted(rows, fitted), assumed])
        self.subject = Subject(group, interval, models)
        own = max((feature.warm_up for feature in group.features), default=0) * group.bar(interval)
        begun = self.first + START_DAYS[-1] * probe_day(interval) + warm_up(group, interval) + own
        self.months, self.counted = self._months(max(altered_until, begun))
        self.whole = self.rows()

    def _months(self, until: datetime) -> tuple[list[str], datetime]:
        """The months that are computed, and until when none is left out.

        A function is computed for each month anew, at a cost: what is altered or begins late shows in the first months,
        and what must be forgotten in the last.

        Args:
            until: When nothing is altered any more and every late start has warmed up.
        """
        every = [(month, *month_span(month)) for month in months_between(self.first, self.end)]
        if self.group.function is None:
            return [month for month, _, _ in every], self.end
        forgotten = self.first + self.memory
        months = [month for month, start, end in every if start < until or end > forgotten]
        return months, max(end for _, start, end in every if start < until)

    def rows(self) -> pl.DataFrame:
        """The rows of the market as it is, in the months that are computed."""
        return self.subject.rows(self._as_it_is(), self.months)

    def probed(self, altered: pl.DataFrame) -> tuple[list[Leak], dict[str, int], tuple[str, ...]]:
        """What the probes of one market after another find, how many markets each looked at, and what is too short."""
        variants, early, anchored = [*self._futures(altered)], [*self._early_starts()], [*self._anchored_starts()]
        opens = altered["open_time"]
        months = months_between(opens.min(), opens.max() + self.interval)  # type: ignore[operator, arg-type] # times
        refits = [*self._refits(months)] if self.subject.models else []
        numbered = [
            *self._compared(variants, rows_of(self.subject, variants), self.whole),
            *self._warmed_up(early),
            *self._forgotten(anchored),
        ]
        leaks = [leak for leak in numbered if leak.feature not in self.named]
        leaks += [*self._touching(months), *self._refitted(refits)]
        counts = {"isolation": len(self.markets), "permutation": 1, "start": len(anchored), "warm-up": len(early)}
        if others(self.group) is None:  # a symbol alone has another cross-section.
            del counts["isolation"]
        if refits:
            counts["refit"] = len(refits) // len(self.markets)
        for variant in variants:
            counts[variant.probe] = counts.get(variant.probe, 0) + 1
        needs = f"start needs candles over more than the {self.memory.days} days that the group reads"
        return leaks, counts, () if anchored else (needs,)

    def on_every_day(self) -> tuple[list[Leak], int]:
        """What is found on the days of many years, and how many bars were altered."""
        calendar, every = spans(self.interval)
        market = calendar_market(*calendar, self.interval)
        known = company(market, read_by_name(self.group)) if self.compares else market
        subject = Subject(self.group, self.interval).before_any_fit(known)
        leaks: list[Leak] = []
        bars = 0
        for course in courses(subject):
            leaks += calendar_leaks(subject, course)
            bars += len(course.bars)
        ended = self._ended(subject, market.filter(pl.col("open_time").is_between(*every, closed="left")))
        return [*leaks, *(leak for leak in ended if leak.feature not in self.named)], bars

    def _ended(self, subject: Subject, years: pl.DataFrame) -> Iterator[Leak]:
        """Rows that change when the market ends with them."""
        candles = company(years, read_by_name(self.group)) if self.compares else years.with_columns(symbol=pl.lit("-"))
        markets = {str(part["symbol"][0]): part for part in candles.partition_by("symbol", maintain_order=True)}
        ends = on_month_ends(markets, self.interval)
        as_it_is = candles.with_columns(as_of=pl.lit(spans(self.interval)[1][1]))
        if self.compares:
            yield from self._compared(ends, rows_of(subject, ends), subject.rows(as_it_is))
        else:
            whole = subject.at_once(subject.raw(as_it_is))
            yield from self._compared(ends, subject.at_once(subject.raw(stacked(ends))), whole)

    @cached_property
    def named(self) -> set[str]:
        """The features that read a symbol's name: altered markets, which go by numbers, cannot be held against them."""
        kept = read_by_name(self.group)
        names = {symbol: str(number) for number, symbol in enumerate(self.markets) if symbol not in kept}
        renamed = self.subject.rows(self._as_it_is().with_columns(pl.col("symbol").replace(names)), self.months)
        whole = self.whole.with_columns(pl.col("symbol").replace(names))
        return {leak.feature for leak in differences(self.group, whole, renamed, "")} - {"(rows)"}

    def _futures(self, cuttable: pl.DataFrame) -> Iterator[Variant]:
        bar = self.group.bar(self.interval)
        window = max((feature.warm_up for feature in self.group.features), default=1)
        chosen = cuts(cuttable, bar=bar, window=window, interval=self.interval, seed=self.seed)
        if self.compares:
            yield from futures(self.markets, chosen_cuts(chosen, self.seed), self.interval, self.end)
            return
        for symbol, times in chosen.items():
            for alter in (truncated, perturbed, interrupted):
                yield from alter(self.markets[symbol], symbol, times, self.interval)

    def _early_starts(self) -> Iterator[Variant]:
        """Markets that begin some days late."""
        if self.compares:
            yield from self._begun(self._starts(self.first))
            return
        for symbol, market in self.markets.items():
            yield from late_starts(market, symbol, self._starts(market["open_time"][0]), self.end)

    def _starts(self, first: datetime) -> list[datetime]:
        """Some days after the first candle, where every bar opens that is read: a part of one is another bar."""
        midnight, day = first.replace(hour=0, minute=0), probe_day(self.interval)
        longest = max((bars.bar(self.interval) for bars in self.subject.bars), default=DAY)
        return sorted({first_opening(midnight + days * day, longest) for days in START_DAYS})

    def _anchored_starts(self) -> Iterator[Variant]:
        """Markets that begin as long before a month as its rows read, as a partition is computed."""
        if self.compares:
            begins = [month_span(month)[0] - self.memory for month in months_between(self.first, self.end)]
            yield from self._begun([start for start in begins if self.first < start][-ANCHORED_STARTS:])
            return
        for symbol, market in self.markets.items():
            first, last = market["open_time"][0], market["open_time"][-1]
            months = [month_span(month)[0] for month in months_between(first, last)]
            starts = [month - self.memory for month in months if first < month - self.memory]
            yield from late_starts(market, symbol, starts[-ANCHORED_STARTS:], self.end)

    def _begun(self, starts: Sequence[datetime]) -> Iterator[Variant]:
        """The whole market, begun late."""
        for start in starts:
            for symbol, market in self.markets.items():
                yield from late_starts(market, symbol, [start], self.end)

    def _refits(self, months: Sequence[str]) -> Iterator[Variant]:
        """Every market altered at once, on the first and on the middle day of each month."""
        for first, _ in map(month_span, months):
            for cut in (first + DAY, first + 15 * DAY):
                for alter in (truncated, perturbed, interrupted):
                    for symbol, market in self.markets.items():
                        yield from alter(market, symbol, [cut], self.interval)

    def _as_it_is(self) -> pl.DataFrame:
        return self.candles.with_columns(as_of=pl.lit(self.end))

    def _rows_of_fit(self, model: FittedModel, models: Mapping[str, pl.DataFrame]) -> Subject:
        """The rows that a model is fitted on, as a subject."""
        return Subject(only(model.of, model.features), self.interval, models)

    def _refitted(self, variants: Sequence[Variant]) -> Iterator[Leak]:
        """Months that had begun by the cut and get other parameters."""
        numbers = pl.DataFrame({"symbol": [str(i) for i in range(len(variants))], "name": [v.symbol for v in variants]})
        for model in models_read(self.group):
            rows = rows_of(self._rows_of_fit(model, self.subject.models), variants).join(numbers, on="symbol")
            expected = dict(self.subject.models[model.name].select("month", "version").iter_rows())
            for first in range(0, len(variants), len(self.markets)):
                variant, market = variants[first], numbers["symbol"][first : first + len(self.markets)]
                known = rows.filter(pl.col("symbol").is_in(market.implode())).with_columns(symbol="name")
                begun = [month for month in expected if month_span(month)[0] <= variant.cut]
                for month, version in model.fitted(known, begun).select("month", "version").iter_rows():
                    if version != expected[month]:
                        yield Leak(
                            feature=f"({model.name})",
                            probe=variant.probe,
                            symbol="all symbols",
                            cut=variant.cut,
                            row=month_span(month)[0],
                            expected=expected[month],
                            got=version,
                        )

    def _compared(self, variants: Sequence[Variant], rows: pl.DataFrame, whole: pl.DataFrame) -> Iterator[Leak]:
        """Rows up to the cut that differ in any bit, appear or vanish."""
        pairs = _pairs(variants, rows, whole).filter(pl.col("event_timestamp") <= pl.col("cut"))
        yield from _differing(pairs, "(rows)", pl.col("here").is_null() | pl.col("there").is_null())
        both = pairs.drop_nulls(["here", "there"])
        for feature in self.group.features:
            yield from _differing(both, feature.name, ~_same(feature.name))

    def _forgotten(self, variants: Sequence[Variant]) -> Iterator[Leak]:
        """Values that depend on what is older than all that the group reads."""
        if not variants:
            return
        months = months_between(min(variant.cut for variant in variants) + self.memory, self.end)
        rows = rows_of(self.subject, variants, months)
        pairs = _pairs(variants, rows, self.whole).drop_nulls(["here", "there"])
        settled = pairs.filter(pl.col("event_timestamp") > pl.col("cut") + self.memory)
        for feature in self.group.features:
            yield from _differing(settled, feature.name, ~_same(feature.name))

    def _warmed_up(self, variants: Sequence[Variant]) -> Iterator[Leak]:
        """Values that need another window than is declared."""
        rows = rows_of(self.subject, variants, self.months).with_columns(bar=pl.int_range(pl.len()).over("symbol"))
        age, counted = pl.col("event_timestamp") - pl.col("cut"), pl.col("event_timestamp") <= self.counted
        length = self.group.bar(self.interval)
        place = pl.when(counted).then("bar").otherwise((age / length).floor().cast(pl.Int64) - 1)
        pairs = _pairs(variants, rows, self.whole).drop_nulls(["here", "there"]).with_columns(bar=place)
        bar = pl.col("bar") + 1
        warm, settled = age > warm_up(self.group, self.interval), age > self._settled()
        for feature in self.group.features:
            got = pl.col(f"{feature.name}_there")
            same, read = _same(feature.name), age > feature.calendar
            early = (bar < feature.warm_up) & got.is_not_null()
            yield from self._windowed(feature, pairs.filter(early), _TOO_LONG)
            if self.group.function is None:
                full = (bar >= feature.window) & read & settled
                yield from self._windowed(feature, pairs.filter(full & got.is_not_null() & ~same), _UNFADED)
            due = (bar >= feature.warm_up) & read & warm
            yield from self._windowed(feature, pairs.filter(due & got.is_null() & ~same), _TOO_SHORT)

    def _settled(self) -> timedelta:
        """How long after a late start the tables that the group reads are what they would be without it."""
        bars, *joins = self.group.inputs
        read = [(bars.table, timedelta(0)), *((join.table, join.reach(self.interval)) for join in joins)]
        return max(reach + memory(part_read(self.group, table), self.interval) for table, reach in read)

    def _windowed(self, feature: Feature, pairs: pl.DataFrame, why: str) -> Iterator[Leak]:
        """The first of the rows that do not agree with the feature's window."""
        for leak in _differing(pairs, feature.name, pl.lit(value=True), "warm-up"):
            bar = pairs.filter(symbol=leak.symbol, cut=leak.cut, event_timestamp=leak.row)["bar"][0] + 1
            text = why.format(
                bar=bar, window=feature.warm_up, reach=feature.window, expected=leak.expected, got=leak.got
            )
            yield replace(leak, why=text)

    def _touching(self, months: Sequence[str]) -> Iterator[Leak]:
        """Values of a symbol that change when it is alone, or when symbols come in another order."""
        end = month_span(months[-1])[1]
        order = pl.DataFrame({"symbol": list(reversed(self.markets))}).with_columns(pl.lit(self.end).alias("as_of"))
        shuffled = order.join(self.candles, on="symbol", how="left", maintain_order="left_right")
        touched = [("permutation", self.subject.rows(shuffled, months))]
        if others(self.group) is None:
            touched.append(("permutation", self._renamed(months)))
        else:
            touched.append(("isolation", pl.concat(self._alone(symbol, months) for symbol in self.markets)))
        for probe, rows in touched:
            variants = [Variant(probe, symbol, end, market, self.end) for symbol, market in self.markets.items()]
            numbers = {symbol: str(i) for i, symbol in enumerate(self.markets)}
            yield from self._compared(variants, rows.with_columns(pl.col("symbol").replace(numbers)), self.whole)

    def _alone(self, symbol: str, months: Sequence[str]) -> pl.DataFrame:
        """The rows of a symbol without any other but those that it reads by name."""
        needed = self.candles.filter(pl.col("symbol").is_in([symbol, *read_by_name(self.group)]))
        return self.subject.rows(needed.with_columns(as_of=pl.lit(self.end)), months).filter(symbol=symbol)

    def _renamed(self, months: Sequence[str]) -> pl.DataFrame:
        """The rows under names that sort the other way, with the names of before."""
        names = reversed_names(self.markets, read_by_name(self.group))
        renamed = self._as_it_is().with_columns(pl.col("symbol").replace(names))
        rows = self.subject.rows(renamed, months)
        return rows.with_columns(pl.col("symbol").replace({new: old for old, new in names.items()}))


def _pairs(variants: Sequence[Variant], rows: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """Each row of the whole market beside the same row of each variant."""
    table = pl.DataFrame(
        [(str(i), v.probe, v.symbol, v.cut) for i, v in enumerate(variants)],
        schema={"variant": pl.String, "probe": pl.String, "symbol": pl.String, "cut": pl.Datetime("us", "UTC")},
        orient="row",
    )
    here = table.join(whole.with_columns(here=pl.lit(value=True)), on="symbol")
    there = rows.rename({"symbol": "variant"}).with_columns(there=pl.lit(value=True)).join(table, on="variant")
    keys = ["variant", "probe", "symbol", "cut", "event_timestamp"]
    return here.join(there, on=keys, how="full", coalesce=True, suffix="_there")


def _same(name: str) -> pl.Expr:
    return pl.col(name).eq_missing(pl.col(f"{name}_there"))


def _differing(pairs: pl.DataFrame, name: str, bad: pl.Expr, probe: str | None = None) -> Iterator[Leak]:
    here, there = (name, f"{name}_there") if name != "(rows)" else ("here", "there")
    worst = pairs.filter(bad).sort("cut", "event_timestamp").unique("probe", keep="first", maintain_order=True)
    for row in worst.iter_rows(named=True):
        yield Leak(
            feature=name,
            probe=probe or row["probe"],
            symbol=row["symbol"],
            cut=row["cut"],
            row=row["event_timestamp"],
            expected=row[here],
            got=row[there],
        )
