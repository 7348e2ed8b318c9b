"""The real ccxt against servers on loopback: every candle once, whatever the exchange's pages and moods."""

import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import SecretStr
from upath import UPath

from crypto_features.errors import PermanentError, SettingsError, TransientError, UnknownNameError
from crypto_features.ingest.ingest import ingest
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.sources.exchange import ExchangeSource
from crypto_features.sources.listings import parse_listings
from crypto_features.sources.pace import Pace
from crypto_features.sources.standing import Standing
from tests.market.exchanges import Exchange, Fault, binance, upbit
from tests.market.market import HOUR, START, candles

END = START + 3000 * HOUR


class Naps(Pace):
    """Notes how long it would have slept, and passes the time at once."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        super().__init__(self.slept.append, lambda: sum(self.slept))

    def waits(self) -> list[float]:
        """The waits that were longer than ccxt's own spacing."""
        return [wait for wait in self.slept if wait > 0.4]


def ask(url: str, *symbols: str, **options: Any) -> ExchangeSource:
    given: dict[str, Any] = {
        "quote": "USDT",
        "start": START,
        "interval": HOUR,
        "pace": Naps(),
        "now": lambda: END,
    } | options
    return ExchangeSource(given.pop("exchange", "binance"), symbols=symbols or ("BTC",), url=url, **given)


@pytest.fixture
def server() -> Iterator[tuple[Exchange, str]]:
    exchange = Exchange(candles("ADA", "BTC", "ETH", count=3000), now=END)
    with binance(exchange) as url:
        yield exchange, url


def test_pages_are_merged_without_a_hole_or_a_double(server: tuple[Exchange, str]) -> None:
    exchange, url = server
    frame = ask(url).fetch("BTC", START, END)
    assert_frame_equal(frame, candles("BTC", count=3000))
    since = [int(re.findall(r"startTime=(\d+)", page)[0]) for page in exchange.pages()]
    assert [b - a for a, b in pairwise(since)][:2] == [999 * 3_600_000] * 2  # one candle overlaps


def test_any_window_is_fetched_as_asked(server: tuple[Exchange, str]) -> None:
    _, url = server
    frame = ask(url).fetch("BTC", START + 990 * HOUR, START + 2010 * HOUR)
    assert_frame_equal(frame, candles("BTC", count=3000).slice(990, 1020))


@pytest.mark.parametrize("limit", [2, 7, 999])
def test_a_short_page_is_not_the_end(limit: int) -> None:
    exchange = Exchange(candles("BTC", count=50), now=START + 50 * HOUR, page_limit=limit)
    with binance(exchange) as url:
        assert ask(url).fetch("BTC", START, START + 50 * HOUR).height == 50


def test_missing_candles_are_normal() -> None:
    frame = candles("BTC", count=3000).filter(~pl.col("open_time").is_between(START + 5 * HOUR, START + 2500 * HOUR))
    with binance(Exchange(frame, now=END)) as url:
        assert_frame_equal(ask(url).fetch("BTC", START, END), frame)


def test_only_candles_that_are_over_by_the_exchanges_clock_are_kept() -> None:
    now = START + 10 * HOUR + timedelta(minutes=30)
    with binance(Exchange(candles("BTC"), now=now - HOUR)) as url:
        frame = ask(url, now=lambda: now).fetch("BTC", START, START + 10 * HOUR)
    assert frame["open_time"][-1] == START + 8 * HOUR


def test_an_exchange_that_sends_no_unfinished_candle_loses_none() -> None:
    with binance(Exchange(candles("BTC", count=10), now=START + 10 * HOUR + timedelta(minutes=30))) as url:
        assert ask(url).fetch("BTC", START, START + 10 * HOUR).height == 10


