"""A gradient boosting of a user: kept as arrays, read without scikit-learn, fitted on what was known."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

import my_forecast
import numpy as np
import polars as pl
import pytest
from my_forecast import TRAITS, forecaster, numbers, outlook, traits
from my_forecast.trees import arrays_of, boosted, forecast
from sklearn.ensemble import HistGradientBoostingRegressor

import crypto_features as cf
from crypto_features.errors import InputError
from crypto_features.tables.artefact import opened
from crypto_features.tables.model import FittedModel
from crypto_features.versions.definition import libraries, reader, table_definitions


def sample(rows: int, columns: int = 6, seed: int = 3) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Traits on a coarse grid, so that many are equal to a threshold; a tenth is unknown."""
    random = np.random.default_rng(seed)
    grid = random.integers(-8, 9, (rows, columns)) / 4
    return np.where(random.random((rows, columns)) < 0.1, np.nan, grid)


def reading(model: FittedModel) -> cf.FeatureGroup:
    """The example's group, which reads another model of the same name."""
    return replace(outlook, bars=model.of, joins=[cf.Join(model, "1d")])


@pytest.mark.parametrize("seed", range(5))
def test_the_forecast_from_arrays_is_that_of_scikit_learn_to_the_bit(seed: int) -> None:
    x = sample(3000, seed=seed)
    y = np.nan_to_num(x[:, 0]) * (x[:, 1] > 0) + np.isnan(x[:, 2]) + np.random.default_rng(seed).normal(size=len(x))
    model = HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=12, early_stopping=False).fit(x, y)
    unseen = np.concatenate([sample(2000, seed=seed + 100), [[np.inf] * 6, [-np.inf] * 6, [np.nan] * 6]])
    assert (forecast(arrays_of(model), unseen) == model.predict(unseen)).all()


def test_the_same_rows_give_the_same_bytes_in_every_process() -> None:
    program = (
        "import numpy as np; from my_forecast.trees import boosted;"
        "from crypto_features.tables.artefact import version_of;"
        "r = np.random.default_rng(1); print(version_of(boosted(r.normal(size=(900, 6)), r.normal(size=900))))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env)
        for _ in "ab"
    ]
    assert runs[0].stdout == runs[1].stdout != ""


def test_a_row_is_fitted_with_the_return_of_the_five_days_after_it() -> None:
    times = pl.datetime_range(pl.datetime(2023, 1, 1), pl.datetime(2024, 12, 31), "1d", time_zone="UTC", eager=True)
    base = pl.DataFrame({"event_timestamp": times, "number": range(len(times))})
    gone = base.filter(pl.col("number") != 300)
    rows = gone.join(pl.DataFrame({"symbol": ["BTC", "ETH"], "sign": [1.0, -1.0]}), how="cross")
    rows = rows.select("symbol", "event_timestamp", *[(pl.col("number") * pl.col("sign")).alias(t) for t in TRAITS])
    handed: list[tuple[object, object]] = []
    with pytest.MonkeyPatch.context() as patch:

        def boosted(x: object, y: object) -> Mapping[str, object]:
            handed.append((x, y))
            return {}

        patch.setattr(my_forecast, "boosted", boosted)
        parameters = forecaster.fit(rows.sort("symbol", "event_timestamp"), "2025-01")
    ((x, y),) = handed
    numbers_of_btc = [n for n in range(len(times) - 5) if n not in (295, 300)]
    expected = [*(float(n) for n in numbers_of_btc), *(-float(n) for n in numbers_of_btc)]
    assert np.asarray(x)[:, 0].tolist() == expected
    assert np.asarray(y).tolist() == [
        v + np.copysign(5, 1 if i < len(numbers_of_btc) else -1) for i, v in enumerate(expected)
    ]
    assert parameters == {"rows": len(expected)}


def test_without_enough_known_outcomes_there_is_no_forecast() -> None:
    rows = pl.DataFrame({"symbol": ["BTC"], "event_timestamp": [None], **{trait: [1.0] for trait in TRAITS}})
    assert my_forecast.read(rows, {"rows": 7})["forecast_5d"].to_list() == [None]


