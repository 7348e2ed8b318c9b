"""`crypto-features fetch` says what came of it, and its exit code is right."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner
from upath import UPath

from crypto_features.cli import app
from crypto_features.lake.table import Table
from tests.market.exchanges import Exchange, binance
from tests.market.market import HOUR, START, candles


def test_candles_are_fetched_and_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    candles("BTC", count=800).drop("symbol").write_parquet(tmp_path / "BTC.parquet")
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(tmp_path))
    result = CliRunner().invoke(app, ["fetch", "--last", "2024-01"])
    assert (result.exit_code, "744" in result.output) == (0, True)
    result = CliRunner().invoke(app, ["fetch"])
    assert (result.exit_code, "56" in result.output) == (0, True)
    assert Table(UPath(tmp_path / "data"), "candles", "open_time", raw=True).read().height == 800


OWN_SOURCE = """
from tests.market.market import Offer, candles

def mine(settings):
    return Offer(candles(*settings.symbols, count=100))
"""


def test_a_source_of_ones_own_is_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own_source.py").write_text(OWN_SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,XYZ")
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "own_source:mine")
    result = CliRunner().invoke(app, ["fetch", "--last", "2024-01"])
    assert (result.exit_code, "200" in result.output) == (0, True)
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "own_source:other")
    result = CliRunner().invoke(app, ["fetch"])
    assert result.exit_code == 1
    assert "has no attribute 'other'; expected <module>:<function>" in result.output.replace("\n", " ")


@pytest.mark.parametrize("named", ["os:getcwd", "os:sep", "builtins:id", ":mine", ".mine:mine", "os:"])
def test_what_makes_no_source_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", named)
    result = CliRunner().invoke(app, ["fetch"])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith(f"Error: CRYPTO_FEATURES_SOURCE={named}: ")


def test_again_asks_for_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START + 100 * HOUR
    exchange = Exchange(candles("BTC", count=100), now=now)
    with binance(exchange) as url:
        settings = {"SOURCE": "ccxt", "EXCHANGE_URL": url, "SYMBOLS": "BTC", "START": "2024-01"}
        for name, value in (settings | {"CLOCK": now.isoformat()}).items():
            monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
        asked = []
        for command in (["fetch"], ["fetch"], ["fetch", "--again"]):
            assert CliRunner().invoke(app, command).exit_code == 0
            asked.append(len(exchange.pages()))
    assert asked[0] == asked[1] < asked[2]


def test_a_symbol_that_failed_is_named_and_makes_the_command_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START + 100 * HOUR
    with binance(Exchange(candles("BTC", count=100), now=now)) as url:
        settings = {"SOURCE": "ccxt", "EXCHANGE_URL": url, "SYMBOLS": "BTC,NOPE", "START": "2024-01"}
        for name, value in (settings | {"CLOCK": now.isoformat()}).items():
            monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
        result = CliRunner().invoke(app, ["fetch"])
    assert result.exit_code == 1
    assert "NOPE: unknown market of binance for NOPE" in result.output
    assert "100" in result.output


@pytest.mark.parametrize(
    ("arguments", "start", "said"),
    [
        (
            ["--first", "2024-03", "--last", "2024-01"],
            "",
            "first month is 2024-03, and candles end at 2024-02-01 00:00",
        ),
        (["--first", "2030-01"], "", "first month is 2030-01, and candles end at 2024-03-10 05:30"),
        ([], "2030-01", "first month is 2030-01, and candles end at 2024-03-10 05:30"),
        (["--last", "2023-06"], "2024-01", "first month is 2024-01, and candles end at 2023-07-01 00:00"),
    ],
)
def test_months_that_hold_no_candle_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], start: str, said: str
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-03-10T05:30Z")
    if start:
        monkeypatch.setenv("CRYPTO_FEATURES_START", start)
    result = CliRunner().invoke(app, ["fetch", *arguments])
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith(f"Error: there is nothing to fetch: the {said} UTC; correct --first and --last")
    assert not (tmp_path / "data").exists()


def test_an_expected_error_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", "files")
    monkeypatch.setenv("CRYPTO_FEATURES_FILES", str(tmp_path / "none"))
    result = CliRunner().invoke(app, ["fetch"])
    assert result.exit_code == 1
    assert "Error: CRYPTO_FEATURES_FILES" in result.output


def test_gaps_are_listed_and_what_will_not_come_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START + 1500 * HOUR
    gap = pl.col("open_time").is_between(START + 300 * HOUR, START + 319 * HOUR)
    exchange = Exchange(candles("BTC", "OLD", count=1500).filter(~gap), now=now)
    with binance(exchange) as url:
        settings = {"SOURCE": "ccxt", "EXCHANGE_URL": url, "SYMBOLS": "BTC", "START": "2024-01"}
        for name, value in (settings | {"CLOCK": now.isoformat()}).items():
            monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
        result = CliRunner().invoke(app, ["fetch"])
        assert result.exit_code == 0
        assert "2024-01-13 12:00" in result.output
        assert "2024-01-14 07:00" in result.output
        exchange.candles = exchange.candles.filter(
            (pl.col("symbol") == "BTC") | (pl.col("open_time") < START + 50 * HOUR)
        )
        monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,OLD")
        result = CliRunner().invoke(app, ["fetch"])
    assert result.exit_code == 1
    assert "OLD: no candle came that opens at 2024-01-03 02:00 or later" in result.output
    assert "CRYPTO_FEATURES_MARKETS=OLD=<market>@..2024-01-03" in result.output


OWN_CATALOG = """
import crypto_features as cf
from crypto_features.shipped import candles
from tests.market.market import Offer, candles as hours

def elsewhere(settings):
    return Offer(hours(*settings.symbols, count=50), venue="elsewhere spot USDT")

catalog = cf.Catalog(candles, cf.RawTable("candles_elsewhere", source="own_venues:elsewhere"))
"""


def test_every_raw_table_is_fetched_each_from_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own_venues.py").write_text(OWN_CATALOG)
    (tmp_path / "own_source.py").write_text(OWN_SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    given = {"SYMBOLS": "BTC", "SOURCE": "own_source:mine", "CATALOG": "own_venues:catalog"}
    for name, value in given.items():
        monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
    result = CliRunner().invoke(app, ["fetch", "--last", "2024-01"])
    assert (result.exit_code, "candles_elsewhere: offer" in result.output) == (0, True)
    for name, count in {"candles": 100, "candles_elsewhere": 50}.items():
        assert Table(UPath(tmp_path / "data"), name, "open_time", raw=True).read().height == count