def test_upbit_pages_backwards_and_leaves_out_hours_without_a_trade() -> None:
    silent = pl.col("open_time").is_between(START + 300 * HOUR, START + 900 * HOUR) | (
        pl.col("open_time").dt.hour() == 4
    )
    frame = candles("BTC", "ETH", count=2000).with_columns(volume=pl.when(silent).then(0.0).otherwise("volume"))
    with upbit(Exchange(frame, now=START + 2000 * HOUR)) as url:
        market = ask(url, "BTC", "ETH", exchange="upbit", quote="KRW", now=lambda: START + 2000 * HOUR)
        for symbol in ("BTC", "ETH"):
            traded = frame.filter(pl.col("symbol") == symbol, pl.col("volume") > 0)
            assert_frame_equal(market.fetch(symbol, START, START + 2000 * HOUR), traded)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, b'{"code": -1003, "msg": "Too many requests."}', {"Retry-After": "7"}),
        Fault(418, b'{"code": -1003, "msg": "Banned."}', {"Retry-After": "60"}),
        Fault(500, b"oops"),
        Fault(502, b"<html>bad gateway</html>"),
        Fault(503, b""),
        Fault(cut=True),
        Fault(reset=True),
        Fault(body=b"<html>maintenance</html>"),
        Fault(body=b'{"maintenance": true}'),
        Fault(body=b'[["x"]]'),
        Fault(body=b""),
    ],
    ids=lambda f: f"{f.status} {(f.body or b'')[:12]!r} cut={f.cut} reset={f.reset}",
)
def test_a_fault_that_passes_is_waited_out(server: tuple[Exchange, str], fault: Fault) -> None:
    exchange, url = server
    exchange.faults = [Fault(), fault, fault, fault]
    pace = Naps()
    frame = ask(url, pace=pace).fetch("BTC", START, END)
    assert_frame_equal(frame, candles("BTC", count=3000))
    asked = float(fault.headers.get("Retry-After", 0))
    assert pace.waits() == pytest.approx([max(wait, asked) for wait in (0.5, 1, 2)], abs=0.1)


def test_a_late_answer_is_a_time_out_and_asked_again(server: tuple[Exchange, str]) -> None:
    exchange, url = server
    exchange.faults = [Fault(delay=0.5)]
    market = ask(url)
    market._client("BTC").timeout = 100
    assert market.fetch("BTC", START, END).height == 3000


@pytest.mark.parametrize("body", [b'{"maintenance": true}', b"[]"])
def test_a_first_page_without_candles_is_not_believed_at_once(server: tuple[Exchange, str], body: bytes) -> None:
    exchange, url = server
    exchange.faults = [Fault(body=body)]
    assert ask(url).fetch("BTC", START, END).height == 3000


def test_patience_has_an_end(server: tuple[Exchange, str]) -> None:
    exchange, url = server
    exchange.faults = [Fault(503) for _ in range(100)]
    pace = Naps()
    with pytest.raises(TransientError, match=r"binance, BTC: ExchangeNotAvailable.*\(asked again for 8 s\)"):
        ask(url, pace=pace, patience=timedelta(seconds=10)).fetch("BTC", START, END)


def test_a_wait_longer_than_patience_ends_in_an_error_at_once(server: tuple[Exchange, str]) -> None:
    exchange, url = server
    exchange.faults = [Fault(429, b"{}", {"Retry-After": "86400"})]
    pace = Naps()
    with pytest.raises(TransientError, match=r"to wait 86400 s, as it asks, is longer than CRYPTO_FEATURES_PATIENCE"):
        ask(url, pace=pace).fetch("BTC", START, END)
    assert pace.waits() == []


def test_an_exchange_that_is_away_fails_once_for_all_symbols() -> None:
    pace = Naps()
    market = ask("http://127.0.0.1:9", "BTC", "ETH", pace=pace, patience=timedelta(seconds=10))
    for symbol in ("BTC", "ETH"):
        with pytest.raises(TransientError, match="binance, BTC"):
            market.fetch(symbol, START, END)
    assert len(pace.waits()) == 4


