"""From an exchange's last message to what a bot in another process reads: `python -m benchmarks.live`.

A websocket on loopback speaks Binance's format. One process follows it as `crypto-features live` does: ccxt, finality,
contract, journal, compute and the guarded store. Another one watches all symbols by `watch_online_features`. The clock
of the market is moved from hour to hour. `--closings 200` for more of them, `--symbols 1` for a single size, and
`--servers sqlite` for a single store.
"""

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.store_online import SERVERS, server
from benchmarks.store_process import apart, quantile, table

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2024, 6, 3, 0, 30, tzinfo=UTC)
HOURS, DAYS = 70 * 24, 830
"""As far back as the tables of the catalog read."""
CATALOG = "tests.live.desk:catalog"
REFS = ["trading_signals:target_price", "trading_signals:can_buy"]
PRICES = ("open", "high", "low", "close", "volume")


def names(symbols: int) -> list[str]:
    """The symbols."""
    return [f"S{number:03}" for number in range(symbols)]


def candles(symbols: int, count: int, first: datetime, step: timedelta) -> pl.DataFrame:
    """A random walk for each symbol, whole from the first candle on."""
    random = np.random.default_rng(symbols)
    walk = 100 * np.exp(np.cumsum(random.normal(0, 0.005, (symbols, count + 1)), axis=1))
    opened, close = walk[:, :-1].ravel(), walk[:, 1:].ravel()
    times = pl.datetime_range(first, first + (count - 1) * step, step, time_unit="us", eager=True)
    return pl.DataFrame(
        {
            "symbol": np.repeat(names(symbols), count),
            "open_time": pl.concat([times] * symbols),
            "open": opened,
            "high": np.maximum(opened, close) * 1.001,
            "low": np.minimum(opened, close) * 0.999,
            "close": close,
            "volume": random.uniform(1, 100, symbols * count),
        }
    )


def following(symbols: int) -> Any:
    """The tables of the benchmark, computed up to now from candles in memory."""
    from crypto_features.catalogs import current_catalog
    from crypto_features.lake.journal import frame
    from crypto_features.live.compute import Following
    from crypto_features.tables.partition import compute_span
    from crypto_features.tables.read import Terms

    catalog, midnight = current_catalog(), NOW.replace(minute=0)
    hours = candles(symbols, HOURS, midnight - HOURS * HOUR, HOUR)
    hours = pl.concat([frame([]).drop("known_at"), hours], how="diagonal").with_columns(completeness=pl.lit(1.0))
    days = candles(symbols, DAYS, midnight - DAYS * DAY, DAY).with_columns(completeness=pl.lit(1.0))
    tables = {"candles": hours, "daily_candles": days}
    for group in catalog.groups.values():
        span = (midnight - 10 * DAY, midnight)
        tables[group.name] = compute_span(group, tables, *span, interval=HOUR)
    terms = Terms(HOUR, NOW, HOUR, 0.75)
    return Following(catalog, names(symbols), terms, lambda name, _months: tables[name])


def live(symbols: int, url: str) -> None:
    """Follow the websocket until standard input ends; then print when what came, and the CPU time of each closing."""
    from crypto_features import clock
    from crypto_features.lake.journal import Journal, frame
    from crypto_features.live.process import Edges, Live
    from crypto_features.live.publish import OnlinePublisher
    from crypto_features.live.stream import CcxtStream
    from crypto_features.live.told import Told, binance
    from tests.live.websockets import markets

    received: dict[str, list[float]] = {}

    def read(message: Any) -> Iterator[Told]:
        for told in binance(message):
            if told.closed:
                received.setdefault(str(told.open_time + HOUR), []).append(time.perf_counter())
            yield told

    async def rest(*_: object) -> pl.DataFrame:
        return frame([])  # nothing is missing, and nothing is contradicted.

    known = markets("binance", *names(symbols))
    written = Journal(Path(os.environ["CRYPTO_FEATURES_DATA"]) / "journal")
    edges = Edges(
        transport=CcxtStream("binance", known, [*known], "1h", url),
        read=read,
        symbols={f"{name}USDT": name for name in names(symbols)},
        rest=rest,
        append=written.append,
        publish=OnlinePublisher(),
        now=clock.now,
        note=lambda text: print(text, file=sys.stderr),
    )
    process = Live(edges, following(symbols), HOUR, HOUR)
    gc.freeze()  # as `crypto-features live` does.

    async def run() -> None:
        working = asyncio.ensure_future(process.run())
        begun = await asyncio.to_thread(sys.stdin.readline)
        spent = time.process_time()
        if begun:
            await asyncio.to_thread(sys.stdin.readline)
        spent = time.process_time() - spent
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        told = {close: (times[0], times[-1]) for close, times in received.items()}
        print(json.dumps({"received": told, "cpu": spent}))

    asyncio.run(run())


