"""Cross-sections: equal to pandas', to the bit whatever the order of symbols, and refused where they have no sense."""

import random
from collections.abc import Callable, Sequence

import pandas as pd
import polars as pl
import pytest

from crypto_features.compute.cross import Among, Values, breadth, demean, dispersion, rank, share, zscore
from crypto_features.compute.windows import window_mean
from crypto_features.errors import InputError
from crypto_features.shipped import daily_candles
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import evaluate
from crypto_features.tables.table import Join
from crypto_features.versions.probe_market import probe_market
from tests.features.cross_catalog import catalog
from tests.features.markets import DAY, HOUR, START, bars, values
from tests.features.memory_lake import MemoryLake

CLOSE, VOLUME = pl.col("close"), pl.col("volume")
KERNELS: dict[str, Callable[[Values], pl.Expr]] = {
    "rank": rank,
    "zscore": zscore,
    "demean": demean,
    "share": share,
    "dispersion": dispersion,
}


def cross(expression: pl.Expr, *, universe: pl.Expr | None = None, joins: tuple[Join, ...] = ()) -> FeatureGroup:
    feature = Feature("found", expression, "Made for a test.", "none")
    return FeatureGroup(
        "mine", bars=daily_candles, across="symbols", ttl="1d", features=(feature,), universe=universe, joins=joins
    )


def day(**closes: float | None) -> pl.DataFrame:
    """One bar of each symbol."""
    return pl.concat(bars([0.0 if c is None else c], symbol=s) for s, c in closes.items()).with_columns(
        close=pl.Series(list(closes.values()), dtype=pl.Float64)
    )


