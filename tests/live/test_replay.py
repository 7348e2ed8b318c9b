"""Whatever the exchange and the network do, live equals the batch: seeds of a simulated exchange on virtual time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl
import pytest

from crypto_features.live.compute import Following
from crypto_features.live.process import Edges, Live
from crypto_features.live.replay import Replayed, Stored, replay
from crypto_features.live.simulated import SimulatedExchange
from crypto_features.live.told import binance
from crypto_features.live.virtual_time import run
from tests.live.minutes import catalog
from tests.live.walks import BEGIN, MINUTE, TERMS, walks
from tests.market.market import HOUR

SYMBOLS = ("A", "B", "C")
END = BEGIN + 15 * MINUTE


def stored() -> Stored:
    return walks(SYMBOLS, 15, catalog)


def tables() -> dict[str, pl.DataFrame]:
    """What the batch computes from 75 minutes of random walks."""
    return {table.name: load(table.name, ["2024-01"]) for table in (catalog.raw, *catalog.computed)}


def load(table: str, months: Sequence[str]) -> pl.DataFrame:
    return stored().load(table, months)


def candles() -> pl.DataFrame:
    return stored().candles


def lived(seed: int) -> Replayed:
    return replay(catalog, stored(), seed)


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_nothing_is_missing_or_doubled_or_taken_before_it_closed_and_every_row_is_the_batches(
    count: Callable[..., int],
) -> None:
    met = Counter[str]()
    for seed in range(count(ci=4, proof=300)):
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
