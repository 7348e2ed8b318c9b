"""What runs by itself asks for what is missing and nothing else, never piles up, and is off by one setting."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._utils.schedules import cron_string_iterator
from upath import UPath

from crypto_features.assets import inbox
from crypto_features.assets.lake import LakeResource
from crypto_features.assets.progress import last_candles, last_close, outdated
from crypto_features.automation.lagging import Lag, lagging
from crypto_features.automation.market_now import MarketNow
from crypto_features.automation.runs import RANGE_END, RANGE_START
from crypto_features.automation.schedules import cron
from crypto_features.automation.watch import stale_tables
from crypto_features.definitions import build
from crypto_features.features import GROUPS, partition_metadata, resample
from crypto_features.features.months import months_between
from crypto_features.market import Table, current, ingest
from crypto_features.market.sources.sample import SampleSource
from crypto_features.settings import Settings
from tests.market.market import HOUR, START, candles

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

    def store_days(self, *months: str) -> None:
        """Daily candles, as a run would have made them now."""
        raw, daily = self.lake.table("candles"), self.lake.table("daily_candles")
        for month in months:
            over = max(last_candles(raw).values()) + HOUR
            days = resample(current(raw.read([month])), HOUR, timedelta(days=1), as_of=over)
            daily.publish(month, days, partition_metadata(days, {}, {"candles": {month: raw.digest(month)}}))

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
    assert reason.split("; ")[:4] == [
        "daily_candles is behind: 3 months from 2024-01 to 2024-03",
        "its rule has until the next look",
        "trading_signals is behind: 3 months from 2024-01 to 2024-03",
        "its rule has until the next look",
    ]
    ((request,), _, _) = world.tick("behind", cursor)
    assert request.asset_selection == [dg.AssetKey("daily_candles")]
    assert span(request) == ("2024-01", "2024-03")


def looks(world: World, *times: datetime) -> list[list[str]]:
    """The assets that the sensor `behind` asks for at these times, each run failing."""
    cursor, asked = None, []
    for time in times:
        world.at(time)
        requests, _, cursor = world.tick("behind", cursor)
        asked.append([key.to_user_string() for request in requests for key in request.asset_selection or ()])
    return asked


def test_what_stays_behind_is_asked_for_at_growing_intervals_and_starves_nobody(world: World) -> None:
    world.store_candles(NOW - 3 * HOUR)
    minutes = [0, 1, 2, 3, 9, 10, 11, 12, 29, 30, 31, 69, 70, 71]
    found = looks(world, *(NOW + timedelta(minutes=minute) for minute in minutes))
    asked = [(minute, name) for minute, names in zip(minutes, found, strict=True) for name in names]
    assert [minute for minute, name in asked if name == "candles"] == [0, 10, 30, 70]
    assert [minute for minute, name in asked if name == "daily_candles"] == [1, 11, 31, 71]
    assert {name for _, name in asked} == {"candles", "daily_candles", "trading_signals", "feast_registry"}


def test_on_the_first_of_a_month_only_days_that_are_over_are_expected(world: World) -> None:
    midnight = datetime(2024, 3, 1, tzinfo=UTC)
    world.store_candles(midnight + 5 * HOUR)
    world.store_days("2024-01", "2024-02")
    assert outdated(world.lake, "daily_candles", "candles", midnight + 5 * HOUR) == ()
    assert outdated(world.lake, "price_features", "daily_candles", midnight + 5 * HOUR) == ("2024-01", "2024-02")
    world.store_candles(midnight + 24 * HOUR)
    assert outdated(world.lake, "daily_candles", "candles", midnight + 24 * HOUR) == ("2024-03",)


def test_the_last_day_of_a_month_is_asked_for_in_its_own_month(world: World) -> None:
    midnight = datetime(2024, 3, 1, tzinfo=UTC)
    world.store_candles(midnight - HOUR)
    world.store_days("2024-01", "2024-02")
    world.store_candles(midnight + HOUR)
    assert outdated(world.lake, "daily_candles", "candles", midnight + HOUR) == ("2024-02",)


def test_a_failed_publication_is_asked_for_again(world: World) -> None:
    world.store_candles(NOW)
    at = MarketNow.look(Settings.load(), world.lake)
    world.store_signals("2024-03")
    world.record("feast_registry", None)
    world.record("online_store/trading_signals", "2024-03")
    world.record("trading_signals", "2024-03")
    assert ("online_store/trading_signals", ("2024-03",)) in [(what, months) for what, _, months in behind(at, world)]
    world.record("online_store/trading_signals", "2024-03")
    assert "online_store/trading_signals" not in [what for what, _, _ in behind(at, world)]


def behind(at: MarketNow, world: World) -> list[Lag]:
    return list(lagging(at, world.instance))


def test_a_month_that_was_lost_by_an_interrupted_backfill_is_asked_for(world: World) -> None:
    world.store_candles(NOW)
    at = MarketNow.look(Settings.load(), world.lake)
    assert at.neglected == ()
    world.lake.table("candles").path("2024-01").unlink()
    (world.folder / ".marks/candles/2024-01.json").unlink()
    ((request,), _, _) = world.tick("behind")
    assert (request.asset_selection, span(request)) == ([dg.AssetKey("candles")], ("2024-01", "2024-01"))


def test_the_daily_tables_wait_for_the_last_candle_of_the_day(world: World) -> None:
    world.store_candles(datetime(2024, 3, 9, 23, 30, tzinfo=UTC))
    world.at(datetime(2024, 3, 10, 0, 5, tzinfo=UTC))
    requests, reason, _ = world.tick("daily_tables_after_midnight")
    assert not requests
    assert reason.startswith("the candles until 2024-03-10 are not stored yet")
    world.store_candles(world.now)
    ((request,), _, _) = world.tick("daily_tables_after_midnight")
    assert span(request) == ("2024-01", "2024-03")


HOURLY = {"candles", "trading_signals", "online_store/trading_signals"}


def test_one_run_fetches_and_publishes_what_is_due(world: World) -> None:
    """Each hour the hourly tables, after midnight all; a platform that was never built is left to the rules."""
    midnight = datetime(2024, 3, 1, tzinfo=UTC)
    every = {"daily_candles", "regime_model", *GROUPS, *(f"online_store/{name}" for name in GROUPS)}
    world.store_candles(midnight - 2 * HOUR)
    world.store_days("2024-01", "2024-02")

    def asked_at(time: datetime) -> set[str]:
        world.at(time)
        ((request,), _, _) = world.tick("candles_after_each_close")
        assert span(request) == ("2024-02", "2024-02")
        return {key.to_user_string() for key in request.asset_selection or ()}

    assert asked_at(midnight - HOUR + timedelta(minutes=1)) == {"candles"}
    for asset in every:
        world.record(asset, "2024-02")
    assert asked_at(midnight - HOUR + timedelta(minutes=1)) == HOURLY
    assert asked_at(midnight + timedelta(minutes=1)) == {"candles", *every}


@pytest.mark.parametrize("seconds", [0, 30, 180])
def test_in_normal_operation_no_minute_of_a_day_is_without_a_value(world: World, seconds: int) -> None:
    """A row is served from the end of the run that published it until its TTL and the grace have passed."""
    settings, day = Settings.load(), datetime(2024, 3, 10, tzinfo=UTC)
    runs = cron_string_iterator((day - timedelta(days=2)).timestamp(), cron(settings.interval), "UTC")
    ends = [tick + timedelta(seconds=seconds) for tick in islice(runs, 3 * 24)]
    for group in GROUPS.values():
        length = group.interval or settings.interval
        served = [
            (end, last_close(end - timedelta(seconds=seconds), length) + group.ttl + settings.online_grace)
            for end in ends
        ]
        for moment in (day + timedelta(seconds=s) for s in range(0, 86400, 15)):
            assert any(start <= moment <= end for start, end in served), (group.name, moment)


def test_a_day_whose_last_candle_is_late_is_not_over(world: World) -> None:
    world.store_candles(datetime(2024, 1, 2, 23, tzinfo=UTC))
    world.at(datetime(2024, 1, 3, 0, 1, tzinfo=UTC))
    job = build(Settings.load()).resolve_implicit_global_asset_job_def()
    chosen = [dg.AssetKey("daily_candles")]
    assert job.execute_in_process(asset_selection=chosen, partition_key="2024-01", instance=world.instance).success
    assert world.lake.table("daily_candles").read()["open_time"].unique().to_list() == [START]


def test_a_new_symbol_is_backfilled_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store_candles(NOW)
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH,XRP,AVAX")
    ((request,), _, _) = world.tick("new_symbols")
    listed = request.run_config["ops"]["candles"]["config"]["symbols"]
    assert listed == ["XRP"], "AVAX is not listed before the clock"
    assert span(request) == ("2024-01", "2024-03")


class Inbox:
    """The inbox of a world, and the sensor over it, whose cursor lives from look to look."""

    def __init__(self, world: World) -> None:
        self.world, self.folder, self.cursor = world, inbox.folder(world.lake), ""
        self.folder.mkdir(parents=True)

    def drop(self, name: str, start: datetime = START, count: int = 48) -> None:
        candles("X", start=start, count=count).drop("symbol").write_parquet(self.folder / name)

    def look(self) -> tuple[list[dg.RunRequest], str]:
        requests, reason, cursor = self.world.tick("inbox", self.cursor or None)
        self.cursor = cursor or ""
        return requests, reason

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        job = build(Settings.load()).resolve_job_def("fetch_candles")
        return job.execute_in_process(
            run_config=request.run_config,
            tags=request.tags,
            asset_selection=list(request.asset_selection or ()),
            instance=self.world.instance,
            raise_on_error=False,
        )

    def lying(self, where: str = "") -> list[str]:
        folder = self.folder / where
        return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []

    def reason(self, name: str) -> str:
        return (self.folder / "refused" / f"{name}.why.txt").read_text()


@pytest.fixture
def dropped(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Inbox:
    candles("SOL", count=1).drop("symbol").write_parquet(tmp_path / "SOL.parquet")  # a real market, as the files are.
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(tmp_path))
    return Inbox(world)


def test_a_dropped_file_is_taken_once_it_is_the_same_at_two_looks(dropped: Inbox) -> None:
    dropped.drop("BTC.parquet", count=10)
    assert dropped.look() == ([], "still being copied: BTC.parquet")
    dropped.drop("BTC.parquet")
    assert dropped.look() == ([], "still being copied: BTC.parquet")
    ((request,), _) = dropped.look()
    assert span(request) == ("2024-01", "2024-01")
    assert dropped.run(request).success
    stored = dropped.world.lake.table("candles").read()
    assert stored.select("symbol", "open_time").rows() == [("BTC", START + i * HOUR) for i in range(48)]
    assert (dropped.lying(), dropped.lying("done")) == ([], ["BTC.parquet"])
    assert dropped.look()[0] == []


def test_a_run_takes_exactly_the_files_that_it_was_asked_for(dropped: Inbox) -> None:
    dropped.drop("BTC.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    dropped.drop("ETH.parquet")
    assert dropped.run(request).success
    assert dropped.world.lake.table("candles").read()["symbol"].unique().to_list() == ["BTC"]
    assert (dropped.lying(), dropped.lying("done")) == (["ETH.parquet"], ["BTC.parquet"])


def test_a_file_that_changes_while_it_is_read_stays(dropped: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped.drop("BTC.parquet")
    with inbox.put_away(dropped.world.lake, ["BTC.parquet"]):
        dropped.drop("BTC.parquet", count=49)
    assert dropped.lying() == ["BTC.parquet"]


@pytest.mark.parametrize(
    ("name", "start", "reason"),
    [
        ("ETH.parquet", datetime(2023, 12, 31, tzinfo=UTC), "ETH.parquet begins at 2023-12-31, before the first month"),
        ("ETH.parquet", NOW - timedelta(hours=12, minutes=1), "ETH.parquet has candles until 2024-03-12 00:00, and it"),
        ("no symbol.parquet", START, "'NO SYMBOL' is not a symbol"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_the_reason(
    dropped: Inbox, name: str, start: datetime, reason: str
) -> None:
    dropped.drop(name, start)
    dropped.drop("BTC.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    assert request.run_config["ops"]["candles"]["config"]["inbox"] == ["BTC.parquet"]
    assert dropped.reason(name).startswith(reason)
    assert dropped.lying() == ["BTC.parquet"]


def test_real_candles_dropped_into_the_sample_market_are_refused_with_the_reason(dropped: Inbox) -> None:
    dropped.world.store_candles(NOW)
    dropped.drop("BTC.parquet")
    dropped.look()
    ((request,), _) = dropped.look()
    assert not dropped.run(request).success
    assert "holds synthetic candles" in dropped.reason("BTC.parquet")
    assert dropped.lying() == []


def test_a_file_that_no_run_takes_is_refused_at_last(dropped: Inbox) -> None:
    dropped.drop("BTC.parquet")
    dropped.look()
    keys = {dropped.look()[0][0].run_key for _ in range(3)}
    assert len(keys) == 3
    assert dropped.look()[0] == []
    assert "3 runs did not take it" in dropped.reason("BTC.parquet")


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


def test_nothing_follows_from_a_table_whose_blocking_check_fails(world: World) -> None:
    world.store_candles(NOW)
    definitions, daily = build(Settings.load()), dg.AssetKey("daily_candles")
    first = dg.evaluate_automation_conditions(definitions, world.instance)

    def contract(*, passed: bool) -> dg.AssetCheckEvaluation:
        return dg.AssetCheckEvaluation(dg.AssetKey("candles"), "contract", passed, {}, blocking=True)

    world.instance.report_runless_asset_event(dg.AssetMaterialization("candles", partition="2024-03"))
    world.instance.report_runless_asset_event(contract(passed=False))
    second = dg.evaluate_automation_conditions(definitions, world.instance, cursor=first.cursor)
    assert second.get_num_requested(daily) == 0
    world.instance.report_runless_asset_event(contract(passed=True))
    third = dg.evaluate_automation_conditions(definitions, world.instance, cursor=second.cursor)
    assert "2024-03" in third.get_requested_partitions(daily)


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
