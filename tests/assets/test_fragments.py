"""A symbol that is late is waited for, one that stopped is named and not served, and neither holds up the others."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from crypto_features.automation.watch import failed_checks, silent_markets, troubled_tables
from crypto_features.compute.resample import resample
from crypto_features.definitions import build
from crypto_features.graph.checks.candles import ended_markets
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.training import unknown_rows
from crypto_features.settings import Settings
from crypto_features.shipped import candles as raw
from crypto_features.shipped import catalog, training_set
from crypto_features.tables.partition import evaluate
from crypto_features_reader.features import OnlineFeatures
from feature_repo import get_online_features
from tests.market.market import HOUR, START, candles

DAY = timedelta(days=1)
MIDNIGHT = START + 46 * DAY
VIEWS = ("price_features", "volume_features")
ASSETS = ("candles", "daily_candles", *VIEWS, "feast_registry", *(f"online_store/{view}" for view in VIEWS))


class Desk:
    """A folder of files of hourly candles, and the platform over it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
        self.folder, self._patch, self.instance = folder / "files", patch, instance
        self.folder.mkdir()
        self.lake = LakeResource(root=str(folder / "data"), interval_minutes=60)
        settings = {"SOURCE": "files", "FILES": self.folder, "DATA": folder / "data", "START": "2024-01"}
        for name, value in settings.items():
            patch.setenv(f"CRYPTO_FEATURES_{name}", str(value))

    def put(self, symbol: str, until: datetime) -> pl.DataFrame:
        """The symbol's file, with every candle that closed by then; prices wave, so that every feature has a value."""
        frame = candles(symbol, count=(until - START) // HOUR)
        wave = (pl.int_range(pl.len()) * 0.7).sin() * 20
        frame = frame.with_columns(pl.col("open", "high", "low", "close") + wave, volume=30 + wave)
        frame.drop("symbol", "completeness").write_parquet(self.folder / f"{symbol}.parquet")
        return frame

    def run(self, now: datetime, *more: str) -> dict[str, dg.AssetCheckEvaluation]:
        """Everything from the files to the online store, as a run at that time; the checks by `asset:name`."""
        self._patch.setenv("CRYPTO_FEATURES_CLOCK", now.isoformat())
        job = build(Settings.load()).resolve_implicit_global_asset_job_def()
        done = job.execute_in_process(
            asset_selection=[dg.AssetKey(name.split("/")) for name in (*ASSETS, *more)],
            tags={"dagster/asset_partition_range_start": "2024-01", "dagster/asset_partition_range_end": "2024-02"},
            instance=self.instance,
        )
        checks = done.get_asset_check_evaluations()
        return {f"{check.asset_key.to_user_string()}:{check.check_name}": check for check in checks}

    def days(self, symbol: str) -> list[datetime]:
        return list(self.lake.table("daily_candles").read().filter(symbol=symbol)["open_time"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with dg.instance_for_test() as instance:
        yield Desk(tmp_path, monkeypatch, instance)


def served(*names: str) -> OnlineFeatures:
    return get_online_features(["BTC", "ETH"], [f"price_features:{name}" for name in names])


def test_a_symbol_that_lacks_its_last_hours_is_waited_for_and_served_once_they_came(desk: Desk) -> None:
    desk.put("BTC", MIDNIGHT)
    desk.put("ETH", MIDNIGHT - 4 * HOUR)
    desk.run(MIDNIGHT + timedelta(minutes=1))
    assert desk.days("BTC")[-1] == MIDNIGHT - DAY
    assert desk.days("ETH")[-1] == MIDNIGHT - 2 * DAY
    early = served("rsi_14")
    assert early.event_times["price_features"] == [MIDNIGHT, MIDNIGHT - DAY]
    assert desk.lake.table("daily_candles").metadata("2024-02")["waits_until"] == (MIDNIGHT + HOUR).isoformat()
    whole = desk.put("ETH", MIDNIGHT)
    desk.run(MIDNIGHT + timedelta(minutes=41))
    assert desk.days("ETH") == desk.days("BTC")
    late = served("rsi_14")
    prices = evaluate(catalog.groups["price_features"], {"daily_candles": resample(whole, HOUR, DAY)}, interval=HOUR)
    assert late.statuses["rsi_14"] == ["PRESENT", "PRESENT"]
    assert late["rsi_14"] == [early["rsi_14"][0], prices["rsi_14"][-1]]
    assert late.completeness["rsi_14"] == [1.0, 1.0]


def test_a_symbol_that_stopped_is_named_and_its_fragment_is_not_served(desk: Desk) -> None:
    stopped, now = MIDNIGHT + 6 * HOUR, MIDNIGHT + 35 * HOUR
    desk.put("BTC", now)
    desk.put("ETH", stopped)
    checks = desk.run(now)
    days = desk.lake.table("daily_candles").read().filter(symbol="ETH")
    assert days["completeness"][-1] == 0.25
    answer = get_online_features(["BTC", "ETH"], ["volume_features:volume_ratio", "price_features:rsi_14"])
    assert answer["volume_ratio"][1] is None
    assert answer.statuses == {"volume_ratio": ["PRESENT", "INCOMPLETE"], "rsi_14": ["PRESENT", "INCOMPLETE"]}
    assert answer.completeness["volume_ratio"] == [1.0, 0.25]
    sentence = "ETH is late: its last candle closed at 2024-02-16 06:00 UTC, and the next one was due 28 h ago"
    failing = {name for name, check in checks.items() if not check.passed}
    assert failing == {"candles:all_current", "candles:fresh"}
    assert sentence in (checks["candles:all_current"].description or "")
    settings = Settings.load()
    (problem,) = silent_markets(desk.lake, settings, ended_markets(desk.instance, raw.name))
    assert (problem.title, sentence in problem.detail) == ("ETH is late", True)
    assert not list(troubled_tables(desk.lake, catalog, settings))
    assert not list(failed_checks(desk.instance, [], ""))


def test_a_symbol_whose_file_was_removed_expires_and_is_gone(desk: Desk) -> None:
    now = MIDNIGHT + 62 * HOUR
    desk.put("BTC", now)
    desk.put("ETH", MIDNIGHT + 6 * HOUR)
    desk.run(MIDNIGHT + 7 * HOUR)
    (desk.folder / "ETH.parquet").unlink()
    checks = desk.run(now)
    assert served("rsi_14").statuses["rsi_14"] == ["PRESENT", "EXPIRED"]
    (problem,) = silent_markets(desk.lake, Settings.load(), {})
    assert problem.title == "ETH is gone"
    fresh = checks["online_store/price_features:fresh"]
    assert (fresh.passed, "Expired: ETH." in (fresh.description or "")) == (False, True)


def test_training_rows_hold_nothing_of_a_downtime_and_their_number_is_known(desk: Desk) -> None:
    """The last hour before the run came within the wait, and nobody had it without the hours before it."""
    training = "training/ml_training_features"

    def ratios(table: str) -> list[float | None]:
        return desk.lake.table(table).read().sort("event_timestamp")["volume_ratio"].to_list()

    desk.put("BTC", MIDNIGHT - 4 * HOUR)
    desk.run(MIDNIGHT - 4 * HOUR, training)
    desk.put("BTC", MIDNIGHT)
    desk.run(MIDNIGHT + timedelta(minutes=1), training)
    whole = ratios("volume_features")
    assert ratios(training) == [*whole[:-1], whole[-2]], "the row of the day before was the newest then"
    desk.put("BTC", MIDNIGHT + 3 * DAY)
    desk.run(MIDNIGHT + 3 * DAY + timedelta(minutes=1), training)
    assert ratios(training)[-2:] == [None, None]
    assert unknown_rows(desk.instance, training_set) == 2
