"""What a live process says of itself is seen in the graph, and a person is told when its rows are late."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from crypto_features.automation.live import live_sensor, reported
from crypto_features.automation.watch import failed_checks
from crypto_features.graph.checks.lag import punctual
from crypto_features.graph.lake import LakeResource
from crypto_features.lake import live_status
from crypto_features.lake.live_status import LiveStatus
from crypto_features.live.watched import Watched
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from tests.market.market import HOUR, START

SECOND, LIMIT = timedelta(seconds=1), timedelta(minutes=2)
VIEW, KEY = "trading_signals", dg.AssetKey(["online_store", "trading_signals"])
NOON = START + 12 * HOUR


def status(newest: datetime = NOON, *, stopped: bool = False, **counts: int) -> LiveStatus:
    told = dict.fromkeys(live_status.COUNTS, 0) | counts
    views = VIEW, "elsewhere"
    times, due = dict.fromkeys(views, newest), dict.fromkeys(views, newest + HOUR)
    return LiveStatus(START, NOON, stopped, 2, told, times, due, {VIEW: SECOND})


def row(time: datetime) -> pl.DataFrame:
    return pl.DataFrame({"symbol": ["BTC"], "event_timestamp": pl.Series([time], dtype=pl.Datetime("us", "UTC"))})


def test_a_status_is_read_as_it_was_written_and_not_at_all_when_it_rotted(tmp_path: Path) -> None:
    assert live_status.read(tmp_path) is None
    live_status.write(tmp_path, status(flag=3, disconnected=1))
    assert live_status.read(tmp_path) == status(flag=3, disconnected=1)
    path = live_status.place(tmp_path)
    path.write_text(path.read_text().replace('"flag": 3', '"flag": 4'))
    assert live_status.read(tmp_path) is None


def test_a_process_says_what_it_published_and_that_it_was_stopped(tmp_path: Path) -> None:
    now, counts = [START + 90 * timedelta(minutes=1)], Counter[str]()
    watched = Watched(partial(live_status.write, tmp_path), {VIEW: HOUR}, 2, counts, lambda: now[0])
    assert watched.status().newest == {VIEW: START + HOUR}, "the bar that closed before it began"
    now[0], counts["flag"] = START + 2 * HOUR + 3 * SECOND, 2
    watched.published(VIEW, row(START + 2 * HOUR), now[0])
    watched.published(VIEW, row(START + HOUR), now[0])

    async def kept() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await watched.keep()

    asyncio.run(kept())
    found = live_status.read(tmp_path)
    assert found is not None
    assert (found.newest, found.delays, found.stopped) == ({VIEW: START + 2 * HOUR}, {VIEW: 3 * SECOND}, False)
    assert (found.counts["flag"], found.counts["rest"], found.at) == (2, 0, now[0])
    watched.end()
    found = live_status.read(tmp_path)
    assert found is not None
    assert found.stopped


def test_a_row_is_late_once_its_bar_closed_longer_ago_than_the_limit() -> None:
    closes = NOON + HOUR
    for late, lag, passes in ((-SECOND, 0, True), (LIMIT, 120, True), (LIMIT + SECOND, 121, False)):
        assert status().lag(VIEW, closes + late) == timedelta(seconds=lag)
        assert punctual(status(), VIEW, closes + late, LIMIT).passed is passes
    assert punctual(None, VIEW, closes + HOUR, LIMIT).passed
    assert punctual(status(stopped=True), VIEW, closes + HOUR, LIMIT).passed
    assert punctual(status(), "not_streamed", closes + HOUR, LIMIT).passed


def test_what_is_new_is_observed_once_and_not_more_often_than_every_ten_minutes() -> None:
    events, seen = reported(status(flag=8, rest=2, corrected=1, disconnected=3), NOON + SECOND, LIMIT, {}, {VIEW: None})
    check, observation = events
    assert isinstance(check, dg.AssetCheckEvaluation)
    assert isinstance(observation, dg.AssetObservation)
    assert (check.asset_key, check.check_name, check.passed) == (KEY, "lag", True)
    assert (observation.asset_key, observation.partition) == (KEY, "2024-01")
    shown = {name: value.value for name, value in observation.metadata.items()}
    assert shown["candles_final_by_flag"] == 8
    assert shown["candles_final_by_rest"] == 2
    assert (shown["corrections"], shown["reconnects"], shown["lag_seconds"]) == (1, 3, 0.0)
    assert shown["seconds_from_close_to_published"] == 1.0
    assert reported(status(), NOON + 2 * SECOND, LIMIT, seen, {VIEW: True})[0] == []
    soon = status(NOON + timedelta(minutes=1))
    assert reported(soon, NOON + timedelta(minutes=9), LIMIT, seen, {VIEW: True})[0] == []
    assert len(reported(soon, NOON + timedelta(minutes=11), LIMIT, seen, {VIEW: True})[0]) == 1


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as found:
        yield found


def test_a_person_is_told_when_live_rows_are_late_and_when_they_no_longer_are(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = live_sensor(Settings.load(), catalog, dg.DefaultSensorStatus.RUNNING)
    lake = LakeResource(root=str(tmp_path), interval_minutes=60)
    cursor: str | None = None

    def problems(at: datetime) -> list[str]:
        nonlocal cursor
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", at.isoformat())
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"lake": lake})
        result = sensor.evaluate_tick(context)
        cursor = result.cursor or cursor
        for event in result.asset_events:
            instance.report_runless_asset_event(event)
        found = failed_checks(instance, [dg.AssetCheckKey(KEY, "lag")], "http://ui")
        return [f"{problem.title}. {problem.detail} {problem.action}" for problem in found]

    assert problems(NOON) == []
    assert cursor is None, "nothing ran"
    live_status.write(tmp_path, status())
    assert problems(NOON + HOUR + LIMIT) == []
    (told,) = problems(NOON + HOUR + LIMIT + SECOND)
    assert told.startswith("Check failed: lag of online_store/trading_signals. The live row of the newest bar has been")
    assert "due for 2 min" in told
    assert "start it again" in told
    assert problems(NOON + HOUR + 2 * LIMIT) == [told]
    live_status.write(tmp_path, status(NOON + HOUR))
    assert problems(NOON + HOUR + 3 * LIMIT) == []
