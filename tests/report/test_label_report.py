"""The report on a feature against a label: equal to SciPy's, and blind to what a label's window does not hold."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

import crypto_features as cf
from crypto_features import catalogs
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.table import stored
from crypto_features.report import FeatureReport, feature_report
from crypto_features.report.labels import Labels, labels_of
from crypto_features.settings import Settings
from tests.catalog_page import desk
from tests.features.markets import DAY, START

FEATURE = "momentum:return_3"


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog of this process is a desk's, of 6 symbols and 120 days."""
    monkeypatch.setattr(catalogs, "_load", lambda _: desk.catalog)
    desk.fill(desk.catalog)


def closes() -> np.ndarray:
    """Days by symbols."""
    return desk.market(6, 120)["close"].to_numpy().reshape(6, 120).T


def test_a_forward_return_as_a_label_gives_what_returns_of_its_horizon_give() -> None:
    label, returns = feature_report(FEATURE, label="ahead_3d"), feature_report(FEATURE, horizons=[3])
    assert (label.label, returns.label) == ("ahead_3d", "")
    assert_frame_equal(label.by_horizon, returns.by_horizon)
    assert_frame_equal(label.by_year, returns.by_year)
    assert_frame_equal(label.by_regime, returns.by_regime)
    assert_frame_equal(label.series, returns.series)
    assert label.by_horizon["block"][0] >= 9, "three times the window, for labels that overlap"
    assert str(label).startswith(f"{FEATURE}: rank IC with ahead_3d across symbols, 6 symbols")


def test_coefficients_are_scipy_s_with_the_label_computed_by_hand() -> None:
    highest = cf.Label(
        "high_2d", bars=desk.days, horizon="2d", expression=pl.col("ahead.high").log() - pl.col("close").log()
    )
    found, close = feature_report(FEATURE, label=highest), closes()
    expected = []
    for day in range(3, 118):
        value = close[day] / close[day - 3] - 1
        outcome = np.log(close[day + 1 : day + 3].max(axis=0)) - np.log(close[day])
        expected.append(stats.spearmanr(value, outcome).statistic)
    assert found.series["ic"].to_list() == pytest.approx(expected)
    assert found.by_horizon["horizon"].to_list() == [2]
    assert found.by_horizon["ic"][0] == pytest.approx(np.mean(expected))
    later = [
        stats.spearmanr(close[d] / close[d - 3] - 1, close[d + 8] / close[d + 5] - 1).statistic for d in range(3, 112)
    ]
    (decayed,) = feature_report(FEATURE, label="ahead_3d").decay.filter(delay=5)["ic"]
    assert decayed == pytest.approx(np.mean(later)), "a label five bars later"


def test_no_label_counts_whose_window_passes_the_end_and_a_shorter_past_has_the_same_coefficients() -> None:
    whole = feature_report(FEATURE, label="ahead_3d")
    last = START + 120 * DAY
    assert whole.series["event_timestamp"].max() == last - 3 * DAY
    until = last - 30 * DAY
    for table, time, length in (("days", "open_time", DAY), ("momentum", "event_timestamp", 0 * DAY)):
        kept = stored(Settings.load().root, desk.catalog, table)
        for month in kept.months():
            rows = kept.read([month]).filter(pl.col(time) + length <= until)
            kept.publish(month, rows)
    cut = feature_report(FEATURE, label="ahead_3d")
    assert_frame_equal(cut.series, whole.series.filter(pl.col("event_timestamp") + 3 * DAY <= until))
    assert cut.series["event_timestamp"].max() == until - 3 * DAY


def test_a_barrier_and_a_sign_are_held_against_features_too() -> None:
    touch = cf.triple_barrier("touch", bars=desk.days, horizon="5d", profit=1.0, stop=1.0, window=10)
    sign = cf.direction("sign", bars=desk.days, horizon="3d")
    for label in (touch, sign):
        found = feature_report(FEATURE, label=label)
        assert isinstance(found, FeatureReport)
        assert found.by_horizon["times"][0] > 90
    close, expected = closes(), []
    for day in range(3, 117):
        value, outcome = close[day] / close[day - 3] - 1, np.sign(close[day + 3] / close[day] - 1)
        if len({*outcome}) > 1:
            expected.append(stats.spearmanr(value, outcome).statistic)
    assert found.series["ic"].to_list() == pytest.approx(expected)


def test_each_label_meets_the_newest_value_then_up_to_its_time_to_live() -> None:
    times = pl.Series([START + day * DAY for day in range(6)], dtype=pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"symbol": "A", "event_timestamp": times, "label": 0.0})
    known = [START - timedelta(hours=2), START + 2 * DAY + timedelta(hours=1)]
    values = pl.DataFrame({"symbol": "A", "event_timestamp": known, "return_3": [1.0, 2.0]})
    labels = Labels(desk.ahead, rows)
    joined = labels.joined(Settings.load(), desk.momentum, values.cast({"event_timestamp": times.dtype}))
    assert joined["return_3"].to_list() == [1.0, 1.0, None, 2.0, 2.0, None]


def test_what_cannot_be_reported_is_an_error_that_says_why() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ahead_3d'"):
        feature_report(FEATURE, label="ahead_2d")
    with pytest.raises(InputError, match="a label has its own horizon; give one of the two"):
        feature_report(FEATURE, label="ahead_3d", horizons=[3])
    text = cf.Label(
        "name", bars=desk.days, horizon="1d", expression=pl.when(pl.col("ahead.low") > 0).then(pl.lit("UP"))
    )
    with pytest.raises(InputError, match="name is String, which has no ranks"):
        feature_report(FEATURE, label=text)
    with pytest.raises(InputError, match="far has a label for none of 720 bars; its horizon is 200d"):
        feature_report(FEATURE, label=cf.forward_return("far", bars=desk.days, horizon="200d"))
    other = cf.Bars("weeks", of=desk.candles, every="1w")
    with pytest.raises(UnknownNameError, match="table of bars of the label next 'weeks'"):
        feature_report(FEATURE, label=cf.forward_return("next", bars=other, horizon="1w"))


def test_before_anything_is_published_the_bars_are_named(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "empty"))  # type: ignore[operator] # a path.
    with pytest.raises(InputError, match="nothing of days is published; materialize 'days' first"):
        labels_of(Settings.load(), desk.catalog, desk.ahead)