def test_a_row_with_an_unknown_trait_has_no_forecast() -> None:
    x = sample(900)
    rows = pl.DataFrame(x, list(TRAITS), nan_to_null=True).with_columns(symbol=pl.lit("BTC"), event_timestamp=None)
    found = my_forecast.read(rows, boosted(x, np.nan_to_num(x[:, 0])))["forecast_5d"]
    assert found.is_null().to_list() == np.isnan(x).any(axis=1).tolist()
    assert numbers(rows).shape == (900, 6)


def test_the_version_of_scikit_learn_is_a_part_of_the_definition_of_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    before, versions_of = table_definitions(my_forecast.catalog), libraries.versions_of
    newer = {"scikit_learn": "scikit_learn of tomorrow"}
    monkeypatch.setattr(
        reader, "versions_of", lambda used: [newer.get(line.split()[0], line) for line in versions_of(used)]
    )
    after = table_definitions(my_forecast.catalog)
    assert {name for name in before if before[name] != after[name]} == {"forecaster"}


def foreseen() -> FittedModel:
    """The label as a column of the group: the return of the days to come."""
    label = cf.Feature("outcome", cf.CLOSE.shift(-5) / cf.CLOSE - 1, "The next five days.", "ratio", window=6)
    group = replace(traits, features=[*traits.features, label])

    def fit(rows: pl.DataFrame, _month: str) -> cf.Parameters:
        known = rows.drop_nulls("outcome")
        return {"rows": known.height, **boosted(numbers(known), known["outcome"].to_numpy())} if known.height else {}

    return replace(forecaster, of=group, features=(*TRAITS, "outcome"), fit=fit)


def shaken() -> FittedModel:
    """A part of the rows is drawn without a seed."""

    def fit(rows: pl.DataFrame, month: str) -> cf.Parameters:
        return forecaster.fit(rows.sample(fraction=0.9).sort("symbol", "event_timestamp"), month)

    return replace(forecaster, fit=fit)


@pytest.mark.parametrize("planted", [foreseen, shaken])
def test_a_fit_that_knows_what_is_to_come_or_draws_lots_is_caught(planted: Callable[[], FittedModel]) -> None:
    report = cf.leak_test(reading(planted()))
    assert "(forecaster)" in {leak.feature for leak in report.leaks}, str(report)


def test_the_forecast_passes_and_its_model_was_fitted_again() -> None:
    report = cf.leak_test(outlook)
    assert report.passed, str(report)
    assert report.cuts["refit"] > 0


def test_a_model_is_read_by_month_and_a_month_without_one_is_refused() -> None:
    rows = pl.DataFrame({"event_timestamp": ["2024-02-01", "2024-02-02", "2024-03-01"], "x": [1, 2, 3]}).with_columns(
        pl.col("event_timestamp").str.to_datetime(time_zone="UTC")
    )
    model = replace(forecaster, fit=lambda _rows, month: {"month": month})
    models = model.fitted(pl.DataFrame(), ["2024-01", "2024-02"])

    def read(part: pl.DataFrame, parameters: cf.Parameters) -> pl.DataFrame:
        return part.select("x", month=pl.lit(parameters["month"]))

    assert cf.by_month(rows, models, read).rows() == [(1, "2024-01"), (2, "2024-02"), (3, "2024-02")]
    assert cf.by_month(rows.clear(), models, read).columns == ["x", "month"]
    with pytest.raises(InputError, match="rows of 2024-01 but no model"):
        cf.by_month(rows, models.tail(1), read)
    with pytest.raises(InputError, match="no model of any month"):
        cf.by_month(rows.clear(), models.clear(), read)


def test_a_model_of_the_example_is_opened_with_its_arrays() -> None:
    x = sample(900)
    found = opened(forecaster._table([("2024-01", boosted(x, np.nan_to_num(x[:, 0])))])["parameters"][0])
    assert (forecast(dict(found.parameters), x) == forecast(boosted(x, np.nan_to_num(x[:, 0])), x)).all()
    assert found.about == {"features": [*TRAITS]}
