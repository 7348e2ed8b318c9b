"""What is called unusual is as rare as declared where nothing drifts, and what drifts stands out."""

import math
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise, product
from typing import Any

import numpy as np
import polars as pl
import pytest

from crypto_features.compute.drift import autocorrelation_time, kolmogorov_smirnov, stability_index
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.shipped import daily_candles, price_features, regime_features, trading_signals
from crypto_features.tables.drift import Drift, watched
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.training.drift import MOST, SCHEMA, _pairs, by_feature, drift
from tests.training.stationary import remembering

SHORT = Drift(window=12, reference=30, history=90, level=0.05)


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_distances_equal_their_definition_also_where_values_are_equal(decimals: int) -> None:
    samples = np.round(np.random.default_rng(1).normal(size=(40, 52)), decimals)
    for row, ks, psi in zip(samples, kolmogorov_smirnov(samples, 40), stability_index(samples, 40), strict=True):
        before, now = row[:40], row[40:]
        assert ks == pytest.approx(max(abs((before <= x).mean() - (now <= x).mean()) for x in row), abs=1e-15)
        edges = [-math.inf, *np.sort(before)[[4, 8, 12, 16, 20, 24, 28, 32, 36]], math.inf]
        index = 0.0
        for low, high in pairwise(edges):
            p, q = (((low < part) & (part <= high)).sum() + 0.5 for part in (before, now))
            p, q = p / 45, q / 17
            index += (q - p) * math.log(q / p)
        assert psi == pytest.approx(index)


@pytest.mark.parametrize("time", [1, 3, 19])
def test_the_autocorrelation_time_is_that_of_the_process(time: float) -> None:
    values = remembering(1, time=time, together=0, symbols=40)["f0"].to_numpy().reshape(40, -1)
    assert np.mean([autocorrelation_time(row) for row in values]) == pytest.approx(time, rel=0.15)
    assert autocorrelation_time(np.ones(50)) == 1


def test_each_share_counts_the_earlier_windows_that_lie_as_far_apart() -> None:
    rows = remembering(1, time=3, together=0.5, symbols=4)
    found = drift(rows, ["f0"], SHORT)
    assert found.columns == [*SCHEMA]
    past, now = [], {}
    for (symbol,), part in rows.group_by("symbol", maintain_order=True):
        values = part["f0"].to_numpy()[-90:]
        pairs = [values[end - 42 : end] for end in range(90, 41, -1)]
        now[symbol] = pairs[0]
        past += pairs[12::4]
    symbols, rarest = found["symbol"].to_list(), np.ones((2, len(past)))
    least = dict.fromkeys(symbols, 1.0)
    for place, (distance, name) in enumerate(((kolmogorov_smirnov, "ks"), (stability_index, "psi"))):
        earlier = distance(np.array(past), 30)
        rarest[place] = [(earlier >= one).mean() for one in earlier]
        for symbol, row in zip(symbols, found.iter_rows(named=True), strict=True):
            (own,) = distance(now[symbol][None], 30)
            assert row[name] == own
            assert row[f"{name}_p"] == (1 + (earlier >= own).sum()) / (1 + len(earlier))
            least[symbol] = min(least[symbol], row[f"{name}_p"])
    for symbol, p in found.select("symbol", "p").iter_rows():
        assert p == (1 + (rarest.min(axis=0) <= least[symbol]).sum()) / (1 + len(past))
    assert found["unusual"].to_list() == [p <= 0.05 for p in found["p"]]


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_windows_are_unusual_as_rarely_as_declared_where_nothing_drifts(count: Callable[..., int]) -> None:
    """Whatever a feature remembers, and however its symbols move together."""
    features = count(ci=15, proof=1500)
    shares = {}
    for time, together in product((1, 3, 19, 60), (0.0, 0.7)):
        parts = [
            drift(rows, [name for name in rows.columns if name.startswith("f")])["unusual"]
            for seed in range(0, features, 100)
            for rows in [remembering(min(100, features - seed), time=time, together=together, seed=1000 * time + seed)]
        ]
        shares[time, together] = pl.concat(parts).cast(pl.Float64).mean()
    each = [share for share in shares.values() if isinstance(share, float)]
    assert len(each) == 8
    assert 0.005 <= sum(each) / 8 <= 0.025, shares
    if features >= 1500:  # of fewer, symbols that move together make single shares uncertain.
        assert all(0.005 <= share <= 0.025 for share in each), shares


def test_a_shift_of_all_symbols_stands_out_and_one_of_a_single_symbol_is_listed() -> None:
    calm, moved = remembering(12, time=1, together=0.3), remembering(12, time=1, together=0.3, shift=2)
    assert not drift(calm, [f"f{i}" for i in range(12)])["drifted"].any()
    mixed = calm.with_columns(f3=moved["f3"])
    found = drift(mixed, [f"f{i}" for i in range(12)])
    assert found.filter(pl.col("feature") == "f3")["drifted"].all()
    assert found.filter("drifted").height <= 9, "one false discovery in ten is what it allows"
    lone = calm.with_columns(f3=pl.when(pl.col("symbol") == "S5").then(moved["f3"]).otherwise("f3"))
    found = drift(lone, [f"f{i}" for i in range(12)])
    assert not found["drifted"].any()
    assert ("f3", "S5") in found.filter("unusual").select("feature", "symbol").rows()


