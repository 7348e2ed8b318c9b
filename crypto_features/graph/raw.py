"""Raw tables as their rows were seen: the candles that everything is timed by, and what has a source of its own."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from crypto_features.graph import inbox
from crypto_features.graph.checks.candles import ENDED
from crypto_features.graph.checks.finding import rows
from crypto_features.graph.conditions import each
from crypto_features.graph.describe import raw_columns, rows_of
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.partitions import FORMAT, SINGLE_RUN, selected
from crypto_features.graph.table_age import overdue
from crypto_features.ingest.ingest import fetch
from crypto_features.ingest.missing import gaps_in
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.candles import coverage
from crypto_features.settings import Settings
from crypto_features.sources import Opening, source_of
from crypto_features.sources.source import Source, by_reason
from crypto_features.tables.months import month_of, month_span
from crypto_features.tables.raw import RawTable

COUNTS = ("accepted", "new", "corrected", "rejected")
HOURLY, DAILY = "3 * * * *", "33 3 * * *"
"""An exchange is asked each hour; files come once a day at most."""


class FurtherConfig(dg.Config):
    """What a run fetches, beyond what the settings say."""

    symbols: list[str] = Field([], description="Only these symbols; by default all that are wanted.")
    again: bool = Field(default=False, description="Ask for rows that are stored or known to be absent, too.")


class CandlesConfig(FurtherConfig):
    """The same for candles, which a person may also drop into a folder."""

    inbox: list[str] = Field(
        [], description="Take these files in `inbox/` of the data folder in place of the source, and put them away."
    )


def candle_config(name: str, **values: object) -> dict[str, object]:
    """The run configuration of the raw table of that name, with these values of `CandlesConfig`."""
    return {"ops": {name: {"config": CandlesConfig.model_validate(values).model_dump()}}}


def raw_table(
    settings: Settings, raw: RawTable, source_name: str, months: dg.PartitionsDefinition[str], opening: Opening
) -> dg.AssetsDefinition:
    """The asset that fetches candles and keeps each as it was first seen, and every correction beside it."""
    minutes = int(settings.interval.total_seconds() // 60)
    length = f"{minutes} min" if minutes % 60 else f"{minutes // 60} h"

    @_asset(
        raw,
        f"Length: {length}. ",
        source_name,
        months,
        freshness_policy=overdue(settings.interval, settings.online_grace),
    )
    def fetched(
        context: dg.AssetExecutionContext, config: CandlesConfig, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        dropped = [name for name in config.inbox if name in inbox.signatures(lake)]
        if config.inbox and not dropped:
            context.log.info("%s: no longer in the inbox, taken by an earlier run.", ", ".join(config.inbox))
            return dg.MaterializeResult()
        with inbox.put_away(lake, dropped) as refused:
            offered = inbox.source(lake, dropped) if dropped else opening()
            symbols = config.symbols or (not dropped and settings.symbols) or offered.symbols()
            report = _asked(
                context, config, settings, raw, lake, offered=offered, months=selected(context), symbols=symbols
            )
            refused.update({symbol: str(error) for symbol, error in report.failed.items()})
            passed_over = by_reason(offered.passed_over())
            ended = {s: why.value for s in offered.symbols() if (why := offered.ended(s)) is not None}
        return _noted(
            context,
            lake,
            raw,
            report,
            symbols,
            by_symbol=rows(report.counts.group_by("symbol").agg(pl.sum(*COUNTS)).sort("symbol")),
            flagged=rows(report.flagged),
            passed_over=passed_over,
            **{ENDED: ended},
        )

    return fetched


def further_table(settings: Settings, raw: RawTable, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that fetches the rows of a raw table, and keeps every correction beside what it corrects."""
    chosen = raw.source or settings.derivatives_source

    @_asset(raw, "", chosen, months, automation_condition=each(HOURLY if chosen.startswith("ccxt") else DAILY))
    def fetched(
        context: dg.AssetExecutionContext, config: FurtherConfig, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        offered = source_of(settings, raw)
        wanted = _with_month_before(selected(context), months.get_partition_keys()[0])
        symbols = config.symbols or settings.symbols or offered.symbols()
        report = _asked(context, config, settings, raw, lake, offered=offered, months=wanted, symbols=symbols)
        return _noted(context, lake, raw, report, symbols)

    return fetched


def _asked(
    context: dg.AssetExecutionContext,
    config: FurtherConfig,
    settings: Settings,
    raw: RawTable,
    lake: LakeResource,
    *,
    offered: Source,
    months: Sequence[str],
    symbols: Sequence[str],
) -> IngestReport:
    """What a source gave, as the run goes on in its log."""
    return fetch(
        settings,
        raw,
        offered,
        lake.table(raw.name),
        lake.quarantine_of(raw),
        months=months,
        symbols=symbols,
        again=config.again,
        progress=lambda progress: context.log.info(str(progress)),
    )


def _asset(
    raw: RawTable, length: str, source_name: str, months: dg.PartitionsDefinition[str], **more: Any
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    decorator: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        name=raw.name,
        group_name="market",
        description=f"{raw.description} {length}Source: {source_name}.",
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        pool=raw.name,
        metadata={"dagster/column_schema": raw_columns(raw), "dagster/table_name": raw.name, "source": source_name},
        **more,
    )
    return decorator


def _noted(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    raw: RawTable,
    report: IngestReport,
    symbols: Sequence[str],
    **more: Any,
) -> dg.MaterializeResult[None]:
    """What was fetched, corrected, refused and missing, of each month in which something was found, and as a whole."""
    if report.failed.keys() == set(symbols) and not report.rows:
        raise next(iter(report.failed.values()))
    table = lake.table(raw.name)
    holes = gaps_in(table, table.months(), raw.rows.step_of(lake.interval), raw.rows.holds)
    for month in sorted({*selected(context), *report.published} & {*table.months()}):
        keys = table.read([month], ["symbol", "open_time"])
        mine = holes.filter(pl.col("from").dt.strftime(FORMAT) == month)
        facts = {**rows_of(keys, "open_time"), "missing": int(mine["missing"].sum()), "gaps": rows(mine)}
        if raw.has_prices:
            facts["coverage"] = rows(coverage(keys, lake.interval))
        _note_month(context, month, facts)
    return dg.MaterializeResult(
        metadata={
            "source": report.source,
            "fetched": report.rows,
            "new": report.new,
            "corrected": report.corrected.height,
            "corrections": rows(report.corrected),
            "rejected_by_rule": report.rejected_by_rule,
            "failed_symbols": {symbol: str(error) for symbol, error in report.failed.items()},
            "absent": rows(report.absent),
            "troubles": [f"{symbol}: {text}" for symbol, text in report.troubles],
            **more,
        }
    )


def _note_month(context: dg.AssetExecutionContext, month: str, facts: Mapping[str, Any]) -> None:
    """Note facts of a month of the run, or of an earlier one in which the fetch found something."""
    if month in context.partition_keys:
        context.add_asset_metadata(facts, partition_key=month)
    else:
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=month, metadata=facts))


def _with_month_before(months: Sequence[str], first: str) -> list[str]:
    """The months, and the one before them, whose file may come when it is over."""
    before = month_of(month_span(months[0])[0] - timedelta(days=1))
    return sorted({before, *months} - ({before} if before < first else set()))
