"""Every formula against an example that was worked out by hand."""

import math

import pytest

from crypto_features.shipped import catalog
from crypto_features.tables.derived import inputs_of
from crypto_features.tables.feature import POSITIVE, Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import every_row
from crypto_features.versions.probe_market import probe_market
from tests.features.markets import HOUR, bars, values

PRICE, VOLUME = catalog.groups["price_features"], catalog.groups["volume_features"]
RISING = [float(n) for n in range(1, 121)]


def last(feature: str, close: list[float], **columns: list[float]) -> float | None:
    group = PRICE if feature in {f.name for f in PRICE.features} else VOLUME
    return values(group, feature, bars(close, columns=columns))[-1]


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("return_1d", 120 / 119 - 1),
        ("return_5d", 120 / 115 - 1),
        ("return_20d", 120 / 100 - 1),
        ("ma_5", 118.0),
        ("ma_20", 110.5),
        ("ma_60", 90.5),
        ("ma_5_20_ratio", 118 / 110.5),
        ("ma_20_60_ratio", 110.5 / 90.5),
        ("price_ma_20_ratio", 120 / 110.5),
        ("rsi_14", 100.0),
        ("ma_alignment", 1.0),
        # 1 … 20 has the population variance (20² − 1) / 12.
        ("bb_width", 4 * math.sqrt(399 / 12) / 110.5),
        ("bb_position", (9.5 + 2 * math.sqrt(399 / 12)) / (4 * math.sqrt(399 / 12))),
        # each bar opens and closes on one price, so its true range is the step of 1.
        ("atr_14", 1.0),
        ("atr_ratio", 1 / 120),
        ("stoch_k_14", 100.0),
    ],
)
def test_a_price_that_rises_by_one_a_day(feature: str, expected: float) -> None:
    assert last(feature, RISING) == pytest.approx(expected, rel=1e-12)


def test_volatility_is_the_sample_deviation_of_daily_returns() -> None:
    close = [100.0]
    for i in range(20):
        close.append(close[-1] * (1.10 if i % 2 else 0.90))
    # ten returns of +10 % and ten of −10 %: mean 0, sum of squares 20 · 0.01, divided by 19.
    assert last("volatility_20d", close) == pytest.approx(math.sqrt(0.2 / 19), rel=1e-12)


def test_rsi_starts_from_the_mean_change_and_weighs_the_newest_by_a_fourteenth() -> None:
    close = [10.0, *[11.0] * 14, 8.0]
    # one gain of 1 in fourteen changes; then a loss of 3.
    gain, loss = 1 / 14 * 13 / 14, 3 / 14
    assert last("rsi_14", close[:-1]) == 100.0
    assert last("rsi_14", close) == pytest.approx(100 * gain / (gain + loss), rel=1e-12)


def test_true_range_reaches_to_the_previous_close() -> None:
    flat = [100.0] * 14
    close, high, low = [*flat, 110.0], [*flat, 112.0], [*flat, 108.0]
    # max(112, 100) − min(108, 100) = 12, beside thirteen bars of 0.
    assert last("atr_14", close, high=high, low=low) == pytest.approx(12 / 14, rel=1e-12)


def test_ma_alignment_counts_each_pair_for_a_half() -> None:
    assert last("ma_alignment", RISING[::-1]) == 0.0
    fell_then_rose = [*RISING[::-1][:115], *[6.0 + 5 * n for n in range(5)]]
    assert last("ma_alignment", fell_then_rose) == 0.5


def test_macd_of_a_steady_rise_settles_where_its_means_lag_apart() -> None:
    steady = [float(n) for n in range(1, 600)]
    # an exponential mean of span n lags (n − 1) / 2 bars: MACD = 12.5 − 5.5 = 7 forever, so it minus its signal is 0.
    assert last("macd_diff", steady) == pytest.approx(0.0, abs=1e-9)


def test_stochastic_places_the_close_between_the_extremes_of_14_bars() -> None:
    close, high, low = [15.0] * 13 + [12.0], [20.0] * 14, [10.0] * 14
    assert last("stoch_k_14", close, high=high, low=low) == pytest.approx(20.0, rel=1e-12)


def test_volume_is_held_against_its_mean() -> None:
    volume = [10.0] * 15 + [20.0] * 5
    assert last("volume_ma_20", [1.0] * 20, volume=volume) == 12.5
    assert last("volume_ratio", [1.0] * 20, volume=volume) == pytest.approx(20 / 12.5, rel=1e-15)
    assert last("volume_trend", [1.0] * 20, volume=volume) == pytest.approx(20 / 12.5 - 1, rel=1e-15)


