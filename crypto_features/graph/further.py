"""Raw tables beside the candles that everything is timed by: funding, open interest, the candles of another venue."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
import polars as pl
from pydantic import Field

from crypto_features import clock
from crypto_features.graph.checks.finding import rows
from crypto_features.graph.conditions import each
from crypto_features.graph.describe import raw_columns, rows_of
from crypto_features.graph.fetched import note_month, noted
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.partitions import FORMAT, SINGLE_RUN, selected
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.missing import gaps_in
from crypto_features.settings import Settings
from crypto_features.sources import source_of
from crypto_features.tables.months import month_of, month_span
from crypto_features.tables.raw import RawTable

HOURLY, DAILY = "3 * * * *", "33 3 * * *"
"""An exchange is asked each hour; files come once a day at most."""


class FurtherConfig(dg.Config):
    """What a run fetches, beyond what the settings say."""

    symbols: list[str] = Field([], description="Only these symbols; by default all that are wanted.")
    again: bool = Field(default=False, description="Ask for rows that are stored or known to be absent, too.")


def further_table(settings: Settings, raw: RawTable, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that fetches the rows of a raw table, and keeps every correction beside what it corrects."""
    step, chosen = raw.rows.step_of(settings.interval), raw.source or settings.derivatives_source

    @dg.asset(
        name=raw.name,
        group_name="market",
        description=f"{raw.description} Source: {chosen}.",
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=each(HOURLY if chosen.startswith("ccxt") else DAILY),
        pool=raw.name,
        metadata={"dagster/column_schema": raw_columns(raw), "dagster/table_name": raw.name},
    )
    def fetched(
        context: dg.AssetExecutionContext, config: FurtherConfig, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        table, offered = lake.table(raw.name), source_of(settings, raw)
        wanted = _with_month_before(selected(context), months.get_partition_keys()[0])
        symbols = config.symbols or settings.symbols or offered.symbols()
        report = ingest(
            offered,
            table,
            lake.quarantine_of(raw),
            wanted,
            symbols,
            kind=raw.rows,
            interval=lake.interval,
            now=clock.now(),
            max_rejected=settings.max_rejected,
            recheck=settings.recheck,
            again=config.again,
            progress=lambda progress: context.log.info(str(progress)),
        )
        if report.failed.keys() == set(symbols) and not report.rows:
            raise next(iter(report.failed.values()))
        holes = gaps_in(table, table.months(), step, raw.rows.holds)
        for month in sorted({*selected(context), *report.published} & {*table.months()}):
            mine = holes.filter(pl.col("from").dt.strftime(FORMAT) == month)
            facts = {**rows_of(table.read([month], ["symbol", "open_time"]), "open_time"), "gaps": rows(mine)}
            note_month(context, month, facts)
        return dg.MaterializeResult(metadata=noted(report))

    return fetched


def _with_month_before(months: Sequence[str], first: str) -> list[str]:
    """The months, and the one before them, whose file may come when it is over."""
    before = month_of(month_span(months[0])[0] - timedelta(days=1))
    return sorted({before, *months} - ({before} if before < first else set()))
