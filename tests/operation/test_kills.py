"""Hour after hour on a simulated clock daemon, code server and runs are killed: nothing is lost, and nobody helps."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.lake.table import Table
from crypto_features.shipped import catalog
from crypto_features.sources.sample import SampleSource
from crypto_features.tables.months import months_between
from tests.operation.simulation import KINDS, ROOT, idle, platform

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TABLES = ("candles", "daily_candles", *catalog.groups, "training/ml_training_features")


def table(data: Path, name: str) -> Table:
    return Table(UPath(data), name, time="open_time" if name in ("candles", "daily_candles") else "event_timestamp")


def reached(data: Path, name: str) -> datetime | None:
    one = table(data, name)
    if not one.months():
        return None
    time_ = one.scan(one.months()[-1:]).select(pl.col(one.time).max()).collect().item()
    assert isinstance(time_, datetime)
    return time_


@pytest.mark.proof
@pytest.mark.timeout(5400)
def test_kills_at_any_moment_lose_nothing(tmp_path: Path, count: Callable[..., int]) -> None:
    ticks, kills, pace = count(ci=4, proof=200), count(ci=3, proof=60), count(ci=5, proof=7)
    seed = int(os.environ.get("KILL_SEED", "20240226"))
    dice = random.Random(seed)
    first = datetime(2024, 2, 26, 21, 30, tzinfo=UTC)
    last = first + ticks * HOUR
    data = tmp_path / "data"
    with platform(tmp_path, "2024-01", first) as (one, instance):
        started = time.monotonic()
        assert one.wait(lambda: reached(data, "training/ml_training_features") is not None and idle(instance), 600)
        filled = time.monotonic() - started
        moments = sorted(dice.sample(range(ticks), min(kills, ticks)))
        plan = {tick: KINDS[i % len(KINDS)] for i, tick in enumerate(dice.sample(moments, len(moments)))}
        owed: list[str] = []
        for tick in range(ticks):
            now = first + (tick + 1) * HOUR
            one.set_clock(now)
            owed += [plan[tick]] if tick in plan else []
            before = dice.uniform(0, pace)
            one.keep_up(before)
            owed = [kind for kind in owed if not one.kill(kind)]
            one.keep_up(pace - before)
            if now.day == 1 and now.hour == 0:  # the partitions of a stopped clock are those of its start.
                one.units["code"].kill()
        for _ in range(60):
            owed = [kind for kind in owed if not one.kill(kind)]
            if not owed:
                break
            one.keep_up(0.5)
        # what was lost is requested again after ten minutes at the latest, and published after it was computed.
        for minutes in (11, 22, 33):
            one.set_clock(last + timedelta(minutes=minutes))
            settled = one.wait(
                lambda: (
                    whole(data, last)
                    and idle(instance)
                    and stale(one.environment) == []
                    and not differences(data, one.environment)
                ),
                600,
            )
            if settled:
                break
        states = [instance.get_ticks(s.instigator_origin_id, s.selector_id) for s in instance.all_instigator_state()]
        evaluated = {s.instigator_name: len(t) for s, t in zip(instance.all_instigator_state(), states, strict=True)}
        runs = instance.get_runs()
        report = {
            "filled_seconds": round(filled),
            "kills": dict(one.kills),
            "ticks": evaluated,
            "runs": {status.value: sum(r.status is status for r in runs) for status in {r.status for r in runs}},
            "seconds": round(time.monotonic() - started),
        }
    print(report)
    assert settled, {**report, "stale": stale(one.environment)}
    assert sum(one.kills.values()) >= kills, report
    assert_nothing_lost(data, last)
    assert digests(data) == full_build(tmp_path / "full", data, one.environment)
    assert differences(data, one.environment) == []


def whole(data: Path, last: datetime) -> bool:
    """Whether every table has reached the last candle and day."""
    close, day = last.replace(minute=0), last.replace(hour=0, minute=0)
    return (
        reached(data, "candles") == close - HOUR
        and reached(data, "trading_signals") == close
        and reached(data, "daily_candles") == day - timedelta(days=1)
        and all(reached(data, n) == day for n in ("price_features", "volume_features", "regime_features"))
        and reached(data, "training/ml_training_features") == day
    )


def assert_nothing_lost(data: Path, last: datetime) -> None:
    """Every candle of the source is stored once; no file is half and none is left over."""
    source = SampleSource(HOUR, now=lambda: last)
    stored = table(data, "candles").read()
    assert stored.height == stored.select("symbol", "open_time").n_unique()
    for symbol in source.symbols():
        expected = source.fetch(symbol, START, last.replace(minute=0))
        found = stored.filter(symbol=symbol).drop("known_at").sort("open_time")
        assert found.equals(expected), symbol
    for name in TABLES:
        folder = data / name
        assert sorted(p.name for p in folder.iterdir() if p.suffix == ".parquet") == [
            f"{month}.parquet" for month in months_between(START, last)
        ]
        one = table(data, name)
        for month in one.months():
            rows = one.read([month])
            assert rows.height == rows.select("symbol", one.time).n_unique(), (name, month)


def full_build(folder: Path, data: Path, environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """The digests that an undisturbed build gives each partition, from the same candles and published models."""
    for name in ("candles", "regime_model"):
        shutil.copytree(data / name, folder / name)
    crypto_features(
        environment | {"CRYPTO_FEATURES_DATA": str(folder), "DAGSTER_HOME": str(folder / "dagster")}, "--run"
    )
    return digests(folder)


def stale(environment: dict[str, str]) -> list[dict[str, object]]:
    """What the plan lists."""
    found: list[dict[str, object]] = json.loads(crypto_features(environment, "--json"))
    return found


def crypto_features(environment: dict[str, str], option: str) -> str:
    command = [str(Path(sys.executable).with_name("crypto-features")), "plan", option]
    return subprocess.run(command, check=True, env=environment, cwd=ROOT, capture_output=True, text=True).stdout


def digests(data: Path) -> dict[str, dict[str, str]]:
    """The digest of each partition of each table."""
    tables = {name: table(data, name) for name in TABLES}
    return {name: {month: one.digest(month) for month in one.months()} for name, one in tables.items()}


def differences(data: Path, environment: dict[str, str]) -> list[str]:
    """What differs, to the bit, between the online rows of a view and the newest offline rows of the listed symbols."""
    code = (
        "from crypto_features.store import parity; from crypto_features.shipped import catalog\n"
        "for view in catalog.groups: print(parity(view).rows, parity(view).differences)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, cwd=ROOT, capture_output=True, text=True
    )
    listed = table(data, "candles").read(columns=["symbol"])["symbol"].n_unique()
    lines = done.stdout.splitlines()
    assert len(lines) == len(catalog.groups)
    return [line for line in lines if line != f"{listed} ()"]
