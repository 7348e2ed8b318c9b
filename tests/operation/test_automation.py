"""What runs by itself asks for what is missing and nothing else, never piles up, and is off by one setting."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from upath import UPath

from crypto_features.automation.lagging import lagging
from crypto_features.automation.market_now import MarketNow
from crypto_features.automation.schedules import cron
from crypto_features.automation.watch import silent_markets, troubled_tables
from crypto_features.definitions import build
from crypto_features.graph.progress import last_close
from crypto_features.ingest.ingest import ingest
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from crypto_features.sources import source
from crypto_features.sources.standing import Standing
from crypto_features.tables.months import months_between
from tests.market.market import HOUR, START
from tests.operation.world import NOW, World, span


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
    every = {"daily_candles", "regime_model", *catalog.groups, *(f"online_store/{name}" for name in catalog.groups)}
    world.at(midnight - 2 * HOUR)
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


@pytest.mark.parametrize("minutes", [minutes for minutes in range(1, 1441) if 1440 % minutes == 0])
def test_candles_are_fetched_a_minute_after_each_close(minutes: int) -> None:
    """Over two days, for every interval that a setting may give."""
    interval, after = timedelta(minutes=minutes), timedelta(minutes=1)
    closes = [START + i * interval for i in range(2 * 1440 // minutes)]
    ticks = schedule_execution_time_iterator(START.timestamp(), cron(interval), "UTC")
    # of a minute, the close at the start is fetched for with the tick before.
    expected = closes if interval == after else [close + after for close in closes]
    assert list(islice(ticks, len(closes))) == expected


@pytest.mark.parametrize("seconds", [0, 30, 180])
def test_in_normal_operation_no_minute_of_a_day_is_without_a_value(world: World, seconds: int) -> None:
    """A row is served from the end of the run that published it until its TTL and the grace have passed."""
    settings, day = Settings.load(), datetime(2024, 3, 10, tzinfo=UTC)
    runs = schedule_execution_time_iterator((day - timedelta(days=2)).timestamp(), cron(settings.interval), "UTC")
    ends = [tick + timedelta(seconds=seconds) for tick in islice(runs, 3 * 24)]
    for group in catalog.groups.values():
        length = group.bar(settings.interval)
        lasts = group.time_to_live(settings.interval) + settings.online_grace
        served = [(end, last_close(end - timedelta(seconds=seconds), length) + lasts) for end in ends]
        for moment in (day + timedelta(seconds=s) for s in range(0, 86400, 15)):
            assert any(start <= moment <= end for start, end in served), (group.name, moment)


def test_a_day_whose_last_candle_is_late_is_not_over(world: World) -> None:
    world.store_candles(datetime(2024, 1, 2, 23, tzinfo=UTC))
    world.at(datetime(2024, 1, 3, 0, 1, tzinfo=UTC))
    job = build(Settings.load()).resolve_implicit_global_asset_job_def()
    chosen = [dg.AssetKey("daily_candles")]
    assert job.execute_in_process(asset_selection=chosen, partition_key="2024-01", instance=world.instance).success
    assert world.lake.table("daily_candles").read()["open_time"].unique().to_list() == [START]


def test_a_day_that_was_waited_for_is_made_with_the_next_candles_or_the_next_day(world: World) -> None:
    midnight = datetime(2024, 3, 10, tzinfo=UTC)
    every = {"daily_candles", "regime_model", *catalog.groups, *(f"online_store/{name}" for name in catalog.groups)}
    for asset in every:
        world.record(asset, "2024-03")
    world.store_candles(midnight - 4 * HOUR)
    world.store_candles(midnight, ("BTC",))
    world.at(midnight + timedelta(minutes=1))
    world.store_days("2024-01", "2024-02", "2024-03")
    requests, reason, _ = world.tick("daily_tables_after_midnight")
    assert (requests, reason) == ([], "every bar that was over by 2024-03-10 00:00 UTC is resampled")
    world.at(midnight + HOUR + timedelta(minutes=1))
    ((request,), _, _) = world.tick("candles_after_each_close")
    assert {key.to_user_string() for key in request.asset_selection or ()} == {"candles", *every}
    ((request,), _, _) = world.tick("daily_tables_after_midnight")
    assert span(request) == ("2024-03", "2024-03")


def test_a_silent_symbol_is_a_problem_while_others_go_on(world: World) -> None:
    world.store_candles(NOW - 29 * HOUR)
    settings = Settings.load()
    assert not list(silent_markets(world.lake, settings, {})), "all are late: the table is stale"
    world.store_candles(NOW, ("BTC",))
    (problem,) = silent_markets(world.lake, settings, {"ETH": Standing.HALTED})
    assert (problem.key, problem.title) == ("silent:ETH", "ETH is halted")
    assert "28 h ago" in problem.detail
    assert "other symbols go on" in problem.detail
    assert not list(troubled_tables(world.lake, catalog, settings))


def test_a_new_symbol_is_backfilled_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store_candles(NOW)
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH,XRP,AVAX")
    ((request,), _, _) = world.tick("new_symbols")
    listed = request.run_config["ops"]["candles"]["config"]["symbols"]
    assert listed == ["XRP"], "AVAX is not listed before the clock"
    assert span(request) == ("2024-01", "2024-03")


def test_a_stale_table_is_a_problem_that_says_what_the_bot_reads(world: World) -> None:
    world.store_candles(NOW)
    assert not list(troubled_tables(world.lake, catalog, Settings.load()))
    world.at(NOW + 3 * HOUR)
    ((table, problem),) = troubled_tables(world.lake, catalog, Settings.load())
    assert table == "candles"
    assert problem.key == "stale:candles"
    assert "closed at 2024-03-10 12:00 UTC, 3 h ago; 65 min is allowed" in problem.detail
    assert "reads None" in problem.detail


def test_a_table_that_cannot_be_read_is_a_problem_and_hides_no_other(world: World) -> None:
    world.store_candles(NOW)
    world.store_days("2024-02")
    damaged = world.folder / "candles" / "2024-03.parquet"
    damaged.write_bytes(damaged.read_bytes()[:3000])
    found = {problem.key: problem for _, problem in troubled_tables(world.lake, catalog, Settings.load())}
    assert list(found) == ["damaged:candles", "stale:daily_candles"]
    assert "2024-03" in found["damaged:candles"].detail
    assert "Restore the file of that month from a copy" in found["damaged:candles"].action
    assert "elete" not in found["damaged:candles"].action


def test_a_damaged_table_is_made_again_and_holds_up_only_what_reads_it(world: World) -> None:
    world.store_candles(NOW)
    world.store_days("2024-01", "2024-02", "2024-03")
    damaged = world.folder / "daily_candles" / "2024-02.parquet"
    damaged.write_bytes(b"half")
    at = MarketNow(Settings.load(), world.lake)
    found = {what: months for what, _, months in lagging(at, world.instance)}
    assert found["daily_candles"] == ("2024-02",)
    assert found["price_features"] == found["volume_features"] == ("2024-01",)


@pytest.mark.parametrize(("setting", "status"), [("true", "RUNNING"), ("false", "STOPPED")])
def test_one_setting_turns_everything_on_or_off(
    world: World, monkeypatch: pytest.MonkeyPatch, setting: str, status: str
) -> None:
    assert world.instance
    monkeypatch.setenv("CRYPTO_FEATURES_AUTOMATION", setting)
    repository = build(Settings.load()).get_repository_def()
    found = [one.default_status.value for one in repository.schedule_defs]
    found += [one.default_status.value for one in repository.sensor_defs]
    assert found == [status] * 9


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


def test_a_file_corrected_behind_a_month_s_end_is_read_by_the_automation(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last candle of January is corrected on 1 February, and one of 5 January a while later."""
    midnight = datetime(2024, 2, 1, tzinfo=UTC)
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(folder))

    def drop(until: datetime, factors: dict[datetime, float]) -> None:
        hours = [START + n * HOUR for n in range((until - START) // HOUR)]
        close = [100 * factors.get(time, 1.0) for time in hours]
        rows = pl.DataFrame({"open_time": hours, "open": close, "high": close, "low": close, "close": close})
        rows.with_columns(volume=1.0).write_parquet(folder / "BTC.parquet")

    def fetch(now: datetime) -> None:
        raw, rejected = (
            Table(UPath(world.folder), name, time="open_time", raw=True) for name in ("candles", "quarantine")
        )
        market = source(Settings.load())
        ingest(market, raw, rejected, months_between(START, now), ["BTC"], interval=HOUR, now=now)

    world.at(midnight + timedelta(hours=1, minutes=1))
    drop(midnight + HOUR, {})
    fetch(world.now)
    assert world.tick("candles_after_each_close")[0] == []
    last = midnight - HOUR
    drop(midnight + HOUR, {last: 1.01})
    ((request,), _, _) = world.tick("candles_after_each_close")
    assert span(request)[0] == "2024-01"
    ((request,), _, _) = world.tick("behind")
    assert (request.asset_selection, span(request)) == ([dg.AssetKey("candles")], ("2024-01", "2024-02"))
    fetch(world.now)
    world.at(datetime(2024, 2, 9, 23, 1, tzinfo=UTC))
    early = START + 4 * timedelta(days=1)
    drop(world.now, {last: 1.01})
    fetch(world.now)
    drop(world.now, {last: 1.01, early: 0.99})
    ((request,), _, _) = world.tick("candles_after_each_close")
    assert span(request) == ("2024-02", "2024-02")
    world.at(datetime(2024, 2, 10, 0, 1, tzinfo=UTC))
    drop(world.now, {last: 1.01, early: 0.99})
    ((request,), _, _) = world.tick("candles_after_each_close")
    assert span(request) == ("2024-01", "2024-02")
