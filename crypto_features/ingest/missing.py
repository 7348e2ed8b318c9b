"""What is worth fetching: the spans of time in which a source may have something that the table lacks."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType

import polars as pl
from upath import UPath

from crypto_features.errors import CryptoFeaturesError
from crypto_features.ingest.absent import Absent, after_session, from_notes, notes
from crypto_features.lake.spans import Span, common, from_texts, joined, number, opening, spans_of, to_texts, without
from crypto_features.lake.table import Table
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.sources.source import Source
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.raw_rows import RAW_KEY
from crypto_features.whole_file import whole_file

LATE = timedelta(days=7)
"""For so long after its close a symbol's next candle is requested again: an exchange may be late with everything."""


@dataclass(frozen=True)
class Window:
    """One fetch: the candles of a symbol that open in `[start, end)`, and the mark of each month in it."""

    symbol: str
    start: datetime
    end: datetime
    marks: Mapping[str, str] = field(default_factory=dict)

    def without(self, lost: Sequence[tuple[datetime, datetime]]) -> list["Window"]:
        """The parts outside some spans, and the marks of the months that these do not touch."""
        touched = {month for start, end in lost for month in months_between(start, end)}
        marks = {month: mark for month, mark in self.marks.items() if month not in touched}
        ends = [self.start, *(time for span in lost for time in span), self.end]
        return [replace(self, start=a, end=b, marks=marks) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b]


