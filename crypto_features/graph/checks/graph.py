"""The checks as Dagster runs them: one step an asset, over the months of the run, or over all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial

import dagster as dg
import polars as pl

from crypto_features import clock, plots
from crypto_features.graph import table_age
from crypto_features.graph.asset_names import registry_asset
from crypto_features.graph.checks import candles as candle_checks
from crypto_features.graph.checks import features as feature_checks
from crypto_features.graph.checks import lag, serving
from crypto_features.graph.checks.drift import fit_undrifted, set_undrifted, undrifted
from crypto_features.graph.checks.finding import Finding
from crypto_features.graph.checks.live import LiveRowsCompared
from crypto_features.graph.checks.remembered import Look, judged
from crypto_features.graph.inline import inline
from crypto_features.graph.lake import LakeResource, read_any
from crypto_features.graph.partitions import FORMAT, months_of_run
from crypto_features.graph.progress import same_inputs
from crypto_features.graph.publish import last_metadata
from crypto_features.ingest.missing import gaps_in
from crypto_features.ingest.silence import silent_symbols, unexpected
from crypto_features.lake import live_status
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.live.streamed import can_stream
from crypto_features.settings import Settings
from crypto_features.sources import Opening
from crypto_features.store import FeastResource, parity
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.drift import watched, watched_columns, watched_fit
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import MONTH, month_span, months_between
from crypto_features.tables.others import joined_symbols
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table as Declared
from crypto_features.tables.training import TrainingSet
from crypto_features.training.folder import sets_of
from crypto_features.whole_file import on_disk

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
Asked = Mapping[str, tuple[bool, str]]
"""By name of a check: whether it blocks what follows, and what it asks."""


def every_check(settings: Settings, catalog: Catalog, opening: Opening) -> Sequence[dg.AssetChecksDefinition]:
    return [
        *(
            _raw(settings, raw, opening if raw is catalog.raw else None)
            for raw in catalog.raws.values()
            if not raw.project
        ),
        *(_bars(settings, bars) for bars in catalog.bars.values() if not bars.project),
        *(_table(settings, group) for group in catalog.groups.values()),
        *(_online(settings, group, catalog) for group in catalog.groups.values()),
        *(_model(model) for model in catalog.models.values() if watched_fit(model)),
        *(_set(one) for one in catalog.sets.values() if watched_columns(one)),
        _registry(catalog),
    ]


def _raw(settings: Settings, raw: RawTable, opening: Opening | None = None) -> dg.AssetChecksDefinition:
    """The checks of a raw table; `opening` opens the source of the candles that everything is timed by."""
    row = raw.rows.row
    whole = ", or more than one in a hundred" if opening else ""
    asked = {
        "contract": (True, f"Every stored {row} keeps the contract."),
        "quarantine": (True, f"The share of rejected {row}s is small enough to trust the rest."),
        "gaps": (False, f"No symbol lacks {row}s for a day in a row{whole}."),
        "all_fetched": (False, "The last run left out no symbol."),
    }
    if opening:
        asked |= {
            "fresh": (False, "The newest candle of each symbol closed no longer ago than one interval and the grace."),
            "all_current": (False, "No symbol fell silent without being declared as ended."),
        }

    def looking(instance: dg.DagsterInstance, lake: LakeResource, table: Table) -> Look:
        now, rejected, step = clock.now(), lake.quarantine_of(raw), raw.rows.step_of(lake.interval)
        ended = candle_checks.ended_markets(instance, raw.name)
        silence = silent_symbols(table, settings, ended, now, opening) if opening else ()

        def look(months: Sequence[str]) -> Mapping[str, Finding]:
            stored, holes = current(_read(table, months)), _gaps(table, months, step, raw.rows.holds)
            quarantine = _read(rejected, [m for m in months if m in rejected.months()])
            found = {
                "contract": candle_checks.contract(stored, lake.interval, now, raw.rows),
                "quarantine": candle_checks.quarantined(quarantine, stored, settings.max_rejected, raw.rows),
                "all_fetched": candle_checks.all_fetched(candle_checks.failed_symbols(instance, raw.name)),
            }
            if not opening:
                return found | {"gaps": candle_checks.no_long_gap(holes, step, raw.rows)}
            return found | {
                "gaps": candle_checks.complete(stored, lake.interval, holes),
                "fresh": _fresh(table, raw, settings, now),
                "all_current": candle_checks.all_current(silence, unexpected(silence, settings, now)),
            }

        return look

    return _of_table(raw.name, asked, looking)


def _bars(settings: Settings, bars: Bars) -> dg.AssetChecksDefinition:
    asked = {
        "row_count": (True, "One row for each symbol and bar that has a candle and is over."),
        "fresh": (False, "The newest bar of each symbol closed no longer ago than one bar and the grace."),
    }

    def looking(_instance: dg.DagsterInstance, lake: LakeResource, table: Table) -> Look:
        raw = lake.table(bars.of.name)

        def look(months: Sequence[str]) -> Mapping[str, Finding]:
            counted = same_inputs(lake, table.name, months)  # a candle may arrive while the run goes on.
            reads = bars.reads(lake.interval)[0]
            read = sorted({m for month in counted for m in reads.months(month)} & {*raw.months()})
            made, stored = _read(table, counted), current(_read(raw, read))
            return {
                "row_count": candle_checks.bars_counted(made, stored, bars, lake.interval, counted),
                "fresh": _fresh(table, bars, settings, clock.now()),
            }

        return look

    return _of_table(bars.name, asked, looking)


def _table(settings: Settings, group: FeatureGroup) -> dg.AssetChecksDefinition:
    asked = {
        "schema": (True, "Columns and types are as declared."),
        "row_count": (True, "Exactly one row for each symbol and bar that was read."),
        "in_range": (True, "Every value is finite and within the bounds of its declaration."),
        "filled": (False, "After the warm-up at most one value in a hundred is null."),
        "fresh": (False, "The newest bar of each symbol closed no longer ago than one bar and the grace."),
    }
    if joined_symbols(group):
        asked["joined_symbols"] = (False, "Each symbol that is joined to all has rows.")
    if streams := can_stream(settings):
        asked["live"] = (True, "Each row that was published live has the batch's bits, or its candles were corrected.")
    if watched(group):
        asked["drift"] = (False, "The newest values of each feature and symbol are distributed as those before.")

    def looking(_instance: dg.DagsterInstance, lake: LakeResource, table: Table) -> Look:
        source, length = lake.table(group.bars.name), group.bar(lake.interval)
        drifts = cache(partial(undrifted, table, group, lake.interval))  # it looks at the newest months, whichever run.
        first = dict(table.collect(table.scan(columns=["symbol", table.time]).group_by("symbol").min()).iter_rows())
        live = LiveRowsCompared(lake, table, group) if streams else None
        if live is not None:
            live.prune(clock.now())

        def look(months: Sequence[str]) -> Mapping[str, Finding]:
            rows = _read(table, months)
            schemas = [feature_checks.schema(_read(table, [month]), group) for month in months]
            counted = same_inputs(lake, group.name, months)  # a bar may arrive while the run goes on.
            made, bars = _read(table, counted), _bars_closing(source, group, counted, lake.interval)
            found = {
                "schema": next((s for s in schemas if not s.passed), feature_checks.schema(rows, group)),
                "row_count": feature_checks.row_count(made, bars, group, length),
                "in_range": feature_checks.in_range(rows, group),
                "filled": feature_checks.filled(rows, group, first, lake.interval, settings.min_completeness),
                "fresh": _fresh(table, group, settings, clock.now()),
            }
            if joined := joined_symbols(group):
                there = {name: lake.table(name).symbols() for name in joined}
                found["joined_symbols"] = feature_checks.joined_symbols_there(group, there)
            if live is not None:
                found["live"] = live.finding(months)
            if watched(group):
                found["drift"] = drifts()
            return found

        return look

    return _of_table(group.name, asked, looking)


def _model(model: FittedModel) -> dg.AssetChecksDefinition:
    asked = {"drift": (False, "What it is fitted on is distributed as before.")}

    @dg.multi_asset_check(name=f"{model.name}_checks", specs=_specs(model.name, asked), can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        fitted = lake.table(model.of.name)
        found = fit_undrifted(fitted, model, lake.interval) if fitted.months() else NOTHING
        yield from _results(context, model.name, asked, {"drift": found})

    return checks


def _set(training: TrainingSet) -> dg.AssetChecksDefinition:
    asked = {"drift": (False, "The newest labels of each symbol are distributed as those before.")}

    @dg.multi_asset_check(
        name=f"{training.name.replace('/', '_')}_checks", specs=_specs(training.name, asked), can_subset=True
    )
    def checks(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        built = sets_of(lake.path, training.name)
        found = set_undrifted(built[-1], training) if built else NOTHING
        yield from _results(context, training.name, asked, {"drift": found})

    return checks


def _of_table(
    name: str, asked: Asked, looking: Callable[[dg.DagsterInstance, LakeResource, Table], Look]
) -> dg.AssetChecksDefinition:
    """The checks of a table, which say that there are no rows yet until its first day or month is over."""

    @dg.multi_asset_check(name=f"{name}_checks", specs=_specs(name, asked), can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        table = lake.table(name)
        found: Mapping[str, Finding] = dict.fromkeys(asked, NOTHING)
        if published := table.months():
            look = looking(context.instance, lake, table)
            found = judged(context.instance, name, months_of_run(context, table), published, look)
        yield from _results(context, name, asked, found)

    return checks


def _bars_closing(source: Table, group: FeatureGroup, months: Sequence[str], interval: timedelta) -> pl.DataFrame:
    """The bars that give the rows of some months; a week is kept with the month before if it opens there."""
    early = group.bars.early(interval)
    opened = {m for month in months for m in months_between(month_span(month)[0] - early, month_span(month)[1])}
    bars = _read(source, [month for month in source.months() if month in opened])
    if not early:
        return bars
    closes = (pl.col("open_time") + group.bar(interval)).alias("event_timestamp")
    return bars.with_columns(closes).filter(MONTH.is_in(list(months))).drop("event_timestamp")


def _online(settings: Settings, group: FeatureGroup, catalog: Catalog) -> dg.AssetChecksDefinition:
    key = f"online_store/{group.name}"
    shows_ages = group is min(catalog.groups.values(), key=lambda other: other.bar(settings.interval))
    asked = {
        "parity": (True, "Every online row equals the newest offline row to the bit."),
        "fresh": (False, "The online store can serve every symbol now."),
        "enabled": (False, "Nobody has switched the view or a symbol off."),
    }
    if streams := can_stream(settings):
        asked[lag.NAME] = (False, "A live row is there soon after its bar closed.")

    @dg.multi_asset_check(name=f"online_{group.name}_checks", specs=_specs(key, asked), can_subset=True)
    def checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, feast: FeastResource
    ) -> Iterator[dg.AssetCheckResult]:
        now, ttl = clock.now(), group.time_to_live(settings.interval) + settings.online_grace
        online = feast.online_rows(group.name)
        until = max([*online["event_timestamp"], *_published_until(context, key)], default=now)
        awaited, expired = serving.awaited_and_expired(online, settings, ttl, now)
        names, served = ", ".join(expired), awaited - len(expired)
        text = f"{served} of {awaited} symbols have a row that is served; {ttl} is its time to live."
        text += f" Expired: {names}." if names else ""
        todo = f"look at what is stale upstream: materialize {catalog.raw.name}, then {group.name} and {key}."
        folder = on_disk(lake.path) if streams else None
        status = None if folder is None else live_status.read(folder)
        yield from _results(
            context,
            key,
            asked,
            {
                "parity": serving.equal(parity(group.name, as_of=until)),
                # One view shows the ages of all tables: the one that ages fastest.
                "fresh": Finding(
                    served > 0 and not names, text, todo, _ages(lake, catalog, settings, now) if shows_ages else {}
                ),
                "enabled": serving.enabled(group.name, feast.disabled(), catalog.groups),
                lag.NAME: lag.punctual(status, group.name, now, settings.live_lag),
            },
        )

    return checks


def _published_until(context: dg.AssetCheckExecutionContext, key: str) -> Sequence[datetime]:
    """The end of the window that the asset published last; empty if it never did."""
    end = last_metadata(context.instance, key).get("window_end")
    return [datetime.fromtimestamp(end.value, UTC)] if isinstance(end, dg.TimestampMetadataValue) else []


def _registry(catalog: Catalog) -> dg.AssetChecksDefinition:
    asked = {"agrees_with_code": (True, "The registry holds the views that the code declares.")}

    key = registry_asset(catalog)

    @dg.multi_asset_check(name="feast_registry_checks", specs=_specs(key, asked), can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, feast: FeastResource) -> Iterator[dg.AssetCheckResult]:
        declared = {name: [*view.columns] for name, view in catalog.views.items()}
        yield from _results(context, key, asked, {"agrees_with_code": serving.registered(declared, feast.views())})

    return checks


def _gaps(table: Table, months: Sequence[str], interval: timedelta, holds: pl.Expr | None = None) -> pl.DataFrame:
    """The gaps that begin or end in those months, wherever the candles on their other side are."""
    ends = [pl.col(name).dt.strftime(FORMAT).is_in(list(months)) for name in ("from", "to")]
    return gaps_in(table, table.months(), interval, holds).filter(pl.any_horizontal(ends))


def _fresh(table: Table, declared: Declared, settings: Settings, now: datetime) -> Finding:
    state = table_age.judged_age(table, declared, settings, now)
    return Finding(
        passed=state.fresh,
        text=state.sentence,
        todo=f"materialize {table.name} for the newest month, unless the market itself ended: then it is rightly old.",
        facts={
            "newest close": dg.MetadataValue.timestamp(state.newest),
            "late symbols": dg.MetadataValue.json({s: time.isoformat() for s, time in state.late.items()}),
        },
    )


def _ages(lake: LakeResource, catalog: Catalog, settings: Settings, now: datetime) -> Mapping[str, dg.MetadataValue]:
    states = list(table_age.table_ages(lake, now, settings.online_grace, catalog.timed))
    newest = pl.DataFrame(
        {
            "table": [s.table for s in states],
            "event_timestamp": pl.Series([s.newest for s in states], dtype=TIME),
            "allowed": [s.allowed for s in states],
        }
    )
    return {"ages": inline(plots.freshness(newest, now), "age of the newest row of each table")}


def _specs(asset: str, asked: Asked) -> Sequence[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=dg.AssetKey(asset.split("/")), blocking=blocks, description=text)
        for name, (blocks, text) in asked.items()
    ]


def _results(
    context: dg.AssetCheckExecutionContext, asset: str, asked: Asked, found: Mapping[str, Finding]
) -> Iterator[dg.AssetCheckResult]:
    """The results that are wanted: all in a run, one where a person asks for one."""
    key = dg.AssetKey(asset.split("/"))
    for name, finding in found.items():
        if dg.AssetCheckKey(key, name) in context.selected_asset_check_keys:
            yield finding.result(key, name, ERROR if asked[name][0] else WARN)


def _read(table: Table, months: Sequence[str]) -> pl.DataFrame:
    """Rows of those months; on the first of a month, when no day of it is over, none with the right columns."""
    if months:
        return read_any(table, months)
    published = table.months()[:1]
    return table.read(published).clear() if published else pl.DataFrame(schema=NO_ROWS)


NOTHING = Finding(passed=True, text="There are no rows yet.", todo="")
NO_ROWS = pl.Schema({"symbol": pl.String(), "open_time": TIME, "known_at": TIME, "rule": pl.String()})