def test_an_unknown_market_fails_its_symbol_while_the_others_go_on(
    server: tuple[Exchange, str], tmp_path: Path
) -> None:
    _, url = server
    report = lake(tmp_path, ask(url, "BTC", "NOPE"))
    assert report.new == 744
    assert isinstance(report.failed["NOPE"], PermanentError)
    assert "unknown market of binance for NOPE 'NOPE/USDT'" in str(report.failed["NOPE"])
    assert "CRYPTO_FEATURES_MARKETS=NOPE=NOPE/USDT@..<date>" in str(report.failed["NOPE"])


def lake(root: Path, market: ExchangeSource, months: tuple[str, ...] = ("2024-01",), now: datetime = END) -> Any:
    table, quarantine = (Table(UPath(root), name, "open_time", raw=True) for name in ("candles", "quarantine"))
    return ingest(market, table, quarantine, months, market.symbols(), interval=HOUR, now=now)


def test_a_run_resumes_from_the_last_stored_candle(server: tuple[Exchange, str], tmp_path: Path) -> None:
    exchange, url = server
    exchange.now = START + 100 * HOUR
    lake(tmp_path, ask(url), now=exchange.now)
    exchange.now, exchange.asked = START + 103 * HOUR, []
    report = lake(tmp_path, ask(url), now=exchange.now)
    assert report.new == 3
    assert f"startTime={int((START + 76 * HOUR).timestamp() * 1000)}" in exchange.pages()[0]
    exchange.asked = []
    lake(tmp_path, ask(url), now=exchange.now)
    assert exchange.asked == []


def test_several_symbols_at_once_keep_one_rate_limit(tmp_path: Path) -> None:
    exchange = Exchange(candles("ADA", "BTC", "ETH", "SOL", count=740), now=END)
    with binance(exchange) as url:
        market = ask(url, "ADA", "BTC", "ETH", "SOL", pace=Pace(), parallel=4)
        report = lake(tmp_path, market)
    assert report.new == 4 * 740
    starts = sorted(exchange.started)[-len(exchange.pages()) :]
    assert starts[-1] - starts[0] >= 0.018 * (len(starts) - 1)  # 20 ms a page, by ccxt's figures


def test_a_rename_and_a_redenomination_keep_one_history() -> None:
    change = START + 24 * HOUR
    frame = pl.concat([candles("MATIC"), candles("POL", start=START + 20 * HOUR, count=48), candles("KSHIB")])
    listings = parse_listings("POL=MATIC/USDT@..2024-01-02+POL/USDT@2024-01-02..;SHIB=KSHIB/USDT*1000")
    with binance(Exchange(frame, now=END)) as url:
        market = ask(url, "POL", "SHIB", listings=listings)
        pol = market.fetch("POL", START, START + 48 * HOUR)
        shib = market.fetch("SHIB", START, START + HOUR)
    assert pol["symbol"].unique().to_list() == ["POL"]
    assert pol["open_time"].to_list() == [START + i * HOUR for i in range(48)]
    assert pol.filter(pl.col("open_time") == change - HOUR)["close"].item() == 123.0  # of MATIC
    assert pol.filter(pl.col("open_time") == change)["close"].item() == 104.0  # of POL
    assert shib.select("close", "volume").row(0) == (0.1, 10_000.0)


