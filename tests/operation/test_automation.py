"""What runs by itself asks for what is missing and nothing else, never piles up, and is off by one setting."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from upath import UPath

from crypto_features.assets import inbox
from crypto_features.assets.lake import LakeResource
from crypto_features.automation.runs import RANGE_END, RANGE_START
from crypto_features.automation.watch import stale_tables
from crypto_features.definitions import build
from crypto_features.features.months import months_between
from crypto_features.market import Table, ingest
from crypto_features.market.sources.sample import SampleSource
from crypto_features.settings import Settings

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
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
        raw, rejected = (Table(UPath(self.folder), name, time="open_time") for name in ("candles", "quarantine"))
        source = SampleSource(HOUR, now=lambda: until)
        months = months_between(START, until)
        ingest(source, raw, rejected, months, symbols, interval=HOUR, now=until)

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


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")
    with dg.instance_for_test() as instance:
        yield World(tmp_path / "data", monkeypatch, instance)


def span(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags[RANGE_START], request.tags[RANGE_END]


def test_after_a_day_of_downtime_one_run_catches_up(world: World) -> None:
    world.store_candles(datetime(2024, 2, 29, 11, 1, tzinfo=UTC))
    world.at(datetime(2024, 3, 1, 12, 1, tzinfo=UTC))
    ((request,), _, _) = world.tick("candles_after_each_close")
    assert span(request) == ("2024-02", "2024-03")


def test_a_tick_with_nothing_new_says_so(world: World) -> None:
    world.store_candles(NOW)
    requests, reason, _ = world.tick("candles_after_each_close")
    assert not requests
    assert reason == "every candle up to 2024-03-10 12:00 UTC is stored"


@pytest.mark.parametrize("name", ["candles_after_each_close", "behind"])
def test_a_tick_that_finds_a_run_going_is_skipped_with_a_reason(world: World, name: str) -> None:
    job = build(Settings.load()).resolve_job_def("fetch_candles")
    run = world.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    requests, reason, _ = world.tick(name)
    assert not requests
    assert reason == f"run {run.run_id[:8]} of fetch_candles is started; the next tick looks again"


def test_an_empty_folder_is_filled_from_the_first_month(world: World) -> None:
    ((request,), _, _) = world.tick("behind")
    assert span(request) == ("2024-01", "2024-03")
    assert request.asset_selection == [dg.AssetKey("candles")]


def test_a_table_that_is_behind_is_asked_for_at_the_second_look(world: World) -> None:
    world.store_candles(NOW)
    requests, reason, cursor = world.tick("behind")
    assert not requests
    assert reason == "daily_candles is behind in 3 months from 2024-01 to 2024-03; its rule has until the next look"
    ((request,), _, _) = world.tick("behind", cursor)
    assert request.asset_selection == [dg.AssetKey("daily_candles")]
    assert span(request) == ("2024-01", "2024-03")


def test_the_daily_tables_wait_for_the_last_candle_of_the_day(world: World) -> None:
    world.store_candles(datetime(2024, 3, 9, 23, 30, tzinfo=UTC))
    world.at(datetime(2024, 3, 10, 0, 5, tzinfo=UTC))
    requests, reason, _ = world.tick("daily_tables_after_midnight")
    assert not requests
    assert reason.startswith("the candles until 2024-03-10 are not stored yet")
    world.store_candles(world.now)
    ((request,), _, _) = world.tick("daily_tables_after_midnight")
    assert span(request) == ("2024-01", "2024-03")


def test_a_new_symbol_is_backfilled_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store_candles(NOW)
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH,XRP,AVAX")
    ((request,), _, _) = world.tick("new_symbols")
    listed = request.run_config["ops"]["candles"]["config"]["symbols"]
    assert listed == ["XRP"], "AVAX is not listed before the clock"
    assert span(request) == ("2024-01", "2024-03")


def test_a_dropped_file_is_taken_once_and_a_broken_one_is_refused_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inbox.folder(world.lake)
    folder.mkdir(parents=True)
    candles = SampleSource(HOUR, now=lambda: NOW).fetch("BTC", START, START + 48 * HOUR)
    candles.drop("symbol").write_parquet(folder / "BTC.parquet")
    (folder / "ETH.parquet").write_bytes(b"no parquet")
    monkeypatch.setattr(inbox, "SETTLED_SECONDS", -1e12)
    ((request,), _, _) = world.tick("inbox")
    assert span(request) == ("2024-01", "2024-01")
    assert request.run_config["ops"]["candles"]["config"]["inbox"]
    assert (folder / "refused" / "ETH.parquet.why.txt").read_text().strip()

    definitions = build(Settings.load())
    job = definitions.resolve_job_def("fetch_candles")
    done = job.execute_in_process(run_config=request.run_config, tags=request.tags, instance=world.instance)
    assert done.success
    stored = world.lake.table("candles").read()
    assert stored.drop("known_at").equals(candles.sort("symbol", "open_time"))
    assert [path.name for path in (folder / "done").iterdir()] == ["BTC.parquet"]
    requests, _, _ = world.tick("inbox")
    assert not requests


def test_a_stale_table_is_a_problem_that_says_what_the_bot_reads(world: World) -> None:
    world.store_candles(NOW)
    assert not list(stale_tables(world.lake, Settings.load()))
    world.at(NOW + 3 * HOUR)
    (problem,) = stale_tables(world.lake, Settings.load())
    assert problem.key == "stale:candles"
    assert "closed at 2024-03-10 12:00 UTC, 3 h ago; 65 min is allowed" in problem.detail
    assert "reads None" in problem.detail


@pytest.mark.parametrize(("setting", "status"), [("true", "RUNNING"), ("false", "STOPPED")])
def test_one_setting_turns_everything_on_or_off(
    world: World, monkeypatch: pytest.MonkeyPatch, setting: str, status: str
) -> None:
    assert world.instance
    monkeypatch.setenv("CRYPTO_FEATURES_AUTOMATION", setting)
    repository = build(Settings.load()).get_repository_def()
    found = [one.default_status.value for one in repository.schedule_defs]
    found += [one.default_status.value for one in repository.sensor_defs]
    assert found == [status] * 7


def test_the_registry_and_each_online_view_have_a_pool_of_their_own(world: World) -> None:
    assert world.instance
    graph = build(Settings.load()).resolve_asset_graph()
    pools = {key.to_user_string(): graph.get(key).pools for key in graph.get_all_asset_keys()}
    assert pools["feast_registry"] == {"feast_registry"}
    online = {name: found for name, found in pools.items() if name.startswith("online_store/")}
    assert online == {name: {name.replace("/", "_")} for name in online}
    assert len(online) == 4


def test_what_follows_is_asked_for_when_an_input_was_updated(world: World) -> None:
    world.store_candles(NOW)
    definitions = build(Settings.load())
    first = dg.evaluate_automation_conditions(definitions, world.instance)
    for month in ("2024-01", "2024-02", "2024-03"):
        world.instance.report_runless_asset_event(dg.AssetMaterialization("candles", partition=month))
    second = dg.evaluate_automation_conditions(definitions, world.instance, cursor=first.cursor)
    for asset in ("daily_candles", "price_features", "regime_model", "regime_features", "trading_signals"):
        assert second.get_requested_partitions(dg.AssetKey(asset)) == {"2024-01", "2024-02", "2024-03"}, asset
    assert second.get_num_requested(dg.AssetKey("candles")) == 0


def test_openlineage_events_with_column_lineage_go_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")
    target = tmp_path / "lineage.ndjson"
    monkeypatch.setenv("CRYPTO_FEATURES_OPENLINEAGE", str(target))
    one_log = {
        "module": "dagster._core.storage.event_log",
        "class": "ConsolidatedSqliteEventLogStorage",
        "config": {"base_dir": str(tmp_path / "events")},
    }
    with dg.instance_for_test(overrides={"event_log_storage": one_log}) as instance:
        world = World(tmp_path / "data", monkeypatch, instance)
        world.at(datetime(2024, 1, 20, 0, 30, tzinfo=UTC))
        job = build(Settings.load()).resolve_implicit_global_asset_job_def()
        chosen = [dg.AssetKey("candles"), dg.AssetKey("daily_candles")]
        assert job.execute_in_process(asset_selection=chosen, partition_key="2024-01", instance=instance).success
        world.tick("openlineage")
    events = [json.loads(line) for line in target.read_text().splitlines()]
    outputs = [output for event in events for output in event.get("outputs", [])]
    facets = [output["facets"]["columnLineage"] for output in outputs if "columnLineage" in output.get("facets", {})]
    reads = [field["inputFields"][0] for facet in facets for name, field in facet["fields"].items() if name == "close"]
    assert {one["name"].rpartition("/")[2] for one in reads} == {"candles"}
    assert {one["field"] for one in reads} == {"close"}


def test_openlineage_says_what_it_needs_where_it_cannot_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_OPENLINEAGE", "lineage.ndjson")
    _, reason, _ = world.tick("openlineage")
    assert "use PostgreSQL" in reason
