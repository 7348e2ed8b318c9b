"""The report on a feature: equal to SciPy's, blind to the future, and sure only of what a sample can say."""

import math
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from crypto_features import catalogs
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.table import stored
from crypto_features.report import FeatureReport, feature_report, forward_returns, measure
from crypto_features.report.bootstrap import block_length, student
from crypto_features.report.ranks import row_ranks
from crypto_features.settings import Settings
from tests.catalog_page import desk
from tests.report.panels import DAY, START, drifting, rows, wander

HORIZONS = (1, 5, 20)


def report(values: pl.DataFrame, closes: pl.DataFrame, **asked: object) -> FeatureReport:
    returns = forward_returns(closes, bar=DAY, horizons=HORIZONS, delays=(0, 1, 2))
    return measure(["value"], values, returns, **asked)["value"]  # type: ignore[arg-type] # level and seed.


def gappy(seed: int = 3, days: int = 90, symbols: int = 9) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Values with ties and holes, and closes with other holes."""
    rng = np.random.default_rng(seed)
    closes, _ = wander(seed, days, symbols)
    values = rng.integers(0, 6, closes.shape).astype(float)
    values[rng.random(closes.shape) < 0.15] = np.nan
    closes[rng.random(closes.shape) < 0.1] = np.nan
    return rows(values, "value"), rows(closes, "close")


def by_hand(values: pl.DataFrame, closes: pl.DataFrame, horizon: int) -> dict[object, float]:
    """SciPy's rank correlation of each time with at least five pairs, from dicts."""
    close = {(symbol, time): value for symbol, time, value in closes.iter_rows()}
    found = {}
    for time in values["event_timestamp"].unique().sort():
        pairs = [
            (value, close[symbol, time + horizon * DAY] / close[symbol, time])
            for symbol, at, value in values.iter_rows()
            if at == time and {(symbol, time), (symbol, time + horizon * DAY)} <= close.keys()
        ]
        if len(pairs) >= 5 and len({value for value, _ in pairs}) > 1:
            found[time] = float(stats.spearmanr(*zip(*pairs, strict=True)).statistic)
    return found


def test_ranks_are_those_of_scipy_with_ties_and_holes() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 5, (200, 12)).astype(float)
    values[rng.random(values.shape) < 0.3] = np.nan
    np.testing.assert_array_equal(row_ranks(values), stats.rankdata(values, axis=1, nan_policy="omit"))


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_coefficient_of_each_time_is_that_of_scipy(horizon: int) -> None:
    values, closes = gappy()
    found = report(values, closes)
    expected = by_hand(values, closes, horizon)
    series = found.series.filter(horizon=horizon)
    assert found.method == "across symbols"
    assert series["event_timestamp"].to_list() == list(expected)
    np.testing.assert_allclose(series["ic"].to_numpy(), list(expected.values()), rtol=0, atol=1e-14)
    (row,) = found.by_horizon.filter(horizon=horizon).to_dicts()
    assert row["ic"] == pytest.approx(np.mean(list(expected.values())), abs=1e-14)
    assert row["deviation"] == pytest.approx(np.std(list(expected.values()), ddof=1), abs=1e-14)
    assert row["positive"] == np.mean([ic > 1e-12 for ic in expected.values()])
    assert row["times"] == len(expected)


def test_one_symbol_is_compared_with_itself_through_time() -> None:
    values, closes = gappy(symbols=1)
    found = report(values, closes)
    close = {time: value for _, time, value in closes.iter_rows()}
    pairs = [(v, close[t + 5 * DAY] / close[t]) for _, t, v in values.iter_rows() if {t, t + 5 * DAY} <= close.keys()]
    (row,) = found.by_horizon.filter(horizon=5).to_dicts()
    assert found.method == "through time"
    assert row["ic"] == pytest.approx(stats.spearmanr(*zip(*pairs, strict=True)).statistic, abs=1e-13)
    assert row["times"] == row["pairs"] == len(pairs)
    assert (row["deviation"], row["ratio"], row["positive"]) == (None, None, None)


def test_what_is_the_same_for_every_symbol_is_compared_through_time() -> None:
    closes, moves = wander(5, 200, 8)
    market = np.repeat(moves.mean(axis=1, keepdims=True), 8, axis=1)
    found = report(rows(market, "value"), rows(closes, "close"))
    assert found.method == "through time"
    assert found.by_horizon["ic"][0] > 0.2  # the mean of eight moves has a correlation of 1/√8 with each.


def test_a_planted_feature_has_the_coefficient_that_was_planted() -> None:
    closes, moves = wander(7, 120, 300)
    share = 0.3
    noise = np.random.default_rng(8).standard_normal(moves.shape) * 0.02
    found = report(rows(share * moves + math.sqrt(1 - share**2) * noise, "value"), rows(closes, "close"))
    planted = 6 / math.pi * math.asin(share / 2)  # Spearman's of two normals whose Pearson's is the share.
    row = found.by_horizon.row(0, named=True)
    assert row["ic"] == pytest.approx(planted, abs=0.01)
    assert row["low"] < planted < row["high"]
    assert row["high"] - row["low"] < 0.05


