"""The example's model beside the graph: it is given what it was trained on, and told which feature changed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import my_forecast
import numpy as np
import polars as pl
import pytest
from my_forecast import TRAITS, numbers, traits, traits_v1
from my_forecast.kept import forecasts, train
from my_forecast.trees import forecast

import crypto_features as cf
from crypto_features import catalogs
from crypto_features.definitions import build
from crypto_features.graph.materialize import QUIET, command_tags
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, session

MODEL = Path(__file__).parents[2] / "examples" / "model"
TRAINED = "training/my_forecast/traits_v1"
ASSETS = ("candles", "days", "traits", TRAINED, "my_forecast/feast_registry", "online_store/traits")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's project after a run of what the model needs, on eight months of two symbols."""
    monkeypatch.chdir(MODEL)
    settings = {
        "DATA": str(tmp_path / "data"),
        "CATALOG": "my_forecast:catalog",
        "SYMBOLS": "BTC,ETH",
        "CLOCK": "2024-08-20T00:30Z",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
    with dg.instance_for_test() as instance:
        job = build(Settings.load()).resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(name.split("/")) for name in ASSETS]
        tags = command_tags("2024-01", "2024-08")
        assert job.execute_in_process(run_config=QUIET, instance=instance, asset_selection=keys, tags=tags).success
    return tmp_path


def test_a_trained_model_is_served_its_features_and_refused_those_of_another_version(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Table(Settings.load().root, "traits").read()
    of = {(symbol, time): value for symbol, time, value in rows.select("symbol", "event_timestamp", "return_5d").rows()}
    with_outcome = [key for key in of if of.get((key[0], key[1] + timedelta(days=5))) is not None]
    assert train(desk / "model") == len(with_outcome) > 400
    newest = rows.filter(event_timestamp=pl.datetime(2024, 8, 20, time_zone="UTC"))
    with np.load(desk / "model" / "trees.npz") as arrays:
        expected = forecast(dict(arrays), numbers(newest.sort("symbol").select(TRAITS)))
    assert list(forecasts(desk / "model", ["BTC", "ETH"]).values()) == expected.tolist()

    changed = replace(traits.feature("range_5d"), expression=cf.window_mean((cf.HIGH - cf.LOW) / cf.CLOSE, 4))
    features = [changed if one.name == changed.name else one for one in traits.features]
    other = cf.Catalog(
        replace(traits, features=features), cf.TrainingSet(traits_v1, rows=my_forecast.days), project="my_forecast"
    )
    monkeypatch.setattr(catalogs, "_load", lambda _: other)
    FeastResource().apply()
    session.feature_store().refresh_registry()
    with pytest.raises(cf.PassportError, match=r"other versions than are published: traits:range_5d \(trained on"):
        forecasts(desk / "model", ["BTC", "ETH"])
