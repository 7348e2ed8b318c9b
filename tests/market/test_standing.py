"""A symbol that fell silent is named by its own last candle, with the reason that its source knows."""

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto_features.cli import app
from crypto_features.ingest.silence import declared_ends, unexpected
from crypto_features.settings import Settings
from crypto_features.sources.standing import FORGOTTEN, Standing, silent
from tests.market.market import HOUR, START, candles

NOW = START + 100 * HOUR
LAST = {"BTC": NOW - HOUR, "ETH": NOW - 30 * HOUR, "OLD": NOW - FORGOTTEN - 3 * HOUR, "SOL": NOW - 2 * HOUR}


def found(**known: object) -> dict[str, tuple[str, timedelta]]:
    silence = silent(LAST, interval=HOUR, now=NOW, **known)  # type: ignore[arg-type] # of the tests below.
    return {one.symbol: (one.standing.value, one.overdue) for one in silence}


def test_each_symbol_is_judged_by_its_own_last_candle() -> None:
    assert found() == {"ETH": ("late", timedelta(hours=28)), "SOL": ("late", timedelta(0))}


def test_the_reason_is_what_the_source_knows() -> None:
    known = {"ETH": Standing.HALTED, "SOL": Standing.DELISTED}
    assert {name: why for name, (why, _) in found(ended=known).items()} == {"ETH": "halted", "SOL": "delisted"}
    gone = found(ended=known, offered=("BTC", "SOL"))
    assert {name: why for name, (why, _) in gone.items()} == {"ETH": "gone", "SOL": "delisted"}


def test_it_says_since_when_and_how_long() -> None:
    (eth, _) = silent(LAST, interval=HOUR, now=NOW)
    assert eth.sentence == (
        "ETH is late: its last candle closed at 2024-01-03 23:00 UTC, and the next one was due 28 h ago"
    )


def test_what_is_waited_for_and_what_the_settings_declare_as_ended_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = silent(LAST, interval=HOUR, now=NOW)
    assert [one.symbol for one in unexpected(silence, Settings.load(), NOW)] == ["ETH"]
    monkeypatch.setenv("CRYPTO_FEATURES_LATE_WAIT", "29h")
    assert not unexpected(silence, Settings.load(), NOW)
    monkeypatch.setenv("CRYPTO_FEATURES_LATE_WAIT", "1h")
    monkeypatch.setenv("CRYPTO_FEATURES_MARKETS", "ETH=ETH/USDT@..2024-01-04")
    assert declared_ends(Settings.load(), NOW) == {"ETH"}
    assert not unexpected(silence, Settings.load(), NOW)


def test_fetch_names_what_fell_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for symbol, count in (("BTC", 100), ("ETH", 71), ("SOL", 60)):
        candles(symbol, count=count).drop("symbol").write_parquet(tmp_path / f"{symbol}.parquet")
    for name, value in {"SOURCE": "files", "FILES": str(tmp_path), "CLOCK": NOW.isoformat()}.items():
        monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
    first = CliRunner().invoke(app, ["fetch"])
    (tmp_path / "SOL.parquet").unlink()
    second = CliRunner().invoke(app, ["fetch"])
    said = [result.output.replace("\n", " ") for result in (first, second)]
    assert [result.exit_code for result in (first, second)] == [0, 0]
    assert all("ETH is late: its last candle closed at 2024-01-03 23:00" in text for text in said)
    assert ["SOL is gone" in text for text in said] == [False, True]
    assert not any("BTC is" in text for text in said)