def test_a_delisted_symbol_keeps_its_history_and_is_asked_no_more(tmp_path: Path) -> None:
    exchange = Exchange(candles("OLD", count=100), now=END, closed=("OLD",))
    listings = parse_listings("OLD=OLD/USDT@..2024-01-05")
    with binance(exchange) as url:
        lake(tmp_path, ask(url, "OLD", listings=listings))
        exchange.asked = []
        lake(tmp_path, ask(url, "OLD", listings=listings), ("2024-01", "2024-02"))
        assert exchange.asked == []
        exchange.asked = []
        market = ask(url, "OLD")
        assert market.ended("OLD") is None, "nothing was asked yet"
        market.fetch("OLD", START, END)
        assert market.ended("OLD") is Standing.HALTED
        renamed = ask(url, "OLD", listings=parse_listings("OLD=NONE/USDT"))
        with pytest.raises(UnknownNameError):
            renamed.fetch("OLD", START, END)
        assert renamed.ended("OLD") is Standing.DELISTED
    assert len(exchange.pages()) == 3  # a closed market that says nothing twice is at its end
    assert current(Table(UPath(tmp_path), "candles", "open_time", raw=True).read()).height == 96


@pytest.mark.parametrize(
    "text",
    ["POL", "POL=MATIC", "POL=MATIC/USDT@2024", "POL=A/B@..soon", "POL=A/B*x", "P=A/B@..2024-02-01+C/D@2024-01-01.."],
)
def test_markets_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="CRYPTO_FEATURES_MARKETS"):
        parse_listings(text)


def test_settings_choose_the_exchange(monkeypatch: pytest.MonkeyPatch, server: tuple[Exchange, str]) -> None:
    exchange, url = server
    for name, value in {
        "SOURCE": "ccxt",
        "EXCHANGE_URL": url,
        "CLOCK": "2024-01-02T00:30Z",
        "EXCHANGE_KEY": "k3y",
    }.items():
        monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
    with pytest.raises(SettingsError, match="needs CRYPTO_FEATURES_SYMBOLS"):
        source(Settings.load())
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    with pytest.raises(SettingsError, match="needs CRYPTO_FEATURES_START"):
        source(Settings.load())
    monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-01")
    exchange.now = datetime(2024, 1, 2, 0, 30, tzinfo=UTC)
    assert source(Settings.load()).fetch("BTC", START, END).height == 24
    monkeypatch.setenv("CRYPTO_FEATURES_EXCHANGE", "binanse")
    with pytest.raises(UnknownNameError, match="did you mean 'binance'"):
        source(Settings.load())
    monkeypatch.setenv("CRYPTO_FEATURES_EXCHANGE", "upbit")
    monkeypatch.setenv("CRYPTO_FEATURES_INTERVAL", "2h")
    with pytest.raises(SettingsError, match="upbit has no candles of CRYPTO_FEATURES_INTERVAL=2h; it has 1s, 1m"):
        source(Settings.load())


def test_a_key_appears_in_no_error_name_or_setting(server: tuple[Exchange, str]) -> None:
    exchange, url = server
    key, secret = SecretStr("k3y-of-a-user"), SecretStr("s3cret-of-a-user")
    exchange.faults = [Fault(400, b'{"code": -2015, "msg": "Invalid API-key k3y-of-a-user s3cret-of-a-user"}')] * 50
    market = ask(url, key=key, secret=secret, patience=timedelta(seconds=1))
    with pytest.raises(PermanentError, match=r"Invalid API-key \*\*\* \*\*\*") as error:
        market.fetch("BTC", START, END)
    assert "k3y" not in market.name + str(error.value) + repr(market)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "fault", [Fault(400, b"nothing for n4me:p%40ss or p@ss"), Fault(503, b"away"), Fault(reset=True)]
)
def test_a_password_in_the_address_appears_nowhere(
    server: tuple[Exchange, str], fault: Fault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exchange, url = server
    exchange.faults = [fault] * 50
    market = ask(url.replace("//", "//n4me:p%40ss@"), patience=timedelta(seconds=1))
    report = lake(tmp_path, market)
    shown = (
        "".join(traceback.format_exception(report.failed["BTC"])) + market.name + market.origin("BTC") + repr(market)
    )
    for secret in ("n4me", "p%40ss", "p@ss"):
        assert secret not in shown + caplog.text
    settings = Settings(exchange_url=url.replace("//", "//n4me:p%40ss@"))
    assert "n4me" not in repr(settings)