def test_a_value_knows_the_bar_that_follows_and_none_else() -> None:
    closes, moves = wander(9, 150, 10)
    found = report(rows(moves, "value"), rows(closes, "close"))
    assert found.by_horizon["ic"][0] == pytest.approx(1)
    assert found.decay["ic"][0] == pytest.approx(1)
    assert found.decay["ic"][1:].abs().max() < 0.1  # type: ignore[operator] # a number.
    past = np.vstack([np.full((1, 10), np.nan), moves[:-1]])  # the move that ended with the close.
    assert abs(report(rows(past, "value"), rows(closes, "close")).by_horizon["ic"][0]) < 0.1


def test_what_comes_later_changes_no_coefficient_of_before() -> None:
    values, closes = gappy()
    until = START + 60 * DAY
    cut = report(*(frame.filter(pl.col("event_timestamp") <= until) for frame in (values, closes)))
    known = pl.col("event_timestamp") + pl.col("horizon") * timedelta(days=1) <= until
    assert_frame_equal(report(values, closes).series.filter(known), cut.series.filter(known))


def test_a_year_and_a_regime_are_means_of_their_times() -> None:
    closes, moves = wander(11, 800, 8)
    regimes = pl.DataFrame(
        {"event_timestamp": [START, START + 300 * DAY, START + 500 * DAY], "regime": ["B", "A", "B"]}
    )
    every = pl.datetime_range(START, START + 799 * DAY, "1d", time_unit="us", eager=True).alias("event_timestamp")
    regimes = every.to_frame().join_asof(regimes.cast({"event_timestamp": every.dtype}), on="event_timestamp")
    returns = forward_returns(rows(closes, "close"), bar=DAY, horizons=[1], regimes=regimes)
    found = measure(
        ["value"], rows(moves + np.random.default_rng(2).standard_normal(moves.shape) * 0.02, "value"), returns
    )["value"]
    series = found.series.with_columns(year=pl.col("event_timestamp").dt.year()).join(regimes, on="event_timestamp")
    for parts, name in ((found.by_year, "year"), (found.by_regime, "regime")):
        expected = series.group_by(name).agg(pl.col("ic").mean(), times=pl.len().cast(pl.Int64)).sort(name)
        assert_frame_equal(parts.select(name, "ic", "times"), expected)
        assert (parts["low"] < parts["ic"]).all()
        assert (parts["ic"] < parts["high"]).all()


def test_a_regime_is_one_that_was_known_at_the_time() -> None:
    closes, moves = wander(12, 60, 8)
    regimes = pl.DataFrame({"event_timestamp": [START + 10 * DAY], "regime": ["A"]})
    returns = forward_returns(rows(closes, "close"), bar=DAY, horizons=[1], regimes=regimes)
    named = returns.regimes.is_not_null().to_numpy().nonzero()[0].tolist()
    assert named == [10, 11, 12]  # none before it was known, and none two days after the newest.
    assert measure(["value"], rows(moves, "value"), returns)["value"].by_regime["times"].to_list() == [3]


def test_turnover_and_autocorrelation_are_those_of_a_calculation_by_hand() -> None:
    closes, _ = wander(13, 61, 5)
    still = np.tile(np.arange(5.0), (61, 1))
    turned = still.copy()
    turned[1::2] = still[1::2, ::-1]  # each day the ranks are turned round.
    kept, changed = (report(rows(v, "value"), rows(closes, "close")).by_horizon for v in (still, turned))
    assert kept["turnover"].to_list() == [0, 0, 0]
    assert kept["autocorrelation"].to_list() == pytest.approx([1, 1, 1])
    assert changed["turnover"].to_list() == pytest.approx([1, 1, 0])  # 5 bars later it is turned, 20 later it is not.
    assert changed["autocorrelation"].to_list() == pytest.approx([-1, -1, 1])


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("symbols", "keeps"), [(1, 0.0), (1, 0.95), (8, 0.0), (8, 0.95)])
def test_intervals_of_noise_hold_zero_as_often_as_they_promise(
    symbols: int, keeps: float, count: Callable[..., int]
) -> None:
    repeats, level = count(ci=30, proof=1000), 0.8
    held = np.zeros(len(HORIZONS))
    for seed in range(repeats):
        closes, _ = wander(seed, 500, symbols)
        values = drifting(np.random.default_rng(10_000 + seed), 500, symbols, keeps)
        found = report(rows(values, "value"), rows(closes, "close"), level=level).by_horizon
        held += ((found["low"] <= 0) & (found["high"] >= 0)).to_numpy()
    allowed = 0.02 + 3 * math.sqrt(level * (1 - level) / repeats)
    assert np.abs(held / repeats - level).max() < allowed, held / repeats


