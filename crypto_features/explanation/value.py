"""One value explained: gathered from the lake, computed again from its raw rows, and judged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from crypto_features import clock
from crypto_features.catalogs import current_catalog
from crypto_features.errors import InputError, UnreadableTableError
from crypto_features.explanation import judge
from crypto_features.explanation.facts import Cause, Change, Explanation, Finding, Online, Verdict, Version, same
from crypto_features.explanation.fits import fits, fitted_again
from crypto_features.explanation.lake import Lake
from crypto_features.explanation.publisher import publisher
from crypto_features.explanation.replay import Replay
from crypto_features.explanation.since import Admitted, causes
from crypto_features.explanation.stored import Row, earlier_version, online_row, stored_row
from crypto_features.explanation.subject import Subject, subject_of
from crypto_features.explanation.window import Window, raw_rows, windows
from crypto_features.lake.table import Table as Stored
from crypto_features.settings import Settings
from crypto_features.store.reach import reaching
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import month_of, month_span, months_between
from crypto_features.versions.measured import current_definitions, versions
from crypto_features.versions.plan import noted
from crypto_features.versions.provenance import DEFINITIONS, FINGERPRINTS


@reaching
def explain(
    symbol: str, ref: str, *, at: datetime | str | None = None, since: datetime | str | None = None
) -> Explanation:
    """Where a value comes from, whether the candles still give it, and why it is another one than before.

    The table, the online store and the candles are read; nothing is written. Fitted models are read as they were
    published; with `since` those that were fitted again are followed to what changed the fit.

    Args:
        symbol: The symbol, such as `"BTC"`.
        ref: A feature, such as `"price_features:rsi_14"`, or a column of bars, such as `"daily_candles:close"`.
        at: The newest row up to this time is explained; by default the newest. Naive is UTC; text is ISO 8601.
        since: With it `causes` says why the value is another one than at that time.

    Raises:
        UnknownNameError: if a table, a column or a symbol does not exist, or nothing of the table is stored.
        InputError: if `ref` has another form, or a time is later than the clock, or before the first row.
        StoreUnreachableError: if the online store does not answer.
    """
    now = clock.now()
    until, earlier = now if at is None else _time("at", at, now), None if since is None else _time("since", since, now)
    subject = subject_of(Lake(Settings.load(), current_catalog()), symbol, ref)
    row = stored_row(subject, until)
    again = _again(subject, row, until)
    time = row.time or again.time or until
    value = row.history["value"].last() if row.time else None
    online = online_row(subject.table.name, subject.column, symbol) if _has_view(subject) else None
    if online is not None and online.time is not None and row.is_newest:
        online = replace(online, publisher=publisher(subject, online.time))
    findings = [*again.findings, *_findings(subject, row, again, value, online)]
    description, unit = subject.described
    return Explanation(
        symbol=symbol,
        ref=ref,
        description=description,
        unit=unit,
        time=time,
        value=value,
        recomputed=again.value,
        online=online,
        version=_version(subject, row.notes),
        run=row.run,
        window=again.window,
        candles=again.candles,
        fits=tuple(fits(subject, subject.month(time))),
        history=row.history if row.time else again.history,
        findings=tuple(sorted(findings, key=lambda one: [*Verdict].index(one.verdict))),
        since=earlier,
        causes=() if earlier is None else tuple(_causes(subject, again, time, earlier)),
    )


@dataclass(frozen=True, eq=False)
class _Again:
    """A row computed again, and the raw rows that decide it."""

    replay: Replay
    findings: tuple[Finding, ...] = ()
    time: datetime | None = None
    value: object = None
    newest: datetime | None = None
    windows: tuple[Window, ...] = ()
    candles: pl.DataFrame = field(default_factory=pl.DataFrame)
    history: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        starts, ends = [one.start for one in self.windows], [one.end for one in self.windows]
        return (min(starts), max(ends)) if starts else None


def _again(subject: Subject, row: Row, until: datetime) -> _Again:
    """The stored row computed again; where it can't be read, the newest one up to a time."""
    lake, replay = subject.lake, subject.lake.replay(subject.part)
    if isinstance(subject.table, Borrowed):
        return _Again(replay)
    try:
        found = subject.values(replay, _months(lake, row.month, until)).filter(pl.col("event_timestamp") <= until)
        newest = found["event_timestamp"].max()
        time = row.time or newest
        if not isinstance(time, datetime):
            return _Again(replay)
        (value,) = found.filter(event_timestamp=time)["value"].to_list() or [None]
        spans = tuple(windows(replay, subject.part, subject.symbol, time))
        candles = raw_rows(lake.versions, spans)
    except UnreadableTableError as error:
        return _Again(replay, (judge.unreadable(error),))
    return _Again(replay, (), time, value, newest, spans, candles, found)  # type: ignore[arg-type] # a time


