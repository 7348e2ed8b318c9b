"""The regime looks back only, says the same twice, and its probability can be believed."""

import itertools

import numpy as np
import polars as pl
import pytest

from benchmarks.regime_prior import random_walk_prior
from benchmarks.regime_study import study_regime
from crypto_features.errors import InputError
from crypto_features.shipped import regime_features, regime_model
from crypto_features.shipped.regime import LONGEST
from crypto_features.shipped.regime_filter import (
    BEAR,
    BULL,
    SIDEWAYS,
    UNKNOWN,
    FilterParameters,
    Gaussian,
    forward_filter,
    rule_labels,
)
from crypto_features.shipped.regime_model import (
    ULTRA_5,
    RegimeModel,
    padded,
    prior_model,
)
from crypto_features.tables.artefact import opened, written
from crypto_features.tables.derived import inputs_of
from crypto_features.tables.partition import compute_partition, every_row
from crypto_features.versions.probe_market import START, probe_market
from tests.features.markets import DAY, HOUR

INPUTS = inputs_of(regime_features, probe_market(), interval=HOUR)
PRICES = INPUTS["price_features"]


def fitted(rows: pl.DataFrame, month: str) -> RegimeModel:
    """The model of a month, as the framework hands its rows to the fit."""
    (text,) = regime_model.fitted(rows, [month])["parameters"]
    return RegimeModel.from_parameters(opened(text).parameters)


def labels(*strength: float) -> list[int]:
    return [int(label) for label in rule_labels(np.array(strength)[:, None])[:, 0]]


def test_a_trend_begins_above_1_and_ends_below_a_quarter() -> None:
    assert labels(0.5, 1.1, 0.9, 0.5, 0.3, 0.3, 0.2) == [SIDEWAYS, *[BULL] * 5, SIDEWAYS]
    assert labels(-0.5, -1.1, -0.9, -0.5, -0.3, -0.3, -0.2) == [SIDEWAYS, *[BEAR] * 5, SIDEWAYS]


def test_a_label_stays_for_five_bars() -> None:
    assert labels(1.1, -2.0, -2.0, -2.0, -2.0, -2.0) == [*[BULL] * 5, BEAR]


def test_a_bar_without_strength_has_no_label_and_keeps_the_state() -> None:
    assert labels(1.1, np.nan, 0.5) == [BULL, UNKNOWN, BULL]


def test_the_filter_equals_the_sum_over_all_paths() -> None:
    generator = np.random.default_rng(5)
    gaussians = [Gaussian.of(generator.normal(size=2), np.diag([1.0, 2.0 + i])) for i in range(3)]
    transition = generator.dirichlet([5, 2, 2], size=3)
    start, x = np.array([0.5, 0.3, 0.2]), generator.normal(size=(4, 1, 2))
    likelihood = np.exp(np.stack([g.log_density(x)[:, 0] for g in gaussians], axis=1))
    total = np.zeros(3)
    for first, *path in itertools.product(range(3), repeat=5):
        weight = start[first]
        for bar, (before, state) in enumerate(itertools.pairwise([first, *path])):
            weight *= transition[before, state] * likelihood[bar, state]
        total[path[-1]] += weight
    got = forward_filter(x, [FilterParameters(tuple(gaussians), transition, start)], np.zeros((4, 1), dtype=int))[-1, 0]
    assert got == pytest.approx(total / total.sum(), rel=1e-12)


def test_each_bar_is_read_by_the_parameters_in_force() -> None:
    first, second = (fitted(PRICES, month).filter_parameters for month in ("2024-03", "2024-05"))
    x = padded(PRICES.filter(symbol="HUGE"))[60:70]
    in_force = np.repeat([0, 1], 5)[:, None]
    before = forward_filter(x[:5], [first], in_force[:5])
    carried_on = FilterParameters(second.gaussians, second.transition, before[-1, 0])
    after = forward_filter(x[5:], [carried_on], in_force[:5])
    assert np.array_equal(forward_filter(x, [first, second], in_force), np.concatenate([before, after]))


def test_the_density_is_the_gaussian_one() -> None:
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    gaussian = Gaussian.of(np.array([1.0, -1.0]), covariance)
    gap = np.array([0.5, 2.0]) - [1.0, -1.0]
    expected = -0.5 * (gap @ np.linalg.inv(covariance) @ gap + np.log(np.linalg.det(covariance)))
    assert gaussian.log_density(np.array([[[0.5, 2.0]]]))[0, 0] == pytest.approx(expected, rel=1e-12)


def test_a_fit_knows_nothing_of_its_own_month_or_later() -> None:
    known = PRICES.filter(pl.col("event_timestamp") <= START + 121 * DAY)
    altered = PRICES.with_columns(
        pl.when(pl.col("event_timestamp") > START + 121 * DAY).then(pl.col(ULTRA_5) * 3).otherwise(pl.col(ULTRA_5))
    )
    model = fitted(PRICES, "2024-05")
    assert fitted(known, "2024-05") == fitted(altered, "2024-05") == model
    # the row stamped with the month's first instant is known when the month begins.
    before = PRICES.filter(pl.col("event_timestamp") < START + 121 * DAY)
    assert fitted(before, "2024-05") != model


