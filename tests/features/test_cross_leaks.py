"""No planted leak of a cross-section goes unnoticed, and honest ones raise no alarm."""

from collections.abc import Callable

import polars as pl
import pytest

from crypto_features.leak import leak_test
from crypto_features.shipped import daily_candles
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join
from tests.features.cross_catalog import catalog

CLOSE = pl.col("close")
OWN = {
    "rank": CLOSE.rank() / pl.len(),
    "mean": CLOSE.mean(),
    "tomorrow": CLOSE.shift(-1),
    "days": pl.len().cast(pl.Float64),
}
PLANTED = {
    "rank over the whole history": pl.col("own.rank"),
    "normalized by the whole history": CLOSE / pl.col("own.mean"),
    "tomorrow's mean of all": pl.col("own.tomorrow").mean(),
    "BTC's close of tomorrow": CLOSE / pl.col("btc.tomorrow"),
    "ties by the order of symbols": (CLOSE > 0).cast(pl.Int64).rank("ordinal").cast(pl.Float64),
}
JOINS = (
    Join(daily_candles, "2d", OWN, at="close", name="own"),
    Join(daily_candles, "2d", OWN, symbol="BTC", at="close", name="btc"),
)


def planted(universe: pl.Expr | None = None, **features: pl.Expr) -> FeatureGroup:
    columns = [Feature(name, leak, name, "planted") for name, leak in features.items()]
    return FeatureGroup(
        "planted", bars=daily_candles, across="symbols", joins=JOINS, ttl="1d", features=columns, universe=universe
    )


@pytest.mark.timeout(600)
def test_every_planted_leak_of_a_cross_section_is_caught() -> None:
    leaks = leak_test(planted(**PLANTED)).leaks
    assert {leak.feature for leak in leaks} >= {*PLANTED}
    assert {leak.kind for leak in leaks if leak.feature == "ties by the order of symbols"} == {"other symbols"}


@pytest.mark.timeout(600)
def test_a_universe_of_survivors_is_caught() -> None:
    survivors = planted(pl.col("own.days") > 100, mean=CLOSE.mean())
    assert "look-ahead" in {leak.kind for leak in leak_test(survivors).leaks}


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_an_honest_group_that_compares_symbols_raises_no_alarm(count: Callable[..., int]) -> None:
    for name in ["against", "strength"][: count(ci=1, proof=2)]:
        report = leak_test(catalog.groups[name])
        assert report.passed, str(report)
        assert {"elsewhere", "delist", "list", "permutation"} <= report.cuts.keys()
        assert ("isolation" in report.cuts) == (name == "against")
