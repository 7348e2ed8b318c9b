"""`crypto-features live`: from a message of the exchange to what a bot reads in another process."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from crypto_features.cli import app
from crypto_features.code_location import build
from crypto_features.graph.checks.live import LiveRowsCompared
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.materialize import RunFailedError, materialize_all
from crypto_features.lake import journal, live_rows
from crypto_features.lake.candles import current
from crypto_features.lake.live_rows import LiveRows
from crypto_features.lake.table import stored
from crypto_features.live.start import journal_folder
from crypto_features.settings import Settings
from crypto_features.shipped import trading_signals
from crypto_features.store import parity
from crypto_features.tables.derived import inputs_of
from crypto_features.versions.measured import table_version
from crypto_features.versions.probe_market import probe_market
from feature_repo import get_online_features
from tests.features.markets import DAY, HOUR
from tests.live.desk import catalog
from tests.live.websockets import Websocket, websocket
from tests.market.exchanges import Exchange, binance
from tests.market.market import START

ROOT = Path(__file__).parents[2]
SYMBOLS = ("BTC", "ETH")
DAYS = 40
NOW = START + DAYS * DAY + 20 * HOUR + timedelta(minutes=30)
PRICES = ("open", "high", "low", "close", "volume")


def market() -> pl.DataFrame:
    """Two coins until eleven days after now, with prices of as many digits as the exchange sends."""
    renamed = {"HUGE": "BTC", "LATE": "ETH"}
    candles = probe_market(DAYS + 12).filter(pl.col("symbol").is_in([*renamed]))
    return candles.with_columns(
        pl.col("symbol").replace_strict(renamed), pl.col(PRICES).round(6), completeness=pl.lit(1.0)
    ).sort("symbol", "open_time")


class Market:
    """The exchange, its websocket, and the clock of every process."""

    def __init__(self, exchange: Exchange, socket: Websocket, clock: Path, instance: dg.DagsterInstance) -> None:
        self.exchange, self.socket, self._clock, self.instance = exchange, socket, clock, instance
        self.at(NOW)

    def at(self, now: datetime) -> None:
        """Set the clock; that of REST goes on by itself from what it was when a process asked for it."""
        beside = self._clock.with_suffix(".new")
        beside.write_text(now.isoformat())
        beside.replace(self._clock)

    def batch(self) -> None:
        """Run the whole graph over the newest month."""
        materialize_all(build(Settings.load()), self.instance, ["2024-02"])

    def tell(self, opened: datetime, *, closed: bool) -> None:
        """Send the candles of an hour, each as it will be at its end."""
        rows = self.exchange.candles.filter(pl.col("open_time") == opened).select("symbol", *PRICES).iter_rows()
        self.socket.push(*(self.socket.kline(symbol, opened, prices, closed=closed) for symbol, *prices in rows))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    """A platform that was built from the exchange half an hour after a candle closed."""
    clock = tmp_path / "clock"
    exchange = Exchange(market(), now=NOW)
    with binance(exchange) as url, websocket("binance") as socket, dg.instance_for_test() as instance:
        found = Market(exchange, socket, clock, instance)
        named = {"SOURCE": "ccxt", "EXCHANGE_URL": url, "STREAM_URL": socket.url, "SYMBOLS": ",".join(SYMBOLS)}
        named |= {"START": "2024-01", "CLOCK": f"@{clock}", "CATALOG": "tests.live.desk:catalog"}
        for name, value in named.items():
            monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
        materialize_all(build(Settings.load()), instance, ["2024-01", "2024-02"])
        yield found


@contextmanager
def running(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """The command."""
    command = [sys.executable, "-c", "from crypto_features.cli import app; app()", "live", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def is_refused(*options: str) -> bool:
    """Whether the command does not begin beside the processes that run."""
    done = CliRunner().invoke(app, ["live", *options])
    return done.exit_code == 1 and "another `crypto-features live`" in done.output


def said_when_stopped(live: "subprocess.Popen[str]") -> str:
    """What a command that is asked to end has printed."""
    live.send_signal(signal.SIGTERM)
    said = live.communicate(timeout=60)[0]
    assert live.returncode == 0, said
    return said


def until(is_so: Callable[[], bool], what: str, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def served() -> dict[str, datetime | None]:
    """By symbol the close of the candle whose signals are served."""
    answer = get_online_features([*SYMBOLS], ["trading_signals:target_price"])
    return dict(zip(SYMBOLS, answer.event_times["trading_signals"], strict=True))


def serves(close: datetime) -> bool:
    return {*served().values()} == {close}


def expected(close: datetime) -> list[tuple[object, ...]]:
    """The signals of that close, computed by the batch from the candles until then."""
    candles = market().filter(pl.col("open_time") < close)
    inputs = inputs_of(trading_signals, candles, interval=HOUR)
    rows = trading_signals.whole(inputs, HOUR).filter(pl.col("event_timestamp") == close).sort("symbol")
    return rows.select(trading_signals.columns).rows()


def online() -> list[tuple[object, ...]]:
    answer = get_online_features([*SYMBOLS], [f"trading_signals:{name}" for name in trading_signals.columns])
    return [*zip(*(answer[name] for name in trading_signals.columns), strict=True)]


def test_a_bot_in_another_process_reads_the_features_of_a_candle_that_closed_whatever_happens_meanwhile(
    world: Market,
) -> None:
    hour = NOW.replace(minute=0)
    assert serves(hour)
    world.exchange.now = hour + 2 * HOUR + timedelta(seconds=3)
    with running() as live:
        until(lambda: len(world.socket.sockets) == 1, "it connects")
        assert is_refused()
        world.tell(hour, closed=False)
        world.at(hour + HOUR + timedelta(seconds=1))
        world.tell(hour, closed=True)
        until(partial(serves, hour + HOUR), "the flag makes a candle final")
        assert online() == expected(hour + HOUR)

        world.socket.drop()
        world.at(hour + 2 * HOUR + timedelta(seconds=3))
        until(partial(serves, hour + 2 * HOUR), "REST has what was missed")
        assert online() == expected(hour + 2 * HOUR)
        live.send_signal(signal.SIGKILL)
        live.wait()

    before = world.socket.sessions
    with running("--shard", "1/2") as one, running("--shard", "2/2") as other:
        until(lambda: world.socket.sessions > before and len(world.socket.sockets) == 2, "both connect")
        for taken in ([], ["--shard", "2/2"], ["--shard", "1/3"]):
            assert is_refused(*taken), taken
        for number in (2, 3, 4):  # midnight is among them: the day's features come first.
            opened = hour + number * HOUR
            world.tell(opened, closed=False)
            world.at(opened + HOUR + timedelta(seconds=1))
            world.tell(opened, closed=True)
            until(partial(serves, opened + HOUR), f"candle {number} is final")
            assert online() == expected(opened + HOUR)
        day = get_online_features([*SYMBOLS], ["price_features:return_1d"])
        assert {*day.event_times["price_features"]} == {START + (DAYS + 1) * DAY}
        assert all("3 flag" in said_when_stopped(live) for live in (one, other))

    settings = Settings.load()
    table = stored(settings.root, catalog, "candles")
    world.exchange.now = hour + 5 * HOUR + timedelta(seconds=2)
    assert CliRunner().invoke(app, ["fetch"]).exit_code == 0
    candles = table.read()
    assert (
        current(candles)
        .select("symbol", "open_time", *PRICES)
        .equals(market().filter(pl.col("open_time") < hour + 5 * HOUR).select("symbol", "open_time", *PRICES))
    )
    assert candles.height == candles.select("symbol", "open_time").n_unique()
    late = candles.filter(pl.col("open_time") == hour + 4 * HOUR)
    assert late["known_at"].unique().to_list() == [hour + 5 * HOUR + timedelta(seconds=1)]
    assert late["trades"].to_list() == [7, 7]
    assert late["completeness"].to_list() == [1.0, 1.0]
    report = CliRunner().invoke(app, ["live", "--report"])
    assert (report.exit_code, "BTC" in report.output, "ETH" in report.output) == (0, True, True)
    first, last = (f"{START + DAYS * DAY + number * HOUR:%Y-%m-%dT%H:%M}" for number in (-4, 4))
    replayed = CliRunner().invoke(app, ["replay", "--from", first, "--to", last])
    assert (replayed.exit_code, replayed.output.count("Live = batch.")) == (0, 1), replayed.output
    the_batch_that_follows_compares(world, hour)


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_killed_at_any_moment_it_loses_no_candle_and_publishes_whole_closes(
    world: Market, count: Callable[..., int]
) -> None:
    draw, opened, slowest = random.Random(18), NOW.replace(minute=0), 0.0
    folder = journal_folder(Settings.load())
    with ExitStack() as processes:
        live = processes.enter_context(running())
        until(lambda: len(world.socket.sockets) == 1, "it connects")
        for number in range(count(ci=3, proof=200)):
            world.tell(opened, closed=False)
            world.exchange.now = opened + HOUR + timedelta(seconds=3)
            world.at(opened + HOUR + timedelta(seconds=1))
            world.tell(opened, closed=True)
            time.sleep(draw.uniform(0, 0.12))
            live.kill()
            live.wait()
            (close,) = {*served().values()}
            assert close in (opened, opened + HOUR), number
            assert online() == expected(close), f"after kill {number}"
            acknowledged = [entry for entry, _, _ in journal.read(folder)]
            sessions, begun = world.socket.sessions, time.monotonic()
            world.at(opened + HOUR + timedelta(seconds=3))
            live = processes.enter_context(running())
            until(partial(serves, opened + HOUR), f"candle {number} is published by the next process")
            slowest = max(slowest, time.monotonic() - begun)
            assert online() == expected(opened + HOUR), f"after start {number}"
            entries = [entry for entry, _, _ in journal.read(folder)]
            assert entries[: len(acknowledged)] == acknowledged
            assert {entry.symbol for entry in entries if entry.open_time == opened and entry.values} == {*SYMBOLS}
            until(lambda: world.socket.sessions > sessions and len(world.socket.sockets) == 1, "it connects again")  # noqa: B023 - at once.
            opened += HOUR
    print(f"the slowest start took {slowest:.1f} s until its candle was served")


def compared() -> str:
    """What the check says of the signals that were published live."""
    settings = Settings.load()
    lake = LakeResource(root=str(settings.root), interval_minutes=60)
    found = LiveRowsCompared(lake, stored(settings.root, catalog, "trading_signals"), trading_signals)
    return found.finding(["2024-02"]).text


def the_batch_that_follows_compares(world: Market, hour: datetime) -> None:
    assert parity("trading_signals").equal, "rows that are ahead of the table are known"
    world.batch()
    said = compared()
    assert "; 0 rest on candles" in said, said
    assert "0 are not computed by the batch yet, 0 are of other code, 0 differ." in said
    assert int(said.partition(" ")[0]) >= 10

    moved = pl.when(open_time=hour + 4 * HOUR, symbol="BTC").then("low")
    world.exchange.candles = world.exchange.candles.with_columns(moved.otherwise("close").alias("close"))
    world.exchange.now = hour + 6 * HOUR + timedelta(seconds=2)
    world.at(world.exchange.now)
    world.batch()
    said = compared()
    assert "0 differ" in said, "a correction is no difference of computing"
    assert "; 0 rest on candles" not in said, said

    settings = Settings.load()
    table = stored(settings.root, catalog, "trading_signals").read(["2024-02"]).tail(1)
    wrong = table.with_columns(target_price=pl.col("target_price") * (1 + 2**-52))
    rows = LiveRows(Path(str(settings.root)) / live_rows.FOLDER, world.exchange.now)
    rows.append("trading_signals", wrong, world.exchange.now, table_version("trading_signals"))
    named = (
        f"target_price of ETH at {hour + 6 * HOUR:%Y-%m-%d %H:%M:%S} UTC is {wrong['target_price'].item()!r} live and "
    )
    with pytest.raises(RunFailedError, match=re.escape(f"{named}{table['target_price'].item()!r} in the batch")):
        world.batch()


def test_a_source_without_a_stream_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for source, exchange in (("sample", "binance"), ("ccxt", "coinbase")):
        monkeypatch.setenv("CRYPTO_FEATURES_SOURCE", source)
        monkeypatch.setenv("CRYPTO_FEATURES_EXCHANGE", exchange)
        result = CliRunner().invoke(app, ["live"])
        assert (result.exit_code, "binance, bybit, okx or kraken" in result.output) == (1, True)