def test_without_history_it_is_the_committed_prior() -> None:
    assert fitted(PRICES, "2024-01") == prior_model()
    assert fitted(PRICES.clear(), "2024-04") == prior_model()


def test_the_committed_prior_is_the_one_of_random_walks() -> None:
    again = random_walk_prior()
    assert np.allclose(np.array(again.mean), np.array(prior_model().mean), rtol=1e-6)
    assert np.allclose(np.array(again.covariance), np.array(prior_model().covariance), rtol=1e-6)


def test_an_artefact_comes_back_as_it_was_written() -> None:
    model = fitted(PRICES, "2024-05")
    artefact = opened(written(model.parameters, regime_model.about, {"run_id": "1"}))
    assert RegimeModel.from_parameters(artefact.parameters) == model
    assert artefact.notes == {"run_id": "1"}
    assert artefact.about == {"labels": ["BULL", "BEAR", "SIDEWAYS"], "features": [*ULTRA_5]}
    shuffled = PRICES.sample(fraction=1, shuffle=True, seed=1)
    assert regime_model.fitted(shuffled, ["2024-05"]).equals(regime_model.fitted(PRICES, ["2024-05"]))


def test_an_edited_or_foreign_artefact_is_refused() -> None:
    text = written(fitted(PRICES, "2024-05").parameters, regime_model.about)
    with pytest.raises(InputError, match=r"it was edited; materialize it again"):
        opened(text.replace('"rows": [\n  ', '"rows": [\n  1'))
    for foreign in ("{}", "[]", "1", '"version"', "no JSON", ""):
        with pytest.raises(InputError, match=r"not a fitted model: .*; materialize it again"):
            opened(foreign)
    with pytest.raises(InputError, match=r"not a regime model: .*; materialize regime_model again"):
        RegimeModel.from_parameters(opened(written({"mean": 1.0}, {})).parameters)


def test_label_probability_and_duration_belong_together() -> None:
    rows = every_row(regime_features, INPUTS, interval=HOUR)
    known = rows.drop_nulls()
    assert set(known["regime_label"]) == {"BULL", "BEAR", "SIDEWAYS"}
    assert known["regime_probability"].is_between(0, 1).all()
    nulls = rows.select(pl.col("regime_label", "regime_probability", "regime_duration").is_null())
    assert nulls.unique().height == 2


def days_since_the_label_began(published: pl.DataFrame) -> list[int]:
    """Counted on published labels alone."""
    days = []
    for part in published.partition_by("symbol"):
        label, began = None, START
        for time, now in part.select("event_timestamp", "regime_label").iter_rows():
            label, began = (label, began) if now == label else (now, time)
            days.append(min((time - began).days, LONGEST))
    return days


def test_a_duration_counts_published_labels_across_months() -> None:
    published = every_row(regime_features, INPUTS, interval=HOUR).drop_nulls().sort("symbol", "event_timestamp")
    assert published["regime_duration"].to_list() == days_since_the_label_began(published)
    over_a_border = published.filter(pl.col("regime_duration") >= pl.col("event_timestamp").dt.day())
    assert over_a_border.height > 20


def test_on_real_candles_a_duration_counts_published_labels_across_months(real_prices: pl.DataFrame) -> None:
    inputs = {"price_features": real_prices, "regime_model": regime_model.whole({"price_features": real_prices}, HOUR)}
    published = every_row(regime_features, inputs, interval=HOUR).drop_nulls().sort("symbol", "event_timestamp")
    assert published["regime_duration"].to_list() == days_since_the_label_began(published)


def test_a_month_without_parameters_is_named() -> None:
    models = INPUTS["regime_model"].filter(pl.col("month") != "2024-03")
    with pytest.raises(InputError, match=r"price_features has rows of 2024-03 but regime_model has no parameters"):
        compute_partition(regime_features, {**INPUTS, "regime_model": models}, "2024-04", interval=HOUR)


def test_on_real_candles_refits_hardly_change_the_past_and_probabilities_hold(real_prices: pl.DataFrame) -> None:
    study = study_regime(real_prices)
    changed, compared = (sum(pair[i] for pair in study.changed.values()) for i in (0, 1))
    assert changed / compared <= 0.02
    assert np.mean([n / (of or 1) for n, of in study.changed.values()]) <= 0.02
    assert 15 < study.switches < 30
    assert 8 <= study.median_days <= 20
    gap = (pl.col("probability") - pl.col("right")).abs() * pl.col("rows") / pl.col("rows").sum()
    assert study.reliability.select(gap.sum()).item() < 0.03
