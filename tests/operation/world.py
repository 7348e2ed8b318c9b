"""A data folder, a clock and the automation over them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from upath import UPath

from crypto_features.compute.resample import WAITS_UNTIL, resample, waits_until
from crypto_features.definitions import build
from crypto_features.graph.lake import LakeResource
from crypto_features.ingest.ingest import ingest
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.sources.sample import SampleSource
from crypto_features.tables.months import months_between
from crypto_features.versions.measured import current_definitions, feature_versions
from crypto_features.versions.provenance import partition_metadata
from tests.market.market import HOUR, START

NOW = datetime(2024, 3, 10, 12, 1, tzinfo=UTC)


class World:
    """A data folder, a clock and the automation over them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
        self.folder, self._patch, self.instance = folder, monkeypatch, instance
        self.lake = LakeResource(root=str(folder), interval_minutes=60)
        monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(folder))
        monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-01")
        self.at(NOW)

    def at(self, now: datetime) -> None:
        """Set the clock."""
        self._patch.setenv("CRYPTO_FEATURES_CLOCK", now.isoformat())
        self.now = now

    def store_candles(self, until: datetime, symbols: tuple[str, ...] = ("BTC", "ETH")) -> None:
        """As a run would have, at that time."""
        raw, rejected = (
            Table(UPath(self.folder), name, time="open_time", raw=True) for name in ("candles", "quarantine")
        )
        source = SampleSource(HOUR, now=lambda: until)
        months = months_between(START, until)
        ingest(source, raw, rejected, months, symbols, interval=HOUR, now=until)

    def store_days(self, *months: str) -> None:
        """Daily candles, as a run would have made them now."""
        raw, daily = self.lake.table("candles"), self.lake.table("daily_candles")
        for month in months:
            stored, day = current(raw.read([month])), timedelta(days=1)
            days = resample(stored, HOUR, day, as_of=self.now, wait=HOUR)
            code = feature_versions("daily_candles"), current_definitions()["daily_candles"]
            notes = partition_metadata(days, code[0], {"candles": {month: raw.digest(month)}}, code[1])
            if until := waits_until(stored, HOUR, day, as_of=self.now, wait=HOUR):
                notes[WAITS_UNTIL] = until.isoformat()
            daily.publish(month, days, notes)

    def store_signals(self, month: str) -> None:
        """A table of that name and month, whatever is in it."""
        rows = self.lake.table("candles").read([month]).select("symbol", event_timestamp=pl.col("open_time") + HOUR)
        self.lake.table("trading_signals").publish(month, rows)

    def record(self, asset: str, month: str | None) -> None:
        """A materialization in Dagster's log."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset.split("/"), partition=month))

    def tick(self, name: str, cursor: str | None = None) -> tuple[list[dg.RunRequest], str, str | None]:
        """Requests, reason for skipping, and cursor of one evaluation."""
        definitions = build(Settings.load())
        repository = definitions.get_repository_def()
        common: dict[str, Any] = {
            "instance": self.instance,
            "resources": definitions.resources,
            "repository_def": repository,
        }
        if repository.has_schedule_def(name):
            schedule = dg.build_schedule_context(scheduled_execution_time=self.now, **common)
            asked = repository.get_schedule_def(name).evaluate_tick(schedule)
            return list(asked.run_requests or []), asked.skip_message or "", None
        sensor = dg.build_sensor_context(cursor=cursor, **common)
        found = repository.get_sensor_def(name).evaluate_tick(sensor)
        return list(found.run_requests or []), found.skip_message or "", found.cursor


def span(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags[ASSET_PARTITION_RANGE_START_TAG], request.tags[ASSET_PARTITION_RANGE_END_TAG]