def market(symbols: int = 7, days: int = 60) -> pl.DataFrame:
    """Symbols that come and go, with ties and nulls."""
    draw = random.Random(4)
    parts = []
    for number in range(symbols):
        first, length = draw.randrange(days // 2), draw.randrange(1, days)
        closes = [float(draw.randrange(1, 9)) / 10 for _ in range(min(length, days - first))]
        parts.append(bars(closes, symbol=f"S{number}", start=START + first * DAY))
    return pl.concat(parts).with_columns(pl.when(CLOSE != 0.3).then(CLOSE).alias("close"))


def in_pandas(frame: pd.DataFrame, name: str) -> pd.Series:
    close = frame.groupby("open_time")["close"]
    count, mean, deviation = (close.transform(of) for of in ("count", "mean", "std"))
    found = {
        "rank": (close.rank() - 1) / (count - 1).where(count > 1),
        "zscore": ((frame["close"] - mean) / deviation).where(deviation > 1e-12),
        "demean": frame["close"] - mean,
        "share": frame["close"] / close.transform("sum"),
        "dispersion": deviation,
    }
    return found[name]


@pytest.mark.parametrize("name", KERNELS)
def test_a_cross_section_of_members_that_come_and_go_equals_that_of_pandas(name: str) -> None:
    candles = market()
    got = evaluate(cross(KERNELS[name]("close")), {"daily_candles": candles}, interval=HOUR)
    frame = candles.sort("symbol", "open_time").to_pandas()
    expected = in_pandas(frame, name)
    found = got["found"].to_pandas()
    assert found.notna().sum() > 50
    assert (found.isna() == expected.isna()).all()
    assert (found - expected).abs().max() < 1e-12


@pytest.mark.parametrize("name", KERNELS)
def test_the_order_of_symbols_and_the_number_of_bar_times_change_no_bit(name: str) -> None:
    candles, group = market(40, 30), cross(KERNELS[name]("close"))
    whole = evaluate(group, {"daily_candles": candles}, interval=HOUR)
    shuffled = evaluate(group, {"daily_candles": candles.sample(fraction=1, shuffle=True, seed=1)}, interval=HOUR)
    assert shuffled.equals(whole)
    apart = [evaluate(group, {"daily_candles": part}, interval=HOUR) for part in candles.partition_by("open_time")]
    assert pl.concat(apart).sort("symbol", "event_timestamp").equals(whole)
    backwards = ("Z" + (99 - pl.col("symbol").str.slice(1).cast(pl.Int64)).cast(pl.String)).alias("symbol")
    other = evaluate(group, {"daily_candles": candles.with_columns(backwards)}, interval=HOUR)
    assert other["found"].sort().equals(whole["found"].sort())


def test_equal_values_share_a_rank_and_a_symbol_without_a_value_has_none() -> None:
    closes = day(A=2.0, B=1.0, C=2.0, D=None, E=9.0)
    assert values(cross(rank("close")), "found", closes) == [0.5, 0.0, 0.5, None, 1.0]


def test_symbols_that_are_all_equal_are_at_their_mean_and_have_no_score() -> None:
    closes = day(A=0.1, B=0.1, C=0.1)
    assert values(cross(demean("close")), "found", closes) == [0.0, 0.0, 0.0]
    assert values(cross(zscore("close")), "found", closes) == [None, None, None]
    assert values(cross(dispersion("close")), "found", closes) == [0.0, 0.0, 0.0]


def test_breadth_counts_those_of_which_the_condition_is_known() -> None:
    closes = day(A=2.0, B=1.0, C=None, D=3.0)
    assert values(cross(breadth(CLOSE >= 2)), "found", closes) == [2 / 3] * 4


def test_a_single_symbol_has_no_rank() -> None:
    assert values(cross(rank("close")), "found", day(A=2.0)) == [None]


def test_an_own_aggregate_is_that_of_the_bar_time() -> None:
    candles = pl.concat([bars([1.0, 10.0], symbol="A"), bars([3.0, 30.0], symbol="B")])
    assert values(cross(CLOSE - CLOSE.mean()), "found", candles) == [-1.0, -10.0, 1.0, 10.0]


def test_an_aggregate_within_a_kernel_is_that_of_the_bar_time() -> None:
    candles = market(30)
    within = cross(zscore(CLOSE.clip(CLOSE.quantile(0.1, "linear"), CLOSE.quantile(0.9, "linear"))) * 2)
    got = evaluate(within, {"daily_candles": candles}, interval=HOUR)["found"].to_pandas()
    frame = candles.sort("symbol", "open_time").to_pandas()
    close = frame.groupby("open_time")["close"]
    frame["close"] = frame["close"].clip(*(close.transform("quantile", share) for share in (0.1, 0.9)))
    expected = in_pandas(frame, "zscore") * 2
    assert (got.isna() == expected.isna()).all()
    assert (got - expected).abs().max() < 1e-12


def test_an_aggregate_over_a_kernel_is_that_of_the_bar_time() -> None:
    candles = pl.concat([bars([1.0, 10.0], symbol="A"), bars([3.0, 30.0], symbol="B"), bars([5.0, 5.0], symbol="C")])
    found = values(cross(demean("close") / demean("close").max()), "found", candles)
    assert found == [-1.0, -1 / 3, 0.0, 1.0, 1.0, -2 / 3]


def test_a_kernel_is_called_once_for_many_bar_times(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def as_it_is(_: Among, series: Sequence[pl.Series]) -> pl.Series:
        called.append(len(series[1]))
        return series[1]

    monkeypatch.setattr(Among, "__call__", as_it_is)
    evaluate(cross(rank(demean(CLOSE.clip(CLOSE.median())))), {"daily_candles": market(9)}, interval=HOUR)
    assert called == [market(9).height] * 2


def test_who_is_not_in_the_universe_takes_no_part_and_has_no_value() -> None:
    closes = day(A=2.0, B=1.0, C=5.0)
    assert values(cross(rank("close"), universe=CLOSE < 4), "found", closes) == [1.0, 0.0, None]


@pytest.mark.parametrize(
    "expression", [CLOSE.shift(1), window_mean(CLOSE, 3), CLOSE.cum_sum(), CLOSE.sum().over("symbol")]
)
def test_what_looks_back_along_a_symbol_is_refused_in_a_cross_section(expression: pl.Expr) -> None:
    with pytest.raises(InputError, match=r"^mine\.found computes .* which have no order"):
        cross(expression)


def test_a_cross_section_declares_no_window_and_no_function() -> None:
    feature = Feature("found", CLOSE, "Made for a test.", "none", window=2)
    with pytest.raises(InputError, match=r"^mine\.found declares a window, but is computed from the symbols of one"):
        FeatureGroup("mine", bars=daily_candles, across="symbols", features=(feature,))
    with pytest.raises(InputError, match="declares a universe, but compares nothing"):
        FeatureGroup("mine", bars=daily_candles, features=(), universe=CLOSE > 0)


def reading(join: Join, expression: pl.Expr, window: int = 1) -> FeatureGroup:
    feature = Feature("found", expression, "Made for a test.", "none", window=window)
    return FeatureGroup("mine", bars=daily_candles, joins=(join,), ttl="1d", features=(feature,))


PAIR = pl.concat([bars([1.0, 2.0, 4.0], symbol="BTC"), bars([5.0, 6.0, 7.0], symbol="ETH")])


@pytest.mark.parametrize(("at", "expected"), [("open", [None, 1.0, 2.0]), ("close", [1.0, 2.0, 4.0])])
def test_the_rows_of_one_symbol_are_joined_to_all_as_known_at_open_or_close(
    at: str, expected: list[float | None]
) -> None:
    join = Join(daily_candles, "2d", symbol="BTC", at=at, name="btc")  # type: ignore[arg-type] # a text
    assert values(reading(join, pl.col("btc.close")), "found", PAIR) == expected * 2


def test_a_symbol_that_is_missing_gives_nulls() -> None:
    join = Join(daily_candles, "2d", symbol="XRP", at="close", name="xrp")
    assert values(reading(join, CLOSE / pl.col("xrp.close")), "found", PAIR) == [None] * 6


def test_two_joins_of_one_table_need_names() -> None:
    joins = [Join(daily_candles, "2d"), Join(daily_candles, "2d", symbol="BTC")]
    with pytest.raises(InputError, match="mine joins two tables as 'daily_candles'"):
        FeatureGroup("mine", bars=daily_candles, joins=joins, features=())
    with pytest.raises(InputError, match='expected "open" or "close" of the bar'):
        Join(daily_candles, "2d", at="noon")  # type: ignore[arg-type] # what is refused.


def test_a_window_over_joined_rows_reaches_as_far_back_in_the_joined_table() -> None:
    join = Join(daily_candles, "2d", symbol="BTC", at="close", name="btc")
    alone, windowed = (reading(join, window_mean(pl.col("btc.close"), w), w) for w in (1, 20))
    assert windowed.inputs[1].reach(HOUR) - alone.inputs[1].reach(HOUR) == 82 * DAY  # 20 days, and twice 31.


def test_some_symbols_are_computed_as_among_all() -> None:

    lake = MemoryLake(probe_market().filter(pl.col("open_time") < START + 20 * DAY), catalog)
    lake.build()

    def read(
        table: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        return lake.read(table, months, columns, None if table in catalog.models else symbols)

    tables = [node for node in lake.graph if node.name in catalog.groups]
    for node in tables:
        every = node.compute(read, "2024-01", None)
        some = node.compute(read, "2024-01", ["TINY"])
        assert len(some) > 0, node.name
        assert some.equals(every.filter(symbol="TINY")), node.name
    assert {"against", "strength"} <= {node.name for node in tables}
