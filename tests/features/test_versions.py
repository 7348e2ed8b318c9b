"""A version changes when a value does, and not otherwise: over fifty edits of the project's own source."""

from collections.abc import Callable
from pathlib import Path

import pytest

import crypto_features
from crypto_features.shipped import catalog
from tests.features.edits import Edit, edited

Changed = dict[str, set[str]]
PRICE, VOLUME, REGIME, SIGNALS = catalog.groups
DAILY, MODEL = "daily_candles", "regime_model"
LABELS = {"regime_label", "regime_probability", "regime_duration"}
FITTED = {REGIME: LABELS, MODEL: {"parameters"}}
DAYS = {"open", "high", "low", "close", "volume", "completeness"}


def price(*names: str) -> Changed:
    return {PRICE: set(names)}


SAME: dict[str, tuple[Edit, ...]] = {
    "a mean by the library's rolling kernel": (
        ("shipped.price", "window_mean(CLOSE, bars), f", "CLOSE.rolling_mean(bars), f"),
    ),
    "a sum from its mean": (("compute.windows", "doubling.sums(known, bars)", "doubling.means(known, bars) * bars"),),
    "a mean by convolution": (
        ("compute.doubling", "_joined(part, bars, _join_means)", 'np.convolve(part, np.full(bars, 1 / bars), "valid")'),
    ),
    "a reworded description": (("shipped.price", "− 1.", "minus 1."),),
    "another unit": (("shipped.price", '"ratio per day"', '"ratio"'),),
    "other bounds": (("shipped.price", "bounds=(0, 100)", "bounds=(1, 99)"),),
    "a comment": (
        (
            "compute.indicators",
            "    price = typical_price()",
            "    # the mean of three prices\n    price = typical_price()",
        ),
    ),
    "a docstring": (("compute.windows", "Sum of the last", "Total of the last"),),
    "a renamed helper": (
        ("shipped.price", "def _return(", "def _simple_return("),
        ("shipped.price", " _return(", " _simple_return("),
    ),
    "a renamed parameter": (
        ("compute.indicators", "def price_return(bars: int)", "def price_return(days: int)"),
        ("compute.indicators", "CLOSE.shift(bars) - 1", "CLOSE.shift(days) - 1"),
    ),
    "features in another order": (
        ("shipped.price", "        _return(1),\n        _return(5),\n", "        _return(5),\n        _return(1),\n"),
    ),
    "a longer time to live": (("shipped.price", 'ttl="1d"', 'ttl="2d"'),),
    "a return written as a difference": (
        ("compute.indicators", "CLOSE / CLOSE.shift(bars) - 1", "(CLOSE - CLOSE.shift(bars)) / CLOSE.shift(bars)"),
    ),
    "a deviation by the library's rolling kernel": (
        (
            "compute.indicators",
            "window_deviation(price_return(1), bars, ddof=1)",
            "price_return(1).rolling_std(bars, ddof=1)",
        ),
    ),
    "an algebraic rewriting of %b": (
        (
            "shipped.price",
            '(CLOSE / MA_20 - 1) / pl.col("bb_width") + 0.5',
            '(CLOSE - MA_20 + MA_20 * pl.col("bb_width") / 2) / (MA_20 * pl.col("bb_width"))',
        ),
    ),
    "RSI by relative strength": (("compute.indicators", "100 / (1 + loss / gain)", "100 * gain / (gain + loss)"),),
    "a typical price by division": (
        ("compute.indicators", "pl.mean_horizontal(HIGH, LOW, CLOSE)", "(HIGH + LOW + CLOSE) / 3"),
    ),
    "an unused feature helper": (
        ("compute.indicators", "def atr(", "def unused() -> pl.Expr:\n    return CLOSE\n\n\ndef atr("),
    ),
    "a constant given a name": (
        ("shipped.price", "bollinger_width(20, 2)", "bollinger_width(20, TWO)"),
        ("shipped.price", "MA_5, MA_20, MA_60 =", "TWO = 2\nMA_5, MA_20, MA_60 ="),
    ),
    "the other way round": (
        ("shipped.signals", "exceeds(_MA_5, CLOSE) | _LAST_OF_DAY", "_LAST_OF_DAY | exceeds(_MA_5, CLOSE)"),
    ),
}
CHANGED: dict[str, tuple[tuple[Edit, ...], Changed]] = {
    "smoothing that forgets too early": (
        (("compute.doubling", "_FORGOTTEN = 2.0**-53", "_FORGOTTEN = 2.0**-12"),),
        price("macd_diff", "rsi_14", "atr_14", "atr_ratio")
        | {SIGNALS: {"signal_strength"}, MODEL: {"parameters"}, REGIME: {"regime_probability"}},
    ),
    "a zero-filled warm-up": (
        (("compute.indicators", "means[: skip + bars - 1] = np.nan", "means[: skip + bars - 1] = 0.0"),),
        price("macd_diff"),
    ),
    "not strictly above": ((("shipped.price", "exceeds(MA_5, MA_20)", "(MA_5 >= MA_20)"),), price("ma_alignment")),
    "nulls filled with 0": (
        (("shipped.price", "window_mean(CLOSE, bars), f", "window_mean(CLOSE, bars).fill_null(0.0), f"),),
        price("ma_5", "ma_20", "ma_60", "ma_alignment") | FITTED | {SIGNALS: {"can_buy", "should_sell"}},
    ),
    "RSI over 13 bars": ((("shipped.price", "rsi(14)", "rsi(13)"),), price("rsi_14") | FITTED),
    "ATR over 15 bars": (
        (("shipped.price", "            atr(14)", "            atr(15)"),),
        price("atr_14", "atr_ratio") | {SIGNALS: {"signal_strength"}},
    ),
    "bands of 2.1 deviations": (
        (("shipped.price", "bollinger_width(20, 2)", "bollinger_width(20, 2.1)"),),
        price("bb_width", "bb_position") | FITTED,
    ),
    "bands of 21 bars": (
        (("shipped.price", "bollinger_width(20, 2)", "bollinger_width(21, 2)"),),
        price("bb_width", "bb_position") | FITTED,
    ),
    "sample instead of population": (
        (("compute.indicators", "window_deviation(CLOSE, bars, ddof=0)", "window_deviation(CLOSE, bars, ddof=1)"),),
        price("bb_width", "bb_position") | FITTED,
    ),
    "population instead of sample": (
        (("compute.indicators", "bars, ddof=1)", "bars, ddof=0)"),),
        price("volatility_20d", "volatility_60d") | FITTED,
    ),
    "a log return": (
        (("compute.indicators", "CLOSE / CLOSE.shift(bars) - 1", "(CLOSE / CLOSE.shift(bars)).log()"),),
        price("return_1d", "return_5d", "return_20d", "volatility_20d", "volatility_60d") | FITTED,
    ),
    "another macd window": ((("shipped.price", "fast=12", "fast=11"),), price("macd_diff")),
    "another macd signal": ((("shipped.price", "signal=9", "signal=8"),), price("macd_diff")),
    "a longer warm-up": (
        (("compute.indicators", "means[: skip + bars - 1] = np.nan", "means[: skip + bars] = np.nan"),),
        price("macd_diff"),
    ),
    "the open over the low": (
        (("compute.indicators", "CLOSE - window_min(LOW, bars)", "OPEN - window_min(LOW, bars)"),),
        price("stoch_k_14"),
    ),
    "the open for the close": (
        (("shipped.price", "window_mean(CLOSE, bars), f", "window_mean(pl.col('open'), bars), f"),),
        price(
            "ma_5",
            "ma_20",
            "ma_60",
            "ma_5_20_ratio",
            "ma_20_60_ratio",
            "price_ma_20_ratio",
            "ma_alignment",
            "bb_position",
        )
        | FITTED
        | {SIGNALS: {"can_buy", "should_sell"}},
    ),
    "true range without the previous close": (
        (("compute.indicators", "pl.max_horizontal(HIGH, previous)", "HIGH"),),
        price("atr_14", "atr_ratio") | {SIGNALS: {"signal_strength"}},
    ),
    "the first value as seed": (
        (("compute.indicators", "1 / bars, seed=bars", "1 / bars, seed=1"),),
        price("rsi_14", "atr_14", "atr_ratio")
        | {SIGNALS: {"signal_strength"}, MODEL: {"parameters"}, REGIME: {"regime_probability"}},
    ),
    "a reversed comparison": (
        (("shipped.price", "exceeds(MA_5, MA_20)", "exceeds(MA_20, MA_5)"),),
        price("ma_alignment") | FITTED,
    ),
    "a swapped pair": ((("shipped.price", "MA_20 / MA_60,", "MA_60 / MA_20,"),), price("ma_20_60_ratio")),
    "a changed type": (
        (("shipped.price", '"0, 0.5 or 1",', '"0, 0.5 or 1",\n            dtype=pl.Float32,'),),
        price("ma_alignment"),
    ),
    "not null when flat": (
        (("compute.indicators", "100 / (1 + loss / gain)", "(100 / (1 + loss / gain)).fill_nan(100.0)"),),
        price("rsi_14"),
    ),
    "a helper two calls deep": (
        (("compute.doubling", "apart *= apart", "np.abs(apart, out=apart)"),),
        price("volatility_20d", "volatility_60d", "bb_width", "bb_position") | FITTED,
    ),
    "a shorter lookback": (
        (("shipped.regime", '    lookback="500d"', '    lookback="40d"'),),
        {REGIME: LABELS},
    ),
    "a ratio in percent": (
        (("shipped.volume", 'VOLUME / pl.col("volume_ma_20"),', '100 * VOLUME / pl.col("volume_ma_20"),'),),
        {VOLUME: {"volume_ratio"}},
    ),
    "another volume window": (
        (("shipped.volume", "window_mean(VOLUME, 5)", "window_mean(VOLUME, 6)"),),
        {VOLUME: {"volume_trend"}},
    ),
    "volume without − 1": (
        (("shipped.volume", 'pl.col("volume_ma_20") - 1', 'pl.col("volume_ma_20")'),),
        {VOLUME: {"volume_trend"}},
    ),
    "money flow over 13 bars": (
        (("shipped.volume", "money_flow_index(14)", "money_flow_index(13)"),),
        {VOLUME: {"mfi_14"}},
    ),
    "unchanged prices counted as rises": (
        (("compute.indicators", "change > ROUNDING", "change > -1e-12"),),
        {VOLUME: {"mfi_14"}},
    ),
    "a bar without range counted as bought": (
        (("compute.indicators", "pl.when(spread == 0).then(0.0)", "pl.when(spread == 0).then(1.0)"),),
        {VOLUME: {"cmf_20"}},
    ),
    "close for typical price": (
        (("shipped.volume", "VOLUME * typical_price()", "VOLUME * pl.col('close')"),),
        {VOLUME: {"dollar_volume"}},
    ),
    "another k": (
        (("shipped.signals", "K = 0.5", "K = 0.6"),),
        {SIGNALS: {"target_price", "can_buy", "signal_strength"}},
    ),
    "the breakout strictly above": (
        (("shipped.signals", "CLOSE >= _LEAST", "CLOSE > _TARGET * (1 + ROUNDING)"),),
        {SIGNALS: {"can_buy"}},
    ),
    "a sale at ma_20": (
        (("shipped.signals", "exceeds(_MA_5, CLOSE)", "exceeds(_MA_20, CLOSE)"),),
        {SIGNALS: {"should_sell"}},
    ),
    "no sale at the end of the day": (
        (("shipped.signals", "exceeds(_MA_5, CLOSE) | _LAST_OF_DAY", "exceeds(_MA_5, CLOSE)"),),
        {SIGNALS: {"should_sell"}},
    ),
    "a target from the high alone": (
        (
            (
                "shipped.signals",
                'pl.col("daily_candles.high") - pl.col("daily_candles.low")',
                'pl.col("daily_candles.high") - pl.col("open")',
            ),
        ),
        {SIGNALS: {"target_price", "can_buy", "signal_strength"}},
    ),
    "the rule entered at 1.2": (
        (("shipped.regime_filter", "ENTER, LEAVE, STAY = 1.0", "ENTER, LEAVE, STAY = 1.2"),),
        FITTED,
    ),
    "the rule left at 0": (
        (("shipped.regime_filter", "1.0, 0.25, 5", "1.0, 0.0, 5"),),
        FITTED,
    ),
    "a prior of fewer rows": ((("shipped.regime_model", "PRIOR_ROWS = 2000", "PRIOR_ROWS = 100"),), FITTED),
    "an uncalibrated probability": (
        (
            (
                "shipped.regime",
                "calibrated(posterior.max(axis=-1).T[own.T], *calibration.T)",
                "posterior.max(axis=-1).T[own.T]",
            ),
        ),
        {REGIME: {"regime_probability"}},
    ),
    "duration from 1": (
        (("shipped.regime", ".dt.total_days()", ".dt.total_days().add(1)"),),
        {REGIME: {"regime_duration"}},
    ),
    "each month by the newest parameters": (
        (("shipped.regime", "    posterior = forward", "    in_force[:] = len(models) - 1\n    posterior = forward"),),
        {REGIME: LABELS},
    ),
    "durations counted to 366": (
        (("shipped.regime", "LONGEST = 365", "LONGEST = 366"),),
        {REGIME: {"regime_duration"}},
    ),
    "a shorter regime window": ((("shipped.regime", '"500d"', '"499d"'),), {REGIME: LABELS}),
    "a fit of a day less": (
        (("shipped.regime_model", 'LOOKBACK = "1461d"', 'LOOKBACK = "1460d"'),),
        {MODEL: {"parameters"}, REGIME: {"regime_probability"}},
    ),
    "a fit of a day more": (
        (("shipped.regime_model", 'LOOKBACK = "1461d"', 'LOOKBACK = "1462d"'),),
        {MODEL: {"parameters"}, REGIME: {"regime_probability"}},
    ),
    "a fit that knows its month": (
        (("tables.model", "(time <= start)", "(time <= start + timedelta(days=20))"),),
        FITTED,
    ),
    "joined rows of any age": (
        (("tables.partition", "        tolerance=join.lookback - _INSTANT,\n", ""),),
        {SIGNALS: {"should_sell"}},
    ),
    "joined rows of eight days": (
        (("shipped.signals", 'price_features, "7d"', 'price_features, "8d"'),),
        {SIGNALS: {"should_sell"}},
    ),
    "joined rows of one day": (
        (("shipped.signals", 'price_features, "7d"', 'price_features, "1d"'),),
        {SIGNALS: {"should_sell"}},
    ),
    "an unfinished day resampled": (
        (("compute.resample", 'over=(close <= pl.col("as_of")) &', 'over=(pl.col("open_time") <= pl.col("as_of")) |'),),
        {DAILY: DAYS},
    ),
    "a day's highest close as its high": (
        (("compute.resample", 'pl.col("high").max()', 'pl.col("close").max().alias("high")'),),
        price("atr_14", "atr_ratio", "stoch_k_14")
        | {
            DAILY: {"high"},
            VOLUME: {"cmf_20", "mfi_14", "dollar_volume"},
            SIGNALS: {"target_price", "can_buy", "signal_strength"},
        },
    ),
    "a day's first close as its open": (
        (("compute.resample", 'pl.col("open").first()', 'pl.col("close").first().alias("open")'),),
        {DAILY: {"open"}},
    ),
    "a day's mean volume": (
        (("compute.resample", 'pl.col("volume").sum()', 'pl.col("volume").mean()'),),
        {DAILY: {"volume"}, VOLUME: {f.name for f in catalog.groups[VOLUME].features}},
    ),
    "a completeness a thousandth off": (
        (("compute.resample", 'bars["present"].to_numpy() /', 'bars["present"].to_numpy() * 1.001 /'),),
        {DAILY: {"completeness"}},
    ),
    "bars that need more of their candles": (
        (("shipped.volume", "    name=", "    completeness=0.8,\n    name="),),
        {VOLUME: {f.name for f in catalog.groups[VOLUME].features}},
    ),
}


