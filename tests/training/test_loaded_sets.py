"""A set that was built is read as pandas, Polars, Arrow, or by scikit-learn, and by Dagster and the command line."""

import json
from datetime import datetime
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from typer.testing import CliRunner
from upath import UPath

from crypto_features import catalogs
from crypto_features.cli import app
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.graph.materialize import all_but
from crypto_features.graph.training_sets import require_current, require_versions, whole_set
from crypto_features.lake.scrub import damage, stored_files
from crypto_features.settings import Settings
from crypto_features.shipped import daily_candles
from crypto_features.store import FeastResource
from crypto_features.tables.training import TrainingSet
from crypto_features.training import TrainingData, load
from crypto_features.training.build import build
from crypto_features.training.croissant import OWN
from crypto_features.training.folder import MANIFEST, SetFolder
from crypto_features.versions.measured import feature_versions
from tests.training.folder_of_sets import HOUR, NOW, Folder, corrected, market
from tests.training.sets_catalog import bare, catalog, whole


@pytest.fixture(scope="module")
def data(filled: Folder, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    path = tmp_path_factory.mktemp("loaded") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
        build(filled.origin(whole), SetFolder(UPath(path)))
    return load(path)


def test_every_frame_holds_the_same_rows(data: TrainingData) -> None:
    rows = data.polars()
    assert pl.from_pandas(data.pandas()).cast(dict(rows.schema)).equals(rows)  # type: ignore[arg-type] # a schema.
    assert pl.DataFrame(data.arrow()).cast(dict(rows.schema)).equals(rows)  # type: ignore[arg-type] # as above.
    assert pl.concat(data.months()).equals(rows)
    assert rows.height == data.manifest["rows"]["count"] == 218


def test_scikit_learn_takes_features_label_weights_and_folds_as_they_are(data: TrainingData) -> None:
    rows, learnable = data.polars(), data.sklearn()
    assert [*learnable.X.columns] == ["return_3", "range_1", "rank_3"]
    assert learnable.y.to_list() == rows["ahead_3d"].to_list()
    assert learnable.weights.tolist() == rows["weight"].to_list()
    for name, (train, test) in zip(data.folds, learnable.folds, strict=True):
        assert np.flatnonzero(rows[name].to_numpy() == 1).tolist() == train.tolist()
        assert np.flatnonzero(rows[name].to_numpy() == 2).tolist() == test.tolist()
    X, y = learnable.X.fillna(0.0), learnable.y  # noqa: N806 - scikit-learn's name.
    scores = cross_val_score(Ridge(), X, y, cv=learnable.folds, params={"sample_weight": learnable.weights})
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()
    assert [*data.sklearn(["rank_3"]).X.columns] == ["rank_3"]
    with pytest.raises(UnknownNameError, match="unknown feature 'rank_4'"):
        data.sklearn(["rank_4"])


def test_rows_that_are_not_those_of_the_manifest_are_not_read(data: TrainingData, tmp_path: Path) -> None:
    document = json.loads((data.path / MANIFEST).read_text())
    document[OWN]["files"][0]["row_groups"] = ["0" * 16]
    copied = tmp_path / "set"
    (copied / "data").mkdir(parents=True)
    for file in (data.path / "data").iterdir():
        (copied / "data" / file.name).write_bytes(file.read_bytes())
    (copied / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(InputError, match="row group 0 holds other rows"):
        load(copied).polars()


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A data folder of its own, whose catalog is that of this process."""
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(catalogs, "_load", lambda _: catalog)
    return Folder(tmp_path / "data", market())


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["training-set", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_a_set_is_built_by_the_command_verified_and_built_again(platform: Folder, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    said = run("build", "whole", "--out", out)
    assert "2024-02: 87 rows; 161 in 2 months" in said
    assert "218 of 227 rows have a label; 9 past the end of data; undecided 0.00%" in said
    assert "range_1: 8 of 218 values became others later" in said
    digest = load(out).digest
    assert run("verify", out).endswith(f"3 files, 218 rows: as written. {digest}\n")
    assert run("rebuild", out).endswith(f"The same rows, to the bit: {digest}\n")
    (tmp_path / "out" / "data" / "2024-02.parquet").unlink()
    assert run("verify", out, code=1) == "Differs: data/2024-02.parquet: is missing\n"
    assert "unknown training set 'hole' (did you mean 'whole'?)" in run("build", "hole", code=1)
    assert "is not a training set" in run("verify", str(tmp_path / "out" / "data"), code=1)


def test_a_set_of_a_table_that_is_stale_is_not_built(platform: Folder, tmp_path: Path) -> None:
    wrong = next(
        c for c in platform.candles if (c.symbol, c.open_time) == ("AAA", datetime(2024, 3, 8, 4, tzinfo=NOW.tzinfo))
    )
    table = platform.lake.table("candles")
    rows = table.read(["2024-03"])
    fix = corrected(wrong, 1.5, NOW - HOUR)
    more = pl.DataFrame([fix], rows.select(fix._fields).schema, orient="row")
    table.publish("2024-03", pl.concat([rows, more], how="diagonal"))
    with pytest.raises(InputError, match=r"days 2024-03: .*plan --run"):
        require_current(Settings.load(), catalog.sets["bare"], catalog)
    assert "plan --run" in run("build", "bare", code=1)


def test_dagster_builds_a_set_into_a_folder_of_its_own_each_time(platform: Folder) -> None:
    settings = Settings.load()
    with pytest.raises(InputError, match="was not built yet"):
        load("bare")
    asset = whole_set(settings, bare, catalog)
    results = [dg.materialize([asset]) for _ in range(2)]
    assert all(result.success for result in results)
    (event,) = results[0].get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["rows"].value == 227
    assert "| range_1 |" in str(metadata["revision risk"].value)
    built = sorted(path.name for path in (settings.root / "training" / "bare").iterdir())
    assert built == ["2024-04-01T000000Z", "2024-04-01T000000Z-2"]
    assert load("bare").path.name == built[-1]
    assert load("bare").digest == metadata["digest"].value
    with pytest.raises(InputError, match="has no label"):
        load("bare").sklearn()


def test_a_set_in_the_data_folder_is_read_by_the_scrub(platform: Folder) -> None:
    settings = Settings.load()
    assert dg.materialize([whole_set(settings, bare, catalog)]).success
    files = [path for path in stored_files(settings.root, catalog) if "bare" in path.parts]
    assert [path.name for path in files] == ["2024-01.parquet", "2024-02.parquet", "2024-03.parquet"]
    assert all(damage(settings.root, catalog, path) is None for path in files)
    content = bytearray(files[1].read_bytes())
    content[len(content) // 2] ^= 1
    files[1].write_bytes(bytes(content))
    assert "crypto-features training-set build" in str(damage(settings.root, catalog, files[1]))


def test_the_graph_has_an_asset_for_each_set_and_no_run_builds_it(platform: Folder) -> None:
    from crypto_features.definitions import build as definitions

    found = definitions(Settings.load())
    repository, job = found.get_repository_def(), found.resolve_implicit_global_asset_job_def()
    left = {key.to_user_string() for key in all_but(job, [one.name for one in catalog.sets.values()]) or ()}
    every = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert every - left == {"training/whole", "training/barriers", "training/events", "training/bare"}
    node = repository.asset_graph.get(dg.AssetKey(["training", "whole"]))
    assert {key.to_user_string() for key in node.parent_keys} == {"candles", "days", "moves", "among"}
    assert node.automation_condition is None


def test_a_pinned_version_that_the_present_code_does_not_compute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    FeastResource().apply()
    features = ["price_features:rsi_14", "price_features:ma_5"]
    training = TrainingSet("pinned", daily_candles, features=features, versions={"price_features": 0})
    require_versions(training)
    with pytest.raises(UnknownNameError, match="unknown version of price_features 'v7'"):
        require_versions(TrainingSet("pinned", daily_candles, features=features, versions={"price_features": 7}))
    changed = {**feature_versions("price_features"), "rsi_14": "another"}
    monkeypatch.setattr("crypto_features.graph.training_sets.feature_versions", lambda _: changed)
    with pytest.raises(InputError, match="pins version 0 of price_features, which computes rsi_14 otherwise"):
        require_versions(training)