def _months(lake: Lake, first: str, until: datetime) -> tuple[str, ...]:
    """The months from one on, as far as there are raw rows."""
    last = max(first, min(month_of(until), lake.table(lake.catalog.raw.name).months()[-1]))
    return months_between(month_span(first)[0], month_span(last)[1])


def _findings(subject: Subject, row: Row, again: _Again, value: object, online: Online | None) -> Iterator[Finding]:
    """What is wrong with the stored row and the online one."""
    if row.damage is not None:
        yield row.damage
    time, table, now = row.time, subject.table, clock.now()
    if time is None:
        return
    if again.newest is not None and row.is_newest and again.newest > time:
        yield judge.behind(subject.table.name, again.newest)
    if again.time is not None and not same(value, again.value):
        yield judge.offline(subject, again.replay, time)
    if online is not None and isinstance(table, FeatureGroup | Borrowed):
        oldest = clock.before(now, table.time_to_live(subject.lake.interval))
        found = judge.online(online, value, time, table.name, due=row.is_newest and time >= oldest)
        yield from [found] if found else []


def _causes(subject: Subject, again: _Again, time: datetime, since: datetime) -> Iterator[Cause]:
    """Why the value of the newest row is not that of the newest row at an earlier time."""
    lake = subject.lake
    if again.time is None:
        return
    then = stored_row(subject, min(time, since))
    first = then.time or time

    spans = windows(again.replay, subject.part, subject.symbol, first)
    loaded = raw_rows(lake.versions, spans)["known_at"].min()
    versions = lake.as_loaded(loaded) if isinstance(loaded, datetime) and loaded > since else lake.versions

    def value(admitted: Admitted, now: datetime | None, models_at: datetime | None) -> object:
        replay = lake.replay(subject.part, now=now, models_at=models_at, versions=versions, admitted=admitted)
        return subject.value_at(replay, first)

    candles = raw_rows(versions, spans)
    yield from _code(subject, first, value(lambda rows: rows.filter(pl.col("known_at") <= since), since, since), since)
    months = months_between(again.windows[0].start, first) if again.windows else ()
    versions_of = {f"{model.name} {month}": fitted for model, month, fitted in subject.models(months)}
    for cause in causes(value, candles, versions_of, first, since):
        because = fitted_again(subject, months, since) if cause.change is Change.FIT else ()
        yield replace(cause, because=tuple(because))
    if first < time:
        before = subject.value_at(again.replay, first)
        bars = subject.values(again.replay, _months(lake, subject.month(first), time))
        newer = bars.filter(pl.col("event_timestamp").is_between(first, time, closed="right")).height
        said = f"{newer} {'row' if newer == 1 else 'rows'} after that of {first:%Y-%m-%d %H:%M}"
        yield Cause(Change.NEW_CANDLE, (said,), before, again.value)


def _code(subject: Subject, time: datetime, after: object, since: datetime) -> Iterator[Cause]:
    """The feature is computed by other code than at a time; its value by that code is known where a month was kept."""
    found = earlier_version(subject.table.name, subject.column, since) if _has_view(subject) else None
    if found is None:
        return
    number, behaviour, table, changed = found
    kept = Stored(subject.lake.root, subject.table.name, version=table)
    month, before = subject.month(time), None
    if month in kept.months():
        rows = kept.collect(kept.scan([month]).filter(pl.col("symbol") == subject.symbol))
        values = rows.filter(event_timestamp=time)[subject.column]
        before = values.item() if len(values) else None
    what = f"v{number} ({behaviour}) until {changed:%Y-%m-%d %H:%M}"
    yield Cause(Change.CODE, (what if month in kept.months() else f"{what}, whose value was not kept",), before, after)


def _has_view(subject: Subject) -> bool:
    return isinstance(subject.table, FeatureGroup | Borrowed)


def _version(subject: Subject, notes: Mapping[str, str]) -> Version:
    name, column = subject.table.name, subject.column
    now = versions().get(name, {}).get(column, ""), current_definitions().get(name, {}).get(column, "")
    return Version(*now, *(str(noted(notes, key).get(column, "")) for key in (FINGERPRINTS, DEFINITIONS)))


def _time(name: str, value: datetime | str, now: datetime) -> datetime:
    try:
        time = clock.as_utc(datetime.fromisoformat(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{name}={value!r} is not a time; give ISO 8601 such as 2024-01-31T09:00Z.") from None
    if time > now:
        raise InputError(f"{name}={value} is later than the clock, {now:%Y-%m-%d %H:%M} UTC; ask for a time before it.")
    return time