def bot(symbols: int) -> None:
    """Print when all symbols have the features of which close, and at the end the CPU time."""
    import crypto_features as cf

    async def run() -> None:
        seen = None
        async for features in cf.watch_online_features(names(symbols), REFS):
            there, now = {*features.event_times["trading_signals"]}, time.perf_counter()
            if len(there) == 1 and there != seen:
                seen = there
                print(json.dumps([str(*there), now, time.process_time()]), flush=True)

    asyncio.run(run())


def part(role: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.live", role, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measure(kind: str, symbols: int, closings: int) -> dict[str, Any]:
    """Seconds from the first and from the last final message of each closing until the bot has all of it."""
    from crypto_features.store import FeastResource
    from tests.live.websockets import websocket

    with tempfile.TemporaryDirectory() as name, server(kind, Path(name)) as url, websocket("binance") as socket:
        folder = Path(name)
        clock, beside = folder / "clock", folder / "clock.new"
        clock.write_text(NOW.isoformat())
        stores = {"sqlite": "embedded", "valkey": "redis", "postgres": "postgres"}
        given = {"DATA": name, "CATALOG": CATALOG, "CLOCK": f"@{clock}", "STORE": stores[kind]}
        given |= {} if kind == "sqlite" else {f"{stores[kind]}_URL".upper(): url}
        os.environ.update({f"CRYPTO_FEATURES_{key}": value for key, value in given.items()})
        FeastResource().apply()
        follower, watcher = part("live", symbols, socket.url), part("bot", symbols)
        assert follower.stdin
        assert watcher.stdout
        while not socket.sockets or len(socket.topics) < -(-symbols // 200):
            time.sleep(0.05)
            assert follower.poll() is None
        coming = candles(symbols, closings + 3, NOW.replace(minute=0), HOUR).sort("open_time", "symbol")
        found = []
        for number, ((opened,), part_) in enumerate(coming.partition_by("open_time", as_dict=True).items()):
            rows = part_.select("symbol", *PRICES).rows()
            both = [
                [socket.kline(symbol, opened, prices, closed=closed) for symbol, *prices in rows]
                for closed in (False, True)
            ]
            socket.push(*both[0])
            beside.write_text((opened + HOUR + timedelta(seconds=0.5)).isoformat())
            beside.replace(clock)
            time.sleep(0.1)
            if number == 3:  # the first ones warm up.
                follower.stdin.write("begun\n")
                follower.stdin.flush()
            socket.push(*both[1])
            while True:
                close, at, cpu = json.loads(watcher.stdout.readline())
                if close == str(opened + HOUR):
                    break
            found.append((close, at, cpu))
        told = json.loads(follower.communicate("end\n")[0].splitlines()[-1])
        watcher.kill()
        watcher.communicate()
    measured = found[3:]
    hours = [(close, at) for close, at, _ in measured if " 00:" not in close]
    days = [(close, at) for close, at, _ in measured if " 00:" in close]
    return {
        "first": [at - told["received"][close][0] for close, at in hours],
        "last": [at - told["received"][close][1] for close, at in hours],
        "days": [at - told["received"][close][1] for close, at in days],
        "cpu": told["cpu"] / len(measured),
        "bot": (found[-1][2] - found[2][2]) / len(measured),
    }


def shown(values: Sequence[float]) -> str:
    """Least, median, 99th percentile and greatest, in milliseconds."""
    if not values:
        return ""
    figures = min(values), *(quantile(values, share) for share in (0.5, 0.99)), max(values)
    return " / ".join(f"{1000 * value:.1f}" for value in figures)


def main() -> None:
    """Measure each store and size in processes of their own, or be one of these."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", nargs="*", metavar="ROLE", help="what this process does for the others")
    parser.add_argument("--closings", type=int, default=30)
    parser.add_argument("--symbols", type=int, nargs="+", default=[1, 500])
    parser.add_argument("--servers", nargs="+", default=SERVERS, choices=SERVERS)
    chosen = parser.parse_args()
    match chosen.role:
        case ["live", symbols, url]:
            live(int(symbols), url)
        case ["bot", symbols]:
            bot(int(symbols))
        case ["one", kind, symbols, closings]:
            print(json.dumps(measure(kind, int(symbols), int(closings))))
        case _:
            lines = []
            for symbols in chosen.symbols:
                for kind in chosen.servers:
                    found = apart("benchmarks.live", "one", kind, symbols, chosen.closings)
                    line: dict[str, object] = {"symbols": symbols, "store": kind}
                    if "failed" in found:
                        lines.append(line | {"last message → told, ms: min / p50 / p99 / max": found["failed"]})
                        continue
                    line["last message → told, ms: min / p50 / p99 / max"] = shown(found["last"])
                    line["first message → told"] = shown(found["first"])
                    line["at midnight"] = shown(found["days"])
                    line["CPU ms a closing: live, bot"] = f"{1000 * found['cpu']:.0f}, {1000 * found['bot']:.0f}"
                    lines.append(line)
            print(table(lines))


if __name__ == "__main__":
    main()
