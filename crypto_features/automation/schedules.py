"""The two schedules: candles shortly after each candle's close, and the daily tables after midnight UTC."""

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
from crypto_features.shipped.registry import GROUPS
from crypto_features.tables.months import month_of, month_span, months_between

HOUR = timedelta(hours=1)
CANDLES, DAILY = "fetch_candles", "daily_tables"


def schedules(settings: Settings, status: dg.DefaultScheduleStatus) -> Sequence[dg.ScheduleDefinition]:
    """Both schedules; what else follows from them is declarative."""

    @dg.schedule(
        name="candles_after_each_close",
        job_name=CANDLES,
        cron_schedule=cron(settings.interval),
        default_status=status,
        description="Fetches what closed since the last stored candle, after downtime all that was missed; of changed "
        "files the last day too, and after midnight every month. The same run makes and publishes what is due: the "
        "hourly tables, after midnight UTC the daily ones too.",
    )
    def candles(context: dg.ScheduleEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        at = MarketNow.look(settings, lake)
        if busy := going(context.instance, CANDLES):
            return dg.SkipReason(busy)
        begins_a_day = at.end == last_close(at.end, DAY)
        changed = at.changed if begins_a_day else at.changed_lately
        months = tuple(sorted({*at.months_to_fetch, *changed}))
        if not months:
            return dg.SkipReason(f"every candle up to {at.end:%Y-%m-%d %H:%M} UTC is stored")
        return request(f"candles until {at.end:%Y-%m-%dT%H:%M}", months, due_with_candles(at, context.instance))

    @dg.schedule(
        name="daily_tables_after_midnight",
        job_name=DAILY,
        cron_schedule="2 0 * * *",
        default_status=status,
        description="Resamples the days that are over, if the run that fetched their last candle did not; feature "
        "tables, online store and training set follow.",
    )
    def daily(context: dg.ScheduleEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        at = MarketNow.look(settings, lake)
        midnight = last_close(at.end, DAY)
        if busy := going(context.instance, DAILY):
            return dg.SkipReason(busy)
        if not at.stored or at.head < midnight:
            return dg.SkipReason(
                f"the candles until {midnight:%Y-%m-%d} are not stored yet; the sensor `behind` waits for them"
            )
        days = lake.table("daily_candles")
        done = newest(days)
        if waiting := months_waited_for(days, at.now):
            return request(f"days waited for until {at.now:%Y-%m-%dT%H:%M}", [waiting[0], month_of(midnight - DAY)])
        first = month_span(lake.table("candles").months()[0])[0] if done is None else done + DAY
        if first >= midnight:
            return dg.SkipReason(f"every day before {midnight:%Y-%m-%d} is resampled")
        return request(f"days until {midnight:%Y-%m-%d}", months_between(first, midnight))

    return [candles, daily]


def due_with_candles(at: MarketNow, instance: dg.DagsterInstance) -> tuple[str, ...]:
    """The candles, and what the newest of them makes due, so that no tick passes before the bot reads it.

    A table that was never made is left to the rules of `follow_inputs`, which know what it needs.
    """
    groups = [group for group in GROUPS.values() if group.interval is None or _a_day_ended(at)]
    tables = [name for name in ("daily_candles", "regime_model") if _a_day_ended(at)]
    tables += [group.name for group in groups]
    assets = [*tables, *(f"online_store/{group.name}" for group in groups)]
    made = [a for a in assets if instance.get_latest_materialization_event(dg.AssetKey(a.split("/"))) is not None]
    return "candles", *(made if made == assets else ())


def _a_day_ended(at: MarketNow) -> bool:
    table = at.lake.table("daily_candles")
    days = newest(table)
    return days is not None and (days + DAY < last_close(at.end, DAY) or bool(months_waited_for(table, at.now)))


def months_waited_for(days: Table, now: datetime) -> tuple[str, ...]:
    """The months of daily candles in which a day of some symbol was waited for, and is no longer."""
    noted = {month: days.metadata(month).get(WAITS_UNTIL) for month in days.months()[-2:]}
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
