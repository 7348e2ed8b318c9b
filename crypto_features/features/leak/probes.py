"""The leak test: does a value known at a time change when only what comes later, earlier or elsewhere changes?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from crypto_features.features.declaration import Feature, FeatureGroup
from crypto_features.features.leak.cuts import cuts
from crypto_features.features.leak.report import Leak, LeakReport
from crypto_features.features.leak.variants import (
    Variant,
    interrupted,
    late_starts,
    perturbed,
    stacked,
    truncated,
)
from crypto_features.features.months import month_span, months_between
from crypto_features.features.probe_market import DAYS, HOUR, START, probe_market
from crypto_features.features.regime_model import Fit, fit_regime_model, regime_models
from crypto_features.features.registry import GROUPS
from crypto_features.features.resample import resample_each
from crypto_features.features.upstream import ULTRA_5_FEATURES, every_row, tables

DAY = timedelta(days=1)
MARKET_DAYS = 560
"""Length of the market that is used if none is handed in: longer than the longest lookback of the shipped groups. Its
future is altered within the first `DAYS` only; the rest shows whether late starts are forgotten."""

START_DAYS = (1, 9, 34)
TOLERANCE = 1e-9
"""How much of a feature's scale a value may differ when history begins elsewhere; every other probe compares bits."""

_TOO_LONG = "has a value at bar {bar}; window={window} says null until bar {window}"
_TOO_SHORT = (
    "is still null at bar {bar}, where a longer history gives {expected!r}; "
    "window={window} says that {window} bars are enough"
)
_UNFADED = (
    "is {got!r} at bar {bar}, where a longer history gives {expected!r}; "
    "without recursive=True no bar before its window counts"
)


def leak_test(
    group: FeatureGroup,
    candles: pl.DataFrame | None = None,
    *,
    interval: timedelta = HOUR,
    seed: int = 0,
    fit: Fit = fit_regime_model,
) -> LeakReport:
    """Probe every feature of a group for look-ahead, dishonest warm-up, endless memory and contact between symbols.

    The tables that the group reads are derived from the candles again for each altered market. The regime model, which
    all symbols share, is fitted again where the whole market is altered: every month that had begun by the cut must get
    the same parameters. What no such test can see: a list of symbols chosen with hindsight, candles that were corrected
    later, labels of a model that overlap its features.

    Args:
        group: Any group, shipped or not, that reads `candles`, `daily_candles`, `regime_model` or shipped groups.
        candles: `symbol, open_time, open, high, low, close, volume`; the probe market by default.
        interval: Length of a candle.
        seed: Of the random cuts.
        fit: What fits the regime model of a month from the price features.

    Returns:
        The leaks that were caught, each with feature, probe, first bad cut, row and both values.
    """
    market = (probe_market(MARKET_DAYS) if candles is None else candles).sort("symbol", "open_time")
    altered = market if candles is not None else market.filter(pl.col("open_time") < START + DAYS * DAY)
    return _Test(group, market, interval, seed, fit).report(altered)


