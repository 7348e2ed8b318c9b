"""Raw candles as they were seen."""

from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from crypto_features import clock
from crypto_features.graph import inbox
from crypto_features.graph.checks.candles import ENDED
from crypto_features.graph.checks.finding import rows
from crypto_features.graph.describe import raw_columns, rows_of
from crypto_features.graph.fetched import note_month, noted
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.partitions import FORMAT, SINGLE_RUN, selected
from crypto_features.graph.table_age import overdue
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.missing import gaps_in
from crypto_features.lake.candles import coverage
from crypto_features.settings import Settings
from crypto_features.sources import Opening
from crypto_features.sources.source import by_reason
from crypto_features.tables.raw import RawTable

COUNTS = ("accepted", "new", "corrected", "rejected")


class CandlesConfig(dg.Config):
    """What a run fetches, beyond what the settings say."""

    symbols: list[str] = Field([], description="Only these symbols; by default all that are wanted.")
    inbox: list[str] = Field(
        [], description="Take these files in `inbox/` of the data folder in place of the source, and put them away."
    )
    again: bool = Field(default=False, description="Ask for candles that are stored or known to be absent, too.")


def candle_config(name: str, **values: object) -> dict[str, object]:
    """The run configuration of the raw table of that name, with these values of `CandlesConfig`."""
    return {"ops": {name: {"config": CandlesConfig.model_validate(values).model_dump()}}}


def raw_table(
    settings: Settings, raw: RawTable, source_name: str, months: dg.PartitionsDefinition[str], opening: Opening
) -> dg.AssetsDefinition:
    """The asset that fetches candles and keeps each as it was first seen, and every correction beside it."""
    minutes = int(settings.interval.total_seconds() // 60)
    length = f"{minutes} min" if minutes % 60 else f"{minutes // 60} h"

    @dg.asset(
        name=raw.name,
        group_name="market",
        description=f"{raw.description} Length: {length}. Source: {source_name}.",
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        pool=raw.name,
        freshness_policy=overdue(settings.interval, settings.online_grace),
        metadata={"dagster/column_schema": raw_columns(raw), "dagster/table_name": raw.name, "source": source_name},
    )
    def fetched(
        context: dg.AssetExecutionContext, config: CandlesConfig, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        table, months = lake.raw, selected(context)
        dropped = [name for name in config.inbox if name in inbox.signatures(lake)]
        if config.inbox and not dropped:
            context.log.info("%s: no longer in the inbox, taken by an earlier run.", ", ".join(config.inbox))
            return dg.MaterializeResult()
        with inbox.put_away(lake, dropped) as refused:
            offered = inbox.source(lake, dropped) if dropped else opening()
            symbols = config.symbols or (not dropped and settings.symbols) or offered.symbols()
            report = ingest(
                offered,
                table,
                lake.quarantine,
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
            mine = holes.filter(pl.col("from").dt.strftime(FORMAT) == month)
            facts: dict[str, Any] = {
                **rows_of(keys, "open_time"),
                "missing": int(mine["missing"].sum()),
                "gaps": rows(mine),
                "coverage": rows(coverage(keys, lake.interval)),
            }
            note_month(context, month, facts)
        return dg.MaterializeResult(
            metadata={
                **noted(report),
                "by_symbol": rows(report.counts.group_by("symbol").agg(pl.sum(*COUNTS)).sort("symbol")),
                "flagged": rows(report.flagged),
                "passed_over": passed_over,
                ENDED: ended,
            }
        )

    return fetched
