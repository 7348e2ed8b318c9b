import subprocess
import sys
from importlib import import_module
from inspect import signature

import numpy as np
import polars as pl
import pytest
import ta

from crypto_features.compute.ta_adapter import REFUSED, ta_indicator
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.leak import leak_test
from tests.features.markets import bars
from tests.features.planted import daily_feature

PRICES = {name: pl.col(name) for name in ("high", "low", "close", "volume")}
CLOSE = [10.0 + n % 5 for n in range(120)]


def test_the_warm_up_is_null_whatever_ta_fills_in() -> None:
    mass = ta_indicator("trend.MassIndex.mass_index", warm_up=40, high=pl.col("high"), low=pl.col("low"))
    column = walk(120).select(mass.alias("mass"))["mass"]
    assert column[:40].null_count() == 40
    assert column[40:].null_count() == 0


def test_history_shorter_than_the_warm_up_is_null_where_ta_raises() -> None:
    stc = ta_indicator("trend.STCIndicator.stc", warm_up=80, close=pl.col("close"))
    assert bars(CLOSE[:20]).select(stc.alias("stc"))["stc"].null_count() == 20


def test_declaring_features_imports_neither_pandas_nor_ta() -> None:
    program = "import sys, crypto_features.shipped; print(sorted({'pandas', 'ta'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "[]\n"


def test_lineage_shows_through_the_adapter() -> None:
    stoch = ta_indicator(
        "momentum.StochasticOscillator.stoch", warm_up=13, **{k: PRICES[k] for k in ("high", "low", "close")}
    )
    assert set(stoch.meta.root_names()) == {"high", "low", "close"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("trend.KSTIndicator.kst", {}),
        ("trend.KSTIndicator.kst_sig", {}),
        ("trend.IchimokuIndicator.ichimoku_a", {"visual": True}),
        ("trend.PSARIndicator.psar", {}),
        ("trend.AroonIndicator.aroon_up", {}),
        ("volume.OnBalanceVolumeIndicator.on_balance_volume", {}),
        ("trend.VortexIndicator.vortex_indicator_pos", {}),
        ("trend.ADXIndicator.adx", {}),
        ("volatility.AverageTrueRange.average_true_range", {}),
        ("volatility.KeltnerChannel.keltner_channel_hband", {"original_version": False}),
        ("momentum.StochRSIIndicator.stochrsi_k", {}),
        ("momentum.UltimateOscillator.ultimate_oscillator", {}),
        ("trend.TRIXIndicator.trix", {"fillna": True}),
        ("trend.DPOIndicator.dpo", {"fillna": True}),
        ("momentum.KAMAIndicator.kama", {}),
        ("momentum.ROCIndicator.roc", {"fillna": True}),
    ],
)
def test_an_indicator_that_cheats_is_refused_with_the_reason(name: str, options: dict[str, bool]) -> None:
    indicator = name.rpartition(".")[0]
    with pytest.raises(InputError, match=indicator) as raised:
        ta_indicator(name, warm_up=0, close=pl.col("close"), **options)
    reasons = [*REFUSED.values(), "invents values for its warm-up"]
    assert any(reason in str(raised.value) for reason in reasons)


