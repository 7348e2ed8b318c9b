"""The check of drift warns, draws what it saw, and holds nothing back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from upath import UPath

from crypto_features import plots
from crypto_features.errors import UnknownNameError
from crypto_features.graph import inline
from crypto_features.graph.checks import every_check
from crypto_features.graph.checks.drift import fit_undrifted, set_undrifted, undrifted
from crypto_features.graph.lake import LakeResource
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.shipped import catalog, daily_candles
from crypto_features.sources import source
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.drift import Drift, watched_columns
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import forward_return
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import MONTH
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet
from crypto_features.tables.weights import Weights
from crypto_features.training.croissant import OWN
from crypto_features.training.drift import drift
from crypto_features.training.folder import FORMAT, SetFolder
from crypto_features.training.newest import newest_of_set
from crypto_features.training.weights import uniqueness
from tests.training.stationary import remembering

HOUR = timedelta(hours=1)
NAMES = [f"f{number}" for number in range(4)]
GROUP = FeatureGroup(
    "watched",
    bars=daily_candles,
    features=[Feature(name, pl.col("close"), "A number.", "ratio") for name in NAMES],
)


def published(tmp_path: Path, rows: pl.DataFrame) -> Table:
    table = Table(UPath(tmp_path), "watched")
    for (month,), part in rows.with_columns(month=MONTH).group_by("month", maintain_order=True):
        table.publish(str(month), part.drop("month").sort("symbol", "event_timestamp"))
    return table


def test_what_does_not_drift_passes_with_its_picture(tmp_path: Path) -> None:
    found = undrifted(published(tmp_path, remembering(4, time=1, together=0.3)), GROUP, HOUR)
    assert found.passed
    assert "of 32 watched features by symbol are unusual in their newest 30 values" in found.text
    assert found.text.endswith("where chance gives 0.3. None stands out.")
    assert {*found.facts} == {"by feature", "unusual", "memory in values", "picture"}
    assert str(found.facts["picture"].value).startswith("![how unusual the newest values are](data:image/png")


def test_what_drifts_is_named_and_only_warned_of(tmp_path: Path) -> None:
    moved = remembering(4, time=1, together=0.3, shift=3)
    rows = remembering(4, time=1, together=0.3).with_columns(f2=moved["f2"])
    found = undrifted(published(tmp_path, rows), GROUP, HOUR)
    assert not found.passed
    assert found.text.count("f2 of S") == 5
    assert "and 3 more drifted." in found.text
    result = found.result(dg.AssetKey("watched"), "drift", dg.AssetCheckSeverity.WARN)
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert "Nothing is held back." in str(result.description)


def test_a_young_table_and_a_new_feature_are_not_judged_yet(tmp_path: Path) -> None:
    rows = remembering(4, time=1, together=0.3)
    young = undrifted(
        published(tmp_path / "young", rows.filter(pl.col("event_timestamp").dt.year() < 2022)), GROUP, HOUR
    )
    assert young.passed
    assert young.text.startswith("0 of 0 watched features")
    assert young.facts == {}
    table = published(tmp_path / "grown", rows)
    for month in table.months()[:-1]:
        table.publish(month, table.read([month]).drop("f3"))
    assert "of 24 watched features" in undrifted(table, GROUP, HOUR).text


def test_a_group_has_the_check_if_something_of_it_is_watched() -> None:
    watched = {"price_features", "volume_features", "regime_features", "trading_signals", "regime_model"}
    assert {key.asset_key.to_user_string() for key in keys(catalog) if key.name == "drift"} == watched
    assert "drift" not in {key.name for key in keys(Catalog(replace(GROUP, drift=None), daily_candles))}
    assert replace(GROUP, drift=Drift(features=["f1"])).drift is not None


def test_forecasts_and_what_a_model_is_fitted_on_are_named_as_such(tmp_path: Path) -> None:
    fitted = published(tmp_path, remembering(4, time=1, together=0.3, shift=3))
    model = FittedModel("model", of=GROUP, features=("f1", "f3"), lookback="90d", fit=lambda _rows, _month: {})
    found = fit_undrifted(fitted, model, HOUR)
    assert found.text.startswith("16 of 16 features of watched that model is fitted on by symbol are unusual")
    assert not found.passed
    reads = replace(
        GROUP, bars=GROUP, joins=(Join(model, "90d"),), features=GROUP.features[:1], function=lambda inputs: inputs["x"]
    )
    assert undrifted(fitted, reads, HOUR).text.startswith("8 of 8 watched forecasts of model by symbol are unusual")
    left_out = Catalog(replace(model, of=replace(GROUP, drift=None)))
    assert "drift" not in {key.name for key in keys(left_out)}


def built_set(tmp_path: Path, rows: pl.DataFrame) -> SetFolder:
    """The folder of a set whose label is `f1`, as far as the check reads it."""
    folder = SetFolder(UPath(tmp_path))
    parts = rows.rename({"f1": LABEL.name}).with_columns(month=MONTH).partition_by("month", as_dict=True)
    files = [folder.write(str(month), part.drop("month")) for (month,), part in sorted(parts.items())]
    folder.finish({OWN: {"format": FORMAT, "files": files}})
    return folder


LABEL = forward_return("ahead", bars=daily_candles, horizon="5d")
SET = TrainingSet("mine", features=[replace(GROUP, features=GROUP.features[:1])], label=LABEL)


def test_labels_that_drift_are_warned_of_and_others_pass(tmp_path: Path) -> None:
    calm = remembering(2, time=5, together=0.3)
    found = set_undrifted(built_set(tmp_path / "calm", calm), SET)
    assert found.passed
    assert "of 8 labels by symbol are unusual in their newest 30 values" in found.text
    assert str(found.facts["picture"].value).startswith("![how unusual the newest values are](data:image/png")
    moved = calm.with_columns(f1=remembering(2, time=5, together=0.3, shift=4)["f1"])
    found = set_undrifted(built_set(tmp_path / "moved", moved), SET)
    assert not found.passed
    assert "ahead of S0" in found.text
    assert "Nothing is held back." in found.todo
    other = replace(SET, drift=Drift(features=["f0"]))
    assert set_undrifted(built_set(tmp_path / "other", moved), other).passed


def test_as_much_of_a_set_is_read_as_the_history_needs(tmp_path: Path) -> None:
    folder = built_set(tmp_path, remembering(2, time=1, together=0.3))
    assert newest_of_set(folder, 100, ["ahead"])["symbol"].value_counts()["count"].unique().to_list() == [122], (
        "September on"
    )
    every = newest_of_set(folder, 2000, ["ahead", "gone"])
    assert every.height == 8 * 1095
    assert every["gone"].null_count() == every.height


def test_a_set_with_a_label_has_the_check_unless_it_says_otherwise(tmp_path: Path) -> None:
    asset = dg.AssetKey(["training", "mine"])
    assert dg.AssetCheckKey(asset, "drift") in keys(Catalog(SET))
    assert dg.AssetCheckKey(asset, "drift") not in keys(Catalog(replace(SET, drift=None)))
    assert dg.AssetCheckKey(asset, "drift") not in keys(Catalog(TrainingSet("mine", daily_candles, features=[GROUP])))
    with pytest.raises(UnknownNameError, match="did you mean 'ahead'"):
        replace(SET, drift=Drift(features=["aheda"]))
    (check,) = (one for one in checks(Catalog(SET)) if dg.AssetCheckKey(asset, "drift") in one.check_keys)
    lake = LakeResource(root=str(tmp_path), interval_minutes=60)
    for said in ("There are no rows yet.", "8 labels by symbol"):
        with dg.instance_for_test() as instance:
            job = dg.Definitions(
                asset_checks=[check],
                resources={"lake": lake},
                jobs=[dg.define_asset_job("j", dg.AssetSelection.all_asset_checks())],
            )
            run = job.resolve_job_def("j").execute_in_process(instance=instance)
            (evaluation,) = run.get_asset_check_evaluations()
        assert said in str(evaluation.description)
        assert evaluation.severity is dg.AssetCheckSeverity.WARN
        built_set(tmp_path / "training/mine/2024-01-01T000000Z", remembering(2, time=5, together=0.3))


def checks(declared: Catalog) -> "list[dg.AssetChecksDefinition]":
    settings = Settings.load()
    return [*every_check(settings, declared, lambda: source(settings))]


def keys(declared: Catalog) -> set[dg.AssetCheckKey]:
    return {key for one in checks(declared) for key in one.check_keys}


def test_the_map_shows_the_symbols_that_are_furthest_and_stays_small() -> None:
    pairs = [(f"f{i}", f"S{j:03}") for i in range(20) for j in range(500)]
    found = pl.DataFrame(pairs, schema=["feature", "symbol"], orient="row").with_columns(
        p=pl.int_range(1, pl.len() + 1) / pl.len()
    )
    drawn = plots.drift_map(found)
    assert len(plots.png(drawn)) < inline.MAX_BYTES
    labels = [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert labels == [f"S{j:03}" for j in reversed(range(40))]
    assert plots.png(plots.drift_map(found.clear()))


def test_weights_by_uniqueness_are_not_watched_since_they_always_end_higher() -> None:
    """Labels of five days, of which fewer overlap at the end of the data: nothing drifts, and all is unusual."""
    rows = remembering(1, time=1, together=0).sort("symbol", "event_timestamp")
    ends = rows["event_timestamp"] + timedelta(days=5)
    found = drift(rows.with_columns(weight=uniqueness(rows["symbol"], rows["event_timestamp"], ends)), ["weight"])
    assert found["unusual"].all()
    assert "weight" not in watched_columns(replace(SET, weights=Weights(uniqueness=True)))
