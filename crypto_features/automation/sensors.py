"""The sensors that look at the lake: a new symbol, a table that is behind, a file in the inbox."""

import json
from collections.abc import Sequence

import dagster as dg

from crypto_features.automation.lagging import blocked_by, lagging
from crypto_features.automation.market_now import MarketNow
from crypto_features.automation.runs import going, request
from crypto_features.automation.schedules import CANDLES
from crypto_features.automation.waits import WAITS, Wait
from crypto_features.graph import inbox
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.raw import candle_config
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog

TRIES = 3
"""How many runs may fail to take a file of the inbox before it is refused."""

UNTIL_NEXT = "its rule has until the next look"


def sensors(settings: Settings, catalog: Catalog, status: dg.DefaultSensorStatus) -> Sequence[dg.SensorDefinition]:
    raw = catalog.raw.name
    if catalog.raw.project is not None:
        return [_behind(settings, raw, status)]
    return [_new_symbols(settings, raw, status), _behind(settings, raw, status), _inbox(settings, raw, status)]


def _new_symbols(settings: Settings, raw: str, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="new_symbols",
        job_name=CANDLES,
        default_status=status,
        minimum_interval_seconds=_seconds(settings),
        description="A symbol that was added to the settings or to the folder: fetches its history, and only its.",
    )
    def new_symbols(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        at = MarketNow(settings, lake)
        added = at.new_symbols
        if not added:
            return dg.SkipReason("candles of every listed symbol are stored, or of none yet")
        if busy := going(context.instance, CANDLES):
            return dg.SkipReason(busy)
        key = f"history of {','.join(added)}, asked for on {at.now:%Y-%m-%d}"
        return request(key, at.history_of(added), [raw], config=candle_config(raw, symbols=added))

    return new_symbols


def _behind(settings: Settings, raw: str, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="behind",
        target=dg.AssetSelection.all(),
        default_status=status,
        minimum_interval_seconds=_seconds(settings),
        description="What a schedule or a rule asked for and did not get: a missed hour, a run that was killed or "
        "failed, a corrected candle in a closed month. Asks for exactly that, once nothing runs and it has been behind "
        "twice; what stays behind is asked for at growing intervals.",
    )
    def behind(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
        at = MarketNow(settings, lake)
        if busy := going(context.instance):
            return dg.SkipReason(busy)
        known, waits, reasons = WAITS.validate_json(context.cursor or "{}"), dict[str, Wait](), list[str]()
        repository = context.repository_def
        request_now: dg.RunRequest | None = None
        for what, asset, months in lagging(at, context.instance):
            seen = known.get(what)
            wait = seen if seen and seen.months == months else Wait(months, 0, at.now)
            if repository is not None and (check := blocked_by(repository, context.instance, asset)):
                reasons.append(f"{what} is behind: {_span(months)}; it waits for the check {check}")
                continue
            due = at.now >= wait.until and (seen == wait or asset == raw)
            if due and request_now is None:
                request_now = request(f"{what} {_span(months)}, {at.now:%Y-%m-%dT%H:%M}", months, [asset])
                wait = wait.asked(at.now)
            elif request_now is None:
                rule = f"asked for {wait.times} times, again at {wait.until:%H:%M}" if wait.times else UNTIL_NEXT
                reasons.append(f"{what} is behind: {_span(months)}; {rule}")
            waits[what] = wait
        cursor = WAITS.dump_json(waits).decode()
        if request_now is not None:
            context.log.info("behind: %s", request_now.run_key)
            return dg.SensorResult([request_now], cursor=cursor)
        context.update_cursor(cursor)
        return dg.SkipReason("; ".join(reasons) or "every table is as far as it can be")

    return behind


def _inbox(settings: Settings, raw: str, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.sensor(
        name="inbox",
        job_name=CANDLES,
        default_status=status,
        minimum_interval_seconds=_seconds(settings),
        description="Files of candles in `inbox/` of the data folder: takes each once it is the same at two looks, and "
        "puts it into `inbox/done/` or, with the reason beside it, into `inbox/refused/`.",
    )
    def files_dropped(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.RunRequest | dg.SkipReason:
        folder, lying = inbox.folder(lake), inbox.signatures(lake)
        known: dict[str, tuple[str, int]] = json.loads(context.cursor or "{}")
        seen = {n: (sign, known[n][1] if n in known and known[n][0] == sign else 0) for n, sign in lying.items()}
        context.update_cursor(json.dumps(seen))
        settled = [name for name, sign in lying.items() if name in known and known[name][0] == sign]
        if not settled:
            still = f"still being copied: {', '.join(lying)}" if lying else f"nothing is in {folder}"
            return dg.SkipReason(still)
        if busy := going(context.instance, CANDLES):
            return dg.SkipReason(busy)
        at = MarketNow(settings, lake)
        fresh = [name for name in settled if seen[name][1] < TRIES]
        found = inbox.look_into(lake, fresh, at.first_month, at.now)
        given_up = dict.fromkeys({*settled} - {*fresh}, f"{TRIES} runs did not take it; the runs of {CANDLES} say why.")
        for name, why in {**found.refused, **given_up}.items():
            inbox.refuse(folder / name, why)
            context.log.error("refused %s: %s", name, why)
        if not found.names:
            return dg.SkipReason(f"refused {', '.join(settled)}; the reasons are in {folder / 'refused'}")
        asked = {name: (seen[name][0], seen[name][1] + 1) for name in found.names}
        taken = request(f"inbox {asked}", found.months, [raw], config=candle_config(raw, inbox=list(found.names)))
        context.update_cursor(json.dumps(seen | asked))
        return taken

    return files_dropped


def _seconds(settings: Settings) -> int:
    return int(settings.look_every.total_seconds())


def _span(months: Sequence[str]) -> str:
    if not months:
        return "as a whole"
    return months[0] if len(months) == 1 else f"{len(months)} months from {months[0]} to {months[-1]}"
