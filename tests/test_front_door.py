"""What a user imports is at the top, typed, and costs nothing until it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import crypto_features as cf

USER = '''\
"""A desk's own file, with each public name."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd
import polars as pl

import crypto_features as cf

candles: cf.RawTable = cf.RawTable("candles")
elsewhere: cf.RawTable = cf.RawTable("elsewhere", source="ccxt:okx")
funding: cf.RawTable = cf.RawTable("funding", rows=cf.FUNDING, source="archive")
interest: cf.RawTable = cf.RawTable("interest", rows=cf.DERIVATIVES, source="ccxt")


def scored(candles: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
    return candles.select("symbol", pl.col("open_time") + interval, score=pl.col("close"))


scores: cf.RawRows = cf.RawRows("scores", "score", (cf.Column("score", "none", "A score.", least=0),), scored)
h4: cf.Bars = cf.Bars("h4", of=candles, every="4h")
moves = cf.FeatureGroup(
    "moves",
    bars=h4,
    ttl="4h",
    joins=[cf.Join(h4, "2d", {"range": cf.HIGH - cf.LOW})],
    features=[
        cf.Feature("one", cf.price_return(6), "A return.", "ratio", window=7, bounds=(-1.0, 9.0)),
        cf.Feature("two", cf.rsi(14) + cf.atr(14) / cf.true_range(), "Oscillators.", "none", bounds=cf.POSITIVE),
        cf.Feature("three", cf.window_mean(cf.VOLUME, 5) - cf.window_sum(cf.OPEN, 5), "Windows.", "none"),
        cf.Feature("nine", cf.window_max(cf.HIGH, 5) - cf.window_min(cf.LOW, 5), "Channel.", "none"),
        cf.Feature("four", cf.window_deviation(cf.CLOSE, 20, ddof=1) * cf.volatility(20), "Spread.", "none"),
        cf.Feature("five", cf.wilder(cf.typical_price(), 14), "Smooth.", "quote", bounds=cf.NOT_NEGATIVE),
        cf.Feature("six", cf.chaikin_money_flow(20) + cf.money_flow_index(14), "Flow.", "none"),
        cf.Feature("ten", cf.adx(14) + cf.stochastic(14), "Trend.", "none", window=1024, warm_up=28),
        cf.Feature("eleven", cf.ema(cf.CLOSE, 9) + cf.macd(12, 26) + cf.macd_diff(12, 26, 9), "Smooth.", "none"),
        cf.Feature("seven", cf.bollinger_width(20, 2.0), "Bands.", "ratio"),
        cf.Feature("eight", cf.ta_indicator("trend.CCIIndicator.cci", warm_up=19, close=cf.CLOSE), "CCI.", "none"),
    ],
)

days: cf.Bars = cf.Bars("days", of=candles, every="1d")
there: cf.FeatureGroup = cf.universe("there", bars=days)
btc = cf.Join(days, "2d", {"move": cf.price_return(1)}, window=2, symbol="BTC", at="close", name="btc")
with_btc = (cf.price_return(1), pl.col("btc.move"), 20)
beside = cf.FeatureGroup(
    "beside",
    bars=days,
    joins=[btc],
    features=[
        cf.Feature("beta", cf.beta(*with_btc), "Beta.", "ratio", window=21),
        cf.Feature("tied", cf.window_correlation(*with_btc), "Correlation.", "ratio", window=21),
        cf.Feature("joint", cf.window_covariance(*with_btc), "Covariance.", "ratio", window=21),
    ],
)
among = cf.FeatureGroup(
    "among",
    bars=days,
    across="symbols",
    joins=[cf.Join(beside, "2d", at="close"), cf.Join(there, "2d", at="close")],
    universe=pl.col("there.volume_rank") >= 0.5,
    drift=cf.Drift(window=30, reference=365, features=["part"]),
    features=[
        cf.Feature("ranked", cf.rank("beside.beta") + cf.zscore("beside.beta"), "Rank.", "none"),
        cf.Feature("apart", cf.demean("close") / cf.dispersion("close"), "Distance.", "none"),
        cf.Feature("part", cf.share("volume") * cf.breadth(pl.col("close") > pl.col("open")), "Share.", "none"),
    ],
)


def fit(rows: pl.DataFrame, month: str) -> cf.Parameters:
    return {"height": float(rows.height), "length": float(len(month))}


def read(rows: pl.DataFrame, parameters: cf.Parameters) -> pl.DataFrame:
    return rows.select("symbol", "event_timestamp", share=pl.col("one") / parameters["height"])


def shares_of(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return cf.by_month(inputs["moves"], inputs["model"], read)


model: cf.FittedModel = cf.FittedModel("model", of=moves, features=("one",), lookback="90d", fit=fit)
theirs: cf.Borrowed = cf.Borrowed("prices", project="desk", bars=h4, features=["rsi"])
service: cf.FeatureService = cf.FeatureService("service", "Read together.", {"moves": ("one", "two")})
labels: list[cf.Label] = [
    cf.forward_return("return_2d", bars=h4, horizon="2d"),
    cf.direction("up_2d", bars=h4, horizon="2d", dead_band=0.01),
    cf.triple_barrier("touch_2d", bars=h4, horizon="2d", profit=2.0, stop=1.0, window=20),
    cf.Label("range_2d", bars=h4, horizon="2d", expression=pl.col("ahead.high") / pl.col("ahead.low") - 1),
]
walk: cf.WalkForward = cf.WalkForward(folds=5, embargo="2d", min_train="365d")
spans: list[cf.KFold | cf.Combinatorial] = [cf.KFold(folds=5), cf.Combinatorial(groups=6, test_groups=2)]
weights: cf.Weights = cf.Weights(uniqueness=True, half_life="365d")
events: cf.Cusum = cf.Cusum(h4, threshold=0.05)
features: list[cf.FeatureGroup | str] = [moves, "among:ranked"]
chosen = cf.TrainingSet("chosen", events, features=features, label=labels[0], weights=weights, folds=walk)
catalog: cf.Catalog = cf.Catalog(moves, model, among, *labels, chosen, cf.TrainingSet(service, rows=h4))

report: cf.LeakReport = cf.leak_test(moves)
leaks: tuple[cf.Leak, ...] = report.leaks
entities: pd.DataFrame = cf.create_entity_df(["BTC"], "2024-01-01", datetime(2024, 2, 1))
training: pd.DataFrame = cf.get_training_features(entities, "service")
shares: pd.DataFrame = cf.get_training_completeness(entities, "service")
online: cf.OnlineFeatures = cf.get_online_features(["BTC"], "service")
passport: cf.Passport = cf.Passport.of_service("service")
trained: cf.OnlineFeatures = cf.get_online_features(["BTC"], passport.refs, passport=passport)
held: cf.ParityReport = cf.parity("moves")
judged: cf.FeatureReport = cf.feature_report("moves:one", horizons=[1, 5])
held_against: cf.FeatureReport = cf.feature_report("moves:one", label=labels[0])
explained: cf.Explanation = cf.explain("BTC", "moves:one", since="2024-01-01")
cf.materialize_features()
cf.validate_feature_freshness()


async def ask() -> cf.OnlineFeatures:
    async for told in cf.watch_online_features(["BTC"], "service"):
        return told
    return await cf.get_online_features_async(["BTC"], "service")


def careful() -> str:
    try:
        return str(catalog["nothing"])
    except (cf.UnknownNameError, cf.InputError, cf.SettingsError) as error:
        return str(error)
    except cf.ConsumedError:
        return "read by others"
    except cf.PassportError:
        return "trained on another version"
    except (cf.TransientError, cf.PermanentError, cf.CryptoFeaturesError):
        raise
'''


def test_every_public_name_is_there() -> None:
    assert {name for name in cf.__all__ if not hasattr(cf, name)} == set()


def test_the_file_below_uses_every_public_name() -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse(USER))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cf"
    }
    assert used == set(cf.__all__)


@pytest.mark.timeout(600)
def test_a_user_s_file_is_clean_under_strict_types(tmp_path: Path) -> None:
    file = tmp_path / "desk.py"
    file.write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.strip() == "Success: no issues found in 1 source file", done.stdout + done.stderr


def test_importing_the_front_door_loads_no_library() -> None:
    program = (
        "import sys, crypto_features; print(sorted({'polars', 'pandas', 'feast', 'dagster'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "[]\n"