def test_of_very_many_symbols_each_gives_some_of_the_earlier_windows() -> None:
    values = {f"S{number}": np.arange(1095.0) + 10_000 * number for number in range(100)}
    pairs = _pairs(values, ["S3"], Drift())
    assert 1000 < len(pairs.past) <= MOST
    assert {*(pairs.past[:, 0] // 10_000)} == {*range(100)}
    assert len({*(pairs.past[:, 0] % 10_000)}) > 50, "at other times than each other"
    assert pairs.now[:, -1].tolist() == [31_094.0]


def test_labels_and_predictions_drift_as_numbers_do() -> None:
    rows = remembering(2, time=1, together=0.3)
    names = (
        pl.when(pl.col("f0") > 1)
        .then(pl.lit("BULL"))
        .when(pl.col("f0") < -1)
        .then(pl.lit("BEAR"))
        .otherwise(pl.lit("SIDE"))
    )
    labels = rows.select("symbol", "event_timestamp", label=names, up=pl.col("f1") > 0, f1="f1")
    assert not drift(labels, ["label", "up"])["drifted"].any()
    newest = pl.col("event_timestamp").rank("dense", descending=True) <= 30
    turned = labels.with_columns(label=pl.when(newest).then(pl.lit("BULL")).otherwise("label"))
    found = drift(turned, ["label", "up"])
    assert {*found.filter("drifted")["feature"]} == {"label"}
    assert {*found["feature"]} == {"label", "up"}
    (label, up) = by_feature(found).iter_rows(named=True)
    of_label = found.filter(feature="label")
    assert (label["feature"], label["symbols"], label["unusual"], label["drifted"]) == ("label", 8, 8, 8)
    assert (label["psi"], label["ks"], label["p"]) == (of_label["psi"].max(), of_label["ks"].max(), of_label["p"].min())
    assert up["until"] == rows["event_timestamp"].max()


def test_symbols_that_ended_or_are_young_are_not_judged_and_nulls_are_left_out() -> None:
    rows = remembering(1, time=1, together=0)
    last = pl.col("event_timestamp").max()
    ended = (pl.col("symbol") == "S0") & (pl.col("event_timestamp") > last - timedelta(days=40))
    young = (pl.col("symbol") == "S1") & (pl.col("event_timestamp") < last - timedelta(days=390))
    found = drift(rows.filter(~ended & ~young), ["f0"])
    assert found["symbol"].to_list() == [f"S{i}" for i in range(2, 8)]
    holes = rows.with_columns(
        f0=pl.when(pl.col("event_timestamp").dt.day() > 20).then(pl.lit(math.nan)).otherwise("f0")
    )
    dense = holes.filter(pl.col("f0").is_not_nan())
    assert drift(holes, ["f0"]).drop("event_timestamp").equals(drift(dense, ["f0"]).drop("event_timestamp"))
    assert drift(rows.with_columns(f0=pl.lit(1.0)), ["f0"])["unusual"].any() is False


def test_a_feature_without_enough_earlier_windows_is_left_out() -> None:
    rows = remembering(1, time=1, together=0)
    assert drift(rows.filter(pl.col("symbol") == "S0"), ["f0"]).is_empty(), "70 windows do not tell one in a hundred"
    assert drift(rows.filter(pl.col("symbol") == "S0"), ["f0"], Drift(level=0.05)).height == 1
    assert drift(rows.clear(), ["f0"]).is_empty()
    assert drift(rows, []).schema == SCHEMA


def test_prices_volumes_and_what_is_smooth_are_not_watched() -> None:
    assert {*watched(price_features)}.isdisjoint(
        {"ma_5", "ma_60", "atr_14", "macd_diff", "ma_20_60_ratio", "volatility_60d"}
    )
    assert {"return_1d", "rsi_14"} <= {*watched(price_features)}
    assert watched(trading_signals) == ("can_buy", "should_sell", "signal_strength")
    assert watched(regime_features) == ("regime_label", "regime_probability"), "forecasts, however smooth"


def group(how: Drift | None) -> FeatureGroup:
    feature = Feature("x", pl.col("close"), "", "quote currency")
    return FeatureGroup("mine", bars=daily_candles, features=[feature], drift=how)


def test_a_group_says_what_is_watched() -> None:
    assert watched(group(None)) == watched(group(Drift())) == ()
    assert watched(group(Drift(features=["x"]))) == ("x",)
    with pytest.raises(UnknownNameError, match="unknown feature of mine 'y'"):
        group(Drift(features=["y"]))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"window": 9}, "window=9 and reference=365; expected 10 values or more"),
        ({"reference": 59}, "window=30 and reference=59"),
        ({"history": 424}, "history=424; expected 425 values or more"),
        ({"level": 0}, "level=0; expected a share"),
        ({"level": 1.0}, "level=1.0; expected a share"),
    ],
)
def test_a_watch_that_can_see_nothing_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"^Drift declares {said}"):
        Drift(**wrong)