class _Test:
    def __init__(self, group: FeatureGroup, candles: pl.DataFrame, interval: timedelta, seed: int, fit: Fit) -> None:
        self.fit = fit
        self.group, self.interval, self.seed, self.lookback = group, interval, seed, _longest(group)
        self.columns = ["symbol", "open_time", "open", "high", "low", "close", "volume"]
        self.candles = candles.select(self.columns)
        self.markets = {part["symbol"][0]: part for part in self.candles.partition_by("symbol", maintain_order=True)}
        times: list[datetime] = self.candles["open_time"].sort().to_list()
        self.first, self.end = times[0], times[-1] + interval
        self.given: dict[str, pl.DataFrame] = {}
        if _reads_model(group):
            self.given["regime_model"] = regime_models(self._prices(self._as_it_is()), fit=fit)
        self.whole = self._rows(self._as_it_is())

    def report(self, altered: pl.DataFrame) -> LeakReport:
        variants = [*self._futures(altered)]
        starts = [*self._starts()]
        opens = altered["open_time"]
        months = months_between(opens.min(), opens.max() + self.interval)  # type: ignore[operator, arg-type] # times
        refits = [*self._refits(months)] if self.given else []
        leaks = [
            *self._compared(variants, self._rows(stacked(variants))),
            *self._started(starts),
            *self._touching(months),
            *self._refitted(refits),
        ]
        counts = {"isolation": len(self.markets), "permutation": 1, "start": len(starts), "warm-up": len(starts)}
        if refits:
            counts["refit"] = len(refits) // len(self.markets)
        for variant in variants:
            counts[variant.probe] = counts.get(variant.probe, 0) + 1
        first: dict[tuple[str, str], Leak] = {}
        for leak in sorted(leaks, key=lambda leak: (leak.cut, leak.row)):
            first.setdefault((leak.feature, leak.probe), leak)
        needs = f"start needs candles over more than the lookback of {self.lookback.days} days"
        short = self.end - self.first < self.lookback + 2 * DAY
        return LeakReport(self.group.name, tuple(first.values()), counts, (needs,) if short else ())

    def _futures(self, cuttable: pl.DataFrame) -> Iterator[Variant]:
        bar = self.group.interval or self.interval
        window = max((feature.window for feature in self.group.features), default=1)
        chosen = cuts(cuttable, bar=bar, window=window, interval=self.interval, seed=self.seed)
        for symbol, times in chosen.items():
            for alter in (truncated, perturbed, interrupted):
                yield from alter(self.markets[symbol], symbol, times, self.interval)

    def _starts(self) -> Iterator[Variant]:
        for symbol, market in self.markets.items():
            first = market["open_time"][0].replace(hour=0, minute=0)
            yield from late_starts(market, symbol, [first + days * DAY for days in START_DAYS], self.end)

    def _refits(self, months: Sequence[str]) -> Iterator[Variant]:
        """Every market altered at once, on the first and on the middle day of each month."""
        for first, _ in map(month_span, months):
            for cut in (first + DAY, first + 15 * DAY):
                for alter in (truncated, perturbed, interrupted):
                    for symbol, market in self.markets.items():
                        yield from alter(market, symbol, [cut], self.interval)

    def _as_it_is(self) -> pl.DataFrame:
        return self.candles.with_columns(as_of=pl.lit(self.end))

    def _prices(self, candles: pl.DataFrame) -> pl.DataFrame:
        days = {"daily_candles": resample_each(candles, self.interval, DAY)}
        return every_row(ULTRA_5_FEATURES, days, interval=self.interval)

    def _rows(self, candles: pl.DataFrame, months: Sequence[str] | None = None) -> pl.DataFrame:
        """The group's rows of these markets; an unfinished day is left out of each market by its own `as_of`."""
        given = {**self.given, "daily_candles": resample_each(candles, self.interval, DAY)}
        inputs = tables(self.group, candles.select(self.columns), interval=self.interval, given=given)
        return every_row(self.group, inputs, interval=self.interval, months=months)

    def _refitted(self, variants: Sequence[Variant]) -> Iterator[Leak]:
        """Months that had begun by the cut and get other parameters."""
        if not variants:
            return
        numbers = pl.DataFrame({"symbol": [str(i) for i in range(len(variants))], "name": [v.symbol for v in variants]})
        prices = self._prices(stacked(variants)).join(numbers, on="symbol")
        expected = dict(self.given["regime_model"].select("month", "version").iter_rows())
        for first in range(0, len(variants), len(self.markets)):
            variant, market = variants[first], numbers["symbol"][first : first + len(self.markets)]
            known = prices.filter(pl.col("symbol").is_in(market.implode())).with_columns(symbol="name")
            begun = [month for month in expected if month_span(month)[0] <= variant.cut]
            for month, version in regime_models(known, begun, self.fit).select("month", "version").iter_rows():
                if version != expected[month]:
                    yield Leak(
                        feature="(regime_model)",
                        probe=variant.probe,
                        symbol="all symbols",
                        cut=variant.cut,
                        row=month_span(month)[0],
                        expected=expected[month],
                        got=version,
                    )

    def _compared(self, variants: Sequence[Variant], rows: pl.DataFrame) -> Iterator[Leak]:
        """Rows up to the cut that differ in any bit, appear or vanish."""
        pairs = self._pairs(variants, rows)
        yield from self._differing(pairs, "(rows)", pl.col("here").is_null() | pl.col("there").is_null())
        both = pairs.drop_nulls(["here", "there"])
        for feature in self.group.features:
            yield from self._differing(both, feature.name, ~self._same(feature.name))

    def _started(self, variants: Sequence[Variant]) -> Iterator[Leak]:
        """Values that depend on where history begins: before the window is full, or for longer than the lookback."""
        rows = self._rows(stacked(variants)).with_columns(bar=pl.int_range(pl.len()).over("symbol"))
        pairs = self._pairs(variants, rows).drop_nulls(["here", "there"])
        settled = pl.col("event_timestamp") > pl.col("cut") + self.lookback
        for feature in self.group.features:
            name, got = feature.name, pl.col(f"{feature.name}_there")
            yield from self._differing(pairs.filter(settled), name, ~self._close(name), "start")
            full = pl.col("bar") >= feature.window - 1
            yield from self._windowed(feature, pairs.filter(~full & got.is_not_null()), _TOO_LONG)
            if feature.recursive:
                continue
            yield from self._windowed(feature, pairs.filter(got.is_not_null() & ~self._close(name)), _UNFADED)
            warm = pl.col("event_timestamp") > pl.col("cut") + _warm_up(self.group, self.interval)
            yield from self._windowed(
                feature, pairs.filter(full & warm & got.is_null() & ~self._same(name)), _TOO_SHORT
            )

    def _windowed(self, feature: Feature, pairs: pl.DataFrame, why: str) -> Iterator[Leak]:
        """The first of the rows that do not agree with the feature's window."""
        for leak in self._differing(pairs, feature.name, pl.lit(value=True), "warm-up"):
            bar = pairs.filter(symbol=leak.symbol, cut=leak.cut, event_timestamp=leak.row)["bar"][0] + 1
            text = why.format(bar=bar, window=feature.window, expected=leak.expected, got=leak.got)
            yield replace(leak, why=text)

    def _touching(self, months: Sequence[str]) -> Iterator[Leak]:
        """Values of a symbol that change when it is alone, or when symbols come in another order."""
        end = month_span(months[-1])[1]
        order = pl.DataFrame({"symbol": list(reversed(self.markets))}).with_columns(pl.lit(self.end).alias("as_of"))
        shuffled = order.join(self.candles, on="symbol", how="left", maintain_order="left_right")
        alone = [self._rows(m.with_columns(as_of=pl.lit(self.end)), months) for m in self.markets.values()]
        for probe, rows in (("permutation", self._rows(shuffled, months)), ("isolation", pl.concat(alone))):
            variants = [Variant(probe, symbol, end, market, self.end) for symbol, market in self.markets.items()]
            numbers = {symbol: str(i) for i, symbol in enumerate(self.markets)}
            yield from self._compared(variants, rows.with_columns(pl.col("symbol").replace(numbers)))

    def _pairs(self, variants: Sequence[Variant], rows: pl.DataFrame) -> pl.DataFrame:
        """Each row of the whole market beside the same row of each variant."""
        table = pl.DataFrame(
            [(str(i), v.probe, v.symbol, v.cut) for i, v in enumerate(variants)],
            schema={"variant": pl.String, "probe": pl.String, "symbol": pl.String, "cut": pl.Datetime("us", "UTC")},
            orient="row",
        )
        here = table.join(self.whole.with_columns(here=pl.lit(value=True)), on="symbol")
        there = rows.rename({"symbol": "variant"}).with_columns(there=pl.lit(value=True)).join(table, on="variant")
        comparable = (pl.col("event_timestamp") <= pl.col("cut")) | (pl.col("probe") == "start")
        here, there = here.filter(comparable), there.filter(comparable)
        keys = ["variant", "probe", "symbol", "cut", "event_timestamp"]
        return here.join(there, on=keys, how="full", coalesce=True, suffix="_there")

    def _same(self, name: str) -> pl.Expr:
        return pl.col(name).eq_missing(pl.col(f"{name}_there"))

    def _close(self, name: str) -> pl.Expr:
        if not self.whole.schema[name].is_float():
            return self._same(name)
        expected, got = pl.col(name), pl.col(f"{name}_there")
        scale = expected.abs().max().over("symbol")
        near = (expected - got).abs() <= TOLERANCE * scale
        return near.fill_null(expected.is_null() & got.is_null())

    def _differing(self, pairs: pl.DataFrame, name: str, bad: pl.Expr, probe: str | None = None) -> Iterator[Leak]:
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


def _reads_model(group: FeatureGroup) -> bool:
    """Whether the group, or one that it reads, reads the regime model."""
    read = [source.table for source in group.inputs]
    return "regime_model" in read or any(_reads_model(GROUPS[name]) for name in read if name in GROUPS)


def _warm_up(group: FeatureGroup, interval: timedelta) -> timedelta:
    """How long after its first candle every table that a group reads may be null for want of history."""
    _, *joined = group.inputs
    read = [GROUPS[source.table] for source in group.inputs if source.table in GROUPS]
    upstream = [max(f.window for f in g.features) * (g.interval or interval) + _warm_up(g, interval) for g in read]
    return max([source.lookback for source in joined], default=timedelta(0)) + max(upstream, default=timedelta(0))


def _longest(group: FeatureGroup) -> timedelta:
    """The longest lookback of the group and of the groups that it reads."""
    upstream = [_longest(GROUPS[source.table]) for source in group.inputs if source.table in GROUPS]
    return max([source.lookback for source in group.inputs] + upstream)
