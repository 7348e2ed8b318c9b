"""What is worth fetching: the spans of time in which a source may have something that the table lacks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
from upath import UPath

from crypto_features.features.months import month_span, months_between
from crypto_features.market.contract import KEY
from crypto_features.market.lake import Table
from crypto_features.market.source import Source
from crypto_features.market.spans import Span, from_texts, joined, number, opening, spans_of, to_texts, without

LATE = timedelta(days=7)
"""For so long after its close a symbol's next candle is asked for anew: an exchange may be late with everything."""


@dataclass(frozen=True)
class Window:
    """One fetch: the candles of a symbol that open in `[start, end)`, and the mark of each month in it."""

    symbol: str
    start: datetime
    end: datetime
    marks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """What is known of one month before it is asked for.

    Args:
        metadata: Of its partition; empty if there is none.
        held: The candles that each symbol has; only told of a source that resumes.
        marks: The source's mark of each symbol, if it belongs to the content that the partition has.
        none: The candles that were asked for and do not exist, by symbol and origin.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    none: Mapping[str, Sequence[Span]] = field(default_factory=dict)


@dataclass(frozen=True)
class Planner:
    """Plans fetches, and remembers what the source has and has not, so that a run with nothing new costs nothing.

    The marks of a month hold for one content of its partition: restore an older file, and they are forgotten. What
    the source does not have is remembered apart, candle by candle, and asked for again only within `recheck`.

    Args:
        source: Where candles come from.
        table: Where they are stored.
        interval: Length of a candle.
        now: The current time.
        recheck: How far before a missing candle the stored ones are asked for again, to find corrections.
        again: Forget what is stored and remembered, and ask for everything.
    """

    source: Source
    table: Table
    interval: timedelta
    now: datetime
    recheck: timedelta
    again: bool = False

    def reach(self, months: Sequence[str]) -> list[str]:
        """The months themselves, and those shortly before them, in which corrections are looked for."""
        before = self.recheck if self.source.resumes else timedelta(0)
        spans = [(month_span(month)[0] - before, self._end(month)) for month in months]
        return sorted({*months, *(near for start, end in spans for near in months_between(start, end))})

    def windows(self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Window]:
        """The spans to fetch, oldest first.

        Args:
            symbol: The symbol.
            months: The months to bring up to date.
            stored: What `self.stored(self.reach(months))` returned.
        """
        if self.source.resumes:
            return [
                Window(symbol, opening(start, self.interval), opening(end, self.interval))
                for start, end in self.missing(symbol, months, stored)
            ]
        return self._changed(symbol, months, stored)

    def stored(self, months: Sequence[str]) -> dict[str, Stored]:
        """What is known of each month."""
        if self.again:
            return {month: Stored() for month in months}
        published = set(self.table.months())
        return {month: self._stored(month, published=month in published) for month in months}

    def neglected(self, months: Sequence[str], symbols: Sequence[str]) -> tuple[str, ...]:
        """The months over which some symbol was never asked for, as far as that is known without asking the source.

        Args:
            months: The months to look at; what may still be late is left out.
            symbols: The symbols.
        """
        old = replace(self, now=self.now - max(LATE, self.recheck), recheck=timedelta(0))
        over = [
            month
            for month in months
            if (month_span(month)[0] if self.source.resumes else month_span(month)[1]) <= old.now
        ]
        stored = old.stored(over)

        def unasked(month: str, symbol: str) -> bool:
            if self.source.resumes:
                return bool(old.missing(symbol, [month], stored))
            return f"mark {symbol}" not in stored[month].marks and f'"{symbol}"' not in stored[month].metadata.get(
                "last", ""
            )

        return tuple(month for month in over if any(unasked(month, symbol) for symbol in symbols))

    def remember(self, month: str, before: Stored, windows: Iterable[Window]) -> None:
        """Keep the marks of symbols that were fetched in full, and which candles a source that resumes has not."""
        windows = list(windows)
        stored = self._stored(month, published=self.table.path(month).exists(), earlier=before.metadata.get("digest"))
        marks = {**stored.marks} | {f"mark {w.symbol}": w.marks[month] for w in windows if month in w.marks}
        none = dict(stored.none)
        if self.source.resumes:
            for window in windows:
                origin, held = self._origin(window.symbol), stored.held.get(window.symbol, ())
                none[origin] = joined([*none.get(origin, ()), *self._absent(month, window, held)])
        if (marks, none) == (stored.marks, stored.none) or not (marks or any(none.values())):
            return
        kept = {"digest": stored.metadata.get("digest"), **marks, "none": to_texts(none, self._first(month))}
        path = self._path(month)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=0, sort_keys=True))

    def _changed(self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Window]:
        """Whole months, those whose mark is the remembered one left out."""
        found: list[Window] = []
        for month in months:
            start, end = month_span(month)[0], self._end(month)
            if start >= end:
                continue
            mark = self.source.mark(symbol, start, end)
            signed = {month: f"{mark} until {end:%Y-%m-%dT%H:%M}"} if mark is not None else {}
            if signed and stored[month].marks.get(f"mark {symbol}") == signed[month]:
                continue
            if found and found[-1].end == start:
                before = found.pop()
                start, signed = before.start, {**before.marks, **signed}
            found.append(Window(symbol, start, end, signed))
        return found

    def missing(self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Span]:
        """The candles that are neither stored nor known to be absent, and the stored ones shortly before them."""
        near = [stored[month] for month in self.reach(months)]
        held = joined(span for one in near for span in one.held.get(symbol, ()))
        none = [span for one in near for span in one.none.get(self._origin(symbol), ())]
        wanted = joined((self._first(month), number(self._end(month), self.interval)) for month in months)
        missing = [part for span in wanted for part in without(span, [*held, *none])]
        first, step = held[0][0] if held else missing[0][0] if missing else 0, self.recheck // self.interval
        return joined((min(start, max(start - step, first)), end) for start, end in missing)

    def _absent(self, month: str, window: Window, held: Sequence[Span]) -> list[Span]:
        """Candles of an answered window that did not come and will not: a later one did, or they are no longer late."""
        over = number(self.now - max(self.recheck, LATE), self.interval)
        last = max(over, max((end for _, end in held), default=over))
        start = max(self._first(month), number(window.start, self.interval))
        end = min(number(self._end(month), self.interval), number(window.end, self.interval), last)
        return without((start, end), held)

    def _stored(self, month: str, *, published: bool, earlier: str | None = None) -> Stored:
        metadata = self.table.metadata(month) if published else {}
        held = held_in(self.table, month, metadata, self.interval) if metadata and self.source.resumes else {}
        try:
            kept = json.loads(self._path(month).read_text())
        except (FileNotFoundError, ValueError):
            return Stored(metadata, held)  # never written, or torn by a kill: the month is asked for again.
        none = from_texts(kept.pop("none", {}), self._first(month))
        marks = kept if kept.pop("digest") in (metadata.get("digest"), earlier) else {}
        return Stored(metadata, held, marks, none)

    def _origin(self, symbol: str) -> str:
        return f"{symbol} of {self.source.origin(symbol)}"

    def _first(self, month: str) -> int:
        return number(month_span(month)[0], self.interval)

    def _end(self, month: str) -> datetime:
        """The end of the month, or of the last candle that is over."""
        start, end = month_span(month)
        return min(end, self.now - (self.now - start) % self.interval)

    def _path(self, month: str) -> UPath:
        return self.table.root / ".marks" / self.table.name / f"{month}.json"


def held_in(table: Table, month: str, metadata: Mapping[str, str], interval: timedelta) -> dict[str, list[Span]]:
    """Which candles each symbol has in a partition, as its metadata says, or else its rows."""
    if "held" in metadata:
        return from_texts(json.loads(metadata["held"]), number(month_span(month)[0], interval))
    return spans_of(table.read([month], KEY), interval)  # published by other means.


def gaps_in(table: Table, months: Sequence[str], interval: timedelta) -> pl.DataFrame:
    """As `gaps`, over whole partitions of raw candles and from their metadata alone."""
    held: dict[str, list[Span]] = {}
    for month in months:
        for symbol, spans in held_in(table, month, table.metadata(month), interval).items():
            held.setdefault(symbol, []).extend(spans)
    found = [
        (symbol, opening(end, interval), opening(start - 1, interval), start - end)
        for symbol, spans in sorted(held.items())
        for (_, end), (start, _) in pairwise(joined(spans))
    ]
    time = pl.Datetime("us", "UTC")
    schema = pl.Schema({"symbol": pl.String(), "from": time, "to": time, "missing": pl.Int64()})
    return pl.DataFrame(found, schema=schema, orient="row")