@dataclass(frozen=True)
class Stored:
    """What is known of one month before it is asked for.

    Args:
        metadata: Of its partition; empty if there is none.
        held: The candles that each symbol has; only told of a source whose absences are noted.
        marks: The source's mark of each symbol, if it belongs to the content that the partition has.
        absent: The candles that were asked for and did not come, by symbol and origin.
        rejected: Those that came and broke the contract, in a run that was accepted, by symbol and origin. They are
            asked for again as those that did not come, and break no later run.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, Sequence[Absent]] = field(default_factory=dict)
    rejected: Mapping[str, Sequence[Span]] = field(default_factory=dict)


@dataclass(frozen=True)
class Planner:
    """Plans fetches, and remembers what the source has and has not, so that a run with nothing new costs nothing.

    The marks of a month hold for one content of its partition: restore an older file, and they are forgotten. What
    a source that resumes, or that adds some late, did not give is noted apart, candle by candle, and asked for again as
    `absent` says.

    Args:
        source: Where candles come from.
        table: Where they are stored.
        interval: Length of a candle.
        now: The current time.
        recheck: How far before a missing candle the stored ones are requested again, to find corrections.
        again: Forget what is stored and remembered, and ask for everything.
        holds: For how long a row leaves none to be expected; `None` for the length of a candle.
    """

    source: Source
    table: Table
    interval: timedelta
    now: datetime
    recheck: timedelta
    again: bool = False
    holds: pl.Expr | None = None

    @property
    def notes_absences(self) -> bool:
        """Whether it is noted, candle by candle, what the source did not give."""
        return self.source.resumes or self.source.adds_late

    def reach(self, months: Sequence[str]) -> list[str]:
        """The months themselves, and those shortly before them, in which corrections are looked for."""
        before = self.recheck if self.source.resumes else timedelta(0)
        spans = [(month_span(month)[0] - before, self._end(month)) for month in months]
        return sorted({*months, *(near for start, end in spans for near in months_between(start, end))})

    def windows(self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Window]:
        """The spans to fetch, oldest first; `stored` is `self.stored(self.reach(months))`."""
        if self.source.resumes:
            return [
                Window(symbol, opening(start, self.interval), opening(end, self.interval))
                for start, end in self.missing(symbol, months, stored)
            ]
        return self._changed(symbol, months, stored)

    def stored(self, months: Sequence[str]) -> dict[str, Stored]:
        if self.again:
            return {month: Stored() for month in months}
        published = set(self.table.months())
        return {month: self._stored(month, published=month in published) for month in months}

    def neglected(self, months: Sequence[str], symbols: Sequence[str]) -> tuple[str, ...]:
        """The months over which some symbol was never asked for, as far as that is known without asking the source.

        What may still be late is left out.
        """
        until = self.now - max(LATE, self.recheck)
        over = [
            month
            for month in months
            if (month_span(month)[0] if self.source.resumes else month_span(month)[1]) <= until
        ]
        stored = self.stored(over)

        def unasked(month: str, symbol: str) -> bool:
            if self.source.resumes:
                lacking = self._lacking(symbol, [month], stored, lambda one: one.rests(self.now))
                return any(start < number(until, self.interval) for start, _ in lacking)
            known = f"mark {symbol}" in stored[month].marks or f'"{symbol}"' in stored[month].metadata.get("last", "")
            return not known or self._is_due(symbol, month, stored)

        return tuple(month for month in over if any(unasked(month, symbol) for symbol in symbols))

    def changed(self, months: Sequence[str], symbols: Sequence[str]) -> tuple[str, ...]:
        """The months that a watched source may have otherwise than when they were fetched."""
        if not self.source.watched:
            return ()
        stored = self.stored(months)

        def differs(month: str, symbol: str) -> bool:
            remembered = stored[month].marks.get(f"mark {symbol}")
            if remembered is None:
                return False
            with suppress(CryptoFeaturesError):  # a file that cannot be read is named by the run that fetches it.
                return remembered.rpartition(" until ")[0] != self.source.mark(symbol, *month_span(month))
            return False

        return tuple(month for month in months if any(differs(month, symbol) for symbol in symbols))

    def remember(
        self,
        month: str,
        before: Stored,
        windows: Iterable[Window],
        newest: Mapping[str, int],
        rejected: Mapping[str, Sequence[Span]] = MappingProxyType({}),
    ) -> None:
        """Keep the marks of symbols that were fetched in full, and what a source that resumes did not give."""
        windows = list(windows)
        stored = self._stored(month, published=self.table.path(month).exists(), earlier=before.metadata.get("digest"))
        marks = {**stored.marks} | {f"mark {w.symbol}": w.marks[month] for w in windows if month in w.marks}
        absent, broken = dict(stored.absent), dict(stored.rejected)
        if self.notes_absences:
            for window in windows:
                symbol, origin = window.symbol, self._origin(window.symbol)
                broken[origin] = joined([*broken.get(origin, ()), *rejected.get(symbol, ())])
                came = newest.get(symbol, 0) if self.source.resumes else 0
                for asked in self._offered(symbol, self._asked(month, window, came)):
                    missing = without(asked, stored.held.get(symbol, ()))
                    noted = absent.get(origin, ())
                    proven = came if self.source.resumes else asked[1]  # that it has no such file is an answer.
                    absent[origin] = after_session(noted, asked, missing, self.now, proven)
        absent = {origin: found for origin, found in absent.items() if found}
        broken = {origin: found for origin, found in broken.items() if found}
        if (marks, absent, broken) == (stored.marks, stored.absent, stored.rejected):
            return
        kept = {
            "digest": stored.metadata.get("digest"),
            **marks,
            "absent": {origin: notes(found, self._first(month)) for origin, found in absent.items()},
            "rejected": to_texts(broken, self._first(month)),
        }
        with whole_file(self._path(month)) as file:
            file.write(sealed(dict(sorted(kept.items())), indent=0).encode())

    def unseen(self, month: Stored, rejected: pl.DataFrame) -> pl.DataFrame:
        """Those of the rejected candles of a month that no run was accepted with."""
        seen = {symbol: month.rejected.get(self._origin(symbol), ()) for symbol in set(rejected["symbol"])}
        if not any(seen.values()):
            return rejected
        numbers = rejected["open_time"].to_physical() // (self.interval // timedelta(microseconds=1))
        fresh = [
            not any(start <= candle < end for start, end in seen[symbol] if candle is not None)
            for symbol, candle in zip(rejected["symbol"], numbers, strict=True)
        ]
        return rejected.filter(pl.Series(fresh))

    def absent(self, symbol: str, stored: Mapping[str, Stored]) -> list[Absent]:
        """What the source did not give of a symbol, and what nobody else gave since, oldest first."""
        origin = self._origin(symbol)
        alike: dict[tuple[int, datetime], list[Span]] = {}
        for month in stored.values():
            for one in month.absent.get(origin, ()):
                alike.setdefault((one.sessions, one.last), []).extend(without(one.span, month.held.get(symbol, ())))
        found = [Absent(span, *kind) for kind, spans in alike.items() for span in joined(spans)]
        return sorted(found, key=lambda one: one.span)

    def _changed(self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Window]:
        """Whole months, those whose mark is the remembered one left out, unless an absent candle is to be asked for."""
        found: list[Window] = []
        for month in months:
            start, end = month_span(month)[0], self._end(month)
            if start >= end:
                continue
            mark = self.source.mark(symbol, start, end)
            signed = {month: f"{mark} until {end:%Y-%m-%dT%H:%M}"} if mark is not None else {}
            is_same = signed and stored[month].marks.get(f"mark {symbol}") == signed[month]
            if is_same and not self._is_due(symbol, month, stored):
                continue
            if found and found[-1].end == start:
                before = found.pop()
                start, signed = before.start, {**before.marks, **signed}
            found.append(Window(symbol, start, end, signed))
        return found

    def missing(self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Span]:
        """The candles that are neither stored nor believed absent, and the stored ones near them.

        Those shortly before are requested again to find corrections; the one after proves that the source is past the
        gap.
        """
        held = self._held(symbol, months, stored)
        missing = self._lacking(symbol, months, stored, lambda one: one.believed and one.rests(self.now))
        first, step = held[0][0] if held else missing[0][0] if missing else 0, self.recheck // self.interval
        after = {start for start, _ in held}
        return joined((min(start, max(start - step, first)), end + (end in after)) for start, end in missing)

    def _is_due(self, symbol: str, month: str, stored: Mapping[str, Stored]) -> bool:
        """Whether a source that adds candles late is to be asked again for some of a month."""
        if not self.source.adds_late:
            return False
        over = number(self.now - max(self.recheck, LATE), self.interval)
        lacking = self._lacking(symbol, [month], stored, lambda one: one.rests(self.now))
        return any(start < over for start, _ in lacking)

    def _lacking(
        self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored], resting: Callable[[Absent], bool]
    ) -> list[Span]:
        origin = self._origin(symbol)
        near = self._near(months, stored)
        noted = [one.span for month in near for one in month.absent.get(origin, ()) if resting(one)]
        whole = joined((self._first(month), number(self._end(month), self.interval)) for month in months)
        wanted = [part for span in whole for part in self._offered(symbol, span)]
        held = self._held(symbol, months, stored)
        return [part for span in wanted for part in without(span, [*held, *noted])]

    def _held(self, symbol: str, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Span]:
        return joined(span for near in self._near(months, stored) for span in near.held.get(symbol, ()))

    def _offered(self, symbol: str, span: Span) -> list[Span]:
        offers = [
            (number(start, self.interval), number(end, self.interval)) for start, end in self.source.offers(symbol)
        ]
        return [part for offer in offers for part in common(span, offer)]

    def _near(self, months: Sequence[str], stored: Mapping[str, Stored]) -> list[Stored]:
        return [stored[month] for month in self.reach(months) if month in stored]

    def _asked(self, month: str, window: Window, proven: int) -> Span:
        """The candles of a month for which a window asked, without those that are still late."""
        over = number(self.now - max(self.recheck, LATE), self.interval)
        start = max(self._first(month), number(window.start, self.interval))
        end = min(number(self._end(month), self.interval), number(window.end, self.interval), max(over, proven))
        return start, max(start, end)

    def _stored(self, month: str, *, published: bool, earlier: str | None = None) -> Stored:
        metadata = self.table.metadata(month) if published else {}
        held = (
            held_in(self.table, month, metadata, self.interval, self.holds) if metadata and self.notes_absences else {}
        )
        try:
            kept = unsealed(self._path(month).read_bytes())
        except (FileNotFoundError, ValueError):
            return Stored(metadata, held)  # never written, torn by a kill, or damaged: the month is requested again.
        absent = {
            origin: from_notes(written, self._first(month))
            for origin, written in {**kept.pop("none", {}), **kept.pop("absent", {})}.items()
        }
        rejected = from_texts(kept.pop("rejected", {}), self._first(month))
        is_of_it = kept.pop("digest", None) in (metadata.get("digest"), earlier)
        marks = {name: mark for name, mark in kept.items() if is_of_it and name.startswith("mark ")}
        return Stored(metadata, held, marks, absent, rejected)

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


def held_in(
    table: Table, month: str, metadata: Mapping[str, str], interval: timedelta, holds: pl.Expr | None = None
) -> dict[str, list[Span]]:
    """Which candles each symbol has in a partition, as its metadata says, or else its rows."""
    if "held" in metadata:
        return from_texts(json.loads(metadata["held"]), number(month_span(month)[0], interval))
    return spans_of(
        table.read([month], RAW_KEY if holds is None else None), interval, holds
    )  # published by other means.


def gaps_in(table: Table, months: Sequence[str], interval: timedelta, holds: pl.Expr | None = None) -> pl.DataFrame:
    """As `gaps`, over whole partitions of raw rows and from their metadata alone."""
    held: dict[str, list[Span]] = {}
    for month in months:
        for symbol, spans in held_in(table, month, table.metadata(month), interval, holds).items():
            held.setdefault(symbol, []).extend(spans)
    found = [
        (symbol, opening(end, interval), opening(start - 1, interval), start - end)
        for symbol, spans in sorted(held.items())
        for (_, end), (start, _) in pairwise(joined(spans))
    ]
    time = pl.Datetime("us", "UTC")
    schema = pl.Schema({"symbol": pl.String(), "from": time, "to": time, "missing": pl.Int64()})
    return pl.DataFrame(found, schema=schema, orient="row")