def test_dollar_volume_is_volume_times_the_typical_price() -> None:
    assert last("dollar_volume", [9.0], high=[12.0], low=[6.0], volume=[5.0]) == 45.0


def test_chaikin_money_flow_weighs_volume_by_where_the_close_lies() -> None:
    # nineteen bars close in the middle of their range and count 0, the last closes at its high and counts 1.
    close, high, low = [15.0] * 19 + [20.0], [20.0] * 20, [10.0] * 20
    volume = [1.0] * 19 + [21.0]
    assert last("cmf_20", close, high=high, low=low, volume=volume) == pytest.approx(21 / 40, rel=1e-15)


def test_money_flow_index_is_the_share_of_money_on_rising_bars() -> None:
    close = [10.0, *[10.0 + (1 if i % 2 else 0) for i in range(1, 15)]]
    # from the second bar: 11 and 10 in turn, seven rises of 11 and seven falls of 10.
    assert last("mfi_14", close) == pytest.approx(100 * 77 / (77 + 70), rel=1e-15)


@pytest.mark.parametrize("group", [PRICE, VOLUME], ids=lambda group: group.name)
def test_a_value_is_null_until_its_window_is_full_and_never_after(group: FeatureGroup) -> None:
    close = [100 * 1.01 ** (n % 7) for n in range(100)]
    daily = bars(close, columns={"high": [c * 1.02 for c in close], "low": [c * 0.97 for c in close]})
    for feature in group.features:
        column = values(group, feature.name, daily)
        assert column[: feature.warm_up - 1] == [None] * (feature.warm_up - 1), feature.name
        assert None not in column[feature.warm_up - 1 :], feature.name


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("return_20d", 0.0),
        ("volatility_20d", 0.0),
        ("bb_width", 0.0),
        ("bb_position", None),
        ("rsi_14", None),
        ("stoch_k_14", None),
        ("ma_alignment", 0.0),
        ("atr_14", 0.0),
        ("cmf_20", 0.0),
        ("mfi_14", None),
    ],
)
def test_a_flat_market_gives_the_definitions_value_or_null(feature: str, expected: float | None) -> None:
    assert last(feature, [0.1] * 100) == expected


def test_a_market_without_volume_has_no_volume_ratio() -> None:
    for feature in ("volume_ratio", "volume_trend", "cmf_20", "mfi_14"):
        assert last(feature, RISING, volume=[0.0] * 120) is None
    assert last("volume_ma_20", RISING, volume=[0.0] * 120) == 0.0


def test_a_spike_leaves_no_trace_after_it_has_left_the_window() -> None:
    calm = [1e-8 * (1 + n % 5) for n in range(200)]
    spiked = [*calm[:100], 1e9, *calm[101:]]
    for feature in ("ma_60", "bb_width", "volatility_60d"):
        assert values(PRICE, feature, bars(spiked))[-1] == values(PRICE, feature, bars(calm))[-1]


@pytest.mark.parametrize("group", catalog.groups.values(), ids=catalog.groups)
def test_every_value_of_the_probe_market_lies_within_the_declared_bounds(group: FeatureGroup) -> None:
    inputs = inputs_of(group, probe_market(), interval=HOUR)
    rows = every_row(group, inputs, interval=HOUR)
    for feature in group.features:
        if feature.bounds is not None:
            low, high = feature.bounds
            rounding = 1e-12 if math.isfinite(high) else 0.0
            values = rows[feature.name].drop_nulls().to_list()
            assert low - rounding <= min(values) <= max(values) <= high + rounding, feature.name


def test_every_feature_but_labels_and_differences_declares_bounds() -> None:
    unbounded = {f.name for group in catalog.groups.values() for f in group.features if f.bounds is None}
    assert unbounded == {"macd_diff", "regime_label", "signal_strength"}


@pytest.mark.parametrize(
    ("bounds", "text"),
    [(None, ""), ((0, 100), "0 to 100"), ((-1, math.inf), "-1 or more"), (POSITIVE, "more than 0")],
)
def test_bounds_read_as_a_sentence(bounds: tuple[float, float] | None, text: str) -> None:
    assert Feature("x", None, "", "", bounds=bounds).range == text