def versions() -> dict[str, dict[str, str]]:
    from crypto_features.shipped import catalog as present
    from crypto_features.versions.fingerprint import table_fingerprints

    return {table: dict(fingerprints) for table, fingerprints in table_fingerprints(present).items()}


@pytest.fixture(scope="module")
def original() -> dict[str, dict[str, str]]:
    return versions()


def changes(original: dict[str, dict[str, str]], *edits: Edit) -> Changed:
    with edited(*edits):
        now = versions()
    return {
        group: found
        for group, features in original.items()
        if (found := {name for name in features | now[group] if features.get(name) != now[group].get(name)})
    }


@pytest.mark.proof
def test_an_edit_that_keeps_the_values_keeps_every_version(
    original: dict[str, dict[str, str]], count: Callable[..., int]
) -> None:
    chosen = list(SAME)[:: count(ci=7, proof=1)]
    assert {name: changes(original, *SAME[name]) for name in chosen} == {name: {} for name in chosen}


@pytest.mark.proof
def test_an_edit_that_changes_values_changes_those_versions_and_no_others(
    original: dict[str, dict[str, str]], count: Callable[..., int]
) -> None:
    chosen = list(CHANGED)[:: count(ci=7, proof=1)]
    assert {name: changes(original, *CHANGED[name][0]) for name in chosen} == {n: CHANGED[n][1] for n in chosen}


def test_every_edit_finds_its_text() -> None:
    edits = [edit for group in (*SAME.values(), *(edits for edits, _ in CHANGED.values())) for edit in group]
    package = Path(crypto_features.__file__).parent
    lost = [edit for edit in edits if edit[1] not in (package / f"{edit[0].replace('.', '/')}.py").read_text()]
    assert lost == []


def test_there_are_over_forty_edits() -> None:
    assert len(SAME) + len(CHANGED) >= 40
