"""Raw candles as they were seen, and the daily candles resampled from them."""

from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from crypto_features import clock
from crypto_features.compute.resample import WAITS_UNTIL, resample, waits_until
from crypto_features.graph import inbox
from crypto_features.graph.checks.candles import ENDED
from crypto_features.graph.checks.finding import rows
from crypto_features.graph.conditions import fills
from crypto_features.graph.describe import CANDLE_COLUMNS, DAILY_COLUMNS, DAILY_LINEAGE, rows_of
from crypto_features.graph.freshness import overdue
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.partitions import SINGLE_RUN, selected
from crypto_features.graph.publish import publish
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.missing import gaps_in
from crypto_features.lake.candles import coverage, current
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.sources.source import by_reason
from crypto_features.versions.measured import code_version, definitions, feature_versions
from crypto_features.versions.provenance import partition_metadata

DAY = timedelta(days=1)
COUNTS = ("accepted", "new", "corrected", "rejected")


class CandlesConfig(dg.Config):
    """What a run fetches, beyond what the settings say."""

    symbols: list[str] = Field([], description="Only these symbols; by default all that are wanted.")
    inbox: list[str] = Field(
        [], description="Take these files in `inbox/` of the data folder in place of the source, and put them away."
    )
    again: bool = Field(default=False, description="Ask for candles that are stored or known to be absent, too.")


def candle_config(**values: object) -> dict[str, object]:
    """The run configuration of the asset `candles`, with these values of `CandlesConfig`."""
    return {"ops": {"candles": {"config": CandlesConfig.model_validate(values).model_dump()}}}


def candles(settings: Settings, source_name: str, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that fetches candles and keeps each as it was first seen, and every correction beside it."""
    minutes = int(settings.interval.total_seconds() // 60)
    length = f"{minutes} min" if minutes % 60 else f"{minutes // 60} h"

    @dg.asset(
        name="candles",
        group_name="market",
        description=f"Raw candles of {length}, as they were first seen, with every correction as a further "
        f"row. Source: {source_name}.",
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        pool="candles",
        freshness_policy=overdue(settings.interval, settings.online_grace),
        metadata={"dagster/column_schema": CANDLE_COLUMNS, "dagster/table_name": "candles", "source": source_name},
    )
    def fetched(
        context: dg.AssetExecutionContext, config: CandlesConfig, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        table, months = lake.table("candles"), selected(context)
        dropped = [name for name in config.inbox if name in inbox.signatures(lake)]
        if config.inbox and not dropped:
            context.log.info("%s: no longer in the inbox, taken by an earlier run.", ", ".join(config.inbox))
            return dg.MaterializeResult()
        with inbox.put_away(lake, dropped) as refused:
            offered = inbox.source(lake, dropped) if dropped else source(settings)
            symbols = config.symbols or (not dropped and settings.symbols) or offered.symbols()
            report = ingest(
                offered,
                table,
                lake.table("quarantine"),
                months,
                symbols,
                interval=lake.interval,
                now=clock.now(),
                max_rejected=settings.max_rejected,
                recheck=settings.recheck,
                again=config.again,
                progress=lambda progress: context.log.info(str(progress)),
            )
            failed = {symbol: str(error) for symbol, error in report.failed.items()}
            refused.update(failed)
            passed_over = by_reason(offered.passed_over())
            ended = {s: why.value for s in offered.symbols() if (why := offered.ended(s)) is not None}
        if failed.keys() == set(symbols) and not report.rows:
            raise next(iter(report.failed.values()))
        touched = sorted({*months, *report.published} & set(table.months()))
        holes = gaps_in(table, table.months(), lake.interval)
        for month in touched:
            keys = table.read([month], ["symbol", "open_time"])
            mine = holes.filter(pl.col("from").dt.strftime("%Y-%m") == month)
            facts: dict[str, Any] = {
                **rows_of(keys, "open_time"),
                "missing": int(mine["missing"].sum()),
                "gaps": rows(mine),
                "coverage": rows(coverage(keys, lake.interval)),
            }
            if month in months:
                context.add_asset_metadata(facts, partition_key=month)
            else:  # a correction that was found in the month before.
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=month, metadata=facts))
        return dg.MaterializeResult(
            metadata={
                "source": report.source,
                "fetched": report.rows,
                "new": report.new,
                "corrected": report.corrected.height,
                "by_symbol": rows(report.counts.group_by("symbol").agg(pl.sum(*COUNTS)).sort("symbol")),
                "corrections": rows(report.corrected),
                "flagged": rows(report.flagged),
                "rejected_by_rule": report.rejected_by_rule,
                "failed_symbols": failed,
                "passed_over": passed_over,
                ENDED: ended,
                "absent": rows(report.absent),
                "troubles": [f"{symbol}: {text}" for symbol, text in report.troubles],
            }
        )

    return fetched


def daily_candles(settings: Settings, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that resamples the current base candles to the UTC days that are over."""

    @dg.asset(
        name="daily_candles",
        group_name="market",
        description="Daily candles of the UTC days that are over, each symbol by itself, from the base candles that "
        "exist; `completeness` says how many of a day's candles there were. Nothing is interpolated or filled.",
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=fills(),
        code_version=code_version("daily_candles"),
        freshness_policy=overdue(DAY, settings.online_grace),
        deps=["candles"],
        metadata={
            "dagster/column_schema": DAILY_COLUMNS,
            "dagster/column_lineage": DAILY_LINEAGE,
            "dagster/table_name": "daily_candles",
        },
    )
    def resampled(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        raw, daily = lake.table("candles"), lake.table("daily_candles")
        published = raw.months()
        now, wait = clock.now(), settings.late_wait
        fingerprints, defined = feature_versions("daily_candles"), definitions()["daily_candles"]
        for month in selected(context):
            if month in published:
                stored, digest = current(raw.read([month])), raw.digest(month)
                days = resample(stored, lake.interval, DAY, as_of=now, wait=wait)
                provenance = partition_metadata(days, fingerprints, {"candles": {month: digest}}, defined)
                if pending := waits_until(stored, lake.interval, DAY, as_of=now, wait=wait):
                    provenance[WAITS_UNTIL] = pending.isoformat()
                publish(context, daily, month, days, provenance=provenance)
        return dg.MaterializeResult(metadata={"dagster/column_lineage": DAILY_LINEAGE})

    return resampled