def test_ichimoku_is_served_as_it_was_known_not_as_it_is_drawn() -> None:
    honest = ta_indicator("trend.IchimokuIndicator.ichimoku_a", warm_up=25, high=pl.col("high"), low=pl.col("low"))
    drawn = ta.trend.IchimokuIndicator(bars(CLOSE)["high"].to_pandas(), bars(CLOSE)["low"].to_pandas(), visual=True)
    assert bars(CLOSE).select(honest.alias("a"))["a"].null_count() == 25
    assert drawn.ichimoku_a()[:25].notna().sum() == 25


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trends.MACD.macd", "unknown module of ta 'trends' .did you mean 'trend'"),
        ("trend.MACDD.macd", "unknown indicator of ta.trend 'MACDD' .did you mean 'MACD'"),
        ("trend.MACD.macddiff", "unknown method of ta.trend.MACD 'macddiff' .did you mean 'macd_diff'"),
    ],
)
def test_an_unknown_name_says_what_there_is(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        ta_indicator(name, warm_up=0, close=pl.col("close"))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, InputError, r"needs high, low as well; add high=pl.col\('high'\), low=pl.col\('low'\)\."),
        ({"widow": 20}, UnknownNameError, r"'widow' \(did you mean 'window'\?\)"),
        ({"high": 3.0}, InputError, "takes high as an expression, such as"),
        ({"window": pl.col("volume")}, InputError, "takes window as a constant"),
    ],
)
def test_arguments_are_held_to_those_of_the_indicator_where_it_is_declared(
    arguments: dict[str, pl.Expr | float], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ta_indicator("trend.CCIIndicator.cci", warm_up=19, close=pl.col("close"), **arguments)


@pytest.mark.parametrize(
    ("name", "warm_up", "window", "columns"),
    [
        ("trend.CCIIndicator.cci", 19, 20, ("high", "low", "close")),
        ("momentum.TSIIndicator.tsi", 37, 767, ("close",)),
        ("volatility.DonchianChannel.donchian_channel_wband", 19, 20, ("high", "low", "close")),
    ],
)
def test_an_indicator_of_the_long_tail_passes_the_leak_test(
    name: str, warm_up: int, window: int, columns: tuple[str, ...]
) -> None:
    expression = ta_indicator(name, warm_up=warm_up, **{column: PRICES[column] for column in columns})
    report = leak_test(daily_feature(expression, window=window, warm_up=warm_up + 1))
    assert report.passed, str(report)


def _methods() -> list[tuple[str, tuple[str, ...]]]:
    """Every method of `ta` that is not refused, and the price series that it needs."""
    found = []
    for module in ("momentum", "others", "trend", "volatility", "volume"):
        for name, indicator in vars(import_module(f"ta.{module}")).items():
            if isinstance(indicator, type) and indicator.__module__ == f"ta.{module}":
                series = [p for p in signature(indicator).parameters if p in ("open", *PRICES)]
                methods = [m for m in vars(indicator) if m[0] != "_" and f"{module}.{name}" not in REFUSED]
                found += [(f"{module}.{name}.{method}", tuple(series)) for method in methods]
    return found


@pytest.mark.parametrize(("name", "series"), _methods())
def test_every_indicator_that_is_not_refused_depends_on_its_window_alone_to_the_bit(
    name: str, series: tuple[str, ...]
) -> None:
    options = {"window": 16} if "SMAIndicator" in name else {}
    expression = ta_indicator(name, warm_up=0, **{column: pl.col(column) for column in series}, **options)
    market = walk(2400)
    whole = market.select(expression.alias("value"))["value"]
    for start in (37, 101, 640):
        late = market[start:].select(expression.alias("value"))["value"]
        assert late[1100:].equals(whole[start:][1100:], null_equal=True)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("trend.MACD.macd_diff", ("close",)),
        ("momentum.RSIIndicator.rsi", ("close",)),
        ("volatility.BollingerBands.bollinger_hband", ("close",)),
        ("volume.ChaikinMoneyFlowIndicator.chaikin_money_flow", ("high", "low", "close", "volume")),
        ("trend.MassIndex.mass_index", ("high", "low")),
    ],
)
def test_a_value_is_that_of_ta_but_for_the_last_bits(name: str, columns: tuple[str, ...]) -> None:
    market = walk(1500, surge=1.0)
    module, indicator, method = name.split(".")
    made = getattr(import_module(f"ta.{module}"), indicator)(**{c: market[c].to_pandas() for c in columns})
    expected = pl.Series(getattr(made, method)().to_numpy())
    got = market.select(ta_indicator(name, warm_up=0, **{c: PRICES[c] for c in columns}).alias("value"))["value"]
    apart = (got[800:] - expected[800:]).abs().max()
    assert isinstance(apart, float)
    assert apart <= 1e-12 * float(market["close"].max() if "band" in name else 100)  # type: ignore[arg-type] # a price


def walk(length: int, surge: float = 1e9) -> pl.DataFrame:
    """Bars of a random walk, with a surge at bar 100 that a running sum remembers."""
    draw = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.02, length)))
    close[100] *= surge
    return bars(close.tolist()).with_columns(
        open=pl.col("close").shift(1, fill_value=100.0),
        high=pl.col("close") * (1 + draw.uniform(0, 0.02, length)),
        low=pl.col("close") * (1 - draw.uniform(0, 0.02, length)),
        volume=pl.Series(draw.uniform(1, 1e6, length)),
    )
