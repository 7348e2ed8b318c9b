"""The two schedules: candles shortly after each candle's close, and whatever bars are over after midnight UTC."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import dagster as dg

from crypto_features.automation.market_now import MarketNow
from crypto_features.automation.runs import going, request
from crypto_features.compute.resample import WAITS_UNTIL
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.progress import DAY, last_close, newest
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog, clock_of
from crypto_features.tables.months import month_span, months_between

HOUR = timedelta(hours=1)
CANDLES, DAILY = "fetch_candles", "daily_tables"


def schedules(
    settings: Settings, catalog: Catalog, status: dg.DefaultScheduleStatus
) -> Sequence[dg.ScheduleDefinition]:
    """The schedules; what else follows from them is declarative."""

    @dg.schedule(
        name="candles_after_each_close",
        job_name=CANDLES,
        cron_schedule=cron(settings.interval),
        default_status=status,
        description="Fetches what closed since the last stored candle, after downtime all that was missed; of changed "
        "files the last day too, and after midnight every month. The same run makes and publishes what is due: "
        "the tables whose bar ended with these candles.",
    )
    def candles(context: dg.ScheduleEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        at = MarketNow(settings, lake)
        if busy := going(context.instance, CANDLES):
            return dg.SkipReason(busy)
        begins_a_day = at.end == last_close(at.end, DAY)
        changed = at.changed if begins_a_day else at.changed_lately
        months = tuple(sorted({*at.months_to_fetch, *changed}))
        if not months:
            return dg.SkipReason(f"every candle up to {at.end:%Y-%m-%d %H:%M} UTC is stored")
        return request(
            f"candles until {at.end:%Y-%m-%dT%H:%M}", months, due_with_candles(at, catalog, context.instance)
        )

    @dg.schedule(
        name="daily_tables_after_midnight",
        job_name=DAILY,
        cron_schedule="2 0 * * *",
        default_status=status,
        description="Resamples the bars that are over, if the run that fetched their last candle did not; feature "
        "tables, online store and training set follow.",
    )
    def daily(context: dg.ScheduleEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        at = MarketNow(settings, lake)
        midnight = last_close(at.end, DAY)
        if busy := going(context.instance, DAILY):
            return dg.SkipReason(busy)
        if not at.stored or at.head < midnight:
            return dg.SkipReason(
                f"the candles until {midnight:%Y-%m-%d} are not stored yet; the sensor `behind` waits for them"
            )
        due = sorted({m for bars in catalog.bars.values() if not bars.project for m in _months_due(at, bars)})
        if not due:
            return dg.SkipReason(f"every bar that was over by {at.end:%Y-%m-%d %H:%M} UTC is resampled")
        return request(f"bars until {at.now:%Y-%m-%dT%H:%M}", due)

    return [candles, daily] if any(not bars.project for bars in catalog.bars.values()) else [candles]


def due_with_candles(at: MarketNow, catalog: Catalog, instance: dg.DagsterInstance) -> tuple[str, ...]:
    """The candles, and what the newest of them makes due, so that no tick passes before the bot reads it.

    A table that was never made is left to the rules of `follow_inputs`, which know what it needs.
    """
    ended = {bars.name for bars in catalog.bars.values() if _is_behind(at, bars)} | {catalog.raw.name}
    tables = [table.name for table in catalog.computed if clock_of(table).name in ended]
    assets = [*tables, *(f"online_store/{name}" for name in tables if name in catalog.groups)]
    made = [a for a in assets if instance.get_latest_materialization_event(dg.AssetKey(a.split("/"))) is not None]
    return catalog.raw.name, *(made if made == assets else ())


def _is_behind(at: MarketNow, bars: Bars) -> bool:
    return newest(at.lake.table(bars.name)) is not None and bool(_months_due(at, bars))


def _months_due(at: MarketNow, bars: Bars) -> tuple[str, ...]:
    """The months in which bars are over by now that are not made yet, or that were waited for."""
    table, length = at.lake.table(bars.name), bars.bar(at.settings.interval)
    done, end = newest(table), last_close(at.end, length)
    first = month_span(at.lake.raw.months()[0])[0] if done is None else done + length
    return tuple(sorted({*months_waited_for(table, at.now), *(months_between(first, end) if first < end else ())}))


def months_waited_for(bars: Table, now: datetime) -> tuple[str, ...]:
    """The months of bars in which one of some symbol was waited for, and is no longer."""
    noted = {month: bars.metadata(month).get(WAITS_UNTIL) for month in bars.months()[-2:]}
    return tuple(month for month, until in noted.items() if until and datetime.fromisoformat(until) <= now)


def cron(interval: timedelta) -> str | list[str]:
    """One minute after each close of a candle.

    >>> cron(timedelta(hours=1)), cron(timedelta(minutes=15)), cron(timedelta(hours=4)), cron(timedelta(days=1))
    ('1 * * * *', '1-59/15 * * * *', '1 0-23/4 * * *', '1 0 * * *')

    An interval that neither divides an hour nor is whole hours has a line for the minutes of each set of hours.

    >>> cron(timedelta(minutes=90))
    ['1 0,3,6,9,12,15,18,21 * * *', '31 1,4,7,10,13,16,19,22 * * *']
    """
    if interval == timedelta(minutes=1):
        return "* * * * *"
    if HOUR % interval == timedelta(0):
        return "1 * * * *" if interval == HOUR else f"1-59/{interval // timedelta(minutes=1)} * * * *"
    if interval % HOUR == timedelta(0):
        return "1 0 * * *" if interval == DAY else f"1 0-23/{interval // HOUR} * * *"
    closes = [divmod(interval // timedelta(minutes=1) * i, 60) for i in range(DAY // interval)]
    hours: dict[tuple[int, ...], list[int]] = {}
    for minute in sorted({minute for _, minute in closes}):
        hours.setdefault(tuple(hour for hour, at in closes if at == minute), []).append(minute + 1)
    return [f"{_list(minutes)} {_list(at)} * * *" for at, minutes in hours.items()]


def _list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
