"""What the asset of a raw table notes of a fetch."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from crypto_features.graph.checks.finding import rows
from crypto_features.ingest.report import IngestReport


def note_month(context: dg.AssetExecutionContext, month: str, facts: Mapping[str, Any]) -> None:
    """Note facts of a month of the run, or of an earlier one in which the fetch found something."""
    if month in context.partition_keys:
        context.add_asset_metadata(facts, partition_key=month)
    else:
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=month, metadata=facts))


def noted(report: IngestReport) -> dict[str, Any]:
    """The metadata that says what was fetched, corrected, refused and missing."""
    return {
        "source": report.source,
        "fetched": report.rows,
        "new": report.new,
        "corrected": report.corrected.height,
        "corrections": rows(report.corrected),
        "rejected_by_rule": report.rejected_by_rule,
        "failed_symbols": {symbol: str(error) for symbol, error in report.failed.items()},
        "absent": rows(report.absent),
        "troubles": [f"{symbol}: {text}" for symbol, text in report.troubles],
    }
