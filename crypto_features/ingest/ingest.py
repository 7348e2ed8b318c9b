"""Candles from a source into the lake: append-only, each version with the time at which it became known."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from crypto_features import clock
from crypto_features.durations import timeframe
from crypto_features.errors import CryptoFeaturesError, InputError
from crypto_features.ingest.journalled import merge_journal
from crypto_features.ingest.merge import STAMP, Merge, corrected_schema, merge
from crypto_features.ingest.missing import Planner, Stored, Window
from crypto_features.ingest.notes import nature, partition_notes, without_untold
from crypto_features.ingest.report import ABSENT_SCHEMA, IngestReport, Progress, RejectedShareError
from crypto_features.ingest.venue import VENUE, noted_venue
from crypto_features.lake.candles import flags
from crypto_features.lake.contract import PRICES, in_schema, validate
from crypto_features.lake.path_parts import check_symbol
from crypto_features.lake.spans import Span, number, opening, spans_of
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.sources.source import PartlyFetchedError, Source
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.raw import RawTable
from crypto_features.tables.raw_rows import RAW_KEY, RawRows

_OUTCOMES = ("accepted", "new", "corrected", "rejected")
_COUNTS = {"month": pl.String, "symbol": pl.String, **dict.fromkeys(_OUTCOMES, pl.Int64)}
_FLAGGED = {"symbol": pl.String, "open_time": STAMP, "flag": pl.String, "value": pl.Float64}
_LONGEST_MONTH = timedelta(days=31)
_WRITERS = 2
"""Months published at once: compression keeps a core busy each."""


def ingest(
    source: Source,
    table: Table,
    quarantine: Table,
    months: Sequence[str],
    symbols: Sequence[str],
    *,
    kind: RawRows = CANDLES,
    interval: timedelta,
    now: datetime,
    max_rejected: float = 1.0,
    recheck: timedelta = timedelta(days=1),
    again: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Bring the candles of some months and symbols into the lake.

    A candle that is stored already changes nothing, not one byte; one that comes back different is appended with a
    later `known_at`, and reported. A symbol that fails is reported while the others go on. Run it twice at once, or
    kill it, and nothing is lost: what was fetched is published month by month, and the next run fetches the rest.

    Args:
        source: Where the candles come from.
        table: The raw candles, by `open_time`.
        quarantine: Where the candles that break the contract go, with `rule`, `source` and `known_at`.
        months: The months to bring up to date.
        symbols: The symbols to fetch.
        kind: What the rows are.
        interval: Length of a candle.
        now: The current time.
        max_rejected: Share of the fetched candles, 0 to 1, that may break the contract.
        recheck: How far before a missing candle a source that resumes is asked for the stored ones again, to find
            corrections, also in the month before `months`.
        again: Ask for every candle, whatever is stored or known to be absent.
        progress: Called after each fetch.

    Raises:
        InputError: if the table holds candles of another venue or interval, or synthetic ones would join real ones.
        RejectedShareError: if more than `max_rejected` were rejected. What was accepted is published.
    """
    table = replace(table, by_symbol=True)
    step = kind.step_of(interval)
    run = _Run(Planner(source, table, step, now, recheck, again, kind.holds), quarantine, kind, interval)
    chosen = [check_symbol(symbol) for symbol in dict.fromkeys(symbols)]
    with (
        ThreadPoolExecutor(source.parallel, thread_name_prefix="fetch") as pool,
        ThreadPoolExecutor(1, thread_name_prefix="store") as storing,
    ):
        stored: Future[None] | None = None
        plans = run.plans(sorted(set(months)), chosen, pool)
        expected = sum((window.end - window.start) // step for windows in plans for window in windows)
        for windows in plans:
            fetched = []
            for answer in pool.map(run.fetch, windows):
                if answer is not None:
                    fetched.append(answer)
                if progress:
                    progress(Progress(run.rows, expected, perf_counter() - run.began))
            if stored is not None:
                stored.result()
            stored = storing.submit(run.store, fetched)  # the next chunk is fetched meanwhile.
        if stored is not None:
            stored.result()
    run.remember_proven()
    report = run.report(chosen)
    if report.rejected_share > max_rejected:
        raise RejectedShareError(report, max_rejected)
    run.remember_judged()
    return report


def fetch(
    settings: Settings,
    raw: RawTable,
    source: Source,
    table: Table,
    quarantine: Table,
    *,
    months: Sequence[str],
    symbols: Sequence[str],
    again: bool,
    progress: Callable[[Progress], None],
) -> IngestReport:
    """As `ingest`, of a raw table, now, by what the settings say, after the candles that came live."""
    if raw.source is None and raw.has_prices:
        merge_journal(source, table, interval=settings.interval)
    return ingest(
        source,
        table,
        quarantine,
        months,
        symbols,
        kind=raw.rows,
        interval=settings.interval,
        now=clock.now(),
        max_rejected=settings.max_rejected,
        recheck=settings.recheck,
        again=again,
        progress=progress,
    )


@dataclass(frozen=True)
class _Answer:
    """What came of a fetch: candles, and the parts of the window in which no others are to be expected."""

    window: Window
    candles: pl.DataFrame
    answered: Sequence[Window]


class _Run:
    """One ingestion under way: what it has fetched and published so far."""

    def __init__(self, planner: Planner, quarantine: Table, kind: RawRows, base: timedelta) -> None:
        self.planner, self.quarantine, self.kind, self.base = planner, quarantine, kind, base
        self.source, self.table, self.interval, self.now = planner.source, planner.table, planner.interval, planner.now
        self.began, self.rows, self.shorter = perf_counter(), 0, 0
        self.stored: dict[str, Stored] = {}
        self.failed: dict[str, CryptoFeaturesError] = {}
        self.published: list[str] = []
        self.tallies: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        """By month and symbol, how many rows came to each outcome."""
        self.corrected: list[pl.DataFrame] = []
        self.rejected: list[pl.DataFrame] = []
        self.flagged: list[pl.DataFrame] = []
        self.unjudged: list[tuple[str, list[Window], dict[str, list[Span]]]] = []
        """By month, what held rejected candles: it is requested again unless the run's share of them is accepted."""
        self.newest: dict[str, int] = {}
        """By symbol, the newest candle that came."""
        self.unproven: list[tuple[str, list[Window]]] = []
        """By month, what was asked for beyond the newest candle of then."""

    def plans(self, months: Sequence[str], symbols: Sequence[str], pool: ThreadPoolExecutor) -> list[list[Window]]:
        """What to fetch, in chunks of months whose candles fit in memory."""
        size = max(self.source.rows_at_once // max(len(symbols) * (_LONGEST_MONTH // self.interval), 1), 1)
        chunks = [months[i : i + size] for i in range(0, len(months), size)]
        self.stored = self.planner.stored(self.planner.reach(months))
        self._refuse_mixture(months)

        def plan(symbol: str) -> list[list[Window]]:
            try:
                return [self.planner.windows(symbol, chunk, self.stored) for chunk in chunks]
            except CryptoFeaturesError as error:
                self.failed[symbol] = error
                return [[] for _ in chunks]

        by_symbol = list(pool.map(plan, symbols))
        by_chunk = [[window for found in by_symbol for window in found[i]] for i in range(len(chunks))]
        return [windows for windows in by_chunk if windows]

    def fetch(self, window: Window) -> "_Answer | None":
        if window.symbol in self.failed:
            return None  # a later span would leave a hole that looks like a gap.
        lost: Sequence[tuple[datetime, datetime]] = ()
        try:
            candles = in_schema(self.source.fetch(window.symbol, window.start, window.end), self.kind)
        except PartlyFetchedError as error:
            self.failed[window.symbol] = error.cause
            candles, lost = in_schema(error.candles, self.kind), error.lost
        except CryptoFeaturesError as error:
            self.failed[window.symbol] = error
            return None
        self.rows += candles.height
        return _Answer(window, candles, window.without(lost))

    def store(self, fetched: Sequence["_Answer"]) -> None:
        if not fetched:
            return
        touched = {month for answer in fetched for month in months_between(answer.window.start, answer.window.end)}
        months = sorted(touched.intersection(self.stored))
        came = pl.concat([answer.candles for answer in fetched], how="diagonal")
        came = came.select(name for name in self.kind.full_schema if name in came.columns)
        good, rejected = validate(came, self.base, self.now, self.kind)
        for answer in fetched:
            shorter = self.source.shorter(answer.window.symbol, answer.window.start, answer.window.end)
            if shorter is not None:
                self.shorter += shorter.read - shorter.rejected.height
                rejected = pl.concat([rejected, shorter.rejected], how="diagonal")
        for symbol, time in good.group_by("symbol").agg(pl.col("open_time").max()).iter_rows():
            self.newest[symbol] = max(self.newest.get(symbol, 0), number(time, self.interval))
        windows = [window for answer in fetched for window in answer.answered]

        def publish(month: str) -> None:
            start, end = month_span(month)
            inside = pl.col("open_time").is_between(start, end, closed="left")
            bad = rejected.filter(inside | pl.col("open_time").is_null() if month == months[0] else inside)
            bad = self.planner.unseen(self.stored[month], bad)
            if bad.height:
                self._quarantine(month, bad)
            candles = good.filter(inside)
            if candles.height:
                self._publish(month, candles)
            unjudged = set(bad["symbol"])
            doubted = [window for window in windows if window.symbol in unjudged]
            self.unjudged.append((month, doubted, spans_of(bad.drop_nulls("open_time"), self.interval)))
            judged = [window for window in windows if window.symbol not in unjudged]
            self.planner.remember(month, self.stored[month], judged, self.newest)
            self.unproven.append(
                (month, [w for w in judged if number(w.end, self.interval) > self.newest.get(w.symbol, 0) + 1])
            )

        with ThreadPoolExecutor(_WRITERS, thread_name_prefix="publish") as pool:
            list(pool.map(publish, months))

    def remember_proven(self) -> None:
        """Remember once more what no candle had followed when it was stored: one may have followed since."""
        for month, windows in self.unproven:
            if windows and self.source.resumes:
                self.planner.remember(month, self.stored[month], windows, self.newest)

    def remember_judged(self) -> None:
        """Remember what was fetched with rejected candles, once their share is accepted."""
        for month, windows, rejected in self.unjudged:
            if windows:
                self.planner.remember(month, self.stored[month], windows, self.newest, rejected)

    def report(self, symbols: Sequence[str]) -> IngestReport:
        counts = [(*key, *(tally[outcome] for outcome in _OUTCOMES)) for key, tally in self.tallies.items()]
        return IngestReport(
            source=self.source.name,
            counts=pl.DataFrame(counts, _COUNTS, orient="row").sort("month", "symbol"),
            corrected=_concat(self.corrected, corrected_schema(self.kind.schema)),
            rejected=_concat(self.rejected, {**self.kind.schema, "rule": pl.String}).sort(
                "open_time", "symbol", nulls_last=True
            ),
            flagged=_concat(self.flagged, _FLAGGED),
            failed=self.failed,
            published=tuple(sorted(self.published)),
            seconds=perf_counter() - self.began,
            later={symbol: later for symbol in symbols if (later := self.source.later(symbol))},
            shorter=self.shorter,
            shortfalls={symbol: told for symbol in symbols if (told := self.source.shortfalls(symbol))},
            absent=self._absent(symbols),
            row=self.kind.row,
            quarantine=self.quarantine.name,
        )

    def _absent(self, symbols: Sequence[str]) -> pl.DataFrame:
        if not self.planner.notes_absences:
            return pl.DataFrame(schema=ABSENT_SCHEMA)
        planner = replace(self.planner, again=False)
        asked = {month for month, _ in self.unproven} | {month for month, *_ in self.unjudged}
        stored = self.stored | planner.stored(sorted(self.stored if self.planner.again else asked))
        found = [
            (
                symbol,
                opening(start, self.interval),
                opening(end - 1, self.interval),
                end - start,
                one.sessions,
                one.last,
            )
            for symbol in symbols
            if symbol not in self.failed
            for one in planner.absent(symbol, stored)
            for start, end in [one.span]
        ]
        return pl.DataFrame(found, schema=ABSENT_SCHEMA, orient="row")

    def _publish(self, month: str, fetched: pl.DataFrame) -> None:
        outcomes: list[Merge] = []

        def change(stored: pl.DataFrame | None) -> tuple[pl.DataFrame, Mapping[str, str]] | None:
            outcomes.append(merge(stored, fetched, self.now, self.kind))
            rows = outcomes[0].append_to(stored)
            return None if rows is None else (without_untold(rows, self.kind), self._notes(month, rows))

        if self.table.update(month, change):
            self.published.append(month)
        new, corrected = outcomes[0].new, outcomes[0].corrected
        self.corrected.append(corrected)
        if {*PRICES} <= {*fetched.columns}:
            flagged = flags(fetched)
            if new.height < fetched.height:
                added = pl.concat([new.select(RAW_KEY), corrected.select(RAW_KEY)])
                flagged = flagged.join(added, on=RAW_KEY, how="semi")
            self.flagged.append(flagged)
        for outcome, frame in (("accepted", fetched), ("new", new), ("corrected", corrected)):
            self._count(month, outcome, frame)

    def _quarantine(self, month: str, rejected: pl.DataFrame) -> None:
        self.rejected.append(rejected)
        self._count(month, "rejected", rejected)
        stamped = rejected.with_columns(source=pl.lit(self.source.name), known_at=pl.lit(self.now, STAMP))

        def change(stored: pl.DataFrame | None) -> tuple[pl.DataFrame, Mapping[str, str]] | None:
            if stored is None:
                return stamped, {}
            alike = [name for name in rejected.columns if name in stored.columns]
            unseen = stamped.join(stored, on=alike, how="anti", nulls_equal=True)
            return (pl.concat([stored, unseen], how="diagonal"), {}) if unseen.height else None

        self.quarantine.update(month, change)

    def _count(self, month: str, outcome: str, candles: pl.DataFrame) -> None:
        for run in candles["symbol"].rle():  # few: the rows are in order.
            self.tallies[month, run["value"]][outcome] += run["len"]

    def _refuse_mixture(self, months: Sequence[str]) -> None:
        """All partitions of a table are of one venue and nature; the newest and those that are about to change tell."""
        published = self.table.months()
        for month in sorted({*published[-1:], *months}.intersection(published)):
            planned = self.stored.get(month)
            stored = planned.metadata if planned and planned.metadata else self.table.metadata(month)
            mine = self._nature()
            theirs = {key: stored.get(key, value) for key, value in mine.items()}
            theirs[VENUE] = noted_venue(stored, mine[VENUE])
            if theirs != mine:
                raise InputError(
                    f"{self.table.root} holds {_kind(theirs)} (partition {month} of {self.table.name!r} is from "
                    f"{stored.get('source', 'elsewhere')}), and {self.source.name} has {_kind(mine)}. "
                    f"Choose another folder by CRYPTO_FEATURES_DATA, or delete {self.table.folder}."
                )

    def _nature(self) -> dict[str, str]:
        return nature(self.source, self.base)

    def _notes(self, month: str, rows: pl.DataFrame) -> dict[str, str]:
        return partition_notes(month, rows, self.source, self.kind, self.base)


def _kind(nature: Mapping[str, str]) -> str:
    kind = "synthetic" if nature["synthetic"] == "true" else "real"
    interval = TypeAdapter(timedelta).validate_python(nature["interval"])  # noted as `1 day, 0:00:00`.
    return f"{kind} candles of {timeframe(interval)} of {nature[VENUE]}"


def _concat(frames: Sequence[pl.DataFrame], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema=schema)
