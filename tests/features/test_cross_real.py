"""Ranks of members that come and go, and beta to BTC, on real candles against pandas."""

import pandas as pd
import polars as pl

from crypto_features.compute.cross import rank
from crypto_features.compute.indicators import price_return
from crypto_features.compute.pairs import beta
from crypto_features.shipped import daily_candles
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import evaluate
from crypto_features.tables.table import Join
from tests.features.markets import HOUR

MOVE, BARS = price_return(1), 30


def closes(real_daily: pl.DataFrame) -> pd.DataFrame:
    """Closes by day and symbol, on a grid of days."""
    table = real_daily.to_pandas().pivot_table(index="open_time", columns="symbol", values="close")
    return table.asfreq("D")


def test_ranks_of_members_that_come_and_go_equal_those_of_pandas(real_daily: pl.DataFrame) -> None:
    join = Join(daily_candles, "1d", {"move": MOVE}, window=2, at="close", name="own")
    feature = Feature("found", rank("own.move"), "Rank of the move.", "0 to 1")
    group = FeatureGroup("ranks", bars=daily_candles, across="symbols", joins=(join,), ttl="1d", features=(feature,))
    got = evaluate(group, {"daily_candles": real_daily}, interval=HOUR, min_completeness=0)
    own = real_daily.sort("symbol", "open_time").to_pandas()
    moves = own.groupby("symbol")["close"].pct_change(fill_method=None)
    days = own["open_time"]
    counts = moves.groupby(days).transform("count")
    expected = ((moves.groupby(days).rank() - 1) / (counts - 1)).where(counts > 1)
    found = got["found"].to_pandas()
    assert counts.nunique() > 3
    assert found.notna().sum() > 5000
    assert (found - expected).abs().max() < 1e-12


def test_beta_to_btc_equals_that_of_pandas(real_daily: pl.DataFrame) -> None:
    join = Join(daily_candles, "1d", {"move": MOVE}, window=2, symbol="BTC", at="close", name="btc")
    slope = Feature("found", beta(MOVE, pl.col("btc.move"), BARS), "Beta.", "ratio", window=BARS + 1)
    group = FeatureGroup("betas", bars=daily_candles, joins=(join,), ttl="1d", features=(slope,))
    got = evaluate(group, {"daily_candles": real_daily}, interval=HOUR, min_completeness=0)
    moves = closes(real_daily).pct_change(fill_method=None)
    for symbol in ("ETH", "BTC"):
        expected = moves[symbol].rolling(BARS).cov(moves["BTC"]) / moves["BTC"].rolling(BARS).var()
        rows = got.filter(symbol=symbol).with_columns(pl.col("event_timestamp").dt.offset_by("-1d")).to_pandas()
        both = rows.set_index("event_timestamp")["found"].to_frame().join(expected.rename("expected")).dropna()
        assert len(both) > 1000
        assert (both["found"] - both["expected"]).abs().max() < 1e-9
