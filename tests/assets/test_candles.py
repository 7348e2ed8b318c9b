"""The asset `candles` on a real ccxt: what fails is reported, corrections are found, and progress is told."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from crypto_features.definitions import build
from crypto_features.graph.checks.candles import failed_symbols
from crypto_features.settings import Settings
from tests.market.exchanges import Exchange, binance
from tests.market.market import HOUR, START, candles

FEBRUARY = START + 31 * 24 * HOUR
SOURCE = {"SOURCE": "ccxt", "SYMBOLS": "BTC,NOPE", "START": "2024-01", "PATIENCE": "1s"}


class Market:
    """A platform over an exchange on loopback."""

    def __init__(self, exchange: Exchange, patch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
        self.exchange, self._patch, self.instance = exchange, patch, instance

    def fetch(self, month: str, now: datetime) -> dg.ExecuteInProcessResult:
        self._patch.setenv("CRYPTO_FEATURES_CLOCK", now.isoformat())
        self.exchange.now = now
        job = build(Settings.load()).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey("candles")], partition_key=month, instance=self.instance, raise_on_error=False
        )

    def log(self, run: dg.ExecuteInProcessResult) -> list[str]:
        return [entry.user_message for entry in self.instance.all_logs(run.run_id)]


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Market]:
    exchange = Exchange(candles("BTC", count=800), now=FEBRUARY)
    with binance(exchange) as url, dg.instance_for_test() as instance:
        for name, value in {**SOURCE, "EXCHANGE_URL": url, "DATA": str(tmp_path)}.items():
            monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
        yield Market(exchange, monkeypatch, instance)


def test_a_symbol_that_fails_is_named_while_the_others_go_on(market: Market) -> None:
    run = market.fetch("2024-01", FEBRUARY)
    assert run.success
    failed = failed_symbols(market.instance, "candles")
    assert list(failed) == ["NOPE"]
    assert "unknown market of binance for NOPE 'NOPE/USDT'" in failed["NOPE"]
    (check,) = [one for one in run.get_asset_check_evaluations() if one.check_name == "all_fetched"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "NOPE: not fetched by the last run." in (check.description or "")
    assert "CRYPTO_FEATURES_MARKETS" in (check.description or "")
    assert [line for line in market.log(run) if line.startswith("744 of 1,488 candles, ")]


def test_each_gap_and_the_share_that_is_present_stand_in_the_metadata(market: Market) -> None:
    outage = pl.col("open_time").is_between(START + 5 * HOUR, START + 8 * HOUR)
    market.exchange.candles = market.exchange.candles.filter(~outage)
    run = market.fetch("2024-01", FEBRUARY)
    (event,) = run.asset_materializations_for_node("candles")
    assert event.metadata["missing"].value == 4
    (gap,) = event.metadata["gaps"].value.records  # type: ignore[union-attr] # a table, as the next lines show.
    assert (gap.data["symbol"], gap.data["missing"]) == ("BTC", 4)
    assert str(gap.data["from"]).startswith("2024-01-01 05:00:00")
    assert str(gap.data["to"]).startswith("2024-01-01 08:00:00")
    (present,) = event.metadata["coverage"].value.records  # type: ignore[union-attr] # as above.
    assert (present.data["present"], present.data["expected"]) == (740, 744)


def test_a_run_of_which_every_symbol_fails_fails(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "NOPE")
    assert not market.fetch("2024-01", FEBRUARY).success


def test_a_correction_at_the_end_of_the_last_month_is_found_and_recorded(market: Market) -> None:
    market.fetch("2024-01", FEBRUARY)
    last = pl.col("open_time") == FEBRUARY - HOUR
    market.exchange.candles = market.exchange.candles.with_columns(volume=pl.when(last).then(11.0).otherwise("volume"))
    run = market.fetch("2024-02", FEBRUARY + 5 * HOUR)
    found = {event.partition: event.metadata for event in run.asset_materializations_for_node("candles")}
    assert found["2024-02"]["corrected"].value == 1
    assert found["2024-01"]["rows"].value == 745


@pytest.mark.parametrize(("allowed", "success"), [("0.0", False), ("0.01", True)])
def test_a_share_of_rejected_candles_fails_the_run_as_the_setting_says(
    market: Market, monkeypatch: pytest.MonkeyPatch, allowed: str, *, success: bool
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_MAX_REJECTED", allowed)
    broken = pl.col("open_time") == START + timedelta(hours=3)
    market.exchange.candles = market.exchange.candles.with_columns(low=pl.when(broken).then(1e6).otherwise("low"))
    assert market.fetch("2024-01", FEBRUARY).success is success
