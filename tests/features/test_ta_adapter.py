import subprocess
import sys

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
    atr = ta_indicator(
        "volatility.AverageTrueRange.average_true_range",
        warm_up=13,
        high=pl.col("high"),
        low=pl.col("low"),
        close=pl.col("close"),
    )
    column = bars(CLOSE).select(atr.alias("atr"))["atr"]
    assert column[:13].null_count() == 13
    assert column[13:].null_count() == 0


def test_history_shorter_than_the_warm_up_is_null_where_ta_raises() -> None:
    adx = ta_indicator("trend.ADXIndicator.adx", warm_up=27, **{k: PRICES[k] for k in ("high", "low", "close")})
    assert bars(CLOSE[:20]).select(adx.alias("adx"))["adx"].null_count() == 20


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
        ("trend.VortexIndicator.vortex_indicator_pos", {"fillna": True}),
        ("trend.TRIXIndicator.trix", {"fillna": True}),
        ("trend.DPOIndicator.dpo", {"fillna": True}),
        ("momentum.KAMAIndicator.kama", {"fillna": True}),
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
    ("name", "warm_up", "columns", "recursive"),
    [
        ("trend.CCIIndicator.cci", 19, ("high", "low", "close"), False),
        ("trend.ADXIndicator.adx", 27, ("high", "low", "close"), True),
        ("volatility.DonchianChannel.donchian_channel_wband", 19, ("high", "low", "close"), False),
    ],
)
def test_an_indicator_of_the_long_tail_passes_the_leak_test(
    name: str, warm_up: int, columns: tuple[str, ...], *, recursive: bool
) -> None:
    expression = ta_indicator(name, warm_up=warm_up, **{column: PRICES[column] for column in columns})
    report = leak_test(daily_feature(expression, window=warm_up + 1, recursive=recursive))
    assert report.passed, str(report)
