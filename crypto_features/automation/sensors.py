"""The sensors that look at the lake: a new symbol, a table that is behind, a file in the inbox."""

import json
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from crypto_features import clock
from crypto_features.assets import inbox
from crypto_features.assets.candles import candle_config
from crypto_features.assets.lake import LakeResource
from crypto_features.assets.progress import last_close, outdated
from crypto_features.automation.market_now import MarketNow
from crypto_features.automation.runs import going, request
from crypto_features.automation.schedules import CANDLES
from crypto_features.features import GROUPS
from crypto_features.settings import Settings

MISSED_BY = timedelta(minutes=3)
"""How long after a candle's close the schedule has had its chance."""
RETRY_EVERY = timedelta(minutes=10)
BARS = {
    "daily_candles": "candles",
    **{name: "candles" if group.interval is None else "daily_candles" for name, group in GROUPS.items()},
}


def sensors(settings: Settings, status: dg.DefaultSensorStatus) -> Sequence[dg.SensorDefinition]:
    """All of them."""
    return [_new_symbols(settings, status), _behind(settings, status), _inbox(settings, status)]


def _new_symbols(settings: Settings, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="new_symbols",
        job_name=CANDLES,
        default_status=status,
        minimum_interval_seconds=_seconds(settings),
        description="A symbol that was added to the settings or to the folder: fetches its history, and only its.",
    )
    def new_symbols(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        at = MarketNow.look(settings, lake)
        added = at.new_symbols
        if not added:
            return dg.SkipReason("candles of every listed symbol are stored, or of none yet")
        if busy := going(context.instance, CANDLES):
            return dg.SkipReason(busy)
        key = f"history of {','.join(added)}, asked for on {at.now:%Y-%m-%d}"
        return request(key, at.history_of(added), config=candle_config(symbols=added))

    return new_symbols


def _behind(settings: Settings, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="behind",
        target=dg.AssetSelection.all(),
        default_status=status,
        minimum_interval_seconds=_seconds(settings),
        description="What a schedule or a rule asked for and did not get: a missed hour, a run that was killed, a "
        "corrected candle in a closed month. Asks for exactly that, once nothing runs and it has been behind twice.",
    )
    def behind(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
        at = MarketNow.look(settings, lake)
        if busy := going(context.instance):
            return dg.SkipReason(busy)
        asset, months = _first_behind(at)
        if not months:
            context.update_cursor("")
            return dg.SkipReason("every table is as far as it can be")
        seen = json.dumps([asset, *months])
        if asset != "candles" and context.cursor != seen:
            context.update_cursor(seen)
            return dg.SkipReason(f"{asset} is behind in {_span(months)}; its rule has until the next look")
        context.log.info("%s is behind in %s", asset, _span(months))
        attempt = last_close(at.now, RETRY_EVERY)
        return dg.SensorResult(
            [request(f"{asset} {months[0]} to {months[-1]}, {attempt:%Y-%m-%dT%H:%M}", months, [asset])], cursor=seen
        )

    return behind


def _inbox(settings: Settings, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="inbox",
        job_name=CANDLES,
        default_status=status,
        minimum_interval_seconds=_seconds(settings),
        description="Files of candles in `inbox/` of the data folder: takes each once and puts it into `inbox/done/` "
        "or, with the reason beside it, into `inbox/refused/`.",
    )
    def files_dropped(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        found = inbox.dropped(lake, clock.now())
        if found is None:
            return dg.SkipReason(f"nothing lies in {inbox.folder(lake)}, or it is still being copied")
        for name, why in found.refused.items():
            inbox.refuse(inbox.folder(lake) / name, why)
            context.log.error("refused %s: %s", name, why)
        if not found.symbols:
            return dg.SkipReason(f"refused {', '.join(found.refused)}; the reasons lie in {inbox.folder(lake)}/refused")
        return request(f"inbox {found.key}", found.months, config=candle_config(inbox=True))

    return files_dropped


def _seconds(settings: Settings) -> int:
    return int(settings.look_every.total_seconds())


def _first_behind(at: MarketNow) -> tuple[str, tuple[str, ...]]:
    """The most upstream table that is behind, and its months."""
    months = at.months_to_fetch
    if months and (not at.stored or at.now - at.head >= at.settings.interval + MISSED_BY):
        return "candles", months
    for name, bars in BARS.items():
        if at.lake.table(bars).months():
            months = outdated(at.lake, name, bars, at.now)
            if months:
                return name, months
    return "", ()


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{len(months)} months from {months[0]} to {months[-1]}"
