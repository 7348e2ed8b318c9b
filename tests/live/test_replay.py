"""Whatever the exchange and the network do, live equals the batch: seeds of a simulated exchange on virtual time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from crypto_features.live.compute import Following
from crypto_features.live.process import Edges, Live
from crypto_features.live.replay import Replayed, Stored, replay
from crypto_features.live.simulated import SimulatedExchange
from crypto_features.live.told import binance
from crypto_features.live.virtual_time import run
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.read import Terms
from tests.live.minutes import catalog
from tests.market.market import HOUR, START

MINUTE = timedelta(minutes=1)
SYMBOLS = ("A", "B", "C")
BEGIN, END = START + 60 * MINUTE, START + 75 * MINUTE
TERMS = Terms(MINUTE, BEGIN, timedelta(hours=1), MIN_COMPLETENESS)


@cache
def tables() -> dict[str, pl.DataFrame]:
    """What the batch computes from 75 minutes of random walks."""
    random, times = (
        np.random.default_rng(7),
        pl.datetime_range(START, END, MINUTE, closed="left", time_unit="us", eager=True),
    )
    parts = []
    for symbol in SYMBOLS:
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, len(times))))
        opened, volume = close * (1 + random.normal(0, 0.001, len(times))), random.uniform(1, 9, len(times))
        bodies = np.maximum(opened, close), np.minimum(opened, close)
        columns = {"open": opened, "high": bodies[0] * 1.01, "low": bodies[1] * 0.99, "close": close, "volume": volume}
        parts.append(pl.DataFrame({"symbol": symbol, "open_time": times, **columns, "completeness": 1.0}))
    found = {"ticks": pl.concat(parts)}
    for table in catalog.computed:
        found[table.name] = table.whole(found, MINUTE)
    return found


def load(table: str, months: Sequence[str]) -> pl.DataFrame:
    assert months
    return tables()[table]


def candles() -> pl.DataFrame:
    return tables()["ticks"].filter(pl.col("open_time") >= BEGIN)


def stored() -> Stored:
    return Stored(candles(), load, SYMBOLS, TERMS, END)


def lived(seed: int) -> Replayed:
    return replay(catalog, stored(), seed)


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_nothing_is_missing_or_doubled_or_taken_before_it_closed_and_every_row_is_the_batches(
    count: Callable[..., int],
) -> None:
    met = Counter[str]()
    for seed in range(count(ci=4, proof=2_000)):
        found = lived(seed)
        assert found.wrong(catalog, stored()) == [], f"seed {seed}"
        met += found.counts
    assert min(met[what] for what in ("flag", "rest", "disconnected")) > 0
    assert met["rejected"] == 0


def test_a_seed_is_repeated_to_the_row() -> None:
    one, other = lived(3), lived(3)
    assert one.entries == other.entries
    assert [*one.rows] == [*other.rows]
    assert all(pl.concat(rows).equals(pl.concat(other.rows[view])) for view, rows in one.rows.items())


def test_what_cannot_be_computed_is_told_once_and_the_rest_goes_on() -> None:
    told = list[str]()
    exchange = SimulatedExchange(candles(), BEGIN, MINUTE, 1)
    symbols = {symbol: symbol for symbol in SYMBOLS}
    views = list[str]()
    append, publish = (lambda _: None), (lambda view, *_: views.append(view))
    edges = Edges(exchange, binance, symbols, exchange.rest, append, publish, lambda: END, told.append)

    async def lived() -> None:
        following = Following(catalog, SYMBOLS, TERMS, lambda table, months: before(load(table, months)))
        following.troubles["ranks"] = "it lacks a model"
        live = Live(edges, following, MINUTE, HOUR)
        live.advance()
        live.advance()
        following.troubles.clear()
        live.catch_up(candles())

    run(lived())
    assert told == ["ranks: it lacks a model"]
    assert {*views} == {"moves", "blocks", "ranks"}


def before(rows: pl.DataFrame) -> pl.DataFrame:
    time = "event_timestamp" if "event_timestamp" in rows.columns else "open_time"
    return rows.filter(pl.col(time) < BEGIN)


def changed(wrong: pl.DataFrame) -> Callable[[str, Sequence[str]], pl.DataFrame]:
    return lambda table, months: wrong if table == "moves" else load(table, months)


def test_the_proof_finds_what_is_planted() -> None:
    """The control: one bit of one row, a candle less, and a candle that was taken before it closed."""
    found = lived(1)
    moved = pl.when(pl.col("event_timestamp") == END, pl.col("symbol") == "B").then(pl.col("return_3") + 1e-16)
    wrong = tables()["moves"].with_columns(moved.otherwise("return_3").alias("return_3"))
    assert found.wrong(catalog, replace(stored(), load=changed(wrong))) == [
        "1 rows of moves are not those of the batch"
    ]
    first = candles().row(0, named=True)
    more = candles().with_columns(
        pl.when(open_time=first["open_time"], symbol="A").then(0.0).otherwise("volume").alias("volume")
    )
    assert found.wrong(catalog, replace(stored(), candles=more)) == [
        "1 candles were open and taken as closed, or have other values"
    ]
    fewer = Replayed(BEGIN, END, found.counts, found.entries[1:], found.rows)
    assert fewer.wrong(catalog, stored()) == ["1 candles are missing"]
    silent = Replayed(BEGIN, END, found.counts, found.entries, {**found.rows, "ranks": []})
    assert silent.wrong(catalog, stored()) == ["3 symbols lack the newest row of ranks"]