def test_the_same_seed_gives_the_same_report_and_another_one_other_bounds() -> None:
    values, closes = gappy()
    one, again, other = (report(values, closes, seed=seed) for seed in (0, 0, 1))
    assert_frame_equal(one.by_horizon, again.by_horizon, check_exact=True)
    assert one.by_horizon["ic"].equals(other.by_horizon["ic"])
    assert not one.by_horizon["low"].equals(other.by_horizon["low"])


def test_a_history_of_few_blocks_has_a_coefficient_and_no_interval() -> None:
    values, closes = gappy(days=90)
    rows_ = report(values, closes).by_horizon
    assert rows_["ic"].null_count() == 0
    assert rows_["low"].is_null().to_list() == [False, False, True]


def test_blocks_are_as_long_as_what_is_alike() -> None:
    rng = np.random.default_rng(4)
    noise, slow = drifting(rng, 2000, 1, 0).ravel(), drifting(rng, 2000, 1, 0.95).ravel()
    assert block_length(noise, horizon=1) <= 10
    assert block_length(slow, horizon=1) > 40
    assert block_length(noise, horizon=20) == 60


def test_student_s_quantiles_are_scipy_s_to_one_in_a_hundred() -> None:
    for freedom in (3, 4, 7, 20, 300):
        for level in (0.8, 0.95, 0.99):
            assert student(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=0.03 / freedom)


def test_a_grid_of_every_seventh_time_has_the_same_returns() -> None:
    _, closes = gappy(days=90)
    every = forward_returns(closes, bar=DAY, horizons=HORIZONS)
    some = forward_returns(closes, bar=DAY, horizons=HORIZONS, most_times=14)
    assert some.stride == 7
    at = every.cells.times.is_in(some.cells.times.implode()).to_numpy()
    assert some.cells.times[-1] == every.cells.times[-1]
    for horizon in HORIZONS:
        np.testing.assert_array_equal(some.after[horizon], every.after[horizon][at])


def test_a_report_says_that_it_describes_the_past() -> None:
    text = str(report(*gappy()))
    assert "describes the past" in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_cannot_be_ranked_or_reached_is_refused() -> None:
    values, closes = gappy()
    returns = forward_returns(closes, bar=DAY, horizons=[1])
    with pytest.raises(InputError, match="has no ranks"):
        measure(["value"], values.with_columns(pl.lit("BULL").alias("value")), returns)
    with pytest.raises(InputError, match="not a share"):
        measure(["value"], values, returns, level=95)
    with pytest.raises(InputError, match="longer than the data, which has closes of 90 bars"):
        forward_returns(closes, bar=DAY, horizons=[90])
    with pytest.raises(InputError, match="each at least 1"):
        forward_returns(closes, bar=DAY, horizons=[0, 1])
    with pytest.raises(InputError, match="closes of 0 bars"):
        forward_returns(closes.clear(), bar=DAY, horizons=[1])


@pytest.fixture
def _desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog of this process is a desk's."""
    monkeypatch.setattr(catalogs, "_load", lambda _: desk.catalog)


@pytest.mark.usefixtures("_desk")
def test_a_published_feature_is_reported_by_its_name() -> None:
    desk.fill(desk.catalog)
    settings = Settings.load()
    days = desk.market(6, 120).select("symbol", pl.col("open_time") + DAY, "close")
    values = stored(settings.root, desk.catalog, "momentum").read()
    regimes = values.group_by("event_timestamp", pl.col("side").alias("regime")).len().drop_nulls()
    most = regimes.sort("event_timestamp", "len", "regime", descending=[False, True, False]).unique(
        "event_timestamp", keep="first", maintain_order=True
    )
    returns = forward_returns(days.rename({"open_time": "event_timestamp"}), bar=DAY, horizons=[1, 5], regimes=most)
    expected = measure(["return_3"], values, returns)["return_3"]
    found = feature_report("momentum:return_3", horizons=[5, 1])
    assert found.feature == "momentum:return_3"
    assert_frame_equal(found.by_horizon, expected.by_horizon)
    assert_frame_equal(found.by_regime, expected.by_regime)
    with pytest.raises(UnknownNameError, match="did you mean 'return_3'"):
        feature_report("momentum:return_4")
    with pytest.raises(InputError, match="the form view:feature"):
        feature_report("return_3")
    with pytest.raises(InputError, match="longer than the data, which has closes of 120 bars"):
        feature_report("momentum:return_3", horizons=[120])


@pytest.mark.usefixtures("_desk")
def test_a_report_before_anything_is_published_names_what_to_materialize() -> None:
    with pytest.raises(UnknownNameError, match="Materialize the asset 'momentum' first"):
        feature_report("momentum:return_3")
